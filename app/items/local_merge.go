package items

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// The bounds of merging local items.
const (
	// maxLocalMerge is how many items one call merges.
	maxLocalMerge = 1000
	// maxLocalMergeData is how much data the items of one call hold together, and
	// how much the records of one master remember, in bytes: the writer does it
	// in one go.
	maxLocalMergeData = 4 * app.MaxItemData
)

// MergeLocalInput names local items and the one that they become part of.
type MergeLocalInput struct {
	Master   uuid.UUID
	Merge    []uuid.UUID // in this order
	Strategy app.MergeStrategy
}

// MergeLocal merges local items of the caller's into another one of his: the
// master gains their identifiers and source entries, and their data as the
// strategy says. They stay readable and can be taken out again (UnmergeLocal),
// but are not in use any more. It returns the master.
//
// All of it happens or nothing. An item is merged into one master only; a
// master may itself be merged into another item later.
//
// Errors: ReasonLocalItemNotFound for an id that is unknown or somebody else's;
// ReasonLocalMerge for items that were pushed, merged or deprecated, for ids
// given twice, for more than 1,000 of them, and for a result beyond the bounds
// of an item; ReasonMergeInput when there is nothing to merge.
func (s *Service) MergeLocal(ctx context.Context, who app.Actor, in MergeLocalInput) (*app.Item, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	var master *app.Item
	now := s.env.Now()
	err := s.store.Write(ctx, func(tx app.Tx) error {
		m := &localMerger{tx: tx, who: who, now: now, strategy: in.Strategy}
		old, err := m.find(in.Master, "Master")
		if err != nil {
			return err
		}
		if err := m.into(old); err != nil {
			return err
		}
		for _, id := range in.Merge {
			it, err := m.find(id, "Merge")
			if err != nil {
				return err
			}
			if err := m.add(it); err != nil {
				return err
			}
		}
		master, err = m.finish()
		return err
	})
	return master, err
}

// check refuses what needs no row to be refused.
func (in MergeLocalInput) check() error {
	if len(in.Merge) == 0 {
		return app.Invalid(app.ReasonMergeInput, "At least one merge_lid must be provided")
	}
	if len(in.Merge) > maxLocalMerge {
		return cannotMergeLocal("more than %d items at once", maxLocalMerge)
	}
	seen := make(map[uuid.UUID]bool, len(in.Merge))
	for _, id := range in.Merge {
		if id == in.Master {
			return cannotMergeLocal("item %s cannot be merged into itself", id)
		}
		if seen[id] {
			return cannotMergeLocal("item %s is given more than once", id)
		}
		seen[id] = true
	}
	return nil
}

func cannotMergeLocal(format string, args ...any) *app.Error {
	return app.Invalid(app.ReasonLocalMerge, "Invalid operation: Cannot merge: "+format, args...)
}

// localMerger is one run of a merge. It lives on the writer.
type localMerger struct {
	tx       app.Tx
	who      app.Actor
	now      time.Time
	strategy app.MergeStrategy

	old      *app.Item // the master as it was
	masterID uuid.UUID
	ledger   *ledger
	read     int // bytes of data of the merged items
}

// find gives a local item of the caller's. role is the contract's word for what
// it is to be: Master or Merge.
func (m *localMerger) find(id uuid.UUID, role string) (*app.Item, error) {
	mapping, err := m.tx.Items().Mapping(id)
	switch {
	case app.CodeOf(err) == app.CodeNotFound || (err == nil && mapping.OwnerID != m.who.UserID):
		return nil, app.NotFound(app.ReasonLocalItemNotFound, "Item not found: %s LID not found: %s", role, id)
	case err != nil:
		return nil, err
	case mapping.DFID != "" && role == "Master":
		return nil, cannotMergeLocal("master item has already been pushed to a circuit")
	case mapping.DFID != "":
		return nil, cannotMergeLocal("item %s has already been pushed to a circuit", id)
	}
	it, err := m.tx.Items().ByRow(mapping.Row)
	if err != nil {
		return nil, err
	}
	_, legal := it.Status.After(app.ChangeFold)
	switch {
	case legal:
		return it, nil
	case it.Status != app.ItemMergedInto:
		return nil, cannotMergeLocal("item %s is %s", id, it.Status)
	case role == "Master":
		return nil, cannotMergeLocal("master item has already been merged into another item")
	default:
		return nil, cannotMergeLocal("item %s has already been merged into another item", id)
	}
}

// into starts with the master.
func (m *localMerger) into(old *app.Item) error {
	m.old, m.masterID = old, *old.LocalID
	records, err := m.tx.LocalMerges().ByMaster(m.masterID)
	if err != nil {
		return err
	}
	m.ledger, err = openLedger(old.Clone(), records)
	return err
}

// add merges one item.
func (m *localMerger) add(it *app.Item) error {
	if m.read += it.DataSize(); m.read > maxLocalMergeData {
		return cannotMergeLocal("the items hold more than %d bytes of data together", maxLocalMergeData)
	}
	record := &app.LocalMerge{
		MergedRow: it.Row, MasterID: m.masterID, Strategy: m.strategy, MergedBy: m.who.UserID, MergedAt: m.now,
	}
	if err := m.ledger.fold(record, it); err != nil {
		return err
	}
	merged := it.Clone()
	merged.Status, _ = it.Status.After(app.ChangeFold) // find has asked
	merged.MergedInto, merged.ModifiedAt = m.masterID.String(), m.now
	if err := m.tx.Items().Update(it, merged); err != nil {
		return err
	}
	return m.tx.LocalMerges().Insert(record)
}

// finish stores the master and returns it.
func (m *localMerger) finish() (*app.Item, error) {
	if m.ledger.size() > maxLocalMergeData {
		return nil, cannotMergeLocal("more than %d bytes were merged into the master item", maxLocalMergeData)
	}
	m.ledger.write()
	master := m.ledger.master
	master.ModifiedAt = m.now
	if err := master.CheckSize(); err != nil {
		if app.ReasonOf(err) == app.ReasonTooManyElements {
			return nil, cannotMergeLocal("the result would have more than %d identifiers", app.MaxIdentifiers)
		}
		return nil, cannotMergeLocal("the result would hold more than %d bytes of data", app.MaxItemData)
	}
	return master, m.ledger.save(m.tx, m.old)
}

// save stores the master and the records that let go of something.
func (l *ledger) save(tx app.Tx, old *app.Item) error {
	for r := range l.dirty {
		if err := tx.LocalMerges().Update(r); err != nil {
			return err
		}
	}
	return tx.Items().Update(old, l.master)
}
