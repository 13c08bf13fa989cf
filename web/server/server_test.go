package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	// What is left of a start with --demo that made no database binds nobody.
	failed := testConfig(t)
	if err := os.MkdirAll(failed.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(failed.DataDir, demoMarker), []byte(demoMarkerText), 0o600); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, failed, Options{})
	if left, err := exists(filepath.Join(failed.DataDir, demoMarker)); left || err != nil {
		t.Errorf("the marker of a start that failed: there %t (%v)", left, err)
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

func TestBasePath(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Server.BasePath = "/herd/api"
	s := mustOpen(t, c, Options{})
	if !strings.HasSuffix(s.URL(), "/herd/api") {
		t.Errorf("URL: got %s", s.URL())
	}
	if status, _ := fetch(t, s.URL()+"/livez"); status != http.StatusOK {
		t.Errorf("below the base path: got %d", status)
	}
	if status, _ := fetch(t, strings.TrimSuffix(s.URL(), "/herd/api")+"/livez"); status != http.StatusNotFound {
		t.Errorf("beside the base path: got %d, want 404", status)
	}
	if _, body := fetch(t, s.URL()+"/docs"); !strings.Contains(body, "/herd/api/") {
		t.Error("the documentation page does not know the base path")
	}
}
