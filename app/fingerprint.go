package app

import (
	"encoding/hex"
	"slices"

	"lukechampine.com/blake3"
)

// Fingerprint names an item that has no canonical identifier by what stays the
// same when it is pushed again: its owner and its identifiers, in any order.
// It is the BLAKE3, as 64 hexadecimal digits, of
//
//	user:<user id>|ids:<k1>|<k2>|…
//
// with the identifiers' unique keys sorted by their bytes, each once. The
// original put the clock and the local id into it, so that it could never
// match a second time (contract 04 §9.4, S7).
func Fingerprint(userID string, ids []Identifier) string {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = id.UniqueKey()
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	b := append(make([]byte, 0, 256), "user:"...)
	b = append(b, userID...)
	b = append(b, "|ids:"...)
	for i, k := range keys {
		if i > 0 {
			b = append(b, '|')
		}
		b = append(b, k...)
	}
	sum := blake3.Sum256(b)
	return hex.EncodeToString(sum[:])
}
