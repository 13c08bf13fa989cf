// Package ratelimit counts uses in sliding windows and refuses those over a
// limit. Check and count are one step, so parallel requests cannot overshoot.
// Limiter has one window, Windows a minute, an hour and a day with a burst,
// InFlight bounds what goes on at the same time.
//
// # Bounded memory
//
// A key's uses are not kept one by one, but for a few (exactUses). Of more, those
// close together (a sixtieth of the window of a Limiter, a thirtieth of each of
// Windows) share a bucket that remembers how many they were and when the last
// one was. A bucket leaves the window as a whole, with its last use, so the
// limit is never exceeded in any window, and a use counts at most a bucket
// longer than it has to. A key that is used rarely has few buckets; one that was
// idle for a whole window is forgotten. The number of keys is bounded too; a key
// that is displaced by a new one begins again at nothing.
//
// Nothing is stored: a restart begins at nothing.
//
// # No global lock
//
// Keys are spread over shards with a lock each, held for a few instructions.
package ratelimit

import "time"

// bucketsPerWindow is the resolution of a Limiter.
const bucketsPerWindow = 60

// DefaultMaxKeys bounds the keys that are remembered when Options do not.
const DefaultMaxKeys = 1 << 18

// Options set up a Limiter.
type Options struct {
	// Window is the length of the sliding window; default one hour.
	Window time.Duration
	// MaxKeys bounds the remembered keys; default DefaultMaxKeys. A new key
	// beyond it displaces one of those that were not used for long.
	MaxKeys int
}

// Result is the outcome of one check.
type Result struct {
	Allowed bool
	Limit   int64
	// Remaining is how many more uses fit, after this one when it was allowed.
	Remaining int64
	// ResetAt is when the oldest counted uses leave the window.
	ResetAt time.Time
	// RetryAfter is how long to wait before the next use is allowed, in whole
	// seconds rounded down; 0 when this one was allowed.
	RetryAfter int64
}

// Limiter limits uses per key. Its methods may be called concurrently.
type Limiter[K comparable] struct {
	*table[K, *history]
	window int64 // nanoseconds
	span   int64 // of one bucket
}

// New makes a Limiter.
func New[K comparable](o Options) *Limiter[K] {
	if o.Window <= 0 {
		o.Window = time.Hour
	}
	if o.MaxKeys <= 0 {
		o.MaxKeys = DefaultMaxKeys
	}
	return &Limiter[K]{
		table:  newTable[K, *history](o.MaxKeys, int64(o.Window)),
		window: int64(o.Window),
		span:   max(1, int64(o.Window)/bucketsPerWindow),
	}
}

// Take counts one use of key at now if fewer than limit lie in the window that
// ends at now; otherwise it counts nothing. A limit below 1 refuses every use.
// The limit may differ from call to call: the history is kept.
func (l *Limiter[K]) Take(key K, limit int64, now time.Time) Result {
	t := now.UnixNano()
	s := l.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.keys[key]
	if h == nil {
		if limit < 1 {
			return l.denied(limit, t, t)
		}
		h = &history{}
		l.makeRoom(s, t)
		s.keys[key] = h
	}
	h.expire(t - l.window)
	if h.total >= limit {
		oldest := t
		if len(h.buckets) > 0 {
			oldest = h.buckets[0].last
		}
		return l.denied(limit, oldest, t)
	}
	h.add(t, l.span)
	return Result{
		Allowed:   true,
		Limit:     limit,
		Remaining: limit - h.total,
		ResetAt:   instant(h.buckets[0].last + l.window),
	}
}

func (l *Limiter[K]) denied(limit, oldest, now int64) Result {
	reset := oldest + l.window
	return Result{
		Limit:      limit,
		ResetAt:    instant(reset),
		RetryAfter: max(0, (reset-now)/int64(time.Second)),
	}
}

func instant(nanos int64) time.Time { return time.Unix(0, nanos).UTC() }
