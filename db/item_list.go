package db

import (
	"fmt"
	"slices"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/registry"
)

// A list of items is a walk over ordered streams of row numbers: the caller's
// own items, those shared with him, and the items of each of his circuits. Each stream is an index
// range that is read in pieces as the walk gets there, so that the cost of a
// page depends on the page and not on the size of the tables. A filter with an
// index of its own (identifiers, statuses that few items have) is one more
// stream; only rows on both sides count, and each side jumps to the row that
// the other one has reached.

const (
	ownRows = `SELECT row FROM items WHERE owner_id = ? AND row >= ?
	ORDER BY row LIMIT ? OFFSET ?`
	circuitRows = `SELECT item_row FROM circuit_items WHERE circuit_row = ? AND item_row >= ?
	ORDER BY item_row LIMIT ? OFFSET ?`
	sharedRows = `SELECT item_row FROM item_shares WHERE recipient_id = ? AND item_row >= ?
	ORDER BY item_row LIMIT ? OFFSET ?`
	everyRow = `SELECT row FROM items WHERE row >= ? ORDER BY row LIMIT ? OFFSET ?`
	hashRows = `SELECT item_row FROM item_identifiers WHERE hash = ? AND item_row >= ?
	ORDER BY item_row LIMIT ? OFFSET ?`
	// The second condition is the one of the partial index.
	statusRows = `SELECT row FROM items WHERE status = ? AND status <> 'Active' AND row >= ?
	ORDER BY row LIMIT ? OFFSET ?`

	memberCircuits = `SELECT circuit_row FROM circuit_members WHERE user_id = ? ORDER BY circuit_row`
)

// A stream reads between minPiece and maxPiece row numbers at once.
const (
	minPiece = 16
	maxPiece = 1024
)

// rowSource is an ascending sequence of row numbers. from gives the first one
// that is at least min, and 0 when there is none; min never goes back.
type rowSource interface {
	from(minimum int64) (int64, error)
}

// rowStream reads an index range in pieces.
type rowStream struct {
	s     *session
	text  string
	key   any // first parameter, unless nil
	piece int
	skip  int // rows to leave out at the start, in SQL
	rows  []int64
	next  int64 // the row after the last one that was read
	last  bool  // rows is the last piece
}

func (r *rowStream) from(minimum int64) (int64, error) {
	if i, _ := slices.BinarySearch(r.rows, minimum); i < len(r.rows) {
		r.rows = r.rows[i:]
		return r.rows[0], nil
	}
	if r.last {
		r.rows = nil
		return 0, nil
	}
	switch {
	case r.next == 0: // first piece
	case minimum > r.next:
		r.piece = minPiece // a jump: what is read ahead may be jumped over, too
	default:
		r.piece = min(2*r.piece, maxPiece)
	}
	args := make([]any, 0, 4)
	if r.key != nil {
		args = append(args, r.key)
	}
	rows, err := collect(r.s, scanRow, r.text, append(args, minimum, r.piece, r.skip)...)
	if err != nil {
		return 0, err
	}
	r.rows, r.last, r.skip = rows, len(rows) < r.piece, 0
	if len(rows) == 0 {
		return 0, nil
	}
	r.next = rows[len(rows)-1] + 1
	return rows[0], nil
}

// rowUnion merges sources; a row of several comes once.
type rowUnion []rowSource

func (u rowUnion) from(minimum int64) (int64, error) {
	var least int64
	for _, src := range u {
		row, err := src.from(minimum)
		if err != nil {
			return 0, err
		}
		if row != 0 && (least == 0 || row < least) {
			least = row
		}
	}
	return least, nil
}

// rowIntersection gives the rows that every source has.
type rowIntersection []rowSource

func (x rowIntersection) from(minimum int64) (int64, error) {
	agreed := 0
	for i := 0; agreed < len(x); i = (i + 1) % len(x) {
		row, err := x[i].from(minimum)
		if err != nil || row == 0 {
			return 0, err
		}
		if row > minimum {
			minimum, agreed = row, 0
		}
		agreed++
	}
	return minimum, nil
}

// VisibleRows implements app.ItemReads.
func (t items) VisibleRows(userID string, everything bool, f app.ItemFilter, p app.Page) ([]int64, error) {
	if p.Limit <= 0 {
		return nil, nil
	}
	rows, err := t.source(userID, everything, f, p)
	if err != nil {
		return nil, err
	}
	keep := t.keeper(userID, everything, f)
	skip := p.Offset
	if single, ok := rows.(*rowStream); ok && keep == nil {
		single.skip, skip = skip, 0 // the index does it
	}
	out := make([]int64, 0, min(p.Limit, maxPiece))
	next := int64(1)
	for len(out) < p.Limit {
		// skip may be as large as a number can be: bounded before it is added to.
		piece, err := take(rows, next, min(p.Limit-len(out)+min(skip, maxPiece), maxPiece))
		if err != nil {
			return nil, fmt.Errorf("list items: %w", err)
		}
		if len(piece) == 0 {
			break
		}
		next = piece[len(piece)-1] + 1
		if keep != nil {
			if piece, err = keep(piece); err != nil {
				return nil, fmt.Errorf("list items: %w", err)
			}
		}
		n := min(skip, len(piece))
		skip -= n
		out = append(out, piece[n:]...)
	}
	return out, nil
}

func take(src rowSource, from int64, n int) ([]int64, error) {
	out := make([]int64, 0, n)
	for len(out) < n {
		row, err := src.from(from)
		if err != nil || row == 0 {
			return out, err
		}
		out = append(out, row)
		from = row + 1
	}
	return out, nil
}

// source builds the walk for a list.
func (t items) source(userID string, everything bool, f app.ItemFilter, p app.Page) (rowSource, error) {
	piece := min(p.Limit, maxPiece)
	if f.IdentifierKey != "" || (f.Status != "" && f.Status != app.ItemActive) {
		piece = minPiece // what is narrow has few rows, and the others jump to them
	}
	stream := func(text string, key any, piece int) *rowStream {
		return &rowStream{s: t.s, text: text, key: key, piece: max(piece, minPiece)}
	}
	var narrow rowIntersection
	if f.IdentifierKey != "" {
		narrow = append(narrow, identifierSource(f, func(h int64) rowSource { return stream(hashRows, h, piece) }))
	}
	if f.Status != "" && f.Status != app.ItemActive {
		narrow = append(narrow, stream(statusRows, string(f.Status), piece))
	}
	var visible rowSource
	switch {
	case everything && len(narrow) > 0:
	case everything:
		visible = stream(everyRow, nil, piece)
	default:
		memberships, err := collect(t.s, scanRow, memberCircuits, userID)
		if err != nil {
			return nil, fmt.Errorf("list memberships: %w", err)
		}
		share := piece
		if n := len(memberships); n > 0 {
			share = piece/n + 1
		}
		union := rowUnion{stream(ownRows, userID, piece)}
		// Nearly nobody has anything shared with him, and a single stream skips
		// in SQL.
		shared := stream(sharedRows, userID, minPiece)
		if first, err := shared.from(1); err != nil {
			return nil, fmt.Errorf("list shares: %w", err)
		} else if first != 0 {
			union = append(union, shared)
		}
		for _, c := range memberships {
			union = append(union, stream(circuitRows, c, share))
		}
		visible = union
		if len(union) == 1 {
			visible = union[0]
		}
	}
	if visible != nil {
		if len(narrow) == 0 {
			return visible, nil
		}
		narrow = append(narrow, visible)
	}
	if len(narrow) == 1 {
		return narrow[0], nil
	}
	return narrow, nil
}

// identifierSource gives the candidates of an identifier filter: under the value
// as asked, and under its normal form, which canonical identifiers in every other
// spelling are indexed by.
func identifierSource(f app.ItemFilter, stream func(hash int64) rowSource) rowSource {
	if f.IdentifierValue == "" {
		return stream(keyHash(f.IdentifierKey))
	}
	asked := stream(pairHash(f.IdentifierKey, f.IdentifierValue))
	normal := registry.Normal(f.IdentifierKey, f.IdentifierValue)
	if normal == f.IdentifierValue {
		return asked
	}
	return rowUnion{asked, stream(pairHash(f.IdentifierKey, normal))}
}

var listFacts = newInList(`SELECT row, owner_id, status, identifiers FROM items WHERE row IN`, `ORDER BY row`)

// listFact is what the recheck of a filter looks at.
type listFact struct {
	row         int64
	owner       string
	status      app.ItemStatus
	identifiers string
}

func scanListFact(sc scanner) (f listFact, err error) {
	err = sc.Scan(&f.row, &f.owner, &f.status, &f.identifiers)
	return f, err
}

// keeper gives the check that the indexes cannot decide, or nil: the status,
// and whether an identifier that the caller can see has that key and value. A
// hash only makes a candidate, and who sees an item in part must not find it by
// an identifier that is hidden from him.
func (t items) keeper(userID string, everything bool, f app.ItemFilter) func([]int64) ([]int64, error) {
	if f.Status == "" && f.IdentifierKey == "" {
		return nil
	}
	return func(rows []int64) ([]int64, error) {
		var partial map[int64]app.PartialView
		if !everything && f.IdentifierKey != "" {
			var err error
			if partial, err = t.InPart(userID, rows); err != nil {
				return nil, err
			}
		}
		kept := make([]int64, 0, len(rows))
		err := eachChunk(listFacts, rows, func(text string, args []any) error {
			facts, err := collect(t.s, scanListFact, text, args...)
			if err != nil {
				return err
			}
			for _, fact := range facts {
				view, inPart := partial[fact.row]
				ok, err := fact.matches(f, view, inPart && fact.owner != userID)
				if err != nil {
					return err
				}
				if ok {
					kept = append(kept, fact.row)
				}
			}
			return nil
		})
		return kept, err
	}
}

func (l listFact) matches(f app.ItemFilter, view app.PartialView, inPart bool) (bool, error) {
	if f.Status != "" && l.status != f.Status {
		return false, nil
	}
	if f.IdentifierKey == "" {
		return true, nil
	}
	var ids []app.Identifier
	if err := fromJSON(l.identifiers, &ids); err != nil {
		return false, fmt.Errorf("item %d: identifiers: %w", l.row, err)
	}
	normal := registry.Normal(f.IdentifierKey, f.IdentifierValue)
	return slices.ContainsFunc(ids, func(id app.Identifier) bool {
		return id.Key == f.IdentifierKey &&
			(f.IdentifierValue == "" || id.Value == f.IdentifierValue ||
				id.Canonical && registry.Normal(id.Key, id.Value) == normal) &&
			(!inPart || slices.Contains(view.Quoted, id.UniqueKey()))
	}), nil
}
