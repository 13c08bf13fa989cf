package db

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/defarm-repo/defarm/app"
)

// Clause 6: Close refuses new jobs, runs and answers those that are queued, and
// leaves one file with everything in it.
func TestCloseDrains(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	path := d.o.Path
	g := holdWriter(t, d)
	const jobs = 20
	answers := make(chan error, jobs)
	for n := range jobs {
		go func() {
			answers <- d.Write(context.Background(), func(tx app.Tx) error { return put(tx, fmt.Sprint(n)) })
		}()
	}
	queued(t, d, jobs)
	closed := make(chan error, 2)
	for range 2 { // the second waits for the first
		go func() { closed <- d.Close() }()
	}
	waitFor(t, d.writer.closing, "Close to begin")
	if err := d.Write(t.Context(), func(tx app.Tx) error { return put(tx, "late") }); app.ReasonOf(err) != app.ReasonShuttingDown {
		t.Errorf("a write during Close: got %v, want that the server shuts down", err)
	}
	g.release(t)
	for range jobs {
		if err := <-answers; err != nil {
			t.Errorf("queued job: %v", err)
		}
	}
	for range 2 {
		if err := <-closed; err != nil {
			t.Errorf("close: %v", err)
		}
	}
	for _, name := range []string{path + "-wal", path + "-shm"} {
		if info, err := os.Stat(name); err == nil && info.Size() > 0 {
			t.Errorf("%s still holds %d bytes", name, info.Size())
		}
	}
	if err := d.Write(t.Context(), func(app.Tx) error { return nil }); app.ReasonOf(err) != app.ReasonShuttingDown {
		t.Errorf("a write after Close: got %v", err)
	}
	if err := d.Read(t.Context(), func(app.Reader) error { return nil }); app.ReasonOf(err) != app.ReasonShuttingDown {
		t.Errorf("a read after Close: got %v", err)
	}
	if _, err := d.User(t.Context(), "0"); app.ReasonOf(err) != app.ReasonShuttingDown {
		t.Errorf("a lookup after Close: got %v", err)
	}

	o := DefaultOptions(path)
	again, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(names(t, again)); got != jobs {
		t.Errorf("users: got %d, want all %d that were answered", got, jobs)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// Whoever waits for a place in a full queue does not wait longer than Close.
func TestCloseEndsAdmission(t *testing.T) {
	t.Parallel()
	d := engineDB(t, func(o *Options) { o.Writer.QueueDepth, o.Writer.AdmissionTimeout = 1, patience })
	g := holdWriter(t, d)
	answers := make(chan error, 2)
	for range 2 {
		go func() { answers <- d.Write(context.Background(), func(app.Tx) error { return nil }) }()
	}
	queued(t, d, 1)
	closed := make(chan error, 1)
	go func() { closed <- d.Close() }()
	waitFor(t, d.writer.closing, "Close to begin")
	// One of them has no place; he is answered while the writer is still held.
	if err := <-answers; app.ReasonOf(err) != app.ReasonShuttingDown {
		t.Errorf("got %v, want that the server shuts down", err)
	}
	g.release(t)
	if err := <-answers; err != nil {
		t.Errorf("the queued job: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// Close waits for the reads that run, and no reader is left without an answer.
func TestCloseWaitsForReads(t *testing.T) {
	t.Parallel()
	d := engineDB(t, func(o *Options) { o.Readers, o.ReadWait = 1, patience })
	running, finish := make(chan struct{}), make(chan struct{})
	answers := make(chan error, 2)
	go func() {
		answers <- d.Read(context.Background(), func(r app.Reader) error {
			close(running)
			<-finish
			_, err := r.Users().Count()
			return err
		})
	}()
	waitFor(t, running, "the read to run")
	waiting := make(chan error, 1)
	go func() { waiting <- d.Read(context.Background(), func(app.Reader) error { return nil }) }()
	closed := make(chan error, 1)
	go func() { closed <- d.Close() }()
	if err := <-waiting; app.ReasonOf(err) != app.ReasonShuttingDown {
		t.Errorf("a read that waits: got %v, want that the server shuts down", err)
	}
	close(finish)
	if err := <-answers; err != nil {
		t.Errorf("the running read: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// Every write is answered exactly once while the database is closed under load:
// done, and then it is there, or refused, and then it is not.
func TestCloseUnderLoad(t *testing.T) {
	t.Parallel()
	d := engineDB(t, func(o *Options) { o.Writer.QueueDepth = 8 })
	var mu sync.Mutex
	var done []string
	started := make(chan struct{}, 1000)
	var all sync.WaitGroup
	for worker := range 16 {
		all.Go(func() {
			for n := 0; ; n++ {
				name := fmt.Sprint(worker, "-", n)
				err := d.Write(context.Background(), func(tx app.Tx) error { return put(tx, name) })
				switch {
				case err == nil:
					mu.Lock()
					done = append(done, name)
					mu.Unlock()
					select {
					case started <- struct{}{}:
					default:
					}
				case app.ReasonOf(err) == app.ReasonShuttingDown:
					return
				case app.CodeOf(err) != app.CodeBusy:
					t.Errorf("got %v, want done, busy or shutting down", err)
					return
				}
			}
		})
	}
	for range 200 {
		<-started
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	again, err := Open(context.Background(), d.o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}()
	stored := map[string]bool{}
	for _, name := range names(t, again) {
		stored[name] = true
	}
	if len(stored) != len(done) {
		t.Errorf("stored %d users, answered %d", len(stored), len(done))
	}
	for _, name := range done {
		if !stored[name] {
			t.Errorf("%s was answered and is gone", name)
		}
	}
}

// A second database on the same file is refused until the first is closed.
func TestOneDatabasePerFile(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	if _, err := Open(t.Context(), d.o); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v, want that it is in use", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(t.Context(), d.o)
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// The files are for the owner alone.
func TestFileModes(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	if err := d.Write(t.Context(), func(tx app.Tx) error { return put(tx, "a") }); err != nil {
		t.Fatal(err)
	}
	got := map[string]os.FileMode{}
	for _, suffix := range []string{"", "-wal", ".lock"} {
		info, err := os.Stat(d.o.Path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		got[suffix] = info.Mode()
	}
	if diff := cmp.Diff(map[string]os.FileMode{"": 0o600, "-wal": 0o600, ".lock": 0o600}, got); diff != "" {
		t.Errorf("modes (-want +got):\n%s", diff)
	}
}
