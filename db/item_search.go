package db

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/defarm-repo/defarm/app"
)

// The full-text index holds the trigrams of each item's text. It is written
// behind the items, in jobs of their own: kept in the write of the item it made
// inserting 2.7 times as slow. Whoever searches first brings the index up to what
// was stored when he began.
//
// New items cost nothing: the index knows up to which row it has come. Only
// changes of items at or below that row are noted. The writer keeps the row in
// memory (session.indexed), never too low: a change that is noted without need
// is indexed twice.

const (
	// maxTrigrams is how many trigrams of a query select candidates.
	maxTrigrams = 12
	// minIndexed is the shortest query, in characters, that the index answers.
	minIndexed = 3
	// indexBytes is after how much text a write that indexes ends: trigrams
	// cost about a microsecond each, and others wait behind it.
	indexBytes = 32 << 10

	searchRows = `SELECT rowid FROM item_search WHERE item_search MATCH ? AND rowid >= ?
	ORDER BY rowid LIMIT ? OFFSET ?`
	searchPut    = `INSERT INTO item_search (rowid, text) VALUES (?, ?)`
	searchRemove = `DELETE FROM item_search WHERE rowid = ?`

	newRows    = `SELECT row FROM items WHERE row > ? AND row <= ? ORDER BY row LIMIT ?`
	lastRow    = `SELECT coalesce(max(row), 0) FROM items`
	indexedRow = `SELECT value FROM counters WHERE name = 'search'`
	indexedSet = `UPDATE counters SET value = ? WHERE name = 'search'`

	changeAdd    = `INSERT INTO item_search_changes (item_row, rehash) VALUES (?, 0)`
	changeLast   = `SELECT coalesce(max(seq), 0) FROM item_search_changes`
	changeNext   = `SELECT seq, item_row, rehash FROM item_search_changes WHERE seq <= ? ORDER BY seq LIMIT ?`
	changeRemove = `DELETE FROM item_search_changes WHERE seq <= ?`
)

// searchLater notes that an item's text changed, unless the index comes to it
// anyway.
func (t items) searchLater(row int64) error {
	if t.s.indexed == indexedUnknown {
		if err := t.s.row(indexedRow).Scan(&t.s.indexed); err != nil {
			return fmt.Errorf("read state of search: %w", err)
		}
	}
	if row > t.s.indexed {
		return nil
	}
	if _, err := t.s.exec(changeAdd, row); err != nil {
		return fmt.Errorf("note item for search: %w", err)
	}
	return nil
}

// SearchBacklog implements app.ItemReads.
func (t items) SearchBacklog() (b app.SearchBacklog, err error) {
	var indexed int64
	if err := t.s.row(indexedRow).Scan(&indexed); err != nil {
		return b, err
	}
	if err := t.s.row(lastRow).Scan(&b.Row); err != nil {
		return b, err
	}
	if b.Row <= indexed {
		b.Row = 0
	}
	err = t.s.row(changeLast).Scan(&b.Change)
	return b, err
}

type textChange struct {
	seq, row int64
	rehash   bool
}

func scanTextChange(sc scanner) (d textChange, err error) {
	err = sc.Scan(&d.seq, &d.row, &d.rehash)
	return d, err
}

// IndexSearch implements app.ItemRows.
func (t items) IndexSearch(b app.SearchBacklog, n int) (done bool, err error) {
	budget := indexBytes
	changes, err := collect(t.s, scanTextChange, changeNext, b.Change, n)
	if err != nil {
		return false, err
	}
	var through int64
	for _, d := range changes {
		if budget <= 0 {
			break
		}
		if err := t.reindex(d, &budget); err != nil {
			return false, err
		}
		through = d.seq
		n--
	}
	if through > 0 {
		if _, err := t.s.exec(changeRemove, through); err != nil {
			return false, fmt.Errorf("index text: %w", err)
		}
	}
	if n == 0 || budget <= 0 {
		return false, nil
	}
	return t.indexNew(b.Row, n, &budget)
}

// reindex indexes what a row that was indexed before holds now.
func (t items) reindex(d textChange, budget *int) error {
	if _, err := t.s.exec(searchRemove, d.row); err != nil {
		return fmt.Errorf("unindex text: %w", err)
	}
	it, err := t.ByRow(d.row)
	if app.CodeOf(err) == app.CodeNotFound {
		return nil // folded into another item since
	}
	if err != nil {
		return err
	}
	if d.rehash {
		if err := t.addHashes(it.Row, identifierHashes(it.Identifiers)); err != nil {
			return err
		}
	}
	return t.indexText(it, budget)
}

func (t items) indexText(it *app.Item, budget *int) error {
	text := noZero(it.SearchText()) // FTS5 ends a text at U+0000
	if _, err := t.s.exec(searchPut, it.Row, text); err != nil {
		return fmt.Errorf("index text: %w", err)
	}
	*budget -= len(text)
	return nil
}

// indexNew indexes the next n items that the index has not come to, up to last.
func (t items) indexNew(last int64, n int, budget *int) (done bool, err error) {
	var indexed int64
	if err := t.s.row(indexedRow).Scan(&indexed); err != nil {
		return false, fmt.Errorf("read state of search: %w", err)
	}
	if indexed >= last {
		return true, nil
	}
	rows, err := collect(t.s, scanRow, newRows, indexed, last, n)
	if err != nil {
		return false, err
	}
	its, err := t.ByRows(rows)
	if err != nil {
		return false, err
	}
	done = len(rows) < n
	for i, it := range its {
		if err := t.indexText(it, budget); err != nil {
			return false, err
		}
		indexed = it.Row
		if *budget <= 0 && i < len(its)-1 {
			done = false
			break
		}
	}
	if done {
		indexed = last
	}
	if _, err := t.s.exec(indexedSet, indexed); err != nil {
		return false, fmt.Errorf("index text: %w", err)
	}
	t.s.indexed = max(t.s.indexed, indexed)
	return done, nil
}

func noZero(s string) string { return strings.ReplaceAll(s, "\x00", " ") }

// matchText is the MATCH expression that finds every text that contains the
// folded query, and others; "" when the query is too short for the index. Each
// trigram is a quoted string, in which only the quote means anything.
func matchText(query string) string {
	runes := []rune(noZero(query))
	if len(runes) < minIndexed {
		return ""
	}
	var b strings.Builder
	seen := make(map[string]bool, maxTrigrams)
	for i := 0; i+minIndexed <= len(runes) && len(seen) < maxTrigrams; i++ {
		gram := string(runes[i : i+minIndexed])
		if seen[gram] {
			continue
		}
		if len(seen) > 0 {
			b.WriteString(" AND ")
		}
		seen[gram] = true
		b.WriteString(`"` + strings.ReplaceAll(gram, `"`, `""`) + `"`)
	}
	return b.String()
}

// searchPiece is how many candidates are handed over at once.
const searchPiece = 64

// Candidates implements app.ItemReads.
func (t items) Candidates(userID string, everything bool, f app.ItemFilter, query string, fn func([]int64) (bool, error)) error {
	if !utf8.ValidString(query) {
		return nil
	}
	src, err := t.source(userID, everything, f, app.Page{Limit: searchPiece})
	if err != nil {
		return err
	}
	if match := matchText(query); match != "" {
		src = rowIntersection{&rowStream{s: t.s, text: searchRows, key: match, piece: searchPiece}, src}
	}
	keep := t.keeper(userID, everything, f)
	for next := int64(1); ; {
		rows, err := take(src, next, searchPiece)
		if err != nil {
			return fmt.Errorf("search items: %w", err)
		}
		if len(rows) == 0 {
			return nil
		}
		next = rows[len(rows)-1] + 1
		walked := len(rows)
		if keep != nil {
			if rows, err = keep(rows); err != nil {
				return fmt.Errorf("search items: %w", err)
			}
		}
		more, err := fn(rows)
		if err != nil || !more || walked < searchPiece {
			return err
		}
	}
}
