package server

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrintConfig(t *testing.T) {
	t.Parallel()
	l, err := Load(Sources{
		File: writeFile(t, "server:\n  max_header_bytes: 65536\n  trusted_proxies: [10.0.0.0/8]\n"),
		Environ: []string{"JWT_SECRET=" + strings.Repeat("very-private-", 4), "DEFARM_DATABASE_READ_WAIT=75ms",
			"DEFARM_DATABSE_READERS=4", "PORT=8080"},
		Flags: map[string]string{"log.level": "warn"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := PrintConfig(&out, l); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "private") {
		t.Errorf("a secret is shown:\n%s", out.String())
	}
	lines := map[string]string{}
	var warnings []string
	for line := range strings.Lines(out.String()) {
		if text, ok := strings.CutPrefix(line, "warning: "); ok {
			warnings = append(warnings, strings.TrimSpace(text))
			continue
		}
		f := strings.Fields(line)
		lines[f[0]] = strings.Join(f[1:], " ")
	}
	if got, want := len(lines), len(l.Config.settings()); got != want {
		t.Errorf("keys: got %d, want all %d", got, want)
	}
	want := map[string]string{
		"server.listen":           ":8080 (PORT)",
		"server.max_header_bytes": "64 KiB (file)",
		"server.trusted_proxies":  "[10.0.0.0/8] (file)",
		"server.idle_timeout":     "1m30s (default)",
		"log.level":               "warn (flag)",
		"database.read_wait":      "75ms (DEFARM_DATABASE_READ_WAIT)",
		"auth.jwt_secret":         "******** (JWT_SECRET)",
	}
	for key, line := range want {
		if lines[key] != line {
			t.Errorf("%s: got %q, want %q", key, lines[key], line)
		}
	}
	if diff := cmp.Diff([]string{"DEFARM_DATABSE_READERS: this environment variable sets nothing"}, warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestHealthcheck(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Server.BasePath = "/farm"
	s := mustOpen(t, c, Options{})
	var out bytes.Buffer
	if err := Healthcheck(t.Context(), &out, s.URL()); err != nil {
		t.Errorf("a server that is ready: %v", err)
	}
	if !json.Valid(out.Bytes()) {
		t.Errorf("got %q, want the server's answer", out.String())
	}
	s.draining.Store(true)
	out.Reset()
	if err := Healthcheck(t.Context(), &out, s.URL()); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a server that is closing: got %v, want 503", err)
	}
	if !json.Valid(out.Bytes()) || out.Len() == 0 {
		t.Errorf("got %q, want the server's answer", out.String())
	}
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := Healthcheck(t.Context(), &out, s.URL()); err == nil {
		t.Error("a server that is gone: got no error")
	}
	if err := Healthcheck(t.Context(), &out, "::"); err == nil {
		t.Error("no URL: got no error")
	}
}

// Something that answers is not ready for that reason alone.
func TestHealthcheckOfSomethingElse(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	var out bytes.Buffer
	if err := Healthcheck(t.Context(), &out, other.URL); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("got %v, want 404", err)
	}
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hangs.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Healthcheck(ctx, &out, hangs.URL); err == nil {
		t.Error("one that does not answer: got no error")
	}
}

func TestLocalURL(t *testing.T) {
	t.Parallel()
	tests := []struct{ listen, base, want string }{
		{"127.0.0.1:3000", "", "http://127.0.0.1:3000"},
		{":8080", "", "http://127.0.0.1:8080"},
		{"0.0.0.0:8080", "/farm", "http://127.0.0.1:8080/farm"},
		{"[::]:8080", "", "http://127.0.0.1:8080"},
		{"[::1]:8080", "", "http://[::1]:8080"},
		{"192.168.1.7:80", "", "http://192.168.1.7:80"},
	}
	for _, tc := range tests {
		c := Defaults()
		c.Server.Listen, c.Server.BasePath = tc.listen, tc.base
		if got, err := c.LocalURL(); err != nil || got != tc.want {
			t.Errorf("%s: got %q (%v), want %q", tc.listen, got, err, tc.want)
		}
	}
	c := Defaults()
	c.Server.Listen = "nowhere"
	if got, err := c.LocalURL(); err == nil {
		t.Errorf("no port: got %q, want an error", got)
	}
}

func TestPrintVersion(t *testing.T) {
	t.Parallel()
	var people, programs bytes.Buffer
	for w, asJSON := range map[*bytes.Buffer]bool{&people: false, &programs: true} {
		if err := PrintVersion(w, asJSON); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.HasPrefix(people.String(), "defarm "+Version+"\ncommit ") {
		t.Errorf("for people: got %q", people.String())
	}
	got := map[string]string{}
	if err := json.Unmarshal(programs.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	b := Build()
	want := map[string]string{"version": b.Version, "commit": b.Commit, "build_time": b.BuildTime, "go_version": b.GoVersion}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	if b.Version == "" || b.Commit == "" || !strings.HasPrefix(b.GoVersion, "go") {
		t.Errorf("build: got %+v", b)
	}
}
