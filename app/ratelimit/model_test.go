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

// exactLog is contract 01 §5.6 word by word: it keeps the instant of every use.
type exactLog struct {
	uses   [windowCount][]time.Time
	tokens float64
	size   int64
	filled time.Time
}

func (m *exactLog) within(i int, now time.Time) (n int64, oldest time.Time) {
	for _, at := range m.uses[i] {
		if !at.Before(now.Add(-time.Duration(windowLengths[i].length))) {
			if n == 0 {
				oldest = at
			}
			n++
		}
	}
	return n, oldest
}

func (m *exactLog) refill(p Policy, now time.Time) {
	m.tokens = min(float64(m.size), m.tokens+float64(now.Sub(m.filled))*float64(p.PerMinute)/float64(time.Minute))
	m.filled = now
}

func (m *exactLog) spend(p Policy, now time.Time) bool {
	if m.refill(p, now); m.tokens < 1 {
		return false
	}
	m.tokens--
	return true
}

func (m *exactLog) take(p Policy, now time.Time) Verdict {
	if p.Burst != m.size {
		m.refill(p, now)
		if m.tokens == 0 {
			m.tokens = float64(p.Burst)
		}
		m.size, m.tokens = p.Burst, min(m.tokens, float64(p.Burst))
	}
	record := func() {
		for i, limit := range p.limits() {
			if limit > 0 {
				m.uses[i] = append(m.uses[i], now)
			}
		}
	}
	var least Verdict
	for i, limit := range p.limits() {
		if limit == 0 {
			continue
		}
		n, oldest := m.within(i, now)
		length := time.Duration(windowLengths[i].length)
		v := Verdict{Window: windowLengths[i].name, Result: Result{Limit: limit, ResetAt: oldest.Add(length)}}
		if n >= limit {
			if i == 0 && p.Burst > 0 && m.spend(p, now) {
				record()
				v.Allowed, v.Burst = true, true
				return v
			}
			v.RetryAfter = int64(max(0, v.ResetAt.Sub(now)) / time.Second)
			return v
		}
		if n == 0 {
			v.ResetAt = now.Add(length)
		}
		v.Allowed, v.Remaining = true, limit-n-1
		if least.Window == "" || v.Remaining < least.Remaining {
			least = v
		}
	}
	if least.Window != "" {
		record()
		return least
	}
	return Verdict{Result: Result{Allowed: true}}
}

// scales are gaps at which the counters must be exact, to the nanosecond: those
// at which the buckets of the windows up to one of them hold uses of a single
// instant, and any with so few uses that all are kept.
var scales = []struct {
	name    string
	windows int
	burst   int64
	gaps    []time.Duration
}{
	{"minute", 1, 4, []time.Duration{0, 0, 0, 2 * time.Second, 7 * time.Second, 58 * time.Second, time.Minute, time.Minute + 1}},
	{"hour", 2, 4, []time.Duration{0, 0, 0, 2 * time.Minute, 58 * time.Minute, time.Hour, time.Hour + 1}},
	{"day", 3, 4, []time.Duration{0, 0, 0, 48 * time.Minute, time.Hour, time.Hour + 1, 23 * time.Hour, 24 * time.Hour, 24*time.Hour + 1}},
	{"few", 3, 0, []time.Duration{0, 1, time.Second, 13 * time.Second, time.Minute, 5 * time.Minute, time.Hour, 7 * time.Hour}},
}

// Every verdict is the exact one, whatever the limits and the burst become
// between the uses.
func TestWindowsAreTheContract(t *testing.T) {
	t.Parallel()
	for _, scale := range scales {
		t.Run(scale.name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				limit := rapid.Int64Range(0, 8)
				policy := rapid.Custom(func(rt *rapid.T) Policy {
					p := Policy{PerMinute: limit.Draw(rt, "minute"), Burst: rapid.Int64Range(0, scale.burst).Draw(rt, "burst")}
					if scale.windows > 1 {
						p.PerHour = limit.Draw(rt, "hour")
					}
					if scale.windows > 2 {
						p.PerDay = limit.Draw(rt, "day")
					}
					return p
				})
				w, m := NewWindows[string](1024), exactLog{filled: t0}
				p, now := policy.Draw(rt, "policy"), t0
				for i := range rapid.IntRange(1, 80).Draw(rt, "uses") {
					now = now.Add(rapid.SampledFrom(scale.gaps).Draw(rt, fmt.Sprint("gap", i)))
					if rapid.IntRange(0, 9).Draw(rt, "change") == 0 {
						p = policy.Draw(rt, "policy")
					}
					if p.Unlimited() {
						continue // not looked at at all
					}
					if w.Keys() == 0 {
						m.filled = now
					}
					if d := cmp.Diff(m.take(p, now), w.Take("k", p, now)); d != "" {
						rt.Fatalf("use %d, %+v, after %v (-want +got):\n%s", i, p, now.Sub(t0), d)
					}
				}
			})
		})
	}
}

// What was taken and returned was never there, the burst's token included.
func TestReturn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		p := Policy{
			PerMinute: rapid.Int64Range(1, 4).Draw(rt, "minute"),
			PerHour:   rapid.Int64Range(0, 9).Draw(rt, "hour"),
			Burst:     rapid.Int64Range(0, 3).Draw(rt, "burst"),
		}
		w, other := NewWindows[string](1024), NewWindows[string](1024)
		now := t0
		for i := range rapid.IntRange(1, 60).Draw(rt, "uses") {
			now = now.Add(rapid.SampledFrom(scales[1].gaps).Draw(rt, fmt.Sprint("gap", i)))
			if rapid.Bool().Draw(rt, "returned") {
				w.Return("k", p, w.Take("k", p, now), now)
				continue
			}
			if d := cmp.Diff(other.Take("k", p, now), w.Take("k", p, now)); d != "" {
				rt.Fatalf("use %d after %v (-without returned uses +with):\n%s", i, now.Sub(t0), d)
			}
		}
	})
}

// The use that is taken back is the one of that instant, not a later one.
func TestReturnOfAnEarlierUse(t *testing.T) {
	t.Parallel()
	w := NewWindows[string](1024)
	p := Policy{PerHour: 2}
	first := w.Take("k", p, t0)
	w.Take("k", p, t0.Add(10*time.Minute))
	w.Return("k", p, first, t0)
	want := Verdict{Window: Hour, Result: Result{Allowed: true, Limit: 2, ResetAt: t0.Add(70 * time.Minute)}}
	if d := cmp.Diff(want, w.Take("k", p, t0.Add(20*time.Minute))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestReturnWithoutAUse(t *testing.T) {
	t.Parallel()
	w := NewWindows[string](1024)
	p := Policy{PerMinute: 1}
	w.Return("k", p, Verdict{Result: Result{Allowed: true}}, t0)
	w.Take("k", p, t0)
	w.Return("k", p, w.Take("k", p, t0), t0) // refused: nothing was counted
	if v := w.Take("k", p, t0); v.Allowed {
		t.Errorf("got %+v, want that a use that was refused gives nothing back", v)
	}
}

// A limit that changes holds at once, and what was used is kept.
func TestPolicyMayChangeBetweenUses(t *testing.T) {
	t.Parallel()
	steps := []struct {
		name   string
		policy Policy
		want   bool
	}{
		{"first", Policy{PerMinute: 3}, true},
		{"second", Policy{PerMinute: 3}, true},
		{"lowered to what was used", Policy{PerMinute: 2}, false},
		{"raised by one", Policy{PerMinute: 3}, true},
		{"full", Policy{PerMinute: 3}, false},
		{"a burst is full when it begins", Policy{PerMinute: 3, Burst: 1}, true},
		{"and used up", Policy{PerMinute: 3, Burst: 1}, false},
		{"used up, it is full again with another size", Policy{PerMinute: 3, Burst: 2}, true},
		{"what is left is kept when it grows", Policy{PerMinute: 3, Burst: 9}, true},
		{"one was left", Policy{PerMinute: 3, Burst: 9}, false},
		{"a window that had no limit knows nothing of before", Policy{PerHour: 1}, true},
		{"but counts from then on", Policy{PerHour: 1}, false},
		{"without a limit", Policy{}, true},
	}
	w := NewWindows[string](1024)
	for _, s := range steps {
		if v := w.Take("k", s.policy, t0); v.Allowed != s.want {
			t.Errorf("%s: got %+v, want allowed %t", s.name, v, s.want)
		}
	}
}

// However many try at the same time, never more than the limit are inside.
func TestInFlightParallel(t *testing.T) {
	t.Parallel()
	f := NewInFlight[int]()
	var inside, most, entered atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 2000 {
				leave, ok := f.Enter(1, 3)
				if !ok {
					continue
				}
				entered.Add(1)
				for n := inside.Add(1); ; {
					if have := most.Load(); n <= have || most.CompareAndSwap(have, n) {
						break
					}
				}
				inside.Add(-1)
				leave()
			}
		})
	}
	all.Wait()
	if got := most.Load(); got < 1 || got > 3 {
		t.Errorf("inside at the same time: got %d, want at most 3", got)
	}
	if got := entered.Load(); got < 3 {
		t.Errorf("entered: got %d", got)
	}
	for i := range f.shards {
		if n := len(f.shards[i].keys); n != 0 {
			t.Errorf("shard %d: %d keys remembered, want none", i, n)
		}
	}
}
