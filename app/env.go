package app

import (
	"crypto/rand"
	"io"
	"time"

	"github.com/google/uuid"
)

// Env is what the services take from the outside world, so that a test can fix
// it: the clock, the source of random ids and the source of secret bytes.
type Env struct {
	// Now returns the current instant. Services store it in UTC.
	Now func() time.Time
	// NewID returns a fresh random (version 4) UUID.
	NewID func() uuid.UUID
	// Random is the source of secrets (keys, tokens).
	Random io.Reader
}

// SystemEnv is the real clock and the operating system's randomness.
func SystemEnv() Env {
	return Env{
		Now:    func() time.Time { return time.Now().UTC() },
		NewID:  uuid.New,
		Random: rand.Reader,
	}
}
