package items_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/items"
)

var earTag = app.Identifier{Namespace: "bovino", Key: "sisbov", Value: "BR076123456789", Canonical: true}

// localItem is a local item of the owner's that is not stored yet.
func localItem(n int, edits ...func(*app.Item)) *app.Item {
	lid := id(n)
	it := &app.Item{
		DFID: app.LocalPrefix + lid.String(), LocalID: &lid, OwnerID: owner.UserID, Identifiers: []app.Identifier{earTag},
		CreatedAt: now, ModifiedAt: now, SourceEntries: []uuid.UUID{id(n + 100_000)}, Confidence: 1, Status: app.ItemActive,
	}
	for _, edit := range edits {
		edit(it)
	}
	return it
}

// bytesOf is data with a value of that many bytes.
func bytesOf(key string, n int) func(*app.Item) {
	return func(it *app.Item) {
		it.Data = map[string]json.RawMessage{key: json.RawMessage(strings.Repeat("1", n))}
	}
}

func storeItems(t *testing.T, st app.Store, its ...*app.Item) {
	t.Helper()
	write(t, st, func(tx app.Tx) error {
		for _, it := range its {
			if err := tx.Items().Insert(it); err != nil {
				return err
			}
		}
		return nil
	})
}

func mergeItems(svc *items.Service, strategy app.MergeStrategy, master int, merge ...int) error {
	in := items.MergeLocalInput{Master: id(master), Strategy: strategy}
	for _, n := range merge {
		in.Merge = append(in.Merge, id(n))
	}
	_, err := svc.MergeLocal(context.Background(), owner, in)
	return err
}

func wantRefusal(t *testing.T, name string, err error, text string) {
	t.Helper()
	if app.ReasonOf(err) != app.ReasonLocalMerge || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: got %v, want %q", name, err, text)
	}
}

// The bounds of a merge hold to the last byte, and what goes beyond them
// changes nothing.
func TestMergeLocalBounds(t *testing.T) {
	t.Parallel()
	svc, st := start(t, true)
	const mega = 1 << 20
	ids := func(from, to int) func(*app.Item) {
		return func(it *app.Item) {
			it.Identifiers = nil
			for n := from; n < to; n++ {
				it.Identifiers = append(it.Identifiers, lot("k", fmt.Sprint(n)))
			}
		}
	}
	storeItems(t, st,
		localItem(1, ids(0, 500)), localItem(2, ids(0, 1000)), localItem(3, ids(1000, 1001)),
		localItem(11, bytesOf("a", 2*mega)), localItem(12, bytesOf("b", 2*mega-2)), localItem(13, bytesOf("c", 1)),
		localItem(20), localItem(21, bytesOf("k", 4*mega-1)), localItem(22, bytesOf("k", 4*mega-1)), localItem(23, bytesOf("k", 4*mega-1)), localItem(24, bytesOf("k", 4*mega-1)), localItem(25, bytesOf("k", 3)),
	)
	if err := mergeItems(svc, "", 1); app.ReasonOf(err) != app.ReasonMergeInput {
		t.Errorf("nothing to merge: got %v, want %s", err, app.ReasonMergeInput)
	}
	if err := mergeItems(svc, app.MergeAppend, 1, 2); err != nil {
		t.Errorf("as many identifiers as an item carries: %v", err)
	}
	wantRefusal(t, "one identifier more", mergeItems(svc, app.MergeAppend, 1, 3), "the result would have more than 1000 identifiers")
	if err := mergeItems(svc, app.MergeAppend, 11, 12); err != nil {
		t.Errorf("as much data as an item holds: %v", err)
	}
	wantRefusal(t, "one byte more", mergeItems(svc, app.MergeAppend, 11, 13), "the result would hold more than 4194304 bytes of data")
	wantRefusal(t, "data of all items", mergeItems(svc, app.MergeKeepFirst, 20, 21, 22, 23, 24, 25), "the items hold more than 16777216 bytes of data together")
	for _, n := range []int{21, 22, 23} {
		if err := mergeItems(svc, app.MergeOverwrite, 20, n); err != nil {
			t.Errorf("merge of %d: %v", n, err)
		}
	}
	wantRefusal(t, "what the records remember", mergeItems(svc, app.MergeOverwrite, 20, 24), "more than 16777216 bytes were merged into the master item")
	if err := mergeItems(svc, app.MergeKeepFirst, 20, 24); err != nil {
		t.Errorf("without data there is nothing to remember: %v", err)
	}
	for _, n := range []int{3, 13, 25} {
		it, err := svc.Local(context.Background(), owner, id(n))
		if err != nil || it.Status != app.ItemActive {
			t.Errorf("item %d of refused merges: got %+v, %v, want it active", n, it, err)
		}
	}
}

// An edit of the master between merging and undoing stays; what was not edited
// is restored.
func TestUnmergeLocalKeepsEdits(t *testing.T) {
	t.Parallel()
	svc, st := start(t, true)
	ctx := context.Background()
	data := func(text string) func(*app.Item) {
		return func(it *app.Item) {
			if err := json.Unmarshal([]byte(text), &it.Data); err != nil {
				t.Fatal(err)
			}
		}
	}
	storeItems(t, st, localItem(1, data(`{"a":1,"b":1}`)), localItem(2, data(`{"a":2,"b":2,"c":2}`)), localItem(3, data(`{"a":3,"c":3}`)))
	for _, n := range []int{2, 3} {
		if err := mergeItems(svc, app.MergeAppend, 1, n); err != nil {
			t.Fatal(err)
		}
	}
	write(t, st, func(tx app.Tx) error {
		old, err := tx.Items().ByDFID(app.LocalPrefix + id(1).String())
		if err != nil {
			return err
		}
		it := old.Clone()
		it.Data["a"] = json.RawMessage(`"edited"`)
		return tx.Items().Update(old, it)
	})
	for _, step := range []struct {
		n    int
		want string
	}{{2, `{"a":"edited","b":1,"c":3}`}, {3, `{"a":"edited","b":1}`}} {
		u, err := svc.UnmergeLocal(ctx, owner, id(step.n))
		if err != nil || u.Master != id(1).String() || u.Item.Status != app.ItemActive || u.Item.MergedInto != "" {
			t.Fatalf("unmerge of %d: got %+v, %v", step.n, u, err)
		}
		it, err := svc.Local(ctx, owner, id(1))
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(it.Data)
		if err != nil || string(got) != step.want {
			t.Errorf("master without %d: got %s (%v), want %s", step.n, got, err, step.want)
		}
	}
}

// Rows that contradict each other are a fault of ours, not of the caller.
func TestUnmergeLocalOfBrokenRows(t *testing.T) {
	t.Parallel()
	svc, st := start(t, true)
	into := func(master string) func(*app.Item) {
		return func(it *app.Item) { it.Status, it.MergedInto = app.ItemMergedInto, master }
	}
	storeItems(t, st, localItem(1), localItem(2, into(id(1).String())), localItem(3, into("nothing")))
	for n, want := range map[int]string{2: "no record of its merge", 3: "master"} {
		_, err := svc.UnmergeLocal(context.Background(), owner, id(n))
		if app.CodeOf(err) != app.CodeInternal || !strings.Contains(err.Error(), want) {
			t.Errorf("item %d: got %v, want an internal error about %q", n, err, want)
		}
	}
}

// hookedStore calls a function before each write.
type hookedStore struct {
	app.Store
	before func(n int) error
	writes atomic.Int64
}

func (h *hookedStore) Write(ctx context.Context, fn func(tx app.Tx) error) error {
	if err := h.before(int(h.writes.Add(1))); err != nil {
		return err
	}
	return h.Store.Write(ctx, fn)
}

func organizedLines(o items.Organized) (out []string) {
	for _, g := range o.Groups {
		line := g.Master.String()[32:]
		for _, m := range g.Merged {
			line += " " + m.String()[32:]
		}
		if g.Err != nil {
			line += " refused"
		}
		out = append(out, line)
	}
	return out
}

// pairs are n groups of two duplicates.
func pairs(n int) (out []*app.Item) {
	for i := range n {
		for k := range 2 {
			out = append(out, localItem(1000+2*i+k, func(it *app.Item) { it.Identifiers[0].Value = fmt.Sprintf("BR%012d", i) }))
		}
	}
	return out
}

// A group that changed between finding and merging is merged as far as it is
// still there.
func TestOrganizeLocalRereads(t *testing.T) {
	t.Parallel()
	_, st := start(t, true)
	var its []*app.Item
	for n := 1; n <= 7; n++ {
		its = append(its, localItem(n))
	}
	gone := pairs(1)
	storeItems(t, st, slices.Concat(its, gone)...)
	change := func(n int, edit func(*app.Item)) error {
		return st.Write(context.Background(), func(tx app.Tx) error {
			old, err := tx.Items().ByRow(its[n-1].Row)
			if err != nil {
				return err
			}
			it := old.Clone()
			edit(it)
			return tx.Items().Update(old, it)
		})
	}
	hooked := &hookedStore{Store: st, before: func(int) error {
		return errors.Join(
			change(1, func(it *app.Item) { it.DFID = "DFID-20250301-000001-X" }),
			change(3, func(it *app.Item) { it.Identifiers[0].Value = "BR076999999999" }),
			change(4, func(it *app.Item) { it.Identifiers = []app.Identifier{lot("lote", "1")} }),
			change(5, func(it *app.Item) { it.Status = app.ItemDeprecated }),
			st.Write(context.Background(), func(tx app.Tx) error {
				return errors.Join(tx.Items().Delete(its[5]), tx.Items().Delete(gone[0]))
			}),
		)
	}}
	svc := items.New(hooked, app.SystemEnv(), nil)
	o, err := svc.OrganizeLocal(context.Background(), owner, items.OrganizeInput{Strategy: app.MergeAppend})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"0002 0007"}, organizedLines(o)); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if o.Before != 2 || o.Merged != 1 {
		t.Errorf("got %d items in groups and %d merged, want 2 and 1", o.Before, o.Merged)
	}
}

// Many groups go through the writer in pieces; what is done when one of them
// fails is done, and the next call goes on from there.
func TestOrganizeLocalInPieces(t *testing.T) {
	t.Parallel()
	_, st := start(t, true)
	storeItems(t, st, pairs(70)...)
	hooked := &hookedStore{Store: st, before: func(n int) error {
		if n == 2 {
			return app.Busy(app.ReasonWriterBusy)
		}
		return nil
	}}
	svc := items.New(hooked, app.SystemEnv(), nil)
	ctx := context.Background()
	if _, err := svc.OrganizeLocal(ctx, owner, items.OrganizeInput{Strategy: app.MergeAppend}); app.CodeOf(err) != app.CodeBusy {
		t.Fatalf("a busy writer: got %v", err)
	}
	d, err := svc.LocalDuplicates(ctx, owner)
	if err != nil || d.GroupCount != 38 || d.ItemCount != 76 {
		t.Fatalf("after one piece: got %d groups of %d items, %v, want 38 of 76", d.GroupCount, d.ItemCount, err)
	}
	o, err := svc.OrganizeLocal(ctx, owner, items.OrganizeInput{Strategy: app.MergeAppend})
	if err != nil || o.Merged != 38 || len(o.Groups) != 38 || hooked.writes.Load() != 4 {
		t.Errorf("the rest: got %d merged of %d groups by %d writes in all, %v, want 38, 38 and 4", o.Merged, len(o.Groups), hooked.writes.Load(), err)
	}
}

// Of a group larger than a merge may be, the oldest go first.
func TestOrganizeLocalLargeGroup(t *testing.T) {
	t.Parallel()
	svc, st := start(t, true)
	var its []*app.Item
	for n := range 1004 {
		its = append(its, localItem(1+n))
	}
	storeItems(t, st, its...)
	for i, want := range []items.Organized{{Before: 1004, Merged: 1000}, {Before: 4, Merged: 3}} {
		o, err := svc.OrganizeLocal(context.Background(), owner, items.OrganizeInput{Strategy: app.MergeAppend})
		if err != nil || o.Before != want.Before || o.Merged != want.Merged || o.Groups[0].Master != id(1) {
			t.Errorf("call %d: got %d of %d items merged, %v, want %d of %d", i, o.Merged, o.Before, err, want.Merged, want.Before)
		}
	}
	it, err := svc.Local(context.Background(), owner, id(1))
	if err != nil || len(it.SourceEntries) != 1004 || it.SourceEntries[1003] != id(101_004) {
		t.Errorf("master: got %d source entries, %v, want those of all, in order", len(it.SourceEntries), err)
	}
}
