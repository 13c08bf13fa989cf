package db

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"lukechampine.com/blake3"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/registry"
)

// The identifier index holds two hashes for each identifier: of its key, for
// lists by key, and of key and value; of a canonical one also the hash of key and
// normal form, where that is another value. Items without any canonical
// identifier have a third one, of key and value again, so that the one that a
// lot's name alone stands for is found among thousands of animals of that lot. A
// hash is the first eight bytes, big-endian and read as a signed integer, of
//
//	BLAKE3("key" 0x00 key)
//	BLAKE3("pair" 0x00 uvarint(len(key)) key value)
//	BLAKE3("lone" 0x00 uvarint(len(key)) key value)
//
// over the texts as the client wrote them, without the namespace. The hashes
// are stored: the formulas can never change. BLAKE3 and not a faster hash,
// because whoever can make collisions could fill the lists of others with
// candidates that have to be looked at. Readers compare the identifier itself.

func keyHash(key string) int64 {
	b := make([]byte, 0, 64)
	b = append(b, "key\x00"...)
	return shortHash(append(b, key...))
}

func pairHash(key, value string) int64 { return valueHash("pair\x00", key, value) }

func loneHash(key, value string) int64 { return valueHash("lone\x00", key, value) }

func valueHash(kind, key, value string) int64 {
	b := make([]byte, 0, 96)
	b = append(b, kind...)
	b = binary.AppendUvarint(b, uint64(len(key)))
	b = append(b, key...)
	return shortHash(append(b, value...))
}

func shortHash(b []byte) int64 {
	sum := blake3.Sum256(b)
	return int64(binary.BigEndian.Uint64(sum[:8])) // the sign does not matter
}

// identifierHashes lists the index entries of a set of identifiers, each once.
func identifierHashes(ids []app.Identifier) []int64 {
	if len(ids) == 0 {
		return nil
	}
	lone := !slices.ContainsFunc(ids, func(id app.Identifier) bool { return id.Canonical })
	out := make([]int64, 0, 3*len(ids))
	seen := make(map[int64]struct{}, 3*len(ids))
	add := func(h int64) {
		if _, have := seen[h]; !have {
			seen[h] = struct{}{}
			out = append(out, h)
		}
	}
	for _, id := range ids {
		add(keyHash(id.Key))
		add(pairHash(id.Key, id.Value))
		if id.Canonical {
			add(pairHash(id.Key, registry.Normal(id.Key, id.Value)))
		}
		if lone {
			add(loneHash(id.Key, id.Value))
		}
	}
	return out
}

// hashDifference says what is only in the old and only in the new set.
func hashDifference(old, now []int64) (gone, added []int64) {
	had := make(map[int64]bool, len(old))
	for _, h := range old {
		had[h] = true
	}
	for _, h := range now {
		if had[h] {
			had[h] = false
		} else {
			added = append(added, h)
		}
	}
	for _, h := range old {
		if had[h] {
			gone = append(gone, h)
		}
	}
	return gone, added
}

// hashInserts store 2 to 128 entries; a shorter list repeats its last one. Most
// items have one to three identifiers.
var hashInserts = [...]struct {
	n    int
	text string
}{
	{2, hashInsert(2)}, {4, hashInsert(4)}, {8, hashInsert(8)}, {32, hashInsert(32)}, {128, hashInsert(128)},
}

func hashInsert(n int) string {
	return `INSERT INTO item_identifiers (hash, item_row) VALUES (?, ?)` +
		strings.Repeat(`, (?, ?)`, n-1) + ` ON CONFLICT (hash, item_row) DO NOTHING`
}

func (t items) addHashes(row int64, hashes []int64) error {
	for len(hashes) > 0 {
		st := hashInserts[0]
		for _, bigger := range hashInserts[1:] {
			if len(hashes) > st.n {
				st = bigger
			}
		}
		n := min(st.n, len(hashes))
		args := make([]any, 0, 2*st.n)
		for i := range st.n {
			args = append(args, hashes[min(i, n-1)], row)
		}
		if _, err := t.s.exec(st.text, args...); err != nil {
			return fmt.Errorf("index identifiers: %w", err)
		}
		hashes = hashes[n:]
	}
	return nil
}

const hashDelete = `DELETE FROM item_identifiers WHERE hash = ? AND item_row = ?`

func (t items) removeHashes(row int64, hashes []int64) error {
	for _, h := range hashes {
		if _, err := t.s.exec(hashDelete, h, row); err != nil {
			return fmt.Errorf("unindex identifiers: %w", err)
		}
	}
	return nil
}
