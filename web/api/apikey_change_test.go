package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/identity"
	"github.com/defarm-repo/defarm/web/server"
	"github.com/defarm-repo/defarm/web/servertest"
)

var keyStart = time.Date(2025, 10, 28, 23, 30, 0, 123456789, time.UTC)

// keyOf is a key of the user's with all rights but admin.
type keyOf struct {
	id   string
	path string
	*servertest.Client
}

func newKey(t *testing.T, who *servertest.Client, more string) keyOf {
	t.Helper()
	res := who.Post(t, "/api/api-keys", `{"name":"Scale","organization_type":"Producer",
		"permissions":{"read":true,"write":true,"admin":false,"custom":{}}`+more+`}`).WantStatus(http.StatusOK)
	id := res.Field("metadata.id")
	return keyOf{id, "/api/api-keys/" + id, who.WithToken("").WithKey(res.Field("api_key"))}
}

func TestUpdateKey(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(keyStart))
	who := srv.User("maria")
	key := newKey(t, who, `,"notes":"barn"`)
	key.Get(t, "/api/items").WantStatus(http.StatusOK)

	who.Patch(t, key.path, `{}`).WantStatus(http.StatusOK).WantGolden("apikey/update_nothing")
	who.Patch(t, key.path, `{"name":"New","rate_limit_per_hour":7,"notes":"field","unknown":1,
		"permissions":{"read":true,"write":false,"admin":false,"custom":{"weigh":true}},
		"usage_count":0,"owner_id":"x","key_prefix":"dfm_x","expires_at":null}`).WantStatus(http.StatusOK).WantGolden("apikey/update_all")
	who.Get(t, key.path).WantStatus(http.StatusOK).WantGolden("apikey/update_all")
	// It takes effect with the next request.
	key.Post(t, "/api/items/local", localBody).WantStatus(http.StatusForbidden)
	key.Get(t, "/api/items").WantStatus(http.StatusOK).WantHeader("X-RateLimit-Limit", "7")

	who.Patch(t, key.path, `{"is_active":false}`).WantStatus(http.StatusOK)
	key.Get(t, "/api/items").WantStatus(http.StatusUnauthorized).WantGolden("apikey/inactive")
	who.Patch(t, key.path, `{"is_active":true}`).WantStatus(http.StatusOK)
	key.Get(t, "/api/items").WantStatus(http.StatusOK)
}

func TestUpdateKeyRefuses(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(keyStart))
	who := srv.User("maria")
	key := newKey(t, who, "")
	before := string(who.Get(t, key.path).WantStatus(http.StatusOK).Body)
	tests := []struct {
		name, body string
		status     int
	}{
		{"limit of nothing", `{"rate_limit_per_hour":0}`, http.StatusBadRequest},
		{"limit too large", `{"rate_limit_per_hour":1000001}`, http.StatusBadRequest},
		{"name too long", `{"name":"` + strings.Repeat("x", 257) + `"}`, http.StatusBadRequest},
		{"name with a line break", `{"name":"a\nb"}`, http.StatusBadRequest},
		{"notes with NUL", `{"notes":"\u0000"}`, http.StatusBadRequest},
		{"admin by somebody who is none", `{"permissions":{"read":true,"write":true,"admin":true,"custom":{}}}`, http.StatusForbidden},
		{"wrong type", `{"is_active":"yes"}`, http.StatusUnprocessableEntity},
		{"not JSON", `{`, http.StatusBadRequest},
	}
	for _, tc := range tests {
		name := "apikey/update_" + strings.ReplaceAll(tc.name, " ", "_")
		who.Patch(t, key.path, tc.body).WantStatus(tc.status).WantGolden(name)
	}
	if after := string(who.Get(t, key.path).Body); after != before {
		t.Errorf("a refused change changed something:\n%s\n%s", before, after)
	}
}

// What one may do to another's key, and with what credential.
func TestKeysOfOthers(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(keyStart))
	who, admin := srv.User("maria"), srv.Admin()
	key := newKey(t, who, "")
	unknown := "/api/api-keys/00000000-0000-4000-8000-000000000000"
	routes := []struct{ method, suffix, golden, body string }{
		{http.MethodGet, "", "foreign_get", ""},
		{http.MethodPatch, "", "foreign_patch", `{"name":"mine"}`},
		{http.MethodDelete, "", "foreign_delete", ""},
		{http.MethodPost, "/revoke", "foreign_revoke", ""},
		{http.MethodGet, "/usage", "foreign_usage", ""},
	}
	for _, r := range routes {
		body := any(nil)
		if r.body != "" {
			body = r.body
		}
		for _, stranger := range []*servertest.Client{srv.User("jose"), admin} {
			stranger.Do(t, r.method, key.path+r.suffix, body).WantStatus(http.StatusForbidden).WantGolden("apikey/" + r.golden)
		}
		who.Do(t, r.method, unknown+r.suffix, body).WantStatus(http.StatusNotFound).WantGolden("apikey/unknown")
		who.Do(t, r.method, "/api/api-keys/7"+r.suffix, body).WantStatus(http.StatusBadRequest).WantGolden("apikey/bad_id")
		// A key manages no keys, not even itself.
		key.Do(t, r.method, key.path+r.suffix, body).WantStatus(http.StatusUnauthorized).WantError("Authentication required")
		srv.Anonymous().Do(t, r.method, key.path+r.suffix, body).WantStatus(http.StatusUnauthorized).WantError("Authentication required")
	}
	key.Get(t, "/api/items").WantStatus(http.StatusOK)
}

func TestAdminFlagOfKeys(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(keyStart), servertest.WithConfig(func(c *server.Config) { c.Cache.Enabled = true }))
	admin := srv.Admin()
	key := newKey(t, admin, "")
	key.Get(t, "/metrics").WantStatus(http.StatusForbidden)
	admin.Patch(t, key.path, `{"permissions":{"read":true,"write":true,"admin":true,"custom":{}}}`).WantStatus(http.StatusOK)
	key.Get(t, "/metrics").WantStatus(http.StatusOK)
	// The flag does not outlive the right of its owner, and may be sent again.
	if err := srv.Identity().SetAdmin(t.Context(), "admin", false); err != nil {
		t.Fatal(err)
	}
	key.Get(t, "/metrics").WantStatus(http.StatusForbidden)
	admin.Patch(t, key.path, `{"name":"x","permissions":{"read":true,"write":true,"admin":true,"custom":{}}}`).WantStatus(http.StatusOK)
}

func TestRevokeAndDeleteKey(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(keyStart))
	who := srv.User("maria")
	key := newKey(t, who, "")
	for range 2 {
		who.Post(t, key.path+"/revoke", nil).WantStatus(http.StatusOK).WantGolden("apikey/revoke")
		key.Get(t, "/api/items").WantStatus(http.StatusUnauthorized)
	}
	who.Delete(t, key.path).WantStatus(http.StatusNoContent)
	who.Delete(t, key.path).WantStatus(http.StatusNotFound)
	key.Get(t, "/api/items").WantStatus(http.StatusUnauthorized).WantGolden("apikey/deleted")
	if got := string(who.Get(t, "/api/api-keys?include_inactive=true").Body); got != "[]" {
		t.Errorf("keys after the deletion: got %s, want none", got)
	}
}

// A key that an administrator disabled stays disabled, whatever its owner does.
func TestKeyRevokedForCause(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(keyStart))
	who := srv.User("maria")
	key := newKey(t, who, "")
	if err := srv.Identity().DisableKey(t.Context(), uuid.MustParse(key.id)); err != nil {
		t.Fatal(err)
	}
	key.Get(t, "/api/items").WantStatus(http.StatusUnauthorized)
	who.Patch(t, key.path, `{"is_active":true}`).WantStatus(http.StatusForbidden).WantGolden("apikey/disabled")
	who.Patch(t, key.path, `{"name":"still mine"}`).WantStatus(http.StatusOK)
	key.Get(t, "/api/items").WantStatus(http.StatusUnauthorized)
	if err := srv.Identity().DisableKey(t.Context(), uuid.New()); app.ReasonOf(err) != app.ReasonAPIKeyNotFound {
		t.Errorf("an unknown key: got %v", err)
	}
}

// Parallel changes of different columns, and uses meanwhile, lose nothing.
func TestKeyChangesDoNotOverwriteEachOther(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t)
	who := srv.User("maria")
	key := newKey(t, who, `,"rate_limit_per_hour":1000`)
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() { _, _ = who.Try(t.Context(), http.MethodPatch, key.path, fmt.Sprintf(`{"name":"n%d"}`, n)) })
		all.Go(func() { _, _ = who.Try(t.Context(), http.MethodPatch, key.path, `{"notes":"kept"}`) })
		all.Go(func() { _, _ = key.Try(t.Context(), http.MethodGet, "/api/items", nil) })
	}
	all.Wait()
	res := who.Get(t, key.path).WantStatus(http.StatusOK)
	if got := res.Field("usage_count"); got != "20" {
		t.Errorf("usage_count: got %s, want 20", got)
	}
	if got := res.Field("name"); !strings.HasPrefix(got, "n") {
		t.Errorf("name: got %q, want one of those that were set", got)
	}
}

func TestKeyUsage(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(keyStart))
	who := srv.User("maria")
	key := newKey(t, who, `,"rate_limit_per_hour":1000`)
	who.Get(t, key.path+"/usage").WantStatus(http.StatusOK).WantGolden("apikey/usage_none")

	key.Get(t, "/api/items").WantStatus(http.StatusOK)
	key.Get(t, "/api/items/DFID-20250101-000001-0000").WantStatus(http.StatusNotFound)
	key.Get(t, "/nowhere").WantStatus(http.StatusNotFound)
	srv.Advance(time.Hour) // the next day of UTC
	key.Post(t, "/api/items/local", localBody).WantStatus(http.StatusOK)
	key.WithHeader("User-Agent", strings.Repeat("é", 500)+"\xff").Get(t, "/api/items").WantStatus(http.StatusOK)
	who.Get(t, key.path+"/usage").WantStatus(http.StatusOK).WantGolden("apikey/usage")
	who.Get(t, key.path+"/usage?days=1").WantStatus(http.StatusOK).WantGolden("apikey/usage")

	srv.Advance(24 * time.Hour)
	who = srv.Login(t, "maria", servertest.Password)
	who.Get(t, key.path+"/usage?days=1").WantStatus(http.StatusOK).WantGolden("apikey/usage_last_day")
	srv.Advance(23 * time.Hour)
	who.Get(t, key.path+"/usage?days=1").WantStatus(http.StatusOK).WantGolden("apikey/usage_none")
	for _, days := range []string{"0", "366", "4294967295"} {
		who.Get(t, key.path+"/usage?days="+days).WantStatus(http.StatusBadRequest).WantGolden("apikey/usage_bad_days")
	}
	for _, days := range []string{"-1", "4294967296", "x", ""} {
		who.Get(t, key.path+"/usage?days="+days).WantStatus(http.StatusBadRequest)
	}
}

// Uses and statistics survive a restart.
func TestKeyUsageIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/data"
	same := servertest.WithConfig(func(c *server.Config) {
		c.DataDir, c.Auth.JWTSecret = dir, "0123456789abcdef0123456789abcdef"
	})
	first := servertest.Start(t, servertest.At(keyStart), same)
	who := first.User("maria")
	key := newKey(t, who, "")
	key.Get(t, "/api/items").WantStatus(http.StatusOK)
	first.Close()

	second := servertest.Start(t, servertest.At(keyStart.Add(time.Minute)), same)
	again := second.Login(t, "maria", servertest.Password)
	again.Get(t, key.path+"/usage").WantStatus(http.StatusOK).WantGolden("apikey/usage_kept")
	if got := again.Get(t, key.path).Field("usage_count"); got != "1" {
		t.Errorf("usage_count after a restart: got %s, want 1", got)
	}
}

// A caller who invents addresses and agents does not make the statistics grow
// without bound.
func TestKeyUsageIsBounded(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(keyStart))
	key := newKey(t, srv.User("maria"), "")
	id := uuid.MustParse(key.id)
	for n := range 1000 {
		srv.Identity().KeyAnswered(identity.KeyRequest{
			KeyID: id, Method: "GET", Endpoint: "/api/items", Status: 200, Duration: time.Millisecond, Agent: fmt.Sprint("agent ", n),
		})
	}
	var rows int
	srv.User("maria").Get(t, key.path+"/usage").WantStatus(http.StatusOK).WantGolden("apikey/usage_bounded")
	err := srv.Store().Write(t.Context(), func(tx app.Tx) (err error) {
		rows, err = tx.APIKeys().DeleteRequestsBefore(keyStart.Add(2 * time.Hour))
		return err
	})
	if err != nil || rows != 101 {
		t.Errorf("rows: got %d (%v), want 100 callers and one for the others", rows, err)
	}
}
