package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/defarm-repo/defarm/app"
)

const testThreshold = 128 << 10

func smallLog(o *Options) { o.CheckpointBytes = testThreshold }

// busyWriters runs writers until stop; each write is some pages long. It gives
// the length that the log had after each.
func busyWriters(t *testing.T, d *DB, writers, each int, after func(bytes int64)) {
	t.Helper()
	var all sync.WaitGroup
	for worker := range writers {
		all.Go(func() {
			for n := range each {
				err := d.Write(context.Background(), func(tx app.Tx) error {
					return put(tx, fmt.Sprintf("%d-%d-%0200d", worker, n, n))
				})
				if err != nil {
					t.Errorf("write: %v", err)
					return
				}
				after(d.writer.wal.bytes())
			}
		})
	}
	all.Wait()
}

// Under sustained writes, with readers that come and go, the log stays below
// four times its threshold.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	const threshold = 4 << 20 // a quarter of the default: the bound has to allow for a slow scheduler
	d := engineDB(t, func(o *Options) { o.CheckpointBytes, o.Readers, o.ReadWait = threshold, 4, patience })
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for ctx.Err() == nil {
				if err := d.Read(context.Background(), func(r app.Reader) error { _, err := r.Users().ByID("0-0"); return ignoreMissing(err) }); err != nil {
					t.Error(err)
				}
				runtime.Gosched() // or a machine with one processor writes once in a while
			}
		})
	}
	var mu sync.Mutex
	var longest int64
	busyWriters(t, d, 8, 1000, func(bytes int64) {
		mu.Lock()
		defer mu.Unlock()
		longest = max(longest, bytes)
	})
	stop()
	readers.Wait()
	if longest < threshold {
		t.Errorf("longest log: %d bytes; the test never reached the threshold of %d", longest, threshold)
	}
	if most := int64(alarmFactor * threshold); longest > most {
		t.Errorf("longest log: got %d bytes, want at most %d", longest, most)
	}
}

func ignoreMissing(err error) error {
	if app.CodeOf(err) == app.CodeNotFound {
		return nil
	}
	return err
}

// A reader that stays keeps the log from being reset: the alarm says so, and it
// ends when the reader has gone.
func TestLogAlarm(t *testing.T) {
	t.Parallel()
	d := engineDB(t, smallLog)
	release := holdReader(t, d)
	// Few writes at a time, so that a pass that waits for the reader does not
	// make them too old.
	for n := 0; testutil.ToFloat64(d.m.walAlarm) == 0; n++ {
		if n > 20_000 {
			t.Fatalf("no alarm with a log of %d bytes", d.writer.wal.bytes())
		}
		mustWrite(t, d, func(tx app.Tx) error { return put(tx, fmt.Sprintf("%0200d", n)) })
	}
	if got := d.writer.wal.bytes(); got <= alarmFactor*testThreshold {
		t.Errorf("log at the alarm: got %d bytes, want more than %d", got, alarmFactor*testThreshold)
	}
	release()
	for n := 0; testutil.ToFloat64(d.m.walAlarm) == 1; n++ {
		if n > 20_000 {
			t.Fatalf("still alarm with a log of %d bytes", d.writer.wal.bytes())
		}
		mustWrite(t, d, func(tx app.Tx) error { return put(tx, fmt.Sprintf("after-%0200d", n)) })
	}
}

// When nothing was written between two ticks the log is cut to nothing.
func TestLogIsCutWhenIdle(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	mustWrite(t, d, func(tx app.Tx) error { return put(tx, "a") })
	tick := time.NewTicker(idleAfter / 4)
	defer tick.Stop()
	giveUp := time.NewTimer(patience)
	defer giveUp.Stop()
	for d.writer.wal.frames.Load() != 0 {
		select {
		case <-tick.C:
		case <-giveUp.C:
			t.Fatalf("the log still holds %d frames", d.writer.wal.frames.Load())
		}
	}
	if info, err := os.Stat(d.o.Path + "-wal"); err != nil || info.Size() != 0 {
		t.Errorf("log file: got %d bytes (%v), want none", info.Size(), err)
	}
	if got := names(t, d); len(got) != 1 {
		t.Errorf("users: got %v", got)
	}
}

// With an outside replicator the log is left alone, at Close too.
func TestExternalCheckpoints(t *testing.T) {
	t.Parallel()
	d := engineDB(t, smallLog, func(o *Options) { o.ExternalCheckpoints = true })
	busyWriters(t, d, 4, 300, func(int64) {})
	got := d.writer.wal.bytes()
	if got <= alarmFactor*testThreshold {
		t.Errorf("log: got %d bytes, want it to have grown beyond %d", got, alarmFactor*testThreshold)
	}
	if copied := d.writer.wal.copied.Load(); copied != 0 {
		t.Errorf("%d frames were copied", copied)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(d.o.Path + "-wal")
	if err != nil || info.Size() < got {
		t.Errorf("log after Close: got %v (%v), want its %d bytes", info, err, got)
	}
	o := d.o
	again := engineDB(t, func(to *Options) { *to = o })
	if users := len(names(t, again)); users != 4*300 {
		t.Errorf("users after the next start: got %d, want %d", users, 4*300)
	}
	if next := again.writer.wal.bytes(); next < got {
		t.Errorf("log after the next start: got %d bytes, want the %d that were there", next, got)
	}
}

// Close leaves the log copied and empty, so that the file alone is everything.
func TestCloseCopiesTheLog(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	mustWrite(t, d, func(tx app.Tx) error { return put(tx, "a") })
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if info, err := os.Stat(d.o.Path + suffix); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s after Close: got %v (%v), want none", suffix, info, err)
		}
	}
	data, err := os.ReadFile(d.o.Path)
	if err != nil {
		t.Fatal(err)
	}
	o := d.o
	o.Path = filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(o.Path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	again := engineDB(t, func(to *Options) { *to = o })
	if got := names(t, again); len(got) != 1 {
		t.Errorf("users in a copy of the file: got %v, want a", got)
	}
}

// What a crash leaves, the file and its log, opens with everything that was
// answered and nothing of a write that was under way.
func TestRecovery(t *testing.T) {
	t.Parallel()
	d := engineDB(t, func(o *Options) { o.ExternalCheckpoints = true }) // everything is in the log
	for n := range 20 {
		mustWrite(t, d, func(tx app.Tx) error { return put(tx, fmt.Sprint(n)) })
	}
	for name, torn := range map[string]int{"whole": 0, "torn": 3000} {
		crashed := filepath.Join(t.TempDir(), "crashed.db")
		mustWrite(t, d, func(tx app.Tx) error {
			if err := put(tx, "under way when it was "+name); err != nil {
				return err
			}
			for _, suffix := range []string{"", "-wal"} {
				data, err := os.ReadFile(d.o.Path + suffix)
				if err != nil {
					return err
				}
				if suffix == "-wal" {
					data = append(data, make([]byte, torn)...)
				}
				if err := os.WriteFile(crashed+suffix, data, 0o600); err != nil {
					return err
				}
			}
			return nil
		})
		want := len(names(t, d)) - 1
		o := d.o
		o.Path, o.ExternalCheckpoints = crashed, false
		again := engineDB(t, func(to *Options) { *to = o })
		if got := len(names(t, again)); got != want {
			t.Errorf("%s: users: got %d, want %d", name, got, want)
		}
		mustWrite(t, again, func(tx app.Tx) error { return put(tx, "afterwards") })
		if got := len(names(t, again)); got != want+1 {
			t.Errorf("%s: users after one more: got %d, want %d", name, got, want+1)
		}
	}
}
