package api_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/http"
	"net/mail"
	"os"
	"path/filepath"
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

// Of 32 uses of one token at the same time exactly one succeeds.
func TestResetOnce(t *testing.T) {
	t.Parallel()
	srv, box := startWithMail(t)
	srv.User("maria")
	forgot(t, srv, `{"username":"maria"}`).WantStatus(http.StatusOK)
	_, token := box.next(t)
	statuses := make(chan int, 32)
	var all sync.WaitGroup
	for n := range 32 {
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
	if got[http.StatusOK] != 1 || got[http.StatusBadRequest] != 31 {
		t.Errorf("statuses: got %v, want one 200 and 31 × 400", got)
	}
}

// Guessing tokens is slowed down.
func TestResetGuesses(t *testing.T) {
	t.Parallel()
	srv, _ := startWithMail(t, servertest.WithConfig(func(c *server.Config) { c.Auth.Throttle.PerAddress = 5 }))
	for n := range 6 { // over the limit one is let through, with a pause behind it
		resetWith(t, srv, fmt.Sprintf("%064x", n), "N3w-Secret!").WantStatus(http.StatusBadRequest)
	}
	resetWith(t, srv, fmt.Sprintf("%064x", 9), "N3w-Secret!").WantStatus(http.StatusTooManyRequests).
		WantHeader("Retry-After", "1").WantGolden("passwordreset/too_many")
}

// stuckMailer takes a mail when it is told to, or when the server gives up.
type stuckMailer struct{ entered, release chan struct{} }

func (m stuckMailer) Send(ctx context.Context, _ app.Mail) error {
	m.entered <- struct{}{}
	select {
	case <-m.release:
	case <-ctx.Done():
	}
	return nil
}

// When too many requests wait to be looked into, the answer is 503 at once.
func TestForgotBusy(t *testing.T) {
	t.Parallel()
	box := stuckMailer{make(chan struct{}, 1), make(chan struct{})}
	srv := servertest.Start(t, servertest.Mailer(box), servertest.WithConfig(func(c *server.Config) { c.Auth.Reset.PerHour = 1000 }))
	srv.User("maria")
	forgot(t, srv, `{"username":"maria"}`).WantStatus(http.StatusOK)
	<-box.entered // the others wait for this one
	const most = 10_000
	n := 0
	for ; n < most; n++ {
		if res := forgot(t, srv, fmt.Sprintf(`{"username":"nobody%d"}`, n)); res.Status != http.StatusOK {
			res.WantStatus(http.StatusServiceUnavailable).WantHeader("Retry-After", "1").WantGolden("passwordreset/busy")
			break
		}
	}
	if n == 0 || n == most {
		t.Errorf("waiting requests: got %d, want a bounded queue", n)
	}
	close(box.release)
}

// Mails reach the configured provider, those that wait when the server ends
// included, and their tokens outlive a restart.
func TestResetByDirectory(t *testing.T) {
	t.Parallel()
	data, mails := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "mails")
	options := []servertest.Option{servertest.At(keyStart), servertest.WithConfig(func(c *server.Config) {
		c.DataDir, c.Auth.JWTSecret = data, "one secret for both lives of it!"
		c.Mail.Provider, c.Mail.Directory, c.Mail.FromEmail = "directory", mails, "farm@example.org"
		c.Auth.Reset.FrontendURL = "https://farm.example.org"
	})}
	first := servertest.Start(t, options...)
	session := first.User("maria").Token
	forgot(t, first, `{"username":"maria"}`).WantStatus(http.StatusOK)
	forgot(t, first, `{"email":"maria@example.org"}`).WantStatus(http.StatusOK)
	first.Close()

	tokens := mailedTokens(t, mails)
	if len(tokens) != 2 || tokens[0] == tokens[1] {
		t.Fatalf("tokens: got %q, want two", tokens)
	}
	second := servertest.Start(t, options...)
	old := second.Anonymous().WithToken(session)
	old.Get(t, "/api/items").WantStatus(http.StatusOK)
	resetWith(t, second, tokens[0], "N3w-Secret!").WantStatus(http.StatusOK).WantGolden("passwordreset/reset")
	old.Get(t, "/api/items").WantStatus(http.StatusUnauthorized)
	for _, token := range tokens {
		resetWith(t, second, token, "0ther-Secret!").WantStatus(http.StatusBadRequest).WantGolden("passwordreset/used")
	}
	second.Login(t, "maria", "N3w-Secret!")
}

// mailedTokens reads the mails in a directory as a mail program does, and gives
// the token in each: the same in both parts.
func mailedTokens(t *testing.T, dir string) (tokens []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`https://farm\.example\.org/reset-password\?token=([0-9a-f]{64})\b`)
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if to := m.Header.Get("To"); !strings.Contains(to, "<maria@example.org>") || m.Header.Get("Subject") != "Reset Your Password" {
			t.Errorf("headers: got %v", m.Header)
		}
		_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		for parts := multipart.NewReader(m.Body, params["boundary"]); ; {
			part, err := parts.NextPart() // decodes quoted-printable
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(part)
			if err != nil {
				t.Fatal(err)
			}
			kind, _, _ := strings.Cut(part.Header.Get("Content-Type"), ";")
			if match := link.FindSubmatch(text); match != nil {
				found[kind] = string(match[1])
			}
		}
		if len(found) != 2 || found["text/plain"] != found["text/html"] {
			t.Fatalf("tokens by part: got %v in\n%s", found, raw)
		}
		tokens = append(tokens, found["text/plain"])
	}
	return tokens
}

// Neither the token nor the address nor the password reaches the log, at any
// level and whatever becomes of the request; token and password do not reach the
// data directory in clear either.
func TestResetLeaksNothing(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var mu sync.Mutex
	logger := slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	data := filepath.Join(t.TempDir(), "data")
	srv, box := startWithMail(t, servertest.Logger(logger), servertest.WithConfig(func(c *server.Config) { c.DataDir = data }))
	srv.User("maria")
	forgot(t, srv, `{"email":"maria@example.org"}`).WantStatus(http.StatusOK)
	_, token := box.next(t)
	resetWith(t, srv, token, "N3w").WantStatus(http.StatusBadRequest)
	srv.Anonymous().Post(t, "/api/auth/reset-password", fmt.Sprintf(`{"token":[%q],"new_password":{"N3w-Secret!":1}}`, token)).
		WantStatus(http.StatusUnprocessableEntity)
	resetWith(t, srv, token, "N3w-Secret!").WantStatus(http.StatusOK)
	resetWith(t, srv, token, "N3w-Secret!").WantStatus(http.StatusBadRequest)
	srv.Close()
	raw, err := hex.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "/api/auth/reset-password") {
		t.Fatalf("the log does not show the requests: %s", log.String())
	}
	for _, secret := range []string{token, "maria@example.org", "N3w-Secret"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q:\n%s", secret, log.String())
		}
	}
	files := 0
	err = filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		for _, secret := range []string{token, string(raw), "N3w-Secret"} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s holds %q", path, secret)
			}
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("files read: %d (%v)", files, err)
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
