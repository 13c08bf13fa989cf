package items

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/dfid"
	"github.com/defarm-repo/defarm/app/quota"
)

// noItem is the error for an item that a change does not find.
func noItem(dfid string) *app.Error {
	return app.Invalid(app.ReasonItemNotFound, "Item not found: %s", dfid)
}

func wrongState(format string, args ...any) *app.Error {
	return app.Invalid(app.ReasonItemState, "Invalid operation: "+format, args...)
}

// change loads an item of the caller's, to be changed by what his tier permits.
func (t *tracing) change(tx app.Tx, dfid string, op app.TierOperation) (*app.Item, error) {
	it, err := t.own(tx, dfid)
	if err != nil {
		return nil, err
	}
	return it, t.service.quota.Take(tx, t.author, quota.Work{Operation: op})
}

// own loads an item of the caller's.
func (t *tracing) own(tx app.Tx, dfid string) (*app.Item, error) {
	it, err := tx.Items().ByDFID(dfid)
	if app.CodeOf(err) == app.CodeNotFound || (err == nil && it.OwnerID != t.author.UserID) {
		return nil, noItem(dfid)
	}
	return it, err
}

// Update is what is added to an item.
type Update struct {
	// Data is laid over the item's, key by key; nothing is removed. nil when
	// none is given.
	Data map[string]json.RawMessage
	// Identifiers are added; nil when none are given.
	Identifiers []app.Identifier
}

// Update adds data and identifiers to an item of the caller's, whatever its
// status. Nothing given, nothing changed.
//
// Errors: ReasonItemNotFound (400), ReasonIdentifierTaken, ReasonTooManyElements,
// ReasonForbiddenText, ReasonBodyTooLarge; ReasonTierLimit here and below where
// tiers are enforced.
func (s *Service) Update(ctx context.Context, who app.Actor, dfid string, u Update) (*app.Item, error) {
	if err := app.CheckIdentifiers(u.Identifiers); err != nil {
		return nil, err
	}
	t := s.tracing(who)
	var it *app.Item
	err := s.store.Write(ctx, func(tx app.Tx) error {
		old, err := t.change(tx, dfid, app.TierUpdateItems)
		if err != nil {
			return err
		}
		if it = old; u.Data == nil && u.Identifiers == nil {
			return nil
		}
		it = old.Clone()
		given := u.Identifiers
		if !it.Local() { // a local item gets its namespace from the circuit
			given = withNamespace(given)
		}
		it.Identifiers = app.UnionIdentifiers(old.Identifiers, given)
		if u.Data != nil {
			it.AddSources(s.env.NewID())
		}
		return t.save(tx, old, it, u.Data)
	})
	if err != nil {
		return nil, err
	}
	return it, nil
}

// Deprecate takes an item of the caller's out of use. It stays readable: what
// receipts, proofs and snapshots refer to is never deleted. Repeating it
// changes nothing. ReasonItemNotFound (400).
func (s *Service) Deprecate(ctx context.Context, who app.Actor, dfid string) (*app.Item, error) {
	t := s.tracing(who)
	var it *app.Item
	err := s.store.Write(ctx, func(tx app.Tx) error {
		old, err := t.change(tx, dfid, app.TierDeleteItems)
		if err != nil {
			return err
		}
		next, ok := old.Status.After(app.ChangeDeprecate)
		if !ok {
			return wrongState("item %s is %s", dfid, old.Status)
		}
		if it = old; next == old.Status {
			return nil
		}
		it = old.Clone()
		it.Status, it.ModifiedAt = next, t.now
		err = t.record(tx, it, app.EventStatusChanged, map[string]any{"from": string(old.Status), "to": string(next)})
		if err != nil {
			return err
		}
		return tx.Items().Update(old, it)
	})
	if err != nil {
		return nil, err
	}
	return it, nil
}

// Merge makes an item of the caller's, the secondary, part of another one, the
// primary, which gains its identifiers, data and sources; of equal keys the
// secondary's value stays. The secondary keeps what it has, as Merged, and what
// named it names the primary from then on.
//
// Errors: ReasonItemNotFound (400), ReasonItemState when the two are one, local
// or not active, ReasonTooManyElements, ReasonBodyTooLarge.
func (s *Service) Merge(ctx context.Context, who app.Actor, primary, secondary string) (*app.Item, error) {
	t := s.tracing(who)
	var it *app.Item
	err := s.store.Write(ctx, func(tx app.Tx) error {
		old, err := t.change(tx, primary, app.TierUpdateItems)
		if err != nil {
			return err
		}
		other, err := t.own(tx, secondary)
		if err != nil {
			return err
		}
		next, ok := other.Status.After(app.ChangeMerge)
		switch {
		case old.Row == other.Row:
			return wrongState("an item cannot be merged with itself")
		case old.Local() || other.Local():
			return wrongState("local items are merged by /api/items/local/merge")
		case !ok:
			return wrongState("item %s is %s", secondary, other.Status)
		case old.Status != app.ItemActive:
			return wrongState("item %s is %s", primary, old.Status)
		}
		it = old.Clone()
		gone := other.Clone()
		gone.Status, gone.MergedInto = next, old.DFID
		return t.merge(tx, old, it, other, gone)
	})
	if err != nil {
		return nil, err
	}
	return it, nil
}

func (t *tracing) merge(tx app.Tx, old, it, other, gone *app.Item) error {
	it.Identifiers = app.UnionIdentifiers(old.Identifiers, other.Identifiers)
	for key, value := range other.Data {
		it.Data[key], it.Provenance[key] = value, other.Provenance[key]
	}
	it.AddSources(other.SourceEntries...)
	it.Confidence = (old.Confidence + other.Confidence) / 2
	it.ModifiedAt, gone.ModifiedAt = t.now, t.now
	if err := it.CheckSize(); err != nil {
		return err
	}
	if err := t.record(tx, it, app.EventMerged, map[string]any{"merged_from": other.DFID}); err != nil {
		return err
	}
	err := t.record(tx, gone, app.EventStatusChanged, map[string]any{
		"from": string(other.Status), "to": string(gone.Status), "merged_into": it.DFID,
	})
	if err != nil {
		return err
	}
	if err := tx.Items().Update(other, gone); err != nil {
		return err
	}
	if err := tx.Items().Update(old, it); err != nil {
		return err
	}
	return tx.Items().MoveNames(other.Row, it.Row)
}

// Split moves identifiers of an item of the caller's to a new item, which
// becomes the caller's too, with the first source entry of the original. The
// original keeps the rest and all of its data.
//
// Errors: ReasonItemNotFound (400), ReasonItemState when nothing is given, an
// identifier is not the original's, or the original is local or out of use;
// ReasonTierLimit and ReasonInsufficientCredits where they are enforced.
func (s *Service) Split(ctx context.Context, who app.Actor, dfid string, ids []app.Identifier) (original, part *app.Item, err error) {
	if err := app.CheckIdentifiers(ids); err != nil {
		return nil, nil, err
	}
	t := s.tracing(who)
	err = s.store.Write(ctx, func(tx app.Tx) error {
		old, err := t.change(tx, dfid, app.TierUpdateItems)
		if err != nil {
			return err
		}
		next, ok := old.Status.After(app.ChangeSplit)
		switch {
		case old.Local():
			return wrongState("a local item is not split; push it to a circuit first")
		case !ok:
			return wrongState("item %s is %s", dfid, old.Status)
		}
		original = old.Clone()
		original.Status, original.ModifiedAt = next, t.now
		moved, err := t.take(original, withNamespace(ids))
		if err != nil {
			return err
		}
		part, err = t.split(tx, old, original, moved)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return original, part, nil
}

// take removes identifiers from an item and returns them as they were there.
func (t *tracing) take(it *app.Item, ids []app.Identifier) ([]app.Identifier, error) {
	if len(ids) == 0 {
		return nil, wrongState("at least one identifier must be given for the new item")
	}
	moved := make([]app.Identifier, 0, len(ids))
	for _, id := range app.UnionIdentifiers(nil, ids) {
		at := slices.IndexFunc(it.Identifiers, func(have app.Identifier) bool {
			return have.Same(id) && (have.Canonical || have.Scope == id.Scope)
		})
		if at < 0 {
			return nil, wrongState("item %s has no identifier %s", it.DFID, id.UniqueKey())
		}
		moved = append(moved, it.Identifiers[at])
		it.Identifiers = slices.Delete(it.Identifiers, at, at+1)
	}
	return moved, nil
}

func (t *tracing) split(tx app.Tx, old, original *app.Item, moved []app.Identifier) (*app.Item, error) {
	seq, err := tx.Items().NextDFID()
	if err != nil {
		return nil, err
	}
	part := &app.Item{
		DFID: dfid.Format(t.now, seq), OwnerID: old.OwnerID, WorkspaceID: old.WorkspaceID, LegacyMode: true,
		Identifiers: moved, CreatedAt: t.now, ModifiedAt: t.now,
		Confidence: 1, Status: app.ItemActive,
	}
	if len(old.SourceEntries) > 0 {
		part.SourceEntries = []uuid.UUID{old.SourceEntries[0]}
	}
	err = t.service.quota.Take(tx, t.author, quota.Work{
		Operation: app.TierCreateItems, Cost: app.CreditItemCreation, ID: part.DFID,
	})
	if err != nil {
		return nil, err
	}
	err = t.record(tx, original, app.EventSplit, map[string]any{"split_into": part.DFID, "identifiers": app.UniqueKeys(moved)})
	if err != nil {
		return nil, err
	}
	if err := tx.Items().Update(old, original); err != nil {
		return nil, err
	}
	if err := t.record(tx, part, app.EventCreated, map[string]any{"identifiers": app.UniqueKeys(moved)}); err != nil {
		return nil, err
	}
	if err := t.record(tx, part, app.EventSplit, map[string]any{"split_from": original.DFID}); err != nil {
		return nil, err
	}
	if err := tx.Items().Insert(part); err != nil {
		return nil, err
	}
	for _, id := range moved {
		if !id.Canonical {
			continue
		}
		if err := t.handOver(tx, id, original, part); err != nil {
			return nil, err
		}
	}
	return part, nil
}

// handOver makes a canonical identifier of the original name the new item,
// unless it names a third one.
func (t *tracing) handOver(tx app.Tx, id app.Identifier, original, part *app.Item) error {
	row, err := tx.Items().ByCanonical(id.CanonicalKey())
	if err != nil {
		return err
	}
	if row == original.Row {
		return tx.Items().TakeCanonical(id.CanonicalKey(), part.Row)
	}
	_, err = app.Claim(tx.Items(), id, part.Row)
	return err
}
