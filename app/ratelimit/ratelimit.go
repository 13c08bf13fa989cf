// Package ratelimit counts uses in a sliding window and refuses those over a
// limit. Check and count are one step, so parallel requests cannot overshoot.
//
// # Bounded memory
//
// A key's uses are not kept one by one: uses close together (a sixtieth of the
// window) share a bucket that remembers how many they were and when the last
// one was. A bucket leaves the window as a whole, with its last use, so the
// limit is never exceeded in any window, and a use counts at most a sixtieth
// of the window longer than it has to. A key that is used rarely has few
// buckets; one that was idle for a whole window is forgotten.
//
// # No global lock
//
// Keys are spread over shards with a lock each, held for a few instructions.
package ratelimit

import (
	"hash/maphash"
	"sync"
	"time"
)

const (
	shardCount = 64 // a power of two
	// bucketsPerWindow is the resolution.
	bucketsPerWindow = 60
	// evictionSample is how many keys are looked at to make room for one.
	evictionSample = 8
)

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
	window int64 // nanoseconds
	span   int64 // of one bucket
	perMax int   // keys per shard
	seed   maphash.Seed
	shards [shardCount]shard[K]
}

type shard[K comparable] struct {
	mu      sync.Mutex
	keys    map[K]*history
	sweepAt int64
	_       [64]byte // keeps locks of neighbours off one cache line
}

// New makes a Limiter.
func New[K comparable](o Options) *Limiter[K] {
	if o.Window <= 0 {
		o.Window = time.Hour
	}
	if o.MaxKeys <= 0 {
		o.MaxKeys = DefaultMaxKeys
	}
	l := &Limiter[K]{
		window: int64(o.Window),
		span:   max(1, int64(o.Window)/bucketsPerWindow),
		perMax: max(1, o.MaxKeys/shardCount),
		seed:   maphash.MakeSeed(),
	}
	for i := range l.shards {
		l.shards[i].keys = make(map[K]*history)
	}
	return l
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
		ResetAt:   time.Unix(0, h.buckets[0].last+l.window).UTC(),
	}
}

// Keys is how many keys are remembered.
func (l *Limiter[K]) Keys() int {
	n := 0
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		n += len(s.keys)
		s.mu.Unlock()
	}
	return n
}

func (l *Limiter[K]) denied(limit, oldest, now int64) Result {
	reset := oldest + l.window
	return Result{
		Limit:      limit,
		ResetAt:    time.Unix(0, reset).UTC(),
		RetryAfter: max(0, (reset-now)/int64(time.Second)),
	}
}

func (l *Limiter[K]) shard(key K) *shard[K] {
	return &l.shards[maphash.Comparable(l.seed, key)%shardCount]
}

// makeRoom forgets idle keys, at most four times per window, and displaces one
// key of a full shard.
func (l *Limiter[K]) makeRoom(s *shard[K], now int64) {
	if now >= s.sweepAt {
		s.sweepAt = now + l.window/4
		for k, h := range s.keys {
			if h.newest() < now-l.window {
				delete(s.keys, k)
			}
		}
	}
	if len(s.keys) < l.perMax {
		return
	}
	displace(s.keys, (*history).newest)
}

// displace forgets the one that was used longest ago of the few keys that Go's
// random iteration of a map meets first.
func displace[K comparable, V any](keys map[K]V, last func(V) int64) {
	var (
		victim K
		oldest int64
		seen   int
	)
	for k, v := range keys {
		if at := last(v); seen == 0 || at < oldest {
			victim, oldest = k, at
		}
		if seen++; seen == evictionSample {
			break
		}
	}
	delete(keys, victim)
}
