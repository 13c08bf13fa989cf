package db

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// passwordResets holds the permissions to set a new password.
type passwordResets struct{ s *session }

var _ app.PasswordResetRows = passwordResets{}

const (
	resetByHash = `SELECT id, user_id, hash, created_at, expires_at, used_at, address, agent
	FROM password_resets WHERE hash = ?`
	resetCount = `SELECT COUNT(*) FROM password_resets WHERE user_id = ? AND created_at >= ?`
	resetNew   = `INSERT INTO password_resets (id, user_id, hash, created_at, expires_at, used_at, address, agent)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	resetUseAll = `UPDATE password_resets SET used_at = ? WHERE user_id = ? AND used_at = 0`
	resetDelete = `DELETE FROM password_resets WHERE row IN (
	SELECT row FROM password_resets WHERE expires_at < ? ORDER BY expires_at LIMIT 1000)`
)

func scanPasswordReset(sc scanner) (*app.PasswordReset, error) {
	var (
		r                      app.PasswordReset
		id                     string
		created, expires, used int64
	)
	err := sc.Scan(&id, &r.UserID, &r.Hash, &created, &expires, &used, &r.Address, &r.Agent)
	if err != nil {
		return nil, err
	}
	if r.ID, err = uuid.Parse(id); err != nil {
		return nil, fmt.Errorf("password reset %q: id: %w", id, err)
	}
	r.CreatedAt, r.ExpiresAt, r.UsedAt = fromUnix(created), fromUnix(expires), fromUnix(used)
	return &r, nil
}

// ByHash implements app.PasswordResetRows.
func (t passwordResets) ByHash(hash string) (*app.PasswordReset, error) {
	r, err := scanPasswordReset(t.s.row(resetByHash, hash))
	return one(r, err, func() error {
		return app.Invalid(app.ReasonResetToken, "Invalid or expired password reset token")
	})
}

// CountSince implements app.PasswordResetRows.
func (t passwordResets) CountSince(userID string, from time.Time) (int, error) {
	var n int
	err := t.s.row(resetCount, userID, toUnix(from)).Scan(&n)
	return n, err
}

// Insert implements app.PasswordResetRows.
func (t passwordResets) Insert(r *app.PasswordReset) error {
	_, err := t.s.insert(resetNew, r.ID.String(), r.UserID, r.Hash, toUnix(r.CreatedAt), toUnix(r.ExpiresAt),
		toUnix(r.UsedAt), r.Address, r.Agent)
	if err != nil {
		return fmt.Errorf("insert password reset: %w", err)
	}
	return nil
}

// UseAll implements app.PasswordResetRows.
func (t passwordResets) UseAll(userID string, at time.Time) error {
	if _, err := t.s.exec(resetUseAll, toUnix(at), userID); err != nil {
		return fmt.Errorf("use password resets: %w", err)
	}
	return nil
}

// DeleteBefore implements app.PasswordResetRows.
func (t passwordResets) DeleteBefore(at time.Time) (int, error) {
	n, err := t.s.exec(resetDelete, toUnix(at))
	if err != nil {
		return 0, fmt.Errorf("delete password resets: %w", err)
	}
	return int(n), nil
}
