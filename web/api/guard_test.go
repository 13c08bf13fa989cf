package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/web/server"
	"github.com/defarm-repo/defarm/web/servertest"
)

// publicOperations need no credential. Every other operation must refuse a
// caller without one; an operation that is public by mistake fails here.
func publicOperations() []string {
	return []string{
		"GET /", "GET /health", "GET /health/db", "GET /livez", "GET /readyz", "GET /version", "GET /api/version",
		"POST /api/auth/login", "POST /api/auth/register", "POST /api/auth/forgot-password", "POST /api/auth/reset-password",
		"GET /api/public/storage-history/{dfid}", "GET /api/public/merkle/items/{dfid}/merkle-root",
		"GET /api/public/merkle/items/{dfid}/merkle-proof/{event_id}", "POST /api/public/merkle/verify-proof",
		"GET /api/circuits/{id}/public",
		"GET /ipfs/{cid}", // of published items; asks for a credential otherwise
	}
}

// tokenOperations manage credentials: an API key is none there.
func tokenOperations() []string {
	return []string{
		"GET /api/auth/profile", "POST /api/auth/refresh", "POST /api/auth/logout",
		"GET /api/api-keys", "POST /api/api-keys", "GET /api/api-keys/{key_id}", "PATCH /api/api-keys/{key_id}",
		"DELETE /api/api-keys/{key_id}", "POST /api/api-keys/{key_id}/revoke", "GET /api/api-keys/{key_id}/usage",
	}
}

// operation is one operation of the document.
type operation struct {
	name, method, path string // path with its parameters filled in
	tag                string
}

var parameter = regexp.MustCompile(`\{([^}]*)\}`)

// operations reads the document of a running server.
func operations(t *testing.T, srv *servertest.Server) []operation {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			Tags []string `json:"tags"`
		} `json:"paths"`
	}
	srv.Anonymous().Get(t, "/openapi.json").WantStatus(http.StatusOK).JSON(&doc)
	var out []operation
	for path, ops := range doc.Paths {
		for method, op := range ops {
			method = strings.ToUpper(method)
			out = append(out, operation{
				name: method + " " + path, method: method, tag: strings.Join(op.Tags, ","),
				path: parameter.ReplaceAllString(path, "00000000-0000-4000-8000-000000000000"),
			})
		}
	}
	if len(out) < 30 {
		t.Fatalf("operations: got %d, want all of the main job's", len(out))
	}
	slices.SortFunc(out, func(a, b operation) int { return strings.Compare(a.name, b.name) })
	return out
}

func (o operation) send(t *testing.T, c *servertest.Client) *servertest.Response {
	t.Helper()
	if o.method == http.MethodGet {
		return c.Get(t, o.path)
	}
	return c.Do(t, o.method, o.path, "{}")
}

// Every operation × every kind of caller who must not get in, and the status
// that he gets.
func TestEveryOperationIsGuarded(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	user := srv.User("maria")
	keyWith := func(permissions, more string) *servertest.Client {
		t.Helper()
		res := user.Post(t, "/api/api-keys", `{"name":"k","rate_limit_per_hour":1000000,"permissions":`+permissions+more+`}`).WantStatus(http.StatusOK)
		return srv.Anonymous().WithKey(res.Field("api_key"))
	}
	read, write := keyWith(`{"read":true}`, ""), keyWith(`{"write":true}`, "")
	suspended, loggedOut := srv.User("suspended"), srv.User("left")
	if err := srv.Identity().SetStatus(t.Context(), "suspended", app.StatusSuspended); err != nil {
		t.Fatal(err)
	}
	loggedOut.Post(t, "/api/auth/logout", nil).WantStatus(http.StatusOK)
	callers := []struct {
		name   string
		client *servertest.Client
		status func(o operation) int // 0: not looked at
	}{
		{"nobody", srv.Anonymous(), always(http.StatusUnauthorized)},
		{"a forged token", user.WithToken(user.Token[:len(user.Token)-2] + "xx"), always(http.StatusUnauthorized)},
		{"a token of no form", user.WithToken("x"), always(http.StatusUnauthorized)},
		{"an unknown key", srv.Anonymous().WithKey("dfm_" + strings.Repeat("A", 32)), always(http.StatusUnauthorized)},
		{"somebody who logged out", loggedOut, always(http.StatusUnauthorized)},
		{"somebody suspended", suspended, always(http.StatusForbidden)},
		{"a key outside its addresses", keyWith(`{"read":true,"write":true}`, `,"allowed_ips":["192.0.2.7"]`), always(http.StatusForbidden)},
		{"a key outside its paths", keyWith(`{"read":true,"write":true}`, `,"allowed_endpoints":["/elsewhere*"]`), always(http.StatusForbidden)},
		{"an expired key", keyWith(`{"read":true,"write":true}`, `,"expires_in_days":0`), always(http.StatusUnauthorized)},
		{"a key that may not read", write, func(o operation) int { return forKey(o, o.method == http.MethodGet) }},
		{"a key that may not write", read, func(o operation) int { return forKey(o, o.method != http.MethodGet) }},
	}
	ops := operations(t, srv)
	srv.Advance(time.Second) // past the expiry of a key that expires at once
	for _, o := range ops {
		if slices.Contains(publicOperations(), o.name) {
			continue
		}
		for _, c := range callers {
			want := c.status(o)
			if want == 0 {
				continue
			}
			if res := o.send(t, c.client); res.Status != want {
				t.Errorf("%s by %s: got %d, want %d; %s", o.name, c.name, res.Status, want, res.Body)
			}
		}
	}
	srv.Advance(25 * time.Hour)
	for _, o := range ops {
		if slices.Contains(publicOperations(), o.name) {
			if res := o.send(t, srv.Anonymous()); res.Status == http.StatusUnauthorized && o.name != "POST /api/auth/login" {
				t.Errorf("%s by nobody: got 401, though it is public", o.name)
			}
			continue
		}
		if res := o.send(t, user); res.Status != http.StatusUnauthorized {
			t.Errorf("%s with an expired token: got %d, want 401", o.name, res.Status)
		}
	}
}

func always(status int) func(operation) int { return func(operation) int { return status } }

// forKey is what a key gets whose flag is missing.
func forKey(o operation, missing bool) int {
	switch {
	case slices.Contains(tokenOperations(), o.name):
		return http.StatusUnauthorized
	case missing:
		return http.StatusForbidden
	default:
		return 0
	}
}

// A suspension and a demotion hold from the very next request on, with the
// cache and without it.
func TestStatusHoldsAtOnce(t *testing.T) {
	t.Parallel()
	for name, cached := range map[string]bool{"cache on": true, "cache off": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := servertest.Start(t, servertest.WithConfig(func(c *server.Config) { c.Cache.Enabled = cached }))
			user, admin := srv.User("maria"), srv.Admin()
			for range 20 { // until the cache has surely taken the account in
				user.Get(t, "/api/items").WantStatus(http.StatusOK)
				admin.Get(t, "/metrics").WantStatus(http.StatusOK)
			}
			for _, status := range []app.AccountStatus{app.StatusSuspended, app.StatusBanned, app.StatusTrialExpired, app.StatusPendingVerification} {
				if err := srv.Identity().SetStatus(t.Context(), "maria", status); err != nil {
					t.Fatal(err)
				}
				user.Get(t, "/api/items").WantStatus(http.StatusForbidden).WantGolden("auth/status_" + strings.ToLower(string(status)))
				srv.Anonymous().Post(t, "/api/auth/login", fmt.Sprintf(`{"username":"maria","password":%q}`, servertest.Password)).
					WantStatus(http.StatusForbidden).WantGolden("auth/status_" + strings.ToLower(string(status)))
			}
			if err := srv.Identity().SetStatus(t.Context(), "maria", app.StatusActive); err != nil {
				t.Fatal(err)
			}
			user.Get(t, "/api/items").WantStatus(http.StatusUnauthorized) // its tokens are void
			if err := srv.Identity().SetAdmin(t.Context(), "admin", false); err != nil {
				t.Fatal(err)
			}
			admin.Get(t, "/metrics").WantStatus(http.StatusForbidden).WantGolden("auth/not_admin")
		})
	}
}

// Every operation has its answer in a golden file: the resource's directory is
// there and holds something. A new resource without one fails.
func TestEveryResourceHasGoldens(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t)
	areas := map[string]string{
		"Authentication": "auth", "Account": "profile", "API keys": "apikey", "Items": "item", "Circuits": "circuit",
		"Pending items": "pendingitem", "Item shares": "share", "Circuit operations": "circuitoperation", "Tokenization": "tokenization", "Storage": "storage", "Evidence": "merkle", "Events": "event",
	}
	for _, o := range operations(t, srv) {
		if o.tag == "System" { // their answers hold versions; system_test.go asserts them
			continue
		}
		area, ok := areas[o.tag]
		if !ok {
			t.Errorf("%s: no golden directory is named for the tag %q", o.name, o.tag)
			continue
		}
		files, err := filepath.Glob(filepath.Join("testdata", "golden", area, "*.json"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s: no golden files in %s (%v)", o.name, area, err)
		}
	}
}

// Golden files say what status they are of, and none is left over from a test
// that is gone.
func TestGoldenFilesAreUsed(t *testing.T) {
	t.Parallel()
	var sources strings.Builder
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sources.Write(data)
	}
	text := sources.String()
	err = filepath.WalkDir(filepath.Join("testdata", "golden"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var g struct{ Status int }
		if err := json.Unmarshal(data, &g); err != nil || g.Status == 0 {
			t.Errorf("%s: no status (%v)", path, err)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.ToSlash(path), "testdata/golden/"), ".json")
		// Some names are put together from a table: then their start, up to a
		// slash or an underscore, is there before the quotation mark.
		used := strings.Contains(text, `"`+name+`"`)
		for i, c := range name {
			used = used || ((c == '/' || c == '_') && strings.Contains(text, `"`+name[:i+1]+`"`))
		}
		if !used {
			t.Errorf("%s is used by no test", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
