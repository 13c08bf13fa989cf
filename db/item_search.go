package db

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/defarm-repo/defarm/app"
)

// The full-text index holds the trigrams of each item's text. It is written
// behind the items, in jobs of their own: kept in the write of the item it made
// inserting 2.7 times as slow (164 against 60 µs), the note that it has to
// follow costs 4 %. Whoever searches first brings the index up to what was
// stored when he began.

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

	todoAdd    = `INSERT INTO item_search_todo (item_row, rehash) VALUES (?, 0)`
	todoLast   = `SELECT coalesce(max(seq), 0) FROM item_search_todo`
	todoNext   = `SELECT seq, item_row, rehash FROM item_search_todo WHERE seq <= ? ORDER BY seq LIMIT ?`
	todoRemove = `DELETE FROM item_search_todo WHERE seq <= ?`
)

// searchLater notes that an item's text changed.
func (t items) searchLater(row int64) error {
	if _, err := t.s.exec(todoAdd, row); err != nil {
		return fmt.Errorf("note item for search: %w", err)
	}
	return nil
}

// SearchBacklog implements app.ItemReads.
func (t items) SearchBacklog() (last int64, err error) {
	err = t.s.row(todoLast).Scan(&last)
	return last, err
}

type todo struct {
	seq, row int64
	rehash   bool
}

func scanTodo(sc scanner) (d todo, err error) {
	err = sc.Scan(&d.seq, &d.row, &d.rehash)
	return d, err
}

// IndexSearch implements app.ItemRows.
func (t items) IndexSearch(last int64, n int) (done bool, err error) {
	list, err := collect(t.s, scanTodo, todoNext, last, n)
	if err != nil || len(list) == 0 {
		return err == nil, err
	}
	var through int64
	size, taken := 0, 0
	for _, d := range list {
		text, err := t.indexOne(d)
		if err != nil {
			return false, err
		}
		through = d.seq
		taken++
		if size += text; size > indexBytes {
			break
		}
	}
	if _, err := t.s.exec(todoRemove, through); err != nil {
		return false, fmt.Errorf("index text: %w", err)
	}
	return taken < n && taken == len(list), nil
}

// indexOne indexes what one row holds now and returns the bytes of its text.
func (t items) indexOne(d todo) (int, error) {
	if _, err := t.s.exec(searchRemove, d.row); err != nil {
		return 0, fmt.Errorf("unindex text: %w", err)
	}
	it, err := t.ByRow(d.row)
	if app.CodeOf(err) == app.CodeNotFound {
		return 0, nil // folded into another item since
	}
	if err != nil {
		return 0, err
	}
	text := noZero(it.SearchText()) // FTS5 ends a text at U+0000
	if _, err := t.s.exec(searchPut, it.Row, text); err != nil {
		return 0, fmt.Errorf("index text: %w", err)
	}
	if d.rehash {
		err = t.addHashes(it.Row, identifierHashes(it.Identifiers))
	}
	return len(text), err
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
