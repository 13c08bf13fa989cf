package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/web/servertest"
)

func searchPath(query string) string { return "/api/items/search?q=" + url.QueryEscape(query) }

// Nobody finds an item that he does not see, nor by what is hidden from him.
func TestSearchWhoFindsWhat(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	farmer, plant, vet, stranger := srv.User("farmer"), srv.User("plant"), srv.User("vet"), srv.User("stranger")
	farm := seedCircuit(t, srv, nil, roles{farmer: app.RoleOwner, vet: app.RoleViewer})
	slaughter := newCircuit(t, plant, "")
	local := newLocal(t, farmer, sisbov("BR076123456789")+`,{"namespace":"bovino","key":"lote","value":"secret lot"}`,
		`{"breed":"Nelore","notes":[{"text":"São João"}],"hiddenkey":1}`)
	dfid := push(t, farmer, farm, local, "").WantStatus(http.StatusOK).Field("dfid")
	same := newLocal(t, plant, sisbov("BR-076.123.456.789"), `{"carcass":"Premium cut"}`)
	push(t, plant, slaughter, same, "").WantStatus(http.StatusOK)
	for _, tt := range []struct {
		query                               string
		farmer, vet, plant, stranger, admin int
	}{
		{dfid, 1, 1, 1, 0, 1},
		{strings.ToLower(dfid[5:]), 1, 1, 1, 0, 1},
		{"br0761234", 1, 1, 0, 0, 1}, // the farmer's spelling
		{"br-076.1", 1, 1, 1, 0, 1},  // the plant's
		{"SISBOV", 1, 1, 1, 0, 1},
		{"secret lot", 1, 1, 0, 0, 1},
		{"nelore", 1, 1, 0, 0, 1},
		{"SÃO JOÃO", 1, 1, 0, 0, 1},
		{"ÃO", 1, 1, 0, 0, 1}, // too short for the index
		{"premium", 1, 1, 1, 0, 1},
		{"hiddenkey", 0, 0, 0, 0, 0}, // keys of data are no texts
		{"Sao Joao", 0, 0, 0, 0, 0},
		{`" OR "1`, 0, 0, 0, 0, 0},
		{"nel*", 0, 0, 0, 0, 0},
		{"\x00", 0, 0, 0, 0, 0},
		{"🐄", 0, 0, 0, 0, 0},
	} {
		for who, want := range map[*servertest.Client]int{
			farmer: tt.farmer, vet: tt.vet, plant: tt.plant, stranger: tt.stranger, srv.Admin(): tt.admin,
		} {
			wantRows(t, who, searchPath(tt.query), want)
		}
	}
	plant.Get(t, searchPath("premium")).WantStatus(http.StatusOK).WantGolden("item/search_part")
	farmer.Get(t, searchPath("secret")).WantStatus(http.StatusOK).WantGolden("item/search_owner")
	farmer.Get(t, searchPath(strings.Repeat("x", 257))).WantStatus(http.StatusBadRequest).WantGolden("item/search_too_long")
	wantRows(t, farmer, searchPath(strings.Repeat("x", 256)), 0)
}

// The closest come first, filters and pages apply to the ranked list, and without
// a query it is the list.
func TestSearchRank(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	for _, it := range []struct{ value, data string }{
		{"first", `{"note":"about L-700"}`}, {"xl-700", `{}`}, {"L-700-b", `{}`}, {"l-700", `{}`}, {"L-700-a", `{}`},
	} {
		newLocal(t, who, fmt.Sprintf(`{"key":"lote","value":%q}`, it.value), it.data)
	}
	values := func(path string) (out []string) {
		var list []struct{ Identifiers []struct{ Value string } }
		who.Get(t, path).WantStatus(http.StatusOK).JSON(&list)
		for _, it := range list {
			out = append(out, it.Identifiers[0].Value)
		}
		return out
	}
	for path, want := range map[string][]string{
		searchPath("L-700"):                                                 {"l-700", "L-700-b", "L-700-a", "xl-700", "first"},
		searchPath("L-700") + "&limit=2&offset=1":                           {"L-700-b", "L-700-a"},
		searchPath("L-700") + "&limit=0":                                    nil,
		searchPath("L-700") + "&offset=9223372036854775807":                 nil,
		searchPath("L-700") + "&identifier_key=lote&identifier_value=first": {"first"},
		searchPath("L-700") + "&status=merged":                              nil,
		searchPath("L-700") + "&status=active&limit=1":                      {"l-700"},
		"/api/items/search?limit=2":                                         {"first", "xl-700"},
		"/api/items/search?q=&identifier_key=lote&identifier_value=L-700-a": {"L-700-a"},
	} {
		if diff := cmp.Diff(want, values(path)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// Identifiers are found by any spelling, in any namespace; a slash may be a part
// of the value.
func TestItemsByIdentifier(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	newLocal(t, who, sisbov("BR123456789012"), `{}`)
	newLocal(t, who, `{"namespace":"bovino","key":"lote","value":"7/8"}`, `{}`)
	newLocal(t, who, `{"namespace":"aves","key":"lote","value":"7/8"}`, `{}`)
	for path, want := range map[string]int{
		"sisbov/BR123456789012": 1, "sisbov/076123456789012": 1, "sisbov/076%20123456789012": 1, "sisbov/076123456789013": 0,
		"lote/7%2F8": 2, "lote/7": 0, "lote/7%2F8?limit=1": 1, "lote/7%2F8?offset=1": 1, "LOTE/7%2F8": 0,
	} {
		wantRows(t, who, "/api/items/identifier/"+path, want)
	}
	wantRows(t, srv.User("stranger"), "/api/items/identifier/lote/7%2F8", 0)
	wantRows(t, srv.Admin(), "/api/items/identifier/lote/7%2F8", 2)
	who.Get(t, "/api/items/identifier/sisbov/076123456789012").WantStatus(http.StatusOK).WantGolden("item/by_identifier")
	who.Get(t, "/api/items/identifier/lote").WantStatus(http.StatusNotFound)
}

// Counts are of what the caller sees.
func TestItemStats(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who, stranger := srv.User("maria"), srv.User("stranger")
	statuses := []app.ItemStatus{app.ItemActive, app.ItemActive, app.ItemDeprecated, app.ItemMerged, app.ItemMergedInto, app.ItemSplit}
	err := srv.Store().Write(t.Context(), func(tx app.Tx) error {
		for n, status := range statuses {
			it := &app.Item{
				DFID: fmt.Sprintf("DFID-%06d", n), OwnerID: who.UserID, CreatedAt: chainStart, ModifiedAt: chainStart,
				Status: status, Confidence: float64(n) / 4,
			}
			if err := tx.Items().Insert(it); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	who.Get(t, "/api/items/stats").WantStatus(http.StatusOK).WantGolden("item/stats")
	srv.Admin().Get(t, "/api/items/stats").WantStatus(http.StatusOK).WantGolden("item/stats")
	res := stranger.Get(t, "/api/items/stats").WantStatus(http.StatusOK).WantGolden("item/stats_none")
	if !strings.Contains(string(res.Body), `"average_confidence":0.0`) {
		t.Errorf("no items: got %s, want 0.0 with its decimal point", res.Body)
	}
}

// Pages taken while others insert neither repeat nor skip what was there.
func TestItemPagesUnderInserts(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t)
	who, admin := srv.User("maria"), srv.Admin()
	before := map[string]bool{}
	for range 60 {
		before["LID-"+newLocal(t, who, `{"key":"a","value":"1"}`, `{}`)] = true
	}
	var others sync.WaitGroup
	for range 3 {
		others.Go(func() {
			for range 40 {
				res, err := who.Try(t.Context(), http.MethodPost, "/api/items/local", `{}`)
				if err != nil || res.Status != http.StatusOK {
					t.Errorf("insert: %v", err)
				}
			}
		})
	}
	seen := map[string]bool{}
	for offset := 0; ; offset += 7 {
		var page []struct{ DFID string }
		admin.Get(t, fmt.Sprintf("/api/items?limit=7&offset=%d", offset)).WantStatus(http.StatusOK).JSON(&page)
		for _, it := range page {
			if seen[it.DFID] {
				t.Errorf("%s comes twice", it.DFID)
			}
			seen[it.DFID] = true
			delete(before, it.DFID)
		}
		if len(page) < 7 {
			break
		}
	}
	others.Wait()
	if len(before) > 0 {
		t.Errorf("%d items that were there are on no page", len(before))
	}
}

// An index that is too far behind for one search answers busy and comes forward.
func TestSearchBehind(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	err := srv.Store().Write(t.Context(), func(tx app.Tx) error {
		for n := range 5_001 {
			it := &app.Item{
				DFID: fmt.Sprintf("DFID-%06d", n), OwnerID: who.UserID, CreatedAt: chainStart, ModifiedAt: chainStart,
				Status: app.ItemActive, Data: map[string]json.RawMessage{},
			}
			if err := tx.Items().Insert(it); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// The indexer of the database may have been first.
	if res := who.Get(t, searchPath("DFID-005000")); res.Status == http.StatusServiceUnavailable {
		res.WantGolden("item/search_behind")
	}
	wantRows(t, who, searchPath("DFID-005000"), 1)
}
