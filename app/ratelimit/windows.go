package ratelimit

import (
	"hash/maphash"
	"sync"
	"time"
)

// Policy is what one key may use. 0 is no limit.
type Policy struct {
	PerMinute int64
	PerHour   int64
	PerDay    int64
	// Burst is how many uses over PerMinute are let through in one go; they
	// come back at the rate of PerMinute. It means nothing without PerMinute.
	Burst int64
}

// Unlimited reports whether the policy limits nothing.
func (p Policy) Unlimited() bool { return p.PerMinute <= 0 && p.PerHour <= 0 && p.PerDay <= 0 }

// Window is the length of time that a limit is for, as texts name it.
type Window string

// The windows, in the order in which they are asked.
const (
	Minute Window = "minute"
	Hour   Window = "hour"
	Day    Window = "day"
)

// Verdict is the outcome of one check of Windows. Limit, Remaining and ResetAt
// are those of the window that refuses, or of the one with the least left. They
// are zero for a policy that limits nothing.
type Verdict struct {
	Result
	Window Window
}

const windowCount = 3

// windowLengths is how long the windows are; resolution is how many buckets
// share one, which bounds the memory of a key.
var windowLengths = [windowCount]struct {
	name   Window
	length int64
}{
	{Minute, int64(time.Minute)},
	{Hour, int64(time.Hour)},
	{Day, int64(24 * time.Hour)},
}

const resolution = 30

// Windows limits uses per key in several windows at once (contract 01 §5.6). It
// is to several limits what Limiter is to one: check and count are one step,
// memory is bounded, and there is no global lock.
//
// The windows are asked in their order and the first that is full decides. When
// it is the minute's, a burst may let the use through all the same, and then the
// longer windows are not asked; it is counted in all of them.
type Windows[K comparable] struct {
	perMax int
	seed   maphash.Seed
	shards [shardCount]windowShard[K]
}

type windowShard[K comparable] struct {
	mu      sync.Mutex
	keys    map[K]*windowUse
	sweepAt int64
	_       [64]byte // keeps locks of neighbours off one cache line
}

// windowUse is what one key has used.
type windowUse struct {
	windows [windowCount]history
	last    int64
	// tokens of the burst and when they were counted; full at first.
	tokens float64
	filled int64
}

// NewWindows makes a Windows that remembers at most maxKeys keys.
func NewWindows[K comparable](maxKeys int) *Windows[K] {
	w := &Windows[K]{perMax: max(1, maxKeys/shardCount), seed: maphash.MakeSeed()}
	for i := range w.shards {
		w.shards[i].keys = make(map[K]*windowUse)
	}
	return w
}

// Take counts one use of key at now if every window of the policy has room;
// otherwise it counts nothing. The policy may differ from call to call.
func (w *Windows[K]) Take(key K, p Policy, now time.Time) Verdict {
	if p.Unlimited() {
		return Verdict{Result: Result{Allowed: true}}
	}
	t := now.UnixNano()
	s := &w.shards[maphash.Comparable(w.seed, key)%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.keys[key]
	if u == nil {
		u = &windowUse{tokens: float64(p.Burst), filled: t}
		w.makeRoom(s, t)
		s.keys[key] = u
	}
	return u.take(p, t)
}

func (u *windowUse) take(p Policy, t int64) Verdict {
	limits := [windowCount]int64{p.PerMinute, p.PerHour, p.PerDay}
	for i := range windowLengths {
		if limits[i] <= 0 {
			continue
		}
		h := &u.windows[i]
		h.expire(t - windowLengths[i].length)
		if h.total < limits[i] {
			continue
		}
		if i == 0 && u.burst(p, t) {
			u.count(limits, t)
			return Verdict{Window: Minute, Result: Result{
				Allowed: true, Limit: limits[i], ResetAt: instant(h.buckets[0].last + windowLengths[i].length),
			}}
		}
		reset := h.buckets[0].last + windowLengths[i].length
		return Verdict{Window: windowLengths[i].name, Result: Result{
			Limit: limits[i], ResetAt: instant(reset), RetryAfter: max(0, (reset-t)/int64(time.Second)),
		}}
	}
	u.count(limits, t)
	return u.tightest(limits)
}

// burst spends a token, if there is one.
func (u *windowUse) burst(p Policy, t int64) bool {
	if p.Burst <= 0 {
		return false
	}
	elapsed := max(0, t-u.filled)
	u.filled = max(u.filled, t)
	u.tokens = min(float64(p.Burst), u.tokens+float64(elapsed)/float64(time.Minute)*float64(p.PerMinute))
	if u.tokens < 1 {
		return false
	}
	u.tokens--
	return true
}

func (u *windowUse) count(limits [windowCount]int64, t int64) {
	u.last = max(u.last, t)
	for i := range windowLengths {
		if limits[i] > 0 {
			u.windows[i].add(t, windowLengths[i].length/resolution)
		}
	}
}

// tightest is the state of the window with the least left, after a use that was
// counted.
func (u *windowUse) tightest(limits [windowCount]int64) Verdict {
	var v Verdict
	for i := range windowLengths {
		if limits[i] <= 0 {
			continue
		}
		left := max(0, limits[i]-u.windows[i].total)
		if v.Window != "" && left >= v.Remaining {
			continue
		}
		v = Verdict{Window: windowLengths[i].name, Result: Result{
			Allowed: true, Limit: limits[i], Remaining: left,
			ResetAt: instant(u.windows[i].buckets[0].last + windowLengths[i].length),
		}}
	}
	return v
}

func instant(nanos int64) time.Time { return time.Unix(0, nanos).UTC() }

// Keys is how many keys are remembered.
func (w *Windows[K]) Keys() int {
	n := 0
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		n += len(s.keys)
		s.mu.Unlock()
	}
	return n
}

// makeRoom forgets keys that were not used for a day, at most every six hours,
// and displaces one key of a full shard.
func (w *Windows[K]) makeRoom(s *windowShard[K], now int64) {
	day := windowLengths[windowCount-1].length
	if now >= s.sweepAt {
		s.sweepAt = now + day/4
		for k, u := range s.keys {
			if u.last < now-day {
				delete(s.keys, k)
			}
		}
	}
	if len(s.keys) < w.perMax {
		return
	}
	displace(s.keys, func(u *windowUse) int64 { return u.last })
}
