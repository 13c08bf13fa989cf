package servertest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/web/server"
	"github.com/defarm-repo/defarm/web/servertest"
)

var start = time.Date(2025, 10, 13, 8, 0, 0, 0, time.UTC)

// recorder is a testing.TB that notes failures instead of failing.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (r *recorder) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Helper()                           {}
func (r *recorder) Errorf(format string, args ...any) { r.note(format, args...) }
func (r *recorder) Fatalf(format string, args ...any) { r.note(format, args...); runtime.Goexit() }
func (r *recorder) Cleanup(fn func())                 { r.cleanups = append(r.cleanups, fn) }
func (r *recorder) Context() context.Context          { return context.Background() }

// run runs fn as a test of its own, ends it, and gives what it failed with.
func run(t *testing.T, fn func(tb testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for i := len(r.cleanups) - 1; i >= 0; i-- {
				r.cleanups[i]()
			}
		}()
		fn(r)
	}()
	<-done
	return strings.Join(r.failures, "\n")
}

// Many servers run beside each other and know nothing of each other.
func TestManyServers(t *testing.T) {
	t.Parallel()
	for n := range 8 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			srv := servertest.Start(t)
			who := srv.Client(servertest.Owner)
			who.Post(t, "/api/items/local", `{}`).WantStatus(http.StatusOK)
			var items []any
			who.Get(t, "/api/items").WantStatus(http.StatusOK).JSON(&items)
			if len(items) != 1 {
				t.Errorf("items: got %d, want its own one", len(items))
			}
		})
	}
}

// The same seed and the same requests give the same bytes.
func TestSeededServersAreAlike(t *testing.T) {
	t.Parallel()
	story := func(seed uint64) string {
		srv := servertest.Start(t, servertest.At(start), servertest.SeededIDs(seed))
		who := srv.Client(servertest.Owner)
		var out strings.Builder
		for _, r := range []*servertest.Response{
			who.Post(t, "/api/circuits", `{"name":"Herd","description":""}`),
			who.Post(t, "/api/items/local", `{"identifiers":[{"key":"a","value":"b"}]}`),
			who.Post(t, "/api/api-keys", `{"name":"k"}`),
			who.Get(t, "/api/items"),
		} {
			fmt.Fprintf(&out, "%d %s\n", r.Status, r.Body)
		}
		return out.String()
	}
	first, again, other := story(7), story(7), story(8)
	if first != again {
		t.Errorf("the same seed gave\n%s\nand\n%s", first, again)
	}
	if first == other {
		t.Error("another seed gave the same bytes")
	}
}

// The clock stands still, and moves when it is told to.
func TestClock(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(start))
	who := srv.Client(servertest.Viewer)
	who.Get(t, "/api/auth/profile").WantStatus(http.StatusOK)
	srv.Advance(24*time.Hour + 59*time.Second)
	who.Get(t, "/api/auth/profile").WantStatus(http.StatusOK)
	srv.Advance(2 * time.Second)
	who.Get(t, "/api/auth/profile").WantStatus(http.StatusUnauthorized)
}

// Roles are users of that name, made once; only one of them administrates.
func TestRoles(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t)
	for _, role := range []servertest.Role{servertest.Owner, servertest.Writer, servertest.Viewer, servertest.Stranger, servertest.Administrator} {
		c := srv.Client(role)
		if again := srv.Client(role); again != c || c.Username != string(role) || c.UserID != "user-"+string(role) {
			t.Errorf("%s: got %s (%s)", role, c.Username, c.UserID)
		}
		want := http.StatusForbidden
		if role == servertest.Administrator {
			want = http.StatusOK
		}
		c.Get(t, "/metrics").WantStatus(want)
	}
	srv.Client(servertest.Nobody).Get(t, "/api/items").WantStatus(http.StatusUnauthorized)
}

// A data directory of one's own is used as it is, and kept.
func TestOwnDataDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	own := servertest.WithConfig(func(c *server.Config) { c.DataDir = dir })
	first := servertest.Start(t, own)
	first.Client(servertest.Owner).Post(t, "/api/items/local", `{}`).WantStatus(http.StatusOK)
	first.Close()
	second := servertest.Start(t, own)
	if second.DataDir() != dir {
		t.Errorf("data directory: got %s, want %s", second.DataDir(), dir)
	}
	n, err := second.Identity().CountUsers(t.Context())
	if err != nil || n != 1 {
		t.Errorf("accounts at the second start: got %d (%v), want 1", n, err)
	}
}

func TestTemporaryDirectoryIsRemoved(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t)
	dir := srv.DataDir()
	srv.Close()
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there (%v)", dir, err)
	}
}

// The wants of a response fail the test, with the request and the body.
func TestWantsFail(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t)
	tests := map[string]struct {
		fn   func(tb testing.TB)
		want string
	}{
		"status":     {func(tb testing.TB) { srv.Anonymous().Get(tb, "/livez").WantStatus(404) }, "GET /livez: got status 200, want 404"},
		"error":      {func(tb testing.TB) { srv.Anonymous().Get(tb, "/api/items").WantError("Welcome") }, `got error "Authentication required. Use JWT token or API key.", want "Welcome"`},
		"header":     {func(tb testing.TB) { srv.Anonymous().Get(tb, "/livez").WantHeader("X-None", "1") }, `got header X-None "", want "1"`},
		"field":      {func(tb testing.TB) { srv.Anonymous().Get(tb, "/version").Field("none") }, `no member "none"`},
		"no JSON":    {func(tb testing.TB) { srv.Anonymous().Get(tb, "/docs").JSON(new(int)) }, "body is no such JSON"},
		"no golden":  {func(tb testing.TB) { srv.Anonymous().Get(tb, "/livez").WantGolden("no/such") }, "golden no/such is missing"},
		"bad golden": {func(tb testing.TB) { srv.Anonymous().Get(tb, "/livez").WantGolden("different") }, "golden different (-want +got)"},
		"bad config": {func(tb testing.TB) {
			servertest.Start(tb, servertest.WithConfig(func(c *server.Config) { c.Auth.BcryptCost = 99 }))
		}, "auth.bcrypt_cost"},
		"advance": {func(tb testing.TB) { servertest.Start(tb).Advance(time.Hour) }, "Advance needs At"},
	}
	for name, tc := range tests {
		if got := run(t, tc.fn); !strings.Contains(got, tc.want) {
			t.Errorf("%s: failed with %q, want %q", name, got, tc.want)
		}
	}
}

// A goroutine of the server's that outlives it fails the test.
func TestLeaksAreFound(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	started := make(chan struct{})
	var leak sync.WaitGroup
	leak.Add(1)
	got := make(chan string, 1)
	go func() {
		got <- run(t, func(tb testing.TB) {
			srv := servertest.Start(tb, servertest.Patience(time.Second))
			err := srv.Store().Write(context.Background(), func(tx app.Tx) error {
				go func() { // started on a goroutine of the server's, so it carries its label
					defer leak.Done()
					close(started)
					<-release
				}()
				return nil
			})
			if err != nil {
				tb.Errorf("%v", err)
			}
			<-started
		})
	}()
	text := <-got
	close(release)
	leak.Wait()
	if !strings.Contains(text, "goroutines of the server are still there") || !strings.Contains(text, "TestLeaksAreFound") {
		t.Errorf("failed with %q, want that a goroutine is left", text)
	}
}

// The log goes where it is asked to go.
func TestLogTo(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	got := run(t, func(tb testing.TB) {
		srv := servertest.Start(tb, servertest.Logger(slog.New(slog.NewTextHandler(&out, nil))))
		srv.Anonymous().Get(tb, "/livez").WantStatus(http.StatusOK)
	})
	if got != "" || !strings.Contains(out.String(), "route=/livez") {
		t.Errorf("log %q, failures %q", out.String(), got)
	}
}

func BenchmarkStart(b *testing.B) {
	servertest.Start(b) // the template is made once
	for b.Loop() {
		srv := servertest.Start(b)
		b.StopTimer()
		srv.Close()
		b.StartTimer()
	}
}
