package loadtest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are recorded in microseconds within these bounds.
const (
	shortest = int64(1)
	longest  = int64(10 * time.Minute / time.Microsecond)
	digits   = 3 // significant digits kept: an error below 0.1 %
)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(shortest, longest, digits) }

// sample is one request's outcome.
type sample struct {
	operation  string
	took       time.Duration
	status     int    // 0 when there was no answer
	failure    string // why there was none, or why the answer was useless
	retryAfter bool   // the answer named a time
}

// ok reports an answer that did what was asked.
func (s sample) ok() bool { return s.failure == "" && s.status >= 200 && s.status < 300 }

// stats are the outcomes of one operation.
type stats struct {
	latency  *hdrhistogram.Histogram
	busy     *hdrhistogram.Histogram // latencies of 503 answers; nil until there is one
	statuses map[int]int64
	failures map[string]int64
	errors   int64
	silent   int64 // 503 answers without Retry-After
}

func newStats() *stats {
	return &stats{latency: newHistogram(), statuses: map[int]int64{}, failures: map[string]int64{}}
}

func (s *stats) add(x sample) {
	record(s.latency, x.took)
	if !x.ok() {
		s.errors++
	}
	if x.failure != "" {
		s.failures[x.failure]++
	}
	if x.status == 0 {
		return
	}
	s.statuses[x.status]++
	if x.status == http.StatusServiceUnavailable {
		if s.busy == nil {
			s.busy = newHistogram()
		}
		record(s.busy, x.took)
		if !x.retryAfter {
			s.silent++
		}
	}
}

// merge adds what other has.
func (s *stats) merge(other *stats) {
	s.latency.Merge(other.latency) // same bounds, so nothing is dropped
	if other.busy != nil {
		if s.busy == nil {
			s.busy = newHistogram()
		}
		s.busy.Merge(other.busy)
	}
	for k, n := range other.statuses {
		s.statuses[k] += n
	}
	for k, n := range other.failures {
		s.failures[k] += n
	}
	s.errors += other.errors
	s.silent += other.silent
}

// record clamps to the histogram's bounds, so it cannot fail.
func record(h *hdrhistogram.Histogram, took time.Duration) {
	v := min(max(took.Microseconds(), shortest), longest)
	_ = h.RecordValue(v) // within bounds
}

// recorder collects samples from many goroutines.
type recorder struct {
	mu         sync.Mutex
	operations map[string]*stats
	interval   *stats // since the last tick
	count      int64
}

func newRecorder() *recorder {
	return &recorder{operations: map[string]*stats{}, interval: newStats()}
}

func (r *recorder) add(x sample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.operations[x.operation]
	if s == nil {
		s = newStats()
		r.operations[x.operation] = s
	}
	s.add(x)
	if x.operation != probeOperation {
		r.interval.add(x)
		r.count++
	}
}

// tick returns what came in since the last tick, and how many in all; probe
// reads are not in it.
func (r *recorder) tick() (*stats, int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.interval
	r.interval = newStats()
	return s, r.count
}

// reset drops everything: the warm-up is over.
func (r *recorder) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.operations, r.interval, r.count = map[string]*stats{}, newStats(), 0
}

// names returns the operations that were seen, sorted.
func (r *recorder) names() []string {
	out := make([]string, 0, len(r.operations))
	for name := range r.operations {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// failureOf names the way in which a request got no answer.
func failureOf(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed"
	default:
		return "other"
	}
}
