package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/web/servertest"
)

// Local items are captured offline: every form of an identifier that clients
// send is kept, and shown in the one form that the contract knows (02 §5.1).
func TestLocalItemForms(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	for _, tt := range []struct{ name, body string }{
		{"nothing", `{}`},
		{"types_in_any_case", `{"identifiers":[{"key":"a","value":"1"},{"key":"b","value":"2","id_type":"CANONICAL"},
			{"key":"c","value":"3","id_type":"canonical"},{"key":"d","value":"4","id_type":"contextual"},{"key":"e","value":"5","id_type":null}]}`},
		{"namespaces", `{"identifiers":[{"key":"a","value":"missing"},{"namespace":null,"key":"a","value":"null"},
			{"namespace":"","key":"a","value":"empty"},{"namespace":"bovino","key":"a","value":"given"},{"namespace":"moon","key":"a","value":"unknown"}]}`},
		{"scopes", `{"identifiers":[{"key":"a","value":"1","scope":"organization"},{"key":"b","value":"2","scope":""},
			{"key":"c","value":"3","scope":null},{"key":"d","value":"4","id_type":"Canonical","scope":"ignored"}]}`},
		{"verifications", `{"identifiers":[
			{"key":"a","value":"with a date","id_type":"Canonical","verified":true,"verification_date":"2025-01-02T03:04:05.5-03:00"},
			{"key":"b","value":"no date","id_type":"Canonical","verified":true},
			{"key":"c","value":"not verified","id_type":"Canonical","verified":false,"verification_date":"2025-01-02T03:04:05Z"},
			{"key":"d","value":"only a date","id_type":"Canonical","verification_date":"2025-01-02T03:04:05Z"},
			{"key":"e","value":"contextual","verified":true,"verification_date":"2025-01-02T03:04:05Z"}]}`},
		{"unchecked_values", `{"identifiers":[{"key":"","value":" "},{"namespace":"bovino","key":"sisbov","value":"BR7","id_type":"Canonical"},
			{"key":"a","value":"twice"},{"key":"a","value":"twice"}],"enriched_data":{"":1,"nothing":null}}`},
		{"object_of_texts", `{"identifiers":{"lote":"L-7","brinco":"E 1"}}`},
		{"empty_object", `{"identifiers":{},"enhanced_identifiers":[],"enriched_data":null}`},
		{"older_name_is_appended", `{"identifiers":[{"key":"a","value":"1"}],"enhanced_identifiers":[{"key":"b","value":"2"},{"key":"a","value":"1"}]}`},
		{"digits_and_depth", `{"enriched_data":{"int64":9223372036854775807,"uint64":18446744073709551615,"exact":0.1,"small":1e-7,
			"nested":{"a":[{"b":{"c":[1,"é",true,null]}}]},"text":"<b>&\u2028\"\\\n","Key":1,"key":2}}`},
		{"unknown_members", `{"dfid":"DFID-20250101-000001-F7BD","owner_id":"user-eve","status":"Merged","local_id":"7","name":"x","metadata":{"a":1}}`},
	} {
		res := who.Post(t, "/api/items/local", tt.body).WantStatus(http.StatusOK)
		local := res.Field("data.local_id")
		if id, err := uuid.Parse(local); err != nil || id.Version() != 4 || id.String() != local {
			t.Errorf("%s: local id %q, want a random UUID in lower case", tt.name, local)
		}
		if got := res.Field("data.status"); got != "LocalOnly" {
			t.Errorf("%s: status %s, want LocalOnly", tt.name, got)
		}
		stored := who.Get(t, "/api/items/LID-"+local).WantStatus(http.StatusOK).WantGolden("item/local_" + tt.name)
		if tt.name == "verifications" { // a golden file does not show dates
			if got := stored.Field("identifiers.0.verification_date"); got != "2025-01-02T06:04:05.500Z" {
				t.Errorf("verification date: got %s, want it in UTC", got)
			}
		}
	}
}

// Each call makes an item of its own, whatever it says.
func TestLocalItemsAreNotDeduplicated(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t)
	who := srv.User("maria")
	first, second := newLocal(t, who, sisbov("BR000000000001"), `{}`), newLocal(t, who, sisbov("BR000000000001"), `{}`)
	if first == second {
		t.Errorf("two calls: both gave %s, want two items", first)
	}
	wantRows(t, who, "/api/items?identifier_value=BR000000000001&identifier_key=sisbov", 2)
}

// What became of a local id is told to its owner and to those who see the item,
// in the spelling in which they asked.
func TestMapping(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, member, stranger := srv.User("owner"), srv.User("member"), srv.User("stranger")
	circuit := seedCircuit(t, srv, nil, roles{owner: app.RoleOwner, member: app.RoleViewer})
	const local = "3b0c6f1e-52a5-4a0e-9c2f-0d7a5f1c9e1a"
	push(t, owner, circuit, local, `,"identifiers":[`+sisbov("BR000000000001")+`]`).WantStatus(http.StatusOK)
	alone := newLocal(t, owner, sisbov("BR000000000002"), `{}`)
	for name, spelling := range map[string]string{
		"lower case": local, "upper case": strings.ToUpper(local), "no hyphens": strings.ReplaceAll(local, "-", ""),
		"braces": "%7B" + local + "%7D", "urn": "urn:uuid:" + local,
	} {
		want := strings.NewReplacer("%7B", "{", "%7D", "}").Replace(spelling)
		res := owner.Get(t, "/api/items/mapping/"+spelling).WantStatus(http.StatusOK)
		if got := res.Field("data.local_id"); got != want {
			t.Errorf("%s: local id %q, want it as sent, %q", name, got, want)
		}
		if got := res.Field("data.status"); got != "Tokenized" {
			t.Errorf("%s: status %s, want Tokenized", name, got)
		}
	}
	for _, tt := range []struct {
		who    *servertest.Client
		id     string
		status int
	}{
		{owner, local, 200}, {member, local, 200}, {srv.Admin(), local, 200}, {stranger, local, 404},
		{owner, alone, 200}, {member, alone, 404}, {srv.Admin(), alone, 200}, {stranger, alone, 404},
		{owner, uuid.NewString(), 404}, {owner, "LID-" + local, 400}, {owner, "local", 400},
	} {
		res := tt.who.Get(t, "/api/items/mapping/"+tt.id)
		if res.Status != tt.status {
			t.Errorf("%s asks for %s: got %d, want %d", tt.who.Username, tt.id, res.Status, tt.status)
		}
		if res.Status == http.StatusNotFound {
			res.WantGolden("item/mapping_unknown")
		}
	}
}

// Fixed words beat the parameter, and a DFID is any text (contract 02 §1.4, §3.13).
func TestItemPaths(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	local := newLocal(t, who, sisbov("BR000000000001"), `{}`)
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/api/items/local", 405},
		{http.MethodPost, "/api/items/mapping", 405},
		{http.MethodGet, "/api/items/", 404},
		{http.MethodGet, "/api/items/mapping", 404},
		{http.MethodGet, "/api/items/LID-" + local, 200},
		{http.MethodHead, "/api/items/LID-" + local, 200},
		{http.MethodGet, "/api/items/" + local, 404},
		{http.MethodGet, "/api/items/LID-" + strings.ToUpper(local), 404},
		{http.MethodGet, "/api/items/a%2Fb", 404},
		{http.MethodGet, "/api/items/%00", 404},
		{http.MethodGet, "/api/items/%27%20OR%201=1--", 404},
		{http.MethodGet, "/api/items/%FF", 400},
	} {
		res := who.Do(t, tt.method, tt.path, nil)
		if res.Status != tt.status {
			t.Errorf("%s %s: got %d, want %d; %s", tt.method, tt.path, res.Status, tt.status, res.Body)
		}
		if res.Status == http.StatusNotFound && tt.path != "/api/items/" {
			res.WantGolden("item/not_found")
		}
	}
}

// A page starts where it is told, holds what it is told, and never more than
// 10,000 rows; a number that a client cannot mean is no crash.
func TestItemPages(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, member := srv.User("owner"), srv.User("member")
	seedCircuit(t, srv, nil, roles{owner: app.RoleOwner, member: app.RoleMember})
	const stored = 10_001
	err := srv.Store().Write(t.Context(), func(tx app.Tx) error {
		for n := range stored {
			it := &app.Item{DFID: fmt.Sprintf("DFID-%06d", n), OwnerID: owner.UserID, CreatedAt: chainStart, ModifiedAt: chainStart, Status: app.ItemActive}
			if err := tx.Items().Insert(it); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	const huge = "9223372036854775807"
	for _, tt := range []struct {
		query string
		from  int // the first item of the page
		rows  int
	}{
		{"", 0, 1000},
		{"?limit=1", 0, 1},
		{"?limit=0", 0, 0},
		{"?limit=10000", 0, 10_000},
		{"?limit=10001", 0, 10_000},
		{"?limit=" + huge, 0, 10_000},
		{"?offset=10000", 10_000, 1},
		{"?offset=10001", 0, 0},
		{"?offset=9999&limit=1", 9999, 1},
		{"?offset=" + huge, 0, 0},
		{"?offset=" + huge + "&status=active", 0, 0},
		{"?offset=" + huge + "&limit=" + huge, 0, 0},
	} {
		for _, who := range []*servertest.Client{owner, srv.Admin()} {
			var got []struct{ DFID string }
			who.Get(t, "/api/items"+tt.query).WantStatus(http.StatusOK).JSON(&got)
			if len(got) != tt.rows {
				t.Errorf("%s, items%s: got %d, want %d", who.Username, tt.query, len(got), tt.rows)
				continue
			}
			if want := fmt.Sprintf("DFID-%06d", tt.from); len(got) > 0 && got[0].DFID != want {
				t.Errorf("%s, items%s: starts at %s, want %s", who.Username, tt.query, got[0].DFID, want)
			}
		}
	}
	if got := string(member.Get(t, "/api/items?offset="+huge).WantStatus(http.StatusOK).Body); got != "[]" {
		t.Errorf("nothing to see: got %s, want []", got)
	}
}

// Bad numbers are refused with the contract's words; the rest of a query is not
// looked at.
func TestItemListQueries(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	newLocal(t, who, `{"key":"lote","value":""},{"namespace":"bovino","key":"lote","value":"7"}`, `{}`)
	for query, said := range map[string]string{
		"?limit=-1": "", "?limit=x": "", "?limit=1.5": "", "?limit=99999999999999999999": "", "?offset=-1": "",
		"?limit=":           "limit: cannot parse integer from empty string",
		"?offset=":          "offset: cannot parse integer from empty string",
		"?limit=1&limit=1":  "duplicate field `limit`",
		"?status=a&status=": "duplicate field `status`",
		"?status=%zz":       "status: malformed escape",
	} {
		res := who.Get(t, "/api/items"+query).WantStatus(http.StatusBadRequest)
		if got, want := res.Field("error"), "Failed to deserialize query string: "+said; !strings.HasPrefix(got, want) {
			t.Errorf("items%s: got %q, want %q…", query, got, want)
		}
	}
	for query, want := range map[string]int{
		"?q=zebra&creator=eve&page=9": 1, "?status=MERGEDINTO": 0, "?status=ACTIVE": 1, "?status=": 1,
		"?identifier_key=lote&identifier_value=": 1, "?identifier_key=LOTE": 0, "?identifier_key=lote&identifier_value=07": 0,
		"?identifier_key=lote&identifier_value=7&status=merged": 0, "?identifier_key=%25": 0, "?user_id=user-eve": 1,
	} {
		wantRows(t, who, "/api/items"+query, want)
	}
}

// wantRows counts the elements of a list.
func wantRows(t *testing.T, who *servertest.Client, path string, want int) {
	t.Helper()
	var got []json.RawMessage
	who.Get(t, path).WantStatus(http.StatusOK).JSON(&got)
	if len(got) != want {
		t.Errorf("%s, %s: got %d rows, want %d", who.Username, path, len(got), want)
	}
}

// texts are the values of one member of a list's elements.
func texts(t *testing.T, who *servertest.Client, path, member string) []string {
	t.Helper()
	var list []map[string]json.RawMessage
	who.Get(t, path).WantStatus(http.StatusOK).JSON(&list)
	out := []string{}
	for _, element := range list {
		var text string
		if err := json.Unmarshal(element[member], &text); err != nil {
			t.Fatalf("%s: member %s of %s: %v", path, member, element, err)
		}
		out = append(out, text)
	}
	return out
}

// wantTexts compares the values of one member of a list's elements.
func wantTexts(t *testing.T, who *servertest.Client, path, member string, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, texts(t, who, path, member)); diff != "" {
		t.Errorf("%s, %s of %s (-want +got):\n%s", who.Username, member, path, diff)
	}
}
