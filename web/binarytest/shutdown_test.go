package binarytest

import (
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
)

// TestGracefulShutdown asks the server to end while eight clients write: it
// ends with status 0, nothing that was answered is lost, and the write-ahead
// log is folded into the database file.
func TestGracefulShutdown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/data"
	p := serve(t, nil, "--data-dir", dir)
	f := newFarm(t, p.ready.URL)
	left := atomic.Int64{}
	left.Store(200)
	herders := crowd(t, p.ready.URL, f, 0, 8, 1, func() {
		if left.Add(-1) == 0 {
			if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Errorf("send SIGTERM: %v", err)
			}
		}
	})
	p.wantCleanEnd()
	wantSound(t, dir)
	if info, err := os.Stat(filepath.Join(dir, "defarm.db-wal")); err == nil && info.Size() > 0 {
		t.Errorf("write-ahead log after a clean end: %d bytes, want none", info.Size())
	}

	p = serve(t, nil, "--data-dir", dir)
	c := newClient(t, p.ready.URL, f.token)
	for _, h := range herders {
		for _, a := range h.herd {
			wantKept(t, c, a)
		}
	}
	p.terminate()
	p.wantCleanEnd()
}

// TestIdleShutdown ends a server that has open connections and nothing to do.
func TestIdleShutdown(t *testing.T) {
	t.Parallel()
	p := serve(t, nil, "--data-dir", t.TempDir()+"/data")
	c := newClient(t, p.ready.URL, "")
	for range 3 {
		if reply, err := c.Send(t.Context(), http.MethodGet, "/livez", nil); err != nil || reply.Status != http.StatusOK {
			t.Fatalf("GET /livez: %v, %+v", err, reply)
		}
	}
	p.terminate()
	p.wantCleanEnd()
	if _, err := c.Send(t.Context(), http.MethodGet, "/livez", nil); err == nil {
		t.Error("the port still answers after the end")
	}
}
