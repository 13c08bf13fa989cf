package db

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/defarm-repo/defarm/app"
)

const (
	circuitItemColumns = `ci.circuit_row, ci.item_row, i.dfid, ci.pushed_by, ci.pushed_at, ci.permissions, ci.whole, ci.quoted`

	circuitItemsSQL = `SELECT ` + circuitItemColumns + `
		FROM circuit_items ci JOIN items i ON i.row = ci.item_row
		WHERE ci.circuit_row = ? ORDER BY ci.pushed_at DESC, ci.item_row DESC LIMIT ? OFFSET ?`
	circuitPublishedItemsSQL = `SELECT ` + circuitItemColumns + `
		FROM circuit_items ci JOIN items i ON i.row = ci.item_row
		WHERE ci.circuit_row = ? AND EXISTS (
			SELECT 1 FROM circuit_published p WHERE p.circuit_row = ci.circuit_row AND p.item_row = ci.item_row)
		ORDER BY ci.pushed_at DESC, ci.item_row DESC LIMIT ? OFFSET ?`
	circuitPlaceSQL = `SELECT ` + circuitItemColumns + `
		FROM circuit_items ci JOIN items i ON i.row = ci.item_row
		WHERE ci.circuit_row = ? AND ci.item_row = ?`

	circuitItemPutSQL = `INSERT INTO circuit_items (circuit_row, item_row, pushed_by, pushed_at, permissions, whole, quoted)
		VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (circuit_row, item_row) DO UPDATE SET
			pushed_by = excluded.pushed_by, pushed_at = excluded.pushed_at, permissions = excluded.permissions,
			whole = CASE WHEN circuit_items.whole = 1 THEN 1 ELSE excluded.whole END, quoted = excluded.quoted`

	entitledSQL = `SELECT m.user_id, m.role, m.custom_role, m.permissions, m.joined_at FROM circuit_items ci
		JOIN circuit_members m ON m.circuit_row = ci.circuit_row AND m.user_id = ?
		WHERE ci.item_row = ? AND ci.whole = 1`
)

func scanCircuitItem(r scanner) (app.CircuitItem, error) {
	var (
		ci            app.CircuitItem
		pushed        int64
		perms, quoted string
	)
	err := r.Scan(&ci.CircuitRow, &ci.ItemRow, &ci.DFID, &ci.PushedBy, &pushed, &perms, &ci.Whole, &quoted)
	if err != nil {
		return ci, err
	}
	ci.PushedAt = fromUnix(pushed)
	if err := fromJSON(quoted, &ci.Quoted); err != nil {
		return ci, err
	}
	return ci, fromJSON(perms, &ci.Permissions)
}

// Items implements app.CircuitReads.
func (t circuits) Items(circuitRow int64, published bool, p app.Page) ([]app.CircuitItem, error) {
	text := circuitItemsSQL
	if published {
		text = circuitPublishedItemsSQL
	}
	return collect(t.s, scanCircuitItem, text, circuitRow, p.Limit, p.Offset)
}

// Place implements app.CircuitReads.
func (t circuits) Place(circuitRow, itemRow int64) (app.CircuitItem, error) {
	ci, err := scanCircuitItem(t.s.row(circuitPlaceSQL, circuitRow, itemRow))
	if errors.Is(err, sql.ErrNoRows) {
		return ci, app.NotFound(app.ReasonItemNotFound, "Item not found")
	}
	return ci, err
}

// Entitled implements app.CircuitReads.
func (t circuits) Entitled(userID string, itemRow int64) (read, write bool, err error) {
	members, err := collect(t.s, scanMember, entitledSQL, userID, itemRow)
	for _, m := range members {
		read, write = true, write || m.Has(app.PermPush)
	}
	return read, write, err
}

// PutItem implements app.CircuitRows.
func (t circuits) PutItem(ci app.CircuitItem) error {
	perms, err := toJSON(ci.Permissions)
	if err != nil {
		return err
	}
	if ci.Quoted == nil {
		ci.Quoted = []string{}
	}
	quoted, err := toJSON(ci.Quoted)
	if err != nil {
		return err
	}
	_, err = t.s.exec(circuitItemPutSQL, ci.CircuitRow, ci.ItemRow, ci.PushedBy, toUnix(ci.PushedAt), perms, b2i(ci.Whole), quoted)
	return err
}

const (
	circuitItemDelete = `DELETE FROM circuit_items WHERE circuit_row = ? AND item_row = ?`
	publishedDelete   = `DELETE FROM circuit_published WHERE circuit_row = ? AND item_row = ?`
)

// RemoveItem implements app.CircuitRows. Whoever calls it touches the circuit.
func (t circuits) RemoveItem(circuitRow, itemRow int64) (bool, error) {
	if _, err := t.s.exec(publishedDelete, circuitRow, itemRow); err != nil {
		return false, fmt.Errorf("unpublish item: %w", err)
	}
	n, err := t.s.exec(circuitItemDelete, circuitRow, itemRow)
	if err != nil {
		return false, fmt.Errorf("remove item from circuit: %w", err)
	}
	return n > 0, nil
}

const publishedRows = `SELECT item_row FROM circuit_published WHERE circuit_row = ?`

// Unpublish implements app.CircuitRows. Whoever calls it touches the circuit.
func (t circuits) Unpublish(circuitRow int64, keep []int64) error {
	rows, err := collect(t.s, scanRow, publishedRows, circuitRow)
	if err != nil {
		return fmt.Errorf("list published items: %w", err)
	}
	kept := make(map[int64]bool, len(keep))
	for _, row := range keep {
		kept[row] = true
	}
	for _, row := range rows {
		if kept[row] {
			continue
		}
		if _, err := t.s.exec(publishedDelete, circuitRow, row); err != nil {
			return fmt.Errorf("unpublish item: %w", err)
		}
	}
	return nil
}

// CROSS JOIN, because SQLite takes it as the order to join in: the items first,
// however many there are in the circuit.
var heldItems = newInList(`SELECT `+circuitItemColumns+` FROM items i
	CROSS JOIN circuit_items ci WHERE ci.item_row = i.row AND ci.circuit_row = ? AND i.dfid IN`, ``)

// Held implements app.CircuitReads.
func (t circuits) Held(circuitRow int64, dfids []string) (map[string]app.CircuitItem, error) {
	out := make(map[string]app.CircuitItem, len(dfids))
	err := eachChunk(heldItems, dfids, func(text string, args []any) error {
		places, err := collect(t.s, scanCircuitItem, text, append([]any{circuitRow}, args...)...)
		for _, place := range places {
			out[place.DFID] = place
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("places of items: %w", err)
	}
	return out, nil
}
