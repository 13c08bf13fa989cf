package db

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// What a record holds comes back as it was stored, byte for byte: null is not
// the same as nothing.
func TestLocalMergeRows(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	master, first, second := localItem("maria", 1), localItem("maria", 2), localItem("maria", 3)
	a := &app.LocalMerge{
		MasterID: *master.LocalID, Strategy: app.MergeAppend, MergedBy: "maria", MergedAt: testTime,
		Changes: app.LocalChanges{
			Data: map[string]app.KeyChange{
				"null":   {Given: app.KeyState{Value: json.RawMessage("null")}, Before: &app.KeyState{}},
				"\u2028": {Given: app.KeyState{Value: json.RawMessage("\"<\u2028&>\""), From: &app.Provenance{UserID: "u", CircuitID: "c", At: testTime}}},
				"before": {Given: app.KeyState{Value: json.RawMessage("18446744073709551615")}, Before: &app.KeyState{Value: json.RawMessage("null"), From: &app.Provenance{UserID: "u", At: testTime}}},
			},
			Identifiers:   []app.Identifier{lot("lote", "1"), {Namespace: "bovino", Key: "sisbov", Value: "1", Canonical: true, Verified: true, VerifiedAt: testTime}},
			SourceEntries: []uuid.UUID{fixedID(7)},
		},
	}
	b := &app.LocalMerge{MasterID: *master.LocalID, Strategy: app.MergeKeepFirst, MergedBy: "maria", MergedAt: testTime}
	mustWrite(t, d, func(tx app.Tx) error {
		for _, it := range []*app.Item{master, first, second} {
			if err := tx.Items().Insert(it); err != nil {
				return err
			}
		}
		a.MergedRow, b.MergedRow = first.Row, second.Row
		if err := tx.LocalMerges().Insert(a); err != nil {
			return err
		}
		return tx.LocalMerges().Insert(b)
	})
	want := func(name string, records ...*app.LocalMerge) {
		t.Helper()
		mustRead(t, d, func(r app.Reader) error {
			got, err := r.LocalMerges().ByMaster(*master.LocalID)
			if diff := cmp.Diff(records, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
			return err
		})
	}
	want("stored", a, b)
	err := d.Write(t.Context(), func(tx app.Tx) error { again := *a; return tx.LocalMerges().Insert(&again) })
	if app.CodeOf(err) != app.CodeConflict {
		t.Errorf("a second merge of one item: got %v, want a conflict", err)
	}
	b.Changes.SourceEntries = []uuid.UUID{fixedID(8)}
	mustWrite(t, d, func(tx app.Tx) error { return tx.LocalMerges().Update(b) })
	want("updated", a, b)
	mustWrite(t, d, func(tx app.Tx) error { return tx.LocalMerges().Delete(a) })
	want("deleted", b)
}

// What cannot be stored or read is an error of the row, with its number.
func TestBrokenLocalMergeRows(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	it := localItem("maria", 1, app.Identifier{Key: "sisbov", Value: "1", Canonical: true})
	m := &app.LocalMerge{MasterID: *it.LocalID}
	broken := &app.LocalMerge{Changes: app.LocalChanges{Data: map[string]app.KeyChange{"k": {Given: app.KeyState{Value: json.RawMessage("{")}}}}}
	mustWrite(t, d, func(tx app.Tx) error {
		if err := tx.Items().Insert(it); err != nil {
			return err
		}
		m.MergedRow = it.Row
		for name, err := range map[string]error{"insert": tx.LocalMerges().Insert(broken), "update": tx.LocalMerges().Update(broken)} {
			if err == nil {
				t.Errorf("%s of what is no JSON: no error", name)
			}
		}
		return tx.LocalMerges().Insert(m)
	})
	for _, tt := range []struct {
		name, statement string
		read            func(app.LocalMergeReads) error
	}{
		{"time", `UPDATE local_merges SET merged_at = 'x'`, func(r app.LocalMergeReads) error { _, err := r.ByMaster(*it.LocalID); return err }},
		{"changes", `UPDATE local_merges SET merged_at = 0, changes = '{'`, func(r app.LocalMergeReads) error { _, err := r.ByMaster(*it.LocalID); return err }},
		{"master", `UPDATE local_merges SET changes = '{}', master_id = 'x'`, func(r app.LocalMergeReads) error {
			_, err := collect(r.(localMerges).s, scanLocalMerge, localMergesByMaster, "x")
			return err
		}},
		{"identifiers", `UPDATE items SET identifiers = '['`, func(r app.LocalMergeReads) error { _, err := r.Names("maria", 9); return err }},
		{"local id", `UPDATE items SET local_id = 'x'`, func(r app.LocalMergeReads) error { _, err := r.Names("maria", 9); return err }},
	} {
		mustWrite(t, d, func(tx app.Tx) error {
			if _, err := tx.(stores).s.exec(tt.statement); err != nil {
				return err
			}
			if err := tt.read(tx.LocalMerges()); err == nil || app.CodeOf(err) != app.CodeInternal {
				t.Errorf("%s: got %v, want an error of ours", tt.name, err)
			}
			return nil
		})
	}
}

// A failing connection is reported by every statement.
func TestLocalMergesOnAFailingConnection(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	gone := errors.New("gone")
	mustWrite(t, d, func(tx app.Tx) error {
		s, m := tx.(stores).s, &app.LocalMerge{}
		s.failed = gone
		defer func() { s.failed = nil }()
		_, byMaster := tx.LocalMerges().ByMaster(fixedID(1))
		_, names := tx.LocalMerges().Names("maria", 1)
		for name, err := range map[string]error{
			"by master": byMaster, "names": names, "insert": tx.LocalMerges().Insert(m),
			"update": tx.LocalMerges().Update(m), "delete": tx.LocalMerges().Delete(m),
		} {
			if !errors.Is(err, gone) {
				t.Errorf("%s: got %v, want %v", name, err, gone)
			}
		}
		return nil
	})
}

// Names are the account's active local items with a canonical identifier, among
// the oldest that may be looked at.
func TestLocalNames(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	tag := func(value string) app.Identifier {
		return app.Identifier{Namespace: "bovino", Key: "sisbov", Value: value, Canonical: true}
	}
	merged := localItem("maria", 3, tag("3"))
	merged.Status = app.ItemMergedInto
	mustWrite(t, d, func(tx app.Tx) error {
		for _, it := range []*app.Item{
			localItem("maria", 1, lot("lote", "1"), tag("1"), tag("x")), localItem("joao", 2, tag("2")), merged,
			tracedItem("maria", 4, tag("4")), localItem("maria", 5, lot("lote", "5")), localItem("maria", 6), localItem("maria", 7, tag("7")),
		} {
			if err := tx.Items().Insert(it); err != nil {
				return err
			}
		}
		return nil
	})
	for most, want := range map[int][]app.LocalName{
		0: nil,
		1: {{Row: 1, LocalID: fixedID(1), Canonical: tag("1")}},
		4: {{Row: 1, LocalID: fixedID(1), Canonical: tag("1")}},
		5: {{Row: 1, LocalID: fixedID(1), Canonical: tag("1")}, {Row: 7, LocalID: fixedID(7), Canonical: tag("7")}},
	} {
		mustRead(t, d, func(r app.Reader) error {
			got, err := r.LocalMerges().Names("maria", most)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("of %d items (-want +got):\n%s", most, diff)
			}
			return err
		})
	}
}
