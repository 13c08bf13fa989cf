package loadtest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is the outcome of a load test. Latencies are milliseconds.
type Report struct {
	Target   string    `json:"target"`
	Scenario string    `json:"scenario"`
	Clients  int       `json:"clients"`
	Rate     float64   `json:"rate"` // asked for; 0: closed loop
	Started  time.Time `json:"started"`
	// Seconds is the measured time: from the first request to the last answer.
	Seconds     float64     `json:"seconds"`
	Interrupted bool        `json:"interrupted"` // ended before its time
	Operations  []Operation `json:"operations"`
	Total       Operation   `json:"total"` // without the probe
	Probe       *Operation  `json:"probe"` // null without probe reads
}

// Operation is one line of the report.
type Operation struct {
	Name       string  `json:"name"`
	Requests   int64   `json:"requests"`
	Throughput float64 `json:"requests_per_second"`
	// Errors are the requests without a 2xx answer; ErrorRate is their
	// share, 0 to 1.
	Errors    int64   `json:"errors"`
	ErrorRate float64 `json:"error_rate"`
	// RateLimited are those of them that were over a rate limit (429): what the
	// server refused, not what it cannot do.
	RateLimited int64   `json:"rate_limited"`
	Mean        float64 `json:"mean_ms"`
	P50         float64 `json:"p50_ms"`
	P95         float64 `json:"p95_ms"`
	P99         float64 `json:"p99_ms"`
	Max         float64 `json:"max_ms"`
	// Statuses counts answers by status code; Failures counts requests
	// without a usable answer by kind.
	Statuses map[string]int64 `json:"statuses"`
	Failures map[string]int64 `json:"failures"`
	Busy     *Busy            `json:"busy"` // null without 503 answers
}

// Busy describes the 503 answers of an operation.
type Busy struct {
	Count             int64   `json:"count"`
	WithoutRetryAfter int64   `json:"without_retry_after"`
	P99               float64 `json:"p99_ms"`
	Max               float64 `json:"max_ms"`
}

// operation summarises stats that were collected in elapsed.
func operation(name string, s *stats, elapsed time.Duration) Operation {
	const ms = 1000.0
	o := Operation{
		Name: name, Requests: s.latency.TotalCount(), Errors: s.errors,
		RateLimited: s.statuses[http.StatusTooManyRequests],
		Statuses:    map[string]int64{}, Failures: maps.Clone(s.failures),
	}
	for code, n := range s.statuses {
		o.Statuses[strconv.Itoa(code)] = n
	}
	if o.Requests == 0 {
		return o
	}
	o.ErrorRate = float64(o.Errors) / float64(o.Requests)
	if elapsed > 0 {
		o.Throughput = float64(o.Requests) / elapsed.Seconds()
	}
	o.Mean = s.latency.Mean() / ms
	o.P50 = float64(s.latency.ValueAtQuantile(50)) / ms
	o.P95 = float64(s.latency.ValueAtQuantile(95)) / ms
	o.P99 = float64(s.latency.ValueAtQuantile(99)) / ms
	o.Max = float64(s.latency.Max()) / ms
	if s.busy != nil {
		o.Busy = &Busy{
			Count: s.busy.TotalCount(), WithoutRetryAfter: s.silent,
			P99: float64(s.busy.ValueAtQuantile(99)) / ms, Max: float64(s.busy.Max()) / ms,
		}
	}
	return o
}

// fill puts what was recorded into the report.
func (r *Report) fill(rec *recorder, elapsed time.Duration) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	r.Seconds = elapsed.Seconds()
	r.Operations = []Operation{}
	total := newStats()
	for _, name := range rec.names() {
		s := rec.operations[name]
		o := operation(name, s, elapsed)
		if name == probeOperation {
			r.Probe = &o
			continue
		}
		total.merge(s)
		r.Operations = append(r.Operations, o)
	}
	r.Total = operation("total", total, elapsed)
}

// WriteJSON writes the report as one JSON document.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteText writes the report as tables.
func (r *Report) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "%s, scenario %s, %d clients, %.1f s", r.Target, r.Scenario, r.Clients, r.Seconds)
	if r.Rate > 0 {
		fmt.Fprintf(w, ", %g iterations/s asked for", r.Rate)
	}
	if r.Interrupted {
		fmt.Fprint(w, ", interrupted")
	}
	fmt.Fprint(w, "\n\n")
	lines := slices.Clone(r.Operations)
	if len(lines) != 1 {
		lines = append(lines, r.Total)
	}
	if r.Probe != nil {
		lines = append(lines, *r.Probe)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "operation\trequests\treq/s\terrors\tP50 ms\tP95 ms\tP99 ms\tmax ms\t")
	for _, o := range lines {
		fmt.Fprintf(t, "%s\t%d\t%.1f\t%.2f %%\t%s\t%s\t%s\t%s\t\n", o.Name, o.Requests, o.Throughput,
			100*o.ErrorRate, millis(o.P50), millis(o.P95), millis(o.P99), millis(o.Max))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, o := range lines {
		fmt.Fprintf(w, "%s: %s\n", o.Name, o.outcome())
	}
	return nil
}

// outcome is the line of statuses and failures.
func (o Operation) outcome() string {
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(o.Statuses)) {
		parts = append(parts, fmt.Sprintf("%s × %d", code, o.Statuses[code]))
	}
	for _, kind := range slices.Sorted(maps.Keys(o.Failures)) {
		parts = append(parts, fmt.Sprintf("%s × %d", kind, o.Failures[kind]))
	}
	if len(parts) == 0 {
		parts = append(parts, "no answer")
	}
	s := strings.Join(parts, ", ")
	if b := o.Busy; b != nil {
		header := "all with Retry-After"
		if b.WithoutRetryAfter > 0 {
			header = fmt.Sprintf("%d WITHOUT Retry-After", b.WithoutRetryAfter)
		}
		s += fmt.Sprintf("; refusals (503): %s, P99 %s ms, max %s ms", header, millis(b.P99), millis(b.Max))
	}
	if o.RateLimited > 0 {
		s += fmt.Sprintf("; over a rate limit (429): %d; raise limits.user.per_minute, or 0 for none", o.RateLimited)
	}
	return s
}

// millis shows milliseconds with about three significant digits.
func millis(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}
