package token

import (
	"hash/maphash"
	"sync"
	"time"
)

// seen remembers the claims of tokens that were found good, by their whole
// text: a client shows the same one for a day, and the signature of a text
// does not change. Only the expiry is checked again. Whether the account still
// takes the token is not decided here at all.
type seen struct {
	seed   maphash.Seed
	shards [seenShards]seenShard
}

type seenShard struct {
	mu     sync.Mutex
	tokens map[string]Claims
}

const (
	seenShards = 16
	// seenPerShard bounds what is remembered, about 4 MB in all. A full shard
	// gives up one that Go's random iteration meets first.
	seenPerShard = 512
)

func newSeen() *seen {
	s := &seen{seed: maphash.MakeSeed()}
	for i := range s.shards {
		s.shards[i].tokens = make(map[string]Claims)
	}
	return s
}

func (s *seen) shard(raw string) *seenShard {
	return &s.shards[maphash.String(s.seed, raw)%seenShards]
}

// get returns the claims of a token that was good and has not expired.
func (s *seen) get(raw string, now time.Time) (Claims, bool) {
	sh := s.shard(raw)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	c, ok := sh.tokens[raw]
	if ok && expired(c.ExpiresAt.Unix(), now) {
		delete(sh.tokens, raw)
		return Claims{}, false
	}
	return c, ok
}

func (s *seen) add(raw string, c Claims) {
	sh := s.shard(raw)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if len(sh.tokens) >= seenPerShard {
		for other := range sh.tokens {
			delete(sh.tokens, other)
			break
		}
	}
	sh.tokens[raw] = c
}
