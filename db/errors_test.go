package db

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/defarm-repo/defarm/app"
)

// The driver's own errors, made by the driver, come out as the domain's.
func TestMapDriverErrors(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "errors.db")
	if err := createFile(path); err != nil {
		t.Fatal(err)
	}
	address := func(more string) string {
		return "file://" + path + "?_journal_mode=WAL&_foreign_keys=1&_busy_timeout=0" + more
	}
	connect := func(more string) *sql.Conn {
		t.Helper()
		pool, err := openPool(address(more), 1)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := pool.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := errors.Join(conn.Close(), pool.Close()); err != nil {
				t.Error(err)
			}
		})
		return conn
	}
	exec := func(c *sql.Conn, text string) error {
		_, err := c.ExecContext(t.Context(), text)
		return err
	}
	a, b, reader := connect(""), connect(""), connect("&_query_only=1")
	for _, text := range []string{
		"CREATE TABLE u (id TEXT PRIMARY KEY, mail TEXT UNIQUE) WITHOUT ROWID",
		"CREATE TABLE f (u TEXT NOT NULL REFERENCES u (id), n INTEGER CHECK (n > 0))",
		"INSERT INTO u VALUES ('1', 'm')",
	} {
		if err := exec(a, text); err != nil {
			t.Fatal(err)
		}
	}
	// b reads, then a commits: b's snapshot is too old to write on.
	stale := func() error {
		if err := exec(b, "BEGIN; SELECT 1 FROM u"); err != nil {
			return err
		}
		if err := b.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM u").Scan(new(int)); err != nil {
			return err
		}
		if err := exec(a, "INSERT INTO u VALUES ('2', 'n')"); err != nil {
			return err
		}
		err := exec(b, "INSERT INTO u VALUES ('3', 'o')")
		return errors.Join(err, exec(b, "ROLLBACK"))
	}
	locked := func() error {
		if err := exec(a, "BEGIN IMMEDIATE"); err != nil {
			return err
		}
		err := exec(b, "BEGIN IMMEDIATE")
		return errors.Join(err, exec(a, "ROLLBACK"))
	}
	full := func() error {
		if err := exec(a, "PRAGMA max_page_count = 1"); err != nil {
			return err
		}
		err := exec(a, "CREATE TABLE more AS SELECT zeroblob(100000)")
		return errors.Join(err, exec(a, "PRAGMA max_page_count = 100000"))
	}
	tests := []struct {
		name string
		err  error
		code int
		want app.Code
	}{
		{"unique", exec(a, "INSERT INTO u VALUES ('9', 'm')"), sqlite3.SQLITE_CONSTRAINT_UNIQUE, app.CodeConflict},
		{"primary key", exec(a, "INSERT INTO u VALUES ('1', 'x')"), sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, app.CodeConflict},
		{"foreign key", exec(a, "INSERT INTO f VALUES ('7', 1)"), sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY, app.CodeConflict},
		{"check", exec(a, "INSERT INTO f VALUES ('1', 0)"), sqlite3.SQLITE_CONSTRAINT_CHECK, app.CodeInternal},
		{"stale snapshot", stale(), sqlite3.SQLITE_BUSY_SNAPSHOT, app.CodeBusy},
		{"locked", locked(), sqlite3.SQLITE_BUSY, app.CodeBusy},
		{"full", full(), sqlite3.SQLITE_FULL, app.CodeStorageFull},
		{"read only", exec(reader, "DELETE FROM u"), sqlite3.SQLITE_READONLY, app.CodeStorageFull},
		{"no such table", exec(a, "DELETE FROM nowhere"), sqlite3.SQLITE_ERROR, app.CodeInternal},
	}
	for _, tc := range tests {
		got, ok := resultCode(tc.err)
		if !ok || got != tc.code {
			t.Errorf("%s: the driver gave %v (code %d), want code %d", tc.name, tc.err, got, tc.code)
		}
		mapped := mapError("test", tc.err)
		if app.CodeOf(mapped) != tc.want || !errors.Is(mapped, tc.err) {
			t.Errorf("%s: got %v, want code %q around the cause", tc.name, mapped, tc.want)
		}
	}
	if unique := tests[0].err; !isUnique(unique, "u.mail") || isUnique(unique, "u.id") {
		t.Errorf("unique column of %v not recognised", unique)
	}
	if key := tests[1].err; !isUnique(key, "u.id") || isUnique(key, "u.mail") || isUnique(errMine, "u.id") {
		t.Errorf("key column of %v not recognised", key)
	}
}

func TestMapOtherErrors(t *testing.T) {
	t.Parallel()
	own := app.NotFound(app.ReasonItemNotFound, "Item not found")
	for _, err := range []error{nil, sql.ErrNoRows, own} {
		if got := mapError("test", err); got != err { //nolint:errorlint // the very same value
			t.Errorf("%v: got %v, want it as it is", err, got)
		}
	}
	if got := mapError("insert x", errMine); !errors.Is(got, errMine) || got.Error() != "insert x: mine" {
		t.Errorf("got %v, want it with the operation's name", got)
	}
}
