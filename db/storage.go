package db

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/defarm-repo/defarm/app"
)

// storage is the store of storage records and of the embedded IPFS blocks.
type storage struct{ s *session }

var _ app.StorageRows = storage{}

const recordColumns = `row, item_row, adapter_type, location, stored_at, triggered_by, circuit_id,
	user_id, active, metadata`

func scanRecord(sc scanner) (app.StorageRecord, error) {
	var (
		r                  app.StorageRecord
		location, metadata string
		at                 int64
	)
	err := sc.Scan(&r.Row, &r.ItemRow, &r.AdapterType, &location, &at, &r.TriggeredBy,
		&r.CircuitID, &r.UserID, &r.Active, &metadata)
	if err != nil {
		return r, err
	}
	r.StoredAt = fromUnix(at)
	if err := fromJSON(location, &r.Location); err != nil {
		return r, fmt.Errorf("storage record %d: location: %w", r.Row, err)
	}
	if err := fromJSON(metadata, &r.Metadata); err != nil {
		return r, fmt.Errorf("storage record %d: metadata: %w", r.Row, err)
	}
	return r, nil
}

const recordsByItem = `SELECT ` + recordColumns + ` FROM storage_records WHERE item_row = ?
	ORDER BY row DESC LIMIT ? OFFSET ?`

// ByItem implements app.StorageReads. Records are written in order of time.
func (t storage) ByItem(itemRow int64, p app.Page) ([]app.StorageRecord, error) {
	return collect(t.s, scanRecord, recordsByItem, itemRow, p.Limit, p.Offset)
}

const blockByCID = `SELECT data FROM ipfs_blocks WHERE cid = ?`

// Block implements app.StorageReads.
func (t storage) Block(cid string) ([]byte, error) {
	var data []byte
	err := t.s.row(blockByCID, cid).Scan(&data)
	return one(data, err, func() error {
		return app.NotFound(app.ReasonBlockNotFound, "Block not found")
	})
}

// The second condition is the one of the partial index.
const recordsByCID = `SELECT ` + recordColumns + ` FROM storage_records
	WHERE cid = ? AND cid <> '' ORDER BY row DESC LIMIT 1000`

// ByCID implements app.StorageReads. A document names its item, and a push
// changes it, so there is one as a rule; the limit bounds what a check of
// access may cost.
func (t storage) ByCID(cid string) ([]app.StorageRecord, error) {
	return collect(t.s, scanRecord, recordsByCID, cid)
}

func scanRow(sc scanner) (int64, error) {
	var n int64
	err := sc.Scan(&n)
	return n, err
}

const (
	// The active record is the newest one as a rule, so the search ends at
	// the first row however many records there are.
	activeRecord = `SELECT row FROM storage_records WHERE item_row = ? AND active = 1
	ORDER BY row DESC LIMIT 1`
	recordEnd    = `UPDATE storage_records SET active = 0 WHERE row = ?`
	recordInsert = `INSERT INTO storage_records (item_row, adapter_type, location, cid, stored_at,
	triggered_by, circuit_id, user_id, active, metadata) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
)

// InsertRecord implements app.StorageRows. An inactive record leaves the active
// one alone.
func (t storage) InsertRecord(r app.StorageRecord) error {
	if r.Active {
		if err := t.endActive(r.ItemRow); err != nil {
			return err
		}
	}
	location, err := toJSON(r.Location)
	if err != nil {
		return fmt.Errorf("encode location: %w", err)
	}
	metadata, err := toJSON(r.Metadata)
	if err != nil {
		return fmt.Errorf("encode metadata: %w", err)
	}
	cid := ""
	if r.Location.IPFS != nil {
		cid = r.Location.IPFS.CID
	}
	_, err = t.s.insert(recordInsert, r.ItemRow, string(r.AdapterType), location, cid,
		toUnix(r.StoredAt), r.TriggeredBy, r.CircuitID, r.UserID, b2i(r.Active), metadata)
	if err != nil {
		return fmt.Errorf("insert storage record: %w", err)
	}
	return nil
}

// endActive keeps the rule that at most one record of an item is active.
func (t storage) endActive(itemRow int64) error {
	row, err := scanRow(t.s.row(activeRecord, itemRow))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find active storage record: %w", err)
	}
	if _, err := t.s.exec(recordEnd, row); err != nil {
		return fmt.Errorf("end active storage record: %w", err)
	}
	return nil
}

const blockInsert = `INSERT INTO ipfs_blocks (cid, data) VALUES (?, ?) ON CONFLICT (cid) DO NOTHING`

// InsertBlocks implements app.StorageRows.
func (t storage) InsertBlocks(blocks []app.Block) error {
	for _, b := range blocks {
		if _, err := t.s.exec(blockInsert, b.CID, b.Data); err != nil {
			return fmt.Errorf("insert block: %w", err)
		}
	}
	return nil
}
