package db

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// Many circuits at once are what each is by itself, with the cache and without,
// and the statements do not grow with what is inside them.
func TestCircuitsAtOnce(t *testing.T) {
	t.Parallel()
	for _, cached := range []bool{true, false} {
		t.Run(fmt.Sprintf("cache %t", cached), func(t *testing.T) {
			t.Parallel()
			d := engineDB(t, func(o *Options) { o.Cache.Enabled = cached })
			const n = 70 // more than one chunk
			ids := make([]uuid.UUID, n)
			mustWrite(t, d, func(tx app.Tx) error {
				for i := range n {
					if err := insertFullCircuit(tx, i, &ids[i]); err != nil {
						return err
					}
				}
				return nil
			})
			asked := append([]uuid.UUID{uuid.New()}, ids...) // one is unknown
			asked = append(asked, ids[3])                    // and one asked for twice
			for range 2 {
				got, err := d.Circuits(t.Context(), asked)
				if err != nil {
					t.Fatal(err)
				}
				if len(got) != n+1 {
					t.Fatalf("got %d circuits, want %d", len(got), n+1)
				}
				for i, id := range asked[1:] {
					var want *app.Circuit
					mustRead(t, d, func(r app.Reader) (err error) {
						want, err = r.Circuits().ByID(id)
						return err
					})
					if diff := cmp.Diff(want, got[i]); diff != "" {
						t.Fatalf("circuit %d (-one by one +at once):\n%s", i, diff)
					}
				}
			}
			mustRead(t, d, func(r app.Reader) error {
				s := r.(readStores).s
				before := s.queries
				_, err := circuits{s}.byIDs([]string{ids[0].String(), ids[40].String(), ids[69].String()})
				if took := s.queries - before; took != 5 {
					t.Errorf("three circuits: %d statements, want 5", took)
				}
				return err
			})
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := d.Circuits(gone, ids); err == nil {
				t.Error("a caller who is gone: got no error")
			}
			if _, err := d.Circuits(t.Context(), make([]uuid.UUID, maxCircuits+1)); err == nil {
				t.Error("too many: got no error")
			}
		})
	}
}

// insertFullCircuit stores the i-th circuit with i members, roles, published
// items and requests.
func insertFullCircuit(tx app.Tx, i int, id *uuid.UUID) error {
	*id = uuid.New()
	c := &app.Circuit{
		ID: *id, Name: fmt.Sprint(i), OwnerID: "u", DefaultNamespace: "generic", Status: app.CircuitActive,
		CreatedAt: testTime, ModifiedAt: testTime, Adapter: app.CircuitAdapter{ConfiguredBy: "u", ConfiguredAt: testTime},
	}
	for k := range i % 5 {
		c.Members = append(c.Members, app.CircuitMember{
			UserID: fmt.Sprint("z", 9-k), Role: app.RoleMember, Permissions: app.RolePermissions(app.RoleMember), JoinedAt: testTime,
		})
		c.Roles = append(c.Roles, app.CustomRole{ID: uuid.New(), Name: fmt.Sprint("r", 9-k), Permissions: []app.Permission{}, CreatedAt: testTime})
	}
	if err := tx.Circuits().Insert(c); err != nil {
		return err
	}
	for k := range i % 4 {
		it := tracedItem("u", 100*i+k+1)
		if err := tx.Items().Insert(it); err != nil {
			return err
		}
		if err := tx.Circuits().Publish(c.Row, it.Row, testTime.Add(time.Duration(-k))); err != nil {
			return err
		}
		err := tx.JoinRequests().Insert(app.JoinRequest{
			CircuitRow: c.Row, RequesterID: fmt.Sprint("q", 9-k), Status: app.JoinPending, RequestedAt: testTime,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
