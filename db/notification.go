package db

import (
	"fmt"

	"github.com/defarm-repo/defarm/app"
)

// notifications is the store of notifications.
type notifications struct{ s *session }

var _ app.NotificationRows = notifications{}

const notificationInsert = `INSERT INTO notifications (id, user_id, type, title, message, data, created_at, read_at)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?)`

// Insert implements app.NotificationRows.
func (t notifications) Insert(n app.Notification) error {
	_, err := t.s.insert(notificationInsert, n.ID.String(), n.UserID, string(n.Type), n.Title, n.Message,
		objectText(n.Data), toUnix(n.At), toUnix(n.ReadAt))
	if err != nil {
		return fmt.Errorf("insert notification: %w", err)
	}
	return nil
}
