package db

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the engine's measurements. They always exist; without a
// registry nobody reads them.
type metrics struct {
	registry   prometheus.Registerer
	registered []prometheus.Collector

	jobs       *prometheus.CounterVec
	jobOK      prometheus.Counter
	jobError   prometheus.Counter
	jobPanic   prometheus.Counter
	jobUndone  prometheus.Counter
	jobWait    prometheus.Histogram
	batch      prometheus.Histogram
	commit     prometheus.Histogram
	refusals   *prometheus.CounterVec
	checkpoint *prometheus.HistogramVec
	cache      *prometheus.CounterVec
	cacheDrops prometheus.Counter
	readWait   prometheus.Histogram
	readBusy   prometheus.Counter
	replaced   prometheus.Counter
	walAlarm   prometheus.Gauge
}

// Kinds of refused writes.
const (
	refusedFull      = "queue_full"
	refusedOld       = "too_old"
	refusedCancelled = "cancelled"
	refusedClosing   = "closing"
	refusedNested    = "nested"
)

const (
	metricPrefix = "defarm_db_"
	fast         = 50e-6 // the lowest bucket of durations, in seconds
)

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{registry: registry}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: metricPrefix + name, Help: help, Buckets: buckets})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: metricPrefix + name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: metricPrefix + name, Help: help}, labels)
	}
	durations := prometheus.ExponentialBuckets(fast, 2, 16) // to 1.6 s
	m.jobs = counters("writer_jobs_total", "Writes that were run, by how they ended.", "result")
	m.jobOK, m.jobError = m.jobs.WithLabelValues("committed"), m.jobs.WithLabelValues("error")
	m.jobPanic, m.jobUndone = m.jobs.WithLabelValues("panic"), m.jobs.WithLabelValues("undone")
	m.jobWait = histogram("writer_wait_seconds", "Time from the call of a write until the writer took it.", durations)
	m.batch = histogram("writer_batch_jobs", "Writes that shared a commit.", prometheus.ExponentialBuckets(1, 2, 9))
	m.commit = histogram("writer_commit_seconds", "Duration of COMMIT.", durations)
	m.refusals = counters("writer_refusals_total", "Writes that were not run, by reason.", "kind")
	m.checkpoint = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    metricPrefix + "checkpoint_seconds",
		Help:    "Duration of checkpoint passes; all but the background step hold the writer.",
		Buckets: durations,
	}, []string{"step"})
	m.cache = counters("cache_reads_total", "Lookups by kind and by whether the cache answered (hit), had nothing valid (miss) or a commit of the key was under way (bypass).", "kind", "result")
	m.cacheDrops = counter("cache_dropped_sets_total", "Values that the cache did not take.")
	m.readWait = histogram("reader_wait_seconds", "Wait of reads that found no free connection.", durations)
	m.readBusy = counter("reader_refusals_total", "Reads that found no free connection in time.")
	m.replaced = counter("connections_replaced_total", "Connections that were given up and opened again.")
	m.walAlarm = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: metricPrefix + "wal_alarm",
		Help: "1 while the write-ahead log is longer than four times the checkpoint threshold.",
	})
	return m
}

// gauges are the values that are read when somebody asks.
type gauges struct {
	queueDepth, walBytes, readersBusy, oldestRead func() float64
}

// register shows everything to the registry, or nothing when one of the names
// is taken.
func (m *metrics) register(g gauges) error {
	if m.registry == nil {
		return nil
	}
	gauge := func(name, help string, fn func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: metricPrefix + name, Help: help}, fn)
	}
	all := []prometheus.Collector{
		m.jobs, m.jobWait, m.batch, m.commit, m.refusals, m.checkpoint, m.cache, m.cacheDrops,
		m.readWait, m.readBusy, m.replaced, m.walAlarm,
		gauge("writer_queue_depth", "Writes that wait in the queue.", g.queueDepth),
		gauge("wal_bytes", "Length of the write-ahead log that holds frames.", g.walBytes),
		gauge("readers_busy", "Reader connections in use.", g.readersBusy),
		gauge("read_transaction_oldest_seconds", "Age of the oldest read transaction; an old one keeps the write-ahead log from being reset.", g.oldestRead),
	}
	for _, c := range all {
		if err := m.registry.Register(c); err != nil {
			m.unregister()
			return fmt.Errorf("register database metrics: %w", err)
		}
		m.registered = append(m.registered, c)
	}
	return nil
}

// unregister makes room for the next database on the same registry.
func (m *metrics) unregister() {
	for _, c := range m.registered {
		m.registry.Unregister(c)
	}
	m.registered = nil
}
