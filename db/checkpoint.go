package db

import (
	"context"
	"database/sql"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"
)

// Checkpoints copy the write-ahead log into the database, so that the log can
// start anew. A background pass alone never lets a busy log reset, because the
// writer always appends behind it; a pass by the writer alone stops all writes
// for the whole copy. So there are two steps: the checkpointer copies the bulk
// on a connection of its own, then the writer copies the little rest between
// two batches, and its next commit finds the log copied and resets it.
//
// A reader that holds an old snapshot at that moment prevents the reset. Above
// twice the threshold the writer therefore waits a moment for such readers
// (RESTART): newer ones read the database alone and do not get in the way.

// checkpointMode is what a pass on the writer does.
type checkpointMode string

const (
	modePassive  checkpointMode = "PASSIVE"  // copy what can be copied
	modeRestart  checkpointMode = "RESTART"  // and wait until nobody reads the log
	modeTruncate checkpointMode = "TRUNCATE" // and cut the file to nothing
)

const (
	// frameBytes is what one page takes in the log.
	frameBytes = pageSize + 24
	// alarmFactor times the threshold is the length the log must not reach.
	alarmFactor = 4
	// restartFactor times the threshold is where passes become insistent.
	restartFactor = 2
	// retryFraction of the threshold must be written between two attempts.
	retryFraction = 4
	// insistMillis is how long a pass on the writer waits for readers.
	insistMillis = 20
	// idleAfter is the time without a commit after which the log is cut.
	idleAfter = 2 * time.Second

	// NOOP tells the length of the log and changes nothing.
	textWALState = "PRAGMA wal_checkpoint(NOOP)"
	textPassive  = "PRAGMA wal_checkpoint(PASSIVE)"
	textRestart  = "PRAGMA wal_checkpoint(RESTART)"
	textTruncate = "PRAGMA wal_checkpoint(TRUNCATE)"
)

// walState is what is known about the log. The writer keeps it current.
type walState struct {
	threshold int64
	frames    atomic.Int64 // in the log
	copied    atomic.Int64 // of these, in the database too
	commits   atomic.Uint64
	wake      chan struct{} // the log is longer than the threshold
}

func newWALState(o Options) *walState {
	return &walState{threshold: o.CheckpointBytes, wake: make(chan struct{}, 1)}
}

func (w *walState) bytes() int64 { return w.frames.Load() * frameBytes }

// committed takes the log's length after a commit.
func (w *walState) committed(s *session) {
	w.commits.Add(1)
	if err := w.checkpoint(s, textWALState); err != nil {
		return // the session has noted it; the next commit asks again
	}
	if w.bytes() >= w.threshold {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// checkpoint runs a checkpoint pragma, whose only row is: whether a lock was in the
// way, the frames in the log, and how many of them are copied.
func (w *walState) checkpoint(s *session, text string) error {
	var busy bool
	var frames, copied int64
	if err := s.row(text).Scan(&busy, &frames, &copied); err != nil {
		return err
	}
	w.frames.Store(max(frames, 0))
	w.copied.Store(max(copied, 0))
	return nil
}

// passRequest asks the writer for a pass between two batches.
type passRequest struct {
	mode checkpointMode
	done chan error
}

// pass runs one checkpoint pass on the writer's connection.
func (w *writer) pass(mode checkpointMode) error {
	if w.s.conn == nil || w.s.lost {
		return nil // the next batch replaces it
	}
	start := w.now()
	defer func() {
		w.m.checkpoint.WithLabelValues("writer_" + string(mode)).Observe(w.now().Sub(start).Seconds())
	}()
	w.s.failed = nil
	if mode == modePassive {
		return w.wal.checkpoint(w.s, textPassive)
	}
	// Readers are waited for under the busy timeout, while all writes wait.
	if err := setBusyTimeout(w.s, insistMillis); err != nil {
		return err
	}
	text := textRestart
	if mode == modeTruncate {
		text = textTruncate
	}
	err := w.wal.checkpoint(w.s, text)
	return joined(err, setBusyTimeout(w.s, busyMillis))
}

// setBusyTimeout cannot be a prepared statement: SQLite runs this pragma when
// it is compiled, not when it is stepped.
func setBusyTimeout(s *session, millis int) error {
	_, err := s.conn.ExecContext(context.Background(), "PRAGMA busy_timeout = "+strconv.Itoa(millis))
	return s.fault("set busy timeout", err)
}

// checkpointer owns the goroutine that keeps the log short.
type checkpointer struct {
	w        *writer
	wal      *walState
	pool     *sql.DB
	pragmas  []pragma
	s        *session
	external bool
	now      func() time.Time
	oldest   func() time.Duration // age of the oldest read transaction
	log      *slog.Logger
	m        *metrics

	stop    chan struct{}
	stopped chan struct{}

	// The rest belongs to the goroutine.
	last  int64  // the log's length at the last attempt
	next  int64  // the length at which the next attempt is due
	seen  uint64 // commits at the last tick
	alarm bool
}

func openCheckpointer(ctx context.Context, o Options, pool *sql.DB, w *writer, r *readers, m *metrics) (*checkpointer, error) {
	c := &checkpointer{
		w: w, wal: w.wal, pool: pool, pragmas: w.pragmas, s: newSession(nil),
		external: o.ExternalCheckpoints, now: o.Now, oldest: r.oldest, log: o.Logger, m: m,
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	if c.external {
		return c, nil
	}
	return c, connect(ctx, pool, c.pragmas, c.s)
}

func (c *checkpointer) serve() {
	defer close(c.stopped)
	tick := time.NewTicker(idleAfter)
	defer tick.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-c.wal.wake:
			c.relieve()
		case <-tick.C:
			c.idle()
		}
	}
}

// close ends the goroutine and its connection.
func (c *checkpointer) close() error {
	close(c.stop)
	<-c.stopped
	return c.s.close()
}

// relieve shortens a log that has reached the threshold.
func (c *checkpointer) relieve() {
	size := c.wal.bytes()
	c.watch(size)
	if size < c.last {
		c.next = 0 // the log was reset since
	}
	c.last = size
	if c.external || size < c.wal.threshold || size < c.next {
		return
	}
	c.copy()
	mode := modePassive
	if size >= restartFactor*c.wal.threshold {
		mode = modeRestart
	}
	c.ask(mode)
	c.next = c.wal.bytes() + c.wal.threshold/retryFraction
}

// idle cuts the log when nothing was written for a while.
func (c *checkpointer) idle() {
	commits := c.wal.commits.Load()
	quiet := commits == c.seen
	c.seen = commits
	c.watch(c.wal.bytes())
	if c.external || !quiet || c.wal.frames.Load() == 0 {
		return
	}
	c.copy()
	c.ask(modeTruncate)
}

// copy runs the background pass.
func (c *checkpointer) copy() {
	start := c.now()
	if c.s.lost || c.s.conn == nil {
		c.m.replaced.Inc()
		if err := joined(c.s.close(), connect(context.Background(), c.pool, c.pragmas, c.s)); err != nil {
			c.log.Error("checkpoint connection cannot be opened", slog.Any("error", err))
			return
		}
	}
	var busy bool
	var frames, copied int64
	err := c.s.row(textPassive).Scan(&busy, &frames, &copied)
	c.s.failed = nil
	c.m.checkpoint.WithLabelValues("background").Observe(c.now().Sub(start).Seconds())
	if err != nil {
		c.log.Error("background checkpoint failed", slog.Any("error", err))
	}
}

// ask has the writer run a pass.
func (c *checkpointer) ask(mode checkpointMode) {
	p := passRequest{mode: mode, done: make(chan error, 1)}
	select {
	case c.w.passes <- p:
	case <-c.stop:
		return
	}
	if err := <-p.done; err != nil {
		c.log.Error("checkpoint on the writer failed", slog.String("mode", string(mode)), slog.Any("error", err))
	}
}

// watch raises and ends the alarm.
func (c *checkpointer) watch(size int64) {
	over := size > alarmFactor*c.wal.threshold
	if over == c.alarm {
		return
	}
	c.alarm = over
	if !over {
		c.m.walAlarm.Set(0)
		c.log.Info("the write-ahead log is short again", slog.Int64("bytes", size))
		return
	}
	c.m.walAlarm.Set(1)
	c.log.Warn("the write-ahead log is too long: a read transaction, another process or a full disk keeps it from being reset",
		slog.Int64("bytes", size), slog.Int64("threshold", c.wal.threshold), slog.Duration("oldest_read", c.oldest()))
}
