package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/web/server"
	"github.com/defarm-repo/defarm/web/servertest"
)

func shareItem(t *testing.T, who *servertest.Client, dfid, recipient, more string) *servertest.Response {
	t.Helper()
	return who.Post(t, "/api/items/"+dfid+"/share", fmt.Sprintf(`{"recipient_user_id":%q%s}`, recipient, more))
}

// A share shows the whole item, at once and for as long as it lasts, and gives
// no right to change it.
func TestShareItem(t *testing.T) {
	t.Parallel()
	for _, cached := range []bool{true, false} {
		t.Run(fmt.Sprintf("cache %t", cached), func(t *testing.T) {
			t.Parallel()
			srv := servertest.Start(t, servertest.At(chainStart), servertest.WithConfig(func(c *server.Config) { c.Cache.Enabled = cached }))
			owner, vet := srv.User("owner"), srv.User("vet")
			dfid := newItem(t, owner, sisbov("BR000000000001"), `,"enriched_data":{"weight":450}`)
			path := "/api/items/" + dfid
			vet.Get(t, path).WantStatus(http.StatusNotFound)
			wantRows(t, vet, "/api/items", 0)
			id := shareItem(t, owner, dfid, vet.UserID, `,"permissions":["read"]`).WantStatus(http.StatusOK).WantGolden("share/share").Field("share_id")
			if !strings.HasPrefix(id, "SHARE-20251013083015-") || len(id) != len("SHARE-20251013083015-")+8 || strings.ToUpper(id) != id {
				t.Errorf("share id: got %s", id)
			}
			vet.Get(t, path).WantStatus(http.StatusOK).WantGolden("share/item")
			wantRows(t, vet, "/api/items", 1)
			wantRows(t, vet, "/api/items/"+dfid+"/events", 1)
			vet.Get(t, "/api/items/shared-to/"+vet.UserID).WantStatus(http.StatusOK).WantGolden("share/shared_to")
			vet.Get(t, path+"/shared-with/"+vet.UserID).WantStatus(http.StatusOK).WantGolden("share/shared_with")
			vet.Put(t, path, `{"enriched_data":{"weight":1}}`).WantStatus(http.StatusBadRequest)
			shareItem(t, vet, dfid, "user-owner", "").WantStatus(http.StatusBadRequest).WantGolden("share/foreign")

			srv.Advance(time.Minute)
			again := shareItem(t, owner, dfid, vet.UserID, "").WantStatus(http.StatusOK)
			if again.Field("share_id") != id || again.Field("shared_at") != fmt.Sprint(chainStart.Add(time.Minute).Unix()) {
				t.Errorf("sharing again: got %s, want %s renewed", again.Body, id)
			}
			owner.Get(t, path+"/shares").WantStatus(http.StatusOK).WantGolden("share/shares")
			owner.Delete(t, path+"/share/"+id).WantStatus(http.StatusOK).WantGolden("share/unshare")
			vet.Get(t, path).WantStatus(http.StatusNotFound)
			wantRows(t, vet, "/api/items", 0)
			wantRows(t, vet, "/api/items/"+dfid+"/events", 0)
			owner.Delete(t, path+"/share/"+id).WantStatus(http.StatusNotFound).WantGolden("share/unknown")
		})
	}
}

// Who is told of shares.
func TestSharesAreToldTo(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, vet, buyer, stranger := srv.User("owner"), srv.User("vet"), srv.User("buyer"), srv.User("stranger")
	dfid := newItem(t, owner, sisbov("BR000000000001"), "")
	other := newItem(t, stranger, sisbov("BR000000000002"), "")
	toVet := shareItem(t, owner, dfid, vet.UserID, "").WantStatus(http.StatusOK).Field("share_id")
	shareItem(t, owner, dfid, buyer.UserID, "").WantStatus(http.StatusOK)
	shareItem(t, stranger, other, vet.UserID, "").WantStatus(http.StatusOK)
	for _, tt := range []struct {
		who      *servertest.Client
		with     string // is the item shared with the vet?
		to       int    // rows of what is shared with the vet
		shares   int    // rows of the item's shares, -1: not found
		unshares int
	}{
		{owner, "true", 1, 2, http.StatusOK},
		{vet, "true", 2, 1, http.StatusOK},
		{buyer, "false", 0, 1, http.StatusNotFound},
		{stranger, "false", 1, -1, http.StatusNotFound},
		{srv.Admin(), "true", 2, 2, http.StatusNotFound},
	} {
		if got := tt.who.Get(t, "/api/items/"+dfid+"/shared-with/"+vet.UserID).WantStatus(http.StatusOK).Field("is_shared"); got != tt.with {
			t.Errorf("%s: shared with the vet: got %s, want %s", tt.who.Username, got, tt.with)
		}
		wantRows(t, tt.who, "/api/items/shared-to/"+vet.UserID, tt.to)
		if tt.shares < 0 {
			tt.who.Get(t, "/api/items/"+dfid+"/shares").WantStatus(http.StatusNotFound).WantGolden("item/not_found")
		} else {
			wantRows(t, tt.who, "/api/items/"+dfid+"/shares", tt.shares)
		}
		if tt.unshares == http.StatusNotFound {
			tt.who.Delete(t, "/api/items/"+dfid+"/share/"+toVet).WantStatus(http.StatusNotFound)
		}
	}
	owner.Get(t, "/api/items/DFID-X/shared-with/"+vet.UserID).WantStatus(http.StatusOK).WantGolden("share/not_shared")
	owner.Get(t, "/api/items/"+dfid+"/shared-with/nobody").WantStatus(http.StatusOK).WantGolden("share/not_shared")
	owner.Get(t, "/api/items/DFID-X/shares").WantStatus(http.StatusNotFound)
	owner.Delete(t, "/api/items/DFID-X/share/"+toVet).WantStatus(http.StatusNotFound)
	stranger.Delete(t, "/api/items/"+other+"/share/"+toVet).WantStatus(http.StatusNotFound) // of another item
	wantRows(t, vet, "/api/items/shared-to/"+vet.UserID+"?limit=1&offset=1", 1)
	wantRows(t, vet, "/api/items/"+dfid+"/shares?offset=1", 0)
	vet.Delete(t, "/api/items/"+dfid+"/share/"+toVet).WantStatus(http.StatusOK) // wants it no longer
	wantRows(t, vet, "/api/items/shared-to/"+vet.UserID, 1)
}

func TestShareRefusals(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, vet := srv.User("owner"), srv.User("vet")
	dfid := newItem(t, owner, sisbov("BR000000000001"), "")
	for _, tt := range []struct {
		name, dfid, body string
		status           int
	}{
		{"unknown_item", "DFID-X", `{"recipient_user_id":"user-vet"}`, 400},
		{"unknown_recipient", dfid, `{"recipient_user_id":"user-nobody"}`, 400},
		{"empty_recipient", dfid, `{"recipient_user_id":""}`, 400},
		{"owner", dfid, `{"recipient_user_id":"user-owner"}`, 400},
		{"long_permission", dfid, `{"recipient_user_id":"user-vet","permissions":["` + strings.Repeat("x", 1025) + `"]}`, 400},
		{"permission_with_NUL", dfid, `{"recipient_user_id":"user-vet","permissions":["\u0000"]}`, 400},
		{"many_permissions", dfid, `{"recipient_user_id":"user-vet","permissions":[` + strings.Repeat(`"x",`, 100) + `"x"]}`, 422},
		{"no_recipient", dfid, `{}`, 422},
		{"permissions_text", dfid, `{"recipient_user_id":"user-vet","permissions":"read"}`, 422},
	} {
		owner.Post(t, "/api/items/"+tt.dfid+"/share", tt.body).WantStatus(tt.status).WantGolden("share/refused_" + tt.name)
	}
	wantRows(t, owner, "/api/items/"+dfid+"/shares", 0)
	shareItem(t, owner, dfid, vet.UserID, `,"permissions":[]`).WantStatus(http.StatusOK)
	vet.Get(t, "/api/items/shared-to/"+vet.UserID).WantStatus(http.StatusOK).WantGolden("share/no_permissions")
}

// Who sees an item in part through a circuit sees all of it by a share, and a
// local item's share ends when the item is folded into somebody else's.
func TestSharesAndCircuits(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	farmer, plant, vet := srv.User("farmer"), srv.User("plant"), srv.User("vet")
	farm := newCircuit(t, farmer, "")
	slaughter := seedCircuit(t, srv, nil, roles{plant: app.RoleOwner, vet: app.RoleViewer})
	local := newLocal(t, farmer, sisbov("BR000000000001")+`,{"key":"lote","value":"7"}`, `{"breed":"Nelore"}`)
	dfid := push(t, farmer, farm, local, "").WantStatus(http.StatusOK).Field("dfid")
	theirs := newLocal(t, plant, sisbov("BR000000000001"), `{"carcass_kg":280}`)
	shareItem(t, plant, "LID-"+theirs, vet.UserID, "").WantStatus(http.StatusOK)
	vet.Get(t, "/api/items/LID-"+theirs).WantStatus(http.StatusOK)
	push(t, plant, slaughter, theirs, "").WantStatus(http.StatusOK)
	wantRows(t, vet, "/api/items/shared-to/"+vet.UserID, 0)
	if got := vet.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK).Body; strings.Contains(string(got), "Nelore") {
		t.Errorf("a member of a circuit that holds a part: got %s", got)
	}
	id := shareItem(t, farmer, dfid, vet.UserID, "").WantStatus(http.StatusOK).Field("share_id")
	for _, path := range []string{"/api/items/" + dfid, "/api/items", "/api/items?identifier_key=lote"} {
		if got := vet.Get(t, path).WantStatus(http.StatusOK).Body; !strings.Contains(string(got), "Nelore") {
			t.Errorf("with a share, %s: got %s, want all of the item", path, got)
		}
	}
	wantRows(t, vet, "/api/items", 1) // once, however many ways lead to it
	farmer.Delete(t, "/api/items/"+dfid+"/share/"+id).WantStatus(http.StatusOK)
	if got := vet.Get(t, "/api/items").Body; strings.Contains(string(got), "Nelore") {
		t.Errorf("after the share: got %s, want the part", got)
	}
}

// Sharing and ending the share at the same moment leaves one share or none.
func TestShareRace(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t)
	owner, vet := srv.User("owner"), srv.User("vet")
	dfid := newItem(t, owner, sisbov("BR000000000001"), "")
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			res := shareItem(t, owner, dfid, vet.UserID, "")
			if res.Status != http.StatusOK {
				t.Errorf("share: %d %s", res.Status, res.Body)
				return
			}
			owner.Delete(t, "/api/items/"+dfid+"/share/"+res.Field("share_id"))
		})
	}
	all.Wait()
	shareItem(t, owner, dfid, vet.UserID, "").WantStatus(http.StatusOK)
	wantRows(t, owner, "/api/items/"+dfid+"/shares", 1)
	wantRows(t, vet, "/api/items", 1)
}
