package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/web/servertest"
)

// The newest push comes first, a repeated push takes its item to the front, and
// pages cut that order.
func TestCircuitItemsOrder(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, member := srv.User("owner"), srv.User("member")
	circuit := seedCircuit(t, srv, nil, roles{owner: app.RoleOwner, member: app.RoleMember})
	path := "/api/circuits/" + circuit + "/items"
	wantTexts(t, owner, path, "dfid")
	var locals, dfids []string
	for n := range 4 {
		locals = append(locals, newLocal(t, owner, sisbov(fmt.Sprintf("BR%012d", n)), `{}`))
		dfids = append(dfids, push(t, owner, circuit, locals[n], "").WantStatus(http.StatusOK).Field("dfid"))
		if n != 1 {
			srv.Advance(time.Second) // the second and the third in one second: the later row comes first
		}
	}
	wantTexts(t, owner, path, "dfid", dfids[3], dfids[2], dfids[1], dfids[0])
	push(t, owner, circuit, locals[1], "").WantStatus(http.StatusOK)
	order := []string{dfids[1], dfids[3], dfids[2], dfids[0]}
	wantTexts(t, member, path, "dfid", order...)
	wantTexts(t, owner, path+"?limit=2", "dfid", order[:2]...)
	wantTexts(t, owner, path+"?limit=2&offset=1", "dfid", order[1:3]...)
	wantTexts(t, owner, path+"?limit=0", "dfid")
	wantTexts(t, owner, path+"?offset=4", "dfid")
	wantTexts(t, owner, path+"?limit=9223372036854775807", "dfid", order...)
	wantTexts(t, owner, path+"?offset=9223372036854775807", "dfid")

	// Somebody else's repeated push renews who brought it.
	srv.Advance(time.Second)
	again := newLocal(t, member, sisbov("BR000000000000"), `{}`)
	push(t, member, circuit, again, "").WantStatus(http.StatusOK)
	wantTexts(t, owner, path+"?limit=1", "pushed_by", member.UserID)
	wantRows(t, owner, path, 4)

	for query, said := range map[string]string{
		"?include_events=1":                        "include_events: provided string was not `true` or `false`",
		"?include_events=":                         "include_events: provided string was not `true` or `false`",
		"?include_events=true&include_events=true": "duplicate field `include_events`",
		"?offset=":                                 "offset: cannot parse integer from empty string",
	} {
		owner.Get(t, path+query).WantStatus(http.StatusBadRequest).WantError("Failed to deserialize query string: " + said)
	}
}

// Events come when they are asked for, newest first; those of other circuits
// are not this circuit's to show.
func TestCircuitItemsWithEvents(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, member := srv.User("owner"), srv.User("member")
	here := seedCircuit(t, srv, nil, roles{owner: app.RoleOwner, member: app.RoleMember})
	elsewhere := newCircuit(t, owner, "")
	open := newCircuit(t, owner, `,"allow_public_visibility":true`)
	local := newLocal(t, owner, sisbov("BR000000000001"), `{}`)
	for _, circuit := range []string{here, elsewhere, open, here} {
		push(t, owner, circuit, local, "").WantStatus(http.StatusOK)
		srv.Advance(time.Second)
	}
	path := "/api/circuits/" + here + "/items"
	for _, query := range []string{"", "?include_events=false"} {
		owner.Get(t, path+query).WantStatus(http.StatusOK).WantGolden("circuit/items_without_events")
	}
	where := func(who *servertest.Client) []string {
		t.Helper()
		var items []struct {
			Events []struct {
				Source, Timestamp string
				Metadata          struct {
					Circuit string `json:"circuit_id"`
				}
			}
		}
		who.Get(t, path+"?include_events=true").WantStatus(http.StatusOK).JSON(&items)
		if len(items) != 1 {
			t.Fatalf("items: got %d, want 1", len(items))
		}
		var out []string
		for i, e := range items[0].Events {
			out = append(out, e.Metadata.Circuit)
			if i > 0 && e.Timestamp >= items[0].Events[i-1].Timestamp {
				t.Errorf("event %d is of %s, after one of %s", i, e.Timestamp, items[0].Events[i-1].Timestamp)
			}
		}
		return out
	}
	for _, tt := range []struct {
		who  *servertest.Client
		want []string
	}{
		{owner, []string{here, open, elsewhere, here}}, // his own events
		{member, []string{here, open, here}},           // the circuit's, and the public one
		{srv.Admin(), []string{here, open, elsewhere, here}},
	} {
		if got := where(tt.who); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: events of %v, want %v", tt.who.Username, got, tt.want)
		}
	}
}

// The public sees what an open circuit publishes; a password or a date keeps it
// to the members.
func TestCircuitItemsOfOthers(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, stranger := srv.User("owner"), srv.User("stranger")
	for n, tt := range []struct {
		name, settings string
		status, rows   int
	}{
		{"private", ``, 404, 0},
		{"public without a face", `,"allow_public_visibility":true`, 200, 0},
		{"public, publishes nothing", `,"public_settings":{}`, 200, 0},
		{"public, publishes", `,"public_settings":{"auto_publish_pushed_items":true}`, 200, 1},
		{"protected", `,"public_settings":{"access_mode":"protected","access_password":"x","auto_publish_pushed_items":true}`, 200, 0},
		{"protected by an empty password", `,"public_settings":{"access_mode":"protected","access_password":"","auto_publish_pushed_items":true}`, 200, 0},
		{"before its date", `,"public_settings":{"access_mode":"scheduled","scheduled_date":"2025-10-13T08:30:16Z","auto_publish_pushed_items":true}`, 200, 0},
		{"after its date", `,"public_settings":{"access_mode":"scheduled","scheduled_date":"2025-10-13T08:30:15Z","auto_publish_pushed_items":true}`, 200, 1},
	} {
		circuit := createCircuit(t, owner, tt.settings).WantStatus(http.StatusOK).Field("circuit_id")
		dfid := pushed(t, owner, circuit, fmt.Sprintf("BR%012d", n))
		path := "/api/circuits/" + circuit + "/items"
		wantTexts(t, owner, path, "dfid", dfid)
		res := stranger.Get(t, path+"?include_events=true")
		if res.Status != tt.status {
			t.Errorf("%s: got %d, want %d; %s", tt.name, res.Status, tt.status, res.Body)
			continue
		}
		if tt.status == http.StatusOK {
			wantRows(t, stranger, path, tt.rows)
		} else {
			res.WantGolden("circuit/not_found")
		}
		// Being published is no leave to read the item.
		stranger.Get(t, "/api/items/"+dfid).WantStatus(http.StatusNotFound).WantGolden("item/not_found")
	}
	owner.Get(t, "/api/circuits/"+uuid.NewString()+"/items").WantStatus(http.StatusNotFound).WantGolden("circuit/not_found")
}

// Of an item that the circuit holds in part outsiders see the circuit's own
// events, as on its public page, and encrypted ones where the circuit says so.
func TestCircuitItemsOfAPartToOthers(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	farmer, plant, stranger := srv.User("farmer"), srv.User("plant"), srv.User("stranger")
	farm := newCircuit(t, farmer, `,"allow_public_visibility":true`)
	slaughter := newCircuit(t, plant, `,"public_settings":{"auto_publish_pushed_items":true}`)
	dfid := dfidOf(t, farmer, farm, sisbov("BR076123456789"))
	if again := dfidOf(t, plant, slaughter, sisbov("BR076123456789")); again != dfid {
		t.Fatalf("got %s, want %s", again, dfid)
	}
	err := srv.Store().Write(t.Context(), func(tx app.Tx) error {
		id := uuid.MustParse(slaughter)
		return tx.Events().Insert(&app.Event{
			ID: uuid.New(), DFID: dfid, Type: app.EventUpdated, At: chainStart, Source: "sealed", Visibility: app.VisibilityPublic,
			Encrypted: true, PushedToCircuit: &id, Metadata: map[string]json.RawMessage{},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	want := func(sources ...string) {
		t.Helper()
		var got []struct{ Events []struct{ Source string } }
		stranger.Get(t, "/api/circuits/"+slaughter+"/items?include_events=true").WantStatus(http.StatusOK).JSON(&got)
		var shown []string
		for _, e := range got[0].Events {
			shown = append(shown, e.Source)
		}
		slices.Sort(shown)
		if !slices.Equal(shown, sources) {
			t.Errorf("events of %v, want %v", shown, sources)
		}
	}
	want(plant.UserID)
	plant.Put(t, "/api/circuits/"+slaughter+"/public-settings", `{"show_encrypted_events":true}`).WantStatus(http.StatusOK)
	want("sealed", plant.UserID)
}
