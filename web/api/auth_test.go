package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/identity"
	"github.com/defarm-repo/defarm/web/server"
	"github.com/defarm-repo/defarm/web/servertest"
)

// withoutThrottle is for tests that fail to log in often.
func withoutThrottle() servertest.Option {
	return servertest.WithConfig(func(c *server.Config) {
		c.Auth.Throttle = server.ThrottleConfig{Window: time.Minute, MaxCoolDown: time.Minute}
	})
}

// Forms of a registration that are accepted, and the account that each makes.
func TestRegister(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	tests := []struct{ name, body, username, email, workspace string }{
		{"least", `{"username":"a","email":"a@b","password":"Passw0rd!"}`, "a", "a@b", "a-workspace"},
		{"null workspace", `{"username":"ana","email":"ana@b","password":"Passw0rd!","workspace_name":null}`, "ana", "ana@b", "ana-workspace"},
		{"empty workspace", `{"username":"bia","email":"bia@b","password":"Passw0rd!","workspace_name":""}`, "bia", "bia@b", "-workspace"},
		{"workspace suffix is not looked for", `{"username":"joe","email":"joe@b","password":"Passw0rd!","workspace_name":"joe-workspace"}`, "joe", "joe@b", "joe-workspace-workspace"},
		{"outer blanks", `{"username":"  Maria José ","email":" m@Example.org ","password":" Passw0rd! "}`, "Maria José", "m@Example.org", "Maria José-workspace"},
		{"64 characters", fmt.Sprintf(`{"username":%q,"email":"long@b","password":"Passw0rd!","workspace_name":"w"}`, strings.Repeat("é", 64)), strings.Repeat("é", 64), "long@b", "w-workspace"},
		{"unknown members", `{"username":"z","email":"z@b","password":"Passw0rd!","color":"red","deep":{"a":[1]}}`, "z", "z@b", "z-workspace"},
	}
	for _, tc := range tests {
		res := srv.Anonymous().Post(t, "/api/auth/register", tc.body).WantStatus(http.StatusOK).WantGolden("auth/register_" + strings.ReplaceAll(tc.name, " ", "_"))
		if got, want := res.Field("expires_at"), strconv.FormatInt(chainStart.Add(24*time.Hour).Unix(), 10); got != want {
			t.Errorf("%s: expires_at: got %s, want %s", tc.name, got, want)
		}
		profile := srv.Anonymous().WithToken(res.Field("token")).Get(t, "/api/auth/profile").WantStatus(http.StatusOK)
		for field, want := range map[string]string{
			"user_id": res.Field("user_id"), "username": tc.username, "email": tc.email, "workspace_id": tc.workspace,
			"created_at": strconv.FormatInt(chainStart.Unix(), 10),
		} {
			if got := profile.Field(field); got != want {
				t.Errorf("%s: %s: got %q, want %q", tc.name, field, got, want)
			}
		}
	}
	// A password is taken as it was typed.
	login := func(pw string) *servertest.Response {
		return srv.Anonymous().Post(t, "/api/auth/login", map[string]string{"username": "maria josé", "password": pw})
	}
	login("Passw0rd!").WantStatus(http.StatusUnauthorized)
	login(" Passw0rd! ").WantStatus(http.StatusOK)
}

// What is refused, in the contract's order, and that nothing stays of it.
func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	srv.User("Taken", func(u *identity.NewUser) { u.Email = "Taken@Example.org" })
	const good = `"password":"Passw0rd!"`
	tests := []struct {
		name, body string
		status     int
	}{
		{"weak before all else", `{"username":"taken","email":"","password":"short"}`, http.StatusBadRequest},
		{"weak with NUL", `{"username":"a","email":"a@b","password":"Passw0rd!\u0000"}`, http.StatusBadRequest},
		{"weak 73 bytes in 72 characters", `{"username":"a","email":"a@b","password":"Aa1!` + strings.Repeat("x", 67) + `é"}`, http.StatusBadRequest},
		{"no name", `{"username":"","email":"a@b",` + good + `}`, http.StatusBadRequest},
		{"blank name", `{"username":" \t ","email":"a@b",` + good + `}`, http.StatusBadRequest},
		{"name of 65 characters", `{"username":"` + strings.Repeat("é", 65) + `","email":"a@b",` + good + `}`, http.StatusBadRequest},
		{"name with NUL", `{"username":"a\u0000b","email":"a@b",` + good + `}`, http.StatusBadRequest},
		{"no address", `{"username":"a","email":"",` + good + `}`, http.StatusBadRequest},
		{"bad address", `{"username":"a","email":"a b@c",` + good + `}`, http.StatusBadRequest},
		{"address of 255 bytes", `{"username":"a","email":"a@` + strings.Repeat("b", 253) + `",` + good + `}`, http.StatusBadRequest},
		{"workspace with a line break", `{"username":"a","email":"a@b",` + good + `,"workspace_name":"a\nb"}`, http.StatusBadRequest},
		{"workspace of 129 characters", `{"username":"a","email":"a@b",` + good + `,"workspace_name":"` + strings.Repeat("x", 129) + `"}`, http.StatusBadRequest},
		{"name taken", `{"username":" tAKEN ","email":"new@example.org",` + good + `}`, http.StatusConflict},
		{"address taken", `{"username":"new","email":"taken@EXAMPLE.org",` + good + `}`, http.StatusConflict},
		{"both taken", `{"username":"taken","email":"taken@example.org",` + good + `}`, http.StatusConflict},
		{"missing password", `{"username":"a","email":"a@b"}`, http.StatusUnprocessableEntity},
		{"null address", `{"username":"a","email":null,` + good + `}`, http.StatusUnprocessableEntity},
		{"wrong type", `{"username":7,"email":"a@b",` + good + `}`, http.StatusUnprocessableEntity},
		{"not JSON", `{"username":`, http.StatusBadRequest},
		{"empty", ``, http.StatusBadRequest},
		{"invalid UTF-8", "{\"username\":\"a\xff\"}", http.StatusBadRequest},
		{"over the limit", `{"username":"` + strings.Repeat("x", 2<<20) + `"}`, http.StatusRequestEntityTooLarge},
	}
	for _, tc := range tests {
		res := srv.Anonymous().Post(t, "/api/auth/register", tc.body).WantStatus(tc.status)
		res.WantGolden("auth/register_" + strings.ReplaceAll(tc.name, " ", "_"))
	}
	srv.Anonymous().WithHeader("Content-Type", "text/plain").Post(t, "/api/auth/register", `{}`).
		WantStatus(http.StatusUnsupportedMediaType).WantGolden("auth/register_media")
	if n, err := srv.Identity().CountUsers(t.Context()); err != nil || n != 1 {
		t.Errorf("accounts after the refusals: got %d (%v), want 1", n, err)
	}
}

// Two accounts do not share a workspace because their owners chose one name.
func TestWorkspaceOfAnother(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t)
	sign := func(name string) string {
		t.Helper()
		return srv.Anonymous().Post(t, "/api/auth/register",
			fmt.Sprintf(`{"username":%q,"email":"%s@b","password":"Passw0rd!","workspace_name":"farm"}`, name, name)).
			WantStatus(http.StatusOK).Field("workspace_id")
	}
	first, second := sign("maria"), sign("eve")
	if first != "farm-workspace" || second == first || !strings.HasPrefix(second, "farm-workspace-") {
		t.Errorf("workspaces: got %q and %q, want farm-workspace and another that starts like it", first, second)
	}
}

// Whatever is wrong with name or password, the answer is one and the same.
func TestLoginTellsNothing(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, withoutThrottle())
	srv.User("maria")
	if err := srv.Identity().SetStatus(t.Context(), srv.User("banned").Username, app.StatusBanned); err != nil {
		t.Fatal(err)
	}
	long := servertest.Password + strings.Repeat("x", 72)
	tests := []struct {
		name, username, password string
		status                   int
	}{
		{"as stored", "maria", servertest.Password, http.StatusOK},
		{"other case and blanks", " MARIA\t", servertest.Password, http.StatusOK},
		{"wrong password", "maria", "Passw0rd?", http.StatusUnauthorized},
		{"empty password", "maria", "", http.StatusUnauthorized},
		{"password in another case", "maria", "passw0rd!", http.StatusUnauthorized},
		{"password with a blank", "maria", servertest.Password + " ", http.StatusUnauthorized},
		{"longer than bcrypt reads", "maria", long, http.StatusUnauthorized},
		{"cut at NUL", "maria", servertest.Password + "\x00x", http.StatusUnauthorized},
		{"unknown", "nobody", servertest.Password, http.StatusUnauthorized},
		{"mail address as name", "maria@example.org", servertest.Password, http.StatusUnauthorized},
		{"id as name", "user-maria", servertest.Password, http.StatusUnauthorized},
		{"empty name", "", servertest.Password, http.StatusUnauthorized},
		{"name with NUL", "maria\x00", servertest.Password, http.StatusUnauthorized},
		{"enormous name", strings.Repeat("m", 100_000), servertest.Password, http.StatusUnauthorized},
		{"SQL", "maria' OR '1'='1", servertest.Password, http.StatusUnauthorized},
		{"banned with a wrong password", "banned", "Passw0rd?", http.StatusUnauthorized},
	}
	for _, tc := range tests {
		res := srv.Anonymous().Post(t, "/api/auth/login", map[string]string{"username": tc.username, "password": tc.password})
		if res.Status != tc.status {
			t.Errorf("%s: got %d, want %d", tc.name, res.Status, tc.status)
			continue
		}
		if tc.status == http.StatusUnauthorized {
			res.WantGolden("auth/wrong_password")
		}
	}
}

func TestLoginBodies(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t)
	srv.User("maria")
	tests := []struct {
		name, body string
		status     int
	}{
		{"no password", `{"username":"maria"}`, http.StatusUnprocessableEntity},
		{"password of null", `{"username":"maria","password":null}`, http.StatusUnprocessableEntity},
		{"password that is a number", `{"username":"maria","password":12345678}`, http.StatusUnprocessableEntity},
		{"workspace that is a number", `{"username":"maria","password":"x","workspace_id":1}`, http.StatusUnprocessableEntity},
		{"an array", `["maria","Passw0rd!"]`, http.StatusUnprocessableEntity},
		{"names in another case", `{"Username":"maria","PASSWORD":"Passw0rd!"}`, http.StatusUnprocessableEntity},
		{"cut off", `{"username":"maria","password":"Passw0rd!"`, http.StatusBadRequest},
		{"nothing", ``, http.StatusBadRequest},
	}
	for _, tc := range tests {
		srv.Anonymous().Post(t, "/api/auth/login", tc.body).WantStatus(tc.status).WantGolden("auth/login_" + strings.ReplaceAll(tc.name, " ", "_"))
	}
	srv.Anonymous().WithHeader("Content-Type", "application/x-www-form-urlencoded").
		Post(t, "/api/auth/login", "username=maria&password=Passw0rd!").WantStatus(http.StatusUnsupportedMediaType).WantGolden("auth/login_media")
	// A bad credential beside the body is no reason to refuse a login.
	srv.Anonymous().WithToken("x").Post(t, "/api/auth/login", `{"username":"maria","password":"Passw0rd!","is_admin":true,"workspace_id":"another"}`).
		WantStatus(http.StatusOK).WantGolden("auth/login_fixture")
}

// A token is good for a day and a minute, to the second, and cannot be
// refreshed after that.
func TestTokenLifetime(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	srv.Advance(24*time.Hour + 60*time.Second)
	who.Get(t, "/api/auth/profile").WantStatus(http.StatusOK)
	again := who.Post(t, "/api/auth/refresh", nil).WantStatus(http.StatusOK)
	want := strconv.FormatInt(chainStart.Add(48*time.Hour+60*time.Second).Unix(), 10)
	if got := again.Field("expires_at"); got != want {
		t.Errorf("expires_at of the new token: got %s, want %s", got, want)
	}
	srv.Advance(time.Second)
	who.Get(t, "/api/auth/profile").WantStatus(http.StatusUnauthorized).WantGolden("auth/token_expired")
	who.Post(t, "/api/auth/refresh", nil).WantStatus(http.StatusUnauthorized).WantGolden("auth/token_expired")
	who.WithToken(again.Field("token")).Get(t, "/api/auth/profile").WantStatus(http.StatusOK)
}

// Refresh and logout need no body, and only a token counts as credential.
func TestSessionRoutes(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	key := newKey(t, who, "")
	for _, body := range []any{nil, "", "{}", "not JSON"} {
		res := who.WithHeader("Content-Type", "text/plain").Post(t, "/api/auth/refresh", body).WantStatus(http.StatusOK).WantGolden("auth/refresh_fixture")
		who.WithToken(res.Field("token")).Get(t, "/api/auth/profile").WantStatus(http.StatusOK)
	}
	who.Get(t, "/api/auth/profile").WantStatus(http.StatusOK) // the old one stays valid
	for _, o := range []struct{ method, path string }{
		{http.MethodGet, "/api/auth/profile"}, {http.MethodPost, "/api/auth/refresh"}, {http.MethodPost, "/api/auth/logout"},
	} {
		for _, c := range []*servertest.Client{srv.Anonymous(), key.Client, srv.Anonymous().WithHeader("Authorization", "bearer "+who.Token)} {
			c.Do(t, o.method, o.path, nil).WantStatus(http.StatusUnauthorized).WantGolden("auth/none_profile")
		}
		srv.Anonymous().WithToken("x").Do(t, o.method, o.path, nil).WantStatus(http.StatusUnauthorized).WantGolden("auth/token_shape")
	}
	who.Get(t, "/api/auth/profile").WantStatus(http.StatusOK) // nobody was logged out
	nowhere := srv.User("nowhere", func(u *identity.NewUser) { u.WorkspaceID = "" })
	nowhere.Get(t, "/api/auth/profile").WantStatus(http.StatusOK).WantGolden("auth/profile_no_workspace")
	nowhere.Post(t, "/api/auth/refresh", nil).WantStatus(http.StatusOK).WantGolden("auth/refresh_no_workspace")
}

// A changed password voids every token with the very next request, with the
// cache and without it; keys, and the tokens of others, stay valid.
func TestPasswordChangeVoidsTokens(t *testing.T) {
	t.Parallel()
	for name, cached := range map[string]bool{"cache on": true, "cache off": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := servertest.Start(t, servertest.WithConfig(func(c *server.Config) { c.Cache.Enabled = cached }))
			who, other := srv.User("maria"), srv.User("jose")
			key := newKey(t, who, "")
			second := srv.Login(t, "maria", servertest.Password)
			for range 20 { // until the cache has surely taken the account in
				who.Get(t, "/api/items").WantStatus(http.StatusOK)
			}
			if err := srv.Identity().SetPassword(t.Context(), "maria", "N3w-Secret!"); err != nil {
				t.Fatal(err)
			}
			for _, c := range []*servertest.Client{who, second} {
				c.Get(t, "/api/items").WantStatus(http.StatusUnauthorized).WantGolden("auth/token_revoked")
				c.Post(t, "/api/auth/refresh", nil).WantStatus(http.StatusUnauthorized).WantGolden("auth/token_revoked")
			}
			key.Get(t, "/api/items").WantStatus(http.StatusOK)
			other.Get(t, "/api/items").WantStatus(http.StatusOK)
			srv.Anonymous().Post(t, "/api/auth/login", map[string]string{"username": "maria", "password": servertest.Password}).
				WantStatus(http.StatusUnauthorized).WantGolden("auth/wrong_password")
			srv.Login(t, "maria", "N3w-Secret!").Get(t, "/api/items").WantStatus(http.StatusOK)
		})
	}
}

// holdWriter keeps the writer and its queue occupied until the end of the test,
// so that every further write is refused at once. The server needs busyWriter.
func holdWriter(t *testing.T, srv *servertest.Server) {
	t.Helper()
	held, release := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 4)
	go func() {
		ended <- srv.Store().Write(context.Background(), func(app.Tx) error {
			close(held)
			<-release
			return nil
		})
	}()
	<-held
	t.Cleanup(func() { // before the server is closed
		close(release)
		for range 2 {
			if err := <-ended; err != nil {
				t.Errorf("a write that was only in the way: %v", err)
			}
		}
	})
	for range 3 { // one of them takes the only place in the queue
		go func() { ended <- srv.Store().Write(context.Background(), func(app.Tx) error { return nil }) }()
	}
	for range 2 {
		if err := <-ended; app.CodeOf(err) != app.CodeBusy {
			t.Fatalf("a write beyond the queue: got %v, want busy", err)
		}
	}
}

func busyWriter() servertest.Option {
	return servertest.WithConfig(func(c *server.Config) {
		w := &c.Database.Writer
		w.QueueDepth, w.MaxBatch, w.AdmissionTimeout = 1, 1, time.Millisecond
	})
}

// A busy writer refuses what must be stored with 503 and Retry-After, and stops
// neither logins nor reads.
func TestIdentityWhileTheWriterIsBusy(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, busyWriter())
	who := srv.User("maria")
	key := newKey(t, who, "")
	holdWriter(t, srv)

	srv.Anonymous().Post(t, "/api/auth/register", `{"username":"new","email":"new@example.org","password":"Passw0rd!"}`).
		WantStatus(http.StatusServiceUnavailable).WantGolden("auth/busy").WantHeader("Retry-After", "1")
	who.Post(t, "/api/auth/logout", nil).WantStatus(http.StatusServiceUnavailable).WantGolden("auth/busy").WantHeader("Retry-After", "1")
	for _, o := range []struct{ method, path, body string }{
		{http.MethodPost, "/api/api-keys", `{"name":"k"}`}, {http.MethodPatch, key.path, `{"name":"k"}`},
		{http.MethodPost, key.path + "/revoke", `{}`}, {http.MethodDelete, key.path, ``},
	} {
		who.Do(t, o.method, o.path, o.body).WantStatus(http.StatusServiceUnavailable).WantGolden("apikey/busy").WantHeader("Retry-After", "1")
	}
	srv.Login(t, "maria", servertest.Password).Get(t, "/api/auth/profile").WantStatus(http.StatusOK)
	key.Get(t, "/api/items").WantStatus(http.StatusOK)
	who.Get(t, "/api/api-keys").WantStatus(http.StatusOK)
	who.Post(t, "/api/auth/refresh", nil).WantStatus(http.StatusOK)
}

// With all readers occupied the routes say so with their family's text.
func TestIdentityWhileReadersAreBusy(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.WithConfig(func(c *server.Config) {
		c.Cache.Enabled, c.Database.Readers, c.Database.ReadWait = false, 1, time.Millisecond
	}))
	who := srv.User("maria")
	held, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- srv.Store().Read(t.Context(), func(app.Reader) error {
			close(held)
			<-release
			return nil
		})
	}()
	<-held
	defer func() {
		close(release)
		if err := <-ended; err != nil {
			t.Errorf("the read that was in the way: %v", err)
		}
	}()
	tests := []struct{ method, path, body, golden string }{
		{http.MethodPost, "/api/auth/login", `{"username":"maria","password":"Passw0rd!"}`, "auth/busy"},
		{http.MethodPost, "/api/auth/register", `{"username":"new","email":"new@b","password":"Passw0rd!"}`, "auth/busy"},
		{http.MethodGet, "/api/auth/profile", "", "auth/busy"},
		{http.MethodPost, "/api/auth/refresh", "", "auth/busy"},
		{http.MethodGet, "/users/me/profile", "", "profile/busy"},
		{http.MethodGet, "/api/users/me/profile", "", "profile/busy"},
		{http.MethodGet, "/credit/users/current", "", "profile/busy"},
		{http.MethodGet, "/api/api-keys", "", "apikey/busy"},
		{http.MethodPost, "/api/api-keys", `{"name":"k"}`, "apikey/busy"},
	}
	for _, tc := range tests {
		who.Do(t, tc.method, tc.path, tc.body).WantStatus(http.StatusServiceUnavailable).WantGolden(tc.golden).WantHeader("Retry-After", "1")
	}
}

// An account that is gone is told so in the contract's words, by token and by
// key alike. Nothing deletes accounts yet: a token for one that never was
// stands for it.
func TestTokenOfNobody(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.WithConfig(func(c *server.Config) { c.Auth.JWTSecret = sharedSecret }))
	who := srv.Anonymous().WithToken(foreignToken)
	for _, path := range []string{"/api/auth/profile", "/users/me/profile", "/api/items"} {
		who.Get(t, path).WantStatus(http.StatusNotFound).WantGolden("auth/user_not_found")
	}
	_, err := srv.Identity().Profile(t.Context(), app.Actor{UserID: "user-maria"})
	if app.ReasonOf(err) != app.ReasonUserNotFound || errors.Is(err, t.Context().Err()) {
		t.Errorf("profile of nobody: got %v", err)
	}
}
