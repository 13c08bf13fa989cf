package db

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/defarm-repo/defarm/app"
)

func testRecord(it *app.Item, cid string, at time.Time, active bool) app.StorageRecord {
	pinned := true
	return app.StorageRecord{
		ItemRow: it.Row, AdapterType: app.AdapterIPFS, Location: app.StorageLocation{IPFS: &app.IPFSLocation{CID: cid, Pinned: true}},
		StoredAt: at, TriggeredBy: "circuit_push", CircuitID: fixedID(5).String(), UserID: "u", Active: active,
		Metadata: app.StorageMetadata{Network: "unknown", IPFSCID: cid, IPFSPinned: &pinned},
	}
}

// TestOneActiveRecord checks that a new active record ends the one before it,
// and nobody else's.
func TestOneActiveRecord(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	a, b := tracedItem("u", 1), tracedItem("u", 2)
	records := []app.StorageRecord{}
	mustWrite(t, d, func(tx app.Tx) error {
		for _, it := range []*app.Item{a, b} {
			if err := tx.Items().Insert(it); err != nil {
				return err
			}
		}
		records = append(records,
			testRecord(a, "Qm1", testTime, true), testRecord(b, "Qm2", testTime, true),
			testRecord(a, "Qm3", testTime.Add(time.Second), true), testRecord(a, "Qm1", testTime.Add(2*time.Second), false))
		for _, r := range records {
			if err := tx.Storage().InsertRecord(r); err != nil {
				return err
			}
		}
		return nil
	})
	records[0].Active = false
	mustRead(t, d, func(r app.Reader) error {
		ignoreRow := cmpopts.IgnoreFields(app.StorageRecord{}, "Row")
		got, err := r.Storage().ByItem(a.Row, app.Page{Limit: 10})
		if err != nil {
			return err
		}
		if diff := cmp.Diff([]app.StorageRecord{records[3], records[2], records[0]}, got, ignoreRow); diff != "" {
			t.Errorf("records of a (-want +got):\n%s", diff)
		}
		if got, err = r.Storage().ByItem(a.Row, app.Page{Limit: 1, Offset: 1}); err != nil {
			return err
		}
		if diff := cmp.Diff(records[2:3], got, ignoreRow); diff != "" {
			t.Errorf("second page of a (-want +got):\n%s", diff)
		}
		if got, err = r.Storage().ByCID("Qm1"); err != nil {
			return err
		}
		if diff := cmp.Diff([]app.StorageRecord{records[3], records[0]}, got, ignoreRow); diff != "" {
			t.Errorf("records of Qm1 (-want +got):\n%s", diff)
		}
		got, err = r.Storage().ByCID("")
		if len(got) > 0 {
			t.Errorf("records without a CID are found by it: %v", got)
		}
		return err
	})
}

func TestBlocks(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	mustWrite(t, d, func(tx app.Tx) error {
		return tx.Storage().InsertBlocks([]app.Block{{CID: "Qm1", Data: []byte{0, 1, 255}}, {CID: "Qm2", Data: []byte{}}})
	})
	// The same block again, as every second item has one: it is left alone.
	mustWrite(t, d, func(tx app.Tx) error {
		return tx.Storage().InsertBlocks([]app.Block{{CID: "Qm1", Data: []byte("other")}})
	})
	mustRead(t, d, func(r app.Reader) error {
		for cid, want := range map[string][]byte{"Qm1": {0, 1, 255}, "Qm2": {}} {
			got, err := r.Storage().Block(cid)
			if err != nil {
				return err
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", cid, diff)
			}
		}
		_, err := r.Storage().Block("Qm3")
		wantReason(t, err, app.ReasonBlockNotFound)
		return nil
	})
}
