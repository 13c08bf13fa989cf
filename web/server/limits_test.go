package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/defarm-repo/defarm/app/identity"
)

// output is a writer that many goroutines write to.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// wantAlive sends a request on a raw connection and wants an answer after which
// the connection is kept.
func wantAlive(t *testing.T, conn net.Conn, r *bufio.Reader) {
	t.Helper()
	send(t, conn, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || res.Close {
		t.Fatalf("got %d, close %t, want 200 and the connection kept", res.StatusCode, res.Close)
	}
}

// wantHungUp reads until the server closes the connection, and gives what it
// said before.
func wantHungUp(t *testing.T, conn io.Reader) string {
	t.Helper()
	said, err := io.ReadAll(conn)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		t.Errorf("the connection is still open; the server said %q", said)
	}
	return string(said)
}

// A request that takes longer than its time is answered with 503 at it.
func TestRequestTimeout(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Server.RequestTimeout, c.Database.Writer.MaxWait = 100*time.Millisecond, time.Minute
	s := mustOpen(t, c, Options{})
	// Not over HTTP: that might take longer than the time.
	u, err := s.Identity().CreateUser(t.Context(), identity.NewUser{Username: "maria", Email: "maria@example.org", Password: "Passw0rd!"})
	if err != nil {
		t.Fatal(err)
	}
	session, err := s.Identity().Login(t.Context(), identity.Login{Username: u.Username, Password: "Passw0rd!"}, identity.Client{})
	if err != nil {
		t.Fatal(err)
	}
	holdWriter(t, s)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/api/items/local", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+session.Token)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "1" {
		t.Errorf("got %d, Retry-After %q, want 503 and 1", res.StatusCode, res.Header.Get("Retry-After"))
	}
}

// Clients that send too slowly, or nothing any more, lose their connection.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	const post = "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
	tests := []struct {
		name string
		edit func(*ServerConfig)
		sent string
		want string // begins what is answered before the end
	}{
		{"nothing sent", func(c *ServerConfig) { c.ReadHeaderTimeout = 100 * time.Millisecond }, "", ""},
		{"half a header", func(c *ServerConfig) { c.ReadHeaderTimeout = 100 * time.Millisecond }, "GET /livez HTTP/1.1\r\nHost: x\r\n", ""},
		{"no body", func(c *ServerConfig) { c.RequestTimeout = 100 * time.Millisecond }, post, "HTTP/1.1 408 "},
		{"half a body", func(c *ServerConfig) { c.RequestTimeout = 100 * time.Millisecond }, post + `{"username":`, "HTTP/1.1 408 "},
		{"refused before a body that does not come", func(c *ServerConfig) {
			c.ReadHeaderTimeout, c.RequestTimeout = 400*time.Millisecond, 400*time.Millisecond
		}, strings.Replace(post, "/api/auth/login", "/api/items/local", 1), "HTTP/1.1 401 "},
		{"a body that is announced too large", func(*ServerConfig) {}, strings.Replace(post, " 100\r", " 3000000\r", 1), "HTTP/1.1 413 "},
		{"idle", func(c *ServerConfig) { c.IdleTimeout = time.Second }, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := testConfig(t)
			tc.edit(&c.Server)
			s := mustOpen(t, c, Options{})
			conn := dial(t, s)
			send(t, conn, tc.sent)
			said := wantHungUp(t, conn)
			if !strings.HasPrefix(said, tc.want) || (tc.want == "" && strings.Contains(said, "200 OK")) {
				t.Errorf("got %q, want %q", said, tc.want)
			}
			if status, _ := fetch(t, s.URL()+"/livez"); status != http.StatusOK {
				t.Errorf("others: got %d", status)
			}
		})
	}
}

// A connection is kept for the next request.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, testConfig(t), Options{})
	conn := dial(t, s)
	r := bufio.NewReader(conn)
	for range 3 {
		wantAlive(t, conn, r)
	}
}

func TestHeaderLimit(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Server.MaxHeaderBytes = 4 << 10
	s := mustOpen(t, c, Options{})
	for _, tc := range []struct {
		size int
		want string
	}{
		{3 << 10, "HTTP/1.1 200 OK\r\n"},
		{16 << 10, "HTTP/1.1 431 "}, // net/http reads some 4 KiB more than it is told
	} {
		conn := dial(t, s)
		send(t, conn, fmt.Sprintf("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Filler: %s\r\n\r\n", strings.Repeat("x", tc.size)))
		if got := wantHungUp(t, conn); !strings.HasPrefix(got, tc.want) {
			t.Errorf("%d bytes: got %q, want %q", tc.size, got, tc.want)
		}
	}
}

// A connection over the limit waits until another one goes.
func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Server.MaxConnections = 1
	s := mustOpen(t, c, Options{})
	first := dial(t, s)
	r := bufio.NewReader(first)
	wantAlive(t, first, r)
	second := dial(t, s)
	answered := make(chan error, 1)
	send(t, second, "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	go func() {
		_, err := bufio.NewReader(second).ReadString('\n')
		answered <- err
	}()
	for range 100 { // each of them gives the second one the time to be wrongly served
		wantAlive(t, first, r)
	}
	select {
	case err := <-answered:
		t.Errorf("the second connection came through (%v) beside the first", err)
	default:
	}
	first.Close()
	if err := <-answered; err != nil {
		t.Errorf("the second connection after the first has gone: %v", err)
	}
}

// The address in the log is the client's: behind a trusted proxy the one that
// the proxy names, else the peer's.
func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		proxies []string
		want    string
	}{
		{"nobody is trusted", nil, "127.0.0.1"},
		{"the peer is trusted", []string{"127.0.0.1"}, "198.51.100.9"},
		{"the peer's block is trusted", []string{"10.0.0.0/8", "127.0.0.1/8"}, "198.51.100.9"},
		{"somebody else is trusted", []string{"10.0.0.0/8"}, "127.0.0.1"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := testConfig(t)
			c.Server.TrustedProxies = tc.proxies
			var log output
			s := mustOpen(t, c, Options{Logger: slog.New(slog.NewJSONHandler(&log, nil))})
			conn := dial(t, s)
			send(t, conn, "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: 203.0.113.7, 198.51.100.9\r\n\r\n")
			wantHungUp(t, conn)
			if err := s.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
			var got string
			for line := range strings.Lines(log.String()) {
				var l struct{ Route, Client string }
				if err := json.Unmarshal([]byte(line), &l); err != nil {
					t.Fatal(err)
				}
				if l.Route == "/livez" {
					got = l.Client
				}
			}
			if got != tc.want {
				t.Errorf("client: got %q, want %q; log:\n%s", got, tc.want, log.String())
			}
		})
	}
}

func TestMetricsPublic(t *testing.T) {
	t.Parallel()
	for _, public := range []bool{false, true} {
		c := testConfig(t)
		c.Server.MetricsPublic = public
		s := mustOpen(t, c, Options{})
		status, body := fetch(t, s.URL()+"/metrics")
		want := http.StatusUnauthorized
		if public {
			want = http.StatusOK
		}
		if status != want {
			t.Errorf("public %t: got %d, want %d", public, status, want)
		}
		// The engine, the edge, the passwords and the process are in one registry.
		for _, name := range []string{"defarm_db_writer_queue_depth", "defarm_http_requests_in_flight", "defarm_password_queue_depth", "go_goroutines"} {
			if strings.Contains(body, name) != public {
				t.Errorf("public %t: %s in the answer: got %t", public, name, !public)
			}
		}
	}
}

// PORT, as orchestrators set it, binds every interface; the default does not.
func TestPortBindsEveryInterface(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs a second loopback address, as Linux has")
	}
	for _, tc := range []struct {
		environ []string
		listen  string
		want    bool
	}{
		{[]string{"PORT=0"}, "", true},
		{nil, "127.0.0.1:0", false},
	} {
		src := Sources{Environ: tc.environ}
		if tc.listen != "" {
			src.Flags = map[string]string{"server.listen": tc.listen}
		}
		l, err := Load(src)
		if err != nil {
			t.Fatal(err)
		}
		c := testConfig(t)
		c.Server.Listen = l.Config.Server.Listen
		s := mustOpen(t, c, Options{})
		if !strings.HasPrefix(s.URL(), "http://127.0.0.1:") {
			t.Errorf("%q: URL: got %s, want one of this machine", c.Server.Listen, s.URL())
		}
		conn, err := net.Dial("tcp", strings.Replace(strings.TrimPrefix(s.URL(), "http://"), "127.0.0.1", "127.0.0.2", 1))
		if err == nil {
			conn.Close()
		}
		if (err == nil) != tc.want {
			t.Errorf("%q: another address answers: got %v, want %t", c.Server.Listen, err, tc.want)
		}
	}
}
