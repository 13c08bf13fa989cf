package mail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/defarm-repo/defarm/app"
)

var letter = app.Mail{
	To: "maria@example.org", ToName: "Maria Açaí\r\nBcc: evil@example.org", Subject: "Reset Your Password\r\nX-Evil: 1",
	Text: "token abc\nhttps://farm.example.org/reset-password?token=" + letterToken, HTML: "<p>token abc</p>",
}

const letterToken = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// send delivers one mail and closes the sender. It gives the log and the counts
// by provider and outcome.
func send(t *testing.T, o Options) (log string, outcomes map[string]float64) {
	t.Helper()
	var out bytes.Buffer
	o.Logger = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.FromEmail, o.FromName = "farm@example.org", "DeFarm"
	o.Pause = time.Microsecond
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), letter); app.ReasonOf(err) != app.ReasonShuttingDown {
		t.Errorf("after Close: got %v, want that it is over", err)
	}
	return out.String(), counts(t, s)
}

func counts(t *testing.T, s *Sender) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.outcomes)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string // sorted by their names: outcome, provider
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			found[strings.Join(labels, " ")] = m.GetCounter().GetValue()
		}
	}
	return found
}

// wantLetter reads a message as a mail program does.
func wantLetter(t *testing.T, raw []byte) {
	t.Helper()
	msg, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	to, err := msg.Header.AddressList("To")
	if err != nil || len(to) != 1 || to[0].Address != letter.To {
		t.Errorf("to: got %v (%v)", to, err)
	}
	if got := msg.Header.Get("Bcc") + msg.Header.Get("X-Evil"); got != "" {
		t.Errorf("a name or a subject has made a header: %q", got)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
	if err != nil || !strings.HasPrefix(subject, "Reset Your Password") {
		t.Errorf("subject: got %q (%v)", subject, err)
	}
	body, err := io.ReadAll(msg.Body)
	if err != nil || !strings.Contains(string(body), "token abc") || !strings.Contains(string(body), "<p>token abc</p>") ||
		!strings.HasPrefix(msg.Header.Get("Content-Type"), "multipart/alternative") {
		t.Errorf("body: got %q (%v), want both parts", body, err)
	}
}

func wantOutcome(t *testing.T, provider string, sent bool, log string, outcomes map[string]float64) {
	t.Helper()
	want := map[string]float64{"sent " + provider: 1}
	if !sent {
		want = map[string]float64{"failed " + provider: 1}
	}
	if diff := cmp.Diff(want, outcomes); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s\nlog: %s", diff, log)
	}
	if told := strings.Contains(log, "a mail was not delivered"); told == sent {
		t.Errorf("sent %t, but the log says %s", sent, log)
	}
}

func wantPrivate(t *testing.T, log string) {
	t.Helper()
	for _, private := range []string{"maria@example.org", letterToken, "token abc", "evil", "secret-key"} {
		if strings.Contains(strings.ToLower(log), private) {
			t.Errorf("the log holds %q: %s", private, log)
		}
	}
}

// apiPeer is a mail API that answers with the statuses that it is told, then
// with 202.
type apiPeer struct {
	url string

	mu       sync.Mutex
	statuses []int
	bodies   []map[string]any
	paths    []string
}

func startAPI(t *testing.T, statuses ...int) *apiPeer {
	t.Helper()
	p := &apiPeer{statuses: statuses}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(p.note(r, body))
		fmt.Fprintf(w, `{"message":"about %s"}`, letter.To)
	}))
	p.url = srv.URL
	t.Cleanup(srv.Close)
	return p
}

func (p *apiPeer) note(r *http.Request, body map[string]any) (status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bodies = append(p.bodies, body)
	p.paths = append(p.paths, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization")+" "+r.Header.Get("Content-Type"))
	if n := len(p.bodies); n <= len(p.statuses) {
		return p.statuses[n-1]
	}
	return http.StatusAccepted
}

func TestAPIs(t *testing.T) {
	t.Parallel()
	paths := map[string]string{
		"mailersend": "POST /v1/email Bearer secret-key application/json",
		"sendgrid":   "POST /v3/mail/send Bearer secret-key application/json",
	}
	tests := map[string]struct {
		statuses []int
		requests int
		sent     bool
	}{
		"at once":          {nil, 1, true},
		"after a fault":    {[]int{500, 429, 408}, 4, true},
		"never":            {[]int{500, 502, 503, 504, 202}, attempts, false},
		"refused for good": {[]int{422, 202}, 1, false},
		"bad key":          {[]int{401, 202}, 1, false},
		"a redirect":       {[]int{302, 302, 302, 302}, attempts, false},
	}
	for provider, path := range paths {
		for name, tc := range tests {
			t.Run(provider+" "+name, func(t *testing.T) {
				t.Parallel()
				api := startAPI(t, tc.statuses...)
				log, outcomes := send(t, Options{Provider: provider, APIKey: "secret-key", APIURL: api.url})
				wantOutcome(t, provider, tc.sent, log, outcomes)
				if diff := cmp.Diff(slices.Repeat([]string{path}, tc.requests), api.paths); diff != "" {
					t.Errorf("requests (-want +got):\n%s", diff)
				}
				wantAPIBody(t, provider, api.bodies[0])
				wantPrivate(t, log)
			})
		}
	}
}

func wantAPIBody(t *testing.T, provider string, body map[string]any) {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"mailersend": `{"from":{"email":"farm@example.org","name":"DeFarm"},"html":"\u003cp\u003etoken abc\u003c/p\u003e","subject":"Reset Your Password  X-Evil: 1","text":"token abc\nhttps://farm.example.org/reset-password?token=` + letterToken + `","to":[{"email":"maria@example.org","name":"Maria Açaí  Bcc: evil@example.org"}]}`,
		"sendgrid":   `{"content":[{"type":"text/plain","value":"token abc\nhttps://farm.example.org/reset-password?token=` + letterToken + `"},{"type":"text/html","value":"\u003cp\u003etoken abc\u003c/p\u003e"}],"from":{"email":"farm@example.org","name":"DeFarm"},"personalizations":[{"to":[{"email":"maria@example.org","name":"Maria Açaí  Bcc: evil@example.org"}]}],"subject":"Reset Your Password  X-Evil: 1"}`,
	}
	if string(raw) != want[provider] {
		t.Errorf("body: got %s, want %s", raw, want[provider])
	}
}

// When MailerSend fails, whatever the reason, the mail server is tried at once,
// with the whole time of an attempt. What refuses for good is not asked again,
// the other way is.
func TestFallback(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		statuses           []int // of MailerSend
		answers            []string
		by                 string // "": nobody
		requests, sessions int
	}{
		"MailerSend takes it":           {nil, nil, "mailersend", 1, 0},
		"MailerSend refuses":            {[]int{401}, nil, "smtp", 1, 1},
		"MailerSend is down":            {[]int{500}, nil, "smtp", 1, 1},
		"both for the moment":           {[]int{500}, []string{"451 later"}, "mailersend", 2, 1},
		"the server refuses":            {[]int{500, 500}, []string{"550 no"}, "mailersend", 3, 1},
		"MailerSend refuses, then SMTP": {[]int{422}, []string{"451 later", "451 later"}, "smtp", 1, 3},
		"both refuse":                   {[]int{422}, []string{"550 no"}, "", 1, 1},
		"both are down":                 {[]int{500, 500, 500, 500}, slices.Repeat([]string{"451 later"}, attempts), "", attempts, attempts},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			peer, api := startSMTP(t, map[string][]string{"RCPT": tc.answers}), startAPI(t, tc.statuses...)
			o := peer.options("none")
			o.Provider, o.APIKey, o.APIURL = "mailersend", "secret-key", api.url
			log, outcomes := send(t, o)
			peer.close()
			by := tc.by
			if by == "" {
				by = "mailersend"
			}
			wantOutcome(t, by, tc.by != "", log, outcomes)
			if len(api.bodies) != tc.requests || peer.opened != tc.sessions {
				t.Errorf("got %d requests and %d sessions, want %d and %d; log %s", len(api.bodies), peer.opened, tc.requests, tc.sessions, log)
			}
			if wantMails := min(1, strings.Count(tc.by, "smtp")); len(peer.messages) != wantMails {
				t.Errorf("messages: got %d, want %d", len(peer.messages), wantMails)
			}
			wantPrivate(t, log)
		})
	}
}

// silent is a provider that uses its time up, if it is told to. It notes until when
// it had time.
type silent struct {
	waits bool
	until time.Time
}

func (p *silent) deliver(ctx context.Context, _ app.Mail) error {
	p.until, _ = ctx.Deadline()
	if !p.waits {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

// A first way that says nothing leaves the second one its own time.
func TestFallbackHasItsTime(t *testing.T) {
	t.Parallel()
	s, err := New(Options{Provider: "log", Timeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	first, second := &silent{waits: true}, &silent{}
	s.ways = []way{{"first", first}, {"second", second}}
	if err := s.Send(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]float64{"sent second": 1}, counts(t, s)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if !second.until.After(first.until) {
		t.Errorf("the second has time until %v, the first had it until %v", second.until, first.until)
	}
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mails")
	for n := 1; n <= 2; n++ {
		log, outcomes := send(t, Options{Provider: "directory", Directory: dir})
		wantOutcome(t, "directory", true, log, outcomes)
		wantPrivate(t, log)
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != n { // nothing half-written is left either
			t.Fatalf("files: got %v (%v), want %d", entries, err, n)
		}
		for _, e := range entries {
			file := filepath.Join(dir, e.Name())
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			wantLetter(t, raw)
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || filepath.Ext(file) != ".eml" {
				t.Errorf("%s: mode %v (%v), want an .eml of 0600", file, info.Mode(), err)
			}
		}
	}
}

// A directory that goes away is a failure like any other.
func TestDirectoryGone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mails")
	s, err := New(Options{Provider: "directory", Directory: dir, Pause: time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]float64{"failed directory": 1}, counts(t, s)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

func TestLogShowsTheMail(t *testing.T) {
	t.Parallel()
	log, outcomes := send(t, Options{Provider: "log"})
	wantOutcome(t, "log", true, log, outcomes)
	for _, shown := range []string{letterToken, letter.To, "level=INFO"} {
		if !strings.Contains(log, shown) {
			t.Errorf("log: got %s, want %s in it", log, shown)
		}
	}
}

// Without a provider mails are taken as always, and one warning says that they go
// nowhere.
func TestMailIsOff(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s, err := New(Options{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.Send(t.Context(), letter); err != nil {
			t.Errorf("send: %v", err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "level=WARN"); n != 1 || !strings.Contains(out.String(), "mail is off") {
		t.Errorf("warnings: got %d, want 1: %s", n, out.String())
	}
	if diff := cmp.Diff(map[string]float64{"dropped none": 3}, counts(t, s)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	wantPrivate(t, out.String())
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{Provider: "pigeon"}); err == nil {
		t.Error("an unknown provider was accepted")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Provider: "directory", Directory: file}); err == nil {
		t.Error("a file was accepted as a directory")
	}
	registry := prometheus.NewRegistry()
	first, err := New(Options{Metrics: registry})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Metrics: registry}); err == nil {
		t.Error("two senders share one registry")
	}
	for range 2 { // closing again is harmless
		if err := first.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	second, err := New(Options{Metrics: registry})
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	if err := second.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// An address that is none is refused without a word of it in the log, and
// without a second try.
func TestBadRecipient(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"", "nobody-at-all", `"quo"ted`, "a@b\r\nBcc: evil@example.org", "<a@b>, <evil@example.org>"} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			peer := startSMTP(t, nil)
			o := peer.options("none")
			o.FromEmail, o.Logger = "farm@example.org", slog.New(slog.NewTextHandler(&out, nil))
			s, err := New(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Send(t.Context(), app.Mail{To: to, Subject: "Reset", Text: "text"}); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			peer.close()
			if peer.opened != 0 || (to != "" && strings.Contains(out.String(), to)) {
				t.Errorf("sessions %d, messages %q, log %s", peer.opened, peer.messages, out.String())
			}
			if diff := cmp.Diff(map[string]float64{"failed smtp": 1}, counts(t, s)); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
		})
	}
}

// A full queue refuses, and Close gives up what a provider does not end.
func TestBounds(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{}, 8)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		// Read, so that the server notices when the client goes.
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		entered <- struct{}{}
		<-r.Context().Done()
	}))
	defer srv.Close()
	s, err := New(Options{Provider: "sendgrid", APIURL: srv.URL, Queue: 1, Pause: time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	<-entered // it is being delivered; the queue is empty
	if err := s.Send(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), letter); app.ReasonOf(err) != app.ReasonMailBusy {
		t.Errorf("with a full queue: got %v, want busy", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
	// Both that were given up, and the one that was refused.
	if diff := cmp.Diff(map[string]float64{"failed sendgrid": 2, "dropped sendgrid": 1}, counts(t, s)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

// What is sent while the sender is closed is either taken and delivered or
// refused, never lost.
func TestCloseLosesNothing(t *testing.T) {
	t.Parallel()
	api := startAPI(t)
	s, err := New(Options{Provider: "sendgrid", APIURL: api.url, Queue: 64})
	if err != nil {
		t.Fatal(err)
	}
	var taken atomic.Int64
	var senders sync.WaitGroup
	for range 32 {
		senders.Go(func() {
			if s.Send(context.Background(), letter) == nil {
				taken.Add(1)
			}
		})
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	senders.Wait()
	if got := int64(len(api.bodies)); got != taken.Load() {
		t.Errorf("delivered: got %d, want the %d that were taken", got, taken.Load())
	}
}

// No connection to the API is left behind.
func TestCloseEndsConnections(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{}, 1)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	srv.Start()
	defer srv.Close()
	log, outcomes := send(t, Options{Provider: "sendgrid", APIURL: srv.URL})
	wantOutcome(t, "sendgrid", true, log, outcomes)
	giveUp := time.NewTimer(30 * time.Second)
	defer giveUp.Stop()
	select {
	case <-closed:
	case <-giveUp.C:
		t.Error("the connection is still open")
	}
}

func TestScrub(t *testing.T) {
	t.Parallel()
	m := app.Mail{To: "Maria@example.org", ToName: "maria", Text: "Hello maria,\nhttps://f.example/reset-password?token=" + letterToken}
	tests := map[string]struct{ err, want string }{
		"nothing private":   {"dial tcp: refused", "dial tcp: refused"},
		"the address":       {"550 <maria@EXAMPLE.org> unknown", "550 <…> unknown"},
		"the token":         {"554 bad link token=" + strings.ToUpper(letterToken) + " here", "554 bad link token=… here"},
		"a name that short": {"550 maria unknown", "550 maria unknown"},
		"a long answer":     {strings.Repeat("x", longestError+1), strings.Repeat("x", longestError) + "…"},
		"cut inside a rune": {strings.Repeat("x", longestError-1) + "éé", strings.Repeat("x", longestError-1) + "…"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, scrub(errors.New(tc.err), m)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if got := scrub(errors.New("a b"), app.Mail{}); got != "a b" {
		t.Errorf("without an address: got %q", got)
	}
}
