package db

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options says how a database is opened. DefaultOptions fills all of it in.
type Options struct {
	// Path is the database file. It is created with mode 0600 when it does
	// not exist; its directory must exist.
	Path string
	// Readers is the number of reader connections, 1 … 1,024.
	Readers int
	// MMap is how many bytes of the file each connection maps into memory; 0
	// maps nothing. Mapped memory counts for every connection, and an I/O
	// error on a mapped page is a fault of the process: 0 is right on
	// network file systems.
	MMap int64
	// Synchronous is "FULL" (a commit survives a power cut), "NORMAL" (the
	// last commits may be lost, the file stays sound) or "OFF" (fixtures).
	Synchronous string
	// Writer bounds the write queue.
	Writer WriterOptions
	// CheckpointBytes is the size of the write-ahead log at which it is
	// copied into the database; the log stays below four times of it.
	CheckpointBytes int64
	// ExternalCheckpoints leaves the log to an outside replicator.
	ExternalCheckpoints bool
	// Cache holds decoded rows.
	Cache CacheOptions
	// ReadWait is how long a read waits for a free connection at most.
	ReadWait time.Duration
	// Logger receives what the operator should know; nil discards it.
	Logger *slog.Logger
	// Metrics is where the engine's metrics are registered until Close; nil
	// registers none. Each database needs a registry of its own.
	Metrics prometheus.Registerer
	// Now is the clock of waiting times, measurements and migrations; nil is
	// the system's. It is not the clock of the domain (app.Env): a fixture
	// that moves that one leaves this one alone.
	Now func() time.Time
}

// WriterOptions bounds the write queue (design §4).
type WriterOptions struct {
	// QueueDepth is how many writes may wait, 1 … 1,000,000.
	QueueDepth int
	// MaxBatch is how many writes may share a commit, 1 … 10,000.
	MaxBatch int
	// AdmissionTimeout is how long a write waits for a place in a full queue.
	AdmissionTimeout time.Duration
	// MaxWait is the age at which a queued write is refused instead of run.
	MaxWait time.Duration
}

// CacheOptions sizes the cache.
type CacheOptions struct {
	// Enabled switches the cache on. It changes nothing but speed.
	Enabled bool
	// Bytes is the memory that the cache may take, at least 1 MiB.
	Bytes int64
}

const (
	mebibyte = 1 << 20
	// maxMMap is what SQLite is compiled for.
	maxMMap = 0x7fff0000
	// mmapBudget is the default for all connections together.
	mmapBudget         = 128 * mebibyte
	minCheckpointBytes = 64 << 10
)

// DefaultOptions are the settings of design §4 and §5 for the file at path.
func DefaultOptions(path string) Options {
	readers := max(2*runtime.NumCPU(), 2)
	return Options{
		Path:        path,
		Readers:     readers,
		MMap:        mmapBudget / int64(readers+1) &^ (mebibyte - 1),
		Synchronous: "FULL",
		Writer: WriterOptions{
			QueueDepth:       1024,
			MaxBatch:         128,
			AdmissionTimeout: 50 * time.Millisecond,
			MaxWait:          time.Second,
		},
		CheckpointBytes: 16 * mebibyte,
		Cache:           CacheOptions{Enabled: true, Bytes: 64 * mebibyte},
		ReadWait:        50 * time.Millisecond,
	}
}

// Validate names every setting that is out of bounds, by its configuration
// key where it has one.
func (o Options) Validate() error {
	var bad []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			bad = append(bad, fmt.Errorf(format, args...))
		}
	}
	check(o.Path != "", "database path is empty")
	check(o.Readers >= 1 && o.Readers <= 1024, "database.readers is %d, must be 1 … 1024", o.Readers)
	check(o.MMap >= 0 && o.MMap <= maxMMap, "database.mmap is %d, must be 0 … %d bytes", o.MMap, int64(maxMMap))
	_, known := synchronousValue[o.Synchronous]
	check(known, "database.synchronous is %q, must be FULL, NORMAL or OFF", o.Synchronous)
	w := o.Writer
	check(w.QueueDepth >= 1 && w.QueueDepth <= 1_000_000,
		"database.writer.queue_depth is %d, must be 1 … 1000000", w.QueueDepth)
	check(w.MaxBatch >= 1 && w.MaxBatch <= 10_000,
		"database.writer.max_batch is %d, must be 1 … 10000", w.MaxBatch)
	check(w.AdmissionTimeout >= 0, "database.writer.admission_timeout is %s, must not be negative", w.AdmissionTimeout)
	check(w.MaxWait > 0, "database.writer.max_wait is %s, must be more than 0", w.MaxWait)
	check(o.CheckpointBytes >= minCheckpointBytes,
		"database.checkpoint_bytes is %d, must be at least %d", o.CheckpointBytes, minCheckpointBytes)
	check(!o.Cache.Enabled || o.Cache.Bytes >= mebibyte,
		"cache.bytes is %d, must be at least %d", o.Cache.Bytes, mebibyte)
	check(o.ReadWait >= 0, "database.read_wait is %s, must not be negative", o.ReadWait)
	return errors.Join(bad...)
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the engine's own clock, see Options.Now
	}
	return o
}
