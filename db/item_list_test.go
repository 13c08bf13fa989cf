package db

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/defarm-repo/defarm/app"
)

// world is a random population with what the test knows of it.
type world struct {
	users    []string
	items    []*app.Item
	circuits []*app.Circuit
	places   map[[2]int64]app.CircuitItem // by circuit and item row
	shares   map[string]bool              // recipient and item row
}

func newWorld(t *testing.T, d *DB, rnd *rand.Rand) *world {
	t.Helper()
	w := &world{places: map[[2]int64]app.CircuitItem{}, shares: map[string]bool{}}
	for i := range 6 {
		w.users = append(w.users, fmt.Sprintf("user-%d", i))
	}
	statuses := []app.ItemStatus{app.ItemActive, app.ItemActive, app.ItemActive, app.ItemDeprecated, app.ItemMerged}
	mustWrite(t, d, func(tx app.Tx) error {
		for i := range 8 {
			var members []string
			for _, u := range w.users[1:] {
				if rnd.IntN(3) == 0 {
					members = append(members, u)
				}
			}
			c := testCircuit(i, w.users[0], members...)
			if err := tx.Circuits().Insert(c); err != nil {
				return err
			}
			w.circuits = append(w.circuits, c)
		}
		for i := range 400 {
			owner := w.users[rnd.IntN(len(w.users))]
			ids := []app.Identifier{lot("lote", fmt.Sprint(rnd.IntN(20)))}
			if rnd.IntN(4) == 0 {
				ids = append(ids, lot("safra", fmt.Sprint(rnd.IntN(3))))
			}
			it := tracedItem(owner, i, ids...)
			if rnd.IntN(3) == 0 {
				it = localItem(owner, i, ids...)
			}
			it.Status = statuses[rnd.IntN(len(statuses))]
			if err := tx.Items().Insert(it); err != nil {
				return err
			}
			w.items = append(w.items, it)
			if u := w.users[rnd.IntN(len(w.users))]; u != owner && rnd.IntN(4) == 0 {
				w.shares[fmt.Sprint(u, it.Row)] = true
				sh := app.ItemShare{ID: fmt.Sprint("SHARE-", i), ItemRow: it.Row, RecipientID: u, SharedBy: owner, SharedAt: testTime}
				if err := tx.Shares().Insert(sh); err != nil {
					return err
				}
			}
			for _, c := range w.circuits {
				if it.Local() || rnd.IntN(5) != 0 {
					continue
				}
				p := place(c, it, rnd.IntN(3) > 0)
				for _, id := range ids {
					if !p.Whole && rnd.IntN(2) == 0 {
						p.Quoted = append(p.Quoted, id.UniqueKey())
					}
				}
				if err := tx.Circuits().PutItem(p); err != nil {
					return err
				}
				w.places[[2]int64{c.Row, it.Row}] = p
			}
		}
		return nil
	})
	return w
}

// sees says by brute force what a user sees of an item.
func (w *world) sees(user string, it *app.Item) (ok, whole bool, quoted []string) {
	if it.OwnerID == user || w.shares[fmt.Sprint(user, it.Row)] {
		return true, true, nil
	}
	for _, c := range w.circuits {
		_, member := c.Member(user)
		p, held := w.places[[2]int64{c.Row, it.Row}]
		if member && held {
			ok, whole = true, whole || p.Whole
			quoted = append(quoted, p.Quoted...)
		}
	}
	return ok, whole, quoted
}

func (w *world) visible(user string, everything bool, f app.ItemFilter, p app.Page) []int64 {
	var rows []int64
	for _, it := range w.items {
		ok, whole, quoted := w.sees(user, it)
		if everything {
			ok, whole = true, true
		}
		if !ok || (f.Status != "" && it.Status != f.Status) {
			continue
		}
		if f.IdentifierKey != "" && !slices.ContainsFunc(it.Identifiers, func(id app.Identifier) bool {
			return id.Key == f.IdentifierKey && (f.IdentifierValue == "" || id.Value == f.IdentifierValue) &&
				(whole || slices.Contains(quoted, id.UniqueKey()))
		}) {
			continue
		}
		rows = append(rows, it.Row)
	}
	from := min(p.Offset, len(rows))
	return rows[from:min(from+p.Limit, len(rows))]
}

// TestVisibleRows compares lists with brute force over random populations.
func TestVisibleRows(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	d := itemsDB(t)
	w := newWorld(t, d, rnd)
	filters := []app.ItemFilter{
		{}, {Status: app.ItemActive}, {Status: app.ItemMerged}, {Status: app.ItemSplit},
		{IdentifierKey: "lote"}, {IdentifierKey: "lote", IdentifierValue: "7"}, {IdentifierKey: "safra"}, {IdentifierKey: "no"},
		{IdentifierKey: "lote", IdentifierValue: "3", Status: app.ItemActive}, {IdentifierKey: "safra", Status: app.ItemDeprecated},
	}
	pages := []app.Page{
		{Limit: 1}, {Limit: 10}, {Limit: 16}, {Limit: 50}, {Limit: 10_000}, {Limit: 0},
		{Limit: 7, Offset: 5}, {Limit: 20, Offset: 100}, {Limit: 5, Offset: 399}, {Limit: 5, Offset: 1 << 40},
	}
	mustRead(t, d, func(r app.Reader) error {
		for _, user := range append([]string{"nobody"}, w.users...) {
			for _, everything := range []bool{false, true} {
				for _, f := range filters {
					for _, p := range pages {
						want := w.visible(user, everything, f, p)
						got, err := r.Items().VisibleRows(user, everything, f, p)
						if err != nil {
							return err
						}
						if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
							t.Fatalf("VisibleRows(%s, %t, %+v, %+v) (-want +got):\n%s", user, everything, f, p, diff)
						}
					}
				}
			}
		}
		return nil
	})
}

// TestInPart compares what members see in part with brute force.
func TestInPart(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	w := newWorld(t, d, rand.New(rand.NewPCG(3, 4)))
	var rows []int64
	for _, it := range w.items {
		rows = append(rows, it.Row)
	}
	inPart := 0
	mustRead(t, d, func(r app.Reader) error {
		for _, user := range w.users {
			parts, err := r.Items().InPart(user, rows)
			if err != nil {
				return err
			}
			for _, it := range w.items {
				ok, whole, quoted := w.sees(user, it)
				shared, err := r.Items().SharedWith(user, it.Row)
				if err != nil {
					return err
				}
				if it.OwnerID == user {
					continue // his own: whole, whatever his circuits hold
				}
				if shared != ok {
					t.Errorf("SharedWith(%s, %d) = %t, want %t", user, it.Row, shared, ok)
				}
				got, is := parts[it.Row]
				if want := ok && !whole; is != want {
					t.Errorf("%s sees item %d in part: %t, want %t", user, it.Row, is, want)
				} else if is {
					inPart++
					slices.Sort(quoted)
					slices.Sort(got.Quoted)
					if diff := cmp.Diff(quoted, got.Quoted, cmpopts.EquateEmpty()); diff != "" {
						t.Errorf("%s, item %d: quoted (-want +got):\n%s", user, it.Row, diff)
					}
				}
			}
		}
		return nil
	})
	if inPart == 0 {
		t.Error("nobody sees anything in part: the population tests nothing")
	}
}

// TestListCost counts statements: a page costs the same however much there is.
func TestListCost(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	add := func(from, n int) {
		mustWrite(t, d, func(tx app.Tx) error {
			for i := range n {
				if err := tx.Items().Insert(localItem("u", from+i, lot("lote", fmt.Sprint(i%7)))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	cost := func(f app.ItemFilter) (queries int) {
		mustRead(t, d, func(r app.Reader) error {
			s := r.(readStores).s
			before := s.queries
			_, err := r.Items().VisibleRows("u", false, f, app.Page{Limit: 50})
			queries = s.queries - before
			return err
		})
		return queries
	}
	filters := []app.ItemFilter{{}, {Status: app.ItemActive}, {Status: app.ItemMerged}, {IdentifierKey: "lote"}, {IdentifierKey: "lote", IdentifierValue: "3"}}
	add(0, 1000)
	before := make([]int, len(filters))
	for i, f := range filters {
		before[i] = cost(f)
	}
	add(1000, 4000)
	for i, f := range filters {
		if after := cost(f); after > before[i] {
			t.Errorf("%+v: %d statements with 5,000 items, %d with 1,000", f, after, before[i])
		}
	}
	if got := cost(app.ItemFilter{}); got != 3 {
		t.Errorf("plain list takes %d statements, want 3: memberships, shares, rows", got)
	}
}

// sliceSource is a rowSource for tests of the combinators.
type sliceSource []int64

func (s sliceSource) from(minimum int64) (int64, error) {
	for _, row := range s {
		if row >= minimum {
			return row, nil
		}
	}
	return 0, nil
}

func TestRowSources(t *testing.T) {
	t.Parallel()
	a, b, c := sliceSource{1, 3, 5, 7, 9}, sliceSource{3, 4, 5, 9, 10}, sliceSource{5, 6, 9}
	for _, tc := range []struct {
		name string
		src  rowSource
		want []int64
	}{
		{"union", rowUnion{a, b, c}, []int64{1, 3, 4, 5, 6, 7, 9, 10}},
		{"union of none", rowUnion{}, nil},
		{"intersection", rowIntersection{a, b, c}, []int64{5, 9}},
		{"intersection of one", rowIntersection{b}, b},
		{"intersection with none", rowIntersection{a, sliceSource{}}, nil},
		{"mixed", rowIntersection{rowUnion{a, c}, b}, []int64{3, 5, 9}},
	} {
		got, err := take(tc.src, 1, 100)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestHashDifference(t *testing.T) {
	t.Parallel()
	gone, added := hashDifference([]int64{1, 2, 3}, []int64{3, 4, 1})
	if diff := cmp.Diff([]int64{2}, gone); diff != "" {
		t.Errorf("gone (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int64{4}, added); diff != "" {
		t.Errorf("added (-want +got):\n%s", diff)
	}
}

// TestHashVectors pins the stored hashes: databases in the field hold them.
func TestHashVectors(t *testing.T) {
	t.Parallel()
	if got, want := keyHash("sisbov"), int64(8285960799236756938); got != want {
		t.Errorf("keyHash(sisbov) = %d, want %d", got, want)
	}
	if got, want := pairHash("sisbov", "BR123456789012"), int64(190904472051469753); got != want {
		t.Errorf("pairHash = %d, want %d", got, want)
	}
	if pairHash("ab", "c") == pairHash("a", "bc") {
		t.Error("key and value are not kept apart")
	}
}
