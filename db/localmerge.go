package db

import (
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// localMerges is the store of merges of local items.
type localMerges struct{ s *session }

var _ app.LocalMergeRows = localMerges{}

const localMergesByMaster = `SELECT row, merged_row, master_id, strategy, changes, merged_by, merged_at
	FROM local_merges WHERE master_id = ? ORDER BY row`

// ByMaster implements app.LocalMergeReads.
func (t localMerges) ByMaster(masterID uuid.UUID) ([]*app.LocalMerge, error) {
	return collect(t.s, scanLocalMerge, localMergesByMaster, masterID.String())
}

func scanLocalMerge(sc scanner) (*app.LocalMerge, error) {
	var (
		m               app.LocalMerge
		master, changes string
		at              int64
	)
	err := sc.Scan(&m.Row, &m.MergedRow, &master, &m.Strategy, &changes, &m.MergedBy, &at)
	if err != nil {
		return nil, err
	}
	m.MergedAt = fromUnix(at)
	if m.MasterID, err = uuid.Parse(master); err != nil {
		return nil, fmt.Errorf("local merge %d: master: %w", m.Row, err)
	}
	if err := fromJSON(changes, &m.Changes); err != nil {
		return nil, fmt.Errorf("local merge %d: changes: %w", m.Row, err)
	}
	return &m, nil
}

// The walk over the owner's items looks at each: an index of local ones would
// make every creation a quarter slower for a question that is seldom asked. The
// expression keeps SQLite from walking everybody's local items instead.
const localNames = `SELECT row, local_id, status, identifiers FROM items
	WHERE owner_id = ? AND substr(dfid, 1, 4) = 'LID-' ORDER BY row LIMIT ?`

// Names implements app.LocalMergeReads.
func (t localMerges) Names(ownerID string, most int) ([]app.LocalName, error) {
	all, err := collect(t.s, scanLocalName, localNames, ownerID, most)
	if err != nil {
		return nil, fmt.Errorf("list local items: %w", err)
	}
	var named []app.LocalName
	for _, n := range all {
		if n.Row != 0 {
			named = append(named, n)
		}
	}
	return named, nil
}

// scanLocalName gives the zero value for an item that is not in use or has no
// canonical identifier.
func scanLocalName(sc scanner) (app.LocalName, error) {
	var (
		n               app.LocalName
		id, identifiers string
		status          app.ItemStatus
	)
	if err := sc.Scan(&n.Row, &id, &status, &identifiers); err != nil || status != app.ItemActive {
		return app.LocalName{}, err
	}
	var err error
	if n.LocalID, err = uuid.Parse(id); err != nil {
		return n, fmt.Errorf("item %d: local id: %w", n.Row, err)
	}
	var ids []app.Identifier
	if err := fromJSON(identifiers, &ids); err != nil {
		return n, fmt.Errorf("item %d: identifiers: %w", n.Row, err)
	}
	i := slices.IndexFunc(ids, func(id app.Identifier) bool { return id.Canonical })
	if i < 0 {
		return app.LocalName{}, nil
	}
	n.Canonical = ids[i]
	return n, nil
}

const localMergeInsert = `INSERT INTO local_merges (merged_row, master_id, strategy, changes, merged_by, merged_at)
	VALUES (?, ?, ?, ?, ?, ?)`

// Insert implements app.LocalMergeRows.
func (t localMerges) Insert(m *app.LocalMerge) error {
	changes, err := toJSON(m.Changes)
	if err != nil {
		return err
	}
	m.Row, err = t.s.insert(localMergeInsert, m.MergedRow, m.MasterID.String(), string(m.Strategy), changes, m.MergedBy, toUnix(m.MergedAt))
	if err != nil {
		return fmt.Errorf("insert local merge: %w", err)
	}
	return nil
}

const localMergeUpdate = `UPDATE local_merges SET changes = ? WHERE row = ?`

// Update implements app.LocalMergeRows.
func (t localMerges) Update(m *app.LocalMerge) error {
	changes, err := toJSON(m.Changes)
	if err != nil {
		return err
	}
	if _, err := t.s.exec(localMergeUpdate, changes, m.Row); err != nil {
		return fmt.Errorf("update local merge: %w", err)
	}
	return nil
}

const localMergeDelete = `DELETE FROM local_merges WHERE row = ?`

// Delete implements app.LocalMergeRows.
func (t localMerges) Delete(m *app.LocalMerge) error {
	if _, err := t.s.exec(localMergeDelete, m.Row); err != nil {
		return fmt.Errorf("delete local merge: %w", err)
	}
	return nil
}
