package db

import (
	"context"
	"database/sql"
	"fmt"
)

// session is one pinned connection with the statements prepared on it. Stores
// run their SQL through the session they are given: the writer's inside a
// write, a reader's inside a read. It is used by one goroutine at a time.
type session struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt // by SQL text; the texts are constants
	// queries counts statements since the session was handed out; list
	// routes are tested on it.
	queries int
	// touched collects the cache keys that the running write has changed;
	// nil on readers and when there is no cache.
	touched *touchSet
	afters  []func()

	// failed is the error after which SQLite may have ended the transaction;
	// until it is cleared every further statement is refused with it.
	failed error
	// lost says that the connection must be replaced before the next use.
	lost bool
	// inTx says that a read transaction is open.
	inTx bool
	// alive, where it is set, is asked before each statement and while rows
	// are collected: it gives the error of a caller who is gone.
	alive func() error
	// indexed is the last row that the search index may have come to; the
	// writer's alone.
	indexed int64
	// slot is the reader's number, for the gauge of open transactions.
	slot int
}

// maxStatements bounds the prepared statements of one session. Only a filter
// builder produces SQL texts at run time, from an allow-list; the bound guards
// against one that does not.
const maxStatements = 512

// aliveEvery is after how many collected rows a session asks whether its
// caller is still there.
const aliveEvery = 256

// indexedUnknown says that session.indexed was not read yet.
const indexedUnknown = -1

func newSession(conn *sql.Conn) *session {
	return &session{conn: conn, stmts: make(map[string]*sql.Stmt), indexed: indexedUnknown}
}

// prepare gives the statement for a text, unless the session must not go on.
func (s *session) prepare(text string) (*sql.Stmt, error) {
	if s.failed != nil {
		return nil, s.failed
	}
	if s.alive != nil {
		if err := s.alive(); err != nil {
			return nil, err
		}
	}
	return s.statement(text)
}

func (s *session) statement(text string) (*sql.Stmt, error) {
	if st, ok := s.stmts[text]; ok {
		return st, nil
	}
	if len(s.stmts) >= maxStatements {
		return nil, fmt.Errorf("prepare: more than %d statements on one connection", maxStatements)
	}
	// Not the caller's context: the driver starts a goroutine for each
	// statement that can be cancelled, and an interrupted connection is
	// thrown away with everything prepared on it.
	st, err := s.conn.PrepareContext(context.Background(), text)
	if err != nil {
		return nil, s.fault("prepare", err)
	}
	s.stmts[text] = st
	return st, nil
}

// control runs a statement of the engine's own (BEGIN, SAVEPOINT, ROLLBACK …),
// also on a session that refuses everything else.
func (s *session) control(text string) error {
	st, err := s.statement(text)
	if err != nil {
		return err
	}
	if _, err := st.ExecContext(context.Background()); err != nil {
		return s.fault(text, err)
	}
	return nil
}

// fault maps an error of the driver and remembers what it means for the
// session.
func (s *session) fault(op string, err error) error {
	if err == nil {
		return nil
	}
	mapped := mapError(op, err)
	if connectionLost(err) {
		s.lost = true
	}
	if s.failed == nil && endsTransaction(err) {
		s.failed = mapped
	}
	return mapped
}

// exec runs a statement that returns no rows and gives the number of rows it
// changed.
func (s *session) exec(text string, args ...any) (int64, error) {
	res, err := s.run(text, args)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, s.fault("rows affected", err)
	}
	return n, nil
}

// insert runs an INSERT and gives the new row's number.
func (s *session) insert(text string, args ...any) (int64, error) {
	res, err := s.run(text, args)
	if err != nil {
		return 0, err
	}
	n, err := res.LastInsertId()
	if err != nil {
		return 0, s.fault("last insert id", err)
	}
	return n, nil
}

func (s *session) run(text string, args []any) (sql.Result, error) {
	st, err := s.prepare(text)
	if err != nil {
		return nil, err
	}
	s.queries++
	res, err := st.ExecContext(context.Background(), args...)
	if err != nil {
		return nil, s.fault("exec", err)
	}
	return res, nil
}

// row runs a query for one row. Scan of the result gives sql.ErrNoRows when
// there is none; stores turn it into their own not-found error.
func (s *session) row(text string, args ...any) rowScanner {
	st, err := s.prepare(text)
	if err != nil {
		return rowScanner{err: err}
	}
	s.queries++
	return rowScanner{s: s, row: st.QueryRowContext(context.Background(), args...)}
}

// rowScanner defers a preparation error to Scan, as sql.Row does.
type rowScanner struct {
	s   *session
	row *sql.Row
	err error
}

// Scan reads the row. Driver errors come back mapped; sql.ErrNoRows as it is.
func (r rowScanner) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	return r.s.fault("scan", r.row.Scan(dest...))
}

// query runs a query for several rows. The caller closes them and reads Err.
func (s *session) query(text string, args ...any) (*sql.Rows, error) {
	st, err := s.prepare(text)
	if err != nil {
		return nil, err
	}
	s.queries++
	rows, err := st.QueryContext(context.Background(), args...)
	if err != nil {
		return nil, s.fault("query", err)
	}
	return rows, nil
}

// scanner is what the scan function of a row type reads from.
type scanner interface{ Scan(dest ...any) error }

// collect reads all rows of a query with one scan function.
func collect[T any](s *session, scan func(scanner) (T, error), text string, args ...any) ([]T, error) {
	rows, err := s.query(text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		if s.alive != nil && len(out)%aliveEvery == 0 {
			if err := s.alive(); err != nil {
				return nil, err
			}
		}
	}
	return out, s.fault("rows", rows.Err())
}

// close gives the connection and its statements up. The connection was
// pinned, so nothing can be waiting for it.
func (s *session) close() error {
	var err error
	for text, st := range s.stmts {
		if e := st.Close(); e != nil && err == nil {
			err = fmt.Errorf("close statement: %w", e)
		}
		delete(s.stmts, text)
	}
	if s.conn != nil {
		if e := s.conn.Close(); e != nil && err == nil {
			err = fmt.Errorf("close connection: %w", e)
		}
	}
	return err
}
