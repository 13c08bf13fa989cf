package mail

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
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
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/defarm-repo/defarm/app"
)

var letter = app.Mail{
	To: "maria@example.org", ToName: "Maria Açaí\r\nBcc: evil@example.org", Subject: "Reset Your Password\r\nX-Evil: 1",
	Text: "token abc", HTML: "<p>token abc</p>",
}

// send delivers one mail and closes the sender. It gives the log and the counts.
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
	if err := s.Send(t.Context(), letter); o.Provider != "none" && app.ReasonOf(err) != app.ReasonShuttingDown {
		t.Errorf("after Close: got %v, want that it is over", err)
	}
	outcomes = map[string]float64{}
	for _, kind := range []string{"sent", "failed", "off", "refused"} {
		outcomes[kind] = testutil.ToFloat64(s.outcomes.WithLabelValues(kind))
	}
	return out.String(), outcomes
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

// smtpPeer is a mail server that takes one message a connection. Its answers to
// RCPT are told beforehand; after them it accepts.
type smtpPeer struct {
	t        *testing.T
	listener net.Listener
	mu       sync.Mutex
	answers  []string
	messages [][]byte
	logins   []string
	served   sync.WaitGroup
	// tls, when set, is offered by STARTTLS, and spoken from the first byte on
	// with implicit.
	tls      *tls.Config
	implicit bool
}

func startSMTP(t *testing.T, answers ...string) *smtpPeer {
	t.Helper()
	return startPeer(t, &smtpPeer{answers: answers})
}

func startPeer(t *testing.T, p *smtpPeer) *smtpPeer {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.t, p.listener = t, l
	p.served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			p.served.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.served.Wait()
	})
	return p
}

func (p *smtpPeer) options() Options {
	host, port, err := net.SplitHostPort(p.listener.Addr().String())
	if err != nil {
		p.t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		p.t.Fatal(err)
	}
	return Options{Provider: "smtp", SMTP: SMTP{Host: host, Port: n, Security: "none"}}
}

func (p *smtpPeer) serve(conn net.Conn) {
	defer conn.Close()
	if p.implicit {
		conn = tls.Server(conn, p.tls)
	}
	say := func(line string) { fmt.Fprintf(conn, "%s\r\n", line) }
	in := bufio.NewReader(conn)
	say("220 peer")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(strings.Fields(line + " x")[0]); verb {
		case "EHLO":
			if _, secure := conn.(*tls.Conn); secure {
				say("250-peer")
				say("250 AUTH PLAIN")
			} else if p.tls != nil {
				say("250-peer")
				say("250 STARTTLS")
			} else {
				say("250 peer")
			}
		case "STARTTLS":
			say("220 go on")
			conn = tls.Server(conn, p.tls)
			in = bufio.NewReader(conn)
		case "AUTH":
			p.mu.Lock()
			p.logins = append(p.logins, strings.TrimSpace(line))
			p.mu.Unlock()
			say("235 welcome")
		case "RCPT":
			say(p.answer())
		case "DATA":
			say("354 go on")
			var data []byte
			for {
				line, err := in.ReadBytes('\n')
				if err != nil {
					return
				}
				if string(line) == ".\r\n" {
					break
				}
				data = append(data, line...)
			}
			p.mu.Lock()
			p.messages = append(p.messages, data)
			p.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (p *smtpPeer) answer() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.answers) == 0 {
		return "250 ok"
	}
	a := p.answers[0]
	p.answers = p.answers[1:]
	return a
}

func TestSMTP(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answers []string
		sent    bool
		left    int // answers that were not asked for
	}{
		"at once":          {nil, true, 0},
		"after two tries":  {[]string{"451 later", "450 later"}, true, 0},
		"never":            {slices.Repeat([]string{"451 maria@example.org later"}, attempts), false, 0},
		"refused for good": {[]string{"550 no such user maria@example.org", "250 ok"}, false, 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			peer := startSMTP(t, tc.answers...)
			log, outcomes := send(t, peer.options())
			peer.listener.Close()
			peer.served.Wait()
			if sent := outcomes["sent"] == 1 && len(peer.messages) == 1; sent != tc.sent || len(peer.answers) != tc.left {
				t.Errorf("sent %t with %d answers left, want %t and %d; log %s", sent, len(peer.answers), tc.sent, tc.left, log)
			}
			if tc.sent && len(peer.messages) == 1 {
				wantLetter(t, peer.messages[0])
			}
			if !tc.sent && (outcomes["failed"] != 1 || !strings.Contains(log, "a mail was not delivered")) {
				t.Errorf("outcomes %v, log %s", outcomes, log)
			}
			wantPrivate(t, log)
		})
	}
}

// A server without STARTTLS gets nothing when it is required.
func TestSMTPWithoutTLS(t *testing.T) {
	t.Parallel()
	peer := startSMTP(t)
	o := peer.options()
	o.SMTP.Security = "starttls"
	if _, outcomes := send(t, o); outcomes["sent"] != 0 || len(peer.messages) != 0 {
		t.Errorf("outcomes %v: the mail went over the wire in clear", outcomes)
	}
}

// Over TLS, begun by STARTTLS or at once, the mail goes with a login; a
// certificate of somebody else's is not accepted.
func TestSMTPOverTLS(t *testing.T) {
	t.Parallel()
	https := httptest.NewTLSServer(nil) // for its certificate of 127.0.0.1
	defer https.Close()
	roots := x509.NewCertPool()
	roots.AddCert(https.Certificate())
	for _, security := range []string{"starttls", "tls"} {
		for _, trusted := range []bool{true, false} {
			peer := startPeer(t, &smtpPeer{
				tls: &tls.Config{Certificates: https.TLS.Certificates}, implicit: security == "tls", //nolint:gosec // the peer's
			})
			o := peer.options()
			o.SMTP.Security, o.SMTP.Username, o.SMTP.Password = security, "farm", "secret-key"
			if trusted {
				o.SMTP.TLS = &tls.Config{RootCAs: roots, ServerName: o.SMTP.Host, MinVersion: tls.VersionTLS12}
			}
			log, outcomes := send(t, o)
			peer.listener.Close()
			peer.served.Wait()
			if sent := outcomes["sent"] == 1; sent != trusted || len(peer.messages) != int(outcomes["sent"]) {
				t.Errorf("%s, trusted %t: outcomes %v, %d messages; log %s", security, trusted, outcomes, len(peer.messages), log)
			}
			plain := base64.StdEncoding.EncodeToString([]byte("\x00farm\x00secret-key"))
			if trusted && (len(peer.logins) != 1 || peer.logins[0] != "AUTH PLAIN "+plain) {
				t.Errorf("%s: logins %q, want one", security, peer.logins)
			}
			if !trusted && len(peer.logins) != 0 {
				t.Errorf("%s: the password went to a stranger", security)
			}
			wantPrivate(t, log)
		}
	}
}

func wantPrivate(t *testing.T, log string) {
	t.Helper()
	for _, private := range []string{"maria@example.org", "token abc", "evil", "secret-key"} {
		if strings.Contains(log, private) {
			t.Errorf("the log holds %q: %s", private, log)
		}
	}
}

// apiPeer answers as a mail API with the statuses that it is told.
func apiPeer(t *testing.T, statuses ...int) (url string, requests *[]map[string]any, paths *[]string) {
	t.Helper()
	var mu sync.Mutex
	requests, paths = new([]map[string]any), new([]string)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		*requests = append(*requests, body)
		*paths = append(*paths, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization")+" "+r.Header.Get("Content-Type"))
		status := http.StatusAccepted
		if n := len(*requests); n <= len(statuses) {
			status = statuses[n-1]
		}
		w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"message":"about %s"}`, letter.To)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, requests, paths
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
				url, requests, seen := apiPeer(t, tc.statuses...)
				log, outcomes := send(t, Options{Provider: provider, APIKey: "secret-key", APIURL: url})
				if (outcomes["sent"] == 1) != tc.sent || len(*requests) != tc.requests {
					t.Errorf("outcomes %v after %d requests, want sent %t after %d", outcomes, len(*requests), tc.sent, tc.requests)
				}
				if (*seen)[0] != path {
					t.Errorf("request: got %q, want %q", (*seen)[0], path)
				}
				wantAPIBody(t, provider, (*requests)[0])
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
		"mailersend": `{"from":{"email":"farm@example.org","name":"DeFarm"},"html":"\u003cp\u003etoken abc\u003c/p\u003e","subject":"Reset Your Password\r\nX-Evil: 1","text":"token abc","to":[{"email":"maria@example.org","name":"Maria Açaí\r\nBcc: evil@example.org"}]}`,
		"sendgrid":   `{"content":[{"type":"text/plain","value":"token abc"},{"type":"text/html","value":"\u003cp\u003etoken abc\u003c/p\u003e"}],"from":{"email":"farm@example.org","name":"DeFarm"},"personalizations":[{"to":[{"email":"maria@example.org","name":"Maria Açaí\r\nBcc: evil@example.org"}]}],"subject":"Reset Your Password\r\nX-Evil: 1"}`,
	}
	if string(raw) != want[provider] {
		t.Errorf("body: got %s, want %s", raw, want[provider])
	}
}

// When MailerSend fails, even for good, the mail server is tried.
func TestFallback(t *testing.T) {
	t.Parallel()
	peer := startSMTP(t)
	url, requests, _ := apiPeer(t, http.StatusUnauthorized)
	o := peer.options()
	o.Provider, o.APIKey, o.APIURL = "mailersend", "secret-key", url
	log, outcomes := send(t, o)
	if outcomes["sent"] != 1 || len(*requests) != 1 || len(peer.messages) != 1 {
		t.Errorf("outcomes %v, %d requests, %d messages; log %s", outcomes, len(*requests), len(peer.messages), log)
	}
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mails")
	_, outcomes := send(t, Options{Provider: "directory", Directory: dir})
	files, err := filepath.Glob(filepath.Join(dir, "*.eml"))
	if err != nil || len(files) != 1 || outcomes["sent"] != 1 {
		t.Fatalf("files: got %v (%v), outcomes %v", files, err, outcomes)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	wantLetter(t, raw)
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode: got %v (%v), want 0600", info.Mode(), err)
	}
}

func TestLogAndNone(t *testing.T) {
	t.Parallel()
	log, outcomes := send(t, Options{Provider: "log"})
	if outcomes["sent"] != 1 || !strings.Contains(log, "token abc") {
		t.Errorf("log: outcomes %v, log %s", outcomes, log)
	}
	log, outcomes = send(t, Options{Provider: "none"})
	if outcomes["off"] != 2 || strings.Count(log, "mail is off") != 1 {
		t.Errorf("none: outcomes %v, log %s", outcomes, log)
	}
	wantPrivate(t, log)
	if _, err := New(Options{Provider: "pigeon"}); err == nil {
		t.Error("an unknown provider was accepted")
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
	if got := testutil.ToFloat64(s.outcomes.WithLabelValues("failed")); got != 2 {
		t.Errorf("failed: got %v, want both that were given up", got)
	}
}
