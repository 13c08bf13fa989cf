package identity

import (
	"encoding/binary"
	"sync"
	"time"

	"lukechampine.com/blake3"

	"github.com/defarm-repo/defarm/app"
)

// verifiedLogins remembers passwords that bcrypt has proven, as keyed hashes.
// The key is random and lives as long as the process; what is remembered tells
// nothing without it. A hit needs the same account in the same state: stored
// hash, status and session generation are part of what is hashed, so a changed
// password, a suspension or a logout misses.
type verifiedLogins struct {
	key []byte
	ttl time.Duration
	max int

	mu     sync.Mutex
	proven map[[32]byte]int64 // until when, nanoseconds since 1970
}

const defaultVerifiedLogins = 1 << 16

func newVerifiedLogins(key []byte, ttl time.Duration, limit int) *verifiedLogins {
	if limit <= 0 {
		limit = defaultVerifiedLogins
	}
	return &verifiedLogins{key: key, ttl: ttl, max: limit, proven: make(map[[32]byte]int64)}
}

// mark is what is remembered of an account and a password. The parts are
// preceded by their lengths, so that no two accounts can give the same text.
func (v *verifiedLogins) mark(u *app.User, password string) [32]byte {
	h := blake3.New(32, v.key)
	buf := make([]byte, 0, 512)
	for _, part := range []string{u.ID, u.PasswordHash, string(u.Status), password} {
		buf = binary.AppendUvarint(buf, uint64(len(part)))
		buf = append(buf, part...)
	}
	buf = binary.AppendVarint(buf, u.Generation)
	_, _ = h.Write(buf) // a hash never fails
	var out [32]byte
	h.Sum(out[:0])
	return out
}

// has reports whether the password was proven less than the TTL ago.
func (v *verifiedLogins) has(u *app.User, password string, now time.Time) bool {
	if v.ttl <= 0 {
		return false
	}
	m := v.mark(u, password)
	v.mu.Lock()
	defer v.mu.Unlock()
	until, ok := v.proven[m]
	return ok && now.UnixNano() < until
}

// add remembers a proven password.
func (v *verifiedLogins) add(u *app.User, password string, now time.Time) {
	if v.ttl <= 0 {
		return
	}
	m := v.mark(u, password)
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, again := v.proven[m]; !again && len(v.proven) >= v.max {
		v.makeRoom(now)
	}
	v.proven[m] = now.Add(v.ttl).UnixNano()
}

// makeRoom forgets what has expired among a few entries that Go's random
// iteration meets first, and one of them in any case.
func (v *verifiedLogins) makeRoom(now time.Time) {
	const sample = 16
	seen := 0
	for m, until := range v.proven {
		if seen == 0 || until <= now.UnixNano() {
			delete(v.proven, m)
		}
		if seen++; seen == sample {
			return
		}
	}
}
