package api_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/web/servertest"
)

// Settings are replaced as a whole, wrapped or by themselves; the circuit is
// public afterwards, and public_since is stamped once (contract 03 R6).
func TestSetPublicSettings(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	home := c.circuit(t, func(c *app.Circuit) { c.Status = app.CircuitInactive }) // updates stay possible
	path := home + "/public-settings"
	c.owner.Get(t, path).WantStatus(200).WantGolden("circuit/settings_none")
	const all = `{"access_mode":"OPEN","scheduled_date":"2026-01-02T03:04:05.250-03:00","public_name":"Open herd","public_description":"Ours",
		"primary_color":"#0a0","secondary_color":"green","logo_url":"not checked","tagline":"t","footer_text":"f","published_items":[],
		"auto_approve_members":true,"auto_publish_pushed_items":true,"show_encrypted_events":true,"required_event_types":"Created",
		"data_quality_rules":"none","export_permissions":"aDMIN","unknown":1}`
	res := c.owner.Put(t, path, `{"public_settings":`+all+`,"access_mode":"not looked at"}`).WantStatus(200).WantGolden("circuit/settings_all")
	since := res.Field("data.public_settings.public_since")
	if want := app.FormatZ(chainStart); since != want {
		t.Errorf("public_since: got %s, want %s", since, want)
	}
	c.srv.Advance(time.Hour)
	c.owner.Put(t, path, all).WantStatus(200).WantGolden("circuit/settings_all") // flat
	c.owner.Get(t, path).WantStatus(200).WantGolden("circuit/settings_read")
	c.admin.Get(t, path).WantStatus(200).WantGolden("circuit/settings_read")
	res = c.owner.Put(t, path, `{}`).WantStatus(200).WantGolden("circuit/settings_defaults")
	if got := res.Field("data.public_settings.public_since"); got != since {
		t.Errorf("public_since: got %s, want it to stay %s", got, since)
	}
	late := c.circuit(t, nil) + "/public-settings"
	c.owner.Put(t, late, `{"access_mode":"scheduled","scheduled_date":"2025-10-14T00:00:00Z"}`).WantStatus(200).WantGolden("circuit/settings_scheduled")
	// A circuit that was made private is public again (S23).
	private := c.circuit(t, func(c *app.Circuit) { c.Public = &app.PublicSettings{AccessMode: app.AccessPublic} })
	if got := c.owner.Put(t, private+"/public-settings", `{}`).WantStatus(200).Field("data.permissions.allow_public_visibility"); got != "true" {
		t.Errorf("allow_public_visibility: got %s, want true", got)
	}
}

// Every refusal, in the contract's order: the settings before the circuit.
func TestSetPublicSettingsRefused(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	closed, open := c.circuit(t, nil)+"/public-settings", c.circuit(t, public)+"/public-settings"
	unknown := "/api/circuits/" + uuid.NewString() + "/public-settings"
	for _, tt := range []struct{ golden, settings string }{
		{"refused_access_mode", `{"access_mode":"secret","export_permissions":"nobody"}`},
		{"refused_access_mode_empty", `{"access_mode":""}`},
		{"refused_schedule_missing", `{"access_mode":"scheduled","export_permissions":"nobody"}`},
		{"refused_schedule_of_a_day", `{"access_mode":"scheduled","scheduled_date":"2025-10-14"}`},
		{"refused_schedule_without_offset", `{"access_mode":"public","scheduled_date":"2025-10-14T00:00:00"}`},
		{"refused_password_missing", `{"access_mode":"Protected","export_permissions":"nobody"}`},
		{"refused_password_missing", `{"access_mode":"Protected","access_password":"********"}`}, // nothing to keep
		{"refused_password_too_long", `{"access_mode":"protected","access_password":"` + strings.Repeat("x", 73) + `"}`},
		{"refused_password_text", `{"access_mode":"protected","access_password":"a\u0000b"}`},
		{"refused_export_level", `{"export_permissions":"nobody"}`},
		{"refused_too_many_items", `{"published_items":["x"` + strings.Repeat(`,"x"`, 10_000) + `]}`},
	} {
		for name, path := range map[string]string{"own": closed, "unknown": unknown} {
			res := c.owner.Put(t, path, `{"public_settings":`+tt.settings+`}`)
			if res.Status != http.StatusUnprocessableEntity {
				t.Errorf("%s, %s: got %d, want 422", tt.golden, name, res.Status)
			}
			res.WantGolden("circuit/" + tt.golden)
		}
	}
	c.owner.Put(t, closed, `{"published_items":["DFID-20250101-000001-F7BD"]}`).WantStatus(422).WantGolden("circuit/settings_foreign_item")
	c.owner.Put(t, "/api/circuits/7/public-settings", `{}`).WantStatus(400).WantGolden("circuit/settings_bad_id")
	c.owner.Put(t, unknown, `{}`).WantStatus(400).WantGolden("circuit/settings_no_circuit")
	c.stranger.Put(t, closed, `{}`).WantStatus(400).WantGolden("circuit/settings_no_circuit")
	// Whether there is a password is not told to those who may not set one.
	locked := c.circuit(t, func(c *app.Circuit) {
		c.Public = &app.PublicSettings{AccessMode: app.AccessProtected, PasswordHash: "x"}
	}) + "/public-settings"
	for _, who := range []*servertest.Client{c.stranger, c.manager, c.member, c.admin} {
		who.Put(t, locked, `{"access_mode":"protected"}`).WantStatus(422).WantGolden("circuit/refused_password_missing")
	}
	for _, who := range []*servertest.Client{c.stranger, c.manager, c.member, c.admin} {
		who.Put(t, open, `{}`).WantStatus(400).WantGolden("circuit/settings_no_permission")
	}
	c.nobody.Put(t, open, `{}`).WantStatus(401)
	c.owner.Put(t, open, ``).WantStatus(400)
	c.owner.Put(t, open, `{"public_settings":7}`).WantStatus(422)

	const noSee = "Permission denied: User does not have permission to see public settings"
	c.manager.Get(t, closed).WantStatus(403).WantError(noSee)
	c.member.Get(t, closed).WantStatus(403).WantError(noSee)
	c.stranger.Get(t, open).WantStatus(403).WantError(noSee)
	c.stranger.Get(t, closed).WantStatus(404).WantError("Circuit not found")
	c.owner.Get(t, unknown).WantStatus(404).WantError("Circuit not found")
	c.owner.Get(t, "/api/circuits/7/public-settings").WantStatus(400).WantError("Invalid circuit ID format")
	c.nobody.Get(t, open).WantStatus(401)
	// Nothing of all that changed anything.
	c.owner.Get(t, closed).WantStatus(200).WantGolden("circuit/settings_none")
}

// Published items stay unless they are named; only items of the circuit can be.
func TestPublishedItemsAreKept(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	home, elsewhere := newCircuit(t, c.owner, ""), newCircuit(t, c.owner, "")
	path := "/api/circuits/" + home + "/public-settings"
	a, b := pushed(t, c.owner, home, "BR000000000001"), pushed(t, c.owner, home, "BR000000000002")
	foreign := pushed(t, c.owner, elsewhere, "BR000000000003")
	put := func(settings string, want ...string) {
		t.Helper()
		c.srv.Advance(time.Second)
		res := c.owner.Put(t, path, settings).WantStatus(200)
		var got struct {
			Data struct {
				Public struct {
					Items []string `json:"published_items"`
				} `json:"public_settings"`
			}
		}
		res.JSON(&got)
		if fmt.Sprint(got.Data.Public.Items) != fmt.Sprint(want) {
			t.Errorf("%s: published %v, want %v", settings, got.Data.Public.Items, want)
		}
	}
	put(fmt.Sprintf(`{"published_items":[%q,%q]}`, b, b), b)
	put(`{}`, b)
	put(`{"published_items":null}`, b)
	put(fmt.Sprintf(`{"published_items":[%q,%q]}`, a, b), b, a) // in order of publication
	c.owner.Put(t, path, fmt.Sprintf(`{"tagline":"new","published_items":[%q,%q]}`, a, foreign)).WantStatus(422).WantGolden("circuit/settings_foreign_item")
	res := c.owner.Get(t, path).WantStatus(200)
	if got := res.Field("data.tagline"); got != "null" && got != "" {
		t.Errorf("a refused change left its traces: %s", res.Body)
	}
	put(fmt.Sprintf(`{"published_items":[%q]}`, a), a)
	put(`{"published_items":[]}`)
}

// logged collects the server's log.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// A password stays while the circuit remains protected and none, or the mask,
// is given. It is in no answer, no log and no file.
func TestCircuitPasswordIsKeptAndHidden(t *testing.T) {
	t.Parallel()
	const first, second = "kanarienvogel 1", "kanarienvogel-2"
	log := &logged{}
	c := newCast(t, servertest.Logger(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	home := c.circuit(t, nil)
	path := home + "/public-settings"
	var answers []string
	ok := func(res *servertest.Response) *servertest.Response {
		t.Helper()
		answers = append(answers, string(res.WantStatus(200).Body))
		return res
	}
	wantPassword := func(pw string) {
		t.Helper()
		for given, members := range map[string]string{pw: "3", "": "0", "wrong " + pw: "0"} {
			res := ok(c.nobody.WithHeader("X-Access-Password", given).Get(t, home+"/public"))
			if got := res.Field("data.member_count"); got != members {
				t.Errorf("password %q: %s members, want %s", given, got, members)
			}
		}
	}
	res := ok(c.owner.Put(t, path, `{"access_mode":"protected","access_password":"`+first+`"}`))
	if got := res.Field("data.public_settings.access_password"); got != "********" {
		t.Errorf("password in the answer: got %q, want the mask", got)
	}
	wantPassword(first)
	ok(c.owner.Put(t, path, `{"access_mode":"protected"}`))
	wantPassword(first)
	ok(c.owner.Put(t, path, `{"access_mode":"protected","access_password":"********"}`))
	wantPassword(first)
	ok(c.owner.Put(t, path, `{"access_mode":"protected","access_password":"`+second+`"}`))
	wantPassword(second)
	ok(c.nobody.Get(t, home+"/public?access_password="+second))
	c.stranger.Post(t, home+"/public/join", `{"access_password":"`+first+`"}`).WantStatus(400)
	ok(c.stranger.Post(t, home+"/public/join", `{"access_password":"`+second+`"}`))
	for _, who := range []*servertest.Client{c.owner, c.manager, c.member, c.stranger, c.admin} {
		ok(who.Get(t, home))
	}
	ok(c.owner.Get(t, path))
	// Another mode forgets it: the mask is no password then.
	ok(c.owner.Put(t, path, `{"access_mode":"public","access_password":"********"}`))
	c.owner.Put(t, path, `{"access_mode":"protected"}`).WantStatus(422).WantGolden("circuit/refused_password_missing")

	for _, text := range append(answers, log.String()) {
		if strings.Contains(text, "kanarienvogel") || strings.Contains(text, "$2b$") {
			t.Errorf("a secret shows in %.300s", text)
		}
	}
	if !strings.Contains(log.String(), "/api/circuits/{id}/public") {
		t.Error("the log was not looked at")
	}
	err := filepath.WalkDir(c.srv.DataDir(), func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(file)
		if bytes.Contains(raw, []byte("kanarienvogel")) {
			t.Errorf("the password is in %s", file)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
