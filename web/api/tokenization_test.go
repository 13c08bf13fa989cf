package api_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/identity"
	"github.com/defarm-repo/defarm/web/server"
	"github.com/defarm-repo/defarm/web/servertest"
)

// identifier is the JSON of an identifier; without a namespace when ns is "-".
func identifier(ns, key, value, kind string) string {
	named := fmt.Sprintf(`"namespace":%q,`, ns)
	if ns == "-" {
		named = ""
	}
	return fmt.Sprintf(`{%s"key":%q,"value":%q,"id_type":%q}`, named, key, value, kind)
}

func canonical(ns, key, value string) string  { return identifier(ns, key, value, "Canonical") }
func contextual(ns, key, value string) string { return identifier(ns, key, value, "Contextual") }

// offline pushes identifiers under a local id that the server never gave out.
func offline(t *testing.T, who *servertest.Client, circuit, identifiers string) *servertest.Response {
	t.Helper()
	return push(t, who, circuit, uuid.NewString(), `,"identifiers":[`+identifiers+`]`)
}

// dfidOf is the DFID of a push that must succeed.
func dfidOf(t *testing.T, who *servertest.Client, circuit, identifiers string) string {
	t.Helper()
	return offline(t, who, circuit, identifiers).WantStatus(http.StatusOK).Field("dfid")
}

// The stored local item is the base and the request is laid over it: of equal
// identifiers and equal keys the request's count (contract 04 §9.4, S2).
func TestPushCombines(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart), servertest.SeededIDs(1))
	who := srv.User("maria")
	circuit := newCircuit(t, who, `,"default_namespace":"bovino"`)
	local := newLocal(t, who, canonical("-", "sisbov", "BR000000000001")+`,{"key":"ear_tag","value":"E-7","scope":"farm"}`,
		`{"kept":1,"replaced":{"deep":"gone"},"nulled":"x"}`)
	srv.Advance(time.Hour)
	res := push(t, who, circuit, local, `,"identifiers":[`+contextual("generic", "ear_tag", "E-7")+`,
		{"key":"sisbov","value":"BR000000000001","id_type":"canonical","verified":true,"verification_date":"2025-01-02T03:04:05Z"},
		`+canonical("", "rfid", "076000000000001")+`],"enriched_data":{"replaced":{"new":true},"nulled":null,"added":[1]}`).
		WantStatus(http.StatusOK).WantGolden("tokenization/push_combined")
	who.Get(t, "/api/items/"+res.Field("dfid")).WantStatus(http.StatusOK).WantGolden("tokenization/combined_item")

	// Older clients name the list otherwise; it counts when the usual one is
	// absent or null, and not beside it.
	for _, tt := range []struct{ more, want string }{
		{`,"enhanced_identifiers":[` + sisbov("BR000000000002") + `]`, "BR000000000002"},
		{`,"identifiers":null,"enhanced_identifiers":[` + sisbov("BR000000000003") + `]`, "BR000000000003"},
		{`,"identifiers":[` + sisbov("BR000000000004") + `],"enhanced_identifiers":[` + sisbov("BR000000000002") + `]`, "BR000000000004"},
		{`,"identifiers":{"sisbov":"as a text"},"enriched_data":null`, "as a text"},
	} {
		dfid := push(t, who, circuit, uuid.NewString(), tt.more).WantStatus(http.StatusOK).Field("dfid")
		if got := who.Get(t, "/api/items/"+dfid).Field("identifiers.0.value"); got != tt.want {
			t.Errorf("%s: got identifier %s, want %s", tt.more, got, tt.want)
		}
	}
}

// Where the namespace of an identifier comes from (contract 04 §9.2, S8).
func TestPushNamespaces(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	for n, tt := range []struct{ name, options, given, want string }{
		{"no configuration", ``, "-", "generic"},
		{"the circuit's, missing", `,"default_namespace":"bovino"`, "-", "bovino"},
		{"the circuit's, empty", `,"default_namespace":"bovino"`, "", "bovino"},
		{"given", `,"default_namespace":"bovino"`, "aves", "aves"},
		{"given as the usual one", `,"default_namespace":"bovino"`, "generic", "generic"},
		{"configured by default", `,"default_namespace":"bovino","alias_config":{}`, "-", "bovino"},
		{"switched off", `,"default_namespace":"bovino","alias_config":{"auto_apply_namespace":false}`, "-", "generic"},
		{"switched off, empty", `,"default_namespace":"bovino","alias_config":{"auto_apply_namespace":false}`, "", "generic"},
	} {
		circuit := newCircuit(t, who, tt.options)
		for way, send := range map[string]func(id string) *servertest.Response{
			"request": func(id string) *servertest.Response { return offline(t, who, circuit, id) },
			"local":   func(id string) *servertest.Response { return push(t, who, circuit, newLocal(t, who, id, `{}`), "") },
		} {
			dfid := send(contextual(tt.given, "lote", fmt.Sprint(way, n))).WantStatus(http.StatusOK).Field("dfid")
			if got := who.Get(t, "/api/items/"+dfid).Field("identifiers.0.namespace"); got != tt.want {
				t.Errorf("%s, from the %s: got %s, want %s", tt.name, way, got, tt.want)
			}
		}
	}
}

// The rules of a circuit's configuration apply in the contract's order, and the
// first that fails is named (04 §9.3).
func TestAliasRules(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	const refused = "Validation error: "
	bovine := newCircuit(t, who, `,"default_namespace":"bovino","alias_config":{"required_canonical":["sisbov","rfid"],"required_contextual":["lote","pasto"],
		"use_fingerprint":false,"allowed_namespaces":["bovino","leite"],"auto_apply_namespace":true}`)
	closed := newCircuit(t, who, `,"alias_config":{"allowed_namespaces":[]}`)
	open := newCircuit(t, who, `,"alias_config":{"required_canonical":null,"allowed_namespaces":null}`)
	good := canonical("-", "sisbov", "BR000000000001") + "," + canonical("leite", "rfid", "0760000000")
	for _, tt := range []struct{ name, circuit, identifiers, said string }{
		{"everything is wrong", bovine, contextual("bovino", "", "") + "," + canonical("moon", "sisbov", "BR7"), "Namespace 'moon' not allowed in this circuit"},
		{"known but not allowed", bovine, contextual("aves", "a", "b"), "Namespace 'aves' not allowed in this circuit"},
		{"first registry", bovine, contextual("-", "lote", ""), "Required canonical identifier 'sisbov' not provided"},
		{"contextual is not canonical", bovine, contextual("-", "sisbov", "BR000000000001"), "Required canonical identifier 'sisbov' not provided"},
		{"registries in other case", bovine, canonical("-", "SISBOV", "BR000000000001"), "Required canonical identifier 'sisbov' not provided"},
		{"second registry", bovine, canonical("-", "sisbov", "BR7"), "Required canonical identifier 'rfid' not provided"},
		{"first key", bovine, good + "," + contextual("-", "pasto", "3"), "Required contextual identifier 'lote' not provided"},
		{"second key", bovine, good + "," + contextual("-", "lote", ""), "Required contextual identifier 'pasto' not provided"},
		{"form comes last", bovine, good + "," + contextual("-", "lote", " ") + "," + contextual("-", "pasto", "3"), "Invalid identifier format: bovino:lote: "},
		{"key of blanks", open, contextual("bovino", " ", "x"), "Invalid identifier format: bovino: :x"},
		{"namespace that is none", open, contextual("Bovino", "a", "x"), "Invalid identifier format: Bovino:a:x"},
		{"no namespace at all", closed, contextual("-", "a", "x"), "Namespace 'generic' not allowed in this circuit"},
		{"sisbov too short", open, canonical("-", "sisbov", "BR00000000000"), "Invalid identifier format: generic:sisbov:BR00000000000"},
		{"sisbov too long", open, canonical("-", "sisbov", "BR0000000000001"), "Invalid identifier format: generic:sisbov:BR0000000000001"},
		{"cpf of one digit", open, canonical("-", "cpf", "111.111.111-11"), "Invalid identifier format: generic:cpf:111.111.111-11"},
		{"rfid too short", open, canonical("-", "rfid", "123456789"), "Invalid identifier format: generic:rfid:123456789"},
		{"car too short", open, canonical("-", "car", "BR-12345"), "Invalid identifier format: generic:car:BR-12345"},
		{"one bad among good ones", open, good + "," + canonical("-", "ie", "1234567"), "Invalid identifier format: generic:ie:1234567"},

		{"all that is asked for", bovine, good + "," + contextual("-", "lote", "1") + "," + contextual("-", "pasto", "3"), ""},
		{"forms of real tags", open, canonical("bovino", "sisbov", "076 123 456 789 012") + "," + canonical("bovino", "sisbov", "105500000000012"), ""},
		{"registry without a rule", open, canonical("-", "brand", "x"), ""},
		{"contextual values are free", open, contextual("-", "sisbov", "BR7"), ""},
	} {
		res := offline(t, who, tt.circuit, tt.identifiers)
		if tt.said != "" {
			res.WantStatus(http.StatusBadRequest).WantError(refused + tt.said)
		} else if res.Status != http.StatusOK {
			t.Errorf("%s: got %d %s, want 200", tt.name, res.Status, res.Body)
		}
	}
	// Without a configuration nothing is checked; what is there counts for a
	// local id that was pushed before.
	free := newCircuit(t, who, "")
	offline(t, who, free, contextual("moon", "", "")+","+canonical("-", "sisbov", "BR7")).WantStatus(http.StatusOK)
	local := newLocal(t, who, good+","+contextual("-", "lote", "1"), `{}`)
	push(t, who, bovine, local, "").WantStatus(http.StatusBadRequest).WantError(refused + "Required contextual identifier 'pasto' not provided")
	push(t, who, bovine, local, `,"identifiers":[`+contextual("-", "pasto", "3")+`]`).WantStatus(http.StatusOK)
	push(t, who, bovine, local, "").WantStatus(http.StatusOK)
}

// Two spellings of one number name one animal; the same digits under another
// namespace, registry or type name another.
func TestSpellings(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	circuit := newCircuit(t, who, "")
	for _, tt := range []struct {
		registry  string
		spellings []string
	}{
		{"sisbov", []string{"BR076123456789", "BR 076.123.456-789", "076076123456789"}},
		{"rfid", []string{"076000000000001", "076 000000000001", "8000130000000001"}},
		{"cpf", []string{"11144477735", "111.444.777-35"}},
		{"cnpj", []string{"12ABC34501DE35", "12.abc.345/01DE-35"}},
		{"gtin", []string{"09506000134352", "9506000134352"}},
		{"brand", []string{"JM", " JM "}},
	} {
		first := dfidOf(t, who, circuit, canonical("bovino", tt.registry, tt.spellings[0]))
		for _, s := range tt.spellings {
			res := offline(t, who, circuit, canonical("bovino", tt.registry, s)).WantStatus(http.StatusOK)
			if res.Field("dfid") != first || res.Field("status") != "ExistingItemEnriched" {
				t.Errorf("%s %q: got %s %s, want %s", tt.registry, s, res.Field("dfid"), res.Field("status"), first)
			}
		}
		got := texts(t, who, "/api/items?identifier_key="+tt.registry, "dfid")
		if len(got) != 1 || got[0] != first {
			t.Errorf("%s: items %v, want %s alone", tt.registry, got, first)
		}
	}
	known := dfidOf(t, who, circuit, sisbov("BR076123456789"))
	for name, id := range map[string]string{
		"another namespace": canonical("leite", "sisbov", "BR076123456789"),
		"another registry":  canonical("bovino", "rfid", "BR076123456789"),
		"contextual":        contextual("bovino", "sisbov", "BR076123456789"),
		"another number":    canonical("bovino", "sisbov", "BR076123456780"),
		"case of a brand":   canonical("bovino", "brand", "jm"),
	} {
		if res := offline(t, who, circuit, id).WantStatus(http.StatusOK); res.Field("dfid") == known || res.Field("status") != "NewItemCreated" {
			t.Errorf("%s: got %s, want another animal", name, res.Body)
		}
	}
}

// Identifiers that come later name the animal too (S9); one that names another
// animal stays with that one, and the first that is named is the one meant.
func TestIdentifiersThatComeLater(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	circuit, elsewhere := newCircuit(t, who, ""), newCircuit(t, who, "")
	tag, chip, brand := canonical("bovino", "sisbov", "BR000000000001"), canonical("bovino", "rfid", "076000000000001"), canonical("bovino", "brand", "JM-1")
	first := dfidOf(t, who, circuit, tag)
	for _, step := range []struct{ name, circuit, identifiers string }{
		{"with its chip", circuit, tag + "," + chip},
		{"the chip alone, elsewhere", elsewhere, chip},
		{"the chip with a brand", elsewhere, brand + "," + chip},
		{"the brand alone", circuit, brand},
	} {
		if got := dfidOf(t, who, step.circuit, step.identifiers); got != first {
			t.Errorf("%s: got %s, want %s", step.name, got, first)
		}
	}
	second := dfidOf(t, who, circuit, sisbov("BR000000000002"))
	local := newLocal(t, who, sisbov("BR000000000002")+","+chip+","+canonical("bovino", "brand", "JM-2"), `{}`)
	if got := push(t, who, circuit, local, "").WantStatus(http.StatusOK).Field("dfid"); got != second {
		t.Errorf("two animals named: got %s, want the first named, %s", got, second)
	}
	for id, want := range map[string]string{chip: first, tag: first, canonical("bovino", "brand", "JM-2"): second, sisbov("BR000000000002"): second} {
		if got := dfidOf(t, who, circuit, id); got != want {
			t.Errorf("after the conflict %s names %s, want %s", id, got, want)
		}
	}
	// A local id stays with its animal, whatever a later request names.
	res := push(t, who, elsewhere, local, `,"identifiers":[`+tag+`]`).WantStatus(http.StatusOK)
	if res.Field("dfid") != second {
		t.Errorf("a local id moved to %s, want %s", res.Field("dfid"), second)
	}
	if got := dfidOf(t, who, circuit, tag); got != first {
		t.Errorf("the tag moved to %s, want %s", got, first)
	}
}

// A local id has one DFID for ever: in every circuit, with every credential of
// its owner, with and without identifiers.
func TestLocalIDKeepsItsDFID(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who, eve := srv.User("maria"), srv.User("eve")
	key := who.WithKey(who.Post(t, "/api/api-keys", `{"name":"k","permissions":{"read":true,"write":true}}`).WantStatus(http.StatusOK).Field("api_key"))
	here, there := newCircuit(t, who, ""), newCircuit(t, who, "")
	local := newLocal(t, who, contextual("bovino", "lote", "7"), `{"breed":"Nelore"}`)
	first := push(t, who, here, local, "").WantStatus(http.StatusOK)
	operations := map[string]bool{first.Field("operation_id"): true}
	for _, again := range []*servertest.Response{
		push(t, who, here, local, ""), push(t, key, there, local, ""), push(t, who, there, strings.ToUpper(local), ""),
		push(t, key, here, local, `,"identifiers":[`+contextual("bovino", "lote", "8")+`],"enriched_data":{"weight":1}`),
	} {
		again.WantStatus(http.StatusOK)
		if again.Field("dfid") != first.Field("dfid") || again.Field("status") != "ExistingItemEnriched" || again.Field("local_id") != local {
			t.Errorf("again: got %s, want %s", again.Body, first.Field("dfid"))
		}
		operations[again.Field("operation_id")] = true
	}
	if len(operations) != 5 {
		t.Errorf("operations: got %d, want one for each of 5 pushes", len(operations))
	}
	wantTexts(t, who, "/api/circuits/"+there+"/items", "dfid", first.Field("dfid"))
	wantRows(t, who, "/api/events/item/"+first.Field("dfid"), 5)
	wantRows(t, who, "/api/items", 1)
	push(t, eve, newCircuit(t, eve, ""), local, `,"identifiers":[`+sisbov("BR000000000001")+`]`).
		WantStatus(http.StatusForbidden).WantGolden("tokenization/local_item_of_another")
	push(t, who, here, uuid.NewString(), `,"enriched_data":{"a":1}`).WantStatus(http.StatusNotFound).WantGolden("tokenization/local_item_unknown")
}

// A fingerprint stands for owner and identifiers, in any order, within one
// circuit that wants it.
func TestFingerprints(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	maria, joao := srv.User("maria"), srv.User("joao")
	circuit := seedCircuit(t, srv, func(c *app.Circuit) {
		c.Alias = &app.AliasConfig{UseFingerprint: true, AutoApplyNamespace: true}
	}, roles{maria: app.RoleOwner, joao: app.RoleMember})
	lot, herd, animal := contextual("bovino", "lote", "7"), contextual("bovino", "safra", "2025"), sisbov("BR000000000001")
	first := dfidOf(t, maria, circuit, lot+","+herd)
	second := dfidOf(t, joao, circuit, lot+","+herd)
	if first == second {
		t.Error("two owners' lots are one item")
	}
	for _, tt := range []struct {
		name        string
		who         *servertest.Client
		identifiers string
		want        string // "" for a new item
	}{
		{"again", maria, lot + "," + herd, first},
		{"in another order", maria, herd + "," + lot, first},
		{"one of them twice", maria, herd + "," + lot + "," + herd, first},
		{"the other owner", joao, herd + "," + lot, second},
		{"one fewer", maria, lot, ""},
		{"one fewer, again and so known", maria, contextual("bovino", "lote", "8"), ""},
		{"another value", maria, herd + "," + contextual("bovino", "lote", "70"), ""},
		{"another namespace", maria, herd + "," + contextual("aves", "lote", "7"), ""},
		{"with an animal", maria, herd + "," + lot + "," + animal, ""},
	} {
		res := offline(t, tt.who, circuit, tt.identifiers).WantStatus(http.StatusOK)
		if isNew := res.Field("status") == "NewItemCreated"; isNew != (tt.want == "") || (!isNew && res.Field("dfid") != tt.want) {
			t.Errorf("%s: got %s, want %q", tt.name, res.Body, tt.want)
		}
	}
	byDefault := newCircuit(t, maria, `,"alias_config":{}`)
	if a, b := dfidOf(t, maria, byDefault, lot), dfidOf(t, maria, byDefault, lot); a != b {
		t.Errorf("a configuration without the switch: got %s and %s, want one item", a, b)
	}
	off := newCircuit(t, maria, `,"alias_config":{"use_fingerprint":false}`)
	if a, b := dfidOf(t, maria, off, lot), dfidOf(t, maria, off, lot); a == b {
		t.Error("switched off: got one item, want two")
	}
}

// DFIDs count on from one day to the next and over a restart, and a push that is
// refused takes no number.
func TestDFIDSequence(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	kept := servertest.WithConfig(func(c *server.Config) { c.DataDir = dir })
	// The checksum of contract 04 §9.1, written a second time.
	numbered := func(day string, n int) string {
		h := uint32(0)
		digits := day + fmt.Sprintf("%06d", n)
		for i := range len(digits) {
			h = h*31 + uint32(digits[i])
		}
		return fmt.Sprintf("DFID-%s-%06d-%X", day, n, h%65535)
	}
	srv := servertest.Start(t, kept, servertest.At(chainStart))
	who := srv.User("maria")
	circuit := newCircuit(t, who, "")
	strict := newCircuit(t, who, `,"alias_config":{"allowed_namespaces":["aves"]}`)
	want := func(who *servertest.Client, day string, n int) {
		t.Helper()
		if got := pushed(t, who, circuit, fmt.Sprintf("BR%012d", n)); got != numbered(day, n) {
			t.Errorf("push %d: got %s, want %s", n, got, numbered(day, n))
		}
	}
	want(who, "20251013", 1)
	if got := numbered("20251013", 1); got != "DFID-20251013-000001-CEEF" {
		t.Errorf("check value: got %s", got)
	}
	offline(t, who, strict, sisbov("BR000000000009")).WantStatus(http.StatusBadRequest)
	offline(t, who, uuid.NewString(), sisbov("BR000000000009")).WantStatus(http.StatusNotFound)
	offline(t, who, circuit, sisbov("BR000000000001")).WantStatus(http.StatusOK)
	want(who, "20251013", 2)
	srv.Advance(16 * time.Hour)
	want(who, "20251014", 3)
	srv.Close()

	again := servertest.Start(t, kept, servertest.At(chainStart.Add(16*time.Hour)))
	want(again.Login(t, "maria", servertest.Password), "20251014", 4)
}

// What the circuit's adapter and state say about a push (contract 04 §9.5,
// 03 R8). The access rules of the tiers have a test of their own.
func TestPushIntoOtherCircuits(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, viewer := srv.User("owner"), srv.User("viewer")
	listed := srv.User("listed", func(u *identity.NewUser) { u.Adapters = []app.AdapterType{app.AdapterStellarTestnet, app.AdapterIPFS} })
	seed := func(edit func(*app.Circuit)) string {
		return seedCircuit(t, srv, edit, roles{owner: app.RoleOwner, viewer: app.RoleViewer, listed: app.RoleMember})
	}
	stellar := func(sponsored bool) func(*app.Circuit) {
		return func(c *app.Circuit) { c.Adapter.Type, c.Adapter.SponsorAccess = app.AdapterStellarTestnet, sponsored }
	}
	for _, tt := range []struct {
		name    string
		circuit string
		who     *servertest.Client
		status  int
		golden  string
	}{
		{"adapter that is not here", seed(stellar(false)), listed, 400, "adapter_not_here"},
		{"adapter that is not here, paid for", seed(stellar(true)), owner, 400, "adapter_not_here"},
		{"adapter of a personal list", seed(func(c *app.Circuit) { c.Adapter.Type = app.AdapterIPFS }), listed, 200, ""},
		{"inactive", seed(func(c *app.Circuit) { c.Status = app.CircuitInactive }), owner, 400, "circuit_inactive"},
		{"archived", seed(func(c *app.Circuit) { c.Status = app.CircuitArchived }), owner, 400, "circuit_inactive"},
		{"inactive, no permission", seed(func(c *app.Circuit) { c.Status = app.CircuitInactive }), viewer, 403, "no_push"},
		{"member without Push", seed(nil), viewer, 403, "no_push"},
		{"administrator who is no member", seed(nil), srv.Admin(), 403, "no_push"},
		{"public, no member", seed(func(c *app.Circuit) { c.Permissions.AllowPublicVisibility = true }), srv.User("eve"), 403, "no_push"},
	} {
		res := offline(t, tt.who, tt.circuit, sisbov("BR000000000001"))
		if res.Status != tt.status {
			t.Errorf("%s: got %d, want %d; %s", tt.name, res.Status, tt.status, res.Body)
		} else if tt.golden != "" {
			res.WantGolden("tokenization/" + tt.golden)
			wantRows(t, owner, "/api/circuits/"+tt.circuit+"/items", 0)
		}
	}
}

// A push publishes once where the circuit publishes what is pushed (S12), and
// not while it waits for approval (S5).
func TestAutoPublish(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	for name, tt := range map[string]struct {
		options string
		want    int
	}{
		"publishes":          {`,"public_settings":{"auto_publish_pushed_items":true}`, 2},
		"does not publish":   {`,"public_settings":{"auto_publish_pushed_items":false}`, 0},
		"waits for approval": {`,"require_approval_for_push":true,"public_settings":{"auto_publish_pushed_items":true}`, 0},
	} {
		circuit := newCircuit(t, who, tt.options)
		for _, number := range []string{"BR000000000002", "BR000000000001", "BR000000000002"} {
			pushed(t, who, circuit, number)
			srv.Advance(time.Second)
		}
		var got struct {
			Public struct {
				Items []string `json:"published_items"`
			} `json:"public_settings"`
		}
		who.Get(t, "/api/circuits/"+circuit).WantStatus(http.StatusOK).JSON(&got)
		if len(got.Public.Items) != tt.want {
			t.Errorf("%s: published %v, want %d items", name, got.Public.Items, tt.want)
		}
	}
}

// An item takes no more than it may carry, however many pushes bring it.
func TestItemsDoNotOutgrowTheirBounds(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	circuit := newCircuit(t, who, "")
	lots := func(from, n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = contextual("bovino", "lote", fmt.Sprint(from+i))
		}
		return strings.Join(list, ",")
	}
	// The local item and the request together, and then one more push.
	full := newLocal(t, who, lots(0, 500), `{}`)
	push(t, who, circuit, full, `,"identifiers":[`+lots(500, 501)+`]`).WantStatus(http.StatusBadRequest).WantGolden("tokenization/too_many_identifiers")
	dfid := push(t, who, circuit, full, `,"identifiers":[`+lots(500, 500)+`]`).WantStatus(http.StatusOK).Field("dfid")
	push(t, who, circuit, full, `,"identifiers":[`+lots(999, 2)+`]`).WantStatus(http.StatusBadRequest).WantGolden("tokenization/too_many_identifiers")
	push(t, who, circuit, full, `,"identifiers":[`+lots(0, 1000)+`]`).WantStatus(http.StatusOK)

	most := fmt.Sprintf("%q", strings.Repeat("x", 2<<20-1024))
	for n, key := range []string{"a", "b"} {
		push(t, who, circuit, full, `,"enriched_data":{"`+key+`":`+most+`}`).WantStatus(http.StatusOK)
		wantRows(t, who, "/api/events/item/"+dfid, 3+n)
	}
	push(t, who, circuit, full, `,"enriched_data":{"c":`+most+`}`).WantStatus(http.StatusRequestEntityTooLarge).WantGolden("tokenization/item_too_large")
	push(t, who, circuit, full, `,"enriched_data":{"b":1,"c":`+most+`}`).WantStatus(http.StatusOK)
	wantRows(t, who, "/api/events/item/"+dfid, 5)
}
