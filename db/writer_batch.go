package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"

	"github.com/defarm-repo/defarm/app"
)

const (
	textBeginWrite = "BEGIN IMMEDIATE"
	textCommit     = "COMMIT"
	textSavepoint  = "SAVEPOINT job"
	textRelease    = "RELEASE job"
	textUndo       = "ROLLBACK TO job"

	textTry        = "SAVEPOINT part"
	textTryRelease = "RELEASE part"
	textTryUndo    = "ROLLBACK TO part"
)

// batch runs the first job and those that are queued behind it.
func (w *writer) batch(first *job) {
	// One turn for the callers that the last commit has woken: what they
	// send now shares this commit. No timer: under load there is always
	// somebody, and without load nobody should wait.
	runtime.Gosched()
	jobs := w.take(nil, first)
	jobs = w.takeQueued(jobs)
	for len(jobs) > 0 {
		jobs = w.transact(jobs)
	}
}

// take adds a job, unless it is too old or nobody waits for it any more.
func (w *writer) take(jobs []*job, j *job) []*job {
	age := w.now().Sub(j.at)
	w.m.jobWait.Observe(age.Seconds())
	if j.abandoned() {
		w.m.refusals.WithLabelValues(refusedCancelled).Inc()
		j.done <- errSkipped
		return jobs
	}
	if age > w.o.MaxWait {
		w.m.refusals.WithLabelValues(refusedOld).Inc()
		j.done <- app.Busy(app.ReasonWriterBusy)
		return jobs
	}
	return append(jobs, j)
}

// takeQueued takes what waits now, up to MaxBatch jobs altogether.
func (w *writer) takeQueued(jobs []*job) []*job {
	for len(jobs) < w.o.MaxBatch {
		select {
		case j, ok := <-w.queue:
			if !ok {
				return jobs // loop will see it too
			}
			jobs = w.take(jobs, j)
		default:
			return jobs
		}
	}
	return jobs
}

func (j *job) abandoned() bool {
	select {
	case <-j.gone:
		return true
	default:
		return false
	}
}

// transact runs jobs in one transaction and answers them. It returns those
// that were not run because the transaction was lost before their turn.
func (w *writer) transact(jobs []*job) []*job {
	w.group, w.committed = jobs, false
	if err := w.begin(); err != nil {
		w.undo(jobs, err)
		return nil
	}
	late := false
	for i := 0; i < len(jobs); i++ {
		if err := w.run(jobs[i]); err != nil {
			w.undo(jobs[:i+1], err)
			return jobs[i+1:]
		}
		if i == len(jobs)-1 && !late {
			late = true
			jobs = w.takeQueued(jobs) // what has arrived meanwhile
			w.group = jobs
		}
	}
	w.m.batch.Observe(float64(len(jobs)))
	if err := w.commit(); err != nil {
		w.undo(jobs, err)
		return nil
	}
	w.answer(jobs)
	w.wal.committed(w.s)
	return nil
}

// begin opens the transaction. A connection that is lost, or stuck in a
// transaction that did not end, is replaced once.
func (w *writer) begin() error {
	w.reset()
	if !w.s.lost && w.s.conn != nil {
		err := w.s.control(textBeginWrite)
		if err == nil || app.CodeOf(err) == app.CodeBusy {
			w.s.failed = nil
			return err
		}
		w.log.Error("writer cannot begin a transaction; its connection is replaced", slog.Any("error", err))
	}
	if err := w.renew(); err != nil {
		return err
	}
	return w.s.control(textBeginWrite)
}

// reset forgets what the last transaction collected.
func (w *writer) reset() {
	w.s.failed = nil
	w.s.queries = 0
	w.s.touched.cut(0)
	clear(w.s.afters)
	w.s.afters = w.s.afters[:0]
}

func (w *writer) renew() error {
	w.m.replaced.Inc()
	if w.s.conn != nil {
		if err := w.s.close(); err != nil {
			w.log.Warn("lost writer connection does not close", slog.Any("error", err))
		}
		w.s.conn = nil
	}
	if err := connect(context.Background(), w.pool, w.pragmas, w.s); err != nil {
		return mapError("replace writer connection", err)
	}
	return nil
}

// run runs one job under its savepoint. The job's own error stays with the
// job; the error returned means that the transaction is lost, with the
// changes of every job before.
func (w *writer) run(j *job) error {
	s := w.s
	if j.abandoned() {
		w.m.refusals.WithLabelValues(refusedCancelled).Inc()
		j.err = errSkipped
		return nil
	}
	if err := s.control(textSavepoint); err != nil {
		return err
	}
	keys := s.touched.size()
	j.from = len(s.afters)
	j.to = j.from
	j.began = w.now()
	j.err = w.invoke(j)
	j.ended = w.now()
	if j.err == nil {
		// A closure that swallows such an error must not commit half its work.
		j.err = s.failed
	}
	if j.err == nil {
		if err := s.control(textRelease); err != nil {
			return err
		}
		j.to = len(s.afters)
		return nil
	}
	s.touched.cut(keys)
	clear(s.afters[j.from:])
	s.afters = s.afters[:j.from]
	return w.undoJob()
}

// undoJob rolls back to the savepoint. Where SQLite has already ended the
// whole transaction there is none.
func (w *writer) undoJob() error {
	cause := w.s.failed
	w.s.failed = nil
	err := w.s.control(textUndo)
	if err == nil {
		err = w.s.control(textRelease)
	}
	if err != nil && cause != nil {
		return cause
	}
	return err
}

// try runs a part of a job under a savepoint of its own. Where the transaction
// is lost, or the savepoint cannot be rolled back to, the whole job fails.
func (s *session) try(fn func() error) error {
	if err := s.control(textTry); err != nil {
		return err
	}
	keys, afters := s.touched.size(), len(s.afters)
	err := fn()
	if s.failed != nil {
		return s.failed
	}
	if err != nil {
		s.touched.cut(keys)
		clear(s.afters[afters:])
		s.afters = s.afters[:afters]
		if undo := s.control(textTryUndo); undo != nil {
			s.failed = undo
			return undo
		}
	}
	if release := s.control(textTryRelease); release != nil {
		s.failed = release
		return release
	}
	return err
}

// invoke calls a job's closure and contains its panics.
func (w *writer) invoke(j *job) (err error) {
	w.running.Store(true)
	defer func() {
		w.running.Store(false)
		if p := recover(); p != nil {
			w.m.jobPanic.Inc()
			w.log.Error("panic in a write", slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
			err = internal(fmt.Errorf("panic in a write: %v", p))
		}
	}()
	return call(j.fn, stores{w.s})
}

// commit makes the transaction durable. Between begin and end of the touched
// keys nobody reads them through the cache. When it fails nothing of the
// transaction remains.
func (w *writer) commit() error {
	start := w.now()
	w.s.touched.begin()
	err := w.s.control(textCommit)
	if err != nil {
		w.rollback()
	}
	w.s.touched.end()
	w.m.commit.Observe(w.now().Sub(start).Seconds())
	return err
}

// rollback ends the transaction, if there is one: SQLite may have ended it.
// One that stays open is found by the next begin.
func (w *writer) rollback() {
	if w.s.conn == nil {
		return
	}
	if err := w.s.control(textRollback); err != nil {
		w.log.Debug("rollback after a failed write", slog.Any("error", err))
	}
}

// answer runs the callbacks of the committed jobs, in order, and answers all.
func (w *writer) answer(jobs []*job) {
	w.committed = true
	w.ran.Add(int64(len(jobs)))
	for i, j := range jobs {
		w.group = jobs[i:]
		switch {
		case j.err == nil:
			w.m.jobOK.Inc()
			for _, fn := range w.s.afters[j.from:j.to] {
				w.after(fn)
			}
		case !errors.Is(j.err, errSkipped):
			w.m.jobError.Inc()
		}
		w.group = jobs[i+1:]
		j.done <- j.err
	}
}

func (w *writer) after(fn func()) {
	w.running.Store(true)
	defer func() {
		w.running.Store(false)
		if p := recover(); p != nil {
			w.log.Error("panic after a commit", slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
		}
	}()
	if err := call(func(app.Tx) error { fn(); return nil }, nil); err != nil {
		w.log.Error("after a commit", slog.Any("error", err))
	}
}

// undo rolls the transaction back and answers its jobs: each with its own
// error, the innocent ones with the one that took their changes along.
func (w *writer) undo(jobs []*job, cause error) {
	w.group = nil
	w.rollback()
	w.reset()
	if app.CodeOf(cause) == app.CodeInternal {
		w.log.Error("a write transaction is undone", slog.Int("jobs", len(jobs)), slog.Any("error", cause))
	}
	for _, j := range jobs {
		if j.err == nil {
			w.m.jobUndone.Inc()
			j.err = undone(cause)
		}
		j.done <- j.err
	}
}

// undone is the error of a job whose changes were lost with the transaction.
func undone(cause error) error {
	var known *app.Error
	if errors.As(cause, &known) {
		return cause
	}
	return internal(fmt.Errorf("write undone: %w", cause))
}
