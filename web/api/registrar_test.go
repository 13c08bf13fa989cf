package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func nothing(context.Context, *struct{}) (*struct{}, error) { return nil, nil }

type hiddenPart struct {
	X string `query:"x"`
}

func TestRegistrationProblems(t *testing.T) {
	t.Parallel()
	s := summary("Test")
	type unique struct {
		List []struct{ A int } `json:"list" uniqueItems:"true"`
	}
	tests := []struct {
		name     string
		register func(*registrar)
		want     string
	}{
		{"no scope", func(r *registrar) { get(r, "/a", scopeDeny, nothing, s) }, "GET /a: no scope"},
		{"no summary", func(r *registrar) { get(r, "/a", scopeUser, nothing) }, "GET /a: no summary"},
		{"twice", func(r *registrar) { get(r, "/a", scopeUser, nothing, s); get(r, "/a", scopeUser, nothing, s) }, "GET /a: registered twice"},
		{"twice by other names", func(r *registrar) {
			put(r, "/a/{x}", scopeUser, func(context.Context, *struct {
				X string `path:"x"`
			}) (*struct{}, error) {
				return nil, nil
			}, s)
			put(r, "/a/{y}", scopeUser, func(context.Context, *struct {
				Y string `path:"y"`
			}) (*struct{}, error) {
				return nil, nil
			}, s)
		}, "PUT /a/{y}: registered twice"},
		{"trailing slash", func(r *registrar) { get(r, "/a/", scopeUser, nothing, s) }, "GET /a/: trailing slash"},
		{"plain handler without scope", func(r *registrar) { r.page("/a", scopeDeny, http.NotFoundHandler(), s) }, "no scope"},
		{"unique items in a body", func(r *registrar) {
			post(r, "/a", scopeUser, func(context.Context, *struct{ Body unique }) (*struct{}, error) { return nil, nil }, s)
		}, "uniqueItems is not allowed"},
		{"unique items in an answer", func(r *registrar) {
			get(r, "/a", scopeUser, func(context.Context, *struct{}) (*reply[map[string]unique], error) { return nil, nil }, s)
		}, "uniqueItems is not allowed"},
		{"unique items in the query", func(r *registrar) {
			get(r, "/a", scopeUser, func(context.Context, *struct {
				L []string `query:"l" uniqueItems:"true"`
			}) (*struct{}, error) {
				return nil, nil
			}, s)
		}, "uniqueItems is not allowed"},
		{"what huma cannot register", func(r *registrar) {
			get(r, "/a", scopeUser, func(context.Context, *struct {
				P *string `query:"p"`
			}) (*struct{}, error) {
				return nil, nil
			}, s)
		}, "GET /a: pointers are not supported"},
		{"embedded where huma does not look", func(r *registrar) {
			get(r, "/a", scopeUser, func(context.Context, *struct{ hiddenPart }) (*struct{}, error) { return nil, nil }, s)
		}, "GET /a: hiddenPart is embedded under an unexported name"},
		{"embedded so in an answer", func(r *registrar) {
			get(r, "/a", scopeUser, func(context.Context, *struct{}) (*reply[[]struct{ hiddenPart }], error) { return nil, nil }, s)
		}, "GET /a: hiddenPart is embedded under an unexported name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ready := func(context.Context) error { return nil }
			b, err := build(Options{Database: ready, Ready: ready}, &fakeAuth{}, tt.register)
			if err == nil || b != nil {
				t.Fatalf("got %v and no error, want %q", b, tt.want)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q in it", err, tt.want)
			}
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	ready := func(context.Context) error { return nil }
	_, err := build(Options{Database: ready, Ready: ready}, &fakeAuth{}, func(r *registrar) {
		get(r, "/a", scopeDeny, nothing, summary("Test"))
		get(r, "/b", scopeUser, nothing)
	})
	if err == nil || !strings.Contains(err.Error(), "/a") || !strings.Contains(err.Error(), "/b") {
		t.Errorf("got %v, want both problems", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	if h, err := New(Options{}); err == nil || h != nil {
		t.Errorf("New without services: got %v, want an error", h)
	}
	ready := func(context.Context) error { return nil }
	for _, base := range []string{"defarm", "/a{b}", "/a b", "/a?b"} {
		if _, err := build(Options{Database: ready, Ready: ready, BasePath: base}, &fakeAuth{}, nil); err == nil {
			t.Errorf("base path %q: got no error", base)
		}
	}
	if _, err := build(Options{}, &fakeAuth{}, nil); err == nil {
		t.Error("without Database and Ready: got no error")
	}
}

func TestOperationID(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/":                             "get-root",
		"/health/db":                    "get-health-db",
		"/api/items/{dfid}":             "get-api-items-by-dfid",
		"/api/items/mapping/{local_id}": "get-api-items-mapping-by-local-id",
	} {
		if got := operationID("GET", path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

// wideRoutes has one of everything that shows in the document.
func wideRoutes(r *registrar) {
	guardRoutes(r)
	routes := []func(*registrar){queryRoutes}
	for _, f := range routes {
		f(r)
	}
	post(r, "/w/body", scopeUser, func(context.Context, *bodyInput) (*reply[encoded[bodyJSON]], error) { return nil, nil },
		summary("Body"), describe("Longer."), tag("Wide"))
	get(r, "/w/list", scopeUser, func(context.Context, *struct{}) (*reply[[]nullsJSON], error) { return nil, nil }, summary("List"))
	del(r, "/w/body/{id}", scopeUser, func(context.Context, *struct {
		ID string `path:"id"`
	}) (*struct{}, error) {
		return nil, nil
	}, summary("Delete"), tokenOnly())
	get(r, "/w/hidden", scopeUser, nothing, summary("Hidden"), hidden())
}

type nullsJSON struct {
	Never  []string         `json:"never"`
	Maybe  []string         `json:"maybe" nullable:"true"`
	Nested [][]string       `json:"nested"`
	Maps   map[string][]int `json:"maps"`
}

// document decodes /openapi.json.
func fetchDocument(t *testing.T, e *testEdge, path string) map[string]any {
	t.Helper()
	got := e.do(t, "GET", path, "", nil)
	if got.status != 200 || got.header.Get("Content-Type") != "application/openapi+json" {
		t.Fatalf("got %d %q", got.status, got.header.Get("Content-Type"))
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(got.body), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// at walks maps by their keys.
func at(t *testing.T, v any, path ...string) any {
	t.Helper()
	for i, key := range path {
		m, ok := v.(map[string]any)
		if !ok || m[key] == nil {
			t.Fatalf("the document has no %s", strings.Join(path[:i+1], " > "))
		}
		v = m[key]
	}
	return v
}
