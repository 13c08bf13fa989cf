package ratelimit

import (
	"hash/maphash"
	"sync"
)

// InFlight bounds how many uses of a key go on at the same time. A key that is
// not in use takes no memory.
type InFlight[K comparable] struct {
	seed   maphash.Seed
	shards [shardCount]struct {
		mu   sync.Mutex
		keys map[K]int64
		_    [64]byte
	}
}

// NewInFlight makes an InFlight.
func NewInFlight[K comparable]() *InFlight[K] {
	f := &InFlight[K]{seed: maphash.MakeSeed()}
	for i := range f.shards {
		f.shards[i].keys = make(map[K]int64)
	}
	return f
}

// Enter begins a use of key, unless limit of them go on. The function that it
// returns ends the use; it must be called exactly once.
func (f *InFlight[K]) Enter(key K, limit int64) (leave func(), ok bool) {
	s := &f.shards[maphash.Comparable(f.seed, key)%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys[key] >= limit {
		return nil, false
	}
	s.keys[key]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.keys[key]--; s.keys[key] == 0 {
			delete(s.keys, key)
		}
	}, true
}
