package db

import (
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// items is the store of items. item_index.go keeps the identifier index,
// item_list.go selects the rows of lists.
type items struct{ s *session }

var _ app.ItemRows = items{}

func errItemNotFound() error {
	return app.NotFound(app.ReasonItemNotFound, "Item not found")
}

func one[T any](v T, err error, missing func() error) (T, error) {
	if errors.Is(err, sql.ErrNoRows) {
		var zero T
		return zero, missing()
	}
	return v, err
}

const itemByDFID = `SELECT ` + itemColumns + ` FROM items WHERE dfid = ?`

// ByDFID implements app.ItemReads.
func (t items) ByDFID(dfid string) (*app.Item, error) {
	it, err := scanItem(t.s.row(itemByDFID, dfid))
	return one(it, err, errItemNotFound)
}

const itemByRow = `SELECT ` + itemColumns + ` FROM items WHERE row = ?`

// ByRow implements app.ItemReads.
func (t items) ByRow(row int64) (*app.Item, error) {
	it, err := scanItem(t.s.row(itemByRow, row))
	return one(it, err, errItemNotFound)
}

var itemsByDFIDs = newInList(`SELECT `+itemColumns+` FROM items WHERE dfid IN`, ``)

// ByDFIDs implements app.ItemReads.
func (t items) ByDFIDs(dfids []string) (map[string]*app.Item, error) {
	found := make(map[string]*app.Item, len(dfids))
	err := eachChunk(itemsByDFIDs, dfids, func(text string, args []any) error {
		its, err := collect(t.s, scanItem, text, args...)
		for _, it := range its {
			found[it.DFID] = it
		}
		return err
	})
	return found, err
}

var itemsByRows = newInList(`SELECT `+itemColumns+` FROM items WHERE row IN`, ``)

// ByRows implements app.ItemReads.
func (t items) ByRows(rows []int64) ([]*app.Item, error) {
	found := make(map[int64]*app.Item, len(rows))
	err := eachChunk(itemsByRows, rows, func(text string, args []any) error {
		its, err := collect(t.s, scanItem, text, args...)
		for _, it := range its {
			found[it.Row] = it
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]*app.Item, 0, len(rows))
	for _, row := range rows {
		if it := found[row]; it != nil {
			out = append(out, it)
		}
	}
	return out, nil
}

const itemSharedWith = `SELECT 1 FROM circuit_items ci
	CROSS JOIN circuit_members m WHERE m.circuit_row = ci.circuit_row
	AND ci.item_row = ? AND m.user_id = ? LIMIT 1`

const itemSharedTo = `SELECT 1 FROM item_shares WHERE item_row = ? AND recipient_id = ?`

// SharedWith implements app.ItemReads.
func (t items) SharedWith(userID string, row int64) (bool, error) {
	member, err := t.exists(itemSharedWith, row, userID)
	if err != nil || member {
		return member, err
	}
	return t.exists(itemSharedTo, row, userID)
}

func (t items) exists(text string, args ...any) (bool, error) {
	var n int
	err := t.s.row(text, args...).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

const itemPublishers = `SELECT c.id, c.status, c.public_settings, ci.whole FROM circuit_published p
	JOIN circuits c ON c.row = p.circuit_row
	JOIN circuit_items ci ON ci.circuit_row = p.circuit_row AND ci.item_row = p.item_row
	WHERE p.item_row = ? AND c.is_public = 1`

// publisher is a circuit as far as app.Circuit.OpenToEverybody looks at it.
type publisher struct {
	circuit app.Circuit
	app.Publication
}

func scanPublisher(sc scanner) (p publisher, err error) {
	p.circuit.Permissions.AllowPublicVisibility = true
	var settings string
	if err := sc.Scan(&p.CircuitID, &p.circuit.Status, &settings, &p.Whole); err != nil || settings == "" {
		return p, err
	}
	p.circuit.Public = new(app.PublicSettings)
	if err := fromJSON(settings, p.circuit.Public); err != nil {
		return p, fmt.Errorf("circuit %s: public settings: %w", p.CircuitID, err)
	}
	return p, nil
}

// Publications implements app.ItemReads.
func (t items) Publications(row int64, now time.Time) ([]app.Publication, error) {
	all, err := collect(t.s, scanPublisher, itemPublishers, row)
	if err != nil {
		return nil, err
	}
	var open []app.Publication
	for _, p := range all {
		if p.circuit.OpenToEverybody(now) {
			open = append(open, p.Publication)
		}
	}
	return open, nil
}

// Published implements app.ItemReads.
func (t items) Published(row int64, now time.Time) (bool, error) {
	open, err := t.Publications(row, now)
	return len(open) > 0, err
}

const (
	localMapping = `SELECT m.owner_id, m.item_row, i.dfid FROM local_mappings m
	JOIN items i ON i.row = m.item_row WHERE m.local_id = ?`
	localItemSQL = `SELECT owner_id, row, dfid FROM items WHERE dfid = ?`
)

// Mapping implements app.ItemReads. A local id that was never pushed has no
// mapping row: its item says it all.
func (t items) Mapping(localID uuid.UUID) (app.LocalMapping, error) {
	id := localID.String()
	m, err := scanMapping(localID, t.s.row(localMapping, id))
	if errors.Is(err, sql.ErrNoRows) {
		m, err = scanMapping(localID, t.s.row(localItemSQL, app.LocalPrefix+id))
	}
	return one(m, err, func() error {
		return app.NotFound(app.ReasonLocalItemNotFound, "Local item not found")
	})
}

func scanMapping(localID uuid.UUID, sc scanner) (app.LocalMapping, error) {
	it := app.Item{}
	if err := sc.Scan(&it.OwnerID, &it.Row, &it.DFID); err != nil {
		return app.LocalMapping{}, err
	}
	m := app.LocalMapping{LocalID: localID, OwnerID: it.OwnerID, Row: it.Row}
	if !it.Local() {
		m.DFID = it.DFID
	}
	return m, nil
}

const itemByCanonical = `SELECT item_row FROM canonical_identifiers WHERE key = ?`

// ByCanonical implements app.ItemReads.
func (t items) ByCanonical(key string) (int64, error) {
	return t.rowOrZero(itemByCanonical, key)
}

const itemByFingerprint = `SELECT item_row FROM circuit_fingerprints
	WHERE circuit_row = ? AND fingerprint = ?`

// ByFingerprint implements app.ItemReads.
func (t items) ByFingerprint(circuitRow int64, fingerprint string) (int64, error) {
	return t.rowOrZero(itemByFingerprint, circuitRow, fingerprint)
}

func (t items) rowOrZero(text string, args ...any) (int64, error) {
	var row int64
	err := t.s.row(text, args...).Scan(&row)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return row, err
}

const nextDFID = `UPDATE counters SET value = value + 1 WHERE name = 'dfid' RETURNING value`

// NextDFID implements app.ItemRows.
func (t items) NextDFID() (uint64, error) {
	var n int64
	if err := t.s.row(nextDFID).Scan(&n); err != nil {
		return 0, fmt.Errorf("draw DFID number: %w", err)
	}
	return uint64(n), nil
}

const itemInsert = `INSERT INTO items (dfid, local_id, owner_id, workspace_id, legacy_mode,
	identifiers, aliases, fingerprint, data, provenance, source_entries, confidence, status,
	merged_into, merkle_root, event_count, created_at, modified_at)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// Insert implements app.ItemRows.
func (t items) Insert(it *app.Item) error {
	values, err := itemValues(it)
	if err != nil {
		return err
	}
	if it.Row, err = t.s.insert(itemInsert, values...); err != nil {
		return fmt.Errorf("insert item: %w", err)
	}
	if err := t.addHashes(it.Row, identifierHashes(it.Identifiers)); err != nil {
		return err
	}
	if err := t.searchLater(it.Row); err != nil {
		return err
	}
	t.touch(it)
	return nil
}

const itemUpdate = `UPDATE items SET dfid = ?, local_id = ?, owner_id = ?, workspace_id = ?,
	legacy_mode = ?, identifiers = ?, aliases = ?, fingerprint = ?, data = ?, provenance = ?,
	source_entries = ?, confidence = ?, status = ?, merged_into = ?, merkle_root = ?,
	event_count = ?, created_at = ?, modified_at = ? WHERE row = ?`

// Update implements app.ItemRows. The row number is old's.
func (t items) Update(old, it *app.Item) error {
	it.Row = old.Row
	values, err := itemValues(it)
	if err != nil {
		return err
	}
	n, err := t.s.exec(itemUpdate, append(values, old.Row)...)
	if err != nil {
		return fmt.Errorf("update item: %w", err)
	}
	if n == 0 {
		return errItemNotFound()
	}
	gone, added := hashDifference(identifierHashes(old.Identifiers), identifierHashes(it.Identifiers))
	if err := t.removeHashes(old.Row, gone); err != nil {
		return err
	}
	if err := t.addHashes(old.Row, added); err != nil {
		return err
	}
	if !old.SameSearchText(it) {
		if err := t.searchLater(old.Row); err != nil {
			return err
		}
	}
	t.touch(old)
	if it.DFID != old.DFID {
		t.touch(it)
	}
	return nil
}

const (
	itemDelete       = `DELETE FROM items WHERE row = ?`
	itemSharesDelete = `DELETE FROM item_shares WHERE item_row = ?`
)

// Delete implements app.ItemRows. The item's mapping must point elsewhere by
// then: the foreign key refuses to leave one behind. Its shares go with it: they
// were of the local item, and what it was folded into may be somebody else's.
func (t items) Delete(it *app.Item) error {
	if _, err := t.s.exec(itemSharesDelete, it.Row); err != nil {
		return fmt.Errorf("delete shares: %w", err)
	}
	if err := t.removeHashes(it.Row, identifierHashes(it.Identifiers)); err != nil {
		return err
	}
	n, err := t.s.exec(itemDelete, it.Row)
	if err != nil {
		return fmt.Errorf("delete item: %w", err)
	}
	if n == 0 {
		return errItemNotFound()
	}
	if err := t.searchLater(it.Row); err != nil {
		return err
	}
	t.touch(it)
	return nil
}

func (t items) touch(it *app.Item) {
	t.s.touch(kindItem, it.DFID)
	t.s.touch(kindItemRow, strconv.FormatInt(it.Row, 10))
}

const mapLocal = `INSERT INTO local_mappings (local_id, owner_id, item_row) VALUES (?, ?, ?)
	ON CONFLICT (local_id) DO UPDATE SET owner_id = excluded.owner_id, item_row = excluded.item_row`

// MapLocal implements app.ItemRows.
func (t items) MapLocal(m app.LocalMapping) error {
	if _, err := t.s.exec(mapLocal, m.LocalID.String(), m.OwnerID, m.Row); err != nil {
		return fmt.Errorf("map local id: %w", err)
	}
	return nil
}

const canonicalInsert = `INSERT INTO canonical_identifiers (key, item_row) VALUES (?, ?)
	ON CONFLICT (key) DO NOTHING`

// AddCanonical implements app.ItemRows.
func (t items) AddCanonical(key string, row int64) (bool, error) {
	n, err := t.s.exec(canonicalInsert, key, row)
	if err != nil {
		return false, fmt.Errorf("claim canonical identifier: %w", err)
	}
	if n > 0 {
		return true, nil
	}
	holder, err := t.ByCanonical(key)
	return holder == row, err
}

const fingerprintInsert = `INSERT INTO circuit_fingerprints (circuit_row, fingerprint, item_row)
	VALUES (?, ?, ?) ON CONFLICT (circuit_row, fingerprint) DO NOTHING`

// AddFingerprint implements app.ItemRows.
func (t items) AddFingerprint(circuitRow int64, fingerprint string, row int64) error {
	if _, err := t.s.exec(fingerprintInsert, circuitRow, fingerprint, row); err != nil {
		return fmt.Errorf("remember fingerprint: %w", err)
	}
	return nil
}
