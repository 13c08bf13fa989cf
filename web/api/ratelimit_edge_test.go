package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

// Whatever becomes of a request that was let in, it leaves once.
func TestEveryRequestLeaves(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, func(r *registrar) {
		guardRoutes(r)
		s := summary("Test")
		get(r, "/t/fails", scopeUser, func(context.Context, *struct{}) (*reply[string], error) {
			return respond("", errors.New("broken"))
		}, s)
		get(r, "/t/panic", scopeUser, func(context.Context, *struct{}) (*reply[string], error) { panic("here") }, s)
		get(r, "/t/abort", scopeUser, func(context.Context, *struct{}) (*reply[string], error) { panic(http.ErrAbortHandler) }, s)
		get(r, "/t/half", scopeUser, func(context.Context, *struct{}) (*streamOutput, error) {
			return &streamOutput{Body: func(ctx huma.Context) {
				fmt.Fprint(ctx.BodyWriter(), strings.Repeat("x", 100_000))
				panic("in the middle")
			}}, nil
		}, s)
	})
	e.client.DisableKeepAlives = true // a request that is cut off is not sent again
	tests := []struct {
		name, method, path string
		h                  headers
		status             int // as logged
		admitted           int
	}{
		{"answered", "GET", "/t/user", bearer(goodToken), 200, 1},
		{"by key", "GET", "/t/user", headers{"X-API-Key", goodKey}, 200, 1},
		{"optional credential", "GET", "/t/optional", bearer(goodToken), 200, 1},
		{"optional, none shown", "GET", "/t/optional", nil, 200, 0},
		{"public", "GET", "/t/public", bearer(goodToken), 200, 0},
		{"no credential", "GET", "/t/user", nil, 401, 0},
		{"bad credential", "GET", "/t/user", bearer(badToken), 401, 0},
		{"key over its quota", "GET", "/t/user", headers{"X-API-Key", limitedKey}, 429, 0},
		{"no right", "GET", "/t/admin", bearer(goodToken), 403, 1},
		{"no flag", "POST", "/t/user", headers{"X-API-Key", readKey}, 403, 1},
		{"fails", "GET", "/t/fails", bearer(goodToken), 500, 1},
		{"panics", "GET", "/t/panic", bearer(goodToken), 500, 1},
		{"aborted", "GET", "/t/abort", bearer(goodToken), 499, 1},
		{"panics in the middle of the answer", "GET", "/t/half", bearer(goodToken), 200, 1},
		{"unknown path", "GET", "/nowhere", bearer(goodToken), 404, 1},
		{"unknown path by nobody", "GET", "/nowhere", nil, 404, 0},
		{"wrong method", "DELETE", "/t/user", bearer(goodToken), 405, 1},
		{"wrong method of a public path", "DELETE", "/t/public", bearer(goodToken), 405, 0},
	}
	admitted := 0
	for _, tc := range tests {
		req, err := http.NewRequestWithContext(t.Context(), tc.method, e.url+tc.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(tc.h); i += 2 {
			req.Header.Set(tc.h[i], tc.h[i+1])
		}
		if res, err := e.client.RoundTrip(req); err == nil { // some are cut off
			_, _ = io.Copy(io.Discard, res.Body) // the answer is not what is looked at
			res.Body.Close()
		}
		line := e.log.next(t)
		for line[fieldStatus] == nil { // a panic's stack
			line = e.log.next(t)
		}
		if line[fieldStatus] != float64(tc.status) {
			t.Errorf("%s: got status %v, want %d", tc.name, line[fieldStatus], tc.status)
		}
		admitted += tc.admitted
		e.auth.mu.Lock()
		if e.auth.admitted != admitted || e.auth.inside != 0 {
			t.Errorf("%s: admitted %d, inside %d, want %d and 0", tc.name, e.auth.admitted, e.auth.inside, admitted)
		}
		admitted = e.auth.admitted
		e.auth.mu.Unlock()
	}
}
