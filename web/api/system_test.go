package api

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/defarm-repo/defarm/app"
)

// atNoon is an environment in which it is always noon.
func atNoon() app.Env {
	env := app.SystemEnv()
	env.Now = func() time.Time { return time.Date(2025, 10, 28, 12, 0, 0, 123_456_789, time.UTC) }
	return env
}

func TestSystemRoutes(t *testing.T) {
	t.Parallel()
	down := func(context.Context) error { return errors.New("no such file /secret/path") }
	build := BuildInfo{Version: "1.2.3", Commit: "0c707a9e", BuildTime: "2025-10-25T12:34:56Z", GoVersion: "go1.99"}
	const now = "2025-10-28T12:00:00.123456789Z"
	version := `{"service":"DeFarm Engines API","version":"1.2.3","commit":"0c707a9e","build_time":"2025-10-25T12:34:56Z",` +
		`"rust_version":"unknown","go_version":"go1.99"}`
	healthy := `{"status":"healthy","timestamp":"` + now + `","uptime":"System operational"}`
	tests := []struct {
		name, path string
		o          Options
		want       int
		body       string
	}{
		{"health", "/health", Options{}, 200, healthy},
		{"health without database", "/health", Options{Database: down}, 200, healthy},
		{"database", "/health/db", Options{}, 200, `{"database":{"status":"connected","message":"The database answers","timestamp":"` + now + `"}}`},
		{"database down", "/health/db", Options{Database: down}, 503, `{"database":{"status":"failed","message":"The database does not answer","timestamp":"` + now + `"}}`},
		{"alive", "/livez", Options{Database: down, Ready: down}, 200, `{"status":"alive"}`},
		{"ready", "/readyz", Options{}, 200, `{"status":"ready","checks":{"server":"ok","database":"ok"}}`},
		{"not ready", "/readyz", Options{Ready: down}, 503, `{"status":"not_ready","checks":{"server":"failed","database":"ok"}}`},
		{"not ready without database", "/readyz", Options{Database: down}, 503, `{"status":"not_ready","checks":{"server":"ok","database":"failed"}}`},
		{"version", "/version", Options{Build: build}, 200, version},
		{"version under api", "/api/version", Options{Build: build}, 200, version},
		{"version of an unknown build", "/version", Options{}, 200,
			`{"service":"DeFarm Engines API","version":"0.1.0","commit":"unknown","build_time":"unknown","rust_version":"unknown","go_version":"` + runtime.Version() + `"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.o.Env = atNoon()
			e := startEdge(t, tt.o, nil)
			got := e.do(t, "GET", tt.path, "", nil)
			got.want(t, tt.want, tt.body)
			if retry := got.header.Get("Retry-After"); tt.path == "/readyz" && (retry != "") != (tt.want == 503) {
				t.Errorf("Retry-After: got %q with %d", retry, tt.want)
			}
			if commit := got.header.Get("X-Commit"); strings.HasSuffix(tt.path, "/version") && commit == "" {
				t.Error("no X-Commit")
			}
		})
	}
}

func TestCard(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ base, path string }{{"", "/"}, {"/", "/"}, {"/defarm", "/defarm"}, {"/defarm/", "/defarm/"}, {"/a/b", "/a/b/"}} {
		e := startEdge(t, Options{BasePath: tt.base}, nil)
		got := e.do(t, "GET", tt.path, "", nil)
		if got.status != 200 || !strings.HasPrefix(got.body, `{"name":"DeFarm Traceability API","version":"0.1.0","description":"`) {
			t.Errorf("base %q: got %d %s", tt.base, got.status, got.body)
		}
		if n := strings.Count(got.body[strings.Index(got.body, `"features":`):], `","`) + 1; n != 10 {
			t.Errorf("features: got %d, want 10", n)
		}
	}
}

func TestBasePath(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{BasePath: "/defarm"}, itemRoutes)
	for path, want := range map[string]int{
		"/defarm/health": 200, "/health": 404, "/defarmer/health": 404, "/": 404, "/defarm/defarm/health": 404,
		"/defarm/api/items/a%2Fb": 200, "/def%61rm/health": 404, "/defarm/docs": 200, "/defarm/docs/swagger-ui.css": 200,
	} {
		if got := e.do(t, "GET", path, "", nil); got.status != want {
			t.Errorf("%s: got %d, want %d", path, got.status, want)
		}
	}
	e.do(t, "GET", "/defarm/api/items/a%2Fb", "", nil).want(t, 200, `"item:a/b"`)
}

func TestMetricsAccess(t *testing.T) {
	t.Parallel()
	closed, open := startEdge(t, Options{}, nil), startEdge(t, Options{MetricsPublic: true}, nil)
	tests := []struct {
		name string
		e    *testEdge
		h    headers
		want int
	}{
		{"nobody", closed, nil, 401},
		{"user", closed, bearer(goodToken), 403},
		{"admin", closed, bearer(adminToken), 200},
		{"admin's key", closed, bearer(adminKey), 200},
		{"open", open, nil, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.e.do(t, "GET", "/health", "", nil)
			got := tt.e.do(t, "GET", "/metrics", "", tt.h)
			if got.status != tt.want {
				t.Fatalf("got %d, want %d", got.status, tt.want)
			}
			if shows := strings.Contains(got.body, `defarm_http_requests_total{method="GET",route="/health",status="2xx"}`); shows != (tt.want == 200) {
				t.Errorf("shows the requests: %t with status %d", shows, got.status)
			}
		})
	}
}
