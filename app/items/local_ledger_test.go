package items

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/canon"
)

// ledgerModel says what a master must be, without ever undoing anything: it is
// put together anew from what is its own and from the merges that are left.
type ledgerModel struct {
	base    map[string]app.KeyState // of each key, since when merges may touch it again
	applied map[string][]int        // the merges that touched the key since
	own     []app.Identifier
	brought map[int][]app.Identifier
	sources []uuid.UUID
	items   []*app.Item
	how     map[int]app.MergeStrategy
	merged  []int // in the order of merging
}

func (m *ledgerModel) merge(i int, s app.MergeStrategy) {
	m.merged, m.how[i] = append(m.merged, i), s
	for _, id := range m.items[i].Identifiers {
		if !slices.ContainsFunc(m.own, id.Same) {
			m.brought[i] = append(m.brought[i], id)
		}
	}
	if s != app.MergeKeepFirst {
		for key := range m.items[i].Data {
			m.applied[key] = append(m.applied[key], i)
		}
	}
}

func (m *ledgerModel) unmerge(i int) {
	without := func(list []int) []int { return slices.DeleteFunc(list, func(k int) bool { return k == i }) }
	m.merged = without(m.merged)
	delete(m.brought, i)
	for key := range m.applied {
		m.applied[key] = without(m.applied[key])
	}
}

func (m *ledgerModel) edit(key string, s app.KeyState) { m.base[key], m.applied[key] = s, nil }

func (m *ledgerModel) drop(id app.Identifier) {
	m.own = slices.DeleteFunc(m.own, id.Same)
	for i := range m.brought {
		m.brought[i] = slices.DeleteFunc(m.brought[i], id.Same)
	}
}

// state is what the master must have under the key.
func (m *ledgerModel) state(key string) app.KeyState {
	s := m.base[key]
	for _, i := range m.applied[key] {
		s = plainMerge(m.how[i], s, keyState(m.items[i], key))
	}
	return s
}

func (m *ledgerModel) identifiers() []app.Identifier {
	out := slices.Clone(m.own)
	for _, i := range m.merged {
		for _, id := range m.brought[i] {
			if !slices.ContainsFunc(out, id.Same) {
				out = append(out, id)
			}
		}
	}
	return out
}

func (m *ledgerModel) sourceEntries() []uuid.UUID {
	out := slices.Clone(m.sources)
	for _, i := range m.merged {
		for _, id := range m.items[i].SourceEntries {
			if !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
	}
	return out
}

// plainMerge is contract 02 §6.8 over decoded values.
func plainMerge(s app.MergeStrategy, have, given app.KeyState) app.KeyState {
	var a, b any
	if have.Value == nil {
		return given
	}
	if json.Unmarshal(have.Value, &a) != nil || json.Unmarshal(given.Value, &b) != nil {
		panic("no JSON")
	}
	result := b
	if s == app.MergeAppend {
		switch b := b.(type) {
		case []any:
			if list, ok := a.([]any); ok {
				grown := slices.Clone(list)
				for _, e := range b {
					if !slices.ContainsFunc(grown, func(x any) bool { return reflect.DeepEqual(x, e) }) {
						grown = append(grown, e)
					}
				}
				result = grown
			}
		case map[string]any:
			if object, ok := a.(map[string]any); ok {
				grown := map[string]any{}
				for k, v := range object {
					grown[k] = v
				}
				for k, v := range b {
					grown[k] = v
				}
				result = grown
			}
		}
	}
	raw, err := json.Marshal(result)
	if err != nil {
		panic(err)
	}
	if raw, err = canon.Canonical(raw); err != nil {
		panic(err)
	}
	if bytes.Equal(raw, have.Value) {
		return have
	}
	return app.KeyState{Value: raw, From: given.From}
}

// keptRecords are the records as they are stored and read again.
type keptRecords [][]byte

func (k keptRecords) read(t *rapid.T) (out []*app.LocalMerge) {
	for _, raw := range k {
		r := new(app.LocalMerge)
		if err := json.Unmarshal(raw, r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

func keep(t *rapid.T, l *ledger) (out keptRecords) {
	for _, r := range l.records {
		raw, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, raw)
	}
	return out
}

var (
	drawnKeys   = []string{"a", "b", "c"}
	drawnValues = []string{`1`, `2`, `null`, `"x"`, `[]`, `[1]`, `[2,3]`, `[3,{"a":1},1,1]`, `{}`, `{"p":1}`, `{"p":2,"q":[1]}`, `{"r":null}`}
)

func drawItem(t *rapid.T, n int) *app.Item {
	it := &app.Item{Row: int64(n), Data: map[string]json.RawMessage{}, Provenance: map[string]app.Provenance{}}
	for _, key := range drawnKeys {
		if value := rapid.SampledFrom(append(drawnValues, "", "")).Draw(t, "value"); value != "" {
			it.Data[key] = json.RawMessage(value)
			if rapid.Bool().Draw(t, "known author") {
				it.Provenance[key] = app.Provenance{UserID: fmt.Sprint("user-", n), At: time.Unix(int64(n), 0).UTC()}
			}
		}
	}
	for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"u", "v", "w", "x"}), 0, 3).Draw(t, "identifiers") {
		id := app.Identifier{Namespace: "generic", Key: name, Value: "1", Scope: rapid.SampledFrom([]string{"user", "circuit"}).Draw(t, "scope")}
		if !slices.ContainsFunc(it.Identifiers, id.Same) {
			it.Identifiers = append(it.Identifiers, id)
		}
	}
	it.SourceEntries = []uuid.UUID{{15: byte(n)}}
	if rapid.Bool().Draw(t, "shared source") {
		it.SourceEntries = append(it.SourceEntries, uuid.UUID{14: 1, 15: byte(n % 2)})
	}
	return it
}

// ledgerRun is a master that is changed step by step, with its model.
type ledgerRun struct {
	t       *rapid.T
	model   *ledgerModel
	master  *app.Item
	records keptRecords
	edits   int
}

func startLedger(t *rapid.T) *ledgerRun {
	r := &ledgerRun{t: t, master: drawItem(t, 0)}
	r.model = &ledgerModel{
		base: map[string]app.KeyState{}, applied: map[string][]int{}, how: map[int]app.MergeStrategy{}, brought: map[int][]app.Identifier{},
		own: slices.Clone(r.master.Identifiers), sources: slices.Clone(r.master.SourceEntries), items: []*app.Item{nil},
	}
	for _, key := range drawnKeys {
		r.model.base[key] = keyState(r.master, key)
	}
	for n := 1; n <= rapid.IntRange(1, 6).Draw(t, "items"); n++ {
		r.model.items = append(r.model.items, drawItem(t, n))
	}
	return r
}

func (r *ledgerRun) open() *ledger {
	l, err := openLedger(r.master.Clone(), r.records.read(r.t))
	if err != nil {
		r.t.Fatal(err)
	}
	return l
}

// mergeOrUnmerge does one of both with a drawn item.
func (r *ledgerRun) mergeOrUnmerge() {
	i := rapid.IntRange(1, len(r.model.items)-1).Draw(r.t, "item")
	if slices.Contains(r.model.merged, i) {
		r.unmerge(i)
		return
	}
	s := rapid.SampledFrom(app.MergeStrategies()).Draw(r.t, "strategy")
	l := r.open()
	if err := l.fold(&app.LocalMerge{MergedRow: int64(i), Strategy: s}, r.model.items[i]); err != nil {
		r.t.Fatal(err)
	}
	l.write()
	r.master, r.records = l.master, keep(r.t, l)
	r.model.merge(i, s)
}

func (r *ledgerRun) unmerge(i int) {
	l := r.open()
	at := slices.IndexFunc(l.records, func(m *app.LocalMerge) bool { return m.MergedRow == int64(i) })
	if err := l.unfold(l.records[at]); err != nil {
		r.t.Fatal(err)
	}
	r.master, r.records = l.master, keep(r.t, l)
	r.model.unmerge(i)
}

// edit changes the master behind the ledger's back.
func (r *ledgerRun) edit() {
	r.edits++
	r.master = r.master.Clone()
	switch rapid.IntRange(0, 3).Draw(r.t, "kind of edit") {
	case 0:
		key := rapid.SampledFrom(drawnKeys).Draw(r.t, "key")
		setKey(r.master, key, app.KeyState{})
		r.model.edit(key, app.KeyState{})
	case 1:
		key := rapid.SampledFrom(drawnKeys).Draw(r.t, "key")
		s := app.KeyState{
			Value: json.RawMessage(rapid.SampledFrom(drawnValues).Draw(r.t, "value")),
			From:  &app.Provenance{UserID: "editor", At: time.Unix(int64(r.edits), 1).UTC()},
		}
		setKey(r.master, key, s)
		r.model.edit(key, s)
	case 2:
		id := app.Identifier{Namespace: "generic", Key: "edited", Value: fmt.Sprint(r.edits), Scope: "user"}
		r.master.Identifiers = append(r.master.Identifiers, id)
		r.model.own = append(r.model.own, id)
	case 3:
		if n := len(r.master.Identifiers); n > 0 {
			i := rapid.IntRange(0, n-1).Draw(r.t, "identifier")
			r.model.drop(r.master.Identifiers[i])
			r.master.Identifiers = slices.Delete(r.master.Identifiers, i, i+1)
		}
	}
}

// check compares with the model. Once there were edits, merged identifiers and
// the master's own may stand in another order than without the merge.
func (r *ledgerRun) check() {
	r.t.Helper()
	for _, key := range drawnKeys {
		if got, want := keyState(r.master, key), r.model.state(key); !sameState(got, want) {
			r.t.Fatalf("%s: got %s of %+v, want %s of %+v", key, got.Value, got.From, want.Value, want.From)
		}
	}
	got, want := slices.Clone(r.master.Identifiers), r.model.identifiers()
	if r.edits > 0 {
		byKey := func(a, b app.Identifier) int { return bytes.Compare([]byte(a.UniqueKey()), []byte(b.UniqueKey())) }
		slices.SortFunc(got, byKey)
		slices.SortFunc(want, byKey)
	}
	if !slices.EqualFunc(got, want, app.Identifier.Equal) {
		r.t.Fatalf("identifiers:\n%s", cmp.Diff(want, got))
	}
	if got, want := r.master.SourceEntries, r.model.sourceEntries(); !slices.Equal(got, want) {
		r.t.Fatalf("source entries: got %v, want %v", got, want)
	}
}

// Any sequence of merges and unmerges leaves the master as the merges that are
// left would have made it, and undoing all of them restores it.
func TestLedgerReplays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := startLedger(t)
		original := r.master
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			r.mergeOrUnmerge()
			r.check()
		}
		for _, i := range rapid.Permutation(r.model.merged).Draw(t, "order") {
			r.unmerge(i)
			r.check()
		}
		if diff := cmp.Diff(original.Clone(), r.master, cmpopts.IgnoreUnexported(app.Item{}), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("all is undone (-want +got):\n%s", diff)
		}
	})
}

// What is edited in between is never lost, whatever is merged and unmerged
// afterwards.
func TestLedgerKeepsEdits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := startLedger(t)
		for range rapid.IntRange(1, 16).Draw(t, "steps") {
			if rapid.IntRange(0, 2).Draw(t, "edit") == 0 {
				r.edit()
			} else {
				r.mergeOrUnmerge()
			}
			r.check()
		}
	})
}

// What is no JSON cannot be merged; nothing of it is swallowed.
func TestLedgerRefusesBrokenData(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ have, given string }{
		{`[1`, `[2]`}, {`[1]`, `[2`}, {`{"a"`, `{}`}, {`{}`, `{"a"`},
	} {
		v := keyValue{state: app.KeyState{Value: json.RawMessage(tt.have)}}
		if err := v.apply(app.MergeAppend, app.KeyState{Value: json.RawMessage(tt.given)}); err == nil {
			t.Errorf("%s and %s: no error", tt.have, tt.given)
		}
		master := &app.Item{Data: map[string]json.RawMessage{"k": json.RawMessage(tt.have)}}
		l, err := openLedger(master.Clone(), nil)
		if err != nil {
			t.Fatal(err)
		}
		it := &app.Item{Data: map[string]json.RawMessage{"k": json.RawMessage(tt.given)}}
		if err := l.fold(&app.LocalMerge{Strategy: app.MergeAppend}, it); err == nil {
			t.Errorf("folding %s into %s: no error", tt.given, tt.have)
		}
		before := app.KeyState{Value: json.RawMessage(tt.have)}
		record := &app.LocalMerge{Strategy: app.MergeAppend, Changes: app.LocalChanges{Data: map[string]app.KeyChange{
			"k": {Given: app.KeyState{Value: json.RawMessage(tt.given)}, Before: &before},
		}}}
		if _, err := openLedger(master.Clone(), []*app.LocalMerge{record}); err == nil {
			t.Errorf("opening %s with %s: no error", tt.have, tt.given)
		}
	}
}

// A value that only shows without the merge that covered it is looked at, too.
func TestLedgerRefusesBrokenDataBehindAMerge(t *testing.T) {
	t.Parallel()
	given := func(raw string, before *app.KeyState) *app.LocalMerge {
		return &app.LocalMerge{Strategy: app.MergeAppend, Changes: app.LocalChanges{Data: map[string]app.KeyChange{
			"k": {Given: app.KeyState{Value: json.RawMessage(raw)}, Before: before},
		}}}
	}
	covering := given(`"x"`, &app.KeyState{Value: json.RawMessage(`[1]`)})
	master := &app.Item{Data: map[string]json.RawMessage{"k": json.RawMessage(`[2`)}}
	l, err := openLedger(master.Clone(), []*app.LocalMerge{covering, given(`[2`, nil)})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.unfold(covering); err == nil {
		t.Error("unfold: no error")
	}
}
