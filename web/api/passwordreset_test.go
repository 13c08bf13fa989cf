package api_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/web/server"
	"github.com/defarm-repo/defarm/web/servertest"
)

// mailbox keeps the mails that a server sends.
type mailbox chan app.Mail

func (b mailbox) Send(_ context.Context, m app.Mail) error {
	b <- m
	return nil
}

var resetToken = regexp.MustCompile(`[0-9a-f]{64}`)

// next waits for a mail and gives the token in it.
func (b mailbox) next(t *testing.T) (app.Mail, string) {
	t.Helper()
	giveUp := time.NewTimer(30 * time.Second)
	defer giveUp.Stop()
	select {
	case m := <-b:
		return m, resetToken.FindString(m.Text)
	case <-giveUp.C:
		t.Fatal("no mail came")
		return app.Mail{}, ""
	}
}

func startWithMail(t *testing.T, options ...servertest.Option) (*servertest.Server, mailbox) {
	t.Helper()
	box := make(mailbox, 64)
	options = append([]servertest.Option{servertest.At(keyStart), servertest.Mailer(box)}, options...)
	return servertest.Start(t, options...), box
}

func forgot(t *testing.T, srv *servertest.Server, body string) *servertest.Response {
	t.Helper()
	return srv.Anonymous().Post(t, "/api/auth/forgot-password", body)
}

func resetWith(t *testing.T, srv *servertest.Server, token, pw string) *servertest.Response {
	t.Helper()
	return srv.Anonymous().Post(t, "/api/auth/reset-password", map[string]string{"token": token, "new_password": pw})
}

func TestResetPassword(t *testing.T) {
	t.Parallel()
	srv, box := startWithMail(t, servertest.WithConfig(func(c *server.Config) { c.Auth.Reset.FrontendURL = "https://farm.example.org/" }))
	who := srv.User("maria")
	key := newKey(t, who, "")
	for range 20 { // until the cache has surely taken the account in
		who.Get(t, "/api/items").WantStatus(http.StatusOK)
	}
	forgot(t, srv, `{"username":" MARIA "}`).WantStatus(http.StatusOK).WantGolden("passwordreset/forgot")
	first, one := box.next(t)
	forgot(t, srv, `{"email":"Maria@example.org","username":"somebody else"}`).WantStatus(http.StatusOK).WantGolden("passwordreset/forgot")
	_, two := box.next(t)
	if first.To != "maria@example.org" || first.Subject != "Reset Your Password" || one == two ||
		!strings.Contains(first.Text, "https://farm.example.org/reset-password?token="+one) ||
		!strings.Contains(first.HTML, "https://farm.example.org/reset-password?token="+one) ||
		!strings.Contains(first.Text, "30 minutes") || !strings.Contains(first.HTML, "30 minutes") {
		t.Errorf("mail: got %+v", first)
	}

	// Blanks around a password are part of it, those around a token are not.
	resetWith(t, srv, " "+strings.ToUpper(one)+"\n", " N3w-Secret! ").WantStatus(http.StatusOK).WantGolden("passwordreset/reset")
	who.Get(t, "/api/items").WantStatus(http.StatusUnauthorized)
	key.Get(t, "/api/items").WantStatus(http.StatusOK)
	login := func(pw string) *servertest.Response {
		return srv.Anonymous().Post(t, "/api/auth/login", map[string]string{"username": "maria", "password": pw})
	}
	login(servertest.Password).WantStatus(http.StatusUnauthorized)
	login("N3w-Secret!").WantStatus(http.StatusUnauthorized)
	login(" N3w-Secret! ").WantStatus(http.StatusOK)
	for _, used := range []string{one, two} { // its sibling is void too
		resetWith(t, srv, used, "0ther-Secret!").WantStatus(http.StatusBadRequest).WantGolden("passwordreset/used")
	}
}

func TestResetRefuses(t *testing.T) {
	t.Parallel()
	srv, box := startWithMail(t)
	srv.User("maria")
	forgot(t, srv, `{"username":"maria"}`).WantStatus(http.StatusOK)
	_, token := box.next(t)
	tests := []struct{ golden, body string }{
		{"forgot_nothing", `{}`}, {"forgot_nothing", `{"email":" ","username":null}`},
	}
	for _, tc := range tests {
		forgot(t, srv, tc.body).WantStatus(http.StatusBadRequest).WantGolden("passwordreset/" + tc.golden)
	}
	forgot(t, srv, `{"email":7}`).WantStatus(http.StatusUnprocessableEntity)
	resets := []struct{ golden, token, password string }{
		{"no_token", " ", "short"},
		{"weak", token, "short"},
		{"weak_before_form", "zz", "short"},
		{"no_hex", "zz", "N3w-Secret!"},
		{"unknown", strings.Repeat("0", 64), "N3w-Secret!"},
		{"unknown", "00", "N3w-Secret!"},
	}
	for _, tc := range resets {
		resetWith(t, srv, tc.token, tc.password).WantStatus(http.StatusBadRequest).WantGolden("passwordreset/" + tc.golden)
	}
	srv.Anonymous().Post(t, "/api/auth/reset-password", `{"token":"x"}`).WantStatus(http.StatusUnprocessableEntity).WantGolden("passwordreset/no_password")
	srv.Advance(30 * time.Minute)
	resetWith(t, srv, token, "N3w-Secret!").WantStatus(http.StatusBadRequest).WantGolden("passwordreset/unknown")
	srv.Login(t, "maria", servertest.Password)
}

// The answer says nothing about whether there is an account, not even by its
// refusals.
func TestForgotTellsNothing(t *testing.T) {
	t.Parallel()
	srv, box := startWithMail(t)
	srv.User("maria")
	for n := range 5 {
		want := http.StatusOK
		if n >= 3 {
			want = http.StatusTooManyRequests
		}
		known := forgot(t, srv, `{"username":"maria"}`).WantStatus(want)
		unknown := forgot(t, srv, `{"username":"nobody"}`).WantStatus(want)
		if string(known.Body) != string(unknown.Body) || known.Header.Get("Retry-After") != unknown.Header.Get("Retry-After") {
			t.Errorf("try %d: the answers differ: %s and %s", n, known.Body, unknown.Body)
		}
		if want == http.StatusTooManyRequests {
			known.WantGolden("passwordreset/too_many").WantHeader("Retry-After", "3600")
		} else {
			box.next(t)
		}
	}
	// By another name of the account no more mails are sent either, and the
	// answer does not tell.
	forgot(t, srv, `{"email":"maria@example.org"}`).WantStatus(http.StatusOK)
	srv.Close() // everything that was asked for has been looked into
	if len(box) != 0 {
		t.Errorf("mails beyond the limit: got %d, want none", len(box))
	}
}

// A suspended account may reset its password and stays suspended.
func TestResetOfSuspended(t *testing.T) {
	t.Parallel()
	srv, box := startWithMail(t)
	srv.User("maria")
	if err := srv.Identity().SetStatus(t.Context(), "maria", app.StatusSuspended); err != nil {
		t.Fatal(err)
	}
	forgot(t, srv, `{"username":"maria"}`).WantStatus(http.StatusOK)
	_, token := box.next(t)
	resetWith(t, srv, token, "N3w-Secret!").WantStatus(http.StatusOK)
	srv.Anonymous().Post(t, "/api/auth/login", `{"username":"maria","password":"N3w-Secret!"}`).WantStatus(http.StatusForbidden)
}

// Of 16 uses of one token at the same time exactly one succeeds.
func TestResetOnce(t *testing.T) {
	t.Parallel()
	srv, box := startWithMail(t)
	srv.User("maria")
	forgot(t, srv, `{"username":"maria"}`).WantStatus(http.StatusOK)
	_, token := box.next(t)
	statuses := make(chan int, 16)
	var all sync.WaitGroup
	for n := range 16 {
		all.Go(func() {
			body := fmt.Sprintf(`{"token":%q,"new_password":"N3w-Secret!%d"}`, token, n)
			res, err := srv.Anonymous().Try(t.Context(), http.MethodPost, "/api/auth/reset-password", body)
			if err != nil {
				t.Error(err)
				return
			}
			statuses <- res.Status
		})
	}
	all.Wait()
	close(statuses)
	got := map[int]int{}
	for s := range statuses {
		got[s]++
	}
	if got[http.StatusOK] != 1 || got[http.StatusBadRequest] != 15 {
		t.Errorf("statuses: got %v, want one 200 and fifteen 400", got)
	}
}

// Guessing tokens is slowed down.
func TestResetGuesses(t *testing.T) {
	t.Parallel()
	srv, _ := startWithMail(t, servertest.WithConfig(func(c *server.Config) { c.Auth.Throttle.PerAddress = 5 }))
	for n := range 6 { // over the limit one is let through, with a pause behind it
		resetWith(t, srv, fmt.Sprintf("%064x", n), "N3w-Secret!").WantStatus(http.StatusBadRequest)
	}
	if res := resetWith(t, srv, fmt.Sprintf("%064x", 9), "N3w-Secret!").WantStatus(http.StatusTooManyRequests); res.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// Neither the token nor the address nor the password reaches the log or the
// database in clear.
func TestResetLeaksNothing(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var mu sync.Mutex
	logger := slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	srv, box := startWithMail(t, servertest.Logger(logger))
	srv.User("maria")
	forgot(t, srv, `{"email":"maria@example.org"}`).WantStatus(http.StatusOK)
	_, token := box.next(t)
	resetWith(t, srv, token, "N3w-Secret!").WantStatus(http.StatusOK)
	resetWith(t, srv, token, "N3w-Secret!").WantStatus(http.StatusBadRequest)
	srv.Close()
	for _, secret := range []string{token, "maria@example.org", "N3w-Secret"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q:\n%s", secret, log.String())
		}
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}
