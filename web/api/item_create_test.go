package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/identity"
	"github.com/defarm-repo/defarm/web/server"
	"github.com/defarm-repo/defarm/web/servertest"
)

const sourceEntry = "5e9b0c5e-8f4f-4f0e-9a57-0f6a3d1f7c11"

// itemBody is the body that creates an item; more are further members, each
// starting with a comma.
func itemBody(identifiers, more string) string {
	return fmt.Sprintf(`{"identifiers":[%s],"source_entry":%q%s}`, identifiers, sourceEntry, more)
}

func createItem(t *testing.T, who *servertest.Client, identifiers, more string) *servertest.Response {
	t.Helper()
	return who.Post(t, "/api/items", itemBody(identifiers, more))
}

// newItem makes an item and gives its DFID.
func newItem(t *testing.T, who *servertest.Client, identifiers, more string) string {
	t.Helper()
	return createItem(t, who, identifiers, more).WantStatus(http.StatusOK).Field("dfid")
}

// rowCounts is how many items, pending items and events of items there are.
func rowCounts(t *testing.T, srv *servertest.Server) (counts [3]int) {
	t.Helper()
	err := srv.Store().Read(t.Context(), func(r app.Reader) error {
		all := app.Page{Limit: 100_000}
		rows, err := r.Items().VisibleRows("", true, app.ItemFilter{}, all)
		if err != nil {
			return err
		}
		its, err := r.Items().ByRows(rows)
		if err != nil {
			return err
		}
		for _, it := range its {
			counts[2] += int(it.EventCount)
		}
		pending, err := r.PendingItems().List(app.PendingItemFilter{}, all)
		counts[0], counts[1] = len(rows), len(pending)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

// Input that is wrong as it stands is refused, and nothing of it stays.
func TestCreateItemRefusals(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	newItem(t, who, sisbov("BR000000000001"), "")
	before := rowCounts(t, srv)
	for _, tt := range []struct {
		name, body string
		status     int
	}{
		{"source_entry_is_no_uuid", `{"identifiers":[{"key":"a","value":"1","id_type":"foo"}],"source_entry":"x"}`, 400},
		{"type_unknown", itemBody(`{"key":"a","value":"1","id_type":"Foo"}`, ""), 400},
		{"no_source_entry", `{"identifiers":[]}`, 422},
		{"no_identifiers_member", `{"source_entry":"` + sourceEntry + `"}`, 422},
		{"identifiers_null", `{"identifiers":null,"source_entry":"` + sourceEntry + `"}`, 422},
		{"value_is_a_number", itemBody(`{"key":"a","value":1}`, ""), 422},
		{"key_missing", itemBody(`{"value":"1"}`, ""), 422},
		{"date_without_offset", itemBody(`{"key":"a","value":"1","id_type":"Canonical","verified":true,"verification_date":"2025-01-01"}`, ""), 422},
		{"data_is_a_list", itemBody(`{"key":"a","value":"1"}`, `,"enriched_data":[]`), 422},
		{"text_too_long", itemBody(`{"key":"a","value":"`+strings.Repeat("x", 1025)+`"}`, ""), 400},
		{"data_with_NUL", itemBody(`{"key":"a","value":"1"}`, `,"enriched_data":{"a":"\u0000"}`), 400},
		{"too_many_identifiers", itemBody(strings.Repeat(`{"key":"a","value":"1"},`, 1000)+`{"key":"a","value":"1"}`, ""), 400},
		{"not_json", `{"identifiers":`, 400},
		{"empty", ``, 400},
	} {
		who.Post(t, "/api/items", tt.body).WantStatus(tt.status).WantGolden("item/create_" + tt.name)
	}
	if after := rowCounts(t, srv); after != before {
		t.Errorf("items, pending items and events: got %v, want %v as before", after, before)
	}
}

// A new item and an enriched one have one answer; what happened to the item
// says which it was.
func TestCreateAndEnrich(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	lote := `{"key":"lote","value":"L-7"}`
	dfid := createItem(t, who, sisbov("BR123456789012")+","+lote, `,"enriched_data":{"peso_kg":450,"raca":"Nelore"}`).
		WantStatus(http.StatusOK).WantGolden("item/create_new").Field("dfid")
	if again := newItem(t, who, sisbov("BR123456789012"), ""); again != dfid {
		t.Errorf("nothing new: got %s, want %s", again, dfid)
	}
	wantRows(t, who, "/api/events/item/"+dfid, 1) // and nothing happened
	createItem(t, who, sisbov("076 123456789012")+`,{"key":"brinco","value":"E 1"}`, `,"enriched_data":{"peso_kg":460}`).
		WantStatus(http.StatusOK).WantGolden("item/create_enriched")
	createItem(t, who, lote, `,"enriched_data":{}`).WantStatus(http.StatusOK)
	who.Get(t, "/api/events/item/"+dfid).WantStatus(http.StatusOK).WantGolden("item/create_events")
	for name, identifiers := range map[string]string{
		"another number":               sisbov("BR123456789013"),
		"another namespace":            `{"namespace":"leite","key":"sisbov","value":"BR123456789012","id_type":"Canonical"}`,
		"contextual with its number":   `{"namespace":"bovino","key":"sisbov","value":"BR123456789012"}`,
		"lot of another namespace":     `{"namespace":"aves","key":"lote","value":"L-7"}`,
		"another animal of its lot":    sisbov("BR123456789014") + "," + lote,
		"canonical with the lot's key": `{"key":"lote","value":"L-7","id_type":"Canonical"}`,
	} {
		if other := newItem(t, who, identifiers, ""); other == dfid {
			t.Errorf("%s: got the same item", name)
		}
	}
}

// Contextual identifiers are names that one party gives; a canonical one is the
// same for all, but nobody reads or writes somebody else's item by it.
func TestForeignIdentifiers(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, other := srv.User("owner"), srv.User("other")
	lote := `{"key":"lote","value":"1"}`
	dfid := newItem(t, owner, sisbov("BR000000000001")+","+lote, `,"enriched_data":{"price":900}`)
	if got := newItem(t, other, lote, `,"enriched_data":{"price":1}`); got == dfid {
		t.Error("somebody else's lot of the same name: got his item")
	}
	before := owner.Get(t, "/api/items/"+dfid).Body
	res := createItem(t, other, sisbov("076000000000001"), `,"enriched_data":{"price":1}`).
		WantStatus(http.StatusBadRequest).WantGolden("item/create_foreign")
	if strings.Contains(string(res.Body), dfid) {
		t.Errorf("the refusal shows somebody else's item: %s", res.Body)
	}
	if after := owner.Get(t, "/api/items/"+dfid).Body; string(after) != string(before) {
		t.Errorf("the owner's item changed: %s", after)
	}
	pending := res.Field("pending_id")
	other.Get(t, "/api/items/pending/"+pending).WantStatus(http.StatusOK).WantGolden("pendingitem/foreign")
	owner.Get(t, "/api/items/pending/"+pending).WantStatus(http.StatusNotFound)
}

// What is out of use does not answer to its identifiers any more; what was
// merged answers as its primary.
func TestIdentifiersOfItemsOutOfUse(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	dead := newItem(t, who, sisbov("BR000000000001"), "")
	who.Delete(t, "/api/items/"+dead).WantStatus(http.StatusOK)
	next := newItem(t, who, sisbov("BR000000000001"), "")
	if next == dead {
		t.Error("a deprecated item was enriched")
	}
	if again := newItem(t, who, sisbov("BR000000000001"), ""); again != next {
		t.Errorf("its number now names %s, want %s", again, next)
	}
	primary, secondary := newItem(t, who, sisbov("BR000000000002"), ""), newItem(t, who, sisbov("BR000000000003")+`,{"key":"lote","value":"9"}`, "")
	who.Post(t, "/api/items/"+primary+"/merge", `"`+secondary+`"`).WantStatus(http.StatusOK)
	for _, identifiers := range []string{sisbov("BR000000000003"), `{"key":"lote","value":"9"}`} {
		if got := newItem(t, who, identifiers, ""); got != primary {
			t.Errorf("%s of a merged item: got %s, want its primary %s", identifiers, got, primary)
		}
	}
	circuit := newCircuit(t, who, "")
	if got := dfidOf(t, who, circuit, sisbov("BR000000000003")); got != primary {
		t.Errorf("a push with its number: got %s, want %s", got, primary)
	}
	who.Delete(t, "/api/items/"+primary).WantStatus(http.StatusOK)
	if got := dfidOf(t, who, circuit, sisbov("BR000000000003")); got == primary {
		t.Error("a push enriched a deprecated item")
	}
}

// Sixty-four at the same moment, by two routes: one animal, one DFID.
func TestOneAnimalAtTheSameMoment(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	circuit := newCircuit(t, who, "")
	var (
		all   sync.WaitGroup
		mu    sync.Mutex
		dfids []string
	)
	for n := range 64 {
		all.Go(func() {
			number := "BR076123456789"
			if n%2 == 1 {
				number = "076 076123456789"
			}
			var res *servertest.Response
			if n%4 < 2 {
				res = createItem(t, who, sisbov(number), fmt.Sprintf(`,"enriched_data":{"n%d":%d}`, n, n))
			} else {
				res = offline(t, who, circuit, sisbov(number))
			}
			if res.Status != http.StatusOK {
				t.Errorf("request %d: %d %s", n, res.Status, res.Body)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			dfids = append(dfids, res.Field("dfid"))
		})
	}
	all.Wait()
	slices.Sort(dfids)
	if dfids = slices.Compact(dfids); len(dfids) != 1 {
		t.Fatalf("DFIDs: got %v, want one", dfids)
	}
	var it struct {
		Data map[string]int `json:"enriched_data"`
	}
	who.Get(t, "/api/items/"+dfids[0]).WantStatus(http.StatusOK).JSON(&it)
	if len(it.Data) != 32 {
		t.Errorf("data: got %d keys, want that of all 32 requests", len(it.Data))
	}
}

// Every element of a batch has its own outcome, in its place, and finds what
// those before it made.
func TestBatch(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	elements := []string{
		itemBody(sisbov("BR000000000001"), `,"enriched_data":{"peso_kg":1}`),
		itemBody(sisbov("076000000000001"), `,"enriched_data":{"raca":"Nelore"}`),
		`{"identifiers":[],"source_entry":"x"}`,
		itemBody(`{"key":"a","value":"1","id_type":"Foo"}`, ""),
		itemBody("", ""),
		itemBody(`{"key":"a","value":"`+strings.Repeat("x", 1025)+`"}`, ""),
		itemBody(`{"key":"lote","value":"1"}`, ""),
	}
	who.Post(t, "/api/items/batch", `{"items":[`+strings.Join(elements, ",")+`]}`).WantStatus(http.StatusOK).WantGolden("item/batch_mixed")
	who.Post(t, "/api/items/batch", `{"items":[]}`).WantStatus(http.StatusOK).WantGolden("item/batch_empty")
	before := rowCounts(t, srv)
	for name, body := range map[string]string{
		"shape_of_one": `{"items":[` + itemBody(sisbov("BR000000000009"), "") + `,{"identifiers":[{"key":1}],"source_entry":"` + sourceEntry + `"}]}`,
		"null":         `{"items":null}`,
		"missing":      `{}`,
		"too_many":     `{"items":[` + strings.Repeat(`{"identifiers":[],"source_entry":""},`, 10_000) + `{"identifiers":[],"source_entry":""}]}`,
	} {
		who.Post(t, "/api/items/batch", body).WantStatus(http.StatusUnprocessableEntity).WantGolden("item/batch_" + name)
	}
	if after := rowCounts(t, srv); after != before {
		t.Errorf("items, pending items and events: got %v, want %v as before", after, before)
	}
}

// A large batch is stored whole and in order, over many jobs of the writer.
func TestLargeBatch(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	const n = 1000
	elements := make([]string, n)
	for i := range elements {
		elements[i] = itemBody(sisbov(fmt.Sprintf("BR%012d", i)), "")
	}
	var out struct {
		Succeeded int `json:"success_count"`
		Results   []struct {
			Item struct {
				DFID        string
				Identifiers []struct{ Value string }
			}
		}
	}
	who.Post(t, "/api/items/batch", `{"items":[`+strings.Join(elements, ",")+`]}`).WantStatus(http.StatusOK).JSON(&out)
	if out.Succeeded != n || len(out.Results) != n {
		t.Fatalf("got %d of %d results, want %d", out.Succeeded, len(out.Results), n)
	}
	stored := texts(t, who, "/api/items?limit=10000", "dfid")
	for i, res := range out.Results {
		if want := fmt.Sprintf("BR%012d", i); res.Item.Identifiers[0].Value != want || stored[i] != res.Item.DFID {
			t.Fatalf("element %d: got %s, stored %s", i, res.Item.Identifiers[0].Value, stored[i])
		}
	}
}

// A tier's allowance that is used up in the middle of a batch takes only the
// elements that are over it; enriching costs nothing.
func TestBatchAndTiers(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart), servertest.WithConfig(func(c *server.Config) { c.Limits.EnforceTiers = true }))
	basic, pro := srv.User("basic", ofTier(app.TierBasic)), srv.User("pro", ofTier(app.TierProfessional))
	body := `{"items":[` + itemBody(sisbov("BR000000000001"), "") + `,` + itemBody(sisbov("BR000000000001"), `,"enriched_data":{"a":1}`) +
		`,` + itemBody(sisbov("BR000000000002"), "") + `]}`
	basic.Post(t, "/api/items/batch", body).WantStatus(http.StatusForbidden).WantGolden("item/batch_tier")
	err := srv.Store().Write(t.Context(), func(tx app.Tx) error {
		month := int64(chainStart.Year()-1970)*12 + int64(chainStart.Month()) - 1
		_, err := tx.TierUses().Add(pro.UserID, month, "items", 9_999)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	pro.Post(t, "/api/items/batch", body).WantStatus(http.StatusOK).WantGolden("item/batch_tier_used_up")
	wantRows(t, pro, "/api/items", 1)
	createItem(t, pro, sisbov("BR000000000003"), "").WantStatus(http.StatusForbidden)
}

// While the writer is busy everything is refused and nothing is done.
func TestItemsWhileTheWriterIsBusy(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart), busyWriter())
	who := srv.User("maria")
	dfid := newItem(t, who, sisbov("BR000000000001")+`,{"key":"lote","value":"1"}`, "")
	pending := createItem(t, who, "", "").WantStatus(http.StatusBadRequest).Field("pending_id")
	holdWriter(t, srv)
	for _, tt := range []struct{ method, path, body string }{
		{http.MethodPost, "/api/items", itemBody(sisbov("BR000000000002"), "")},
		{http.MethodPost, "/api/items/batch", `{"items":[` + itemBody(sisbov("BR000000000002"), "") + `]}`},
		{http.MethodPut, "/api/items/" + dfid, `{"enriched_data":{"a":1}}`},
		{http.MethodPut, "/api/items/" + dfid + "/deprecate", ``},
		{http.MethodDelete, "/api/items/" + dfid, ``},
		{http.MethodPost, "/api/items/" + dfid + "/merge", `"x"`},
		{http.MethodPost, "/api/items/" + dfid + "/split", `{"identifiers_for_new_item":[{"key":"lote","value":"1"}]}`},
		{http.MethodPost, "/api/items/pending/" + pending + "/resolve", `{"action":"approve"}`},
		{http.MethodPost, "/api/items/pending/" + pending + "/resolve", `{"action":"reject"}`},
		{http.MethodPost, "/api/items/pending/" + pending + "/resolve", `{"action":"modify"}`},
	} {
		var body any
		if tt.body != "" {
			body = tt.body
		}
		res := who.Do(t, tt.method, tt.path, body)
		if res.Status != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
			t.Errorf("%s %s: got %d %s, want 503 with Retry-After", tt.method, tt.path, res.Status, res.Body)
			continue
		}
		res.WantGolden("item/busy")
	}
	var list []json.RawMessage
	who.Get(t, "/api/items").WantStatus(http.StatusOK).JSON(&list)
	if len(list) != 1 {
		t.Errorf("items: got %d, want 1", len(list))
	}
}

// ofTier gives a user that tier.
func ofTier(tier app.Tier) func(*identity.NewUser) {
	return func(u *identity.NewUser) { u.Tier = tier }
}

// A client that repeats a request whose answer it did not get changes nothing.
func TestCreateRepeated(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	body := sisbov("BR000000000001") + `,{"key":"lote","value":"1"}`
	dfid := newItem(t, who, body, `,"enriched_data":{"peso_kg":450}`)
	before := rowCounts(t, srv)
	if again := newItem(t, who, body, `,"enriched_data":{"peso_kg":450}`); again != dfid {
		t.Errorf("repeated: got %s, want %s", again, dfid)
	}
	if after := rowCounts(t, srv); after != before {
		t.Errorf("items, pending items and events: got %v, want %v", after, before)
	}
}

// A number that looks wrong is stored as it is, with a warning; what a client
// sends back of an answer is read without it.
func TestIdentifierWarnings(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	body := canonical("bovino", "cpf", "111.444.777-36") + "," + canonical("bovino", "cnpj", "12ABC34501DE35") + "," + canonical("bovino", "rfid", "076000000000001")
	dfid := createItem(t, who, body, "").WantStatus(http.StatusOK).WantGolden("item/warnings").Field("dfid")
	echo := `{"key":"cpf","namespace":"bovino","value":"111.444.777-36","id_type":"Canonical","verified":false,"warnings":"x"}`
	if again := newItem(t, who, echo, ""); again != dfid {
		t.Errorf("what was answered, sent back: got %s, want %s", again, dfid)
	}
}
