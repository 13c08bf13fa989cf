package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/defarm-repo/defarm/app"
)

// holdWriter keeps the server's writer busy until release is called, at the
// test's end at the latest: writes of others are queued meanwhile.
func holdWriter(t *testing.T, s *Server) (release func()) {
	t.Helper()
	held, let := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- s.Store().Write(context.Background(), func(app.Tx) error {
			close(held)
			<-let
			return nil
		})
	}()
	<-held
	release = sync.OnceFunc(func() {
		close(let)
		if err := <-ended; err != nil {
			t.Errorf("the held write: %v", err)
		}
	})
	t.Cleanup(release)
	return release
}

// dial opens a connection to the server on which every wait is bounded.
func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// send writes a request, or a part of one, as it is.
func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

// requestsInFlight waits until the server handles n requests. Nothing tells
// when it has read a header.
func requestsInFlight(s *Server, n int) {
	for s.requests.count() != n {
		runtime.Gosched()
	}
}

// listenerGone waits until the server accepts nothing new: Close has begun.
func listenerGone(s *Server) {
	for {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
		if err != nil {
			return
		}
		conn.Close()
	}
}

// closing calls Close on a goroutine of its own.
func closing(ctx context.Context, s *Server) <-chan error {
	closed := make(chan error, 1)
	go func() { closed <- s.Close(ctx) }()
	return closed
}

// wantClosed waits for the result of closing.
func wantClosed(t *testing.T, closed <-chan error) {
	t.Helper()
	giveUp := time.NewTimer(patience)
	defer giveUp.Stop()
	select {
	case err := <-closed:
		if err != nil {
			t.Errorf("close: %v", err)
		}
	case <-giveUp.C:
		t.Fatal("Close does not come to an end")
	}
}

const registration = `{"username":"maria","email":"maria@example.org","password":"Passw0rd!"}`

// A request in flight is answered, with what it asked for, before the server
// goes; nothing new is taken meanwhile.
func TestCloseFinishesRequests(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Database.Writer.MaxWait = time.Minute // the job waits as long as the test holds the writer
	c.Server.ShutdownTimeout = time.Minute
	s := mustOpen(t, c, Options{})
	release := holdWriter(t, s)
	type answer struct {
		status int
		err    error
	}
	answered := make(chan answer, 1)
	go func() {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
		res, err := client.Post(s.URL()+"/api/auth/register", "application/json", strings.NewReader(registration))
		if err != nil {
			answered <- answer{err: err}
			return
		}
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		answered <- answer{res.StatusCode, err}
	}()
	requestsInFlight(s, 1)
	closed := closing(context.Background(), s)
	listenerGone(s)
	if err := s.ready(t.Context()); app.ReasonOf(err) != app.ReasonShuttingDown {
		t.Errorf("ready while closing: got %v, want reason %q", err, app.ReasonShuttingDown)
	}
	release()
	if a := <-answered; a.err != nil || a.status != http.StatusOK {
		t.Errorf("the request in flight: got %d (%v), want 200", a.status, a.err)
	}
	wantClosed(t, closed)

	s = mustOpen(t, c, Options{})
	if n, err := s.Identity().CountUsers(t.Context()); err != nil || n != 1 {
		t.Errorf("accounts after the restart: got %d (%v), want the answered one", n, err)
	}
}

// What does not finish in time is cut off: the time is the configuration's, or
// the caller's when that ends first.
func TestCloseCutsOff(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		timeout    time.Duration
		callerEnds bool
	}{
		{"the configured time is over", 0, false},
		{"the caller's time is over", time.Minute, true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := testConfig(t)
			c.Server.ShutdownTimeout, c.Database.Writer.MaxWait = tc.timeout, time.Minute
			s := mustOpen(t, c, Options{})
			release := holdWriter(t, s)
			// One client never sends its body, the other waits for the writer.
			slow, waiting := dial(t, s), dial(t, s)
			send(t, slow, "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
			send(t, waiting, fmt.Sprintf("POST /api/auth/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
				len(registration), registration))
			requestsInFlight(s, 2)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if tc.callerEnds {
				cancel()
			}
			closed := closing(ctx, s)
			requestsInFlight(s, 0) // aborted, while the writer is still held
			release()
			wantClosed(t, closed)
			for name, conn := range map[string]net.Conn{"slow": slow, "waiting": waiting} {
				var late net.Error
				if _, err := io.Copy(io.Discard, conn); errors.As(err, &late) && late.Timeout() {
					t.Errorf("the connection of the %s client is still open", name)
				}
			}
		})
	}
}

// Every caller of Close gets the result of the first.
func TestCloseIsShared(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, testConfig(t), Options{})
	s.requests.add(1) // a request that holds the first caller up
	calls := []<-chan error{closing(t.Context(), s), closing(t.Context(), s), closing(t.Context(), s)}
	<-s.Done()
	for i, closed := range calls {
		select {
		case err := <-closed:
			t.Errorf("caller %d: came back with %v while the first waits for a request", i, err)
		default:
		}
	}
	s.requests.add(-1)
	for _, closed := range calls {
		wantClosed(t, closed)
	}
}

func TestTracker(t *testing.T) {
	t.Parallel()
	k := newTracker()
	if !k.wait(0) {
		t.Error("a new one is not idle")
	}
	k.add(1)
	k.add(1)
	k.add(-1)
	if k.wait(0) || k.count() != 1 {
		t.Errorf("with one request: got idle with %d", k.count())
	}
	ended := make(chan bool, 1)
	go func() { ended <- k.wait(patience) }()
	k.add(-1)
	if !<-ended || !k.wait(0) {
		t.Error("not idle after the last request")
	}
	// A handler that panics has ended too.
	h := k.wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("in a handler") }))
	func() {
		defer func() { _ = recover() }()
		h.ServeHTTP(nil, nil)
	}()
	if k.count() != 0 {
		t.Errorf("after a panic: got %d active", k.count())
	}
}
