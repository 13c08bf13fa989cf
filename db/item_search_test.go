package db

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/defarm-repo/defarm/app"
)

// index brings the search index up to date.
func index(t testing.TB, d *DB) {
	t.Helper()
	if err := d.indexer.catchUp(t.Context()); err != nil {
		t.Fatalf("index: %v", err)
	}
	mustRead(t, d, func(r app.Reader) error {
		behind, err := r.Items().SearchBacklog()
		if behind != (app.SearchBacklog{}) {
			t.Errorf("backlog after catching up: %+v, want none", behind)
		}
		return err
	})
}

func candidates(t testing.TB, d *DB, userID string, everything bool, query string) (rows []int64) {
	t.Helper()
	mustRead(t, d, func(r app.Reader) error {
		return r.Items().Candidates(userID, everything, app.ItemFilter{}, app.FoldText(query), func(piece []int64) (bool, error) {
			rows = append(rows, piece...)
			return true, nil
		})
	})
	return rows
}

// Whatever a text is made of, the index finds it, and what its syntax means
// elsewhere means nothing.
func TestSearchHostileTexts(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	texts := []string{
		`"quoted" 'single'`, `a* b*`, `x NEAR(y z, 3)`, `this AND that OR NOT those`, "nul\x00inside", "🐄🐂🐃 herd",
		"São João çedilha", "ΣΊΣΥΦΟΣ σ", "ſtraße İstanbul", `{text}: -column ^start`, "tab\tline\nend", "\uFFFE\uFFFD\uFFFF",
		strings.Repeat("long ", 500),
	}
	var rows []int64
	mustWrite(t, d, func(tx app.Tx) error {
		for i, text := range texts {
			raw, err := json.Marshal(text)
			if err != nil {
				return err
			}
			it := localItem("u", i)
			it.Data = map[string]json.RawMessage{"a": json.RawMessage(`[{"deep":` + string(raw) + `}]`)}
			if err := tx.Items().Insert(it); err != nil {
				return err
			}
			rows = append(rows, it.Row)
		}
		return nil
	})
	index(t, d)
	for i, text := range texts {
		for _, query := range []string{text, strings.ToUpper(text), strings.ToLower(text)} {
			query = string([]rune(query)[:min(256, len([]rune(query)))])
			if got := candidates(t, d, "u", false, query); !slices.Contains(got, rows[i]) {
				t.Errorf("%.40q is not among the candidates %v of %.40q", text, got, query)
			}
		}
		if got := candidates(t, d, "stranger", false, text); len(got) > 0 {
			t.Errorf("a stranger's candidates for %.40q: got %v, want none", text, got)
		}
	}
}

// Every change of an item is a change of the index.
func TestSearchIndexFollows(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	it := localItem("u", 1, lot("lote", "first"))
	mustWrite(t, d, func(tx app.Tx) error { return tx.Items().Insert(it) })
	want := func(query string, rows ...int64) {
		t.Helper()
		index(t, d)
		if diff := cmp.Diff(rows, candidates(t, d, "", true, query), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("candidates of %q (-want +got):\n%s", query, diff)
		}
	}
	want("FIRST", it.Row)
	now := it.Clone()
	now.Identifiers[0].Value = "second"
	mustWrite(t, d, func(tx app.Tx) error { return tx.Items().Update(it, now) })
	want("first")
	want("second", it.Row)
	same := now.Clone()
	same.Status = app.ItemDeprecated
	mustWrite(t, d, func(tx app.Tx) error {
		if err := tx.Items().Update(now, same); err != nil {
			return err
		}
		behind, err := tx.Items().SearchBacklog()
		if behind != (app.SearchBacklog{}) {
			t.Errorf("another status: the item waits to be indexed, want it left alone")
		}
		return err
	})
	mustWrite(t, d, func(tx app.Tx) error { return tx.Items().Delete(same) })
	want("second")
}

// A canonical identifier is found by every spelling, also where the index is
// from before it held normal forms.
func TestIdentifierSpellings(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	it := localItem("u", 1,
		app.Identifier{Namespace: "bovino", Key: "sisbov", Value: "BR076-123.456.789", Canonical: true}, lot("cpf", "111.444.777-35"))
	mustWrite(t, d, func(tx app.Tx) error { return tx.Items().Insert(it) })
	find := func(key, value string, want int) {
		t.Helper()
		mustRead(t, d, func(r app.Reader) error {
			got, err := r.Items().VisibleRows("u", false, app.ItemFilter{IdentifierKey: key, IdentifierValue: value}, app.Page{Limit: 10})
			if len(got) != want {
				t.Errorf("%s %s: got %v, want %d", key, value, got, want)
			}
			return err
		})
	}
	all := func() {
		t.Helper()
		find("sisbov", "BR076-123.456.789", 1)
		find("sisbov", "BR076123456789", 1)
		find("sisbov", "BR 076 123 456 789", 1)
		find("sisbov", "BR076123456788", 0)
		find("cpf", "111.444.777-35", 1)
		find("cpf", "11144477735", 0) // contextual: as written
	}
	all()
	mustWrite(t, d, func(tx app.Tx) error {
		s := tx.(stores).s
		if err := (items{s}).removeHashes(it.Row, []int64{pairHash("sisbov", "BR076123456789")}); err != nil {
			return err
		}
		_, err := s.exec(`INSERT INTO item_search_changes (item_row, rehash) VALUES (?, 1)`, it.Row)
		return err
	})
	index(t, d)
	all()
}

// Counts agree with brute force.
func TestItemCounts(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	w := newWorld(t, d, rand.New(rand.NewPCG(5, 6)))
	mustRead(t, d, func(r app.Reader) error {
		for _, user := range append([]string{"nobody"}, w.users...) {
			for _, everything := range []bool{false, true} {
				want := app.ItemCounts{}
				for _, it := range w.items {
					if ok, _, _ := w.sees(user, it); !ok && !everything {
						continue
					}
					want.Total++
					want.Confidence += it.Confidence
					switch it.Status {
					case app.ItemActive:
						want.Active++
					case app.ItemDeprecated:
						want.Deprecated++
					case app.ItemMerged, app.ItemMergedInto:
						want.Merged++
					}
				}
				got, err := r.Items().Counts(user, everything)
				if err != nil {
					return err
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s, everything %t (-want +got):\n%s", user, everything, diff)
				}
			}
		}
		return nil
	})
}

// FuzzMatchText wants every query to be one that SQLite takes, and to find the
// text that it was cut from.
func FuzzMatchText(f *testing.F) {
	for _, s := range []string{"", "ab", `"""`, "a* AND", "nul\x00x", "🐄🐂🐃", "çÇß"} {
		f.Add(s)
	}
	d := itemsDB(f)
	n := 0
	f.Fuzz(func(t *testing.T, s string) {
		n++
		value := strings.ToValidUTF8(s, "?")
		it := localItem("u", n, lot("k", value))
		mustWrite(t, d, func(tx app.Tx) error { return tx.Items().Insert(it) })
		index(t, d)
		if len(value) < 1000 && !slices.Contains(candidates(t, d, "u", false, value), it.Row) {
			t.Errorf("%s does not find its text", fmt.Sprintf("%q", value))
		}
	})
}

// A status that lists could not show is not stored.
func TestItemStatusIsChecked(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	it := localItem("u", 1)
	it.Status = "Lost"
	if err := d.Write(t.Context(), func(tx app.Tx) error { return tx.Items().Insert(it) }); err == nil {
		t.Error("an unknown status is stored")
	}
}

// A write that indexes ends early when the texts are long, and the next one goes
// on where it ended.
func TestIndexingIsBoundedByBytes(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	const n = 5
	mustWrite(t, d, func(tx app.Tx) error {
		for i := range n {
			it := localItem("u", i+1)
			it.Data = map[string]json.RawMessage{"note": json.RawMessage(`"` + strings.Repeat("x", indexBytes) + fmt.Sprint(i) + `"`)}
			if err := tx.Items().Insert(it); err != nil {
				return err
			}
		}
		return nil
	})
	for i := range n {
		mustWrite(t, d, func(tx app.Tx) error {
			behind, err := tx.Items().SearchBacklog()
			if err != nil {
				return err
			}
			if done, err := tx.Items().IndexSearch(behind, 100); err != nil || done != (i == n-1) {
				t.Errorf("write %d: done %t (%v), want %t", i, done, err, i == n-1)
			}
			return nil
		})
	}
	index(t, d)
}

// A row number that is given again belongs to another item, and the index
// follows: it is found by its own text alone.
func TestSearchOfARowThatIsUsedAgain(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	gone, next := localItem("u", 1, lot("lote", "first")), localItem("u", 2, lot("lote", "second"))
	mustWrite(t, d, func(tx app.Tx) error { return tx.Items().Insert(gone) })
	index(t, d)
	mustWrite(t, d, func(tx app.Tx) error {
		if err := tx.Items().Delete(gone); err != nil {
			return err
		}
		return tx.Items().Insert(next)
	})
	if next.Row != gone.Row {
		t.Fatalf("row: got %d, want %d again: the test tests nothing", next.Row, gone.Row)
	}
	index(t, d)
	if rows := candidates(t, d, "u", false, "first"); len(rows) != 0 {
		t.Errorf("the text of what is gone finds %v", rows)
	}
	if rows := candidates(t, d, "u", false, "second"); len(rows) != 1 {
		t.Errorf("the new text finds %v, want the item", rows)
	}
}
