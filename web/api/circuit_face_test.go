package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/web/servertest"
)

const herdPassword = "s3cret of the herd"

// published makes a circuit of the cast's owner with these settings and one
// published item; the manager and the member are in it.
func (c cast) published(t *testing.T, settings string) (path, dfid string) {
	t.Helper()
	path = c.circuit(t, nil)
	dfid = pushed(t, c.owner, path[len(path)-36:], fmt.Sprintf("BR%012d", c.number.Add(1)))
	var body map[string]any
	if err := json.Unmarshal([]byte(settings), &body); err != nil {
		t.Fatal(err)
	}
	body["published_items"] = []string{dfid}
	c.owner.Put(t, path+"/public-settings", body).WantStatus(200)
	// Pushed again while it is public, so that there is an event for all.
	push(t, c.owner, path[len(path)-36:], newLocal(t, c.owner, sisbov(fmt.Sprintf("BR%012d", c.number.Load())), `{}`), "").WantStatus(200)
	return path, dfid
}

// The six faces of a circuit in every state.
func TestPublicPage(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	const brand = `"public_name":"Open herd","public_description":"Ours","primary_color":"#0a0","secondary_color":"#00a","logo_url":"l","tagline":"t","footer_text":"f"`
	open, _ := c.published(t, `{`+brand+`,"auto_publish_pushed_items":true}`)
	protected, _ := c.published(t, `{`+brand+`,"access_mode":"protected","access_password":"`+herdPassword+`"}`)
	nothing, _ := c.published(t, `{"access_mode":"protected","access_password":""}`)
	today, _ := c.published(t, `{"access_mode":"scheduled","scheduled_date":"`+chainStart.Format(time.RFC3339)+`"}`)
	tomorrow, _ := c.published(t, `{"access_mode":"scheduled","scheduled_date":"`+chainStart.Add(24*time.Hour).Format(time.RFC3339)+`"}`)
	private, bare, asleep := c.circuit(t, nil), c.circuit(t, public), c.circuit(t, inactive)
	inside := map[string]bool{"owner": true, "manager": true, "member": true, "admin": true}
	for name, who := range c.everyone() {
		behind := func(golden string) string {
			if inside[name] {
				return golden
			}
			return golden + "_outside"
		}
		who.Get(t, open+"/public").WantStatus(200).WantGolden("circuit/face_open").WantHeader("Cache-Control", "no-store")
		who.Get(t, protected+"/public").WantStatus(200).WantGolden("circuit/" + behind("face_protected"))
		who.WithHeader("X-Access-Password", herdPassword).Get(t, protected+"/public").WantStatus(200).WantGolden("circuit/face_protected")
		who.Get(t, protected+"/public?access_password=s3cret%20of%20the%20herd").WantStatus(200).WantGolden("circuit/face_protected")
		who.WithHeader("X-Access-Password", "wrong").Get(t, protected+"/public").WantStatus(200).WantGolden("circuit/" + behind("face_protected"))
		who.WithHeader("X-Access-Password", "any").Get(t, nothing+"/public").WantStatus(200).WantGolden("circuit/" + behind("face_nothing"))
		who.Get(t, today+"/public").WantStatus(200).WantGolden("circuit/face_scheduled")
		who.Get(t, bare+"/public").WantStatus(200).WantGolden("circuit/face_bare")
		for _, path := range []string{tomorrow, private, asleep, "/api/circuits/" + uuid.NewString()} {
			who.Get(t, path+"/public").WantStatus(404).WantGolden("circuit/face_not_public")
		}
		who.Get(t, "/api/circuits/7/public").WantStatus(400).WantGolden("circuit/bad_id")
	}
	res := c.nobody.Get(t, open+"/public").WantStatus(200)
	for field, want := range map[string]string{
		"data.created_at": app.FormatOffset(chainStart.Truncate(time.Second)), "data.public_since": app.FormatOffset(chainStart),
		"data.published_items_with_events.0.events.0.timestamp": app.FormatOffset(chainStart.Truncate(time.Second)),
	} {
		if got := res.Field(field); got != want {
			t.Errorf("%s: got %s, want %s", field, got, want)
		}
	}
	if body := string(c.nobody.Get(t, protected+"/public").Body); strings.Contains(body, "DFID-") || !strings.Contains(body, "Open herd") {
		t.Errorf("without the password: %s", body)
	}
}

// A bad credential is no credential here, and does not hurt.
func TestPublicPageWithBadCredentials(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	path, _ := c.published(t, `{"access_mode":"protected","access_password":"x"}`)
	write := c.member.Post(t, "/api/api-keys", `{"name":"k","permissions":{"write":true}}`).WantStatus(200).Field("api_key")
	read := c.member.Post(t, "/api/api-keys", `{"name":"k","permissions":{"read":true}}`).WantStatus(200).Field("api_key")
	expired := c.srv.User("expired")
	if err := c.srv.Identity().SetStatus(t.Context(), "expired", app.StatusSuspended); err != nil {
		t.Fatal(err)
	}
	for name, who := range map[string]*servertest.Client{
		"a token of no form": c.member.WithToken("x"), "an unknown key": c.nobody.WithKey("dfm_" + strings.Repeat("A", 32)),
		"a key that may not read": c.nobody.WithKey(write), "somebody suspended": expired,
	} {
		res := who.Get(t, path+"/public")
		if res.Status != http.StatusOK || res.Field("data.items_count") != "0" {
			t.Errorf("%s: got %d %s, want the page without its items", name, res.Status, res.Body)
		}
		who.WithHeader("X-Access-Password", "x").Get(t, path+"/public").WantStatus(200)
		if res := who.Post(t, path+"/public", `{}`); res.Status != http.StatusMethodNotAllowed {
			t.Errorf("%s, another method: got %d, want 405", name, res.Status)
		}
	}
	if got := c.nobody.WithKey(read).Get(t, path+"/public").WantStatus(200).Field("data.items_count"); got != "1" {
		t.Errorf("a member's key: %s items, want 1", got)
	}
}

// Wrong passwords are limited for the address and for the user, on the page and
// where one joins together; right ones and members are not.
func TestAccessPasswordIsThrottled(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	path, _ := c.published(t, `{"access_mode":"protected","access_password":"`+herdPassword+`"}`)
	other, _ := c.published(t, `{"access_mode":"protected","access_password":"`+herdPassword+`"}`)
	page := func(who *servertest.Client, circuit, pw string) *servertest.Response {
		t.Helper()
		return who.WithHeader("X-Access-Password", pw).Get(t, circuit+"/public")
	}
	for range 20 {
		page(c.nobody, path, herdPassword).WantStatus(200)
	}
	for range 5 {
		page(c.stranger, path, "wrong").WantStatus(200)
		c.stranger.Post(t, path+"/public/join", `{"access_password":"wrong"}`).WantStatus(400)
	}
	page(c.nobody, path, "wrong").WantStatus(429).WantGolden("circuit/face_throttled").WantHeader("Retry-After", "60")
	page(c.nobody, path, herdPassword).WantStatus(429)
	c.stranger.Post(t, path+"/public/join", `{"access_password":"`+herdPassword+`"}`).WantStatus(429).WantGolden("circuit/face_throttled")
	page(c.member, path, "wrong").WantStatus(200)       // is not asked
	c.nobody.Get(t, path+"/public").WantStatus(200)     // is no attempt
	page(c.nobody, other, herdPassword).WantStatus(200) // another circuit
	c.srv.Advance(30 * time.Second)
	page(c.nobody, path, herdPassword).WantStatus(429).WantHeader("Retry-After", "30")
	c.srv.Advance(31 * time.Second)
	page(c.nobody, path, herdPassword).WantStatus(200)
	c.stranger.Post(t, path+"/public/join", `{"access_password":"`+herdPassword+`"}`).WantStatus(200)
	// An hour has a limit of its own.
	wrong := 10
	for ; wrong < 200; wrong++ {
		if page(c.nobody, path, "wrong").Status == http.StatusTooManyRequests {
			if wrong >= 60 {
				break
			}
			c.srv.Advance(61 * time.Second)
			page(c.nobody, path, "wrong").WantStatus(200)
		}
	}
	if wrong != 60 {
		t.Errorf("%d wrong passwords in an hour, want 60", wrong)
	}
}

// What the page lists: public events, encrypted ones where the circuit shows
// them, the newest hundred of each item; all of them are counted.
func TestPublicPageEvents(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	path, dfid := c.published(t, `{}`)
	put := func(n int, edit func(e *app.Event)) {
		t.Helper()
		err := c.srv.Store().Write(t.Context(), func(tx app.Tx) error {
			for i := range n {
				e := &app.Event{
					ID: uuid.New(), DFID: dfid, Type: app.EventUpdated, At: chainStart.Add(time.Duration(i) * time.Minute), Source: "user-owner",
					Metadata: map[string]json.RawMessage{"n": json.RawMessage(fmt.Sprint(i))}, Visibility: app.VisibilityPublic,
				}
				edit(e)
				if err := tx.Events().Insert(e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	page := func() (count string, shown []string) {
		t.Helper()
		res := c.nobody.Get(t, path+"/public").WantStatus(200)
		var got struct {
			Data struct {
				Items []struct {
					Events []struct {
						Source, Visibility, Timestamp string
						Metadata                      struct{ N int }
					}
				} `json:"published_items_with_events"`
			}
		}
		res.JSON(&got)
		last := "9999"
		for _, e := range got.Data.Items[0].Events {
			if e.Visibility != "Public" || e.Timestamp > last {
				t.Errorf("event %+v after one of %s", e, last)
			}
			last = e.Timestamp
			shown = append(shown, e.Source)
		}
		return res.Field("data.events_count"), shown
	}
	for _, v := range []app.Visibility{app.VisibilityPrivate, app.VisibilityCircuitOnly, app.VisibilityDirect} {
		put(1, func(e *app.Event) { e.Visibility = v })
	}
	before, _ := page()
	put(1, func(e *app.Event) { e.Encrypted, e.Source = true, "encrypted" })
	if count, shown := page(); count != before || strings.Contains(fmt.Sprint(shown), "encrypted") {
		t.Errorf("an encrypted event shows: %s, %v", count, shown)
	}
	c.owner.Put(t, path+"/public-settings", `{"show_encrypted_events":true}`).WantStatus(200)
	if count, shown := page(); count == before || !strings.Contains(fmt.Sprint(shown), "encrypted") {
		t.Errorf("an encrypted event does not show: %s, %v", count, shown)
	}
	put(120, func(*app.Event) {})
	var have int
	fmt.Sscan(before, &have)
	if count, shown := page(); count != fmt.Sprint(have+121) || len(shown) != 100 {
		t.Errorf("%s events counted, %d listed, want %d and 100", count, len(shown), have+121)
	}
}

// A circuit that holds an animal in part shows its own events of it, and not
// those of the circuit that brought it up.
func TestPublicPageOfAPart(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	farmer, plant := srv.User("farmer"), srv.User("plant")
	farm := newCircuit(t, farmer, `,"allow_public_visibility":true`)
	slaughter := newCircuit(t, plant, `,"public_settings":{"auto_publish_pushed_items":true}`)
	dfid := push(t, farmer, farm, newLocal(t, farmer, sisbov("BR076123456789"), `{}`), "").WantStatus(200).Field("dfid")
	srv.Advance(time.Minute)
	push(t, plant, slaughter, newLocal(t, plant, sisbov("BR076123456789"), `{}`), "").WantStatus(200)
	// An event that only mentions the circuit somewhere is not the circuit's.
	err := srv.Store().Write(t.Context(), func(tx app.Tx) error {
		return tx.Events().Insert(&app.Event{
			ID: uuid.New(), DFID: dfid, Type: app.EventUpdated, At: chainStart, Source: farmer.UserID, Visibility: app.VisibilityPublic,
			Metadata: map[string]json.RawMessage{"rival": json.RawMessage(`{"circuit_id":"` + slaughter + `"}`)},
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Anonymous().Get(t, "/api/circuits/"+slaughter+"/public").WantStatus(200).WantGolden("circuit/face_part")
}

// A page lists a thousand items, shares ten thousand events out among them, and
// counts all.
func TestPublicPageIsBounded(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	path := c.circuit(t, public)
	id := uuid.MustParse(path[len(path)-36:])
	err := c.srv.Store().Write(t.Context(), func(tx app.Tx) error {
		gate, err := tx.Circuits().Gate(id, c.owner.UserID)
		if err != nil {
			return err
		}
		for n := range 1001 {
			it := &app.Item{DFID: fmt.Sprintf("DFID-20250101-%06d-0000", n), OwnerID: c.owner.UserID, CreatedAt: chainStart, ModifiedAt: chainStart, Status: app.ItemActive}
			if err := tx.Items().Insert(it); err != nil {
				return err
			}
			place := app.CircuitItem{CircuitRow: gate.Circuit.Row, ItemRow: it.Row, PushedBy: c.owner.UserID, PushedAt: chainStart, Whole: true}
			if err := tx.Circuits().PutItem(place); err != nil {
				return err
			}
			if err := tx.Circuits().Publish(gate.Circuit.Row, it.Row, chainStart); err != nil {
				return err
			}
			for range 11 * (1 - min(n, 1)) { // of the first one
				e := &app.Event{ID: uuid.New(), DFID: it.DFID, Type: app.EventUpdated, At: chainStart, Visibility: app.VisibilityPublic}
				if err := tx.Events().Insert(e); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	res := c.nobody.Get(t, path+"/public").WantStatus(200)
	var got struct {
		Data struct {
			Count  int      `json:"items_count"`
			All    int      `json:"events_count"`
			Items  []string `json:"published_items"`
			Events []struct {
				Events []json.RawMessage
			} `json:"published_items_with_events"`
		}
	}
	res.JSON(&got)
	if got.Data.Count != 1001 || len(got.Data.Items) != 1000 || len(got.Data.Events) != 1000 || got.Data.Items[0] != "DFID-20250101-000000-0000" {
		t.Errorf("got %d counted, %d and %d listed, from %s", got.Data.Count, len(got.Data.Items), len(got.Data.Events), got.Data.Items[0])
	}
	if shown := len(got.Data.Events[0].Events); shown != 10 || got.Data.All != 11 {
		t.Errorf("events of the first item: %d counted, %d listed, want 11 and 10", got.Data.All, shown)
	}
}
