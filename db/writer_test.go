package db

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/defarm-repo/defarm/app"
)

// Clause 1: the queue is bounded; who finds it full waits for a place, then is
// told that the server is busy, and nothing of his was done.
func TestWriterAdmissionIsBounded(t *testing.T) {
	t.Parallel()
	d := engineDB(t, func(o *Options) { o.Writer.QueueDepth, o.Writer.AdmissionTimeout = 3, time.Millisecond })
	g := holdWriter(t, d)
	answers := make(chan error, 3)
	for n := range 3 {
		go func() {
			answers <- d.Write(context.Background(), func(tx app.Tx) error { return put(tx, fmt.Sprint("queued-", n)) })
		}()
	}
	queued(t, d, 3)
	err := d.Write(t.Context(), func(tx app.Tx) error { return put(tx, "refused") })
	var e *app.Error
	if !errors.As(err, &e) || e.Code != app.CodeBusy || e.Reason != app.ReasonWriterBusy || e.RetryAfter != 1 {
		t.Errorf("with a full queue: got %v, want busy with a time to retry", err)
	}
	if got := counter(t, d.m.refusals, refusedFull); got != 1 {
		t.Errorf("refusals: got %v, want 1", got)
	}
	g.release(t)
	for range 3 {
		if err := <-answers; err != nil {
			t.Errorf("queued job: %v", err)
		}
	}
	got := names(t, d)
	slices.Sort(got)
	if diff := cmp.Diff([]string{"queued-0", "queued-1", "queued-2"}, got); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
}

// A place that comes free in time is taken.
func TestWriterAdmissionWaits(t *testing.T) {
	t.Parallel()
	d := engineDB(t, func(o *Options) { o.Writer.QueueDepth, o.Writer.AdmissionTimeout = 1, patience })
	g := holdWriter(t, d)
	answers := make(chan error, 2)
	for n := range 2 {
		go func() {
			answers <- d.Write(context.Background(), func(tx app.Tx) error { return put(tx, fmt.Sprint(n)) })
		}()
	}
	queued(t, d, 1)
	g.release(t)
	for range 2 {
		if err := <-answers; err != nil {
			t.Errorf("got %v, want both done", err)
		}
	}
}

// While he waits for a place, the caller may leave.
func TestWriterAdmissionEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	d := engineDB(t, func(o *Options) { o.Writer.QueueDepth, o.Writer.AdmissionTimeout = 1, patience })
	g := holdWriter(t, d)
	filler := make(chan error, 1)
	go func() { filler <- d.Write(context.Background(), func(app.Tx) error { return nil }) }()
	queued(t, d, 1)
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { gone <- d.Write(ctx, func(tx app.Tx) error { return put(tx, "never") }) }()
	leave()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that he has left", err)
	}
	g.release(t)
	<-filler
	if got := names(t, d); len(got) != 0 {
		t.Errorf("users: got %v, want none", got)
	}
}

// Clause 2: what is queued shares one commit, in order, up to the batch's bound,
// and so does what arrives while the batch runs.
func TestWriterGroups(t *testing.T) {
	t.Parallel()
	d := engineDB(t, func(o *Options) { o.Writer.MaxBatch = 4 })
	g := holdWriter(t, d)
	var mu sync.Mutex
	var order []int
	commits := func() uint64 { return d.writer.wal.commits.Load() }
	before := commits()
	var all sync.WaitGroup
	for n := range 6 { // one after the other into the queue
		all.Go(func() {
			err := d.Write(context.Background(), func(tx app.Tx) error {
				mu.Lock()
				defer mu.Unlock()
				order = append(order, n)
				return put(tx, fmt.Sprint(n))
			})
			if err != nil {
				t.Errorf("job %d: %v", n, err)
			}
		})
		queued(t, d, n+1)
	}
	g.release(t)
	all.Wait()
	if diff := cmp.Diff([]int{0, 1, 2, 3, 4, 5}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	// The job that held the writer takes three along, which makes four; the
	// other three follow.
	if got := commits() - before; got != 2 {
		t.Errorf("commits: got %d, want 2", got)
	}
}

// Clause 3: a job that fails or panics undoes itself alone, whatever stands
// before and behind it in the transaction.
func TestWriterUndoesOneJob(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	if err := d.Write(t.Context(), func(tx app.Tx) error { return put(tx, "taken") }); err != nil {
		t.Fatal(err)
	}
	jobs := []struct {
		name string
		fn   func(tx app.Tx) error
		want func(error) bool
	}{
		{"good", func(tx app.Tx) error { return put(tx, "good-1") }, func(err error) bool { return err == nil }},
		{"own error", func(tx app.Tx) error { return errors.Join(put(tx, "bad-1"), errMine) }, func(err error) bool { return errors.Is(err, errMine) }},
		{"panic", func(tx app.Tx) error {
			if err := put(tx, "bad-2"); err != nil {
				return err
			}
			panic("mine")
		}, func(err error) bool { return app.CodeOf(err) == app.CodeInternal }},
		{"constraint", func(tx app.Tx) error { return errors.Join(put(tx, "bad-3"), put(tx, "taken")) },
			func(err error) bool { return app.ReasonOf(err) == app.ReasonUsernameTaken }},
		{"good", func(tx app.Tx) error { return put(tx, "good-2") }, func(err error) bool { return err == nil }},
	}
	g := holdWriter(t, d)
	var all sync.WaitGroup
	for n, job := range jobs {
		all.Go(func() {
			if err := d.Write(context.Background(), job.fn); !job.want(err) {
				t.Errorf("%s: got %v", job.name, err)
			}
		})
		queued(t, d, n+1)
	}
	g.release(t)
	all.Wait()
	if diff := cmp.Diff([]string{"taken", "good-1", "good-2"}, names(t, d)); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
}

// A closure that ends its goroutine takes the transaction along, with the
// innocent ones, and the writer goes on.
func TestWriterSurvivesGoexit(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	g := holdWriter(t, d)
	answers := make(chan error, 2)
	go func() { answers <- d.Write(context.Background(), func(tx app.Tx) error { return put(tx, "innocent") }) }()
	queued(t, d, 1)
	go func() {
		answers <- d.Write(context.Background(), func(tx app.Tx) error { runtime.Goexit(); return nil })
	}()
	queued(t, d, 2)
	close(g.open)
	for range 2 {
		if err := <-answers; app.CodeOf(err) != app.CodeInternal {
			t.Errorf("got %v, want an internal error", err)
		}
	}
	<-g.done
	if err := d.Write(t.Context(), func(tx app.Tx) error { return put(tx, "next") }); err != nil {
		t.Errorf("the next write: %v", err)
	}
	if diff := cmp.Diff([]string{"next"}, names(t, d)); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
}

// Clause 3: answers come after COMMIT; when COMMIT fails all get its error and
// nothing remains.
func TestWriterCommitFails(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	g := holdWriter(t, d)
	answers := make(chan error, 2)
	go func() { answers <- d.Write(context.Background(), func(tx app.Tx) error { return put(tx, "innocent") }) }()
	queued(t, d, 1)
	go func() {
		answers <- d.Write(context.Background(), func(tx app.Tx) error {
			s := tx.(stores).s
			// Checked at COMMIT only: a key of nobody's.
			if _, err := s.exec("PRAGMA defer_foreign_keys = ON"); err != nil {
				return err
			}
			return tx.APIKeys().Insert(&app.APIKey{ID: fixedID(1), OwnerID: "nobody", Hash: "h", Prefix: "p"})
		})
	}()
	queued(t, d, 2)
	close(g.open)
	for range 2 {
		if err := <-answers; app.CodeOf(err) != app.CodeConflict {
			t.Errorf("got %v, want the error of COMMIT", err)
		}
	}
	<-g.done
	if got := names(t, d); len(got) != 0 {
		t.Errorf("users: got %v, want none", got)
	}
	if err := d.Write(t.Context(), func(tx app.Tx) error { return put(tx, "next") }); err != nil {
		t.Errorf("the next write: %v", err)
	}
}

// A disk that is full refuses what needs room, says so, and serves again when
// there is room.
func TestWriterDiskFull(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	limit := func(pages string) {
		t.Helper()
		err := d.Write(t.Context(), func(tx app.Tx) error {
			return tx.(stores).s.row("PRAGMA max_page_count = " + pages).Scan(new(int))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	limit("1") // the size that it has
	var refused error
	wrote := 0
	for ; refused == nil && wrote < 10_000; wrote++ {
		refused = d.Write(t.Context(), func(tx app.Tx) error { return put(tx, fmt.Sprintf("%0400d", wrote)) })
	}
	if app.CodeOf(refused) != app.CodeStorageFull || app.ReasonOf(refused) != app.ReasonStorageFull {
		t.Fatalf("after %d writes: got %v, want that the storage is full", wrote, refused)
	}
	if got := len(names(t, d)); got != wrote-1 {
		t.Errorf("users: got %d, want the %d that were answered", got, wrote-1)
	}
	limit("1000000")
	if err := d.Write(t.Context(), func(tx app.Tx) error { return put(tx, "room again") }); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// Clause 4: a job whose caller left while it was queued is skipped.
func TestWriterSkipsTheAbandoned(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	g := holdWriter(t, d)
	ctx, leave := context.WithCancel(t.Context())
	var ran atomic.Bool
	gone := make(chan error, 1)
	go func() {
		gone <- d.Write(ctx, func(tx app.Tx) error { ran.Store(true); return put(tx, "never") })
	}()
	queued(t, d, 1)
	leave()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that he has left", err)
	}
	g.release(t)
	if err := d.Write(t.Context(), func(tx app.Tx) error { return put(tx, "next") }); err != nil {
		t.Fatal(err)
	}
	if ran.Load() {
		t.Error("the closure of a caller who left was run")
	}
	if diff := cmp.Diff([]string{"next"}, names(t, d)); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
}

// Clause 4: once started, a job is finished, though its caller no longer waits.
func TestWriterFinishesWhatItStarted(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	ctx, leave := context.WithCancel(t.Context())
	running, left := make(chan struct{}), make(chan struct{})
	gone := make(chan error, 1)
	go func() {
		gone <- d.Write(ctx, func(tx app.Tx) error {
			close(running)
			<-left
			return put(tx, "done all the same")
		})
	}()
	waitFor(t, running, "the closure to run")
	leave()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that he has left", err)
	}
	close(left)
	if err := d.Write(t.Context(), func(app.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"done all the same"}, names(t, d)); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
}

// Clause 1: a job that has waited too long is refused without being run.
func TestWriterRefusesOldJobs(t *testing.T) {
	t.Parallel()
	clock := &testClock{now: testTime}
	d := engineDB(t, func(o *Options) { o.Now, o.Writer.MaxWait = clock.Now, time.Second })
	for name, tc := range map[string]struct {
		age  time.Duration
		want app.Code
	}{"just in time": {time.Second, ""}, "too old": {time.Second + 1, app.CodeBusy}} {
		g := holdWriter(t, d)
		answer := make(chan error, 1)
		go func() { answer <- d.Write(context.Background(), func(tx app.Tx) error { return put(tx, name) }) }()
		queued(t, d, 1)
		clock.advance(tc.age)
		g.release(t)
		if err := <-answer; app.CodeOf(err) != tc.want {
			t.Errorf("%s: got %v, want code %q", name, err, tc.want)
		}
	}
	if diff := cmp.Diff([]string{"just in time"}, names(t, d)); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
}

// Clause 5: a write inside a write would wait for itself and is refused, in the
// closure and in a callback; a write to another database is none.
func TestWriterRefusesNestedWrites(t *testing.T) {
	t.Parallel()
	d, other := engineDB(t), engineDB(t)
	var inClosure, inCallback, toOther error
	err := d.Write(t.Context(), func(tx app.Tx) error {
		inClosure = deep(10, func() error { return d.Write(t.Context(), func(app.Tx) error { return nil }) })
		toOther = other.Write(t.Context(), func(tx app.Tx) error { return put(tx, "there") })
		tx.AfterCommit(func() { inCallback = d.Write(t.Context(), func(app.Tx) error { return nil }) })
		return put(tx, "here")
	})
	if err != nil {
		t.Fatalf("the outer write: %v", err)
	}
	for name, err := range map[string]error{"closure": inClosure, "callback": inCallback} {
		if app.CodeOf(err) != app.CodeInternal {
			t.Errorf("in a %s: got %v, want an internal error", name, err)
		}
	}
	if toOther != nil {
		t.Errorf("to another database: %v", toOther)
	}
	if diff := cmp.Diff([]string{"here"}, names(t, d)); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	if got := counter(t, d.m.refusals, refusedNested); got != 2 {
		t.Errorf("refusals: got %v, want 2", got)
	}
}

// deep calls fn below n frames.
func deep(n int, fn func() error) error {
	if n == 0 {
		return fn()
	}
	return deep(n-1, fn)
}

// Callbacks run in order, after the commit and before the answer; those of what
// was undone do not run; a panic in one is contained.
func TestWriterAfterCommit(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	var ran []string
	note := func(s string) func() { return func() { ran = append(ran, s) } }
	err := d.Write(t.Context(), func(tx app.Tx) error {
		tx.AfterCommit(note("first"))
		tx.AfterCommit(func() { panic("mine") })
		tx.AfterCommit(func() {
			if got := names(t, d); len(got) == 1 { // a reader sees the commit
				note("second")()
			}
		})
		return put(tx, "a")
	})
	if err != nil {
		t.Fatal(err)
	}
	err = d.Write(t.Context(), func(tx app.Tx) error {
		tx.AfterCommit(note("undone"))
		return errMine
	})
	if !errors.Is(err, errMine) {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"first", "second"}, ran); diff != "" {
		t.Errorf("callbacks (-want +got):\n%s", diff)
	}
}

// A closure that drops the error of a statement commits nothing when the
// transaction may be gone.
func TestWriterSwallowedError(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	err := d.Write(t.Context(), func(tx app.Tx) error {
		s := tx.(stores).s
		if err := put(tx, "half"); err != nil {
			return err
		}
		s.failed = errMine // as fault leaves it
		return nil
	})
	if !errors.Is(err, errMine) {
		t.Errorf("got %v, want the swallowed error", err)
	}
	if got := names(t, d); len(got) != 0 {
		t.Errorf("users: got %v, want none", got)
	}
}

// 10,000 callers who hang up leave the connections as they were, nothing in the
// queue, and the log bounded.
func TestWriterHangUps(t *testing.T) {
	t.Parallel()
	d := engineDB(t, func(o *Options) { o.CheckpointBytes = minCheckpointBytes })
	conn := d.writer.s.conn
	var all sync.WaitGroup
	for worker := range 16 {
		all.Go(func() {
			for n := range 625 {
				ctx, cancel := context.WithCancel(context.Background())
				go cancel()
				err := d.Write(ctx, func(tx app.Tx) error { return put(tx, fmt.Sprint(worker, "-", n)) })
				if err != nil && !errors.Is(err, context.Canceled) && app.CodeOf(err) != app.CodeBusy {
					t.Errorf("got %v, want done, cancelled or busy", err)
				}
				if _, err := d.User(ctx, "0-0"); err != nil && !errors.Is(err, context.Canceled) &&
					app.CodeOf(err) != app.CodeNotFound && app.CodeOf(err) != app.CodeBusy {
					t.Errorf("read: %v", err)
				}
			}
		})
	}
	all.Wait()
	if err := d.Write(t.Context(), func(tx app.Tx) error { return put(tx, "last") }); err != nil {
		t.Fatal(err)
	}
	if d.writer.s.conn != conn {
		t.Error("the writer's connection was replaced")
	}
	if got := len(d.writer.queue); got != 0 {
		t.Errorf("queue: got %d jobs, want none", got)
	}
	if got, most := d.writer.wal.bytes(), int64(alarmFactor*minCheckpointBytes); got > most {
		t.Errorf("log: got %d bytes, want at most %d", got, most)
	}
}
