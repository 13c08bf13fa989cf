package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

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

// visit opens a server on the directory for the length of fn.
func visit(t *testing.T, c Config, fn func(url string)) {
	t.Helper()
	s, err := Open(t.Context(), c, Options{})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	fn(s.URL())
	if err := s.Close(context.Background()); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// login gives the status of a login over HTTP and its token.
func login(t *testing.T, url, username, password string) (status int, token string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	res, err := client.Post(url+"/api/auth/login", "application/json",
		strings.NewReader(fmt.Sprintf(`{"username":%q,"password":%q}`, username, password)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var out struct{ Token string }
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, out.Token
}

// statusWith gives the status of a GET with a token.
func statusWith(t *testing.T, url, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

// What the commands do shows at the next start: rights, sessions, passwords.
func TestAccountsTakeEffect(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	a := Accounts{Config: c, Out: io.Discard}
	ctx := t.Context()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const pw, newPW = "Passw0rd!", "N3w-Secret!"
	do(a.Create(ctx, NewAccount{Username: "maria", Email: "maria@example.org", Password: pw}))
	var token string
	visit(t, c, func(url string) {
		if status, got := login(t, url, "maria", pw); status != http.StatusOK {
			t.Fatalf("login: got %d", status)
		} else {
			token = got
		}
	})
	want := func(step string, session, metrics int) {
		t.Helper()
		visit(t, c, func(url string) {
			if got := statusWith(t, url+"/api/auth/profile", token); got != session {
				t.Errorf("%s: session: got %d, want %d", step, got, session)
			}
			if got := statusWith(t, url+"/metrics", token); got != metrics {
				t.Errorf("%s: metrics: got %d, want %d", step, got, metrics)
			}
		})
	}
	want("created", http.StatusOK, http.StatusForbidden)
	do(a.Promote(ctx, "maria", true))
	want("promoted", http.StatusOK, http.StatusOK)
	do(a.Promote(ctx, "maria", false))
	want("revoked", http.StatusOK, http.StatusForbidden)
	do(a.Suspend(ctx, "maria", true))
	want("suspended", http.StatusForbidden, http.StatusForbidden)
	visit(t, c, func(url string) {
		if status, _ := login(t, url, "maria", pw); status != http.StatusForbidden {
			t.Errorf("login of a suspended account: got %d, want 403", status)
		}
	})
	do(a.Suspend(ctx, "maria", false))
	want("lifted, session still ended", http.StatusUnauthorized, http.StatusUnauthorized)
	visit(t, c, func(url string) {
		var status int
		if status, token = login(t, url, "maria", pw); status != http.StatusOK {
			t.Errorf("login after lifting: got %d", status)
		}
	})
	want("logged in again", http.StatusOK, http.StatusForbidden)
	do(a.SetPassword(ctx, "maria", newPW))
	want("new password", http.StatusUnauthorized, http.StatusUnauthorized)
	visit(t, c, func(url string) {
		if status, _ := login(t, url, "maria", pw); status != http.StatusUnauthorized {
			t.Errorf("the old password: got %d, want 401", status)
		}
		if status, _ := login(t, url, "maria", newPW); status != http.StatusOK {
			t.Errorf("the new password: got %d", status)
		}
	})
}

// The list has one line for each account, in order of creation.
func TestAccountsList(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := Accounts{Config: testConfig(t), Out: &out}
	for _, in := range []NewAccount{
		{Username: "root", Email: "root@example.org", Password: "Passw0rd!", Admin: true},
		{Username: "maria", Email: "maria@example.org", Password: "Passw0rd!", Tier: "Enterprise", Credits: 7},
	} {
		if err := a.Create(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Suspend(t.Context(), "maria", true); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := a.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for line := range strings.Lines(out.String()) {
		f := strings.Fields(line)
		if len(f) != 8 {
			t.Fatalf("line %q: got %d columns, want 8", line, len(f))
		}
		if len(got) > 0 { // below the header
			if _, err := uuid.Parse(f[1]); err != nil {
				t.Errorf("id: %v", err)
			}
			if _, err := time.Parse(time.RFC3339, f[7]); err != nil {
				t.Errorf("created: %v", err)
			}
		}
		got = append(got, append(f[:1:1], f[2:7]...))
	}
	want := [][]string{
		{"USER", "E-MAIL", "TIER", "ADMIN", "STATUS", "CREDITS"},
		{"root", "root@example.org", "Admin", "true", "Active", "0"},
		{"maria", "maria@example.org", "Enterprise", "false", "Suspended", "7"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}

// Only create makes a directory; the others name the one that is missing.
func TestAccountsWithoutData(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	a := Accounts{Config: c, Out: io.Discard}
	ctx := t.Context()
	for name, run := range map[string]func() error{
		"list":         func() error { return a.List(ctx) },
		"set-password": func() error { return a.SetPassword(ctx, "maria", "Passw0rd!") },
		"promote":      func() error { return a.Promote(ctx, "maria", true) },
		"suspend":      func() error { return a.Suspend(ctx, "maria", true) },
	} {
		if err := run(); err == nil || !strings.Contains(err.Error(), "there is no database in "+c.DataDir) {
			t.Errorf("%s: got %v, want that there is no database", name, err)
		}
	}
	if _, err := os.Stat(c.DataDir); !os.IsNotExist(err) {
		t.Errorf("the directory: got %v, want none", err)
	}
}
