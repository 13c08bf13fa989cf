package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/db"
)

// patience bounds waits that a correct server ends at once.
const patience = 30 * time.Second

func testConfig(t *testing.T) Config {
	t.Helper()
	c := Defaults()
	c.DataDir = filepath.Join(t.TempDir(), "data")
	c.Server.Listen = "127.0.0.1:0"
	c.Database.Synchronous, c.Database.Readers = "OFF", 2
	c.Auth.BcryptCost, c.Auth.BcryptWorkers = 4, 1
	return c
}

func mustOpen(t *testing.T, c Config, o Options) *Server {
	t.Helper()
	s, err := Open(t.Context(), c, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestOpenAndClose(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, testConfig(t), Options{})
	for _, path := range []string{"/livez", "/readyz", "/health/db", "/docs", "/openapi.json"} {
		if status, body := fetch(t, s.URL()+path); status != http.StatusOK {
			t.Errorf("%s: got %d %s", path, status, body)
		}
	}
	for range 2 {
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	select {
	case <-s.Done():
	default:
		t.Error("Done is not closed after Close")
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://")); err == nil {
		t.Error("the listener is still there")
		conn.Close()
	}
}

// A start that fails leaves neither listener nor lock behind: the next one
// succeeds.
func TestOpenFails(t *testing.T) {
	t.Parallel()
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(t.TempDir(), "open")
	if err := os.MkdirAll(filepath.Join(open, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		edit func(*Config)
		want string
	}{
		"port taken":              {func(c *Config) { c.Server.Listen = taken.Addr().String() }, "listen on " + taken.Addr().String()},
		"bad setting":             {func(c *Config) { c.Auth.BcryptCost = 99 }, "auth.bcrypt_cost: must be between 4 and 20, is 99"},
		"secret too short":        {func(c *Config) { c.Auth.JWTSecret = "short" }, "auth.jwt_secret: must be at least 32 bytes long, has 5"},
		"data directory a file":   {func(c *Config) { c.DataDir = file }, "data directory"},
		"data directory too open": {func(c *Config) { c.DataDir = open }, "can be entered by others (mode 0755): run `chmod 700 "},
	}
	for name, tc := range tests {
		c := testConfig(t)
		good := c
		tc.edit(&c)
		_, err := Open(t.Context(), c, Options{})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
		s, err := Open(t.Context(), good, Options{})
		if err != nil {
			t.Errorf("%s: the next start: %v", name, err)
			continue
		}
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOneServerPerDataDirectory(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	s := mustOpen(t, c, Options{})
	if _, err := Open(t.Context(), c, Options{}); !errors.Is(err, db.ErrInUse) {
		t.Errorf("a second server: got %v, want that it is in use", err)
	}
	if err := (Accounts{Config: c, Out: io.Discard}).List(t.Context()); !errors.Is(err, db.ErrInUse) {
		t.Errorf("a command: got %v, want that it is in use", err)
	}
	if status, _ := fetch(t, s.URL()+"/livez"); status != http.StatusOK {
		t.Errorf("the first server: got %d", status)
	}
}

// Real data and demonstration data do not mix, in either direction.
func TestDemoDirectories(t *testing.T) {
	t.Parallel()
	genuine, demo := testConfig(t), testConfig(t)
	for _, first := range []struct {
		c    Config
		demo bool
	}{{genuine, false}, {demo, true}} {
		s, err := Open(t.Context(), first.c, Options{Demo: first.demo})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := s.DemoCircuit(); ok != first.demo {
			t.Errorf("demo circuit: got %t, want %t", ok, first.demo)
		}
		n, err := s.Identity().CountUsers(t.Context())
		if err != nil || (n > 0) != first.demo {
			t.Errorf("accounts of a new directory, demo %t: got %d (%v)", first.demo, n, err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(t.Context(), genuine, Options{Demo: true}); err == nil || !strings.Contains(err.Error(), "was not made with --demo") {
		t.Errorf("--demo on real data: got %v", err)
	}
	if _, err := Open(t.Context(), demo, Options{}); err == nil || !strings.Contains(err.Error(), "was made with --demo") {
		t.Errorf("demo data without --demo: got %v", err)
	}
	again := mustOpen(t, demo, Options{Demo: true}) // seeds nothing twice
	if _, ok := again.DemoCircuit(); !ok {
		t.Error("no demo circuit at the second start")
	}
}

// The generated key is for the owner alone, is kept, and one that others can
// read stops the start.
func TestGeneratedSecret(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	var first, second string
	for _, text := range []*string{&first, &second} {
		s, err := Open(t.Context(), c, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(c.DataDir, jwtKeyFile))
		if err != nil {
			t.Fatal(err)
		}
		*text = string(data)
	}
	if first != second || len(strings.TrimSpace(first)) != 64 {
		t.Errorf("keys: got %d and %d bytes, want one key of 64 digits that stays", len(first), len(second))
	}
	file := filepath.Join(c.DataDir, jwtKeyFile)
	for path, want := range map[string]os.FileMode{c.DataDir: os.ModeDir | 0o700, file: 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: got mode %v (%v), want %v", path, info.Mode(), err, want)
		}
	}
	steps := []struct {
		want  string
		spoil func() error
	}{
		{"can be read by others", func() error { return os.Chmod(file, 0o644) }},
		{"at least 32 are needed", func() error {
			return errors.Join(os.Chmod(file, 0o600), os.WriteFile(file, []byte("short"), 0o600))
		}},
		{"is not a regular file", func() error { return errors.Join(os.Remove(file), os.Symlink("/dev/null", file)) }},
	}
	for _, step := range steps {
		if err := step.spoil(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), c, Options{}); err == nil || !strings.Contains(err.Error(), step.want) {
			t.Errorf("got %v, want that it %s", err, step.want)
		}
	}
}

// A request in flight is answered before the server goes; one that does not
// end is cut off when its time is over.
func TestCloseAndRequests(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Server.ShutdownTimeout = 50 * time.Millisecond
	s, err := Open(t.Context(), c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	// The writer is held, so that a registration cannot be answered.
	held, release := make(chan struct{}), make(chan struct{})
	writer := make(chan error, 1)
	go func() {
		writer <- s.Store().Write(context.Background(), func(app.Tx) error {
			close(held)
			<-release
			return nil
		})
	}()
	<-held
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// Half a request: its body never comes.
	if _, err := io.WriteString(conn, "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	for s.requests.count() == 0 {
		runtime.Gosched() // nothing tells when the server has read a header
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close(context.Background()) }()
	close(release)
	if err := <-writer; err != nil {
		t.Errorf("the held write: %v", err)
	}
	giveUp := time.NewTimer(patience)
	defer giveUp.Stop()
	select {
	case err := <-closed:
		if err != nil {
			t.Errorf("close: %v", err)
		}
	case <-giveUp.C:
		t.Fatal("Close waits for a client that does not send")
	}
}

func TestBasePath(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Server.BasePath = "/farm/api"
	s := mustOpen(t, c, Options{})
	if !strings.HasSuffix(s.URL(), "/farm/api") {
		t.Errorf("URL: got %s", s.URL())
	}
	if status, _ := fetch(t, s.URL()+"/livez"); status != http.StatusOK {
		t.Errorf("below the base path: got %d", status)
	}
	if status, _ := fetch(t, strings.TrimSuffix(s.URL(), "/farm/api")+"/livez"); status != http.StatusNotFound {
		t.Errorf("beside the base path: got %d, want 404", status)
	}
	if _, body := fetch(t, s.URL()+"/docs"); !strings.Contains(body, "/farm/api/") {
		t.Error("the documentation page does not know the base path")
	}
}

// The commands on accounts, one after the other, as an operator runs them.
func TestAccounts(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	var out bytes.Buffer
	a := Accounts{Config: c, Out: &out}
	ctx := t.Context()
	steps := []struct {
		name string
		run  func() error
		want string // of the error, "" for none
	}{
		{"create", func() error {
			return a.Create(ctx, NewAccount{Username: "root", Email: "root@example.org", Password: "Passw0rd!", Admin: true})
		}, ""},
		{"again", func() error {
			return a.Create(ctx, NewAccount{Username: "ROOT", Email: "other@example.org", Password: "Passw0rd!"})
		}, "Username already exists"},
		{"weak", func() error {
			return a.Create(ctx, NewAccount{Username: "weak", Email: "weak@example.org", Password: "weak"})
		}, "Password must be at least 8 characters long"},
		{"bad tier", func() error {
			return a.Create(ctx, NewAccount{Username: "t", Email: "t@example.org", Password: "Passw0rd!", Tier: "Gold"})
		}, "Tier must be"},
		{"user", func() error {
			return a.Create(ctx, NewAccount{Username: "maria", Email: "maria@example.org", Password: "Passw0rd!", Credits: 7})
		}, ""},
		{"promote", func() error { return a.Promote(ctx, "maria", true) }, ""},
		{"demote", func() error { return a.Promote(ctx, "maria", false) }, ""},
		{"suspend", func() error { return a.Suspend(ctx, "maria", true) }, ""},
		{"unknown", func() error { return a.Suspend(ctx, "nobody", true) }, "there is no account \"nobody\""},
		{"lift", func() error { return a.Suspend(ctx, "maria", false) }, ""},
		{"password", func() error { return a.SetPassword(ctx, "maria", "N3w-Secret!") }, ""},
		{"weak password", func() error { return a.SetPassword(ctx, "maria", "x") }, "Password must be"},
		{"list", func() error { return a.List(ctx) }, ""},
	}
	for _, s := range steps {
		err := s.run()
		if (s.want == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), s.want)) {
			t.Errorf("%s: got %v, want %q", s.name, err, s.want)
		}
	}
	for _, want := range []string{"root", "maria", "maria@example.org"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("output lacks %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "Secret") || strings.Contains(out.String(), "$2") {
		t.Errorf("output shows a secret:\n%s", out.String())
	}
}
