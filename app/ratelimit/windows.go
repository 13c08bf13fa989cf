package ratelimit

import "time"

// Policy is what one key may use. 0 is no limit. It may differ from call to
// call; what was used is kept, in the windows that had a limit.
type Policy struct {
	PerMinute int64
	PerHour   int64
	PerDay    int64
	// Burst is how many uses over PerMinute are let through in one go; they
	// come back at the rate of PerMinute. It means nothing without PerMinute.
	// A burst that is used up is full again when its size changes; another one
	// keeps what is left, up to the new size.
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
	// Burst says that the use was let through over the minute's limit.
	Burst bool
}

const windowCount = 3

// windowLengths is how long the windows are.
var windowLengths = [windowCount]struct {
	name   Window
	length int64
}{
	{Minute, int64(time.Minute)},
	{Hour, int64(time.Hour)},
	{Day, int64(24 * time.Hour)},
}

// resolution is how many buckets share a window, which bounds the memory of a
// key: 1.5 KB for each window that is limited, when it is used all the time.
const resolution = 30

// Windows limits uses per key in several windows at once (contract 01 §5.6). It
// is to several limits what Limiter is to one: check and count are one step,
// memory is bounded, and there is no global lock.
//
// The windows are asked in their order and the first that is full decides. When
// it is the minute's, a burst may let the use through all the same. The hour and
// the day are not asked then, as the contract has it: they can be exceeded by
// what a burst lets through. It is counted in all of them.
type Windows[K comparable] struct {
	*table[K, *windowUse]
}

// windowUse is what one key has used.
type windowUse struct {
	windows [windowCount]history
	last    int64
	// What is left of the burst, its size, and when both were looked at.
	tokens float64
	burst  int64
	filled int64
}

func (u *windowUse) newest() int64 { return u.last }

// NewWindows makes a Windows that remembers at most maxKeys keys, each for a
// day after its last use.
func NewWindows[K comparable](maxKeys int) *Windows[K] {
	return &Windows[K]{newTable[K, *windowUse](maxKeys, windowLengths[windowCount-1].length)}
}

// Take counts one use of key at now if every window of the policy has room;
// otherwise it counts nothing. The policy may differ from call to call.
func (w *Windows[K]) Take(key K, p Policy, now time.Time) Verdict {
	if p.Unlimited() {
		return Verdict{Result: Result{Allowed: true}}
	}
	t := now.UnixNano()
	s := w.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.keys[key]
	if u == nil {
		u = &windowUse{filled: t}
		w.makeRoom(s, t)
		s.keys[key] = u
	}
	return u.take(p, t)
}

// Return takes back the use that Take allowed with v: the same key, policy and
// instant. It is for requests that something else refused afterwards.
func (w *Windows[K]) Return(key K, p Policy, v Verdict, now time.Time) {
	s := w.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.keys[key]
	if u == nil || !v.Allowed {
		return
	}
	for i, limit := range p.limits() {
		if limit > 0 {
			u.windows[i].remove(now.UnixNano())
		}
	}
	if v.Burst {
		u.tokens = min(float64(u.burst), u.tokens+1)
	}
}

func (p Policy) limits() [windowCount]int64 {
	return [windowCount]int64{p.PerMinute, p.PerHour, p.PerDay}
}

func (u *windowUse) take(p Policy, t int64) Verdict {
	limits := p.limits()
	if p.Burst != u.burst {
		u.resize(p, t)
	}
	for i := range windowLengths {
		if limits[i] <= 0 {
			continue
		}
		h := &u.windows[i]
		h.expire(t - windowLengths[i].length)
		if h.total < limits[i] {
			continue
		}
		if i == 0 && u.spend(p, t) {
			u.count(limits, t)
			return Verdict{Window: Minute, Burst: true, Result: Result{
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

// resize gives the burst another size.
func (u *windowUse) resize(p Policy, t int64) {
	u.refill(p, t)
	size := float64(p.Burst)
	if u.tokens == 0 {
		u.tokens = size
	}
	u.tokens = min(u.tokens, size)
	u.burst = p.Burst
}

// refill adds what came back since it was last looked at.
func (u *windowUse) refill(p Policy, t int64) {
	elapsed := max(0, t-u.filled)
	u.filled = max(u.filled, t)
	u.tokens = min(float64(u.burst), u.tokens+float64(elapsed)*float64(p.PerMinute)/float64(time.Minute))
}

// spend takes a token of the burst, if there is one.
func (u *windowUse) spend(p Policy, t int64) bool {
	if p.Burst <= 0 {
		return false
	}
	u.refill(p, t)
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
