package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/bcrypt"

	"github.com/defarm-repo/defarm/app"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.user("Maria")
	cases := []struct {
		name           string
		user, password string
		ok             bool
	}{
		{"as stored", "Maria", goodPass, true},
		{"other case", "mARIA", goodPass, true},
		{"outer blanks", " maria ", goodPass, true},
		{"wrong password", "Maria", "Secret1?", false},
		{"password with a blank", "Maria", goodPass + " ", false},
		{"empty password", "Maria", "", false},
		{"NUL in password", "Maria", goodPass + "\x00" + goodPass, false},
		{"invalid UTF-8", "Maria", "\xff\xfe", false},
		{"73 bytes", "Maria", strings.Repeat("x", 73), false},
		{"mail address", "Maria@example.org", goodPass, false},
		{"unknown", "nobody", goodPass, false},
		{"empty name", "", goodPass, false},
		{"NUL in name", "Maria\x00", goodPass, false},
		{"invalid UTF-8 in name", "Maria\xff", goodPass, false},
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			from := home
			from.Address = from.Address.Next()
			for range i { // an address each: the throttle is another test's
				from.Address = from.Address.Next()
			}
			s, err := f.Login(t.Context(), Login{Username: c.user, Password: c.password}, from)
			if !c.ok {
				wantError(t, err, app.CodeUnauthenticated, app.ReasonBadCredentials, "Invalid credentials")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s.UserID != "user-Maria" || s.WorkspaceID != "Maria-workspace" || s.Token == "" {
				t.Errorf("session %+v", s)
			}
		})
	}
}

func TestLoginOfAccountsThatMayNotAct(t *testing.T) {
	t.Parallel()
	texts := map[app.AccountStatus]string{
		app.StatusSuspended:           "Your account has been suspended. Please contact an administrator.",
		app.StatusBanned:              "Your account has been banned. Please contact an administrator.",
		app.StatusPendingVerification: "Your account is pending verification. Please check your email.",
		app.StatusTrialExpired:        "Your trial has expired. Please upgrade your account.",
	}
	f := newFixture(t)
	f.user("m")
	for status, text := range texts {
		if err := f.SetStatus(t.Context(), "m", status); err != nil {
			t.Fatal(err)
		}
		_, err := f.Login(t.Context(), Login{"m", goodPass}, home)
		wantError(t, err, app.CodeForbidden, app.ReasonAccountStatus, text)
		_, err = f.Login(t.Context(), Login{"m", "Wrong1!!"}, home)
		wantError(t, err, app.CodeUnauthenticated, app.ReasonBadCredentials, "Invalid credentials")
	}
	if err := f.SetStatus(t.Context(), "m", app.StatusActive); err != nil {
		t.Fatal(err)
	}
	f.login("m")
	wantError(t, f.SetStatus(t.Context(), "m", "Nonsense"), app.CodeInvalid, app.ReasonInvalidAccount, "")
	wantError(t, f.SetStatus(t.Context(), "nobody", app.StatusActive), app.CodeNotFound, app.ReasonUserNotFound, "User not found")
}

// outcomes counts the logins of a service by how they ended.
func outcomes(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, fam := range families {
		if fam.GetName() != "defarm_logins_total" {
			continue
		}
		for _, m := range fam.GetMetric() {
			out[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
		}
	}
	return out
}

func TestVerifiedLoginsSkipBcryptUntilSomethingChanges(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	f := newFixture(t, func(c *Config) { c.Metrics = reg })
	f.user("m")
	step := func(name string, cached bool) {
		t.Helper()
		before := outcomes(t, reg)
		f.login("m")
		after := outcomes(t, reg)
		if got := after[outcomeCached] > before[outcomeCached]; got != cached {
			t.Errorf("%s: answered from memory %v, want %v", name, got, cached)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	step("first", false)
	step("second", true)
	f.clock.advance(5 * time.Minute)
	step("after the TTL", false)
	step("remembered again", true)
	must(f.SetStatus(t.Context(), "m", app.StatusSuspended))
	_, err := f.Login(t.Context(), Login{"m", goodPass}, home)
	wantError(t, err, app.CodeForbidden, app.ReasonAccountStatus, "")
	must(f.SetStatus(t.Context(), "m", app.StatusActive))
	step("after a suspension", false)
	step("remembered again", true)
	must(f.SetPassword(t.Context(), "m", "Other1!!"))
	_, err = f.Login(t.Context(), Login{"m", goodPass}, home)
	wantError(t, err, app.CodeUnauthenticated, app.ReasonBadCredentials, "")
	must(f.SetPassword(t.Context(), "m", goodPass))
	step("after a change and back", false)
	must(f.Logout(t.Context(), actorOf(f.row("m"))))
	step("after a logout", false)
	again := fixtureOn(t, f.db)
	again.login("m")
	if _, err := again.Login(t.Context(), Login{"m", "Wrong1!!"}, home); err == nil {
		t.Error("a wrong password passes")
	}
}

func TestVerifiedLoginsAreBoundedAndCanBeOff(t *testing.T) {
	t.Parallel()
	v := newVerifiedLogins(make([]byte, 32), time.Minute, 100)
	for i := range 10_000 {
		v.add(&app.User{ID: fmt.Sprint(i)}, "x", t0)
	}
	if n := len(v.proven); n > 100 {
		t.Errorf("%d remembered, want at most 100", n)
	}
	a, b := &app.User{ID: "a", PasswordHash: "bc"}, &app.User{ID: "ab", PasswordHash: "c"}
	if v.mark(a, "d") == v.mark(b, "d") || v.mark(a, "d") == v.mark(a, "e") {
		t.Error("two accounts or passwords have one mark")
	}
	other := newVerifiedLogins(append(make([]byte, 31), 1), time.Minute, 100)
	if v.mark(a, "d") == other.mark(a, "d") {
		t.Error("the mark does not depend on the key")
	}
	off := newVerifiedLogins(make([]byte, 32), 0, 100)
	off.add(a, "d", t0)
	if off.has(a, "d", t0) || len(off.proven) != 0 {
		t.Error("something is remembered although it is off")
	}
}

func TestLastLoginIsStoredOncePerMinuteAtMost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.user("m")
	f.login("m")
	if got := f.row("m").LastLogin; !got.Equal(t0) {
		t.Errorf("last login %v, want %v", got, t0)
	}
	f.clock.advance(59 * time.Second)
	f.login("m")
	if got := f.row("m").LastLogin; !got.Equal(t0) {
		t.Errorf("last login after 59 s %v, want still %v", got, t0)
	}
	f.clock.advance(time.Second)
	f.login("m")
	if got, want := f.row("m").LastLogin, t0.Add(time.Minute); !got.Equal(want) {
		t.Errorf("last login after 60 s %v, want %v", got, want)
	}
}

func TestRefreshAndLogout(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	who := f.user("m")
	first := f.login("m")
	f.clock.advance(time.Hour)
	second, err := f.Refresh(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	if want := first.ExpiresAt.Add(time.Hour); !second.ExpiresAt.Equal(want) {
		t.Errorf("expiry %v, want %v", second.ExpiresAt, want)
	}
	for i, s := range []Session{first, second} {
		if _, err := f.ByToken(t.Context(), s.Token); err != nil {
			t.Errorf("token %d: %v", i, err)
		}
	}
	text, _ := f.key(who, NewKey{})
	if err := f.Logout(t.Context(), who); err != nil {
		t.Fatal(err)
	}
	for i, s := range []Session{first, second} {
		if _, err := f.ByToken(t.Context(), s.Token); app.ReasonOf(err) != app.ReasonInvalidToken {
			t.Errorf("token %d after logout: %v, want void", i, err)
		}
	}
	if _, err := f.ByKey(t.Context(), text, KeyUse{}); err != nil {
		t.Errorf("key after logout: %v", err)
	}
	if _, err := f.ByToken(t.Context(), f.login("m").Token); err != nil {
		t.Errorf("new login after logout: %v", err)
	}
	if err := f.SetStatus(t.Context(), "m", app.StatusBanned); err != nil {
		t.Fatal(err)
	}
	_, err = f.Refresh(t.Context(), who)
	wantError(t, err, app.CodeForbidden, app.ReasonAccountStatus, "")
}

// tokenOfTheOriginal has no generation; it is built by hand.
func tokenOfTheOriginal(user string, exp int64) string {
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64([]byte(`{"typ":"JWT","alg":"HS256"}`)) + "." +
		b64(fmt.Appendf(nil, `{"user_id":%q,"workspace_id":null,"exp":%d}`, user, exp))
	mac := hmac.New(sha256.New, []byte(testSecret))
	mac.Write([]byte(text))
	return text + "." + b64(mac.Sum(nil))
}

func TestTokensOfTheOriginalAreJudgedByTheirAge(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	who := f.user("m")
	day := int64(86_400)
	old := tokenOfTheOriginal(who.UserID, t0.Unix()-3600+day) // issued an hour ago
	if _, err := f.ByToken(t.Context(), old); err != nil {
		t.Fatalf("token of the original: %v", err)
	}
	if err := f.Logout(t.Context(), who); err != nil {
		t.Fatal(err)
	}
	if _, err := f.ByToken(t.Context(), old); app.ReasonOf(err) != app.ReasonInvalidToken {
		t.Errorf("after logout: %v, want void", err)
	}
	same := tokenOfTheOriginal(who.UserID, t0.Unix()+day) // in the second of the logout: in doubt, void
	if _, err := f.ByToken(t.Context(), same); app.ReasonOf(err) != app.ReasonInvalidToken {
		t.Errorf("of the same second: %v, want void", err)
	}
	next := tokenOfTheOriginal(who.UserID, t0.Unix()+1+day)
	if _, err := f.ByToken(t.Context(), next); err != nil {
		t.Errorf("issued after the logout: %v", err)
	}
	_, err := f.ByToken(t.Context(), tokenOfTheOriginal("user-gone", t0.Unix()+day))
	wantError(t, err, app.CodeNotFound, app.ReasonUserNotFound, "User not found")
}

// record keeps what a logger was given.
type record struct {
	mu    sync.Mutex
	lines []string
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, string(p))
	return len(p), nil
}

func TestStagesAreMeasured(t *testing.T) {
	t.Parallel()
	reg, out := prometheus.NewRegistry(), &record{}
	f := newFixture(t, func(c *Config) {
		c.Metrics = reg
		c.Logger = slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	f.user("canary-name")
	f.login("canary-name")
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]uint64{}
	for _, fam := range families {
		if fam.GetName() == "defarm_login_stage_seconds" {
			for _, m := range fam.GetMetric() {
				seen[m.GetLabel()[0].GetValue()] = m.GetHistogram().GetSampleCount()
			}
		}
	}
	if len(out.lines) != 1 {
		t.Fatalf("%d log lines, want 1: %q", len(out.lines), out.lines)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(out.lines[0]), &line); err != nil {
		t.Fatal(err)
	}
	for _, stage := range []string{"acquire_storage", "get_user_by_username", "bcrypt_verify", "store_user_account"} {
		if seen[stage] != 1 {
			t.Errorf("stage %s observed %d times, want 1", stage, seen[stage])
		}
		if _, ok := line[stage]; !ok {
			t.Errorf("log line has no %s: %v", stage, line)
		}
	}
	if text := out.lines[0]; strings.Contains(text, "canary-name") || strings.Contains(text, goodPass) {
		t.Errorf("log line repeats what was typed: %s", text)
	}
}

func TestLoginGivesUpWithItsCaller(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.user("m")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Login(ctx, Login{"m", goodPass}, home); !isContext(err) {
		t.Errorf("error %v, want the context's", err)
	}
}

func BenchmarkLogin(b *testing.B) {
	f := newFixture(b)
	f.user("m")
	hash := f.row("m").PasswordHash
	b.Run("raw bcrypt", func(b *testing.B) {
		for b.Loop() {
			if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(goodPass)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("first", func(b *testing.B) {
		cold := fixtureOn(b, f.db, func(c *Config) { c.VerifiedLoginTTL = 0 })
		for b.Loop() {
			cold.login("m")
		}
	})
	b.Run("again", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				f.login("m")
			}
		})
	})
}

func BenchmarkByToken(b *testing.B) {
	f := newFixture(b)
	f.user("m")
	raw := f.login("m").Token
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.ByToken(b.Context(), raw); err != nil {
			b.Fatal(err)
		}
	}
}
