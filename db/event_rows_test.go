package db

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/defarm-repo/defarm/app"
)

func testEvent(n int, dfid string, at time.Time) *app.Event {
	return &app.Event{
		ID: fixedID(n), DFID: dfid, Type: app.EventEnriched, At: at, Source: "user-1",
		Metadata:   map[string]json.RawMessage{"peso": json.RawMessage("412.5"), "n": json.RawMessage("1.0")},
		Visibility: app.VisibilityCircuitOnly, ContentHash: fmt.Sprintf("c%d", n), LeafHash: fmt.Sprintf("l%d", n),
	}
}

func TestEventRoundTrip(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	local, circuit := fixedID(50), fixedID(51)
	full := testEvent(1, "DFID-1", testTime)
	full.Encrypted, full.Local, full.LocalEventID, full.PushedToCircuit = true, true, &local, &circuit
	bare := testEvent(2, "DFID-1", testTime.Add(time.Nanosecond))
	bare.Metadata = nil
	mustWrite(t, d, func(tx app.Tx) error {
		if err := tx.Events().Insert(full); err != nil {
			return err
		}
		return tx.Events().Insert(bare)
	})
	mustRead(t, d, func(r app.Reader) error {
		got, err := r.Events().ByItem("DFID-1", app.Page{Limit: 10})
		if diff := cmp.Diff([]*app.Event{bare, full}, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		return err
	})
	err := d.Write(context.Background(), func(tx app.Tx) error { return tx.Events().Insert(testEvent(1, "DFID-2", testTime)) })
	if app.CodeOf(err) != app.CodeConflict {
		t.Errorf("second event with that id: %v, want a conflict", err)
	}
}

func TestEventLists(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	// Three items; within an item two events share an instant.
	var want = map[string][]string{}
	mustWrite(t, d, func(tx app.Tx) error {
		n := 0
		for item := range 100 {
			dfid := fmt.Sprintf("DFID-%d", item)
			for k := range 3 {
				n++
				e := testEvent(n, dfid, testTime.Add(time.Duration(k/2)*time.Second))
				if err := tx.Events().Insert(e); err != nil {
					return err
				}
				want[dfid] = append([]string{e.LeafHash}, want[dfid]...) // newest first, the later one first
			}
		}
		return nil
	})
	leaves := func(es []*app.Event) (out []string) {
		for _, e := range es {
			out = append(out, e.LeafHash)
		}
		return out
	}
	mustRead(t, d, func(r app.Reader) error {
		for _, p := range []app.Page{{Limit: 10}, {Limit: 2}, {Limit: 2, Offset: 1}, {Limit: 5, Offset: 3}} {
			got, err := r.Events().ByItem("DFID-7", p)
			if err != nil {
				return err
			}
			all := want["DFID-7"]
			from := min(p.Offset, len(all))
			if diff := cmp.Diff(all[from:min(from+p.Limit, len(all))], leaves(got), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("ByItem %+v (-want +got):\n%s", p, diff)
			}
		}
		asked := []string{"DFID-none"}
		for dfid := range want {
			asked = append(asked, dfid, dfid) // twice: given once
		}
		byItem, err := r.Events().ByItems(asked)
		if err != nil {
			return err
		}
		got := map[string][]string{}
		for dfid, es := range byItem {
			if len(es) > 0 {
				got[dfid] = leaves(es)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ByItems (-want +got):\n%s", diff)
		}
		all, err := r.Events().Leaves("DFID-7")
		if diff := cmp.Diff(want["DFID-7"], all, cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" {
			t.Errorf("Leaves (-want +got):\n%s", diff)
		}
		return err
	})
}

func TestEventLeaf(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	mustWrite(t, d, func(tx app.Tx) error { return tx.Events().Insert(testEvent(1, "DFID-1", testTime)) })
	mustRead(t, d, func(r app.Reader) error {
		leaf, err := r.Events().Leaf("DFID-1", fixedID(1))
		if err != nil || leaf != "l1" {
			t.Errorf("Leaf = %q, %v, want l1", leaf, err)
		}
		_, err = r.Events().Leaf("DFID-2", fixedID(1)) // another item's event
		wantReason(t, err, app.ReasonEventNotFound)
		_, err = r.Events().Leaf("DFID-1", fixedID(2))
		wantReason(t, err, app.ReasonEventNotFound)
		return nil
	})
}
