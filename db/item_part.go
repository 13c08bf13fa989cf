package db

import (
	"fmt"

	"github.com/defarm-repo/defarm/app"
)

// Nearly every place is whole, so that the partial index on the others answers
// for a whole page from a page or two; only what it finds is looked at closely.
// CROSS JOIN, because SQLite takes it as the order to join in: items first,
// however many circuits the caller is in.
var itemsInPart = newInList(`SELECT DISTINCT ci.item_row FROM circuit_items ci
	CROSS JOIN circuit_members m WHERE m.circuit_row = ci.circuit_row
	AND ci.whole = 0 AND m.user_id = ? AND ci.item_row IN`, ``)

const itemPlaces = `SELECT c.id, ci.whole, ci.quoted FROM circuit_items ci
	JOIN circuit_members m ON m.circuit_row = ci.circuit_row
	JOIN circuits c ON c.row = ci.circuit_row
	WHERE ci.item_row = ? AND m.user_id = ?`

// itemPlace is an item's place in one of the caller's circuits.
type itemPlace struct {
	circuit string
	whole   bool
	quoted  []string
}

func scanItemPlace(sc scanner) (p itemPlace, err error) {
	var quoted string
	if err := sc.Scan(&p.circuit, &p.whole, &quoted); err != nil {
		return p, err
	}
	if err := fromJSON(quoted, &p.quoted); err != nil {
		return p, fmt.Errorf("circuit %s: quoted identifiers: %w", p.circuit, err)
	}
	return p, nil
}

// InPart implements app.ItemReads.
func (t items) InPart(userID string, rows []int64) (map[int64]app.PartialView, error) {
	var some []int64
	err := eachChunk(itemsInPart, rows, func(text string, args []any) error {
		found, err := collect(t.s, scanRow, text, append([]any{userID}, args...)...)
		some = append(some, found...)
		return err
	})
	if err != nil || len(some) == 0 {
		return nil, err
	}
	out := make(map[int64]app.PartialView, len(some))
	for _, row := range some {
		view, inPart, err := t.partOf(userID, row)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", row, err)
		}
		if inPart {
			out[row] = view
		}
	}
	return out, nil
}

// partOf joins what the caller's circuits show of an item; inPart is false when
// one of them holds all of it.
func (t items) partOf(userID string, row int64) (view app.PartialView, inPart bool, err error) {
	shared, err := t.exists(itemSharedTo, row, userID)
	if err != nil || shared {
		return app.PartialView{}, false, err // a share shows the whole item
	}
	places, err := collect(t.s, scanItemPlace, itemPlaces, row, userID)
	for _, p := range places {
		if p.whole {
			return app.PartialView{}, false, err
		}
		view.Circuits = append(view.Circuits, p.circuit)
		view.Quoted = append(view.Quoted, p.quoted...)
	}
	return view, len(places) > 0, err
}
