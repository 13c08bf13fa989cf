package api

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

const (
	saidMissing    = `{"error":"Authentication required. Use JWT token or API key."}`
	saidBadToken   = `{"error":"Invalid token: InvalidToken"}`
	saidInvalidKey = `{"error":"invalid_api_key","message":"The provided API key is invalid or has been revoked"}`
	saidLimited    = `{"error":"rate_limit_exceeded","message":"Rate limit of 100 requests per hour exceeded",` +
		`"limit":100,"remaining":0,"reset_at":"2025-10-28T13:00:00Z","retry_after":6}`
)

func needs(flag string) string {
	return `{"error":"insufficient_permissions","message":"This operation requires '` + flag + `' permission"}`
}

// TestCredentials is the decision table of contract 01 §2.4 with the fixes of
// §6.1, on a route for users.
func TestCredentials(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, guardRoutes)
	tests := []struct {
		name string
		auth string // Authorization
		key  string // X-API-Key
		want int
		body string // of an error
		user string // of a success
	}{
		{"nothing", "", "", 401, saidMissing, ""},
		{"good token", "Bearer " + goodToken, "", 200, "", "user-token"},
		{"good token, key without prefix", "Bearer " + goodToken, "abc", 200, "", "user-token"},
		{"bad token", "Bearer " + badToken, "", 401, saidBadToken, ""},
		{"other scheme", "Basic dXNlcjpwYXNz", "", 401, saidMissing, ""},
		{"scheme in lower case", "bearer " + goodToken, "", 401, saidMissing, ""},
		{"two blanks", "Bearer  " + goodToken, "", 401, saidBadToken, ""},
		{"scheme alone", "Bearer", "", 401, saidMissing, ""},
		{"good key", "", goodKey, 200, "", "user-key"},
		{"unknown key", "", "dfm_nobody", 401, saidInvalidKey, ""},
		{"key without prefix", "", "secret", 401, saidMissing, ""},
		{"prefix in upper case", "", "DFM_good", 401, saidMissing, ""},
		{"good key as bearer", "Bearer " + goodKey, "", 200, "", "user-key"},
		{"unknown key as bearer", "Bearer dfm_nobody", "", 401, saidInvalidKey, ""},
		{"both good", "Bearer " + goodToken, goodKey, 200, "", "user-token"},
		{"good token, unknown key", "Bearer " + goodToken, "dfm_nobody", 401, saidInvalidKey, ""},
		{"bad token, good key", "Bearer " + badToken, goodKey, 401, saidBadToken, ""},
		{"both bad: the key speaks", "Bearer " + badToken, "dfm_nobody", 401, saidInvalidKey, ""},
		{"two keys: the header's counts", "Bearer dfm_nobody", goodKey, 200, "", "user-key"},
		{"two keys: the header's fails", "Bearer " + goodKey, "dfm_nobody", 401, saidInvalidKey, ""},
		{"key over its quota", "", limitedKey, 429, saidLimited, ""},
		{"token and key over its quota", "Bearer " + goodToken, limitedKey, 429, saidLimited, ""},
		{"key while busy", "", busyKey, 503, `{"error":"Service temporarily busy, please retry"}`, ""},
		{"enormous token", "Bearer " + strings.Repeat(".", maxCredential+1), "", 401, saidBadToken, ""},
		{"enormous key", "", "dfm_" + strings.Repeat("a", maxCredential), 401, saidInvalidKey, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var h headers
			if tt.auth != "" {
				h = append(h, "Authorization", tt.auth)
			}
			if tt.key != "" {
				h = append(h, "X-API-Key", tt.key)
			}
			got := e.do(t, "GET", "/t/user", "", h)
			if tt.want != 200 {
				got.want(t, tt.want, tt.body)
				return
			}
			if got.status != 200 || !strings.Contains(got.body, `"user":"`+tt.user+`"`) {
				t.Errorf("got %d %s, want 200 as %s", got.status, got.body, tt.user)
			}
		})
	}
}

// TestRights covers scopes and key flags, method by method.
func TestRights(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, guardRoutes)
	const notAdmin = `{"error":"Admin privileges required"}`
	tests := []struct {
		name, method, path string
		h                  headers
		want               int
		body               string
	}{
		{"read key reads", "GET", "/t/user", bearer(readKey), 200, ""},
		{"read key heads", "HEAD", "/t/user", bearer(readKey), 200, ""},
		{"read key writes", "POST", "/t/user", bearer(readKey), 403, needs("write")},
		{"read key beside a token writes", "POST", "/t/user", append(bearer(goodToken), "X-API-Key", readKey), 403, needs("write")},
		{"write key writes", "POST", "/t/user", bearer(goodKey), 200, ""},
		{"user at admin", "GET", "/t/admin", bearer(goodToken), 403, `{"error":"Only for administrators"}`},
		{"user at admin, default text", "POST", "/t/admin", bearer(goodToken), 403, notAdmin},
		{"admin at admin", "GET", "/t/admin", bearer(adminToken), 200, ""},
		{"admin's key", "GET", "/t/admin", bearer(adminKey), 200, ""},
		{"admin's key without the flag", "GET", "/t/admin", bearer(plainKey), 403, needs("admin")},
		{"flag without an administrator", "POST", "/t/admin", bearer(flagKey), 403, notAdmin},
		{"admin's token beside a plain key", "GET", "/t/admin", append(bearer(adminToken), "X-API-Key", goodKey), 403, needs("admin")},
		{"nobody at admin", "GET", "/t/admin", nil, 401, saidMissing},
		{"nobody in public", "GET", "/t/public", nil, 200, ""},
		{"bad token in public", "GET", "/t/public", bearer(badToken), 200, ""},
		{"bad key in public", "GET", "/t/public", bearer("dfm_nobody"), 200, ""},
		{"nobody where it is optional", "GET", "/t/optional", nil, 200, ""},
		{"token where it is optional", "GET", "/t/optional", bearer(goodToken), 200, ""},
		{"bad token where it is optional", "GET", "/t/optional", bearer(badToken), 401, saidBadToken},
		{"nobody where all are welcome", "GET", "/t/welcome", nil, 200, ""},
		{"bad token where all are welcome", "GET", "/t/welcome", bearer(badToken), 200, ""},
		{"key over its quota where all are welcome", "GET", "/t/welcome", bearer(limitedKey), 200, ""},
		{"busy where all are welcome", "GET", "/t/welcome", bearer(busyKey), 503, `{"error":"Service temporarily busy, please retry"}`},
		{"wrong method where all are welcome, bad token", "DELETE", "/t/welcome", bearer(badToken), 405, ""},
		{"token where only tokens count", "GET", "/t/token", bearer(goodToken), 200, ""},
		{"key where only tokens count", "GET", "/t/token", bearer(goodKey), 401, `{"error":"Missing authentication"}`},
		{"both where only tokens count", "GET", "/t/token", append(bearer(goodToken), "X-API-Key", goodKey), 200, ""},
		{"nobody where only tokens count", "GET", "/t/token", nil, 401, `{"error":"Missing authentication"}`},
		{"family's text", "GET", "/t/family", nil, 401, `{"error":"Authentication required"}`},
		{"family's busy text", "GET", "/t/family", bearer(busyKey), 503, `{"error":"Storage temporarily unavailable"}`},
		{"unknown path, nobody", "GET", "/t/nowhere", nil, 404, ""},
		{"unknown path, good token", "GET", "/t/nowhere", bearer(goodToken), 404, ""},
		{"unknown path, bad token", "GET", "/t/nowhere", bearer(badToken), 401, saidBadToken},
		{"unknown path, bad key", "POST", "/t/nowhere", bearer("dfm_nobody"), 401, saidInvalidKey},
		{"wrong method, bad token", "DELETE", "/t/user", bearer(badToken), 401, saidBadToken},
		{"wrong method, nobody", "DELETE", "/t/user", nil, 405, ""},
		{"wrong method in public, bad token", "DELETE", "/t/public", bearer(badToken), 405, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := e.do(t, tt.method, tt.path, "", tt.h)
			if got.status != tt.want || (tt.want != 200 && got.body != tt.body) {
				t.Errorf("got %d %s, want %d %s", got.status, got.body, tt.want, tt.body)
			}
		})
	}
}

// Where all are welcome a good credential counts and a bad one is nobody's.
func TestWelcomeIdentity(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, guardRoutes)
	for name, tt := range map[string]struct {
		h    headers
		user string
	}{
		"a token": {bearer(goodToken), "user-token"}, "a key": {bearer(goodKey), "user-key"}, "nothing": {nil, ""},
		"a bad token": {bearer(badToken), ""}, "an unknown key": {bearer("dfm_nobody"), ""},
		"a good key beside a bad token": {append(bearer(badToken), "X-API-Key", goodKey), ""},
	} {
		got := e.do(t, "GET", "/t/welcome", "", tt.h)
		if !strings.Contains(got.body, `"user":"`+tt.user+`","key":`) || (tt.user == "" && !strings.Contains(got.body, `"key":""`)) {
			t.Errorf("%s: got %d %s, want user %q", name, got.status, got.body, tt.user)
		}
	}
}

func TestPublicRoutesShowNoCredentialToAnybody(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, guardRoutes)
	e.do(t, "GET", "/t/public", "", append(bearer(goodToken), "X-API-Key", goodKey))
	e.do(t, "GET", "/health", "", bearer(goodToken))
	if n := e.auth.shownCount(); n != 0 {
		t.Errorf("the authenticator was asked %d times, want 0", n)
	}
}

func TestQuotaHeaders(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, guardRoutes)
	tests := []struct {
		name, key, remaining, retry string
	}{
		{"within", goodKey, "99", ""},
		{"over", limitedKey, "0", "7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := e.do(t, "GET", "/t/user", "", bearer(tt.key)).header
			for name, want := range map[string]string{
				"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": tt.remaining,
				"X-RateLimit-Reset": "1700000000", "Retry-After": tt.retry,
			} {
				if got := h.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
		})
	}
	if got := e.do(t, "GET", "/t/user", "", bearer(goodToken)).header.Get("X-RateLimit-Limit"); got != "" {
		t.Errorf("a token has no quota, got limit %q", got)
	}
}

func TestKeyUseAndActor(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{BasePath: "/defarm"}, func(r *registrar) {
		guardRoutes(r)
		get(r, "/t/item/{id}", scopeUser, func(context.Context, *struct {
			ID string `path:"id"`
		}) (*reply[string], error) {
			return respond("x", nil)
		}, summary("Test"))
	})
	e.do(t, "GET", "/defarm/t/item/a%2Fb?secret=1", "", append(bearer(goodKey), "User-Agent", "robot/1"))
	use := e.auth.lastKeyUse(t)
	if use.Method != http.MethodGet || use.Path != "/t/item/a%2Fb" || use.Address.String() != "127.0.0.1" {
		t.Errorf("key use: got %+v, want GET of the path as sent, below the base path, from 127.0.0.1", use)
	}
	got := e.do(t, "GET", "/defarm/t/user", "", append(bearer(goodKey), "User-Agent", "robot/1"))
	got.want(t, 200, `{"user":"user-key","key":"key-1","address":"127.0.0.1","agent":"robot/1"}`)
}

func TestMissingCredentialChallenges(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, guardRoutes)
	if got := e.do(t, "GET", "/t/user", "", nil).header.Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("WWW-Authenticate: got %q, want Bearer", got)
	}
}

// TestDenyScope asks the gate itself: the registrar refuses such a route.
func TestDenyScope(t *testing.T) {
	t.Parallel()
	g := &gate{auth: &fakeAuth{}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+adminToken)
	f := g.enter(nil, r, requestOf(t.Context()), &route{})
	if f == nil || f.status != http.StatusForbidden {
		t.Errorf("a route without scope: got %+v, want 403", f)
	}
}

func FuzzShown(f *testing.F) {
	for _, s := range []string{"", "Bearer ", "Bearer x.y.z", "bearer x", "Bearer dfm_x", "Basic y", "Bearer  dfm_", "dfm_"} {
		f.Add(s, "")
		f.Add(s, "dfm_k")
		f.Add("Bearer t", s)
	}
	f.Fuzz(func(t *testing.T, auth, key string) {
		h := http.Header{}
		h.Set("Authorization", auth)
		h.Set("X-API-Key", key)
		c := shown(h)
		if c.key != "" && !strings.HasPrefix(c.key, keyPrefix) {
			t.Errorf("took %q for a key", c.key)
		}
		if strings.HasPrefix(c.token, keyPrefix) {
			t.Errorf("took the key %q for a token", c.token)
		}
		if c.token != "" && auth != "Bearer "+c.token {
			t.Errorf("token %q from %q", c.token, auth)
		}
		if strings.HasPrefix(key, keyPrefix) && c.key != key {
			t.Errorf("X-API-Key %q was passed over for %q", key, c.key)
		}
	})
}
