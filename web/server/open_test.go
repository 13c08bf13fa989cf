package server

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"
	"time"
)

// withoutLeak runs fn and wants that every goroutine which it started ends.
// Goroutines inherit the labels of those that start them.
func withoutLeak(t *testing.T, fn func(context.Context)) {
	t.Helper()
	const key = "server_test"
	pprof.Do(t.Context(), pprof.Labels(key, t.Name()), fn)
	mark := strconv.Quote(key) + ":" + strconv.Quote(t.Name())
	giveUp := time.NewTimer(patience)
	defer giveUp.Stop()
	tick := time.NewTicker(time.Millisecond) // nothing tells when a goroutine is gone
	defer tick.Stop()
	for {
		var stacks bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&stacks, 1); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(stacks.String(), mark) {
			return
		}
		select {
		case <-tick.C:
		case <-giveUp.C:
			t.Fatalf("goroutines are left:\n%s", stacks.String())
		}
	}
}

// withoutLeak finds what it is for.
func TestLabelsMarkGoroutines(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	pprof.Do(t.Context(), pprof.Labels("server_test", t.Name()), func(context.Context) {
		go func() { <-release }()
	})
	defer close(release)
	var stacks bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&stacks, 1); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stacks.String(), `"server_test":"TestLabelsMarkGoroutines"`) {
		t.Errorf("the goroutine is not marked:\n%s", stacks.String())
	}
}

// A server that has been used and closed leaves no goroutine, whatever it was
// asked.
func TestCloseEndsGoroutines(t *testing.T) {
	t.Parallel()
	withoutLeak(t, func(ctx context.Context) {
		s, err := Open(ctx, testConfig(t), Options{Demo: true})
		if err != nil {
			t.Fatal(err)
		}
		if status, _ := login(t, s.URL(), "pullet", "demo123"); status != http.StatusOK {
			t.Errorf("login: got %d", status)
		}
		if err := s.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

// A start that fails says why and leaves neither goroutine nor lock behind:
// the next one, on the same directory, succeeds.
func TestOpenFails(t *testing.T) {
	t.Parallel()
	write := func(file, text string, mode os.FileMode) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	file := filepath.Join(t.TempDir(), "file")
	write(file, "", 0o600)
	tests := []struct {
		name  string
		spoil func(t *testing.T, c *Config)
		mend  func(t *testing.T, c *Config) // nil: the spoilt setting is put back
		want  string
	}{
		{"port taken", func(_ *testing.T, c *Config) { c.Server.Listen = taken.Addr().String() }, nil, "listen on " + taken.Addr().String()},
		{"no such address", func(_ *testing.T, c *Config) { c.Server.Listen = "192.0.2.1:0" }, nil, "listen on 192.0.2.1:0"},
		{"bad setting", func(_ *testing.T, c *Config) { c.Auth.BcryptCost = 99 }, nil, "auth.bcrypt_cost: must be between 4 and 20, is 99"},
		{"secret too short", func(_ *testing.T, c *Config) { c.Auth.JWTSecret = "short" }, nil, "auth.jwt_secret: must be at least 32 bytes long, has 5"},
		{"data directory is a file", func(_ *testing.T, c *Config) { c.DataDir = file }, nil, "make data directory"},
		{"data directory cannot be made", func(_ *testing.T, c *Config) { c.DataDir = filepath.Join(file, "below") }, nil, "make data directory"},
		{"data directory too open", func(t *testing.T, c *Config) {
			write(filepath.Join(c.DataDir, "x"), "", 0o600)
			if err := os.Chmod(c.DataDir, 0o750); err != nil {
				t.Fatal(err)
			}
		}, func(t *testing.T, c *Config) {
			if err := os.Chmod(c.DataDir, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "can be entered by others (mode 0750): run `chmod 700 "},
		{"database is something else", func(_ *testing.T, c *Config) {
			write(filepath.Join(c.DataDir, databaseFile), strings.Repeat("no database ", 1000), 0o600)
		}, func(t *testing.T, c *Config) {
			if err := os.Remove(filepath.Join(c.DataDir, databaseFile)); err != nil {
				t.Fatal(err)
			}
		}, "open database"},
		{"key is empty", func(_ *testing.T, c *Config) {
			write(filepath.Join(c.DataDir, jwtKeyFile), "\n", 0o600)
		}, func(t *testing.T, c *Config) {
			if err := os.Remove(filepath.Join(c.DataDir, jwtKeyFile)); err != nil {
				t.Fatal(err)
			}
		}, "has 0 bytes, at least 32 are needed"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			bad := testConfig(t)
			good := bad
			tc.spoil(t, &bad)
			withoutLeak(t, func(ctx context.Context) {
				s, err := Open(ctx, bad, Options{})
				if err == nil {
					s.Close(ctx)
				}
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("got %v, want %q", err, tc.want)
				}
			})
			if tc.mend != nil {
				tc.mend(t, &good)
			}
			mustOpen(t, good, Options{})
		})
	}
}

// An empty directory that others may enter is closed to them: whoever made it
// by hand meant it for this.
func TestEmptyDirectoryIsClosed(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	if err := os.Mkdir(c.DataDir, 0o755); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, c, Options{})
	info, err := os.Stat(c.DataDir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("got mode %v (%v), want 0700", info.Mode(), err)
	}
}

// A configured secret is used instead of a generated one, which is then not
// even made; another one ends the sessions.
func TestConfiguredSecret(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	if err := (Accounts{Config: c, Out: io.Discard}).Create(t.Context(),
		NewAccount{Username: "maria", Email: "maria@example.org", Password: "Passw0rd!"}); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(c.DataDir, jwtKeyFile)
	if err := os.Remove(key); err != nil { // the command made it
		t.Fatal(err)
	}
	secrets := [2]string{strings.Repeat("a", 32), strings.Repeat("b", 32)}
	configured := func(secret string) Config {
		l, err := Load(Sources{Environ: []string{"JWT_SECRET=" + secret}})
		if err != nil {
			t.Fatal(err)
		}
		d := c
		d.Auth.JWTSecret = l.Config.Auth.JWTSecret
		return d
	}
	var token string
	visit(t, configured(secrets[0]), func(url string) { _, token = login(t, url, "maria", "Passw0rd!") })
	for i, want := range []int{http.StatusOK, http.StatusUnauthorized} {
		visit(t, configured(secrets[i]), func(url string) {
			if got := statusWith(t, url+"/api/auth/profile", token); got != want {
				t.Errorf("secret %d: got %d, want %d", i, got, want)
			}
		})
	}
	if _, err := os.Stat(key); !os.IsNotExist(err) {
		t.Errorf("%s: got %v, want none", key, err)
	}
}
