package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDocument(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{BasePath: "/defarm/", Build: BuildInfo{Version: "9.9.9"}}, wideRoutes)
	doc := fetchDocument(t, e, "/defarm/openapi.json")
	for _, tt := range []struct {
		path []string
		want any
	}{
		{[]string{"openapi"}, "3.1.0"},
		{[]string{"info", "title"}, "DeFarm Engines"},
		{[]string{"info", "version"}, "9.9.9"},
		{[]string{"servers"}, []any{map[string]any{"url": "/defarm"}}},
		{[]string{"components", "securitySchemes", "token", "scheme"}, "bearer"},
		{[]string{"components", "securitySchemes", "apiKey", "name"}, "X-API-Key"},
		{[]string{"paths", "/w/body", "post", "operationId"}, "post-w-body"},
		{[]string{"paths", "/w/body", "post", "description"}, "Longer."},
		{[]string{"paths", "/w/body", "post", "tags"}, []any{"Wide"}},
		{[]string{"paths", "/w/body", "post", "security"}, []any{map[string]any{"token": []any{}}, map[string]any{"apiKey": []any{}}}},
		{[]string{"paths", "/w/body", "post", "x-scope"}, "user"},
		{[]string{"paths", "/w/body", "post", "requestBody", "content", "application/json", "schema", "$ref"}, "#/components/schemas/Body"},
		{[]string{"paths", "/w/body", "post", "responses", "200", "content", "application/json", "schema", "$ref"}, "#/components/schemas/Body"},
		{[]string{"paths", "/w/body", "post", "responses", "422", "content", "application/json", "schema", "$ref"}, "#/components/schemas/Error"},
		{[]string{"paths", "/w/body/{id}", "delete", "security"}, []any{map[string]any{"token": []any{}}}},
		{[]string{"paths", "/t/public", "get", "security"}, []any{}},
		{[]string{"paths", "/t/optional", "get", "security"}, []any{map[string]any{}, map[string]any{"token": []any{}}, map[string]any{"apiKey": []any{}}}},
		{[]string{"components", "schemas", "Body", "additionalProperties"}, true},
		{[]string{"components", "schemas", "Body", "required"}, []any{"name"}},
		{[]string{"components", "schemas", "Error", "required"}, []any{"error"}},
		{[]string{"components", "schemas", "Nulls", "properties", "never", "type"}, "array"},
		{[]string{"components", "schemas", "Nulls", "properties", "maybe", "type"}, []any{"array", "null"}},
		{[]string{"components", "schemas", "Nulls", "properties", "nested", "items", "type"}, "array"},
		{[]string{"components", "schemas", "Nulls", "properties", "maps", "additionalProperties", "type"}, "array"},
		{[]string{"paths", "/w/list", "get", "responses", "200", "content", "application/json", "schema", "type"}, "array"},
	} {
		if diff := cmp.Diff(tt.want, at(t, doc, tt.path...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", strings.Join(tt.path, " > "), diff)
		}
	}
	paths, _ := at(t, doc, "paths").(map[string]any)
	for _, absent := range []string{"/w/hidden", "/metrics", "/docs", "/openapi.json"} {
		if paths[absent] != nil {
			t.Errorf("%s is in the document", absent)
		}
	}
	for _, present := range []string{"/", "/health", "/health/db", "/version", "/api/version", "/livez", "/readyz"} {
		if paths[present] == nil {
			t.Errorf("%s is not in the document", present)
		}
	}
}

// TestDocumentAsAWhole checks what must hold for every operation.
func TestDocumentAsAWhole(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, wideRoutes)
	checkDocument(t, fetchDocument(t, e, "/openapi.json"))
	checkRoutes(t, e.registrar)
	yaml := e.do(t, "GET", "/openapi.yaml", "", nil)
	if yaml.status != 200 || !strings.Contains(yaml.body, "title: DeFarm Engines") || !strings.Contains(yaml.body, "operationId: post-w-body") {
		t.Errorf("YAML: got %d with %d bytes", yaml.status, len(yaml.body))
	}
}

// checkDocument fails for what tools trip over: references that lead nowhere,
// operation ids given twice, operations without a summary, uniqueItems.
func checkDocument(t *testing.T, doc map[string]any) {
	t.Helper()
	schemas, _ := at(t, doc, "components", "schemas").(map[string]any)
	ids := map[string]string{}
	paths, _ := at(t, doc, "paths").(map[string]any)
	for path, item := range paths {
		ops, _ := item.(map[string]any)
		for method, op := range ops {
			where := method + " " + path
			o, _ := op.(map[string]any)
			id, _ := o["operationId"].(string)
			if other := ids[id]; other != "" || id == "" {
				t.Errorf("%s: operation id %q is also that of %q", where, id, other)
			}
			ids[id] = where
			if s, _ := o["summary"].(string); s == "" {
				t.Errorf("%s has no summary", where)
			}
			if s, _ := o["x-scope"].(string); s == "" || s == scopeDeny.String() {
				t.Errorf("%s has scope %q", where, s)
			}
			if o["security"] == nil {
				t.Errorf("%s does not say which credential it asks for", where)
			}
		}
	}
	var walk func(v any, where string)
	walk = func(v any, where string) {
		switch x := v.(type) {
		case map[string]any:
			for k, e := range x {
				if k == "uniqueItems" {
					t.Errorf("%s: uniqueItems", where)
				}
				if ref, ok := e.(string); ok && k == "$ref" && schemas[strings.TrimPrefix(ref, schemaPrefix)] == nil {
					t.Errorf("%s: %s leads nowhere", where, ref)
				}
				walk(e, where+"/"+k)
			}
		case []any:
			for _, e := range x {
				walk(e, where)
			}
		}
	}
	walk(doc, "")
}

// checkRoutes fails for a route that nobody decided about.
func checkRoutes(t *testing.T, r *registrar) {
	t.Helper()
	if len(r.routes) == 0 {
		t.Error("no routes")
	}
	for _, rt := range r.routes {
		if rt.scope == scopeDeny || rt.summary == "" {
			t.Errorf("%s %s: scope %s, summary %q", rt.method, rt.path, rt.scope, rt.summary)
		}
	}
}

// TestEveryGuardedRouteRefusesAnonymous walks the table: a route is public by
// declaration or answers 401 to a request without credential.
func TestEveryGuardedRouteRefusesAnonymous(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, wideRoutes)
	for _, rt := range e.registrar.routes {
		if rt.scope != scopeUser && rt.scope != scopeAdmin {
			continue
		}
		path := paramName.ReplaceAllString(rt.path, "x")
		if got := e.do(t, rt.method, path, "", nil); got.status != http.StatusUnauthorized {
			t.Errorf("%s %s: got %d, want 401", rt.method, rt.path, got.status)
		}
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	type wrapJSON struct {
		List []string          `json:"list"`
		Item encoded[partJSON] `json:"item"`
		Some map[string]any    `json:"some"`
	}
	e := startEdge(t, Options{}, func(r *registrar) {
		s := summary("Test")
		get(r, "/t/nil", scopePublic, func(context.Context, *struct{}) (*reply[[]string], error) { return respond[[]string](nil, nil) }, s)
		get(r, "/t/html", scopePublic, func(context.Context, *struct{}) (*reply[string], error) { return respond("<a href='x'>&", nil) }, s)
		get(r, "/t/encoded", scopePublic, func(context.Context, *struct{}) (*reply[encoded[partJSON]], error) {
			return respond(encoded[partJSON](`{"key": "as it is" }`), nil)
		}, s)
		get(r, "/t/wrap", scopePublic, func(context.Context, *struct{}) (*reply[wrapJSON], error) {
			return respond(wrapJSON{List: orEmpty[string](nil), Item: encoded[partJSON](`{"key":"k"}`)}, nil)
		}, s)
		get(r, "/t/bytes", scopePublic, func(context.Context, *struct{}) (*bytesOutput, error) {
			return &bytesOutput{ContentType: "application/octet-stream", Body: []byte("\x00\x01")}, nil
		}, s)
		post(r, "/t/created", scopePublic, func(context.Context, *struct{}) (*reply[string], error) { return respond("x", nil) }, s, successStatus(201))
		del(r, "/t/empty", scopePublic, nothing, s)
	})
	tests := []struct {
		method, path string
		want         int
		body, media  string
	}{
		{"GET", "/t/nil", 200, `[]`, contentJSON},
		{"GET", "/t/html", 200, `"<a href='x'>&"`, contentJSON},
		{"GET", "/t/encoded", 200, `{"key": "as it is" }`, contentJSON},
		{"GET", "/t/wrap", 200, `{"list":[],"item":{"key":"k"},"some":null}`, contentJSON},
		{"GET", "/t/bytes", 200, "\x00\x01", "application/octet-stream"},
		{"POST", "/t/created", 201, `"x"`, contentJSON},
		{"DELETE", "/t/empty", 204, "", ""},
	}
	for _, tt := range tests {
		for _, accept := range []string{"", "*/*", "text/html", "application/problem+json", "image/png;q=0"} {
			got := e.do(t, tt.method, tt.path, "", headers{"Accept", accept})
			got.want(t, tt.want, tt.body)
			if ct := got.header.Get("Content-Type"); ct != tt.media {
				t.Errorf("%s with Accept %q: content type %q, want %q", tt.path, accept, ct, tt.media)
			}
			if n := got.header.Get("Content-Length"); tt.want != 204 && n == "" {
				t.Errorf("%s: no Content-Length", tt.path)
			}
			if got.header.Get("Link") != "" {
				t.Errorf("%s: a link to a schema", tt.path)
			}
		}
	}
}

type bytesOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func TestStrangeAcceptOfErrors(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, bodyRoutes)
	got := e.do(t, "POST", "/t/body", `{"name":"x","small":300}`, headers{"Content-Type", contentJSON, "Accept", "application/problem+json"})
	got.wantError(t, 422, prefixShape)
	if !json.Valid([]byte(got.body)) || !slices.Contains(got.header.Values("Content-Type"), contentJSON) {
		t.Errorf("got %q as %q", got.body, got.header.Values("Content-Type"))
	}
}
