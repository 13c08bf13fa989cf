package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/web/server"
	"github.com/defarm-repo/defarm/web/servertest"
)

// Made by other implementations: PyJWT 2 with the key below, and Python's bcrypt
// at cost 4, as jsonwebtoken and the Rust crate make them.
const (
	sharedSecret   = "0123456789abcdef0123456789abcdef"
	foreignToken   = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjoidXNlci1tYXJpYSIsIndvcmtzcGFjZV9pZCI6Im1hcmlhLXdvcmtzcGFjZSIsImV4cCI6NDEwMjQ0NDgwMH0.gMfugy5M4q2xP-9dTQBfg6BNGLi2ViSC6lyfh3zl-Hw"
	foreignNoSpace = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjoidXNlci1tYXJpYSIsIndvcmtzcGFjZV9pZCI6bnVsbCwiZXhwIjo0MTAyNDQ0ODAwfQ.8zrZxzlNP9MhwzK-XUwdddmDV9hTLcRdm4f3P9vJEOk"
)

// Accounts and tokens of the original work here when the secret is shared.
func TestCredentialsOfTheOriginal(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.WithConfig(func(c *server.Config) { c.Auth.JWTSecret = sharedSecret }))
	hashes := map[string]struct{ hash, password string }{
		"maria": {"$2b$04$PmJsbGUWdxEFpVhvkIVVROtqSSiGa8v33xG2EEyjnRUkxzPAhA7xG", "Açaí-2025!"},
		"jose":  {"$2a$04$S.SBmlLcqfttRmK5eLfJJujkR7mngfOtgCViJqYk7z2xVRmRukxiS", "Açaí-2025!"},
		"long":  {"$2b$04$5wAgL6M2abvBS1iwXC8Rtuyk3hUT.u17CiFtzorV3bNolcYJvEXVK", strings.Repeat("x", 72)},
	}
	for name, h := range hashes {
		err := srv.Store().Write(t.Context(), func(tx app.Tx) error {
			return tx.Users().Insert(&app.User{
				ID: "user-" + name, Username: name, Email: name + "@example.org", PasswordHash: h.hash,
				Tier: app.TierBasic, Status: app.StatusActive,
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		srv.Login(t, name, h.password).Get(t, "/api/items").WantStatus(http.StatusOK)
	}
	for _, token := range []string{foreignToken, foreignNoSpace} {
		who := srv.Anonymous().WithToken(token)
		if got := who.Get(t, "/api/auth/profile").WantStatus(http.StatusOK).Field("username"); got != "maria" {
			t.Errorf("the token is %s's, want maria's", got)
		}
	}
}

// A token of the original, which carries no generation, is void after a logout:
// it is judged by its time of issue.
func TestLogoutVoidsEveryToken(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	key := who.Post(t, "/api/api-keys", `{"name":"k"}`).WantStatus(http.StatusOK).Field("api_key")
	second := who.WithToken(who.Post(t, "/api/auth/refresh", nil).WantStatus(http.StatusOK).Field("token"))
	for range 20 {
		second.Get(t, "/api/items").WantStatus(http.StatusOK)
	}
	who.Post(t, "/api/auth/logout", nil).WantStatus(http.StatusOK).WantGolden("auth/logout")
	for _, c := range []*servertest.Client{who, second} {
		c.Get(t, "/api/items").WantStatus(http.StatusUnauthorized).WantGolden("auth/token_revoked")
	}
	srv.Anonymous().WithKey(key).Get(t, "/api/items").WantStatus(http.StatusOK)
	srv.Login(t, "maria", servertest.Password).Get(t, "/api/items").WantStatus(http.StatusOK)
}

// Every text that a bad token or key is refused with.
func TestTextsOfRefusedCredentials(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	segment := strings.Split(who.Token, ".")
	tokens := map[string]string{
		"token_shape":     "x",
		"token_base64":    segment[0] + ".%%%." + segment[2],
		"token_signature": segment[0] + "." + segment[1] + "." + strings.Repeat("A", 43),
		"token_algorithm": "eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9." + segment[1] + "." + segment[2],
		"token_none":      "eyJhbGciOiJub25lIn0." + segment[1] + ".",
	}
	for golden, token := range tokens {
		who.WithToken(token).Get(t, "/api/items").WantStatus(http.StatusUnauthorized).WantGolden("auth/" + golden)
	}
	srv.Advance(25 * time.Hour)
	who.Get(t, "/api/items").WantStatus(http.StatusUnauthorized).WantGolden("auth/token_expired")
	srv.Anonymous().Get(t, "/api/items").WantStatus(http.StatusUnauthorized).WantGolden("auth/none")
	srv.Anonymous().Get(t, "/api/auth/profile").WantStatus(http.StatusUnauthorized).WantGolden("auth/none_profile")
	srv.Anonymous().WithKey("dfm_"+strings.Repeat("x", 32)).Get(t, "/api/items").WantStatus(http.StatusUnauthorized).WantGolden("auth/key_unknown")
}

// Guessing passwords is slowed down, for an account from an address, and the
// owner elsewhere is not locked out.
func TestLoginThrottle(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart), servertest.WithConfig(func(c *server.Config) {
		c.Server.TrustedProxies = []string{"127.0.0.1"}
	}))
	srv.User("maria")
	login := func(from, name, pw string) *servertest.Response {
		t.Helper()
		return srv.Anonymous().WithHeader("X-Forwarded-For", from).
			Post(t, "/api/auth/login", map[string]string{"username": name, "password": pw})
	}
	const attacker, owner = "192.0.2.66", "198.51.100.7"
	for range 10 {
		login(attacker, "maria", "wrong").WantStatus(http.StatusUnauthorized).WantGolden("auth/wrong_password")
		login(attacker, "nobody", "wrong").WantStatus(http.StatusUnauthorized).WantGolden("auth/wrong_password")
	}
	login(attacker, "maria", "wrong") // the last before the pauses
	login(attacker, "maria", servertest.Password).WantStatus(http.StatusTooManyRequests).WantGolden("auth/throttled").WantHeader("Retry-After", "1")
	login(owner, "maria", servertest.Password).WantStatus(http.StatusOK)
	srv.Advance(time.Hour)
	login(attacker, "maria", servertest.Password).WantStatus(http.StatusOK)
}

// What a registration may not say about itself is not believed.
func TestRegistrationBelievesNothing(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	token := srv.Anonymous().Post(t, "/api/auth/register", `{"username":"eve","email":"eve@example.org","password":"Passw0rd!",
		"is_admin":true,"tier":"Admin","credits":1000000,"status":"Active","user_id":"user-root","workspace_id":"somebody-workspace",
		"limits":{"max_circuits":null},"available_adapters":["stellar_mainnet-ipfs"]}`).WantStatus(http.StatusOK).Field("token")
	srv.Anonymous().WithToken(token).Get(t, "/users/me/profile").WantStatus(http.StatusOK).WantGolden("profile/newcomer")
	srv.Anonymous().WithToken(token).Get(t, "/metrics").WantStatus(http.StatusForbidden)
}

// Each rule for a password, at its edge, in the contract's order.
func TestPasswordRules(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t)
	tests := map[string]string{
		"Aa1!aaa":                        "Password must be at least 8 characters long",
		"aa1!aaaa":                       "Password must contain at least one uppercase letter",
		"AA1!AAAA":                       "Password must contain at least one lowercase letter",
		"Aaa!aaaa":                       "Password must contain at least one digit",
		"Aa1aaaaa":                       "Password must contain at least one special character",
		"Aa1!" + strings.Repeat("x", 69): "Password must be at most 72 bytes long",
		"Éà1 aaaa":                       "",
		"Aa1!" + strings.Repeat("x", 68): "",
	}
	n := 0
	for pw, want := range tests {
		n++
		res := srv.Anonymous().Post(t, "/api/auth/register",
			map[string]string{"username": fmt.Sprint("u", n), "email": fmt.Sprint("u", n, "@example.org"), "password": pw})
		if want == "" {
			res.WantStatus(http.StatusOK)
		} else {
			res.WantStatus(http.StatusBadRequest).WantError(want)
		}
	}
}
