package db

import (
	"fmt"

	"github.com/defarm-repo/defarm/app"
)

// shares is the store of item shares.
type shares struct{ s *session }

var _ app.ShareRows = shares{}

const shareColumns = `row, id, item_row, recipient_id, shared_by, permissions, shared_at`

func scanShare(sc scanner) (sh app.ItemShare, err error) {
	var permissions string
	var at int64
	if err := sc.Scan(&sh.Row, &sh.ID, &sh.ItemRow, &sh.RecipientID, &sh.SharedBy, &permissions, &at); err != nil {
		return sh, err
	}
	sh.SharedAt = fromUnix(at)
	if err := fromJSON(permissions, &sh.Permissions); err != nil {
		return sh, fmt.Errorf("share %s: permissions: %w", sh.ID, err)
	}
	return sh, nil
}

const shareOf = `SELECT ` + shareColumns + ` FROM item_shares WHERE item_row = ? AND recipient_id = ?`

// Of implements app.ShareReads.
func (t shares) Of(itemRow int64, recipientID string) (app.ItemShare, error) {
	sh, err := scanShare(t.s.row(shareOf, itemRow, recipientID))
	return one(sh, err, errShareNotFound)
}

const shareByID = `SELECT ` + shareColumns + ` FROM item_shares WHERE id = ?`

// ByID implements app.ShareReads.
func (t shares) ByID(id string) (app.ItemShare, error) {
	sh, err := scanShare(t.s.row(shareByID, id))
	return one(sh, err, errShareNotFound)
}

func errShareNotFound() error { return app.NotFound(app.ReasonShareNotFound, "Share not found") }

const sharesOfItem = `SELECT ` + shareColumns + ` FROM item_shares WHERE item_row = ? ORDER BY row LIMIT ? OFFSET ?`

// ByItem implements app.ShareReads.
func (t shares) ByItem(itemRow int64, p app.Page) ([]app.ItemShare, error) {
	return collect(t.s, scanShare, sharesOfItem, itemRow, p.Limit, p.Offset)
}

const sharesOfRecipient = `SELECT ` + shareColumns + ` FROM item_shares
	WHERE recipient_id = ?1 AND (?2 = '' OR shared_by = ?2) ORDER BY row LIMIT ?3 OFFSET ?4`

// ByRecipient implements app.ShareReads.
func (t shares) ByRecipient(recipientID, sharedBy string, p app.Page) ([]app.ItemShare, error) {
	return collect(t.s, scanShare, sharesOfRecipient, recipientID, sharedBy, p.Limit, p.Offset)
}

func permissionsText(permissions []string) (string, error) {
	if permissions == nil {
		return "", nil
	}
	return toJSON(permissions)
}

const shareInsert = `INSERT INTO item_shares (id, item_row, recipient_id, shared_by, permissions, shared_at)
	VALUES (?, ?, ?, ?, ?, ?)`

// Insert implements app.ShareRows.
func (t shares) Insert(sh app.ItemShare) error {
	permissions, err := permissionsText(sh.Permissions)
	if err != nil {
		return err
	}
	_, err = t.s.insert(shareInsert, sh.ID, sh.ItemRow, sh.RecipientID, sh.SharedBy, permissions, toUnix(sh.SharedAt))
	if err != nil {
		return fmt.Errorf("insert share: %w", err)
	}
	return nil
}

const shareUpdate = `UPDATE item_shares SET permissions = ?, shared_at = ? WHERE row = ?`

// Update implements app.ShareRows.
func (t shares) Update(sh app.ItemShare) error {
	permissions, err := permissionsText(sh.Permissions)
	if err != nil {
		return err
	}
	if _, err := t.s.exec(shareUpdate, permissions, toUnix(sh.SharedAt), sh.Row); err != nil {
		return fmt.Errorf("update share: %w", err)
	}
	return nil
}

const shareDelete = `DELETE FROM item_shares WHERE row = ?`

// Delete implements app.ShareRows.
func (t shares) Delete(sh app.ItemShare) error {
	if _, err := t.s.exec(shareDelete, sh.Row); err != nil {
		return fmt.Errorf("delete share: %w", err)
	}
	return nil
}
