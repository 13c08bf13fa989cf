package identity

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/defarm-repo/defarm/app"
)

func TestRegisterMakesTheContractsAccount(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, err := f.Register(t.Context(), Registration{Username: " maria ", Password: goodPass, Email: " m@example.org "}, home)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(s.UserID, "user-") || len(s.UserID) != len("user-")+36 {
		t.Errorf("user id %q, want user-<uuid>", s.UserID)
	}
	if want := t0.Add(24 * time.Hour).Truncate(time.Second); !s.ExpiresAt.Equal(want) || s.WorkspaceID != "maria-workspace" {
		t.Errorf("session %+v, want expiry %v and workspace maria-workspace", s, want)
	}
	want := &app.User{
		ID: s.UserID, Username: "maria", Email: "m@example.org", Tier: app.TierBasic, Status: app.StatusActive,
		Credits: 100, WorkspaceID: "maria-workspace", CreatedAt: t0, UpdatedAt: t0,
	}
	got := f.row("maria")
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(app.User{}, "PasswordHash"), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("account (-want +got):\n%s", d)
	}
	if !strings.HasPrefix(got.PasswordHash, "$2b$04$") {
		t.Errorf("hash %q, want the form $2b$04$…", got.PasswordHash)
	}
	who, err := f.ByToken(t.Context(), s.Token)
	if err != nil {
		t.Fatalf("the new session does not hold: %v", err)
	}
	wantActor := app.Actor{UserID: s.UserID, Username: "maria", WorkspaceID: "maria-workspace", Tier: app.TierBasic}
	if d := cmp.Diff(wantActor, who); d != "" {
		t.Errorf("actor (-want +got):\n%s", d)
	}
	f.login("maria")
}

func TestRegisterRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.user("Taken", func(u *NewUser) { u.Email = "Taken@Example.org" })
	long := strings.Repeat("x", 65)
	cases := []struct {
		name string
		in   Registration
		code app.Code
		why  app.Reason
		text string
	}{
		{"weak password first", Registration{Username: "", Password: "x", Email: ""}, app.CodeInvalid, app.ReasonWeakPassword, "Password must be at least 8 characters long"},
		{"password too long", Registration{Username: "a", Password: "Aa1!" + strings.Repeat("x", 69), Email: "a@b"}, app.CodeInvalid, app.ReasonWeakPassword, "Password must be at most 72 bytes long"},
		{"no name", Registration{Username: "", Email: "a@b"}, app.CodeInvalid, app.ReasonInvalidAccount, "Username must not be empty"},
		{"blank name", Registration{Username: " \t ", Email: "a@b"}, app.CodeInvalid, app.ReasonInvalidAccount, "Username must not be empty"},
		{"long name", Registration{Username: long, Email: "a@b"}, app.CodeInvalid, app.ReasonInvalidAccount, "Username must be at most 64 characters long"},
		{"NUL in name", Registration{Username: "a\x00b", Email: "a@b"}, app.CodeInvalid, app.ReasonInvalidAccount, "Username must not contain control characters"},
		{"line break in name", Registration{Username: "a\nb", Email: "a@b"}, app.CodeInvalid, app.ReasonInvalidAccount, "Username must not contain control characters"},
		{"no mail address", Registration{Username: "a", Email: " "}, app.CodeInvalid, app.ReasonInvalidAccount, "Email must not be empty"},
		{"bad mail address", Registration{Username: "a", Email: "a"}, app.CodeInvalid, app.ReasonInvalidAccount, "Email address is not valid"},
		{"workspace with NUL", Registration{Username: "a", Email: "a@b", WorkspaceName: ptr("\x00")}, app.CodeInvalid, app.ReasonInvalidAccount, "Workspace name must not contain control characters"},
		{"workspace too long", Registration{Username: "a", Email: "a@b", WorkspaceName: ptr(strings.Repeat("x", 129))}, app.CodeInvalid, app.ReasonInvalidAccount, "Workspace name must be at most 128 characters long"},
		{"name taken", Registration{Username: "taken", Email: "new@example.org"}, app.CodeConflict, app.ReasonUsernameTaken, "Username already exists"},
		{"name taken with blanks", Registration{Username: " TAKEN ", Email: "new@example.org"}, app.CodeConflict, app.ReasonUsernameTaken, "Username already exists"},
		{"address taken", Registration{Username: "new", Email: "tAken@example.ORG"}, app.CodeConflict, app.ReasonEmailTaken, "Email already exists"},
		{"both taken: the name speaks", Registration{Username: "taken", Email: "taken@example.org"}, app.CodeConflict, app.ReasonUsernameTaken, "Username already exists"},
	}
	t.Run("refusals", func(t *testing.T) { // ends when all of them have
		t.Parallel()
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				if c.in.Password == "" {
					c.in.Password = goodPass
				}
				_, err := f.Register(t.Context(), c.in, home)
				wantError(t, err, c.code, c.why, c.text)
			})
		}
		t.Cleanup(func() {
			if n, err := f.CountUsers(context.Background()); err != nil || n != 1 {
				t.Errorf("%d accounts (%v), want 1: a refusal left something behind", n, err)
			}
		})
	})
}

func TestMailAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"m@example.org": true, "m.n+tag@sub.example.org": true, "joão@fazenda.com.br": true, "a@b": true,
		"o'hara@example.org": true, "m@xn--fazenda-9a.org": true,
		"m": false, "@b": false, "a@": false, "a@b@c": false, "a b@c": false, "a@b c": false, "a@.b": false, "a@b.": false,
		"a@b..c": false, ".a@b": false, "a.@b": false, "a..b@c": false, "a@-b": false, "a@b-": false, "a\x00@b": false,
		"<a>@b": false, "a@[1.2.3.4]": false, "a\xff@b": false, "a@b\xff": false, "a@" + strings.Repeat("x", 64): false,
		strings.Repeat("x", 65) + "@b":                             false,
		strings.Repeat("x", 60) + "@" + strings.Repeat("yyy.", 60): false,
	} {
		if err := checkEmail(address); (err == nil) != want {
			t.Errorf("checkEmail(%q) = %v, want accepted %v", address, err, want)
		}
	}
}

func TestWorkspaceIDsAreUnique(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	register := func(name string, workspace *string) string {
		t.Helper()
		s, err := f.Register(t.Context(), Registration{Username: name, Password: goodPass, Email: name + "@b", WorkspaceName: workspace}, home)
		if err != nil {
			t.Fatalf("register %s: %v", name, err)
		}
		if row := f.row(name); row.WorkspaceID != s.WorkspaceID {
			t.Errorf("%s: answered %q, stored %q", name, s.WorkspaceID, row.WorkspaceID)
		}
		return s.WorkspaceID
	}
	if got := register("john", ptr("john-workspace")); got != "john-workspace-workspace" {
		t.Errorf("workspace %q", got)
	}
	if got := register("empty", ptr("")); got != "-workspace" {
		t.Errorf("workspace of an empty name %q", got)
	}
	if got := register("a", ptr("Fazenda São João")); got != "Fazenda São João-workspace" {
		t.Errorf("first workspace %q", got)
	}
	got := register("b", ptr("Fazenda São João"))
	if suffix, ok := strings.CutPrefix(got, "Fazenda São João-workspace-"); !ok || len(suffix) != 8 {
		t.Errorf("second workspace %q, want a suffix of 8 characters", got)
	}
}

// 64 registrations of one name at the same time, in all spellings.
func TestRegisterRaceHasOneWinner(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *Config) { c.Throttle.PerAddress = -1 })
	const runners = 64
	errs := make([]error, runners)
	var start, done sync.WaitGroup
	start.Add(1)
	for i := range runners {
		done.Go(func() {
			start.Wait()
			name := "race"
			if i%2 == 1 {
				name = "RACE"
			}
			_, errs[i] = f.Register(t.Context(), Registration{Username: name, Password: goodPass, Email: fmt.Sprintf("r%d@b", i)}, home)
		})
	}
	start.Done()
	done.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		wantError(t, err, app.CodeConflict, app.ReasonUsernameTaken, "Username already exists")
	}
	if won != 1 {
		t.Errorf("%d registrations succeeded, want 1", won)
	}
	if n, err := f.CountUsers(t.Context()); err != nil || n != 1 {
		t.Errorf("%d accounts (%v), want 1", n, err)
	}
	f.login("race")
}

func TestSignupsPerAddressAreBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *Config) { c.Throttle.SignupsPerAddress = 2 })
	try := func(name string) error {
		_, err := f.Register(t.Context(), Registration{Username: name, Password: goodPass, Email: name + "@b"}, home)
		return err
	}
	for _, name := range []string{"one", "two"} {
		if err := try(name); err != nil {
			t.Fatal(err)
		}
	}
	e := wantError(t, try("three"), app.CodeRateLimited, app.ReasonLoginThrottled, "")
	if e.RetryAfter != 3600 {
		t.Errorf("Retry-After %d, want 3600", e.RetryAfter)
	}
	f.clock.advance(time.Hour + time.Second)
	if err := try("three"); err != nil {
		t.Errorf("after an hour: %v", err)
	}
}

func TestOperatorsAccounts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	u, err := f.CreateUser(t.Context(), NewUser{Username: "op", Email: "op@b", Password: goodPass, Tier: app.TierEnterprise, IsAdmin: true, Credits: 7})
	if err != nil {
		t.Fatal(err)
	}
	if len(u.ID) != 36 || u.Tier != app.TierEnterprise || !u.IsAdmin || u.Credits != 7 || u.WorkspaceID != "" {
		t.Errorf("account %+v", u)
	}
	if _, err := f.CreateUser(t.Context(), NewUser{Username: "chick", Email: "c@b", Password: "demo", SkipComplexity: true}); err != nil {
		t.Errorf("development password: %v", err)
	}
	refused := []struct {
		name string
		in   NewUser
		code app.Code
		why  app.Reason
	}{
		{"weak", NewUser{Username: "x", Email: "x@b", Password: "demo"}, app.CodeInvalid, app.ReasonWeakPassword},
		{"too long all the same", NewUser{Username: "x", Email: "x@b", Password: strings.Repeat("x", 73), SkipComplexity: true}, app.CodeInvalid, app.ReasonWeakPassword},
		{"tier", NewUser{Username: "x", Email: "x@b", Password: goodPass, Tier: "basic"}, app.CodeInvalid, app.ReasonInvalidAccount},
		{"credits", NewUser{Username: "x", Email: "x@b", Password: goodPass, Credits: -1}, app.CodeInvalid, app.ReasonInvalidAccount},
		{"taken", NewUser{Username: "OP", Email: "x@b", Password: goodPass}, app.CodeConflict, app.ReasonUsernameTaken},
	}
	for _, c := range refused {
		_, err := f.CreateUser(t.Context(), c.in)
		if app.CodeOf(err) != c.code || app.ReasonOf(err) != c.why {
			t.Errorf("%s: %v, want %s, %s", c.name, err, c.code, c.why)
		}
	}
	list, err := f.ListUsers(t.Context(), app.Page{Limit: 10})
	if err != nil || len(list) != 2 || list[0].Username != "op" || list[1].Username != "chick" {
		t.Errorf("list %v (%v), want op and chick", list, err)
	}
	if list, err := f.ListUsers(t.Context(), app.Page{Limit: 10, Offset: 1}); err != nil || len(list) != 1 || list[0].Username != "chick" {
		t.Errorf("second page %v (%v), want chick", list, err)
	}
}
