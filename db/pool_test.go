package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/defarm-repo/defarm/app"
)

// holdReader takes a reader until the returned function is called.
func holdReader(t *testing.T, d *DB) (release func()) {
	t.Helper()
	running, finish, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- d.Read(context.Background(), func(r app.Reader) error {
			if _, err := r.Users().Count(); err != nil { // the snapshot begins here
				return err
			}
			close(running)
			<-finish
			return nil
		})
	}()
	waitFor(t, running, "the read to run")
	return func() {
		t.Helper()
		close(finish)
		if err := <-done; err != nil {
			t.Errorf("the held read: %v", err)
		}
	}
}

func TestReadersAreBounded(t *testing.T) {
	t.Parallel()
	d := engineDB(t, func(o *Options) { o.Readers, o.ReadWait = 1, time.Millisecond })
	release := holdReader(t, d)
	err := d.Read(t.Context(), func(app.Reader) error { return nil })
	if app.CodeOf(err) != app.CodeBusy || app.ReasonOf(err) != app.ReasonReadersBusy {
		t.Errorf("got %v, want busy", err)
	}
	if got := testutil.ToFloat64(d.m.readBusy); got != 1 {
		t.Errorf("refusals: got %v, want 1", got)
	}
	ctx, leave := context.WithCancel(t.Context())
	leave()
	if err := d.Read(ctx, func(app.Reader) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that he has left", err)
	}
	release()
	if err := d.Read(t.Context(), func(app.Reader) error { return nil }); err != nil {
		t.Errorf("with a free reader: %v", err)
	}
}

// A read sees one state of the database, whatever is committed meanwhile.
func TestReadIsOneSnapshot(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	mustWrite(t, d, func(tx app.Tx) error { return put(tx, "a") })
	mustRead(t, d, func(r app.Reader) error {
		before, err := r.Users().Count()
		if err != nil {
			return err
		}
		mustWrite(t, d, func(tx app.Tx) error { return put(tx, "b") })
		after, err := r.Users().Count()
		if before != 1 || after != 1 {
			t.Errorf("users seen: got %d and then %d, want 1 both times", before, after)
		}
		return err
	})
	if got := len(names(t, d)); got != 2 {
		t.Errorf("users afterwards: got %d, want 2", got)
	}
}

// A connection that is given up is replaced, and the next reader does not
// notice.
func TestReaderIsReplaced(t *testing.T) {
	t.Parallel()
	d := engineDB(t, func(o *Options) { o.Readers = 1 })
	count := func(r app.Reader) error { _, err := r.Users().Count(); return err }
	mustRead(t, d, count)
	s := <-d.readers.free
	before := s.conn
	d.readers.free <- s
	err := d.Read(t.Context(), func(r app.Reader) error {
		return r.(readStores).s.fault("read", driver.ErrBadConn) // as the driver says it
	})
	if !errors.Is(err, driver.ErrBadConn) {
		t.Fatalf("got %v, want the driver's error", err)
	}
	mustRead(t, d, count)
	if s := <-d.readers.free; s.conn == before {
		t.Error("the connection is still the one that was lost")
	} else {
		d.readers.free <- s
	}
	if got := testutil.ToFloat64(d.m.replaced); got != 1 {
		t.Errorf("connections replaced: got %v, want 1", got)
	}
}

// A long list ends when its reader leaves.
func TestReadEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	ctx, leave := context.WithCancel(t.Context())
	err := d.Read(ctx, func(r app.Reader) error {
		leave()
		_, err := r.Users().Count()
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that he has left", err)
	}
	if err := d.Ping(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// The gauges move, and two databases of one process keep to their registries.
func TestMetrics(t *testing.T) {
	t.Parallel()
	clock := &testClock{now: testTime}
	registry := prometheus.NewRegistry()
	d := engineDB(t, func(o *Options) { o.Metrics, o.Now = registry, clock.Now })
	engineDB(t, func(o *Options) { o.Metrics = prometheus.NewRegistry() })
	values := func() map[string]float64 {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]float64{}
		for _, f := range families {
			if g := f.GetMetric()[0].GetGauge(); g != nil {
				out[f.GetName()] = g.GetValue()
			}
		}
		return out
	}
	release := holdReader(t, d)
	clock.advance(3 * time.Second)
	g := holdWriter(t, d)
	answer := make(chan error, 1)
	go func() { answer <- d.Write(context.Background(), func(tx app.Tx) error { return put(tx, "a") }) }()
	queued(t, d, 1)
	got := values()
	for name, want := range map[string]float64{
		"defarm_db_writer_queue_depth": 1, "defarm_db_readers_busy": 1, "defarm_db_read_transaction_oldest_seconds": 3,
	} {
		if got[name] != want {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
	}
	g.release(t)
	if err := <-answer; err != nil {
		t.Fatal(err)
	}
	release()
	mustWrite(t, d, func(tx app.Tx) error { return put(tx, "b") }) // the log's length is read after a commit
	if got := values()["defarm_db_wal_bytes"]; got <= 0 {
		t.Errorf("length of the log: got %v, want some", got)
	}
	if _, err := Open(t.Context(), func() Options { o := d.o; o.Path += "2"; return o }()); err == nil {
		t.Error("a second database on one registry was opened")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil || len(families) != 0 {
		t.Errorf("metrics after Close: got %d (%v), want none", len(families), err)
	}
}
