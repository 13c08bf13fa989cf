package identity

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/password"
)

// mailbox keeps mails. While it is told to fail, it takes none.
type mailbox struct {
	mu    sync.Mutex
	mails []app.Mail
	fail  error
}

func (b *mailbox) Send(_ context.Context, m app.Mail) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail == nil {
		b.mails = append(b.mails, m)
	}
	return b.fail
}

// activityStore notes the activities that are written, and can refuse them.
type activityStore struct {
	app.Store
	mu    sync.Mutex
	noted []app.UserActivity
	fail  error
}

func (s *activityStore) Write(ctx context.Context, fn func(app.Tx) error) error {
	return s.Store.Write(ctx, func(tx app.Tx) error { return fn(activityTx{tx, s}) })
}

type activityTx struct {
	app.Tx
	s *activityStore
}

func (tx activityTx) Activities() app.ActivityRows { return activityRows{tx.Tx.Activities(), tx.s} }

type activityRows struct {
	app.ActivityRows
	s *activityStore
}

func (r activityRows) InsertUser(a app.UserActivity) error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if r.s.fail != nil {
		return r.s.fail
	}
	r.s.noted = append(r.s.noted, a)
	return r.ActivityRows.InsertUser(a)
}

func (s *activityStore) setFailure(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// resetFixture is a service with a mailbox and the account maria.
type resetFixture struct {
	*fixture
	box   *mailbox
	store *activityStore
	log   *bytes.Buffer
}

func newResets(t *testing.T, edits ...func(*Config)) *resetFixture {
	t.Helper()
	f := &resetFixture{box: &mailbox{}, log: &bytes.Buffer{}}
	base := openDB(t, true)
	f.store = &activityStore{Store: base}
	f.fixture = &fixture{t: t, db: base, clock: &clock{now: t0}}
	f.pool = password.NewPool(password.Options{Workers: 2, Queue: 1024, Cost: 4})
	t.Cleanup(f.pool.Close)
	cfg := Config{
		JWTSecret: []byte(testSecret), UsageFlush: time.Hour,
		Reset:  ResetConfig{Mailer: f.box},
		Logger: slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, edit := range edits {
		edit(&cfg)
	}
	var err error
	env := app.Env{Now: f.clock.Now, NewID: uuid.New, Random: rand.Reader}
	if f.Service, err = New(f.store, env, f.pool, cfg); err != nil {
		t.Fatalf("new service: %v", err)
	}
	t.Cleanup(f.finish)
	f.user("maria")
	return f
}

// finish waits until everything that was asked for has been looked into.
func (f *resetFixture) finish() {
	f.t.Helper()
	if err := f.Close(); err != nil {
		f.t.Errorf("close service: %v", err)
	}
}

// give makes a token at once, without the queue.
func (f *resetFixture) give(name string) string {
	f.t.Helper()
	token, err := f.newReset(f.t.Context(), f.row(name), resetRequest{from: home, at: f.clock.Now()})
	if err != nil || token == "" {
		f.t.Fatalf("token for %s: got %q, %v", name, token, err)
	}
	return token
}

// stored is the row of a token; nil when there is none.
func (f *resetFixture) stored(token string) *app.PasswordReset {
	f.t.Helper()
	raw, err := hex.DecodeString(token)
	if err != nil {
		f.t.Fatal(err)
	}
	var row *app.PasswordReset
	err = f.db.Read(f.t.Context(), func(r app.Reader) (err error) {
		row, err = r.PasswordResets().ByHash(hashReset(raw))
		return err
	})
	if err != nil && app.ReasonOf(err) != app.ReasonResetToken {
		f.t.Fatal(err)
	}
	return row
}

func TestResetMail(t *testing.T) {
	t.Parallel()
	const token = "ab12"
	tests := []struct {
		name, user, frontend string
		text, html, notHTML  string
	}{
		{"a link", "maria", "https://farm.example.org", "\nhttps://farm.example.org/reset-password?token=ab12\n", `href="https://farm.example.org/reset-password?token=ab12"`, "Your reset token"},
		{"a slash at the end", "maria", "https://farm.example.org/app/", "\nhttps://farm.example.org/app/reset-password?token=ab12\n", `href="https://farm.example.org/app/reset-password?token=ab12"`, "Your reset token"},
		{"the token alone", "maria", "", "Your reset token: ab12\n", "<code>ab12</code>", "href"},
		{"a name of HTML", `<script>alert("x")</script>&`, "", `Hello <script>alert("x")</script>&,`, "Hello &lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;&amp;,", "<script"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m, err := resetMail(&app.User{Username: tc.user, Email: "maria@example.org"}, tc.frontend, token)
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range []struct{ what, text, want string }{
				{"subject", m.Subject, "Reset Your Password"}, {"to", m.To + " " + m.ToName, "maria@example.org " + tc.user},
				{"text", m.Text, tc.text}, {"text", m.Text, "30 minutes"}, {"HTML", m.HTML, tc.html}, {"HTML", m.HTML, "30 minutes"},
			} {
				if !strings.Contains(part.text, part.want) {
					t.Errorf("%s: got %q, want %q in it", part.what, part.text, part.want)
				}
			}
			if strings.Contains(m.HTML, tc.notHTML) {
				t.Errorf("HTML: got %q, want no %q in it", m.HTML, tc.notHTML)
			}
		})
	}
}

// Whom a request finds, and that the mail address counts when both are given.
func TestForgotFinds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		in   Forgotten
		to   string // "": nobody
	}{
		{"a name", Forgotten{Username: "maria"}, "maria@example.org"},
		{"a name in other letters with blanks", Forgotten{Username: "\t MARIA "}, "maria@example.org"},
		{"a mail address", Forgotten{Email: "maria@example.org"}, "maria@example.org"},
		{"a mail address in other letters with blanks", Forgotten{Email: " Maria@EXAMPLE.org\n"}, "maria@example.org"},
		{"both: the address counts", Forgotten{Email: "maria@example.org", Username: "paul"}, "maria@example.org"},
		{"both: an unknown address", Forgotten{Email: "nobody@example.org", Username: "maria"}, ""},
		{"an unknown name", Forgotten{Username: "nobody"}, ""},
		{"a mail address as a name", Forgotten{Username: "maria@example.org"}, ""},
		{"a name that cannot be", Forgotten{Username: "maria\x00"}, ""},
		{"an address that cannot be", Forgotten{Email: "maria@example.org\x00"}, ""},
		{"a long name", Forgotten{Username: strings.Repeat("x", 1<<20)}, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newResets(t)
			f.user("paul")
			if err := f.ForgotPassword(tc.in, home); err != nil {
				t.Fatal(err)
			}
			f.finish()
			var to []string
			for _, m := range f.box.mails {
				to = append(to, m.To)
			}
			want := strings.Fields(tc.to)
			if diff := cmp.Diff(want, append([]string{}, to...)); diff != "" {
				t.Errorf("mails to (-want +got):\n%s", diff)
			}
			if log := f.log.String(); log != "" {
				t.Errorf("log: got %s, want none", log)
			}
		})
	}
}

// What is stored: the hash of the token's bytes, its times, and who asked.
func TestResetIsStored(t *testing.T) {
	t.Parallel()
	f := newResets(t)
	if err := f.ForgotPassword(Forgotten{Username: "maria"}, home); err != nil {
		t.Fatal(err)
	}
	f.clock.advance(time.Minute) // looked into later: the life began when it was asked for
	f.finish()
	if len(f.box.mails) != 1 {
		t.Fatalf("mails: got %d, want 1", len(f.box.mails))
	}
	token := regexp.MustCompile(`\b[0-9a-f]{64}\b`).FindString(f.box.mails[0].Text)
	got := f.stored(token)
	if got == nil {
		t.Fatalf("no row for the token %q", token)
	}
	want := &app.PasswordReset{
		ID: got.ID, UserID: "user-maria", Hash: got.Hash, CreatedAt: t0, ExpiresAt: t0.Add(30 * time.Minute),
		Address: "192.0.2.1", Agent: "test/1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
	wantDeeds(t, f, "forgot_password")
}

func wantDeeds(t *testing.T, f *resetFixture, want ...string) {
	t.Helper()
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	var got []string
	for _, a := range f.store.noted {
		got = append(got, a.Action)
		if a.UserID != "user-maria" || a.Category != "Authentication" || !a.Success || a.Address != "192.0.2.1" {
			t.Errorf("activity: got %+v", a)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("activities (-want +got):\n%s", diff)
	}
}

// BLAKE3 over the 32 bytes, not over their digits (contract 01 §5.3).
func TestHashReset(t *testing.T) {
	t.Parallel()
	const want = "2ada83c1819a5372dae1238fc1ded123c8104fdaa15862aaee69428a1820fcda"
	if got := hashReset(make([]byte, resetBytes)); got != want {
		t.Errorf("hash of zeros: got %s, want %s", got, want)
	}
}

// How often may be asked: under a name however it is written, from an address,
// and for an account by all its names together; a window's time later again.
func TestForgotLimits(t *testing.T) {
	t.Parallel()
	f := newResets(t, func(c *Config) { c.Reset.PerHour = 2 })
	ask := func(in Forgotten, address string) error {
		return f.ForgotPassword(in, Client{Address: netip.MustParseAddr(address)})
	}
	for _, name := range []string{"maria", " MARIA"} {
		if err := ask(Forgotten{Username: name}, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	f.clock.advance(time.Minute)
	const text = "Too many password reset requests. Please try again later."
	e := wantError(t, ask(Forgotten{Username: "Maria"}, "192.0.2.2"), app.CodeRateLimited, app.ReasonResetThrottled, text)
	if e.RetryAfter != 59*60 {
		t.Errorf("retry after: got %d s, want %d", e.RetryAfter, 59*60)
	}
	// Another name of the account is let in and gets no mail, see below.
	if err := ask(Forgotten{Email: "maria@example.org"}, "192.0.2.2"); err != nil {
		t.Errorf("by the mail address: %v", err)
	}
	// With a name beside it the address counts all the same.
	if err := ask(Forgotten{Email: "MARIA@example.org", Username: "anything"}, "192.0.2.2"); err != nil {
		t.Errorf("by the mail address again: %v", err)
	}
	wantError(t, ask(Forgotten{Email: "maria@example.org", Username: "something else"}, "192.0.2.2"), app.CodeRateLimited, app.ReasonResetThrottled, text)
	for n := range 2 * resetsPerAddress {
		if err := ask(Forgotten{Username: fmt.Sprint("nobody", n)}, "192.0.2.3"); err != nil {
			t.Fatalf("name %d from one address: %v", n, err)
		}
	}
	wantError(t, ask(Forgotten{Username: "one more"}, "192.0.2.3"), app.CodeRateLimited, app.ReasonResetThrottled, text)
	if err := ask(Forgotten{Username: "one more"}, "192.0.2.4"); err != nil {
		t.Errorf("from another address: %v", err)
	}
	f.clock.advance(time.Hour + time.Second)
	if err := ask(Forgotten{Username: "maria"}, "192.0.2.2"); err != nil {
		t.Errorf("an hour later: %v", err)
	}
	f.finish()
	if got := len(f.box.mails); got != 3 { // two, and one an hour later
		t.Errorf("mails: got %d, want 3", got)
	}
}

// Too many requests at once are refused, and Close does not wait for a mailer
// that does not come back longer than it is told to.
func TestForgotBusy(t *testing.T) {
	t.Parallel()
	stuck := &stuckMailer{entered: make(chan struct{}, 1)}
	f := newResets(t, func(c *Config) { c.Reset = ResetConfig{Mailer: stuck, PerHour: 1000} })
	if err := f.ForgotPassword(Forgotten{Username: "maria"}, home); err != nil {
		t.Fatal(err)
	}
	<-stuck.entered // the queue is empty
	for n := range resetQueue {
		if err := f.ForgotPassword(Forgotten{Username: fmt.Sprint("nobody", n)}, home); err != nil {
			t.Fatalf("request %d: %v", n, err)
		}
	}
	wantError(t, f.ForgotPassword(Forgotten{Username: "one more"}, home), app.CodeBusy, app.ReasonMailBusy, "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.resets.close(ctx)
	if log := f.log.String(); strings.Contains(log, "maria@example.org") || strings.Contains(log, "nobody0") {
		t.Errorf("the log names somebody: %s", log)
	}
}

// stuckMailer comes back when the context ends.
type stuckMailer struct{ entered chan struct{} }

func (m *stuckMailer) Send(ctx context.Context, _ app.Mail) error {
	m.entered <- struct{}{}
	<-ctx.Done()
	return ctx.Err()
}

// A mail that is not taken is told to the log only, without the address.
func TestForgotWithoutMail(t *testing.T) {
	t.Parallel()
	f := newResets(t)
	f.box.fail = app.Busy(app.ReasonMailBusy)
	if err := f.ForgotPassword(Forgotten{Username: "maria"}, home); err != nil {
		t.Errorf("got %v, want that nothing is told", err)
	}
	f.finish()
	log := f.log.String()
	if !strings.Contains(log, "password reset not sent") || !strings.Contains(log, "user-maria") || strings.Contains(log, "maria@example.org") {
		t.Errorf("log: got %s", log)
	}
}

// A token is good until, and not at, its last instant; for one account; and what
// fails on the way uses nothing up.
func TestResetPassword(t *testing.T) {
	t.Parallel()
	f := newResets(t)
	f.user("paul")
	session := f.login("maria")
	token, paul := f.give("maria"), f.give("paul")
	f.clock.advance(resetValid - 1)
	f.store.setFailure(errors.New("full disk"))
	if err := f.ResetPassword(t.Context(), token, "N3w-Secret!", home); err == nil || app.ReasonOf(err) != "" {
		t.Fatalf("with a write that fails: got %v", err)
	}
	f.store.setFailure(nil)
	if row := f.stored(token); !row.UsedAt.IsZero() {
		t.Errorf("a failed reset has used the token up at %v", row.UsedAt)
	}
	f.login("maria")
	if err := f.ResetPassword(t.Context(), token, "N3w-Secret!", home); err != nil {
		t.Fatal(err)
	}
	if row := f.stored(token); !row.UsedAt.Equal(f.clock.Now()) {
		t.Errorf("used at: got %v, want %v", row.UsedAt, f.clock.Now())
	}
	if row := f.stored(paul); !row.UsedAt.IsZero() {
		t.Errorf("the token of somebody else was used up at %v", row.UsedAt)
	}
	if got := f.row("maria").UpdatedAt; !got.Equal(f.clock.Now()) {
		t.Errorf("updated at: got %v, want %v", got, f.clock.Now())
	}
	if _, err := f.ByToken(t.Context(), session.Token); err == nil {
		t.Error("a session outlived the reset")
	}
	f.clock.advance(1)
	wantError(t, f.ResetPassword(t.Context(), paul, "N3w-Secret!", home), app.CodeInvalid, app.ReasonResetToken, "Invalid or expired password reset token")
}

// Wrong tokens from one address are slowed down there, and only there.
func TestResetThrottle(t *testing.T) {
	t.Parallel()
	f := newResets(t, func(c *Config) { c.Throttle.PerAddress = 2 })
	token := f.give("maria")
	guess := func(token string, from Client) error { return f.ResetPassword(t.Context(), token, "N3w-Secret!", from) }
	for n := range 3 { // over the limit one is let through, with a pause behind it
		wantError(t, guess(fmt.Sprintf("%064x", n), home), app.CodeInvalid, app.ReasonResetToken, "")
	}
	e := wantError(t, guess(token, home), app.CodeRateLimited, app.ReasonResetThrottled, "Too many password reset requests. Please try again later.")
	if e.RetryAfter != 1 {
		t.Errorf("retry after: got %d s, want 1", e.RetryAfter)
	}
	if err := guess(token, Client{Address: netip.MustParseAddr("192.0.2.2")}); err != nil {
		t.Errorf("from another address: %v", err)
	}
}

// Tokens are remembered for an hour after they expire, however many there are.
func TestPruneResets(t *testing.T) {
	t.Parallel()
	f := newResets(t, func(c *Config) { c.Reset.PerHour = 1000 })
	tokens := []string{f.give("maria")}
	f.clock.advance(time.Second)
	later := f.give("maria")
	err := f.db.Write(t.Context(), func(tx app.Tx) error {
		for n := range 1500 { // more than one write removes
			old := &app.PasswordReset{ID: uuid.New(), UserID: "user-maria", Hash: fmt.Sprintf("%064x", n), CreatedAt: t0, ExpiresAt: t0, UsedAt: t0}
			if err := tx.PasswordResets().Insert(old); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	count := func() (n int) {
		t.Helper()
		err := f.db.Read(t.Context(), func(r app.Reader) (err error) {
			n, err = r.PasswordResets().CountSince("user-maria", t0.Add(-time.Hour))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got := count(); got != 1502 {
		t.Fatalf("rows: got %d, want 1502", got)
	}
	f.clock.advance(resetValid + resetKept - time.Second) // the first expired just an hour ago
	f.pruneResets(t.Context())
	if got := count(); got != 2 || f.stored(tokens[0]) == nil {
		t.Errorf("rows an hour after the first expired: got %d, want 2", got)
	}
	f.clock.advance(1)
	f.pruneResets(t.Context())
	if got := count(); got != 1 || f.stored(later) == nil {
		t.Errorf("rows an instant later: got %d, want the later one", got)
	}
}

func TestResetHashFailure(t *testing.T) {
	t.Parallel()
	busy := app.Busy(app.ReasonMailBusy)
	for name, err := range map[string]error{"busy": busy, "hung up": context.Canceled, "too late": context.DeadlineExceeded} {
		if got := resetHashFailure(err); !errors.Is(got, err) {
			t.Errorf("%s: got %v, want it as it was", name, got)
		}
	}
	fault := errors.New("no randomness")
	e := wantError(t, resetHashFailure(fault), app.CodeInternal, app.ReasonWeakPassword, "Failed to process password")
	if !errors.Is(e, fault) {
		t.Errorf("cause: got %v, want %v", e.Err, fault)
	}
}
