package db

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// pendingItems is the store of pending items.
type pendingItems struct{ s *session }

var _ app.PendingItemRows = pendingItems{}

const pendingColumns = `row, id, owner_id, workspace_id, identifiers, data, source_entry, reason,
	priority, retries, created_at, updated_at`

func scanPending(sc scanner) (*app.PendingItem, error) {
	var (
		p                                     app.PendingItem
		id, identifiers, data, source, reason string
		created, updated                      int64
	)
	err := sc.Scan(&p.Row, &id, &p.OwnerID, &p.WorkspaceID, &identifiers, &data, &source, &reason,
		&p.Priority, &p.Retries, &created, &updated)
	if err != nil {
		return nil, err
	}
	p.CreatedAt, p.UpdatedAt = fromUnix(created), fromUnix(updated)
	if p.ID, err = uuid.Parse(id); err != nil {
		return nil, fmt.Errorf("pending item %d: id: %w", p.Row, err)
	}
	if p.SourceEntry, err = uuid.Parse(source); err != nil {
		return nil, fmt.Errorf("pending item %s: source entry: %w", id, err)
	}
	if err := fromJSON(identifiers, &p.Identifiers); err != nil {
		return nil, fmt.Errorf("pending item %s: identifiers: %w", id, err)
	}
	if err := fromJSON(data, &p.Data); err != nil {
		return nil, fmt.Errorf("pending item %s: data: %w", id, err)
	}
	if err := fromJSON(reason, &p.Reason); err != nil {
		return nil, fmt.Errorf("pending item %s: reason: %w", id, err)
	}
	return &p, nil
}

// pendingData keeps "no data" and "empty data" apart.
func pendingData(data map[string]json.RawMessage) string {
	if data == nil {
		return ""
	}
	return objectText(data)
}

const pendingByID = `SELECT ` + pendingColumns + ` FROM pending_items WHERE id = ?`

// ByID implements app.PendingItemReads.
func (t pendingItems) ByID(id uuid.UUID) (*app.PendingItem, error) {
	p, err := scanPending(t.s.row(pendingByID, id.String()))
	return one(p, err, errPendingNotFound)
}

func errPendingNotFound() error {
	return app.NotFound(app.ReasonPendingNotFound, "Pending item not found")
}

const (
	pendingOfOwner = `SELECT ` + pendingColumns + ` FROM pending_items WHERE owner_id = ? AND priority >= ?
	ORDER BY priority DESC, row LIMIT ? OFFSET ?`
	pendingOfAll = `SELECT ` + pendingColumns + ` FROM pending_items WHERE priority >= ?
	ORDER BY priority DESC, row LIMIT ? OFFSET ?`
)

// List implements app.PendingItemReads.
func (t pendingItems) List(f app.PendingItemFilter, p app.Page) ([]*app.PendingItem, error) {
	if f.OwnerID == "" {
		return collect(t.s, scanPending, pendingOfAll, f.PriorityMin, p.Limit, p.Offset)
	}
	return collect(t.s, scanPending, pendingOfOwner, f.OwnerID, f.PriorityMin, p.Limit, p.Offset)
}

const pendingInsert = `INSERT INTO pending_items (id, owner_id, workspace_id, identifiers, data, source_entry,
	reason, priority, retries, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// Insert implements app.PendingItemRows and sets Row.
func (t pendingItems) Insert(p *app.PendingItem) error {
	reason, err := toJSON(p.Reason)
	if err != nil {
		return err
	}
	p.Row, err = t.s.insert(pendingInsert, p.ID.String(), p.OwnerID, p.WorkspaceID, identifiersText(p.Identifiers),
		pendingData(p.Data), p.SourceEntry.String(), reason, p.Priority, p.Retries, toUnix(p.CreatedAt), toUnix(p.UpdatedAt))
	if err != nil {
		return fmt.Errorf("insert pending item: %w", err)
	}
	return nil
}

const pendingUpdate = `UPDATE pending_items SET identifiers = ?, data = ?, reason = ?, priority = ?, retries = ?,
	updated_at = ? WHERE row = ?`

// Update implements app.PendingItemRows.
func (t pendingItems) Update(p *app.PendingItem) error {
	reason, err := toJSON(p.Reason)
	if err != nil {
		return err
	}
	n, err := t.s.exec(pendingUpdate, identifiersText(p.Identifiers), pendingData(p.Data), reason, p.Priority, p.Retries,
		toUnix(p.UpdatedAt), p.Row)
	if err != nil {
		return fmt.Errorf("update pending item: %w", err)
	}
	if n == 0 {
		return errPendingNotFound()
	}
	return nil
}

const pendingDelete = `DELETE FROM pending_items WHERE row = ?`

// Delete implements app.PendingItemRows.
func (t pendingItems) Delete(p *app.PendingItem) error {
	n, err := t.s.exec(pendingDelete, p.Row)
	if err != nil {
		return fmt.Errorf("delete pending item: %w", err)
	}
	if n == 0 {
		return errPendingNotFound()
	}
	return nil
}
