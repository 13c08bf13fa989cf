package mail

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// silence is an answer that never comes, hangUp one that ends the connection.
	silence = "silence"
	hangUp  = "hang up"
)

// smtpPeer is a mail server. Its answers are told beforehand, by the verb that
// they answer ("HELLO" is the greeting, "END" follows the message); after them
// it accepts everything.
type smtpPeer struct {
	t        *testing.T
	listener net.Listener
	implicit bool        // TLS from the first byte on
	tls      *tls.Config // nil: no STARTTLS either
	auth     string      // mechanisms that are offered; "": none
	entered  chan string // gets every verb; nil: nobody listens
	served   sync.WaitGroup

	mu       sync.Mutex
	answers  map[string][]string
	messages [][]byte
	secrets  []string // what came with AUTH, "tls " before it when it was under TLS
	opened   int      // connections
}

func startSMTP(t *testing.T, answers map[string][]string, edits ...func(*smtpPeer)) *smtpPeer {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &smtpPeer{t: t, listener: l, answers: answers}
	for _, edit := range edits {
		edit(p)
	}
	p.served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			p.served.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(p.close)
	return p
}

// close ends the peer when its clients have gone.
func (p *smtpPeer) close() {
	p.listener.Close()
	p.served.Wait()
}

func (p *smtpPeer) options(security string) Options {
	host, port, err := net.SplitHostPort(p.listener.Addr().String())
	if err != nil {
		p.t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		p.t.Fatal(err)
	}
	return Options{Provider: "smtp", SMTP: SMTP{Host: host, Port: n, Security: security}}
}

// session is one connection to the peer.
type session struct {
	*smtpPeer
	conn    net.Conn
	in      *bufio.Reader
	secured bool
}

func (p *smtpPeer) serve(conn net.Conn) {
	p.mu.Lock()
	p.opened++
	p.mu.Unlock()
	s := &session{smtpPeer: p, conn: conn}
	defer func() { s.conn.Close() }()
	if p.implicit {
		s.secure()
	}
	s.in = bufio.NewReader(s.conn)
	if p.entered != nil {
		p.entered <- "HELLO"
	}
	for ok := s.say(p.answer("HELLO", "220 peer")); ok; {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return
		}
		ok = s.command(strings.Fields(line + " x x"))
	}
}

func (s *session) secure() {
	s.conn, s.secured = tls.Server(s.conn, s.tls), true
	s.in = bufio.NewReader(s.conn)
}

// say answers, and reports whether the session goes on.
func (s *session) say(line string) bool {
	switch line {
	case silence:
		_, _ = s.in.ReadString('\x00') // until the client gives up
		return false
	case hangUp:
		return false
	}
	_, err := fmt.Fprintf(s.conn, "%s\r\n", line)
	return err == nil
}

func (s *session) command(words []string) bool {
	verb := strings.ToUpper(words[0])
	if s.entered != nil {
		s.entered <- verb
	}
	switch verb {
	case "EHLO":
		lines := []string{"250-peer"}
		if s.tls != nil && !s.secured {
			lines = append(lines, "250-STARTTLS")
		}
		if s.auth != "" {
			lines = append(lines, "250-AUTH "+s.auth)
		}
		return s.say(strings.Join(append(lines, "250 8BITMIME"), "\r\n"))
	case "STARTTLS":
		if !s.say("220 go on") {
			return false
		}
		s.secure()
		return true
	case "AUTH":
		return s.login(words[2])
	case "DATA":
		return s.say("354 go on") && s.data() && s.say(s.answer("END", "250 taken"))
	case "QUIT":
		s.say(s.answer("QUIT", "221 bye"))
		return false
	default:
		return s.say(s.answer(verb, "250 ok"))
	}
}

func (s *session) login(secret string) bool {
	raw, err := base64.StdEncoding.DecodeString(secret)
	if err != nil {
		s.t.Errorf("AUTH %q: %v", secret, err)
	}
	text := strings.ReplaceAll(string(raw), "\x00", " ")
	if s.secured {
		text = "tls" + text
	}
	s.mu.Lock()
	s.secrets = append(s.secrets, text)
	s.mu.Unlock()
	return s.say(s.answer("AUTH", "235 welcome"))
}

func (s *session) data() bool {
	var message []byte
	for {
		line, err := s.in.ReadBytes('\n')
		if err != nil {
			return false
		}
		if string(line) == ".\r\n" {
			break
		}
		message = append(message, line...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, message)
	return true
}

func (p *smtpPeer) answer(verb, otherwise string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.answers[verb]) == 0 {
		return otherwise
	}
	a := p.answers[verb][0]
	p.answers[verb] = p.answers[verb][1:]
	return a
}

// certificate is a certificate for 127.0.0.1, for both ends.
func certificate(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	server = &tls.Config{Certificates: srv.TLS.Certificates, MinVersion: tls.VersionTLS12}
	return server, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
}

func TestSMTP(t *testing.T) {
	t.Parallel()
	always := func(answer string) []string { return slices.Repeat([]string{answer}, attempts+1) }
	tests := map[string]struct {
		answers  map[string][]string
		sent     bool
		sessions int
	}{
		"at once":                  {nil, true, 1},
		"after two tries":          {map[string][]string{"RCPT": {"451 later", "450 later"}}, true, 3},
		"at the last try":          {map[string][]string{"RCPT": {"451 later", "421 later", "450 later"}}, true, attempts},
		"never":                    {map[string][]string{"RCPT": always("451 <Maria@Example.ORG> later")}, false, attempts},
		"a broken connection":      {map[string][]string{"RCPT": {hangUp}}, true, 2},
		"a recipient refused":      {map[string][]string{"RCPT": {"550 no such user maria@example.org"}}, false, 1},
		"a sender refused":         {map[string][]string{"MAIL": {"553 who are you"}}, false, 1},
		"a message refused":        {map[string][]string{"END": {"554 no mail with https://farm.example.org/reset-password?token=" + letterToken}}, false, 1},
		"a greeting that refuses":  {map[string][]string{"HELLO": {"554 no service here"}}, false, 1},
		"a greeting that puts off": {map[string][]string{"HELLO": {"421 too busy"}}, true, 2},
		// The message is there; a second one would be one too many.
		"hangs up after the message":  {map[string][]string{"RSET": {hangUp}}, true, 1},
		"resets with an error":        {map[string][]string{"RSET": {"451 later"}}, true, 1},
		"says good-bye with an error": {map[string][]string{"QUIT": {"421 go away"}}, true, 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			peer := startSMTP(t, tc.answers)
			log, outcomes := send(t, peer.options("none"))
			peer.close()
			wantOutcome(t, "smtp", tc.sent, log, outcomes)
			if peer.opened != tc.sessions {
				t.Errorf("sessions: got %d, want %d; log %s", peer.opened, tc.sessions, log)
			}
			if tc.sent && len(peer.messages) != 1 {
				t.Fatalf("messages: got %d, want 1", len(peer.messages))
			}
			if tc.sent {
				wantLetter(t, peer.messages[0])
			}
			wantPrivate(t, log)
		})
	}
}

// The ways to secure and to log in.
func TestSMTPSecurity(t *testing.T) {
	t.Parallel()
	server, client := certificate(t)
	tests := map[string]struct {
		security  string
		implicit  bool
		auth      string
		username  string
		unknownCA bool
		answers   map[string][]string
		sent      bool
		sessions  int
		secrets   []string
	}{
		"STARTTLS":           {security: "starttls", sent: true, sessions: 1},
		"STARTTLS and PLAIN": {security: "starttls", auth: "PLAIN LOGIN", username: "farm", sent: true, sessions: 1, secrets: []string{"tls farm secret-key"}},
		"TLS":                {security: "tls", implicit: true, sent: true, sessions: 1},
		"TLS and PLAIN":      {security: "tls", implicit: true, auth: "PLAIN LOGIN", username: "farm", sent: true, sessions: 1, secrets: []string{"tls farm secret-key"}},
		"a wrong password is not tried again": {
			security: "starttls", auth: "PLAIN", username: "farm", answers: map[string][]string{"AUTH": {"535 no"}}, sessions: 1, secrets: []string{"tls farm secret-key"},
		},
		"a login that is put off": {
			security: "starttls", auth: "PLAIN", username: "farm", answers: map[string][]string{"AUTH": {"454 later"}},
			sent: true, sessions: 2, secrets: []string{"tls farm secret-key", "tls farm secret-key"},
		},
		"STARTTLS with an unknown certificate": {security: "starttls", unknownCA: true, auth: "PLAIN", username: "farm", sessions: attempts},
		"TLS with an unknown certificate":      {security: "tls", implicit: true, unknownCA: true, auth: "PLAIN", username: "farm", sessions: attempts},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			peer := startSMTP(t, tc.answers, func(p *smtpPeer) { p.tls, p.implicit, p.auth = server, tc.implicit, tc.auth })
			o := peer.options(tc.security)
			if !tc.unknownCA {
				o.SMTP.TLS = client
			}
			o.SMTP.Username, o.SMTP.Password = tc.username, "secret-key"
			log, outcomes := send(t, o)
			peer.close()
			wantOutcome(t, "smtp", tc.sent, log, outcomes)
			if peer.opened != tc.sessions || !slices.Equal(peer.secrets, tc.secrets) {
				t.Errorf("got %d sessions with %q, want %d with %q; log %s", peer.opened, peer.secrets, tc.sessions, tc.secrets, log)
			}
			if got := len(peer.messages) == 1; got != tc.sent {
				t.Errorf("messages: got %d, want it sent %t", len(peer.messages), tc.sent)
			}
			wantPrivate(t, log)
		})
	}
}

// A server without STARTTLS gets neither the mail nor the password when it is
// required.
func TestSMTPWithoutTLS(t *testing.T) {
	t.Parallel()
	peer := startSMTP(t, nil, func(p *smtpPeer) { p.auth = "PLAIN" })
	o := peer.options("starttls")
	o.SMTP.Username, o.SMTP.Password = "farm", "secret-key"
	log, outcomes := send(t, o)
	peer.close()
	wantOutcome(t, "smtp", false, log, outcomes)
	if len(peer.messages) != 0 || len(peer.secrets) != 0 {
		t.Errorf("over the wire in clear: %q and %d messages", peer.secrets, len(peer.messages))
	}
}

// A server that says nothing is given up when the attempt's time is over.
func TestSMTPTimeout(t *testing.T) {
	t.Parallel()
	peer := startSMTP(t, map[string][]string{"RCPT": slices.Repeat([]string{silence}, attempts)})
	o := peer.options("none")
	o.Timeout = 10 * time.Millisecond
	log, outcomes := send(t, o)
	wantOutcome(t, "smtp", false, log, outcomes)
	wantPrivate(t, log)
}

// It is given up at once when Close does not wait any longer.
func TestSMTPSilence(t *testing.T) {
	t.Parallel()
	for verb, before := range map[string]string{"HELLO": "HELLO", "RCPT": "RCPT", "END": "DATA"} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			entered := make(chan string, 64)
			peer := startSMTP(t, map[string][]string{verb: slices.Repeat([]string{silence}, attempts)}, func(p *smtpPeer) { p.entered = entered })
			o := peer.options("none")
			o.FromEmail, o.Timeout = "farm@example.org", time.Hour
			s, err := New(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Send(t.Context(), letter); err != nil {
				t.Fatal(err)
			}
			for last := ""; last != before; { // the server has been asked what it will not answer
				last = <-entered
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := s.Close(ctx); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}
