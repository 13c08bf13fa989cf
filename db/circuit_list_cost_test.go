package db

import (
	"context"
	"testing"

	"github.com/defarm-repo/defarm/app"
	sharing "github.com/defarm-repo/defarm/app/circuits"
)

// Items of a circuit cost one statement however many there are; their events
// one more for every 64 items, the longest list that a statement takes.
func TestCircuitItemsCost(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	store := &countingStore{Store: d}
	s, c, dfids := operationsService(t, store, d, 200)
	ctx, owner := context.Background(), app.Actor{UserID: "owner"}
	items := func(events bool) func() (int, error) {
		return func() (int, error) {
			_, l, err := s.Items(ctx, owner, c.ID, events, app.Page{Limit: 1000})
			return len(l), err
		}
	}
	lists := map[string]func() (int, error){"items": items(false), "items with events": items(true)}
	want := map[string]func(n int) int{
		"items":             func(int) int { return 1 },
		"items with events": func(n int) int { return 1 + (n+63)/64 },
	}
	pushed := 0
	for _, n := range []int{10, 200} {
		for _, dfid := range dfids[pushed:n] {
			op, err := s.Push(ctx, app.Actor{UserID: "member"}, c.ID, dfid)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Approve(ctx, owner, sharing.Decision{OperationID: op.ID}); err != nil {
				t.Fatal(err)
			}
		}
		pushed = n
		for name, list := range lists {
			store.queries = 0
			rows, err := list()
			if err != nil {
				t.Fatal(err)
			}
			if rows != n {
				t.Errorf("%s: got %d rows, want %d", name, rows, n)
			}
			if store.queries != want[name](n) {
				t.Errorf("%s: %d rows in %d statements, want %d", name, n, store.queries, want[name](n))
			}
		}
	}
}
