package db

import (
	"fmt"

	"github.com/defarm-repo/defarm/app"
)

// tierUses counts monthly use.
type tierUses struct{ s *session }

var _ app.TierUseRows = tierUses{}

const tierUseAdd = `INSERT INTO tier_uses (user_id, month, kind, used) VALUES (?, ?, ?, ?)
	ON CONFLICT (user_id, month, kind) DO UPDATE SET used = used + excluded.used RETURNING used`

// Add implements app.TierUseRows.
func (t tierUses) Add(userID string, month int64, kind string, n int64) (int64, error) {
	var used int64
	if err := t.s.row(tierUseAdd, userID, month, kind, n).Scan(&used); err != nil {
		return 0, fmt.Errorf("count tier use: %w", err)
	}
	return used, nil
}
