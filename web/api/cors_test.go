package api

import (
	"slices"
	"strings"
	"testing"
)

const varyCORS = "origin, access-control-request-method, access-control-request-headers"

func TestCORSOnEveryAnswer(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, guardRoutes)
	for _, tt := range []struct{ method, path string }{
		{"GET", "/health"}, {"GET", "/t/user"}, {"GET", "/nowhere"}, {"POST", "/health"}, {"GET", "/docs"},
		{"GET", "/docs/swagger-ui.css"}, {"GET", "/metrics"}, {"GET", "/openapi.json"},
	} {
		h := e.do(t, tt.method, tt.path, "", headers{"Origin", "https://farm.example"}).header
		if got := h.Get("Access-Control-Allow-Origin"); got != "*" {
			t.Errorf("%s %s: allow-origin %q, want *", tt.method, tt.path, got)
		}
		if got := h.Get("Access-Control-Expose-Headers"); got != "*" {
			t.Errorf("%s %s: expose-headers %q, want *", tt.method, tt.path, got)
		}
		if !slices.Contains(h.Values("Vary"), varyCORS) {
			t.Errorf("%s %s: vary %q, want %q among it", tt.method, tt.path, h.Values("Vary"), varyCORS)
		}
		if h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s %s: allows credentials", tt.method, tt.path)
		}
	}
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, guardRoutes)
	tests := []struct {
		name, path, ask, allow string
	}{
		{"guarded", "/t/user", "authorization, content-type", "authorization, content-type"},
		{"key header", "/t/user", "X-API-Key", "X-API-Key"},
		{"not a preflight", "/t/user", "", "*"},
		{"unknown path", "/nowhere/at/all", "", "*"},
		{"odd characters", "/", "a(b)", "*"},
		{"endless", "/", strings.Repeat("x", 2000), "*"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := bearer(badToken) // must not be looked at
			if tt.ask != "" {
				h = append(h, "Access-Control-Request-Headers", tt.ask)
			}
			got := e.do(t, "OPTIONS", tt.path, "", h)
			got.want(t, 200, "")
			for name, want := range map[string]string{
				"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "*",
				"Access-Control-Allow-Headers": tt.allow, "Vary": varyCORS,
				"Access-Control-Max-Age": "", "Access-Control-Expose-Headers": "", "Content-Type": "",
			} {
				if v := got.header.Get(name); v != want {
					t.Errorf("%s: got %q, want %q", name, v, want)
				}
			}
		})
	}
}
