package db

import (
	"errors"
	"fmt"
)

// OwnedWith implements app.ItemReads: the user's own rows among those of one
// entry of the identifier index.
func (t items) OwnedWith(userID, key, value string, lone bool, limit int) ([]int64, error) {
	piece := min(limit, minPiece)
	h := pairHash(key, value)
	if lone {
		h = loneHash(key, value)
	}
	both := rowIntersection{
		&rowStream{s: t.s, text: hashRows, key: h, piece: piece},
		&rowStream{s: t.s, text: ownRows, key: userID, piece: piece},
	}
	rows, err := take(both, 1, limit)
	if err != nil {
		return nil, fmt.Errorf("find own items by identifier: %w", err)
	}
	return rows, nil
}

const canonicalTake = `UPDATE canonical_identifiers SET item_row = ? WHERE key = ?`

// TakeCanonical implements app.ItemRows.
func (t items) TakeCanonical(key string, row int64) error {
	n, err := t.s.exec(canonicalTake, row, key)
	if err != nil {
		return fmt.Errorf("take canonical identifier: %w", err)
	}
	if n == 0 {
		return errors.New("take canonical identifier: nobody holds it")
	}
	return nil
}

const (
	canonicalMove   = `UPDATE canonical_identifiers SET item_row = ? WHERE item_row = ?`
	fingerprintMove = `UPDATE circuit_fingerprints SET item_row = ? WHERE item_row = ?`
)

// MoveNames implements app.ItemRows.
func (t items) MoveNames(from, to int64) error {
	for _, text := range [...]string{canonicalMove, fingerprintMove} {
		if _, err := t.s.exec(text, to, from); err != nil {
			return fmt.Errorf("move names of an item: %w", err)
		}
	}
	return nil
}
