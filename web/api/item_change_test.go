package api_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/web/server"
	"github.com/defarm-repo/defarm/web/servertest"
)

// PUT adds and overwrites, and never removes.
func TestUpdateItem(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	dfid := newItem(t, who, sisbov("BR000000000001"), `,"enriched_data":{"kept":1,"changed":1}`)
	path := "/api/items/" + dfid
	who.Put(t, path, `{}`).WantStatus(http.StatusOK).WantGolden("item/update_nothing")
	who.Put(t, path, `{"data":{"a":1}}`).WantStatus(http.StatusOK).WantGolden("item/update_nothing")
	who.Put(t, path, `{"enriched_data":null,"identifiers":null}`).WantStatus(http.StatusOK).WantGolden("item/update_nothing")
	wantRows(t, who, "/api/events/item/"+dfid, 1)
	who.Put(t, path, `{"enriched_data":{"changed":2,"nothing":null},"identifiers":[{"key":"lote","value":"7"},`+sisbov("BR000000000001")+`]}`).
		WantStatus(http.StatusOK).WantGolden("item/update")
	who.Put(t, path, `{"identifiers":{"brinco":"E 1"}}`).WantStatus(http.StatusOK)
	who.Get(t, path).WantStatus(http.StatusOK).WantGolden("item/updated")
	who.Get(t, "/api/events/item/"+dfid).WantStatus(http.StatusOK).WantGolden("item/update_events")

	newItem(t, who, sisbov("BR000000000002"), "")
	before := rowCounts(t, srv)
	for _, tt := range []struct {
		name, path, body string
		status           int
	}{
		{"unknown_data", "/api/items/DFID-X", `{"enriched_data":{}}`, 400},
		{"unknown_both", "/api/items/DFID-X", `{"enriched_data":{},"identifiers":[]}`, 400},
		{"unknown_identifiers", "/api/items/DFID-X", `{"identifiers":[]}`, 400},
		{"unknown_nothing", "/api/items/DFID-X", `{}`, 404},
		{"type", path, `{"identifiers":[{"key":"a","value":"1","id_type":"x"}]}`, 400},
		{"taken", path, `{"enriched_data":{"a":1},"identifiers":[` + sisbov("076000000000002") + `]}`, 400},
		{"shape", path, `{"identifiers":"x"}`, 422},
		{"data_shape", path, `{"enriched_data":"x"}`, 422},
	} {
		who.Put(t, tt.path, tt.body).WantStatus(tt.status).WantGolden("item/update_refused_" + tt.name)
	}
	if after := rowCounts(t, srv); after != before {
		t.Errorf("items, pending items and events: got %v, want %v as before", after, before)
	}
	who.Get(t, path).WantStatus(http.StatusOK).WantGolden("item/updated")
	local := newLocal(t, who, `{"key":"a","value":"1"}`, `{}`)
	who.Put(t, "/api/items/LID-"+local, `{"enriched_data":{"a":1},"identifiers":[`+sisbov("BR000000000001")+`]}`).
		WantStatus(http.StatusOK).WantGolden("item/update_local")
}

// Two who change different keys at the same moment both succeed.
func TestUpdatesDoNotOverwriteEachOther(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t)
	who := srv.User("maria")
	dfid := newItem(t, who, sisbov("BR000000000001"), "")
	var all sync.WaitGroup
	const n = 32
	for i := range n {
		all.Go(func() {
			res := who.Put(t, "/api/items/"+dfid, fmt.Sprintf(`{"enriched_data":{"k%d":%d}}`, i, i))
			if res.Status != http.StatusOK {
				t.Errorf("%d: %d %s", i, res.Status, res.Body)
			}
		})
	}
	all.Wait()
	var it struct {
		Data    map[string]int `json:"enriched_data"`
		Sources []string       `json:"source_entries"`
	}
	who.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK).JSON(&it)
	if len(it.Data) != n || len(it.Sources) != n+1 {
		t.Errorf("got %d keys and %d sources, want %d and %d", len(it.Data), len(it.Sources), n, n+1)
	}
	wantRows(t, who, "/api/events/item/"+dfid, n+1)
}

// Nothing is deleted: the item stays readable, with all that refers to it.
func TestDeprecateItem(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	dfid := newItem(t, who, sisbov("BR000000000001"), `,"enriched_data":{"a":1}`)
	who.Put(t, "/api/items/"+dfid+"/deprecate", `{"reason":"died"}`).WantStatus(http.StatusOK).WantGolden("item/deprecate")
	who.Do(t, http.MethodPut, "/api/items/"+dfid+"/deprecate", nil).WantStatus(http.StatusOK).WantGolden("item/deprecate")
	who.Delete(t, "/api/items/"+dfid).WantStatus(http.StatusOK).WantGolden("item/delete")
	who.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK).WantGolden("item/deprecate")
	who.Get(t, "/api/events/item/"+dfid).WantStatus(http.StatusOK).WantGolden("item/deprecate_events") // once
	who.Delete(t, "/api/items/DFID-X").WantStatus(http.StatusBadRequest).WantGolden("item/deprecate_unknown")
	who.Put(t, "/api/items/DFID-X/deprecate", `{}`).WantStatus(http.StatusBadRequest).WantGolden("item/deprecate_unknown")
	local := newLocal(t, who, sisbov("BR000000000002"), `{}`)
	who.Delete(t, "/api/items/LID-"+local).WantStatus(http.StatusOK)
	push(t, who, newCircuit(t, who, ""), local, "").WantStatus(http.StatusNotFound)
}

// The primary gains what the secondary has; both say what happened.
func TestMergeItems(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	primary := newItem(t, who, sisbov("BR000000000001")+`,{"key":"lote","value":"7"}`, `,"enriched_data":{"a":1,"b":1}`)
	secondary := newItem(t, who, sisbov("BR000000000002")+`,{"key":"brinco","value":"9"}`, `,"enriched_data":{"b":2,"c":2}`)
	who.Post(t, "/api/items/"+primary+"/merge", `"`+secondary+`"`).WantStatus(http.StatusOK).WantGolden("item/merge")
	who.Get(t, "/api/items/"+secondary).WantStatus(http.StatusOK).WantGolden("item/merge_secondary")
	who.Get(t, "/api/events/item/"+primary).WantStatus(http.StatusOK).WantGolden("item/merge_events")
	who.Get(t, "/api/events/item/"+secondary).WantStatus(http.StatusOK).WantGolden("item/merge_secondary_events")
	third := newItem(t, who, sisbov("BR000000000003"), "")
	who.Post(t, "/api/items/"+primary+"/merge", `{"source_dfid":"`+third+`","reason":"one tag was lost"}`).WantStatus(http.StatusOK)
	fourth := newItem(t, who, sisbov("BR000000000004"), "")
	who.Post(t, "/api/items/"+primary+"/merge", `{"secondary_dfid":"`+fourth+`"}`).WantStatus(http.StatusOK)

	single, split, dead := newItem(t, who, sisbov("BR000000000005"), ""), newItem(t, who, sisbov("BR000000000006")+`,{"key":"x","value":"1"}`, ""), newItem(t, who, sisbov("BR000000000007"), "")
	who.Post(t, "/api/items/"+split+"/split", `{"identifiers_for_new_item":[{"key":"x","value":"1"}]}`).WantStatus(http.StatusOK)
	who.Delete(t, "/api/items/"+dead).WantStatus(http.StatusOK)
	local := "LID-" + newLocal(t, who, sisbov("BR000000000008"), `{}`)
	before := rowCounts(t, srv)
	for _, tt := range []struct {
		name, primary, body string
		status              int
	}{
		{"unknown_primary", "DFID-X", `"DFID-Y"`, 400},
		{"unknown_secondary", single, `"DFID-Y"`, 400},
		{"itself", single, `"` + single + `"`, 400},
		{"merged_secondary", single, `"` + secondary + `"`, 400},
		{"merged_primary", secondary, `"` + single + `"`, 400},
		{"split_secondary", single, `"` + split + `"`, 400},
		{"split_primary", split, `"` + single + `"`, 400},
		{"deprecated_secondary", single, `"` + dead + `"`, 400},
		{"deprecated_primary", dead, `"` + single + `"`, 400},
		{"local_secondary", single, `"` + local + `"`, 400},
		{"local_primary", local, `"` + single + `"`, 400},
		{"number", single, `3`, 422},
		{"no_name", single, `{"reason":"x"}`, 422},
		{"name_is_a_number", single, `{"source_dfid":3}`, 422},
		{"list", single, `[]`, 422},
		{"not_json", single, `x`, 400},
	} {
		who.Post(t, "/api/items/"+tt.primary+"/merge", tt.body).WantStatus(tt.status).WantGolden("item/merge_refused_" + tt.name)
	}
	if after := rowCounts(t, srv); after != before {
		t.Errorf("items, pending items and events: got %v, want %v as before", after, before)
	}
}

// Identifiers leave for an item of their own, which answers to them from then on.
func TestSplitItem(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	dfid := newItem(t, who, `{"namespace":"soja","key":"lote","value":"A"},`+sisbov("BR000000000001")+`,`+sisbov("BR000000000002"), `,"enriched_data":{"t":60}`)
	split := `{"identifiers_for_new_item":[` + sisbov("BR000000000002") + `]}`
	part := who.Post(t, "/api/items/"+dfid+"/split", split).WantStatus(http.StatusOK).WantGolden("item/split").Field("new_item.dfid")
	who.Get(t, "/api/events/item/"+dfid).WantStatus(http.StatusOK).WantGolden("item/split_events")
	who.Get(t, "/api/events/item/"+part).WantStatus(http.StatusOK).WantGolden("item/split_part_events")
	if got := newItem(t, who, sisbov("076000000000002"), ""); got != part {
		t.Errorf("the number that left: got %s, want %s", got, part)
	}
	local := "LID-" + newLocal(t, who, sisbov("BR000000000008"), `{}`)
	dead := newItem(t, who, sisbov("BR000000000007"), "")
	who.Delete(t, "/api/items/"+dead).WantStatus(http.StatusOK)
	before := rowCounts(t, srv)
	for _, tt := range []struct {
		name, dfid, body string
		status           int
	}{
		{"unknown", "DFID-X", split, 400},
		{"nothing", dfid, `{"identifiers_for_new_item":[]}`, 400},
		{"not_its_own", dfid, split, 400},
		{"another_type", dfid, `{"identifiers_for_new_item":[{"namespace":"bovino","key":"sisbov","value":"BR000000000001"}]}`, 400},
		{"another_scope", dfid, `{"identifiers_for_new_item":[{"namespace":"soja","key":"lote","value":"A","scope":"circuit"}]}`, 400},
		{"another_namespace", dfid, `{"identifiers_for_new_item":[{"key":"lote","value":"A"}]}`, 400},
		{"type", dfid, `{"identifiers_for_new_item":[{"key":"a","value":"1","id_type":"x"}]}`, 400},
		{"local", local, `{"identifiers_for_new_item":[` + sisbov("BR000000000008") + `]}`, 400},
		{"deprecated", dead, `{"identifiers_for_new_item":[` + sisbov("BR000000000007") + `]}`, 400},
		{"missing", dfid, `{"reason":"x"}`, 422},
		{"null", dfid, `{"identifiers_for_new_item":null}`, 422},
	} {
		who.Post(t, "/api/items/"+tt.dfid+"/split", tt.body).WantStatus(tt.status).WantGolden("item/split_refused_" + tt.name)
	}
	if after := rowCounts(t, srv); after != before {
		t.Errorf("items, pending items and events: got %v, want %v as before", after, before)
	}
	// A lot is split more than once.
	who.Post(t, "/api/items/"+dfid+"/split", `{"identifiers_for_new_item":[`+sisbov("BR000000000001")+`]}`).WantStatus(http.StatusOK)
}

// An item is changed by its owner alone. For those who may not know of it, and
// for those who may only read it, it is not there to be changed.
func TestOnlyTheOwnerChangesAnItem(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, member, stranger := srv.User("owner"), srv.User("member"), srv.User("stranger")
	circuit := seedCircuit(t, srv, nil, roles{owner: app.RoleOwner, member: app.RoleAdmin})
	dfid := pushed(t, owner, circuit, "BR000000000001")
	theirs := map[*servertest.Client]string{}
	for _, who := range []*servertest.Client{member, stranger, srv.Admin()} {
		theirs[who] = newItem(t, who, `{"key":"own","value":"1"}`, "")
	}
	before := owner.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK).Body
	for who, own := range theirs {
		for _, tt := range []struct{ method, path, body, said string }{
			{http.MethodPut, dfid, `{"enriched_data":{"a":1}}`, "Failed to enrich item: Item not found: " + dfid},
			{http.MethodPut, dfid, `{"identifiers":[{"key":"a","value":"1"}]}`, "Failed to add identifiers: Item not found: " + dfid},
			{http.MethodDelete, dfid, ``, "Failed to deprecate item: Item not found: " + dfid},
			{http.MethodPut, dfid + "/deprecate", ``, "Failed to deprecate item: Item not found: " + dfid},
			{http.MethodPost, dfid + "/merge", `"` + own + `"`, "Failed to merge items: Item not found: " + dfid},
			{http.MethodPost, own + "/merge", `"` + dfid + `"`, "Failed to merge items: Item not found: " + dfid},
			{http.MethodPost, dfid + "/split", `{"identifiers_for_new_item":[` + sisbov("BR000000000001") + `]}`, "Failed to split item: Item not found: " + dfid},
		} {
			var body any
			if tt.body != "" {
				body = tt.body
			}
			who.Do(t, tt.method, "/api/items/"+tt.path, body).WantStatus(http.StatusBadRequest).WantError(tt.said)
		}
		who.Put(t, "/api/items/"+dfid, `{}`).WantStatus(http.StatusNotFound)
	}
	if after := owner.Get(t, "/api/items/"+dfid).Body; string(after) != string(before) {
		t.Errorf("the item changed: %s", after)
	}
}

// Where tiers are enforced, Basic reads and creates but changes nothing.
func TestChangesAndTiers(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart), servertest.WithConfig(func(c *server.Config) { c.Limits.EnforceTiers = true }))
	basic, pro := srv.User("basic", ofTier(app.TierBasic)), srv.User("pro", ofTier(app.TierProfessional))
	for _, tt := range []struct {
		who    *servertest.Client
		status int
	}{{basic, http.StatusForbidden}, {pro, http.StatusOK}} {
		dfid := newItem(t, tt.who, `{"key":"a","value":"1"},{"key":"b","value":"1"}`, "")
		other := newItem(t, tt.who, `{"key":"c","value":"1"}`, "")
		tt.who.Put(t, "/api/items/"+dfid, `{"enriched_data":{"a":1}}`).WantStatus(tt.status)
		tt.who.Post(t, "/api/items/"+dfid+"/merge", `"`+other+`"`).WantStatus(tt.status)
		tt.who.Post(t, "/api/items/"+dfid+"/split", `{"identifiers_for_new_item":[{"key":"a","value":"1"}]}`).WantStatus(tt.status)
		tt.who.Delete(t, "/api/items/"+dfid).WantStatus(tt.status)
	}
}
