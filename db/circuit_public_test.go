package db

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// Held finds the places of the items of one circuit, over several statements.
func TestHeld(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	here, there := testCircuit(1, "u"), testCircuit(2, "u")
	var asked []string
	want := map[string]int64{}
	mustWrite(t, d, func(tx app.Tx) error {
		for _, c := range []*app.Circuit{here, there} {
			if err := tx.Circuits().Insert(c); err != nil {
				return err
			}
		}
		for n := range 150 {
			it, circuit := tracedItem("u", n+1), here
			if n%3 == 0 {
				circuit = there
			}
			if err := tx.Items().Insert(it); err != nil {
				return err
			}
			if err := tx.Circuits().PutItem(place(circuit, it, n%2 == 0)); err != nil {
				return err
			}
			asked = append(asked, it.DFID)
			if circuit == here {
				want[it.DFID] = it.Row
			}
		}
		return nil
	})
	mustRead(t, d, func(r app.Reader) error {
		got, err := r.Circuits().Held(here.Row, append(asked, "DFID-20250301-999999-X", asked[1]))
		if len(got) != len(want) {
			t.Errorf("got %d places, want %d", len(got), len(want))
		}
		for dfid, row := range want {
			if got[dfid].ItemRow != row || got[dfid].CircuitRow != here.Row || got[dfid].DFID != dfid {
				t.Errorf("%s: got %+v, want row %d", dfid, got[dfid], row)
			}
		}
		return err
	})
}

// Public gives of each item the newest events that a circuit's page shows, and
// counts all of them.
func TestPublicEvents(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	c := testCircuit(1, "u")
	elsewhere := fixedID(77)
	var dfids []string
	mustWrite(t, d, func(tx app.Tx) error {
		if err := tx.Circuits().Insert(c); err != nil {
			return err
		}
		n := 0
		for i := range 70 { // more than one statement takes
			it := tracedItem("u", i+1)
			dfids = append(dfids, it.DFID)
			if err := tx.Items().Insert(it); err != nil {
				return err
			}
			if err := tx.Circuits().PutItem(place(c, it, i%2 == 0)); err != nil {
				return err
			}
			add := func(source string, edit func(e *app.Event)) error {
				n++
				e := testEvent(1000+n, it.DFID, testTime.Add(time.Duration(n/2)*time.Second))
				e.Visibility, e.Source, e.Metadata = app.VisibilityPublic, source, nil
				edit(e)
				return tx.Events().Insert(e)
			}
			in := func(id uuid.UUID) map[string]json.RawMessage {
				return map[string]json.RawMessage{"circuit_id": json.RawMessage(`"` + id.String() + `"`)}
			}
			for _, err := range []error{
				add("bare", func(*app.Event) {}),
				add("here", func(e *app.Event) { e.Metadata = in(c.ID) }),
				add("pushed here", func(e *app.Event) { e.PushedToCircuit = &c.ID }),
				add("elsewhere", func(e *app.Event) { e.Metadata, e.PushedToCircuit = in(elsewhere), &elsewhere }),
				add("encrypted here", func(e *app.Event) { e.Metadata, e.Encrypted = in(c.ID), true }),
				add("private here", func(e *app.Event) { e.Metadata, e.Visibility = in(c.ID), app.VisibilityPrivate }),
			} {
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	for _, tt := range []struct {
		name           string
		encrypted      bool
		perItem, count int
		whole, part    []string
	}{
		{"plain", false, 100, 35*4 + 35*2, []string{"elsewhere", "pushed here", "here", "bare"}, []string{"pushed here", "here"}},
		{"encrypted too", true, 100, 35*5 + 35*3, []string{"encrypted here", "elsewhere", "pushed here", "here", "bare"}, []string{"encrypted here", "pushed here", "here"}},
		{"the newest", false, 1, 35*4 + 35*2, []string{"elsewhere"}, []string{"pushed here"}},
	} {
		mustRead(t, d, func(r app.Reader) error {
			got, count, err := r.Events().Public(app.PublicEvents{
				CircuitRow: c.Row, CircuitID: c.ID.String(), DFIDs: dfids, Encrypted: tt.encrypted, PerItem: tt.perItem,
			})
			if err != nil {
				return err
			}
			if count != tt.count {
				t.Errorf("%s: %d counted, want %d", tt.name, count, tt.count)
			}
			for i, dfid := range dfids {
				var sources []string
				for _, e := range got[dfid] {
					sources = append(sources, e.Source)
				}
				want := tt.whole
				if i%2 == 1 {
					want = tt.part
				}
				if !slices.Equal(sources, want) {
					t.Errorf("%s, item %d: got %v, want %v", tt.name, i, sources, want)
				}
			}
			return nil
		})
	}
	mustRead(t, d, func(r app.Reader) error {
		got, count, err := r.Events().Public(app.PublicEvents{CircuitRow: c.Row + 1, CircuitID: c.ID.String(), DFIDs: dfids, PerItem: 9})
		if len(got) != 0 || count != 0 {
			t.Errorf("another circuit: got %s, %d, want nothing", fmt.Sprint(got), count)
		}
		return err
	})
}
