package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/defarm-repo/defarm/web/servertest"
)

// Every reason that the server gives, in the words that clients read.
func TestPendingReasons(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	for range 2 { // two traced items with one name that only their owner gave
		dfid := newItem(t, who, `{"key":"a","value":"1"}`, "")
		who.Delete(t, "/api/items/"+dfid).WantStatus(http.StatusOK)
	}
	newItem(t, who, sisbov("BR000000000001")+`,{"key":"lote","value":"7"}`, "")
	newItem(t, who, sisbov("BR000000000002")+`,{"key":"lote","value":"7"}`, "")
	for _, tt := range []struct{ name, identifiers, more string }{
		{"no_identifiers", "", ""},
		{"blank_value", `{"key":"a","value":" "}`, ""},
		{"blank_key", `{"key":"","value":"x\"\\\n"}`, ""},
		{"two_items_of_one_lot", `{"key":"lote","value":"7"}`, ""},
		{"two_canonical_ones", sisbov("BR000000000001") + "," + sisbov("BR000000000002"), ""},
		{"null_value", `{"key":"a","value":"1"}`, `,"enriched_data":{"ok":1,"x":null}`},
		{"blank_data_key", `{"key":"a","value":"1"}`, `,"enriched_data":{" ":1}`},
	} {
		res := createItem(t, who, tt.identifiers, tt.more).WantStatus(http.StatusBadRequest).WantGolden("pendingitem/refusal_" + tt.name)
		who.Get(t, "/api/items/pending/"+res.Field("pending_id")).WantStatus(http.StatusOK).WantGolden("pendingitem/" + tt.name)
	}
	wantTexts(t, who, "/api/items/pending?reason=DataQuality", "reason_details", "Empty data key detected", "Null value for key: x")
	for query, want := range map[string]int{
		"": 7, "?reason=NoIdentifiers": 1, "?reason=noidentifiers": 0, "?reason=lote": 1, "?priority_min=3": 3, "?priority_min=4": 2,
		"?priority_min=5": 0, "?limit=2": 2, "?limit=0": 0, "?offset=6": 1, "?reason=Invalid&limit=1&offset=1": 1,
	} {
		wantRows(t, who, "/api/items/pending"+query, want)
	}
	who.Get(t, "/api/items/pending").WantStatus(http.StatusOK).WantGolden("pendingitem/list")
	for _, query := range []string{"?priority_min=-1", "?priority_min=x", "?limit=-1"} {
		who.Get(t, "/api/items/pending"+query).WantStatus(http.StatusBadRequest)
	}
}

// What is pending is decided by its creator or an administrator, once.
func TestResolvePending(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who, stranger := srv.User("maria"), srv.User("stranger")
	resolve := func(c *servertest.Client, id, body string) *servertest.Response {
		t.Helper()
		return c.Post(t, "/api/items/pending/"+id+"/resolve", body)
	}
	waiting := func() string {
		t.Helper()
		return createItem(t, who, "", `,"enriched_data":{"a":1}`).WantStatus(http.StatusBadRequest).Field("pending_id")
	}
	id := waiting()
	srv.Advance(time.Minute)
	resolve(who, id, `{"action":"approve"}`).WantStatus(http.StatusOK).WantGolden("pendingitem/approve_again")
	who.Get(t, "/api/items/pending/"+id).WantStatus(http.StatusOK).WantGolden("pendingitem/more_urgent")
	for range 3 {
		resolve(who, id, `{"action":"approve"}`).WantStatus(http.StatusOK)
	}
	if got := who.Get(t, "/api/items/pending/"+id).Field("priority"); got != "4" {
		t.Errorf("priority: got %s, want 4 at most", got)
	}
	wantRows(t, who, "/api/items/pending", 1) // never a second one
	resolve(who, id, `{"action":"modify","new_identifiers":[`+sisbov("BR000000000001")+`]}`).WantStatus(http.StatusOK).WantGolden("pendingitem/modify")
	who.Get(t, "/api/items/pending/"+id).WantStatus(http.StatusOK).WantGolden("pendingitem/modified")
	resolve(who, id, `{"action":"modify","new_enriched_data":{"b":null}}`).WantStatus(http.StatusOK)
	who.Get(t, "/api/items/pending/"+id).WantStatus(http.StatusOK).WantGolden("pendingitem/modified_data")
	resolve(who, id, `{"action":"modify","new_enriched_data":{"b":2}}`).WantStatus(http.StatusOK)

	for name, c := range map[string]*servertest.Client{"stranger": stranger} {
		for _, action := range []string{"approve", "reject", "modify"} {
			if res := resolve(c, id, `{"action":"`+action+`"}`); res.Status != http.StatusNotFound {
				t.Errorf("%s: %s: got %d, want 404", name, action, res.Status)
			}
		}
		wantRows(t, c, "/api/items/pending", 0)
	}
	resolve(srv.Admin(), id, `{"action":"approve"}`).WantStatus(http.StatusOK).WantGolden("pendingitem/approved")
	resolve(who, id, `{"action":"approve"}`).WantStatus(http.StatusNotFound).WantGolden("pendingitem/gone")
	wantTexts(t, who, "/api/items", "status", "Active") // the creator's, whoever approved
	wantTexts(t, srv.Admin(), "/api/items/pending", "id")

	id = waiting()
	resolve(who, id, `{"action":"reject"}`).WantStatus(http.StatusOK).WantGolden("pendingitem/reject")
	who.Get(t, "/api/items/pending/"+id).WantStatus(http.StatusNotFound).WantGolden("pendingitem/unknown")
	wantRows(t, who, "/api/items", 1)

	id = waiting()
	for _, tt := range []struct {
		name, id, body string
		status         int
	}{
		{"bad_id", "x", `{"action":"delete"}`, 400},
		{"bad_action", id, `{"action":"Approve"}`, 400},
		{"bad_action_unknown_id", sourceEntry, `{"action":""}`, 400},
		{"bad_identifier", id, `{"action":"modify","new_identifiers":[{"key":"a","value":"1","id_type":"x"}]}`, 400},
		{"no_action", id, `{}`, 422},
		{"action_is_a_number", id, `{"action":1}`, 422},
		{"resolve_unknown", sourceEntry, `{"action":"reject"}`, 404},
	} {
		resolve(who, tt.id, tt.body).WantStatus(tt.status).WantGolden("pendingitem/" + tt.name)
	}
	who.Get(t, "/api/items/pending/x").WantStatus(http.StatusBadRequest).WantGolden("pendingitem/bad_id")
}
