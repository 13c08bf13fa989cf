package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

type namedInput struct {
	ID    string `path:"dfid"`
	Other string `path:"other"`
}

// named registers an operation that answers with its own name and parameters.
func named(reg func(*registrar, string, scope, func(context.Context, *struct{}) (*reply[string], error), ...option), r *registrar, path, name string) {
	reg(r, path, scopePublic, func(context.Context, *struct{}) (*reply[string], error) { return respond(name, nil) }, summary("Test"))
}

// itemRoutes has the shape of the contract's item routes (02 §1.4).
func itemRoutes(r *registrar) {
	s := summary("Test")
	get(r, "/api/items/{dfid}", scopePublic, func(_ context.Context, in *struct {
		ID string `path:"dfid"`
	}) (*reply[string], error) {
		return respond("item:"+in.ID, nil)
	}, s)
	named(post[struct{}, reply[string]], r, "/api/items/batch", "batch")
	named(post[struct{}, reply[string]], r, "/api/items/local", "local")
	named(get[struct{}, reply[string]], r, "/api/items/search", "search")
	named(get[struct{}, reply[string]], r, "/api/items/local/duplicates", "duplicates")
	named(post[struct{}, reply[string]], r, "/api/items/local/merge", "merge")
	get(r, "/api/items/mapping/{local_id}", scopePublic, func(_ context.Context, in *struct {
		ID string `path:"local_id"`
	}) (*reply[string], error) {
		return respond("mapping:"+in.ID, nil)
	}, s)
	put(r, "/api/items/{dfid}/share/{other}", scopePublic, func(_ context.Context, in *namedInput) (*reply[string], error) {
		return respond("share:"+in.ID+":"+in.Other, nil)
	}, s)
	post(r, "/api/items/{dfid}/split", scopePublic, func(_ context.Context, in *struct {
		ID string `path:"dfid"`
	}) (*reply[string], error) {
		return respond("split:"+in.ID, nil)
	}, s)
	get(r, "/api/circuits/{circuit_id}/items", scopePublic, func(_ context.Context, in *struct {
		ID string `path:"circuit_id"`
	}) (*reply[string], error) {
		return respond("circuit items:"+in.ID, nil)
	}, s)
	get(r, "/api/circuits/{id}", scopePublic, func(_ context.Context, in *struct {
		ID string `path:"id"`
	}) (*reply[string], error) {
		return respond("circuit:"+in.ID, nil)
	}, s)
	patch(r, "/api/circuits/{id}", scopePublic, func(_ context.Context, in *struct {
		ID string `path:"id"`
	}) (*struct{}, error) {
		return nil, nil
	}, s)
}

func TestRouting(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, itemRoutes)
	const invalid = "{\"error\":\"Invalid URL: Invalid UTF-8 in `dfid`\"}"
	tests := []struct {
		method, path string
		want         int
		body         string
		allow        string
	}{
		{"GET", "/api/items/DFID-1", 200, `"item:DFID-1"`, ""},
		{"GET", "/api/items/batch", 405, "", "POST"},
		{"GET", "/api/items/local", 405, "", "POST"},
		{"POST", "/api/items/search", 405, "", "GET,HEAD"},
		{"POST", "/api/items/DFID-1", 405, "", "GET,HEAD"},
		{"DELETE", "/api/items/batch", 405, "", "POST"},
		{"TRACE", "/api/items/batch", 405, "", "POST"},
		{"INVENTED", "/api/items/batch", 405, "", "POST"},
		{"INVENTED", "/nowhere", 404, "", ""},
		{"HEAD", "/api/items/batch", 405, "", "POST"},
		{"GET", "/api/items/batch2", 200, `"item:batch2"`, ""},
		{"GET", "/api/items/mapping", 200, `"item:mapping"`, ""},
		{"GET", "/api/items/mapping/merge", 200, `"mapping:merge"`, ""},
		{"POST", "/api/items/mapping/split", 405, "", "GET,HEAD"},
		{"GET", "/api/items/local/duplicates", 200, `"duplicates"`, ""},
		{"GET", "/api/items/local/merge", 405, "", "POST"},
		{"GET", "/api/items/local/split", 405, "", "POST"},
		{"POST", "/api/items/local/split", 200, `"split:local"`, ""},
		{"GET", "/api/items/local/other", 404, "", ""},
		{"GET", "/api/items/", 404, "", ""},
		{"GET", "/api/items", 404, "", ""},
		{"POST", "/api/items//split", 404, "", ""},
		{"GET", "/health/", 404, "", ""},
		{"POST", "/health", 405, "", "GET,HEAD"},
		{"GET", "/nowhere", 404, "", ""},
		{"GET", "//health", 404, "", ""},
		{"PATCH", "/api/circuits/7", 204, "", ""},
		{"DELETE", "/api/circuits/7", 405, "", "GET,HEAD,PATCH"},
		{"GET", "/api/circuits/7/items", 200, `"circuit items:7"`, ""},
		// Percent-decoding.
		{"GET", "/api/items/a%2Fb", 200, `"item:a/b"`, ""},
		{"GET", "/api/items/a%20b", 200, `"item:a b"`, ""},
		{"GET", "/api/items/caf%C3%A9", 200, `"item:café"`, ""},
		{"GET", "/api/items/100%25", 200, `"item:100%"`, ""},
		{"GET", "/api/items/%2525", 200, `"item:%25"`, ""},
		{"GET", "/api/items/a+b", 200, `"item:a+b"`, ""},
		{"GET", "/api/items/%62atch", 200, `"item:batch"`, ""},
		{"PUT", "/api/items/a%2F%2525/share/x%2Fy", 200, `"share:a/%25:x/y"`, ""},
		{"GET", "/api/items/%ff", 400, invalid, ""},
		{"GET", "/api/items/a%2F%c3%28", 400, invalid, ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			t.Parallel()
			got := e.do(t, tt.method, tt.path, "", nil)
			got.want(t, tt.want, tt.body)
			if a := got.header.Get("Allow"); a != tt.allow {
				t.Errorf("Allow: got %q, want %q", a, tt.allow)
			}
			if tt.want != 200 && tt.want != 400 && got.header.Get("Content-Type") != "" {
				t.Errorf("an empty body has content type %q", got.header.Get("Content-Type"))
			}
		})
	}
}

func TestHeadIsGetWithoutBody(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, itemRoutes)
	for _, path := range []string{"/", "/version", "/api/items/x", "/docs", "/openapi.json", "/docs/swagger-ui.css"} {
		g, h := e.do(t, "GET", path, "", nil), e.do(t, "HEAD", path, "", nil)
		if h.status != 200 || h.body != "" {
			t.Errorf("HEAD %s: got %d with %d bytes, want 200 and none", path, h.status, len(h.body))
		}
		for _, name := range []string{"Content-Length", "Content-Type", "X-Commit"} {
			if h.header.Get(name) != g.header.Get(name) {
				t.Errorf("HEAD %s: %s is %q, GET says %q", path, name, h.header.Get(name), g.header.Get(name))
			}
		}
		if g.header.Get("Content-Length") == "" {
			t.Errorf("GET %s has no Content-Length", path)
		}
	}
}

// TestRawRequestLines sends what Go's client would not.
func TestRawRequestLines(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, itemRoutes)
	for target, want := range map[string]int{
		"/api/items/..":            200, // a name like any other: nothing cleans the path
		"/api/items/../health":     404,
		"/api/items/%2e%2e%2fetc":  200,
		"/api/items/x?limit=%zz":   200, // unknown parameter
		"/api/items/x;v=1":         200,
		"/api/items/\xff":          400,
		"/api/items/%zz":           400, // refused by net/http
		"/docs/..%2f..%2fpasswd":   404,
		"/docs/../openapi.json":    404,
		"/docs/swagger-ui.css.gz":  404,
		"http://h/api/items/proxy": 200,
	} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(e.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", target)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%q: %v", target, err)
		}
		if resp.StatusCode != want {
			b, _ := io.ReadAll(resp.Body)
			t.Errorf("%q: got %d %s, want %d", target, resp.StatusCode, b, want)
		}
		resp.Body.Close()
		conn.Close()
	}
}
