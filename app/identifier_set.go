package app

import (
	"slices"

	"github.com/defarm-repo/defarm/app/registry"
)

// UnionIdentifiers appends to have the identifiers that it lacks. Of two that
// say the same (Identifier.Same) the later one's verification wins, so that
// what is sent wins over what is stored.
func UnionIdentifiers(have, more []Identifier) []Identifier {
	type identity struct {
		namespace, key, value string
		canonical             bool
	}
	of := func(id Identifier) identity { return identity{id.Namespace, id.Key, id.Value, id.Canonical} }
	at := make(map[identity]int, len(have)+len(more))
	for i, id := range have {
		at[of(id)] = i
	}
	out := slices.Clone(have)
	for _, id := range more {
		if i, ok := at[of(id)]; ok {
			if id.Verified || !out[i].Verified {
				out[i] = id
			}
			continue
		}
		at[of(id)] = len(out)
		out = append(out, id)
	}
	return out
}

// UniqueKeys are the unique keys of the identifiers, in their order.
func UniqueKeys(ids []Identifier) []string {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = id.UniqueKey()
	}
	return keys
}

// CanonicalKey is the key under which a canonical identifier is unique in the
// whole server: namespace, registry and the normal form of the value.
func (id Identifier) CanonicalKey() string {
	return registry.CanonicalKey(id.Namespace, id.Key, id.Value)
}

// Holder returns the active item that a canonical identifier names, nil when
// there is none: an item that was deprecated or split no longer answers to its
// identifiers, and those of a merged one have moved to its primary.
func Holder(items ItemReads, id Identifier) (*Item, error) {
	row, err := items.ByCanonical(id.CanonicalKey())
	if err != nil || row == 0 {
		return nil, err
	}
	it, err := items.ByRow(row)
	if err != nil || it.Status != ItemActive {
		return nil, err
	}
	return it, nil
}

// Claim makes the canonical identifier name the item with that row. It reports
// false, and changes nothing, when it names another active item.
func Claim(items ItemRows, id Identifier, row int64) (bool, error) {
	key := id.CanonicalKey()
	ok, err := items.AddCanonical(key, row)
	if err != nil || ok {
		return ok, err
	}
	other, err := Holder(items, id)
	if err != nil || other != nil {
		return false, err
	}
	return true, items.TakeCanonical(key, row)
}
