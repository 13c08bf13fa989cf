// Package db keeps the state of one server in one SQLite file. It is the only
// importer of database/sql and of the driver, and the only place with SQL.
//
// # Parts
//
//   - dsn.go, pool.go, session.go: connections. Every one is pinned for its
//     life, with its settings read back and its statements prepared on it.
//   - writer.go, writer_batch.go: all writes, on one goroutine and one
//     connection, in groups that share a commit.
//   - checkpoint.go: keeps the write-ahead log short while writes go on.
//   - cache.go, lookup.go, touch.go: decoded rows in memory behind a guard.
//   - migrate.go and migrations: the schema and its changes.
//   - errors.go: driver errors to app errors, by code and never by text.
//   - one file per resource with its statements, its scan function and its
//     methods behind the interfaces of package app.
//
// # What is decided for good
//
// An answer is a commit. A write is answered after COMMIT with
// synchronous=FULL; a receipt that a power cut can take back would be none.
// Many writes share one commit, because one commit for each costs forty times
// as much; each runs under a savepoint of its own, so that a refused one takes
// nothing of the others along. Rejected: answering when a write is queued
// (accepted data could vanish), one transaction per write (too slow at FULL),
// a timer that waits for company (a lone write should not wait).
//
// There is one writer. SQLite allows no more, and with one queue the wait is
// seen, bounded and refused in time instead of being fought over by busy
// timeouts. A closure on the writer must be short: it blocks all other writes.
//
// Instants are integers, nanoseconds since 1970 in UTC (times.go). Ids that
// the wire shows are text as it shows them. JSON columns are written and read
// whole and are never queried into. Internal row numbers are joined on and
// never leave the package except as opaque numbers of app. This is the SQL that
// PostgreSQL understands too; what only SQLite knows stands in a file of its
// own.
//
// Migrations are append-only: their checksums are recorded, an edited one and
// a database that is newer than the binary stop the start.
//
// The cache is never an authority. A value is stored only if the generation
// of its key has not moved since before it was read, and the writer moves the
// generations of what a write has touched after COMMIT and before it answers.
// Inside a write nothing is read through it, uniqueness is decided by indexes
// alone, and with the cache off everything behaves the same.
package db
