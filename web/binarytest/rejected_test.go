package binarytest

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/defarm-repo/defarm/web/client"
)

// rejection is one request that is refused.
type rejection struct {
	name         string
	by           *client.Client
	method, path string
	body         string
	status       int
	text         string // of the member "error"; a prefix when it ends in "…"
}

// TestRejectedInput sends what the main job refuses. Each refusal has the
// contract's status and text, and none leaves a row behind, in any table.
func TestRejectedInput(t *testing.T) {
	t.Parallel()
	p := serve(t, nil, "--data-dir", t.TempDir()+"/data")
	f := newFarm(t, p.ready.URL)
	owner, nobody := newClient(t, p.ready.URL, f.token), newClient(t, p.ready.URL, "")
	var account struct {
		Token string `json:"token"`
	}
	mustCall(t, nobody, http.MethodPost, "/api/auth/register",
		`{"username":"stranger","email":"stranger@example.org","password":"Secret-123"}`, &account)
	stranger := newClient(t, p.ready.URL, account.Token)
	var local, foreign mapped
	mustCall(t, owner, http.MethodPost, "/api/items/local", localItem(1), &local)
	mustCall(t, stranger, http.MethodPost, "/api/items/local", localItem(2), &foreign)
	var strict struct {
		ID string `json:"circuit_id"`
	}
	mustCall(t, owner, http.MethodPost, "/api/circuits", `{"name":"Strict","description":"","alias_config":{
		"required_canonical":["sisbov"],"required_contextual":["lote"],"allowed_namespaces":["bovino"]}}`, &strict)

	database := filepath.Join(p.ready.DataDir, "defarm.db")
	before := rowCounts(t, database)
	for _, r := range rejections(f, owner, stranger, nobody, local.Data.LocalID, foreign.Data.LocalID, strict.ID) {
		var raw []byte
		if r.body != "" {
			raw = []byte(r.body)
		}
		reply, err := r.by.Send(t.Context(), r.method, r.path, raw)
		if err != nil {
			t.Fatalf("%s: %v", r.name, err)
		}
		var out struct {
			Error string `json:"error"`
		}
		if err := json.Unmarshal(reply.Body, &out); err != nil {
			t.Errorf("%s: body %q is no JSON", r.name, reply.Body)
		}
		prefix, open := strings.CutSuffix(r.text, "…")
		if said := out.Error == r.text || (open && strings.HasPrefix(out.Error, prefix)); reply.Status != r.status || !said {
			t.Errorf("%s: got %d %q, want %d %q", r.name, reply.Status, out.Error, r.status, r.text)
		}
		if diff := cmp.Diff(before, rowCounts(t, database)); diff != "" {
			t.Fatalf("%s left something behind (-before +after):\n%s", r.name, diff)
		}
	}
	p.terminate()
	p.wantCleanEnd()
}

func rejections(f farm, owner, stranger, nobody *client.Client, local, foreign, strict string) []rejection {
	const (
		items, unknown = "/api/items/local", "00000000-0000-4000-8000-000000000000"
		syntax         = "Failed to parse the request body as JSON: …"
		shape          = "Failed to deserialize the JSON body into the target type: "
	)
	push := func(circuit string) string { return "/api/circuits/" + circuit + "/push-local" }
	known := fmt.Sprintf(`{"local_id":%q}`, local)
	with := func(more string) string { return fmt.Sprintf(`{"local_id":%q,%s}`, local, more) }
	animal := `{"namespace":"bovino","key":"sisbov","value":"BR076123456789","id_type":"Canonical"}`
	lot := `{"namespace":"bovino","key":"lote","value":"7"}`
	many := strings.Repeat(`{"key":"a","value":"b"},`, 1000) + `{"key":"a","value":"b"}`
	deep := strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65)
	post := http.MethodPost
	return []rejection{
		{"not JSON", owner, post, items, `{"identifiers":`, 400, syntax},
		{"empty body", owner, post, push(f.circuit), "", 415, "Expected request with `Content-Type: application/json`"},
		{"a list for a body", owner, post, items, `[]`, 422, shape + "…"},
		{"identifiers of a wrong type", owner, post, items, `{"identifiers":7}`, 422, shape + "identifiers: invalid type: expected array"},
		{"no identifier", owner, post, items, `{"identifiers":[7]}`, 422, shape + "identifiers[0]: invalid type: expected object"},
		{"identifier without value", owner, post, items, `{"identifiers":[{"key":"a"}]}`, 422, shape + "identifiers[0]: missing field `value`"},
		{"identifier of an unknown type", owner, post, items, `{"identifiers":[{"key":"a","value":"b","id_type":"Magic"}]}`, 400, "Invalid identifier payload: Invalid id_type 'magic'"},
		{"data of a wrong type", owner, post, items, `{"enriched_data":[1]}`, 422, shape + "…"},
		{"too many identifiers", owner, post, items, `{"identifiers":[` + many + `]}`, 400, "Validation error: 1001 identifiers given; an item carries at most 1000"},
		{"identifier too long", owner, post, items, `{"identifiers":[{"key":"a","value":"` + strings.Repeat("x", 1025) + `"}]}`, 400, "Validation error: identifiers[0].value is longer than 1024 bytes"},
		{"U+0000", owner, post, items, `{"identifiers":[{"key":"a","value":"\u0000"}]}`, 400, "Validation error: identifiers[0].value must be UTF-8 without U+0000"},
		{"nested too deep", owner, post, items, `{"enriched_data":` + deep + `}`, 400, syntax},
		{"body over the limit", owner, post, items, `{"enriched_data":{"a":"` + strings.Repeat("x", 2<<20) + `"}}`, 413, "Failed to buffer the request body: length limit exceeded"},
		{"without a credential", nobody, post, items, `{}`, 401, "Authentication required. Use JWT token or API key."},

		{"circuit id that is none", owner, post, push("7"), known, 400, "Invalid circuit ID format"},
		{"local id that is none", owner, post, push(f.circuit), `{"local_id":"7"}`, 400, "Invalid local_id format"},
		{"no local id", owner, post, push(f.circuit), `{}`, 422, shape + "missing field `local_id`"},
		{"unknown circuit", owner, post, push(unknown), known, 404, "Circuit not found"},
		{"no permission to push", stranger, post, push(f.circuit), fmt.Sprintf(`{"local_id":%q}`, foreign), 403, "Permission denied: User does not have permission to push to this circuit"},
		{"somebody else's local item", owner, post, push(f.circuit), fmt.Sprintf(`{"local_id":%q}`, foreign), 403, "Permission denied: Local item belongs to another user"},
		{"unknown local item", owner, post, push(f.circuit), `{"local_id":"` + unknown + `"}`, 404, "Local item not found"},
		{"pushed with an identifier of an unknown type", owner, post, push(f.circuit), with(`"identifiers":[{"key":"a","value":"b","id_type":"X"}]`), 400, "Invalid identifier payload: Invalid id_type 'x'"},
		{"pushed with too many identifiers", owner, post, push(f.circuit), with(`"identifiers":[` + many + `]`), 400, "Validation error: 1001 identifiers given; an item carries at most 1000"},
		{"canonical identifier missing", owner, post, push(strict), known, 400, "Validation error: Required canonical identifier 'sisbov' not provided"},
		{"contextual identifier missing", owner, post, push(strict), with(`"identifiers":[` + animal + `]`), 400, "Validation error: Required contextual identifier 'lote' not provided"},
		{"namespace not allowed", owner, post, push(strict), with(`"identifiers":[{"namespace":"aves","key":"a","value":"b"}]`), 400, "Validation error: Namespace 'aves' not allowed in this circuit"},
		{"identifier of a bad form", owner, post, push(strict), with(`"identifiers":[` + lot + `,{"namespace":"bovino","key":"sisbov","value":"BR7","id_type":"Canonical"}]`), 400, "Validation error: Invalid identifier format: bovino:sisbov:BR7"},

		{"adapter not in the tier", owner, post, "/api/circuits", `{"name":"x","description":"","adapter_config":{"adapter_type":"stellar_mainnet-ipfs"}}`, 403,
			"Failed to set adapter config: Permission denied: Your tier (basic) does not have access to the StellarMainnetIpfs adapter. Please upgrade your tier or contact an administrator."},
		{"adapter that is none", owner, post, "/api/circuits", `{"name":"x","description":"","adapter_config":{"adapter_type":"floppy"}}`, 422, shape + "adapter_config.adapter_type: …"},
		{"circuit without name", owner, post, "/api/circuits", `{"description":""}`, 422, shape + "missing field `name`"},
		{"circuit with an unknown namespace", owner, post, "/api/circuits", `{"name":"x","description":"","default_namespace":"moon"}`, 400, "Failed to create circuit: Validation error: default_namespace must be one of …"},

		{"weak password", nobody, post, "/api/auth/register", `{"username":"new","email":"new@example.org","password":"short"}`, 400, "Password must be at least 8 characters long"},
		{"name taken", nobody, post, "/api/auth/register", `{"username":"FARM","email":"new@example.org","password":"Secret-123"}`, 409, "Username already exists"},
		{"address taken", nobody, post, "/api/auth/register", `{"username":"new","email":"Farm@Example.org","password":"Secret-123"}`, 409, "Email already exists"},
		{"wrong password", nobody, post, "/api/auth/login", `{"username":"farm","password":"Secret-124"}`, 401, "Invalid credentials"},
		{"unknown user", nobody, post, "/api/auth/login", `{"username":"fram","password":"Secret-123"}`, 401, "Invalid credentials"},
		{"key without name", owner, post, "/api/api-keys", `{"organization_type":"Producer"}`, 422, shape + "missing field `name`"},
		{"key of an unknown organization", owner, post, "/api/api-keys", `{"name":"k","organization_type":"producer"}`, 422, shape + "organization_type: …"},
		{"key with an address that is none", owner, post, "/api/api-keys", `{"name":"k","allowed_ips":["somewhere"]}`, 422, shape + "allowed_ips[0]: invalid IP address syntax"},
		{"key with a limit of nothing", owner, post, "/api/api-keys", `{"name":"k","rate_limit_per_hour":0}`, 400, "rate_limit_per_hour must be between 1 and 1000000"},
		{"admin key by somebody who is none", owner, post, "/api/api-keys", `{"name":"k","permissions":{"read":true,"write":true,"admin":true,"custom":{}}}`, 403, "…"},
	}
}

// rowCounts counts the rows of every table, with what is not yet in the main
// file.
func rowCounts(t *testing.T, database string) map[string]int {
	t.Helper()
	conn, err := sql.Open("sqlite", "file:"+database+"?mode=ro&_query_only=1&_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	rows, err := conn.QueryContext(t.Context(), `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
		AND name NOT LIKE 'item_search%'`) // the search index follows when it has time
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]int{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		out[name] = 0
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for name := range out {
		var n int
		if err := conn.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM `+name).Scan(&n); err != nil {
			t.Fatal(err)
		}
		out[name] = n
	}
	if len(out) < 10 {
		t.Fatalf("tables: got %v, want those of the schema", out)
	}
	return out
}
