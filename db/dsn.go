package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

// role is what a connection is for.
type role uint8

const (
	roleWriter role = iota + 1 // the writer and the checkpointer
	roleReader
)

const (
	pageSize = 4096
	// busyMillis bounds the wait for a lock that only another process can
	// hold; inside this one nothing waits for locks.
	busyMillis = 1000
	// walKeepBytes is how much of a reset log stays allocated: writing into
	// allocated blocks makes commits cheaper. It bounds nothing.
	walKeepBytes = 64 << 20
)

var synchronousValue = map[string]string{"OFF": "0", "NORMAL": "1", "FULL": "2"}

// pragma is one setting of a connection: how it is written into the DSN and
// what PRAGMA name must answer afterwards.
type pragma struct {
	name string
	set  string
	want string
	// own says that the driver has a key of its own for it. It runs the
	// _pragma values sorted by their texts, so what depends on order (the
	// journal mode after the page size, query_only last) must go by its key.
	own bool
}

// pragmas are the settings of every connection of a role.
func pragmas(o Options, r role) []pragma {
	list := []pragma{
		{"busy_timeout", strconv.Itoa(busyMillis), strconv.Itoa(busyMillis), true},
		{"foreign_keys", "1", "1", true},
		{"journal_mode", "WAL", "wal", true},
		{"synchronous", o.Synchronous, synchronousValue[o.Synchronous], true},
		{"page_size", strconv.Itoa(pageSize), strconv.Itoa(pageSize), false},
		{"mmap_size", strconv.FormatInt(o.MMap, 10), strconv.FormatInt(o.MMap, 10), false},
		{"temp_store", "2", "2", false}, // memory
		{"journal_size_limit", strconv.Itoa(walKeepBytes), strconv.Itoa(walKeepBytes), false},
		{"trusted_schema", "0", "0", false},
		{"cell_size_check", "1", "1", false},
		{"wal_autocheckpoint", "0", "0", false},
	}
	if r == roleReader {
		return append(list,
			pragma{"query_only", "1", "1", true},
			pragma{"cache_size", "-2000", "-2000", false}) // KiB
	}
	return append(list,
		pragma{"query_only", "0", "0", true},
		pragma{"cache_size", "-8000", "-8000", false})
}

// dsn is the address of the database for connections of a role. It is a URI:
// the driver cuts the query off plain paths before SQLite sees it. The file
// must exist; Open creates it.
func dsn(o Options, r role) (string, error) {
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return "", fmt.Errorf("database path: %w", err)
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive letter
	}
	mode := "rw"
	if r == roleReader && o.ExternalCheckpoints {
		// The last connection to be closed copies the log and removes it,
		// and the driver has no switch for that. One that cannot write the
		// file does not, and leaves both to the replicator; see Close.
		mode = "ro"
	}
	q := url.Values{
		"mode":       {mode},
		"_txlock":    {"immediate"},
		"_defensive": {"1"}, // no writes to the schema table or shadow tables
		"_dqs":       {"0"}, // "x" is a name, never a string
	}
	for _, p := range pragmas(o, r) {
		if p.own {
			q.Set("_"+p.name, p.set)
		} else {
			q.Add("_pragma", p.name+"("+p.set+")")
		}
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	// Not u.String: it writes an empty host for some paths only.
	return "file://" + u.EscapedPath() + "?" + u.RawQuery, nil
}

// checkPragmas reads every setting of a connection back. SQLite ignores
// settings it cannot apply (a page size on an existing file, a pragma after
// the journal mode) without an error.
func checkPragmas(ctx context.Context, conn *sql.Conn, want []pragma) error {
	var bad []error
	for _, p := range want {
		var got string
		if err := conn.QueryRowContext(ctx, "PRAGMA "+p.name).Scan(&got); err != nil {
			return fmt.Errorf("read pragma %s: %w", p.name, err)
		}
		if got != p.want {
			bad = append(bad, fmt.Errorf("pragma %s is %s, must be %s", p.name, got, p.want))
		}
	}
	return errors.Join(bad...)
}

// minVersion is the first SQLite whose write-ahead log survives two
// connections that checkpoint and reset it at the same time: older ones may
// corrupt the file (https://sqlite.org/wal.html#walresetbug).
var minVersion = [3]int{3, 51, 3}

// checkVersion refuses an SQLite that is too old, given its version text.
func checkVersion(text string) error {
	got, err := parseVersion(text)
	if err != nil {
		return err
	}
	for i, want := range minVersion {
		if got[i] != want {
			if got[i] > want {
				return nil
			}
			return fmt.Errorf("SQLite %s is older than %d.%d.%d, which fixes a corruption of the write-ahead log",
				text, minVersion[0], minVersion[1], minVersion[2])
		}
	}
	return nil
}

func parseVersion(text string) ([3]int, error) {
	var v [3]int
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return v, fmt.Errorf("SQLite version %q is not of the form x.y.z", text)
	}
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 {
			return v, fmt.Errorf("SQLite version %q is not of the form x.y.z", text)
		}
		v[i] = n
	}
	return v, nil
}
