package servertest

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
)

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now is the instant at which the clock stands.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// seeded gives the bytes of a generator, safe for concurrent use.
type seeded struct {
	mu  sync.Mutex
	gen *rand.ChaCha8
}

func newSeeded(seed uint64) *seeded {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return &seeded{gen: rand.NewChaCha8(key)}
}

// Read implements io.Reader; it always fills p.
func (s *seeded) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gen.Read(p)
}

// newIDs makes version 4 UUIDs from random bytes.
func newIDs(r io.Reader) func() uuid.UUID {
	return func() uuid.UUID {
		id, err := uuid.NewRandomFromReader(r)
		if err != nil {
			panic(err) // the seeded reader does not fail
		}
		return id
	}
}
