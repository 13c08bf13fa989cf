package db

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/defarm-repo/defarm/app"
)

// readers is the pool of reader connections, each with its own prepared
// statements. database/sql's own pool forgets statements and connections as it
// sees fit; here a connection lives until it fails or the pool is closed.
type readers struct {
	pool    *sql.DB
	pragmas []pragma
	wait    time.Duration
	now     func() time.Time
	log     *slog.Logger
	m       *metrics

	free    chan *session // all idle ones
	size    int           // how many sessions there are
	closing chan struct{}
	// began holds, by slot, when the running transaction began, in
	// nanoseconds; 0 for none.
	began []atomic.Int64
}

const (
	textBegin    = "BEGIN DEFERRED"
	textRollback = "ROLLBACK"
)

// openReaders opens all connections, so that none can fail to open later.
func openReaders(ctx context.Context, o Options, m *metrics) (*readers, error) {
	address, err := dsn(o, roleReader)
	if err != nil {
		return nil, err
	}
	pool, err := openPool(address, o.Readers)
	if err != nil {
		return nil, err
	}
	p := &readers{
		pool:    pool,
		pragmas: pragmas(o, roleReader),
		wait:    o.ReadWait,
		now:     o.Now,
		log:     o.Logger,
		m:       m,
		free:    make(chan *session, o.Readers),
		closing: make(chan struct{}),
		began:   make([]atomic.Int64, o.Readers),
	}
	for slot := range o.Readers {
		s := newSession(nil)
		s.slot = slot
		p.free <- s
		p.size++
		if err := connect(ctx, pool, p.pragmas, s); err != nil {
			return nil, joined(fmt.Errorf("open reader: %w", err), p.close())
		}
	}
	return p, nil
}

// connect gives a session a fresh connection, with its settings checked.
func connect(ctx context.Context, pool *sql.DB, want []pragma, s *session) error {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	if err := checkPragmas(ctx, conn, want); err != nil {
		return joined(err, conn.Close())
	}
	s.conn, s.stmts = conn, make(map[string]*sql.Stmt)
	s.failed, s.lost, s.inTx = nil, false, false
	return nil
}

// acquire takes a free connection. Errors: ctx's; CodeBusy when none came free
// in time or the pool is closing.
func (p *readers) acquire(ctx context.Context) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var s *session
	select {
	case s = <-p.free:
	default:
		var err error
		if s, err = p.await(ctx); err != nil {
			return nil, err
		}
	}
	if s.conn == nil || s.lost {
		if err := p.renew(s); err != nil {
			p.free <- s
			return nil, err
		}
	}
	s.queries = 0
	return s, nil
}

func (p *readers) await(ctx context.Context) (*session, error) {
	start := p.now()
	timer := time.NewTimer(p.wait)
	defer timer.Stop()
	defer func() { p.m.readWait.Observe(p.now().Sub(start).Seconds()) }()
	select {
	case s := <-p.free:
		return s, nil
	case <-timer.C:
		p.m.readBusy.Inc()
		return nil, app.Busy(app.ReasonReadersBusy)
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.closing:
		return nil, errClosed()
	}
}

// begin opens a read transaction; release ends it.
func (p *readers) begin(s *session) error {
	if err := s.control(textBegin); err != nil {
		return err
	}
	s.inTx = true
	p.began[s.slot].Store(p.now().UnixNano())
	return nil
}

// release ends the transaction and gives the connection back, or a new one in
// its place when it has become unusable.
func (p *readers) release(s *session) {
	s.alive = nil
	if s.inTx {
		s.inTx = false
		if err := s.control(textRollback); err != nil {
			s.lost = true
		}
		p.began[s.slot].Store(0)
	}
	s.failed = nil
	if s.lost {
		if err := p.renew(s); err != nil {
			p.log.Error("reader connection is lost", slog.Any("error", err))
		}
	}
	p.free <- s
}

// renew replaces the connection of a session that nobody else uses. When it
// fails the session stays without one and the next user tries again.
func (p *readers) renew(s *session) error {
	p.m.replaced.Inc()
	if s.conn != nil {
		if err := s.close(); err != nil {
			p.log.Warn("lost reader connection does not close", slog.Any("error", err))
		}
		s.conn = nil
	}
	if err := connect(context.Background(), p.pool, p.pragmas, s); err != nil {
		return mapError("replace reader connection", err)
	}
	return nil
}

// busy counts the connections in use.
func (p *readers) busy() int { return p.size - len(p.free) }

// oldest is the age of the oldest read transaction.
func (p *readers) oldest() time.Duration {
	now, first := p.now().UnixNano(), int64(0)
	for i := range p.began {
		if at := p.began[i].Load(); at != 0 && (first == 0 || at < first) {
			first = at
		}
	}
	if first == 0 {
		return 0
	}
	return time.Duration(max(now-first, 0))
}

// close refuses new reads, waits for the running ones and closes every
// connection.
func (p *readers) close() error {
	close(p.closing)
	var errs []error
	for range p.size {
		s := <-p.free
		if s.conn != nil {
			errs = append(errs, s.close())
		}
	}
	return joined(append(errs, p.pool.Close())...)
}

// watch makes the session stop between statements and rows when ctx ends. The
// statements themselves are not interrupted.
func (s *session) watch(ctx context.Context) {
	if ctx.Done() != nil {
		s.alive = ctx.Err
	}
}
