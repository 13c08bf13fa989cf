package db

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/defarm-repo/defarm/app"
)

// ErrInUse says that another server has the database open.
var ErrInUse = errors.New("database is in use")

// Texts that callers may see.
const (
	textConflict = "Conflict with existing data"
	textFull     = "Storage is full or read-only; nothing was changed"
	textInternal = "Internal server error"
)

// mapError turns an error of the driver into one of the domain; op is a short
// verb phrase for the log. It goes by result codes, never by texts. Errors of
// the domain, sql.ErrNoRows and nil pass through.
//
//   - unique, primary key and foreign key violations: CodeConflict; stores
//     replace a unique one with their own reason, see isUnique
//   - full or read-only file system, I/O errors: CodeStorageFull
//   - locks of somebody else's process: CodeBusy
//   - everything else: a wrapped error, which answers as CodeInternal
func mapError(op string, err error) error {
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return err
	}
	var known *app.Error
	if errors.As(err, &known) {
		return err
	}
	cause := fmt.Errorf("%s: %w", op, err)
	code, ok := resultCode(err)
	if !ok {
		return cause
	}
	switch code {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
		sqlite3.SQLITE_CONSTRAINT_ROWID, sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return app.Conflict("", textConflict).Causing(cause)
	}
	switch code & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY:
		return app.NewError(app.CodeStorageFull, app.ReasonStorageFull, textFull).Causing(cause)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return app.Busy(app.ReasonWriterBusy).Causing(cause)
	default:
		return cause
	}
}

// resultCode is SQLite's extended result code, when err carries one.
func resultCode(err error) (int, bool) {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0, false
	}
	return e.Code(), true
}

// isUnique reports whether err says that a unique column already holds the
// value; column is "table.column". The code decides that it is such an error.
// Which column it was is only in SQLite's message ("…: users.username_ci
// (2067)"), whose form SQLite's documentation fixes and a test pins.
func isUnique(err error, column string) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	if c := e.Code(); c != sqlite3.SQLITE_CONSTRAINT_UNIQUE && c != sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY {
		return false
	}
	_, columns, ok := strings.Cut(e.Error(), "constraint failed: UNIQUE constraint failed: ")
	if !ok {
		return false
	}
	columns, _, _ = strings.Cut(columns, " (")
	for _, c := range strings.Split(columns, ", ") {
		if c == column {
			return true
		}
	}
	return false
}

// endsTransaction reports whether SQLite may have rolled the whole transaction
// back on its own when it gave this error. Statements after it would run, and
// commit, outside any transaction: the session refuses them.
func endsTransaction(err error) bool {
	if connectionLost(err) {
		return true
	}
	code, ok := resultCode(err)
	if !ok {
		return false
	}
	switch code & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_ABORT:
		return true
	default:
		return false
	}
}

// connectionLost reports whether the connection should be replaced: the driver
// gave it up, or what SQLite holds in memory for it is not to be trusted.
func connectionLost(err error) bool {
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		return true
	}
	code, ok := resultCode(err)
	if !ok {
		return false
	}
	switch code & 0xff {
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_MISUSE:
		return true
	default:
		return false
	}
}

// errClosed answers whoever comes after Close.
func errClosed() error { return app.Busy(app.ReasonShuttingDown) }

// internal is the answer for a fault of ours; err goes to the log only.
func internal(err error) error {
	return &app.Error{Code: app.CodeInternal, Message: textInternal, Err: err}
}
