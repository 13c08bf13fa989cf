package ratelimit

import (
	"hash/maphash"
	"sync"
)

const (
	shardCount = 64 // a power of two
	// evictionSample is how many keys are looked at to make room for one.
	evictionSample = 8
)

// dated knows the instant of its last use, in nanoseconds since 1970.
type dated interface{ newest() int64 }

// table holds what each key has used: a bounded number of keys, spread over
// shards with a lock each.
type table[K comparable, V dated] struct {
	perMax int   // keys per shard
	idle   int64 // nanoseconds after which a key that was not used is forgotten
	seed   maphash.Seed
	shards [shardCount]shard[K, V]
}

type shard[K comparable, V dated] struct {
	mu      sync.Mutex
	keys    map[K]V
	sweepAt int64
	_       [64]byte // keeps locks of neighbours off one cache line
}

func newTable[K comparable, V dated](maxKeys int, idle int64) *table[K, V] {
	t := &table[K, V]{perMax: max(1, maxKeys/shardCount), idle: idle, seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].keys = make(map[K]V)
	}
	return t
}

func (t *table[K, V]) shard(key K) *shard[K, V] {
	return &t.shards[maphash.Comparable(t.seed, key)%shardCount]
}

// Keys is how many keys are remembered.
func (t *table[K, V]) Keys() int {
	n := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += len(s.keys)
		s.mu.Unlock()
	}
	return n
}

// makeRoom forgets idle keys, at most four times in the time that makes them
// so, and displaces one key of a full shard. The shard is locked.
func (t *table[K, V]) makeRoom(s *shard[K, V], now int64) {
	if now >= s.sweepAt {
		s.sweepAt = now + t.idle/4
		for k, v := range s.keys {
			if v.newest() < now-t.idle {
				delete(s.keys, k)
			}
		}
	}
	if len(s.keys) < t.perMax {
		return
	}
	var (
		victim K
		oldest int64
		seen   int
	)
	for k, v := range s.keys { // Go starts a map's iteration at random
		if seen == 0 || v.newest() < oldest {
			victim, oldest = k, v.newest()
		}
		if seen++; seen == evictionSample {
			break
		}
	}
	delete(s.keys, victim)
}
