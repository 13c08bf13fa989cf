package items

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// Unmerged is a local item that is itself again.
type Unmerged struct {
	Item   *app.Item
	Master string // local id of the item that it was part of
}

// UnmergeLocal takes a local item of the caller's out of the one that it was
// merged into. The master gets back what it had before and keeps what other
// merges brought; what was edited since the merge stays as it was edited.
//
// Errors: ReasonLocalItemNotFound; ReasonLocalMerge when the item is not merged,
// and when it, or what it is part of, has gone on: pushed to a circuit, or
// merged into a third item.
func (s *Service) UnmergeLocal(ctx context.Context, who app.Actor, localID uuid.UUID) (Unmerged, error) {
	var out Unmerged
	now := s.env.Now()
	err := s.store.Write(ctx, func(tx app.Tx) (err error) {
		out, err = unmerge(tx, who, localID, now)
		return err
	})
	return out, err
}

func cannotUnmerge(format string, args ...any) error {
	return app.Invalid(app.ReasonLocalMerge, "Invalid operation: Cannot unmerge: "+format, args...)
}

func unmerge(tx app.Tx, who app.Actor, localID uuid.UUID, now time.Time) (Unmerged, error) {
	mapping, err := tx.Items().Mapping(localID)
	switch {
	case app.CodeOf(err) == app.CodeNotFound || (err == nil && mapping.OwnerID != who.UserID):
		return Unmerged{}, app.NotFound(app.ReasonLocalItemNotFound, "Merged item not found")
	case err != nil:
		return Unmerged{}, err
	case mapping.DFID != "":
		return Unmerged{}, cannotUnmerge("item has been pushed to a circuit")
	}
	old, err := tx.Items().ByRow(mapping.Row)
	if err != nil {
		return Unmerged{}, err
	}
	next, legal := old.Status.After(app.ChangeUnfold)
	if !legal {
		return Unmerged{}, app.Invalid(app.ReasonLocalMerge, "Item is not in merged status")
	}
	if err := restoreMaster(tx, old, now); err != nil {
		return Unmerged{}, err
	}
	it := old.Clone()
	it.Status, it.MergedInto, it.ModifiedAt = next, "", now
	return Unmerged{Item: it, Master: old.MergedInto}, tx.Items().Update(old, it)
}

// restoreMaster takes what the item brought out of its master.
func restoreMaster(tx app.Tx, it *app.Item, now time.Time) error {
	masterID, err := uuid.Parse(it.MergedInto)
	if err != nil {
		return fmt.Errorf("item %s: master: %w", it.DFID, err)
	}
	mapping, err := tx.Items().Mapping(masterID)
	if err != nil {
		return err
	}
	if mapping.DFID != "" {
		return cannotUnmerge("item has been pushed to a circuit")
	}
	old, err := tx.Items().ByRow(mapping.Row)
	if err != nil {
		return err
	}
	if old.Status == app.ItemMergedInto {
		return cannotUnmerge("master item %s has been merged into another item", masterID)
	}
	records, err := tx.LocalMerges().ByMaster(masterID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(records, func(r *app.LocalMerge) bool { return r.MergedRow == it.Row })
	if i < 0 {
		return fmt.Errorf("item %s: no record of its merge", it.DFID)
	}
	record := records[i]
	l, err := openLedger(old.Clone(), records)
	if err != nil {
		return err
	}
	if err := l.unfold(record); err != nil {
		return err
	}
	delete(l.dirty, record)
	if err := tx.LocalMerges().Delete(record); err != nil {
		return err
	}
	l.master.ModifiedAt = now
	return l.save(tx, old)
}
