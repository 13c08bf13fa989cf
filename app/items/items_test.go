package items_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/items"
	"github.com/defarm-repo/defarm/db"
)

var now = time.Date(2025, 3, 1, 10, 20, 30, 5, time.UTC)

var (
	owner    = app.Actor{UserID: "owner", WorkspaceID: "ws", Address: "192.0.2.1", Agent: "test"}
	member   = app.Actor{UserID: "member"}
	partial  = app.Actor{UserID: "partial"}
	stranger = app.Actor{UserID: "stranger"}
	admin    = app.Actor{UserID: "admin", IsAdmin: true}
)

func start(t *testing.T, cached bool) (*items.Service, app.Store) {
	t.Helper()
	o := db.DefaultOptions(filepath.Join(t.TempDir(), "test.db"))
	o.Synchronous, o.Cache.Enabled = "OFF", cached
	d, err := db.Open(context.Background(), o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	var ids atomic.Int64
	env := app.Env{Now: func() time.Time { return now }, NewID: func() uuid.UUID { return id(int(ids.Add(1))) }}
	return items.New(d, env, nil), d
}

func id(n int) uuid.UUID { return uuid.MustParse(fmt.Sprintf("00000000-0000-4000-8000-%012d", n)) }

func write(t *testing.T, st app.Store, fn func(tx app.Tx) error) {
	t.Helper()
	if err := st.Write(context.Background(), fn); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func lot(key, value string) app.Identifier {
	return app.Identifier{Namespace: "generic", Key: key, Value: value, Scope: "user"}
}

// herd is an item of the owner's that one circuit holds whole (owner and
// member) and another in part (somebody else's, with the partial member).
type herd struct {
	item         *app.Item
	whole, parts *app.Circuit
}

func circuit(n int, owner string, members ...string) *app.Circuit {
	c := &app.Circuit{ID: id(9000 + n), Name: "c", OwnerID: owner, DefaultNamespace: "generic", Status: app.CircuitActive, CreatedAt: now, ModifiedAt: now}
	for _, u := range append([]string{owner}, members...) {
		c.Members = append(c.Members, app.CircuitMember{UserID: u, Role: app.RoleViewer, Permissions: app.RolePermissions(app.RoleViewer), JoinedAt: now})
	}
	return c
}

func seedHerd(t *testing.T, st app.Store) herd {
	t.Helper()
	h := herd{whole: circuit(1, owner.UserID, member.UserID), parts: circuit(2, "somebody", partial.UserID)}
	lid := id(8000)
	h.item = &app.Item{
		DFID: "DFID-20250301-000001-X", LocalID: &lid, OwnerID: owner.UserID, CreatedAt: now, ModifiedAt: now, Status: app.ItemActive, Confidence: 1,
		Identifiers: []app.Identifier{{Namespace: "bovino", Key: "sisbov", Value: "BR1", Canonical: true}, lot("lote", "secret")},
		Data:        map[string]json.RawMessage{"peso": json.RawMessage("450"), "obs": json.RawMessage(`"theirs"`)},
		Provenance: map[string]app.Provenance{
			"peso": {UserID: owner.UserID, CircuitID: h.whole.ID.String(), At: now},
			"obs":  {UserID: partial.UserID, CircuitID: h.parts.ID.String(), At: now},
		},
	}
	write(t, st, func(tx app.Tx) error {
		if err := tx.Items().Insert(h.item); err != nil {
			return err
		}
		if err := tx.Items().MapLocal(app.LocalMapping{LocalID: lid, OwnerID: owner.UserID, Row: h.item.Row, DFID: h.item.DFID}); err != nil {
			return err
		}
		for _, c := range []*app.Circuit{h.whole, h.parts} {
			if err := tx.Circuits().Insert(c); err != nil {
				return err
			}
		}
		p := app.CircuitItem{CircuitRow: h.whole.Row, ItemRow: h.item.Row, PushedBy: "owner", PushedAt: now, Permissions: []string{"read"}, Whole: true}
		if err := tx.Circuits().PutItem(p); err != nil {
			return err
		}
		p.CircuitRow, p.Whole, p.Quoted = h.parts.Row, false, []string{"bovino:sisbov:BR1"}
		return tx.Circuits().PutItem(p)
	})
	return h
}

// seen describes what of the herd's item somebody was shown.
func seen(it *app.Item) string {
	parts := []string{it.DFID}
	for _, id := range it.Identifiers {
		parts = append(parts, id.Key)
	}
	for _, key := range []string{"obs", "peso"} {
		if _, ok := it.Data[key]; ok {
			parts = append(parts, key)
		}
	}
	return strings.Join(parts, " ")
}

const (
	allOfIt  = "DFID-20250301-000001-X sisbov lote obs peso"
	partOfIt = "DFID-20250301-000001-X sisbov obs"
)

// TestWhoSeesWhat is the matrix of readers over every way to read an item.
func TestWhoSeesWhat(t *testing.T) {
	t.Parallel()
	for _, cached := range []bool{true, false} {
		t.Run(fmt.Sprintf("cache %t", cached), func(t *testing.T) {
			t.Parallel()
			svc, st := start(t, cached)
			h := seedHerd(t, st)
			local, err := svc.CreateLocal(context.Background(), owner, items.LocalInput{})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				name  string
				who   app.Actor
				want  string // of the traced item, "" when not seen
				local bool   // sees the owner's local item
				byLot int    // items found by the hidden identifier
			}{
				{"owner", owner, allOfIt, true, 1},
				{"member", member, allOfIt, false, 1},
				{"member of the circuit that holds a part", partial, partOfIt, false, 0},
				{"stranger", stranger, "", false, 0},
				{"nobody", app.Actor{}, "", false, 0},
				{"administrator", admin, allOfIt, true, 1},
			} {
				for range 2 { // the second time from the cache
					checkReader(t, svc, h, local, c.name, c.who, c.want, c.local, c.byLot)
				}
			}
		})
	}
}

func checkReader(t *testing.T, svc *items.Service, h herd, local *app.Item, name string, who app.Actor, want string, seesLocal bool, byLot int) {
	t.Helper()
	ctx := context.Background()
	it, err := svc.Get(ctx, who, h.item.DFID)
	if want == "" {
		if app.ReasonOf(err) != app.ReasonItemNotFound {
			t.Errorf("%s: Get = %v, %v, want %s", name, it, err, app.ReasonItemNotFound)
		}
	} else if err != nil || seen(it) != want {
		t.Errorf("%s: Get = %v, want %q", name, err, want)
	}
	if _, err := svc.Get(ctx, who, local.DFID); (err == nil) != seesLocal {
		t.Errorf("%s: Get of the local item: %v, want seen = %t", name, err, seesLocal)
	}
	list, err := svc.List(ctx, who, app.ItemFilter{}, app.Page{Limit: 100})
	if err != nil {
		t.Fatalf("%s: List: %v", name, err)
	}
	got, wantList := []string{}, []string{}
	for _, it := range list {
		got = append(got, seen(it))
	}
	if want != "" {
		wantList = append(wantList, want)
	}
	if seesLocal {
		wantList = append(wantList, local.DFID)
	}
	if diff := cmp.Diff(wantList, got); diff != "" {
		t.Errorf("%s: List (-want +got):\n%s", name, diff)
	}
	list, err = svc.List(ctx, who, app.ItemFilter{IdentifierKey: "lote"}, app.Page{Limit: 100})
	if err != nil || len(list) != byLot {
		t.Errorf("%s: found %d items by lote, %v, want %d", name, len(list), err, byLot)
	}
	m, err := svc.Mapping(ctx, who, *h.item.LocalID)
	if want != "" && (err != nil || m.DFID != h.item.DFID) {
		t.Errorf("%s: Mapping = %+v, %v, want %s", name, m, err, h.item.DFID)
	}
	if want == "" && (app.ReasonOf(err) != app.ReasonLocalItemNotFound || m != app.LocalMapping{}) {
		t.Errorf("%s: Mapping = %+v, %v, want %s", name, m, err, app.ReasonLocalItemNotFound)
	}
	m, err = svc.Mapping(ctx, who, *local.LocalID)
	if (err == nil) != seesLocal || m.DFID != "" {
		t.Errorf("%s: Mapping of the local item = %+v, %v, want seen = %t", name, m, err, seesLocal)
	}
}

func TestCreateLocal(t *testing.T) {
	t.Parallel()
	svc, _ := start(t, true)
	ctx := context.Background()
	in := items.LocalInput{
		Identifiers: []app.Identifier{lot("lote", "1"), {Key: "brinco", Value: "2", Scope: "user"}},
		Data:        map[string]json.RawMessage{"peso": json.RawMessage("1.0")},
	}
	made, err := svc.CreateLocal(ctx, owner, in)
	if err != nil {
		t.Fatal(err)
	}
	it, err := svc.Get(ctx, owner, made.DFID)
	if err != nil {
		t.Fatal(err)
	}
	if it.DFID != app.LocalPrefix+made.LocalID.String() || *it.LocalID != *made.LocalID {
		t.Errorf("item is %s of local id %s, want LID-%s", it.DFID, it.LocalID, made.LocalID)
	}
	if it.OwnerID != "owner" || it.WorkspaceID != "ws" || it.Status != app.ItemActive || it.Confidence != 1 || it.LegacyMode ||
		len(it.SourceEntries) != 1 || !it.CreatedAt.Equal(now) || !it.ModifiedAt.Equal(now) || it.EventCount != 0 {
		t.Errorf("stored %+v", it)
	}
	if diff := cmp.Diff(in.Identifiers, it.Identifiers); diff != "" {
		t.Errorf("identifiers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(in.Data, it.Data); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
	again, err := svc.CreateLocal(ctx, owner, in)
	if err != nil || again.DFID == made.DFID {
		t.Errorf("the same again gives %v, %v, want another item", again, err)
	}
}

func TestCreateLocalRefuses(t *testing.T) {
	t.Parallel()
	svc, _ := start(t, true)
	many := make([]app.Identifier, app.MaxIdentifiers+1)
	for i := range many {
		many[i] = lot("k", fmt.Sprint(i))
	}
	for _, c := range []struct {
		name string
		ids  []app.Identifier
		want app.Reason
	}{
		{"too many", many, app.ReasonTooManyElements},
		{"as many as allowed", many[:app.MaxIdentifiers], ""},
		{"long key", []app.Identifier{lot(strings.Repeat("k", 1025), "v")}, app.ReasonForbiddenText},
		{"longest key", []app.Identifier{lot(strings.Repeat("k", 1024), "v")}, ""},
		{"U+0000", []app.Identifier{lot("k", "a\x00b")}, app.ReasonForbiddenText},
	} {
		before, err := svc.List(context.Background(), owner, app.ItemFilter{}, app.Page{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		_, err = svc.CreateLocal(context.Background(), owner, items.LocalInput{Identifiers: c.ids})
		if got := app.ReasonOf(err); got != c.want || (err == nil) != (c.want == "") {
			t.Errorf("%s: %v, want reason %q", c.name, err, c.want)
		}
		after, err := svc.List(context.Background(), owner, app.ItemFilter{}, app.Page{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		want := len(before)
		if c.want == "" {
			want++
		}
		if len(after) != want {
			t.Errorf("%s: %d items, want %d", c.name, len(after), want)
		}
	}
}

// TestPartBecomesWhole shows that what a member sees follows his circuits at
// once, whatever is cached.
func TestPartBecomesWhole(t *testing.T) {
	t.Parallel()
	svc, st := start(t, true)
	h := seedHerd(t, st)
	ctx := context.Background()
	if _, err := svc.Get(ctx, partial, h.item.DFID); err != nil {
		t.Fatal(err)
	}
	// The circuit comes to hold the whole item: the part becomes all of it.
	write(t, st, func(tx app.Tx) error {
		return tx.Circuits().PutItem(app.CircuitItem{CircuitRow: h.parts.Row, ItemRow: h.item.Row, PushedBy: "owner", PushedAt: now, Whole: true})
	})
	it, err := svc.Get(ctx, partial, h.item.DFID)
	if err != nil || seen(it) != allOfIt {
		t.Errorf("after the whole item came: %v, %v, want %q", it, err, allOfIt)
	}
}
