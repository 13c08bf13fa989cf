package db

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// itemsDB opens a database in the test's own directory.
func itemsDB(t testing.TB) *DB {
	t.Helper()
	o := DefaultOptions(filepath.Join(t.TempDir(), "test.db"))
	o.Synchronous = "OFF"
	d, err := Open(context.Background(), o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

func mustWrite(t testing.TB, d *DB, fn func(tx app.Tx) error) {
	t.Helper()
	if err := d.Write(context.Background(), fn); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func mustRead(t testing.TB, d *DB, fn func(r app.Reader) error) {
	t.Helper()
	if err := d.Read(context.Background(), fn); err != nil {
		t.Fatalf("read: %v", err)
	}
}

func wantReason(t testing.TB, err error, want app.Reason) {
	t.Helper()
	if got := app.ReasonOf(err); got != want {
		t.Errorf("reason = %q (%v), want %q", got, err, want)
	}
}

var testTime = time.Date(2025, 3, 1, 10, 20, 30, 123456789, time.UTC)

// fixedID is a UUID that names n.
func fixedID(n int) uuid.UUID { return uuid.MustParse(fmt.Sprintf("00000000-0000-4000-8000-%012d", n)) }

func localItem(owner string, n int, ids ...app.Identifier) *app.Item {
	lid := fixedID(n)
	return &app.Item{
		DFID: app.LocalPrefix + lid.String(), LocalID: &lid, OwnerID: owner, Identifiers: ids,
		CreatedAt: testTime, ModifiedAt: testTime, SourceEntries: []uuid.UUID{fixedID(n + 1_000_000)},
		Confidence: 1, Status: app.ItemActive,
	}
}

// tracedItem is localItem after tokenization.
func tracedItem(owner string, n int, ids ...app.Identifier) *app.Item {
	it := localItem(owner, n, ids...)
	it.DFID = fmt.Sprintf("DFID-20250301-%06d-X", n)
	return it
}

func lot(key, value string) app.Identifier {
	return app.Identifier{Namespace: "generic", Key: key, Value: value, Scope: "user"}
}

// testCircuit is a circuit of owner and members.
func testCircuit(n int, owner string, members ...string) *app.Circuit {
	c := &app.Circuit{
		ID: fixedID(n + 2_000_000), Name: fmt.Sprintf("circuit %d", n), OwnerID: owner, DefaultNamespace: "generic",
		CreatedAt: testTime, ModifiedAt: testTime, Status: app.CircuitActive,
	}
	for i, u := range append([]string{owner}, members...) {
		role := app.RoleMember
		if i == 0 {
			role = app.RoleOwner
		}
		c.Members = append(c.Members, app.CircuitMember{UserID: u, Role: role, Permissions: app.RolePermissions(role), JoinedAt: testTime})
	}
	return c
}

func place(c *app.Circuit, it *app.Item, whole bool, quoted ...string) app.CircuitItem {
	return app.CircuitItem{
		CircuitRow: c.Row, ItemRow: it.Row, DFID: it.DFID, PushedBy: c.OwnerID, PushedAt: testTime,
		Permissions: []string{"read"}, Whole: whole, Quoted: quoted,
	}
}

var sameItem = cmp.Options{cmpopts.IgnoreUnexported(app.Item{}), cmpopts.EquateEmpty()}

func fullItem() *app.Item {
	it := tracedItem("user-1", 7,
		app.Identifier{Namespace: "bovino", Key: "sisbov", Value: "BR123456789012", Canonical: true, Verified: true, VerifiedAt: testTime},
		app.Identifier{Namespace: "bovino", Key: "rfid", Value: "076000000000001", Canonical: true},
		app.Identifier{Key: "brinco \"ção\"\n", Value: "L-7", Scope: "user"})
	it.WorkspaceID, it.LegacyMode, it.Fingerprint = "ws-1", true, "ff00"
	it.Aliases = []app.ExternalAlias{{Scheme: "user:u", Value: "v", IssuerID: "u", IssuedAt: testTime, EvidenceHash: "aa"}}
	it.Data = map[string]json.RawMessage{"peso": json.RawMessage("450.0"), "n": json.RawMessage("18446744073709551615"), "o": json.RawMessage(`{"a":[1,"é"]}`)}
	it.Provenance = map[string]app.Provenance{"peso": {UserID: "user-1", CircuitID: fixedID(3).String(), At: testTime}}
	it.SourceEntries = []uuid.UUID{fixedID(1), fixedID(2)}
	it.Confidence, it.Status, it.MergedInto = 0.25, app.ItemMergedInto, fixedID(9).String()
	it.MerkleRoot, it.EventCount = "ab", 3
	return it
}

func TestItemRoundTrip(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	want, bare := fullItem(), localItem("user-2", 8)
	bare.LocalID, bare.SourceEntries = nil, nil
	mustWrite(t, d, func(tx app.Tx) error {
		if err := tx.Items().Insert(want); err != nil {
			return err
		}
		return tx.Items().Insert(bare)
	})
	if want.Row == 0 || bare.Row <= want.Row {
		t.Fatalf("rows = %d, %d, want them to rise", want.Row, bare.Row)
	}
	mustRead(t, d, func(r app.Reader) error {
		for _, it := range []*app.Item{want, bare} {
			byDFID, err := r.Items().ByDFID(it.DFID)
			if err != nil {
				return err
			}
			byRow, err := r.Items().ByRow(it.Row)
			if err != nil {
				return err
			}
			if diff := cmp.Diff(it, byDFID, sameItem); diff != "" {
				t.Errorf("ByDFID(%s) (-want +got):\n%s", it.DFID, diff)
			}
			if diff := cmp.Diff(byDFID, byRow, sameItem); diff != "" {
				t.Errorf("ByRow(%d) differs from ByDFID:\n%s", it.Row, diff)
			}
		}
		_, err := r.Items().ByDFID("DFID-x")
		wantReason(t, err, app.ReasonItemNotFound)
		_, err = r.Items().ByRow(99)
		wantReason(t, err, app.ReasonItemNotFound)
		return nil
	})
}

// TestIdentifiersText holds the hand-written encoder and the type's own one
// together.
func TestIdentifiersText(t *testing.T) {
	t.Parallel()
	want := fullItem().Identifiers
	var got, std []app.Identifier
	if err := json.Unmarshal([]byte(identifiersText(want)), &got); err != nil {
		t.Fatalf("decode own text: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("own text (-want +got):\n%s", diff)
	}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &std); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(std, got); diff != "" {
		t.Errorf("encoding/json (-std +own):\n%s", diff)
	}
}

func TestItemsByRows(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	const n = 200
	mustWrite(t, d, func(tx app.Tx) error {
		for i := range n {
			if err := tx.Items().Insert(localItem("u", i)); err != nil {
				return err
			}
		}
		return nil
	})
	for _, count := range []int{0, 1, 2, 8, 9, 64, 65, 129, n} {
		rows := make([]int64, 0, count+1)
		for i := range count {
			rows = append(rows, int64(count-i)) // backwards
		}
		rows = append(rows, n+50) // does not exist
		mustRead(t, d, func(r app.Reader) error {
			its, err := r.Items().ByRows(rows)
			if err != nil {
				return err
			}
			var got []int64
			for _, it := range its {
				got = append(got, it.Row)
			}
			if diff := cmp.Diff(rows[:count], got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("ByRows of %d (-want +got):\n%s", count, diff)
			}
			return nil
		})
	}
	s := newTestStatements(t, d)
	if s > 40 {
		t.Errorf("%d prepared statements on one reader, want a few", s)
	}
}

// newTestStatements counts the statements that are prepared on one reader.
func newTestStatements(t *testing.T, d *DB) (n int) {
	t.Helper()
	mustRead(t, d, func(r app.Reader) error {
		n = len(r.(readStores).s.stmts)
		return nil
	})
	return n
}

func TestItemUpdate(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	old := localItem("u", 1, lot("lote", "1"), lot("safra", "24"))
	mustWrite(t, d, func(tx app.Tx) error { return tx.Items().Insert(old) })

	// Fill the cache, so that a missing touch would show.
	if _, err := d.Item(context.Background(), old.DFID); err != nil {
		t.Fatal(err)
	}
	now := tracedItem("u", 1, lot("safra", "24"), lot("pasto", "3"))
	mustWrite(t, d, func(tx app.Tx) error {
		before, err := tx.Items().ByDFID(old.DFID)
		if err != nil {
			return err
		}
		return tx.Items().Update(before, now)
	})
	if _, err := d.Item(context.Background(), old.DFID); app.ReasonOf(err) != app.ReasonItemNotFound {
		t.Errorf("old key: %v, want %s", err, app.ReasonItemNotFound)
	}
	got, err := d.Item(context.Background(), now.DFID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(now, got, sameItem); diff != "" {
		t.Errorf("after update (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		key, value string
		want       int
	}{{"lote", "", 0}, {"lote", "1", 0}, {"safra", "", 1}, {"safra", "24", 1}, {"pasto", "", 1}, {"pasto", "3", 1}, {"pasto", "4", 0}} {
		mustRead(t, d, func(r app.Reader) error {
			rows, err := r.Items().VisibleRows("u", false, app.ItemFilter{IdentifierKey: c.key, IdentifierValue: c.value}, app.Page{Limit: 10})
			if len(rows) != c.want {
				t.Errorf("%s=%s finds %v, want %d", c.key, c.value, rows, c.want)
			}
			return err
		})
	}
	err = d.Write(context.Background(), func(tx app.Tx) error {
		ghost := localItem("u", 2)
		ghost.Row = 77
		return tx.Items().Update(ghost, localItem("u", 2))
	})
	wantReason(t, err, app.ReasonItemNotFound)
}

func TestItemDeleteLeavesNoIndex(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	var ids []app.Identifier
	for i := range 100 { // more than one statement of index rows
		ids = append(ids, lot("lote", fmt.Sprint(i)))
	}
	it, other := localItem("u", 1, ids...), localItem("u", 2, lot("lote", "5"))
	mustWrite(t, d, func(tx app.Tx) error {
		if err := tx.Items().Insert(it); err != nil {
			return err
		}
		return tx.Items().Insert(other)
	})
	if got := countRows(t, d, "item_identifiers"); got != 204 {
		t.Errorf("index rows = %d, want 204 (201 and 3)", got)
	}
	if _, err := d.Item(context.Background(), it.DFID); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, d, func(tx app.Tx) error { return tx.Items().Delete(it) })
	_, err := d.Item(context.Background(), it.DFID)
	wantReason(t, err, app.ReasonItemNotFound)
	if got := countRows(t, d, "item_identifiers"); got != 3 {
		t.Errorf("index rows = %d, want the other item's 3", got)
	}
	err = d.Write(context.Background(), func(tx app.Tx) error { return tx.Items().Delete(it) })
	wantReason(t, err, app.ReasonItemNotFound)
}

// countRows counts a table's rows. The name comes from tests only.
func countRows(t testing.TB, d *DB, table string) (n int) {
	t.Helper()
	mustRead(t, d, func(r app.Reader) error {
		return r.(readStores).s.row("SELECT count(*) FROM " + table).Scan(&n)
	})
	return n
}

func TestMapping(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	local, traced := localItem("u", 1), tracedItem("v", 2)
	mustWrite(t, d, func(tx app.Tx) error {
		if err := tx.Items().Insert(local); err != nil {
			return err
		}
		return tx.Items().Insert(traced)
	})
	check := func(want app.LocalMapping) {
		t.Helper()
		mustRead(t, d, func(r app.Reader) error {
			got, err := r.Items().Mapping(want.LocalID)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("mapping (-want +got):\n%s", diff)
			}
			return err
		})
	}
	check(app.LocalMapping{LocalID: fixedID(1), OwnerID: "u", Row: local.Row})

	m := app.LocalMapping{LocalID: fixedID(1), OwnerID: "u", Row: traced.Row, DFID: traced.DFID}
	mustWrite(t, d, func(tx app.Tx) error { return tx.Items().MapLocal(m) })
	check(m)

	// A folded local item is gone; its mapping stays.
	mustWrite(t, d, func(tx app.Tx) error { return tx.Items().Delete(local) })
	check(m)
	mustRead(t, d, func(r app.Reader) error {
		_, err := r.Items().Mapping(fixedID(3))
		wantReason(t, err, app.ReasonLocalItemNotFound)
		return nil
	})
	// An item that a mapping points at cannot be deleted from under it.
	if err := d.Write(context.Background(), func(tx app.Tx) error { return tx.Items().Delete(traced) }); err == nil {
		t.Error("deleting a mapped item succeeded, want a foreign key error")
	}
}

func TestNextDFID(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	draw := func(fail bool) (n uint64, err error) {
		err = d.Write(context.Background(), func(tx app.Tx) (err error) {
			n, err = tx.Items().NextDFID()
			if fail {
				return app.Invalid(app.ReasonShape, "undone")
			}
			return err
		})
		return n, err
	}
	for i, c := range []struct {
		fail bool
		want uint64
	}{{false, 1}, {false, 2}, {true, 3}, {false, 3}, {false, 4}} {
		n, err := draw(c.fail)
		if n != c.want || (err != nil) != c.fail {
			t.Errorf("draw %d = %d, %v, want %d", i, n, err, c.want)
		}
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	a, b, c := tracedItem("u", 1), tracedItem("u", 2), testCircuit(1, "u")
	mustWrite(t, d, func(tx app.Tx) error {
		for _, it := range []*app.Item{a, b} {
			if err := tx.Items().Insert(it); err != nil {
				return err
			}
		}
		if err := tx.Circuits().Insert(c); err != nil {
			return err
		}
		items := tx.Items()
		for _, claim := range []struct {
			key  string
			row  int64
			want bool
		}{{"bovino:sisbov:1", a.Row, true}, {"bovino:sisbov:1", a.Row, true}, {"bovino:sisbov:1", b.Row, false}, {"bovino:sisbov:2", b.Row, true}} {
			got, err := items.AddCanonical(claim.key, claim.row)
			if err != nil || got != claim.want {
				t.Errorf("AddCanonical(%s, %d) = %t, %v, want %t", claim.key, claim.row, got, err, claim.want)
			}
		}
		if err := items.AddFingerprint(c.Row, "f1", a.Row); err != nil {
			return err
		}
		return items.AddFingerprint(c.Row, "f1", b.Row) // the first one stays
	})
	mustRead(t, d, func(r app.Reader) error {
		for key, want := range map[string]int64{"bovino:sisbov:1": a.Row, "bovino:sisbov:2": b.Row, "bovino:sisbov:3": 0} {
			if got, err := r.Items().ByCanonical(key); err != nil || got != want {
				t.Errorf("ByCanonical(%s) = %d, %v, want %d", key, got, err, want)
			}
		}
		for fp, want := range map[string]int64{"f1": a.Row, "f2": 0} {
			if got, err := r.Items().ByFingerprint(c.Row, fp); err != nil || got != want {
				t.Errorf("ByFingerprint(%s) = %d, %v, want %d", fp, got, err, want)
			}
		}
		if got, err := r.Items().ByFingerprint(c.Row+1, "f1"); err != nil || got != 0 {
			t.Errorf("another circuit's fingerprint = %d, %v, want 0", got, err)
		}
		return nil
	})
}

func TestPublications(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	now := testTime
	later, earlier := now.Add(time.Hour), now.Add(-time.Hour)
	cases := []struct {
		name    string
		public  bool
		status  app.CircuitStatus
		face    *app.PublicSettings
		whole   bool
		publish bool
		want    bool
	}{
		{"public without settings", true, app.CircuitActive, nil, true, true, true},
		{"public mode, in part", true, app.CircuitActive, &app.PublicSettings{AccessMode: app.AccessPublic}, false, true, true},
		{"held but not published", true, app.CircuitActive, nil, true, false, false},
		{"not public", false, app.CircuitActive, nil, true, true, false},
		{"archived", true, app.CircuitArchived, nil, true, true, false},
		{"inactive", true, app.CircuitInactive, nil, true, true, true},
		{"protected", true, app.CircuitActive, &app.PublicSettings{AccessMode: app.AccessProtected}, true, true, false},
		{"scheduled, reached", true, app.CircuitActive, &app.PublicSettings{AccessMode: app.AccessScheduled, ScheduledDate: &earlier}, true, true, true},
		{"scheduled, not reached", true, app.CircuitActive, &app.PublicSettings{AccessMode: app.AccessScheduled, ScheduledDate: &later}, true, true, false},
		{"scheduled without date", true, app.CircuitActive, &app.PublicSettings{AccessMode: app.AccessScheduled}, true, true, false},
	}
	for i, c := range cases {
		it, circuit := tracedItem("u", i+1), testCircuit(i+1, "u")
		circuit.Permissions.AllowPublicVisibility, circuit.Status, circuit.Public = c.public, c.status, c.face
		mustWrite(t, d, func(tx app.Tx) error {
			if err := tx.Items().Insert(it); err != nil {
				return err
			}
			if err := tx.Circuits().Insert(circuit); err != nil {
				return err
			}
			if err := tx.Circuits().PutItem(place(circuit, it, c.whole)); err != nil || !c.publish {
				return err
			}
			return tx.Circuits().Publish(circuit.Row, it.Row, now)
		})
		mustRead(t, d, func(r app.Reader) error {
			got, err := r.Items().Publications(it.Row, now)
			if err != nil {
				return err
			}
			var want []app.Publication
			if c.want {
				want = []app.Publication{{CircuitID: circuit.ID.String(), Whole: c.whole}}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.name, diff)
			}
			published, err := r.Items().Published(it.Row, now)
			if published != c.want {
				t.Errorf("%s: Published = %t, want %t", c.name, published, c.want)
			}
			return err
		})
	}
}
