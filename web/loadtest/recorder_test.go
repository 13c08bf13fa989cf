package loadtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// near compares latencies within the histogram's precision.
func near() cmp.Option { return cmpopts.EquateApprox(0.001, 1e-9) }

func TestReportMath(t *testing.T) {
	t.Parallel()
	rec := newRecorder()
	// 1 ms to 1000 ms, each once, in an order that is not sorted.
	for i := range 1000 {
		n := (i*617)%1000 + 1
		rec.add(sample{operation: "a", took: time.Duration(n) * time.Millisecond, status: 200})
	}
	// Of 200 others one in four is refused, one of those without a time.
	for i := range 200 {
		s := sample{operation: "b", took: 2 * time.Millisecond, status: 200}
		if i%4 == 0 {
			s.status, s.retryAfter, s.took = 503, i != 0, 40*time.Millisecond
		}
		rec.add(s)
	}
	rec.add(sample{operation: "b", took: 30 * time.Second, failure: "timeout"})
	rec.add(sample{operation: probeOperation, took: 7 * time.Millisecond, status: 200})

	var got Report
	got.fill(rec, 10*time.Second)
	want := Report{
		Seconds: 10,
		Operations: []Operation{
			{
				Name: "a", Requests: 1000, Throughput: 100, Mean: 500.5, P50: 500, P95: 950, P99: 990, Max: 1000,
				Statuses: map[string]int64{"200": 1000}, Failures: map[string]int64{},
			},
			{
				Name: "b", Requests: 201, Throughput: 20.1, Errors: 51, ErrorRate: 51.0 / 201,
				Mean: (150*2 + 50*40 + 30000) / 201.0, P50: 2, P95: 40, P99: 40, Max: 30000,
				Statuses: map[string]int64{"200": 150, "503": 50}, Failures: map[string]int64{"timeout": 1},
				Busy: &Busy{Count: 50, WithoutRetryAfter: 1, P99: 40, Max: 40},
			},
		},
		Total: Operation{
			Name: "total", Requests: 1201, Throughput: 120.1, Errors: 51, ErrorRate: 51.0 / 1201,
			Mean: (500500 + 150*2 + 50*40 + 30000) / 1201.0, P50: 401, P95: 941, P99: 989, Max: 30000,
			Statuses: map[string]int64{"200": 1150, "503": 50}, Failures: map[string]int64{"timeout": 1},
			Busy: &Busy{Count: 50, WithoutRetryAfter: 1, P99: 40, Max: 40},
		},
		Probe: &Operation{
			Name: probeOperation, Requests: 1, Throughput: 0.1, Mean: 7, P50: 7, P95: 7, P99: 7, Max: 7,
			Statuses: map[string]int64{"200": 1}, Failures: map[string]int64{},
		},
	}
	if diff := cmp.Diff(want, got, near()); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

func TestTickCountsSinceTheLastTick(t *testing.T) {
	t.Parallel()
	rec := newRecorder()
	rec.add(sample{operation: "a", took: time.Millisecond, status: 200})
	rec.add(sample{operation: probeOperation, took: time.Second, status: 200})
	rec.tick()
	rec.add(sample{operation: "a", took: time.Millisecond, status: 500})
	s, all := rec.tick()
	if s.latency.TotalCount() != 1 || s.errors != 1 || all != 2 {
		t.Errorf("got %d requests, %d errors, %d in all; want 1, 1, 2", s.latency.TotalCount(), s.errors, all)
	}
	rec.reset()
	if s, all := rec.tick(); s.latency.TotalCount() != 0 || all != 0 || len(rec.names()) != 0 {
		t.Errorf("after reset: got %d, %d, %v; want nothing", s.latency.TotalCount(), all, rec.names())
	}
}

func TestLatenciesAreClamped(t *testing.T) {
	t.Parallel()
	h := newHistogram()
	record(h, -time.Second)
	record(h, 0)
	record(h, time.Hour)
	if h.TotalCount() != 3 || h.Min() != 1 || math.Abs(float64(h.Max())/float64(longest)-1) > 0.001 {
		t.Errorf("got %d values from %d to %d, want 3 from 1 to %d", h.TotalCount(), h.Min(), h.Max(), longest)
	}
	if size := h.ByteSize(); size > 512<<10 {
		t.Errorf("a histogram takes %d bytes, want at most 512 KiB", size)
	}
}

func TestFailureOf(t *testing.T) {
	t.Parallel()
	wrap := func(err error) error { return &url.Error{Op: "Get", URL: "http://x", Err: err} }
	tests := []struct {
		err  error
		want string
	}{
		{wrap(context.DeadlineExceeded), "timeout"},
		{wrap(syscall.ETIMEDOUT), "timeout"},
		{wrap(syscall.ECONNREFUSED), "connection refused"},
		{wrap(syscall.ECONNRESET), "connection reset"},
		{wrap(syscall.EPIPE), "connection reset"},
		{wrap(io.EOF), "connection closed"},
		{fmt.Errorf("read answer: %w", io.ErrUnexpectedEOF), "connection closed"},
		{errors.New("x"), "other"},
	}
	for _, tt := range tests {
		if got := failureOf(tt.err); got != tt.want {
			t.Errorf("failureOf(%v): got %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestReportText(t *testing.T) {
	t.Parallel()
	rec := newRecorder()
	for i := range 4 {
		rec.add(sample{operation: "push-local", took: 3 * time.Millisecond, status: 200})
		rec.add(sample{operation: "create-local", took: 150 * time.Millisecond, status: 503, retryAfter: i > 0})
	}
	rec.add(sample{operation: "create-local", took: 25 * time.Millisecond, failure: "connection reset"})
	r := Report{Target: "http://127.0.0.1:1", Scenario: "push", Clients: 4, Rate: 50, Interrupted: true}
	r.fill(rec, 2*time.Second)
	var got strings.Builder
	if err := r.WriteText(&got); err != nil {
		t.Fatal(err)
	}
	want := `http://127.0.0.1:1, scenario push, 4 clients, 2.0 s, 50 iterations/s asked for, interrupted

     operation  requests  req/s    errors  P50 ms  P95 ms  P99 ms  max ms
  create-local         5    2.5  100.00 %     150     150     150     150
    push-local         4    2.0    0.00 %    3.00    3.00    3.00    3.00
         total         9    4.5   55.56 %    25.0     150     150     150

create-local: 503 × 4, connection reset × 1; refusals (503): 1 WITHOUT Retry-After, P99 150 ms, max 150 ms
push-local: 200 × 4
total: 200 × 4, 503 × 4, connection reset × 1; refusals (503): 1 WITHOUT Retry-After, P99 150 ms, max 150 ms
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}
