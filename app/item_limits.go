package app

import "github.com/google/uuid"

// MaxItemData bounds the enriched data of one item, in bytes of its keys and
// values: twice what one request can carry.
const MaxItemData = 4 << 20

// MaxSourceEntries is how many source entries an item keeps.
const MaxSourceEntries = 1000

// DataSize is the size of the item's data in bytes of its keys and values.
func (it *Item) DataSize() int {
	size := 0
	for key, value := range it.Data {
		size += len(key) + len(value)
	}
	return size
}

// CheckSize refuses an item that has outgrown its limits: MaxIdentifiers
// (ReasonTooManyElements) and MaxItemData (ReasonBodyTooLarge).
func (it *Item) CheckSize() error {
	if n := len(it.Identifiers); n > MaxIdentifiers {
		return TooManyIdentifiers(n)
	}
	if it.DataSize() > MaxItemData {
		return NewError(CodeTooLarge, ReasonBodyTooLarge,
			"Validation error: enriched_data of the item would be larger than %d bytes; send less or remove keys first", MaxItemData)
	}
	return nil
}

// AddSources appends the source entries that are not there yet, in their order.
// Of more than MaxSourceEntries the first stays, which says where the item came
// from, and the newest.
func (it *Item) AddSources(entries ...uuid.UUID) {
	have := make(map[uuid.UUID]bool, len(it.SourceEntries)+len(entries))
	for _, e := range it.SourceEntries {
		have[e] = true
	}
	for _, e := range entries {
		if !have[e] {
			have[e] = true
			it.SourceEntries = append(it.SourceEntries, e)
		}
	}
	if over := len(it.SourceEntries) - MaxSourceEntries; over > 0 {
		it.SourceEntries = append(it.SourceEntries[:1:1], it.SourceEntries[1+over:]...)
	}
}
