package app

import (
	"time"

	"github.com/google/uuid"
)

// PasswordReset is one permission to set a new password without the old one,
// for whoever holds its token. The token is not stored: Hash is BLAKE3 over its
// 32 bytes in lower-case hex (contract 01 §5.3).
type PasswordReset struct {
	ID        uuid.UUID
	UserID    string
	Hash      string
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time // zero: not yet
	Address   string
	Agent     string
}

// PasswordResetReads looks at the permissions.
type PasswordResetReads interface {
	// ByHash returns the permission, whatever its state; ReasonResetToken.
	ByHash(hash string) (*PasswordReset, error)
	// CountSince is how many the account was given since from, used and
	// expired ones included.
	CountSince(userID string, from time.Time) (int, error)
}

// PasswordResetRows keeps the permissions.
type PasswordResetRows interface {
	PasswordResetReads
	Insert(r *PasswordReset) error
	// UseAll marks the account's permissions that are not used yet as used.
	UseAll(userID string, at time.Time) error
	// DeleteBefore removes those that expired before at, at most 1,000, and
	// returns how many.
	DeleteBefore(at time.Time) (int, error)
}
