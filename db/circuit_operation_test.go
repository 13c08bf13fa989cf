package db

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	sharing "github.com/defarm-repo/defarm/app/circuits"
)

// operationsService is the service over a database with one circuit where
// everything waits, and the owner's items in it.
func operationsService(t *testing.T, store app.Store, d *DB, items int) (s *sharing.Service, c *app.Circuit, dfids []string) {
	t.Helper()
	c = testCircuit(1, "owner", "member", "deputy")
	c.Permissions.RequireApprovalForPush, c.Permissions.RequireApprovalForPull = true, true
	c.Members[2].Permissions = app.RolePermissions(app.RoleAdmin)
	mustWrite(t, d, func(tx app.Tx) error {
		if err := tx.Circuits().Insert(c); err != nil {
			return err
		}
		for n := range items {
			it := tracedItem("member", n, lot("lote", fmt.Sprint(n)))
			if err := tx.Items().Insert(it); err != nil {
				return err
			}
			dfids = append(dfids, it.DFID)
		}
		return nil
	})
	env := app.SystemEnv()
	env.Now = func() time.Time { return testTime }
	return sharing.New(store, env, sharing.Config{}), c, dfids
}

// told is what notifications say, in the order in which they were written.
func told(t *testing.T, d *DB) (lines []string) {
	t.Helper()
	mustRead(t, d, func(r app.Reader) error {
		var err error
		lines, err = collect(r.(readStores).s, func(sc scanner) (string, error) {
			var user, kind, title, message, data string
			err := sc.Scan(&user, &kind, &title, &message, &data)
			return strings.Join([]string{user, kind, title, message, data}, " | "), err
		}, `SELECT user_id, type, title, message, data FROM notifications ORDER BY row`)
		return err
	})
	return lines
}

// Those who decide are told of what waits, the requester of what became of it,
// and nobody of what he did himself or of what was refused.
func TestOperationsAreTold(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	s, c, dfids := operationsService(t, d, d, 2)
	ctx := context.Background()
	owner, member, deputy := app.Actor{UserID: "owner"}, app.Actor{UserID: "member"}, app.Actor{UserID: "deputy"}
	push := func(who app.Actor, dfid string) sharing.Decision {
		t.Helper()
		op, err := s.Push(ctx, who, c.ID, dfid)
		if err != nil {
			t.Fatal(err)
		}
		return sharing.Decision{OperationID: op.ID}
	}
	reason := "no papers"
	first, second := push(member, dfids[0]), push(member, dfids[1])
	if _, err := s.Approve(ctx, owner, first); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reject(ctx, deputy, second, &reason); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Approve(ctx, owner, second); app.ReasonOf(err) != app.ReasonOperationState {
		t.Errorf("approving what was rejected: got %v", err)
	}
	pull, err := s.Pull(ctx, deputy, c.ID, dfids[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Approve(ctx, deputy, sharing.Decision{OperationID: pull.Operation.ID}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Push(ctx, owner, c.ID, "DFID-none"); app.ReasonOf(err) != app.ReasonItemNotFound {
		t.Errorf("pushing nothing: got %v", err)
	}

	data := func(kind, dfid string, id uuid.UUID, more string) string {
		return fmt.Sprintf(`{%s"circuit_id":%q,"circuit_name":"circuit 1","dfid":%q,"operation_id":%q,"operation_type":%q%%s,"timestamp":%d}`,
			more, c.ID, dfid, id, kind, testTime.Unix())
	}
	by := func(data, more string) string { return fmt.Sprintf(data, more) }
	waits := " | CircuitItemPendingApproval | Approval needed in circuit 1 | User %s wants to %s circuit 1. | "
	want := []string{
		"owner" + fmt.Sprintf(waits, "member", "push an item to") + by(data("Push", dfids[0], first.OperationID, ""), `,"requester_id":"member"`),
		"deputy" + fmt.Sprintf(waits, "member", "push an item to") + by(data("Push", dfids[0], first.OperationID, ""), `,"requester_id":"member"`),
		"owner" + fmt.Sprintf(waits, "member", "push an item to") + by(data("Push", dfids[1], second.OperationID, ""), `,"requester_id":"member"`),
		"deputy" + fmt.Sprintf(waits, "member", "push an item to") + by(data("Push", dfids[1], second.OperationID, ""), `,"requester_id":"member"`),
		"member | CircuitItemApproved | Item approved in circuit 1 | The push of " + dfids[0] + " in circuit 1 has been approved. | " +
			by(data("Push", dfids[0], first.OperationID, `"approved_by":"owner",`), ""),
		"member | CircuitItemRejected | Item rejected in circuit 1 | The push of " + dfids[1] + " in circuit 1 has been rejected. | " +
			by(data("Push", dfids[1], second.OperationID, ""), `,"reason":"no papers","rejected_by":"deputy"`),
		"owner" + fmt.Sprintf(waits, "deputy", "pull an item from") + by(data("Pull", dfids[0], pull.Operation.ID, ""), `,"requester_id":"deputy"`),
	}
	if diff := cmp.Diff(want, told(t, d)); diff != "" {
		t.Errorf("notifications (-want +got):\n%s", diff)
	}
	mustRead(t, d, func(r app.Reader) error {
		for _, id := range []uuid.UUID{first.OperationID, second.OperationID} {
			op, err := r.Operations().ByID(id)
			if err != nil {
				return err
			}
			if op.Plan.Whole || op.DecidedBy == "" || !op.DecidedAt.Equal(testTime) {
				t.Errorf("after the decision: got %+v, want no plan and who decided", op)
			}
		}
		return nil
	})
	var history []string
	mustRead(t, d, func(r app.Reader) error {
		var err error
		history, err = collect(r.(readStores).s, func(sc scanner) (string, error) {
			var user, kind, action, what string
			err := sc.Scan(&user, &kind, &action, &what)
			return strings.Join([]string{user, kind, action, what}, " | "), err
		}, `SELECT user_id, type, action, description FROM user_activities ORDER BY row`)
		return err
	})
	wantHistory := []string{
		"owner | Approve | approve_operation | Approve: push of " + dfids[0],
		"deputy | Reject | reject_operation | Reject: push of " + dfids[1],
		"deputy | Approve | approve_operation | Approve: pull of " + dfids[0],
	}
	if diff := cmp.Diff(wantHistory, history); diff != "" {
		t.Errorf("histories of users (-want +got):\n%s", diff)
	}
}

// countingStore counts the statements of reads.
type countingStore struct {
	app.Store
	queries int
}

// Read implements app.Store.
func (c *countingStore) Read(ctx context.Context, fn func(r app.Reader) error) error {
	return c.Store.Read(ctx, func(r app.Reader) error {
		s := r.(readStores).s
		before := s.queries
		err := fn(r)
		c.queries += s.queries - before
		return err
	})
}

// Lists of a circuit cost the same however many rows they show, as far as one
// statement takes the items of a page.
func TestOperationListCost(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	store := &countingStore{Store: d}
	s, c, dfids := operationsService(t, store, d, 60)
	ctx, owner := context.Background(), app.Actor{UserID: "owner"}
	lists := map[string]func() (int, error){
		"operations": func() (int, error) {
			l, err := s.Operations(ctx, owner, c.ID, "", app.Page{Limit: 100})
			return len(l), err
		},
		"pending": func() (int, error) {
			l, err := s.Operations(ctx, owner, c.ID, app.OperationPending, app.Page{Limit: 100})
			return len(l), err
		},
		"pending items": func() (int, error) {
			l, err := s.PendingItems(ctx, owner, c.ID, app.Page{Limit: 100})
			for _, p := range l {
				if p.Item == nil || p.Item.DFID != p.DFID {
					return 0, fmt.Errorf("preview of %s: %v", p.DFID, p.Item)
				}
			}
			return len(l), err
		},
		"activities": func() (int, error) {
			l, err := s.Activities(ctx, owner, c.ID, app.Page{Limit: 100})
			return len(l), err
		},
	}
	want := map[string]int{"operations": 1, "pending": 1, "pending items": 3, "activities": 1}
	pushed := 0
	for _, n := range []int{2, 60} {
		for _, dfid := range dfids[pushed:n] {
			op, err := s.Push(ctx, app.Actor{UserID: "member"}, c.ID, dfid)
			if err != nil {
				t.Fatal(err)
			}
			// One that is done already, for the history.
			mustWrite(t, d, func(tx app.Tx) error {
				return tx.Activities().InsertCircuit(app.CircuitActivity{
					ID: op.ID, Type: "Push", CircuitRow: c.Row, CircuitName: c.Name, ItemDFIDs: []string{dfid},
					UserID: "member", At: testTime, Status: "Success", ItemsCount: 1,
				})
			})
		}
		pushed = n
		for name, list := range lists {
			store.queries = 0
			rows, err := list()
			if err != nil {
				t.Fatal(err)
			}
			if rows != n || store.queries != want[name] {
				t.Errorf("%s: %d rows in %d statements, want %d in %d", name, rows, store.queries, n, want[name])
			}
		}
	}
}

// A pending operation whose item does not exist has no preview.
func TestPendingWithoutItem(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	s, c, _ := operationsService(t, d, d, 0)
	mustWrite(t, d, func(tx app.Tx) error {
		return tx.Operations().Insert(app.CircuitOperation{
			ID: fixedID(7), CircuitRow: c.Row, DFID: "DFID-none", Type: app.OperationPush, RequesterID: "member",
			At: testTime, Status: app.OperationPending, Plan: app.OperationPlan{Keys: []string{"weight"}, Quoted: []string{"a:b:c"}},
		})
	})
	list, err := s.PendingItems(context.Background(), app.Actor{UserID: "owner"}, c.ID, app.Page{Limit: 10})
	if err != nil || len(list) != 1 || list[0].Item != nil {
		t.Fatalf("got %v, %v; want one without an item", list, err)
	}
	if diff := cmp.Diff(app.OperationPlan{Keys: []string{"weight"}, Quoted: []string{"a:b:c"}}, list[0].Plan); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	mustRead(t, d, func(r app.Reader) error {
		if _, err := r.Circuits().GateOf(99, "owner"); app.CodeOf(err) != app.CodeInternal {
			t.Errorf("a circuit that no row can refer to: got %v, want a fault", err)
		}
		return nil
	})
}

// failingStore answers writes with an error after the first n.
type failingStore struct {
	app.Store
	left int
	err  error
}

// Write implements app.Store.
func (f *failingStore) Write(ctx context.Context, fn func(tx app.Tx) error) error {
	if f.left--; f.left < 0 {
		return f.err
	}
	return f.Store.Write(ctx, fn)
}

// An error of the server ends a batch: what was pushed before it stays and is
// reported so, what it hit and what is behind it carries the error.
func TestPushBatchThatBreaksOff(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	broken := errors.New("the disk is gone")
	store := &failingStore{Store: d, left: 1, err: broken}
	s, c, dfids := operationsService(t, store, d, 100)
	results, err := s.PushBatch(context.Background(), app.Actor{UserID: "member"}, c.ID, dfids)
	if err != nil {
		t.Fatal(err)
	}
	done := 0
	for i, r := range results {
		if r.Err == nil && done == i {
			done++
		} else if !errors.Is(r.Err, broken) {
			t.Errorf("result %d: got %v, want the error", i, r.Err)
		}
	}
	if done != 32 {
		t.Errorf("%d were pushed, want the first 32", done)
	}
	mustRead(t, d, func(r app.Reader) error {
		ops, err := r.Operations().List(app.OperationFilter{CircuitRow: c.Row}, app.Page{Limit: 200})
		if len(ops) != done {
			t.Errorf("%d operations, want %d", len(ops), done)
		}
		return err
	})
	if _, err := s.PushBatch(context.Background(), app.Actor{UserID: "member"}, c.ID, dfids); !errors.Is(err, broken) {
		t.Errorf("nothing was done: got %v, want the error", err)
	}
}
