package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/identity"
	"github.com/defarm-repo/defarm/app/ratelimit"
)

// The credentials that fakeAuth knows.
const (
	goodToken  = "header.claims.signature"
	adminToken = "header.admin.signature"
	badToken   = "not-a-token"
	goodKey    = "dfm_good"     // read and write
	readKey    = "dfm_readonly" // read
	adminKey   = "dfm_admin"    // everything, an administrator's
	flagKey    = "dfm_flagonly" // admin flag, owner is no administrator
	plainKey   = "dfm_plain"    // read and write, an administrator's
	limitedKey = "dfm_limited"  // over its quota
	busyKey    = "dfm_busy"
)

// fakeAuth proves a fixed set of credentials and remembers what it was shown.
type fakeAuth struct {
	mu     sync.Mutex
	keys   []identity.KeyUse
	tokens int
	// Requests that were let in, and how many of them have not left.
	admitted, inside int
}

func (a *fakeAuth) ByToken(_ context.Context, raw string) (app.Actor, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens++
	switch raw {
	case goodToken:
		return app.Actor{UserID: "user-token"}, nil
	case adminToken:
		return app.Actor{UserID: "user-admin", IsAdmin: true}, nil
	default:
		return app.Actor{}, app.Unauthenticated(app.ReasonInvalidToken, "Invalid token: InvalidToken")
	}
}

func (a *fakeAuth) ByKey(_ context.Context, raw string, use identity.KeyUse) (identity.KeyGrant, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = append(a.keys, use)
	grant := func(read, write, admin, isAdmin bool) identity.KeyGrant {
		return identity.KeyGrant{
			Actor:       app.Actor{UserID: "user-key", KeyID: "key-1", IsAdmin: isAdmin},
			Permissions: app.APIKeyPermissions{Read: read, Write: write, Admin: admin},
			Quota: ratelimit.Verdict{Window: ratelimit.Hour, Result: ratelimit.Result{
				Allowed: true, Limit: 100, Remaining: 99, ResetAt: time.Unix(1_700_000_000, 0),
			}},
		}
	}
	switch raw {
	case goodKey:
		return grant(true, true, false, false), nil
	case readKey:
		return grant(true, false, false, false), nil
	case adminKey:
		return grant(true, true, true, true), nil
	case flagKey:
		return grant(true, true, true, false), nil
	case plainKey:
		return grant(true, true, false, true), nil
	case limitedKey:
		g := grant(true, true, false, false)
		g.Quota.Allowed, g.Quota.Remaining = false, 0
		e := app.NewError(app.CodeRateLimited, app.ReasonRateLimited, "Rate limit of 100 requests per hour exceeded")
		e.RetryAfter = 7
		return g, e.With("limit", 100).With("remaining", 0).With("reset_at", "2025-10-28T13:00:00Z").With("retry_after", 6)
	case busyKey:
		return identity.KeyGrant{}, app.Busy(app.ReasonReadersBusy)
	default:
		return identity.KeyGrant{}, app.Unauthenticated(app.ReasonInvalidAPIKey, "The provided API key is invalid or has been revoked")
	}
}

func (a *fakeAuth) Admit(app.Actor, *identity.KeyGrant, bool) (identity.Admission, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.admitted++
	a.inside++
	return identity.Admission{Leave: func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.inside--
	}}, nil
}

func (a *fakeAuth) ChargeRequest(context.Context, app.Actor) error { return nil }

func (a *fakeAuth) KeyAnswered(identity.KeyRequest) {}

func (a *fakeAuth) lastKeyUse(t *testing.T) identity.KeyUse {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.keys) == 0 {
		t.Fatal("no key was shown to the authenticator")
	}
	return a.keys[len(a.keys)-1]
}

func (a *fakeAuth) shownCount() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.keys) + a.tokens
}

// logLines is a log whose lines can be waited for.
type logLines chan []byte

func (l logLines) Write(p []byte) (int, error) {
	l <- bytes.Clone(p)
	return len(p), nil
}

// next returns the next line of the log.
func (l logLines) next(t *testing.T) map[string]any {
	t.Helper()
	giveUp := time.NewTimer(10 * time.Second)
	defer giveUp.Stop()
	select {
	case line := <-l:
		var out map[string]any
		if err := json.Unmarshal(line, &out); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		return out
	case <-giveUp.C:
		t.Fatal("no log line came")
		return nil
	}
}

// testEdge is a real server around the edge with test routes.
type testEdge struct {
	*built
	url     string
	auth    *fakeAuth
	log     logLines
	metrics *prometheus.Registry
	client  *http.Transport
}

// startEdge serves the system's operations and those of register.
func startEdge(t *testing.T, o Options, register func(*registrar)) *testEdge {
	t.Helper()
	e := &testEdge{
		auth: &fakeAuth{}, log: make(logLines, 10_000), metrics: prometheus.NewRegistry(),
		client: &http.Transport{DisableCompression: true},
	}
	o.Logger = slog.New(slog.NewJSONHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.Metrics = e.metrics
	if o.Database == nil {
		o.Database = func(context.Context) error { return nil }
	}
	if o.Ready == nil {
		o.Ready = func(context.Context) error { return nil }
	}
	b, err := build(o, e.auth, register)
	if err != nil {
		t.Fatalf("build: %v", err)
	}
	srv := httptest.NewServer(b.handler)
	t.Cleanup(func() {
		e.client.CloseIdleConnections()
		srv.Close()
	})
	e.built, e.url = b, srv.URL
	return e
}

// answer is a received answer.
type answer struct {
	status int
	header http.Header
	body   string
}

// want compares status and body.
func (a answer) want(t *testing.T, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Errorf("got %d %s, want %d %s", a.status, a.body, status, body)
	}
}

// wantPrefix compares the status and the start of the error text.
func (a answer) wantError(t *testing.T, status int, prefix string) {
	t.Helper()
	var got struct{ Error string }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Errorf("got %d with body %q, want JSON", a.status, a.body)
	}
	if a.status != status || !strings.HasPrefix(got.Error, prefix) {
		t.Errorf("got %d %q, want %d %q…", a.status, got.Error, status, prefix)
	}
	if ct := a.header.Get("Content-Type"); ct != contentJSON {
		t.Errorf("content type of an error: got %q, want %q", ct, contentJSON)
	}
}

// headers are pairs of a name and a value.
type headers []string

func bearer(token string) headers { return headers{"Authorization", "Bearer " + token} }

func jsonBody(h headers) headers { return append(h, "Content-Type", "application/json") }

// do sends a request. path may be escaped in any way.
func (e *testEdge) do(t *testing.T, method, path, body string, h headers) answer {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, e.url+path, r)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(h); i += 2 {
		req.Header.Set(h[i], h[i+1])
	}
	resp, err := e.client.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: read: %v", method, path, err)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: string(got)}
}

// whoOutput shows whom a handler saw.
type whoJSON struct {
	User    string `json:"user"`
	Key     string `json:"key"`
	Address string `json:"address"`
	Agent   string `json:"agent"`
}

func who(ctx context.Context, _ *struct{}) (*reply[whoJSON], error) {
	a := actor(ctx)
	return respond(whoJSON{User: a.UserID, Key: a.KeyID, Address: a.Address, Agent: a.Agent}, nil)
}

// guardRoutes has one operation of each kind of guard.
func guardRoutes(r *registrar) {
	s := summary("Test")
	get(r, "/t/user", scopeUser, who, s)
	post(r, "/t/user", scopeUser, who, s)
	get(r, "/t/admin", scopeAdmin, who, s, adminText("Only for administrators"))
	post(r, "/t/admin", scopeAdmin, who, s)
	get(r, "/t/public", scopePublic, who, s)
	get(r, "/t/optional", scopeOptional, who, s)
	get(r, "/t/welcome", scopeWelcome, who, s)
	get(r, "/t/token", scopeUser, who, s, tokenOnly(), unauthText("Missing authentication"))
	get(r, "/t/family", scopeUser, who, s, unauthText("Authentication required"), busyText("Storage temporarily unavailable"))
}
