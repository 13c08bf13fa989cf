package servertest_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/identity"
	"github.com/defarm-repo/defarm/web/server"
	"github.com/defarm-repo/defarm/web/servertest"
)

// Bodies are sent as they are or as their JSON.
func TestClientBodies(t *testing.T) {
	t.Parallel()
	who := servertest.Start(t).Client(servertest.Owner)
	const text = `{"name":"Herd","description":""}`
	tests := []struct {
		name string
		body any
		want int
	}{
		{"text", text, http.StatusOK},
		{"bytes", []byte(text), http.StatusOK},
		{"reader", strings.NewReader(text), http.StatusOK},
		{"value", map[string]string{"name": "Herd", "description": ""}, http.StatusOK},
		{"none", nil, http.StatusUnsupportedMediaType},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			who.Post(t, "/api/circuits", tc.body).WantStatus(tc.want)
		})
	}
	if _, err := who.Try(t.Context(), http.MethodPost, "/api/circuits", make(chan int)); err == nil {
		t.Error("a body without JSON: got no error")
	}
	who.WithHeader("Content-Type", "text/plain").Post(t, "/api/circuits", text).WantStatus(http.StatusUnsupportedMediaType)
}

// A client made from another differs in what was asked for, and leaves the
// other one as it was.
func TestClientCredentials(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t)
	who := srv.Client(servertest.Owner)
	key := who.Post(t, "/api/api-keys", `{"name":"k"}`).WantStatus(http.StatusOK).Field("api_key")
	const profile = "/api/auth/profile"
	wrong := who.WithToken("wrong")
	wrong.Get(t, profile).WantStatus(http.StatusUnauthorized)
	wrong.WithKey(key).Get(t, "/api/items").WantStatus(http.StatusOK)
	wrong.WithKey(key).WithToken(who.Token).Get(t, profile).WantStatus(http.StatusOK)
	srv.Anonymous().WithHeader("Authorization", "Bearer "+who.Token).Get(t, profile).WantStatus(http.StatusOK)
	named := srv.Anonymous().WithHeader("X-Request-Id", "first")
	named.WithHeader("X-Request-Id", "second").Get(t, "/livez").WantHeader("X-Request-Id", "second")
	named.Get(t, "/livez").WantHeader("X-Request-Id", "first")
	if got := srv.Login(t, "owner", servertest.Password); got.UserID != who.UserID || got.Token == "" {
		t.Errorf("login: got %+v, want %s", got, who.UserID)
	}
}

// The methods are the ones that the names say.
func TestClientMethods(t *testing.T) {
	t.Parallel()
	nobody := servertest.Start(t).Client(servertest.Nobody)
	const path = "/livez" // known with GET only
	nobody.Get(t, path).WantStatus(http.StatusOK)
	for name, send := range map[string]func() *servertest.Response{
		"POST":   func() *servertest.Response { return nobody.Post(t, path, `{}`) },
		"PUT":    func() *servertest.Response { return nobody.Put(t, path, `{}`) },
		"PATCH":  func() *servertest.Response { return nobody.Patch(t, path, `{}`) },
		"DELETE": func() *servertest.Response { return nobody.Delete(t, path) },
	} {
		res := send().WantStatus(http.StatusMethodNotAllowed)
		if !strings.Contains(res.Header.Get("Allow"), "GET") || strings.Contains(res.Header.Get("Allow"), name) {
			t.Errorf("%s: allowed: got %q", name, res.Header.Get("Allow"))
		}
	}
}

// Try tells what went wrong instead of ending the test.
func TestTry(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t)
	res, err := srv.Anonymous().Try(t.Context(), http.MethodGet, "/livez", nil)
	if err != nil || res.Status != http.StatusOK {
		t.Errorf("got %+v (%v)", res, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := srv.Anonymous().Try(ended, http.MethodGet, "/livez", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: got %v", err)
	}
	srv.Close()
	if _, err := srv.Anonymous().Try(t.Context(), http.MethodGet, "/livez", nil); err == nil {
		t.Error("the server is closed: got an answer")
	}
}

// Edits say what a user is like; the first call counts.
func TestUserEdits(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t)
	rich := srv.User("rich", func(u *identity.NewUser) { u.Tier, u.Credits, u.ID = app.TierEnterprise, 9, "somebody" })
	rich.Get(t, "/api/auth/profile").WantStatus(http.StatusOK)
	u, err := srv.Store().User(t.Context(), rich.UserID)
	if err != nil || u.ID != "somebody" || u.Username != "rich" || u.Tier != app.TierEnterprise || u.Credits != 9 || u.IsAdmin {
		t.Errorf("got %+v (%v)", u, err)
	}
	if again := srv.User("rich", func(u *identity.NewUser) { u.Tier = app.TierBasic }); again != rich {
		t.Error("a second call made another client")
	}
	got := run(t, func(tb testing.TB) { servertest.Start(tb).User("x", func(u *identity.NewUser) { u.Password = "weak" }) })
	if !strings.Contains(got, "user x: invalid: Password must be") {
		t.Errorf("a user that cannot be: failed with %q", got)
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.Demo())
	pullet := srv.Login(t, "pullet", "demo123")
	pullet.Get(t, "/api/circuits/"+srv.DemoCircuit()).WantStatus(http.StatusOK)
	if got := run(t, func(tb testing.TB) { servertest.Start(tb).DemoCircuit() }); !strings.Contains(got, "started without Demo") {
		t.Errorf("without Demo: failed with %q", got)
	}
}

// Serial, because it looks at the directory for temporary files: neither a
// server that has ended nor one that could not start leaves anything there.
func TestNothingIsLeftBehind(t *testing.T) {
	servertest.Start(t).Close() // makes the template
	dir := t.TempDir()
	if t.Setenv("TMPDIR", dir); os.TempDir() != dir {
		t.Skip("temporary files go elsewhere on this system")
	}
	if got := run(t, func(tb testing.TB) { servertest.Start(tb) }); got != "" {
		t.Errorf("a good start: failed with %q", got)
	}
	failed := run(t, func(tb testing.TB) {
		servertest.Start(tb, servertest.WithConfig(func(c *server.Config) { c.Server.Listen = "192.0.2.1:0" }))
	})
	if !strings.Contains(failed, "listen on 192.0.2.1:0") {
		t.Errorf("a bad start: failed with %q", failed)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}
