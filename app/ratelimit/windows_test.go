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

// The minute is asked first, then the hour, then the day; the first that is full
// decides what is said.
func TestWindowsInOrder(t *testing.T) {
	t.Parallel()
	w := NewWindows[string](1024)
	p := Policy{PerMinute: 2, PerHour: 3, PerDay: 4}
	at := func(d time.Duration) time.Time { return t0.Add(d) }
	steps := []struct {
		after time.Duration
		want  Verdict
	}{
		{0, Verdict{Result{Allowed: true, Limit: 2, Remaining: 1, ResetAt: at(time.Minute)}, Minute, false}},
		{time.Second, Verdict{Result{Allowed: true, Limit: 2, ResetAt: at(time.Minute)}, Minute, false}},
		{2 * time.Second, Verdict{Result{Limit: 2, ResetAt: at(time.Minute), RetryAfter: 58}, Minute, false}},
		{2 * time.Minute, Verdict{Result{Allowed: true, Limit: 3, ResetAt: at(time.Hour)}, Hour, false}},
		{3 * time.Minute, Verdict{Result{Limit: 3, ResetAt: at(time.Hour), RetryAfter: 3420}, Hour, false}},
		{2 * time.Hour, Verdict{Result{Allowed: true, Limit: 4, ResetAt: at(24 * time.Hour)}, Day, false}},
		{4 * time.Hour, Verdict{Result{Limit: 4, ResetAt: at(24 * time.Hour), RetryAfter: 72000}, Day, false}},
		{48 * time.Hour, Verdict{Result{Allowed: true, Limit: 2, Remaining: 1, ResetAt: at(48*time.Hour + time.Minute)}, Minute, false}},
	}
	for _, s := range steps {
		if d := cmp.Diff(s.want, w.Take("k", p, at(s.after))); d != "" {
			t.Errorf("after %v (-want +got):\n%s", s.after, d)
		}
	}
}

// A burst lets uses over the minute's limit through until it is spent, and comes
// back at the minute's rate.
func TestBurst(t *testing.T) {
	t.Parallel()
	w := NewWindows[string](1024)
	p := Policy{PerMinute: 60, Burst: 10}
	allowed := func(at time.Time, tries int) (n int) {
		for range tries {
			if w.Take("k", p, at).Allowed {
				n++
			}
		}
		return n
	}
	if got := allowed(t0, 100); got != 70 {
		t.Errorf("at once: got %d, want the minute's 60 and 10 more", got)
	}
	if got := allowed(t0.Add(5*time.Second), 100); got != 5 {
		t.Errorf("five seconds later: got %d, want 5 that came back", got)
	}
	if got := allowed(t0.Add(10*time.Minute), 100); got != 70 {
		t.Errorf("ten minutes later: got %d, want 70", got)
	}
	w.Take("other", Policy{PerMinute: 1, Burst: 1}, t0)
	if v := w.Take("other", Policy{PerMinute: 1, Burst: 1}, t0); !v.Allowed || v.Remaining != 0 {
		t.Errorf("on the burst: got %+v, want allowed with nothing remaining", v)
	}
}

func TestUnlimited(t *testing.T) {
	t.Parallel()
	w := NewWindows[string](1024)
	for range 10 {
		if v := w.Take("k", Policy{Burst: 1}, t0); !v.Allowed || v.Limit != 0 {
			t.Errorf("got %+v, want allowed without a limit", v)
		}
	}
	if n := w.Keys(); n != 0 {
		t.Errorf("keys: got %d, want none", n)
	}
}

// Against a model that keeps every instant: never more than a window allows
// without a burst, and never refused while all windows surely have room.
func TestWindowsAgainstAnExactLog(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := NewWindows[string](1024)
		p := Policy{
			PerMinute: rapid.Int64Range(0, 10).Draw(rt, "minute"),
			PerHour:   rapid.Int64Range(0, 30).Draw(rt, "hour"),
			PerDay:    rapid.Int64Range(1, 60).Draw(rt, "day"),
		}
		limits := [windowCount]int64{p.PerMinute, p.PerHour, p.PerDay}
		now := t0
		var log []time.Time
		within := func(d time.Duration) (n int64) {
			for _, at := range log {
				if !at.Before(now.Add(-d)) {
					n++
				}
			}
			return n
		}
		for i := range rapid.IntRange(1, 200).Draw(rt, "uses") {
			gap := rapid.SampledFrom([]time.Duration{0, time.Second, 20 * time.Second, 5 * time.Minute, time.Hour}).Draw(rt, fmt.Sprint("gap", i))
			now = now.Add(gap)
			may, surely := true, true
			for j, l := range windowLengths {
				if limits[j] > 0 {
					length := time.Duration(l.length)
					may = may && within(length) < limits[j]
					surely = surely && within(length+length/resolution) < limits[j]
				}
			}
			v := w.Take("k", p, now)
			if v.Allowed && !may || !v.Allowed && surely {
				rt.Fatalf("use %d at %v: got %+v, the exact log says may %t, surely %t", i, now, v, may, surely)
			}
			if v.Allowed {
				log = append(log, now)
			}
			if v.Remaining < 0 || v.RetryAfter < 0 || v.Window == "" {
				rt.Fatalf("verdict %+v", v)
			}
		}
	})
}

func TestWindowsParallel(t *testing.T) {
	t.Parallel()
	w := NewWindows[int](1024)
	var allowed atomic.Int64
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for range 100 {
				if w.Take(1, Policy{PerMinute: 700, PerHour: 900, Burst: 50}, t0).Allowed {
					allowed.Add(1)
				}
			}
		})
	}
	all.Wait()
	if got := allowed.Load(); got != 750 {
		t.Errorf("%d uses allowed, want 700 and a burst of 50", got)
	}
}

func TestWindowsMemoryIsBounded(t *testing.T) {
	t.Parallel()
	const limit = 1_024
	w := NewWindows[int](limit)
	for i := range 50_000 {
		w.Take(i, Policy{PerMinute: 1}, t0)
	}
	if n := w.Keys(); n > limit {
		t.Errorf("%d keys remembered, want at most %d", n, limit)
	}
	one := NewWindows[int](limit)
	for i := range 100_000 {
		one.Take(1, Policy{PerMinute: 1 << 40, PerHour: 1 << 40, PerDay: 1 << 40}, t0.Add(time.Duration(i)*time.Second))
	}
	for i := range one.shards {
		for _, u := range one.shards[i].keys {
			for j, h := range u.windows {
				if len(h.buckets) > exactUses+resolution+2 {
					t.Errorf("window %d: %d buckets, want at most %d", j, len(h.buckets), exactUses+resolution+2)
				}
			}
		}
	}
}

func TestWindowsClockMayGoBack(t *testing.T) {
	t.Parallel()
	w := NewWindows[string](64)
	p := Policy{PerMinute: 2, PerHour: 2, Burst: 1}
	for range 3 {
		w.Take("k", p, t0)
	}
	if v := w.Take("k", p, t0.Add(-time.Hour)); v.Allowed {
		t.Errorf("got %+v, want that nothing is forgotten when the clock goes back", v)
	}
}

func TestInFlight(t *testing.T) {
	t.Parallel()
	f := NewInFlight[string]()
	first, ok := f.Enter("k", 2)
	if !ok {
		t.Fatal("the first is refused")
	}
	second, ok := f.Enter("k", 2)
	if !ok {
		t.Fatal("the second is refused")
	}
	if _, ok := f.Enter("k", 2); ok {
		t.Error("a third is let in")
	}
	if _, ok := f.Enter("other", 2); !ok {
		t.Error("keys are not apart")
	}
	first()
	third, ok := f.Enter("k", 2)
	if !ok {
		t.Error("nobody is let in after one has left")
	}
	second()
	third()
	for i := range f.shards {
		if _, still := f.shards[i].keys["k"]; still {
			t.Error("a key that is not in use is remembered")
		}
	}
}

// One check on the hot path, with every window and a burst, from all cores.
func BenchmarkWindows(b *testing.B) {
	start := time.Now()
	p := Policy{PerMinute: 1 << 50, PerHour: 1 << 50, PerDay: 1 << 50, Burst: 100}
	for name, keys := range map[string]int{"one key": 1, "1,000 keys": 1000} {
		b.Run(name, func(b *testing.B) {
			w := NewWindows[string](1 << 16)
			names := make([]string, keys)
			for i := range names {
				names[i] = fmt.Sprintf("user-%036d", i)
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for n := 0; pb.Next(); n++ {
					w.Take(names[n%keys], p, start.Add(time.Duration(n)))
				}
			})
		})
	}
}
