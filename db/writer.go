package db

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/defarm-repo/defarm/app"
)

// writer runs all writes, on one goroutine and one connection.
//
// Write puts a job into a bounded queue and waits for its answer. The
// goroutine takes what is queued, runs each job under a savepoint of one
// transaction, commits, and answers (writer_batch.go). A job is answered
// exactly once, whatever happens.
type writer struct {
	pool    *sql.DB
	pragmas []pragma
	o       WriterOptions
	now     func() time.Time
	log     *slog.Logger
	m       *metrics

	// mu orders Write and close: nothing is sent to queue after it was
	// closed.
	mu      sync.RWMutex
	closed  bool
	closing chan struct{} // closed first, so that nobody waits for admission
	queue   chan *job
	passes  chan passRequest
	stopped chan struct{} // closed when the last job was answered
	free    sync.Pool     // of *job, answered ones

	// running is set while a job's closure runs, goroutine is the id of the
	// goroutine that runs it; see nested.
	running   atomic.Bool
	goroutine atomic.Int64
	site      codeRange

	// ran counts the jobs of committed transactions, for those that make way
	// when others write.
	ran atomic.Int64

	// The rest belongs to the goroutine.
	s         *session
	group     []*job // the jobs of the transaction that are not yet answered
	committed bool   // it is committed
	wal       *walState
}

// job is one queued write.
type job struct {
	fn func(tx app.Tx) error
	// gone is closed when the caller no longer wants the job done; nil for
	// callers who wait for ever.
	gone <-chan struct{}
	at   time.Time
	done chan error // one place: answering never waits
	// The rest belongs to the writer goroutine, until the job is answered.
	began    time.Time // when it was run
	ended    time.Time // when its closure had ended
	err      error
	from, to int // its after-commit callbacks in session.afters
}

func openWriter(ctx context.Context, o Options, pool *sql.DB, m *metrics) (*writer, error) {
	w := &writer{
		pool:    pool,
		pragmas: pragmas(o, roleWriter),
		o:       o.Writer,
		now:     o.Now,
		log:     o.Logger,
		m:       m,
		closing: make(chan struct{}),
		queue:   make(chan *job, o.Writer.QueueDepth),
		passes:  make(chan passRequest),
		stopped: make(chan struct{}),
		s:       newSession(nil),
		site:    findCallSite(),
		wal:     newWALState(o),
	}
	w.free.New = func() any { return &job{done: make(chan error, 1)} }
	if err := connect(ctx, pool, w.pragmas, w.s); err != nil {
		return nil, fmt.Errorf("open writer: %w", err)
	}
	return w, nil
}

// write runs fn as one atomic change; see app.Store.
func (w *writer) write(ctx context.Context, fn func(tx app.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.nested() {
		w.m.refusals.WithLabelValues(refusedNested).Inc()
		return internal(errors.New("write inside the closure of another write"))
	}
	j := w.free.Get().(*job) //nolint:forcetypeassert // the pool holds nothing else
	j.fn, j.gone, j.at = fn, ctx.Done(), w.now()
	if err := w.admit(ctx, j); err != nil {
		w.recycle(j)
		return err
	}
	select {
	case err := <-j.done:
		w.trace(ctx, j)
		w.recycle(j)
		return skippedOr(ctx, err)
	case <-ctx.Done():
	}
	select {
	case err := <-j.done: // both at once: what was done counts
		w.recycle(j)
		return skippedOr(ctx, err)
	default:
		return ctx.Err() // the writer still has the job
	}
}

// trace makes spans of an answered job, where the caller's request is traced: its
// wait in the queue, its run, and the commit that it shared.
func (w *writer) trace(ctx context.Context, j *job) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() || j.began.IsZero() {
		return
	}
	tracer := parent.TracerProvider().Tracer("github.com/defarm-repo/defarm/db")
	answered := w.now()
	for _, stage := range []struct {
		name     string
		from, to time.Time
	}{
		{"writer wait", j.at, j.began}, {"writer run", j.began, j.ended}, {"writer commit", j.ended, answered},
	} {
		_, span := tracer.Start(ctx, stage.name, trace.WithTimestamp(stage.from))
		span.End(trace.WithTimestamp(stage.to))
	}
}

// errSkipped answers a job whose caller was gone before it was run.
var errSkipped = errors.New("the caller of the write was gone")

func skippedOr(ctx context.Context, err error) error {
	if err == errSkipped { //nolint:errorlint // the writer's own value, never wrapped
		return ctx.Err()
	}
	return err
}

// recycle is for jobs that the writer no longer knows.
func (w *writer) recycle(j *job) {
	*j = job{done: j.done}
	w.free.Put(j)
}

// admit queues a job, waiting for a place at most AdmissionTimeout.
func (w *writer) admit(ctx context.Context, j *job) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		w.m.refusals.WithLabelValues(refusedClosing).Inc()
		return errClosed()
	}
	select {
	case w.queue <- j:
		return nil
	default:
	}
	timer := time.NewTimer(w.o.AdmissionTimeout)
	defer timer.Stop()
	select {
	case w.queue <- j:
		return nil
	case <-timer.C:
		w.m.refusals.WithLabelValues(refusedFull).Inc()
		return app.Busy(app.ReasonWriterBusy)
	case <-ctx.Done():
		w.m.refusals.WithLabelValues(refusedCancelled).Inc()
		return ctx.Err()
	case <-w.closing:
		w.m.refusals.WithLabelValues(refusedClosing).Inc()
		return errClosed()
	}
}

// serve runs the writer until the queue is closed and empty. A closure that
// ends its goroutine (runtime.Goexit, as a test's FailNow does) takes the
// loop's with it: then a new one goes on.
func (w *writer) serve() {
	defer close(w.stopped)
	for finished := false; !finished; {
		ended := make(chan bool, 1)
		go func() {
			ok := false
			defer func() { ended <- ok }()
			w.loop()
			ok = true
		}()
		if finished = <-ended; !finished {
			w.afterExit()
		}
	}
}

// afterExit answers the jobs that the ended goroutine has left.
func (w *writer) afterExit() {
	w.running.Store(false)
	if !w.committed {
		w.log.Error("a write ended the writer's goroutine; its transaction is undone")
		w.undo(w.group, internal(errors.New("a write of the same transaction ended its goroutine")))
		return
	}
	w.log.Error("a callback after a commit ended the writer's goroutine; the callbacks behind it are lost")
	for _, j := range w.group {
		j.done <- j.err
	}
	w.group = nil
}

func (w *writer) loop() {
	w.goroutine.Store(goroutineID())
	for {
		select {
		case j, ok := <-w.queue:
			if !ok {
				return
			}
			w.batch(j)
		case p := <-w.passes:
			p.done <- w.pass(p.mode)
		}
		// A waiting pass goes between two batches, however full the queue.
		select {
		case p := <-w.passes:
			p.done <- w.pass(p.mode)
		default:
		}
	}
}

// refuse makes every later write answer CodeBusy.
func (w *writer) refuse() {
	close(w.closing)
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
}

// drain waits until every queued job was answered. It comes after refuse and
// after whoever sends passes has stopped.
func (w *writer) drain() {
	close(w.queue)
	<-w.stopped
}

// nested reports whether the caller runs inside the closure of one of this
// writer's jobs, or in a callback of one. Waiting for an answer there would
// wait for itself.
//
// A closure gets no context that could tell, so the stack does: inside one it
// holds a return address in call. The walk is paid only while a job is
// running, about a microsecond; the slower comparison of goroutine ids only
// if the address is there, to tell apart the writers of several databases in
// one process. A goroutine that the closure starts is not seen.
func (w *writer) nested() bool {
	if !w.running.Load() {
		return false
	}
	var pcs [64]uintptr
	for skip := 2; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs[:])
		for _, pc := range pcs[:n] {
			if w.site.holds(pc) {
				return goroutineID() == w.goroutine.Load()
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}

// call is the only place where closures are called: its frame on the stack
// gives a nested write away.
//
//go:noinline
func call(fn func(app.Tx) error, tx app.Tx) error {
	err := fn(tx)
	return err
}

// codeRange is the machine code of one function. A return address alone would
// not do: a profile-guided build may call, or inline, in more than one place.
type codeRange struct{ from, to uintptr }

func (r codeRange) holds(pc uintptr) bool { return pc >= r.from && pc <= r.to }

// findCallSite finds the code of call by asking a closure where it was called
// from.
func findCallSite() codeRange {
	var pc [1]uintptr
	probe := func(app.Tx) error {
		runtime.Callers(2, pc[:])
		return nil
	}
	if call(probe, nil) != nil {
		return codeRange{}
	}
	from := runtime.FuncForPC(pc[0]).Entry()
	to := pc[0]
	for f := runtime.FuncForPC(to); f != nil && f.Entry() == from; f = runtime.FuncForPC(to) {
		to++
	}
	return codeRange{from: from, to: to}
}

// goroutineID is the running goroutine's number from its stack dump, whose
// first line is "goroutine N [running]:". It takes some microseconds.
func goroutineID() int64 {
	var buf [64]byte
	text := buf[:runtime.Stack(buf[:], false)]
	_, text, _ = bytes.Cut(text, []byte(" "))
	text, _, _ = bytes.Cut(text, []byte(" "))
	id, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return -1
	}
	return id
}
