package binarytest

import (
	"bufio"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stuckRequest sends a request whose body does not come, and returns when the
// server waits for it.
func stuckRequest(t *testing.T, url string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+
		"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n') // the handler reads
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("got %q (%v), want that the server goes on to read the body", line, err)
	}
}

// TestSecondSignal: the first one waits for what is in flight, the second one
// ends the process at once, and nothing is broken by it.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/data"
	p := serve(t, []string{"DEFARM_SERVER_SHUTDOWN_TIMEOUT=10m", "DEFARM_SERVER_REQUEST_TIMEOUT=10m"}, "--data-dir", dir)
	stuckRequest(t, p.ready.URL)
	p.terminate()
	for { // until the shutdown has begun
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.ready.URL, "http://"))
		if err != nil {
			break
		}
		conn.Close()
	}
	select {
	case <-p.ended:
		t.Fatalf("ended after the first signal, with a request in flight: %v\n%s", p.cmd.ProcessState, p.log.String())
	default:
	}
	p.terminate()
	giveUp := time.NewTimer(patience)
	defer giveUp.Stop()
	select {
	case <-p.ended:
	case <-giveUp.C:
		t.Fatal("still running after the second signal")
	}
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("got %v, want an end by the signal\n%s", p.cmd.ProcessState, p.log.String())
	}
	p = serve(t, nil, "--data-dir", dir)
	p.terminate()
	p.wantCleanEnd()
	wantSound(t, dir)
}

// TestInterrupt: Ctrl-C is as good as SIGTERM, and what is stuck is cut off
// when the time of the configuration is over.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	p := serve(t, []string{"DEFARM_SERVER_SHUTDOWN_TIMEOUT=100ms", "DEFARM_SERVER_REQUEST_TIMEOUT=10m"}, "--data-dir", t.TempDir()+"/data")
	stuckRequest(t, p.ready.URL)
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.wantCleanEnd()
	if !strings.Contains(p.log.String(), "a second signal ends the process at once") {
		t.Errorf("the log does not say how to end it at once:\n%s", p.log.String())
	}
}
