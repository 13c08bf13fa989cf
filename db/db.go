package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"

	"modernc.org/sqlite"

	"github.com/defarm-repo/defarm/app"
)

// DB is one open database; it is the app.Store of a server. Its methods may be
// called from any goroutine.
type DB struct {
	o       Options
	lock    *os.File
	pool    *sql.DB // of the writer and the checkpointer
	writer  *writer
	readers *readers
	checks  *checkpointer
	indexer *indexer
	cache   *cache
	m       *metrics

	closeOnce sync.Once
	closeErr  error
}

var _ app.Store = (*DB)(nil)

// Open locks and opens the database, migrates it, and starts the writer and
// the checkpointer. A database that was not closed is recovered.
//
// It fails when the options are out of bounds, when another server has the
// database (ErrInUse), when SQLite is too old or does not take a setting, and
// when the schema is newer than the binary or was made by edited migrations.
func Open(ctx context.Context, o Options) (*DB, error) {
	return open(ctx, o, migrationFiles)
}

func open(ctx context.Context, o Options, migrations fs.FS) (*DB, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	list, err := loadMigrations(migrations)
	if err != nil {
		return nil, err
	}
	hardenDriver(o)
	d := &DB{o: o, m: newMetrics(o.Metrics)}
	if err := d.start(ctx, list); err != nil {
		return nil, joined(fmt.Errorf("open database %s: %w", o.Path, err), d.abandon())
	}
	return d, nil
}

// hardenDriver sets what the driver only knows per process; setting it again
// is harmless.
func hardenDriver(o Options) {
	sqlite.StrictPragmas(true)
	// Without it, closing any descriptor of the database file anywhere in
	// the process would drop SQLite's locks on it.
	if _, err := sqlite.OFDLocking(true); err != nil && !errors.Is(err, sqlite.ErrOFDLockingUnavailable) {
		o.Logger.Warn("database locks belong to the process, not to their descriptors", slog.Any("error", err))
	}
}

// start brings the parts up in their order of dependence. What it has started
// when it fails is ended by abandon.
func (d *DB) start(ctx context.Context, list []migration) error {
	o := d.o
	var err error
	if d.lock, err = lockFile(o.Path); err != nil {
		return err
	}
	if err := createFile(o.Path); err != nil {
		return err
	}
	address, err := dsn(o, roleWriter)
	if err != nil {
		return err
	}
	if d.pool, err = openPool(address, 2); err != nil {
		return err
	}
	if d.writer, err = openWriter(ctx, o, d.pool, d.m); err != nil {
		return err
	}
	w := d.writer
	if err := prepareDatabase(ctx, w.s.conn, list, o); err != nil {
		return err
	}
	if d.readers, err = openReaders(ctx, o, d.m); err != nil {
		return err
	}
	if d.checks, err = openCheckpointer(ctx, o, d.pool, w, d.readers, d.m); err != nil {
		return fmt.Errorf("open checkpointer: %w", err)
	}
	if d.cache, err = newCache(o.Cache, d.m); err != nil {
		return err
	}
	w.s.touched = newTouchSet(d.cache)
	if err := d.m.register(d.gauges(w)); err != nil {
		return err
	}
	w.wal.committed(w.s) // a log that a crash has left is cut when idle
	go w.serve()
	go d.checks.serve()
	d.indexer = startIndexer(d)
	return nil
}

// createFile makes a missing database file, readable by the owner alone;
// SQLite gives the log the same mode. It is never opened again: closing it
// would drop locks where the system knows POSIX locks only.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// prepareDatabase checks the library and the schema before anybody reads.
func prepareDatabase(ctx context.Context, conn *sql.Conn, list []migration, o Options) error {
	var version string
	if err := conn.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return fmt.Errorf("read SQLite's version: %w", err)
	}
	if err := checkVersion(version); err != nil {
		return err
	}
	if err := migrate(ctx, conn, list, o.Now, o.Logger); err != nil {
		return err
	}
	return checkPragmas(ctx, conn, pragmas(o, roleWriter))
}

// openPool gives a pool of which every connection is pinned by a session.
func openPool(address string, size int) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(address)
	if err != nil {
		return nil, fmt.Errorf("database address: %w", err)
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(0) // a session that ends takes its connection along
	return pool, nil
}

func (d *DB) gauges(w *writer) gauges {
	return gauges{
		queueDepth:  func() float64 { return float64(len(w.queue)) },
		walBytes:    func() float64 { return float64(w.wal.bytes()) },
		readersBusy: func() float64 { return float64(d.readers.busy()) },
		oldestRead:  func() float64 { return d.readers.oldest().Seconds() },
	}
}

// Write implements app.Store.
func (d *DB) Write(ctx context.Context, fn func(tx app.Tx) error) error {
	return d.writer.write(ctx, fn)
}

// Read implements app.Store. When ctx ends, fn's next statement, and a list
// that is being collected, fail with its error.
func (d *DB) Read(ctx context.Context, fn func(r app.Reader) error) error {
	s, err := d.readers.acquire(ctx)
	if err != nil {
		return err
	}
	defer d.readers.release(s)
	if err := d.readers.begin(s); err != nil {
		return err
	}
	s.watch(ctx)
	return fn(readStores{s})
}

// Ping reads through one reader connection. It is for health checks.
func (d *DB) Ping(ctx context.Context) error {
	_, err := onReader(ctx, d, false, func(s *session) (int, error) {
		var one int
		err := s.row("SELECT 1").Scan(&one)
		return one, err
	})
	return err
}

// Close refuses new writes and reads with CodeBusy, runs and answers the
// writes that are queued, waits for the running reads, copies the log into the
// database, unless that is left to others, and closes everything. Its
// goroutines have ended when it returns.
// Further calls give the same result.
func (d *DB) Close() error {
	d.closeOnce.Do(func() {
		d.indexer.close()
		d.writer.refuse()
		errs := []error{d.checks.close()}
		d.writer.drain()
		if d.o.ExternalCheckpoints {
			// Readers last: they leave the log alone.
			errs = append(errs, d.writer.s.close(), d.pool.Close(), d.readers.close())
		} else {
			errs = append(errs, d.readers.close(), d.writer.pass(modeTruncate), d.writer.s.close(), d.pool.Close())
		}
		d.cache.close()
		d.m.unregister()
		errs = append(errs, d.lock.Close())
		if d.closeErr = joined(errs...); d.closeErr != nil {
			d.closeErr = fmt.Errorf("close database %s: %w", d.o.Path, d.closeErr)
		}
	})
	return d.closeErr
}

// abandon ends what a failed start has left behind.
func (d *DB) abandon() error {
	var errs []error
	if d.readers != nil {
		errs = append(errs, d.readers.close())
	}
	if d.checks != nil {
		errs = append(errs, d.checks.s.close())
	}
	if d.writer != nil {
		errs = append(errs, d.writer.s.close())
	}
	if d.pool != nil {
		errs = append(errs, d.pool.Close())
	}
	d.cache.close()
	d.m.unregister()
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	return joined(errs...)
}

// joined is errors.Join that keeps a single error as it is.
func joined(errs ...error) error {
	var kept []error
	for _, err := range errs {
		if err != nil {
			kept = append(kept, err)
		}
	}
	if len(kept) == 1 {
		return kept[0]
	}
	return errors.Join(kept...)
}
