package ratelimit

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var t0 = time.Date(2025, 10, 28, 12, 0, 0, 0, time.UTC)

func TestSparseUsesSlideExactly(t *testing.T) {
	t.Parallel()
	l := New[string](Options{})
	at := func(d time.Duration) time.Time { return t0.Add(d) }
	steps := []struct {
		after time.Duration
		want  Result
	}{
		{0, Result{Allowed: true, Limit: 2, Remaining: 1, ResetAt: at(time.Hour)}},
		{20 * time.Minute, Result{Allowed: true, Limit: 2, Remaining: 0, ResetAt: at(time.Hour)}},
		{30 * time.Minute, Result{Limit: 2, ResetAt: at(time.Hour), RetryAfter: 1800}},
		{time.Hour - time.Millisecond, Result{Limit: 2, ResetAt: at(time.Hour), RetryAfter: 0}},
		{time.Hour, Result{Limit: 2, ResetAt: at(time.Hour), RetryAfter: 0}}, // a use exactly one window old still counts
		{time.Hour + 1, Result{Allowed: true, Limit: 2, ResetAt: at(80 * time.Minute)}},
		{time.Hour + 2, Result{Limit: 2, ResetAt: at(80 * time.Minute), RetryAfter: 1199}},
		{5 * time.Hour, Result{Allowed: true, Limit: 2, Remaining: 1, ResetAt: at(6 * time.Hour)}},
	}
	for _, s := range steps {
		if d := cmp.Diff(s.want, l.Take("k", 2, at(s.after))); d != "" {
			t.Errorf("after %v (-want +got):\n%s", s.after, d)
		}
	}
}

func TestLimitMayChangeBetweenUses(t *testing.T) {
	t.Parallel()
	l := New[string](Options{})
	for i := range 5 {
		if r := l.Take("k", 5, t0); !r.Allowed {
			t.Fatalf("use %d refused", i)
		}
	}
	if r := l.Take("k", 3, t0); r.Allowed {
		t.Errorf("a lowered limit does not hold")
	}
	if r := l.Take("k", 6, t0); !r.Allowed {
		t.Errorf("a raised limit does not hold")
	}
	if r := l.Take("other", 1, t0); !r.Allowed {
		t.Errorf("keys are not apart")
	}
}

func TestLimitBelowOneRefuses(t *testing.T) {
	t.Parallel()
	l := New[string](Options{})
	for _, limit := range []int64{0, -1} {
		want := Result{Limit: limit, ResetAt: t0.Add(time.Hour), RetryAfter: 3600}
		if d := cmp.Diff(want, l.Take("k", limit, t0)); d != "" {
			t.Errorf("limit %d (-want +got):\n%s", limit, d)
		}
	}
	if n := l.Keys(); n != 0 {
		t.Errorf("%d keys remembered, want none", n)
	}
}

// The model keeps every instant. The limiter must never allow what the model
// refuses, and may refuse what it allows only while uses at most a bucket older
// than the window are still counted.
func TestAgainstAnExactLog(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		window := time.Hour
		l := New[string](Options{Window: window})
		limit := rapid.Int64Range(1, 100).Draw(rt, "limit")
		now := t0
		var log []time.Time
		count := func(window time.Duration) (n int64) {
			for _, at := range log {
				if !at.Before(now.Add(-window)) {
					n++
				}
			}
			return n
		}
		for i := range rapid.IntRange(1, 300).Draw(rt, "uses") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(5*time.Minute)).Draw(rt, fmt.Sprint("gap", i))))
			exact := count(window) < limit
			surely := count(window+window/bucketsPerWindow) < limit || limit <= exactUses && exact
			r := l.Take("k", limit, now)
			if r.Allowed && !exact {
				rt.Fatalf("use %d at %v allowed over the limit of %d", i, now, limit)
			}
			if !r.Allowed && surely {
				rt.Fatalf("use %d at %v refused although %d of %d", i, now, count(window), limit)
			}
			if r.Allowed {
				log = append(log, now)
			}
			if r.Remaining < 0 || r.Remaining > limit || r.RetryAfter < 0 {
				rt.Fatalf("result %+v", r)
			}
			h := l.shard("k").keys["k"]
			if len(h.buckets) > exactUses+bucketsPerWindow+2 {
				rt.Fatalf("%d buckets", len(h.buckets))
			}
		}
	})
}

// A refusal names the instant from which on a use is allowed again.
func TestResetAtIsTrue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		l := New[string](Options{})
		now := t0
		for i := range 100 {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Minute)).Draw(rt, fmt.Sprint("gap", i))))
			if r := l.Take("k", 10, now); !r.Allowed {
				if again := l.Take("k", 10, r.ResetAt); again.Allowed {
					rt.Fatalf("allowed before the window has passed")
				}
				if again := l.Take("k", 10, r.ResetAt.Add(1)); !again.Allowed {
					rt.Fatalf("refused after reset_at")
				}
				return
			}
		}
	})
}

func TestParallelUsesDoNotOvershoot(t *testing.T) {
	t.Parallel()
	l := New[int](Options{})
	var allowed atomic.Int64
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for range 100 {
				if l.Take(1, 1_000, t0).Allowed {
					allowed.Add(1)
				}
			}
		})
	}
	all.Wait()
	if got := allowed.Load(); got != 1_000 {
		t.Errorf("%d uses allowed, want 1,000", got)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	const limit = 1_024
	l := New[int](Options{MaxKeys: limit})
	for i := range 50_000 {
		if r := l.Take(i, 1, t0.Add(time.Duration(i)*time.Millisecond)); !r.Allowed {
			t.Fatalf("first use of key %d refused", i)
		}
	}
	if n := l.Keys(); n > limit {
		t.Errorf("%d keys remembered, want at most %d", n, limit)
	}
	// A key in constant use outlives the flood of others as a rule; one that
	// was idle for a window goes first.
	idle := New[int](Options{MaxKeys: limit})
	for i := range 500 {
		idle.Take(i, 1, t0)
	}
	for i := range 500 {
		idle.Take(1_000_000+i, 1, t0.Add(2*time.Hour))
	}
	if n := idle.Keys(); n > 500+shardCount*10 {
		t.Errorf("%d keys remembered, want the idle ones gone", n)
	}
}

func TestClockMayGoBack(t *testing.T) {
	t.Parallel()
	l := New[string](Options{})
	l.Take("k", 10, t0)
	l.Take("k", 10, t0.Add(-time.Minute))
	if r := l.Take("k", 2, t0.Add(-2*time.Minute)); r.Allowed {
		t.Errorf("uses are forgotten when the clock goes back")
	}
}

func BenchmarkTake(b *testing.B) {
	start := time.Now()
	b.Run("one key", func(b *testing.B) {
		l := New[[16]byte](Options{})
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				l.Take([16]byte{}, 1<<62, start)
			}
		})
	})
	b.Run("many keys", func(b *testing.B) {
		l := New[[16]byte](Options{})
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			n := 0
			for pb.Next() {
				n++
				l.Take([16]byte{byte(n), byte(n >> 8)}, 1<<62, start.Add(time.Duration(n)))
			}
		})
	})
}
