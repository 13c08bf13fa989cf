package db

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/defarm-repo/defarm/app"
)

// patience bounds waits that a correct engine ends at once.
const patience = 30 * time.Second

// testClock is a clock that only the test moves.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// engineDB opens a database with small bounds in the test's own directory.
func engineDB(t testing.TB, edits ...func(*Options)) *DB {
	t.Helper()
	o := DefaultOptions(filepath.Join(t.TempDir(), "engine.db"))
	o.Synchronous = "OFF"
	o.Readers = 2
	// A slow machine must not make them busy.
	o.ReadWait, o.Writer.AdmissionTimeout, o.Writer.MaxWait = patience, patience, patience
	o.Cache.Bytes = mebibyte
	for _, edit := range edits {
		edit(&o)
	}
	d, err := Open(context.Background(), o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

// gate holds the writer inside a closure until it is opened.
type gate struct {
	entered chan struct{}
	open    chan struct{}
	done    chan error
}

// holdWriter returns when the writer runs a closure that waits for release.
func holdWriter(t *testing.T, d *DB) *gate {
	t.Helper()
	g := &gate{entered: make(chan struct{}), open: make(chan struct{}), done: make(chan error, 1)}
	go func() {
		g.done <- d.Write(context.Background(), func(app.Tx) error {
			close(g.entered)
			<-g.open
			return nil
		})
	}()
	waitFor(t, g.entered, "the writer to take the job")
	return g
}

func (g *gate) release(t *testing.T) {
	t.Helper()
	close(g.open)
	if err := <-g.done; err != nil {
		t.Errorf("the job that held the writer: %v", err)
	}
}

func waitFor(t *testing.T, event <-chan struct{}, what string) {
	t.Helper()
	giveUp := time.NewTimer(patience)
	defer giveUp.Stop()
	select {
	case <-event:
	case <-giveUp.C:
		t.Fatalf("waited %s for %s", patience, what)
	}
}

// queued waits until n jobs are in the queue. There is no event for a channel's
// length, so it asks.
func queued(t *testing.T, d *DB, n int) {
	t.Helper()
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	giveUp := time.NewTimer(patience)
	defer giveUp.Stop()
	for len(d.writer.queue) != n {
		select {
		case <-tick.C:
		case <-giveUp.C:
			t.Fatalf("queue holds %d jobs, want %d", len(d.writer.queue), n)
		}
	}
}

// put inserts a user whose id is name.
func put(tx app.Tx, name string) error {
	return tx.Users().Insert(&app.User{ID: name, Username: name, Email: name + "@example.org", Status: app.StatusActive})
}

// names are the ids of the users that are stored.
func names(t *testing.T, d *DB) []string {
	t.Helper()
	var out []string
	mustRead(t, d, func(r app.Reader) error {
		list, err := r.Users().List(app.Page{Limit: 100_000})
		for _, u := range list {
			out = append(out, u.ID)
		}
		return err
	})
	return out
}

// counter reads a counter by its labels.
func counter(t *testing.T, v *prometheus.CounterVec, labels ...string) float64 {
	t.Helper()
	return testutil.ToFloat64(v.WithLabelValues(labels...))
}

var errMine = errors.New("mine")
