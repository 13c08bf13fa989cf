package app

import (
	"encoding/json"
	"slices"
)

// Part returns what v shows of the item: the identifiers that were quoted, the
// data keys that came through those circuits, and nothing of who else knows
// the item. The result is a copy that must not be stored.
func (it *Item) Part(v PartialView) *Item {
	part := &Item{
		Row: it.Row, DFID: it.DFID, OwnerID: it.OwnerID,
		CreatedAt: it.CreatedAt, ModifiedAt: it.ModifiedAt, Confidence: it.Confidence,
		Status: it.Status, MerkleRoot: it.MerkleRoot, EventCount: it.EventCount,
		Data: make(map[string]json.RawMessage), Provenance: make(map[string]Provenance),
	}
	for _, id := range it.Identifiers {
		if slices.Contains(v.Quoted, id.UniqueKey()) {
			part.Identifiers = append(part.Identifiers, id)
		}
	}
	for key, from := range it.Provenance {
		if slices.Contains(v.Circuits, from.CircuitID) {
			part.Data[key], part.Provenance[key] = it.Data[key], from
		}
	}
	return part
}
