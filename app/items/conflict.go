package items

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/defarm-repo/defarm/app"
)

const (
	// maxCandidates bounds how many of the caller's own items with the same
	// contextual identifier are looked at, oldest first.
	maxCandidates = 500
	// maxNamedDFIDs bounds the DFIDs that a conflict lists.
	maxNamedDFIDs = 20
	// candidatePiece is how many candidates are read at once.
	candidatePiece = 32
)

// inspectIdentifiers and inspectData find what keeps the input from becoming an
// item without anybody looking at it, nil for nothing (contract 02 §6.6).
// Conflicts with what is stored are found by match.
func inspectIdentifiers(ids []app.Identifier) *app.PendingReason {
	if len(ids) == 0 {
		return &app.PendingReason{Kind: app.PendingNoIdentifiers}
	}
	for _, id := range ids {
		if strings.TrimSpace(id.Key) == "" || strings.TrimSpace(id.Value) == "" {
			return &app.PendingReason{Kind: app.PendingInvalidIdentifiers, Text: fmt.Sprintf("Invalid identifier: %s:%s", id.Key, id.Value)}
		}
	}
	return nil
}

func inspectData(in Input) *app.PendingReason {
	for _, key := range slices.Sorted(maps.Keys(in.Data)) {
		if strings.TrimSpace(key) == "" {
			return &app.PendingReason{Kind: app.PendingDataQuality, Issue: "empty_key", Severity: "Medium", Details: "Empty data key detected"}
		}
		if string(in.Data[key]) == "null" {
			return &app.PendingReason{Kind: app.PendingDataQuality, Issue: "null_value", Severity: "Low", Details: "Null value for key: " + key}
		}
	}
	return nil
}

// match finds the owner's active item that the identifiers name, nil when there
// is none, or the reason why that cannot be decided here.
//
// A canonical identifier names one item in the whole server. When that is
// somebody else's, nothing of it is shown and nothing is written to it. A
// contextual one counts among the owner's own items only, and not for an item
// that carries another number of the same registry: two animals of one lot
// stay two animals.
func (t *tracing) match(tx app.Tx, ids []app.Identifier) (*app.Item, *app.PendingReason, error) {
	var found *app.Item
	lone := slices.ContainsFunc(ids, func(id app.Identifier) bool { return id.Canonical })
	for _, id := range ids {
		named, err := t.named(tx, id, lone)
		if err != nil || len(named) == 0 {
			if err != nil {
				return nil, nil, err
			}
			continue
		}
		first := named[0]
		switch {
		case first.OwnerID != t.owner:
			return nil, &app.PendingReason{
				Kind: app.PendingCrossSystemConflict, System: "defarm", Conflict: "canonical_identifier_of_another_owner",
			}, nil
		case len(named) > 1:
			return nil, conflicting(id, named...), nil
		case id.Canonical && found != nil && found.Row != first.Row:
			return nil, conflicting(id, found, first), nil
		case found == nil:
			found = first
		}
	}
	return found, nil, nil
}

func conflicting(id app.Identifier, its ...*app.Item) *app.PendingReason {
	var dfids []string
	for _, it := range its {
		dfids = append(dfids, it.DFID)
	}
	slices.Sort(dfids)
	dfids = slices.Compact(dfids)
	return &app.PendingReason{
		Kind: app.PendingConflictingDFIDs, Identifier: &id, DFIDs: dfids[:min(len(dfids), maxNamedDFIDs)],
	}
}

// named lists the active traced items that one of the identifiers names, oldest
// first.
func (t *tracing) named(tx app.Tx, id app.Identifier, lone bool) ([]*app.Item, error) {
	if id.Canonical {
		it, err := app.Holder(tx.Items(), id)
		if err != nil || it == nil {
			return nil, err
		}
		return []*app.Item{it}, nil
	}
	rows, err := tx.Items().OwnedWith(t.owner, id.Key, id.Value, lone, maxCandidates)
	if err != nil {
		return nil, err
	}
	var out []*app.Item
	for piece := range slices.Chunk(rows, candidatePiece) {
		its, err := tx.Items().ByRows(piece)
		if err != nil {
			return nil, err
		}
		for _, it := range its {
			if it.Status == app.ItemActive && !it.Local() && slices.ContainsFunc(it.Identifiers, id.Same) {
				out = append(out, it)
			}
		}
		if len(out) >= maxNamedDFIDs {
			break
		}
	}
	return out, nil
}
