package items_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/items"
)

var errFault = errors.New("the disk is gone")

// faults counts the calls of stores and lets one of them fail.
type faults struct{ calls, at int }

func (f *faults) next() error {
	if f.calls++; f.calls == f.at {
		return errFault
	}
	return nil
}

// or gives the call's result, unless it is the one that fails.
func or[T any](f *faults, call func() (T, error)) (T, error) {
	if err := f.next(); err != nil {
		var none T
		return none, err
	}
	return call()
}

// faultyStore is a store in which one call fails.
type faultyStore struct {
	app.Store
	f *faults
}

func (s faultyStore) Write(ctx context.Context, fn func(tx app.Tx) error) error {
	return s.Store.Write(ctx, func(tx app.Tx) error { return fn(faultyTx{tx, s.f}) })
}

func (s faultyStore) Read(ctx context.Context, fn func(r app.Reader) error) error {
	return s.Store.Read(ctx, func(r app.Reader) error { return fn(faultyReader{r, s.f}) })
}

type faultyTx struct {
	app.Tx
	f *faults
}

func (t faultyTx) Items() app.ItemRows {
	return faultyItems{t.Tx.Items(), faultyReads{t.Tx.Items(), t.f}}
}

func (t faultyTx) LocalMerges() app.LocalMergeRows {
	return faultyMerges{t.Tx.LocalMerges(), faultyMergeReads{t.Tx.LocalMerges(), t.f}}
}

type faultyReader struct {
	app.Reader
	f *faults
}

func (r faultyReader) Items() app.ItemReads { return faultyReads{r.Reader.Items(), r.f} }
func (r faultyReader) LocalMerges() app.LocalMergeReads {
	return faultyMergeReads{r.Reader.LocalMerges(), r.f}
}

type faultyReads struct {
	app.ItemReads
	f *faults
}

func (r faultyReads) Mapping(id uuid.UUID) (app.LocalMapping, error) {
	return or(r.f, func() (app.LocalMapping, error) { return r.ItemReads.Mapping(id) })
}

func (r faultyReads) ByRow(row int64) (*app.Item, error) {
	return or(r.f, func() (*app.Item, error) { return r.ItemReads.ByRow(row) })
}

func (r faultyReads) ByRows(rows []int64) ([]*app.Item, error) {
	return or(r.f, func() ([]*app.Item, error) { return r.ItemReads.ByRows(rows) })
}

type faultyItems struct {
	app.ItemRows
	reads faultyReads
}

func (t faultyItems) Mapping(id uuid.UUID) (app.LocalMapping, error) { return t.reads.Mapping(id) }
func (t faultyItems) ByRow(row int64) (*app.Item, error)             { return t.reads.ByRow(row) }

func (t faultyItems) Update(old, it *app.Item) error {
	return errors.Join(t.reads.f.next(), t.ItemRows.Update(old, it))
}

type faultyMergeReads struct {
	app.LocalMergeReads
	f *faults
}

func (r faultyMergeReads) ByMaster(id uuid.UUID) ([]*app.LocalMerge, error) {
	return or(r.f, func() ([]*app.LocalMerge, error) { return r.LocalMergeReads.ByMaster(id) })
}

func (r faultyMergeReads) Names(owner string, most int) ([]app.LocalName, error) {
	return or(r.f, func() ([]app.LocalName, error) { return r.LocalMergeReads.Names(owner, most) })
}

type faultyMerges struct {
	app.LocalMergeRows
	reads faultyMergeReads
}

func (t faultyMerges) ByMaster(id uuid.UUID) ([]*app.LocalMerge, error) { return t.reads.ByMaster(id) }

func (t faultyMerges) Insert(m *app.LocalMerge) error {
	return errors.Join(t.reads.f.next(), t.LocalMergeRows.Insert(m))
}

func (t faultyMerges) Update(m *app.LocalMerge) error {
	return errors.Join(t.reads.f.next(), t.LocalMergeRows.Update(m))
}

func (t faultyMerges) Delete(m *app.LocalMerge) error {
	return errors.Join(t.reads.f.next(), t.LocalMergeRows.Delete(m))
}

// localState is all that merging may change.
func localState(t *testing.T, st app.Store, numbers ...int) (out []any) {
	t.Helper()
	err := st.Read(context.Background(), func(r app.Reader) error {
		for _, n := range numbers {
			it, err := r.Items().ByDFID(app.LocalPrefix + id(n).String())
			if err != nil {
				return err
			}
			records, err := r.LocalMerges().ByMaster(id(n))
			if err != nil {
				return err
			}
			out = append(out, it, records)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Whatever fails below, the caller gets that failure as it is, and either all
// of the work is done or nothing.
func TestLocalItemsWhenStoresFail(t *testing.T) {
	t.Parallel()
	_, st := start(t, true)
	value := func(it *app.Item) {
		it.Data = map[string]json.RawMessage{"k": json.RawMessage("[1]"), "l": json.RawMessage("1")}
	}
	storeItems(t, st, localItem(1, value), localItem(2, value), localItem(3, value), localItem(4, value), localItem(5, value))
	plain := items.New(st, app.SystemEnv(), nil)
	for _, n := range []int{2, 3} {
		if err := mergeItems(plain, app.MergeAppend, 1, n); err != nil {
			t.Fatal(err)
		}
	}
	write(t, st, func(tx app.Tx) error { // the records have something to let go of
		old, err := tx.Items().ByDFID(app.LocalPrefix + id(1).String())
		if err != nil {
			return err
		}
		it := old.Clone()
		it.Data["l"] = json.RawMessage("2")
		return tx.Items().Update(old, it)
	})
	ctx := context.Background()
	for _, op := range []struct {
		name string
		run  func(*items.Service) error
		min  int // calls that can fail
	}{
		{"read", func(s *items.Service) error { _, err := s.Local(ctx, owner, id(1)); return err }, 2},
		{"duplicates", func(s *items.Service) error { _, err := s.LocalDuplicates(ctx, owner); return err }, 2},
		{"unmerge", func(s *items.Service) error { _, err := s.UnmergeLocal(ctx, owner, id(2)); return err }, 9},
		{"merge", func(s *items.Service) error { return mergeItems(s, app.MergeAppend, 1, 2) }, 7},
		{"organize", func(s *items.Service) error {
			_, err := s.OrganizeLocal(ctx, owner, items.OrganizeInput{Strategy: app.MergeAppend})
			return err
		}, 10},
	} {
		for at := 1; ; at++ {
			f := &faults{at: at}
			before := localState(t, st, 1, 2, 3, 4, 5)
			err := op.run(items.New(faultyStore{st, f}, app.SystemEnv(), nil))
			if f.calls < at {
				if err != nil || f.calls < op.min {
					t.Errorf("%s: got %v after %d calls, want that it works after at least %d", op.name, err, f.calls, op.min)
				}
				break
			}
			if !errors.Is(err, errFault) || app.CodeOf(err) != app.CodeInternal {
				t.Errorf("%s, call %d: got %v, want %v", op.name, at, err, errFault)
			}
			if diff := cmp.Diff(before, localState(t, st, 1, 2, 3, 4, 5), cmpopts.IgnoreUnexported(app.Item{})); diff != "" {
				t.Errorf("%s, call %d (-before +after):\n%s", op.name, at, diff)
			}
		}
	}
}

// Data that is no JSON is a fault of ours wherever it turns up.
func TestMergeLocalOfBrokenData(t *testing.T) {
	t.Parallel()
	svc, st := start(t, true)
	list := func(it *app.Item) { it.Data = map[string]json.RawMessage{"k": json.RawMessage(`[1]`)} }
	storeItems(t, st, localItem(1, list), localItem(2, list), localItem(3, list))
	if err := mergeItems(svc, app.MergeAppend, 1, 2); err != nil {
		t.Fatal(err)
	}
	breakIt := brokenStore{st}
	broken := items.New(breakIt, app.SystemEnv(), nil)
	if err := mergeItems(broken, app.MergeAppend, 3, 1); app.CodeOf(err) != app.CodeInternal {
		t.Errorf("merge: got %v, want a fault of ours", err)
	}
	if _, err := broken.UnmergeLocal(context.Background(), owner, id(2)); app.CodeOf(err) != app.CodeInternal {
		t.Errorf("unmerge: got %v, want a fault of ours", err)
	}
}

// brokenStore gives items and records whose lists lack their end.
type brokenStore struct{ app.Store }

func (s brokenStore) Write(ctx context.Context, fn func(tx app.Tx) error) error {
	return s.Store.Write(ctx, func(tx app.Tx) error { return fn(brokenTx{tx}) })
}

type brokenTx struct{ app.Tx }

func (t brokenTx) Items() app.ItemRows             { return brokenItems{t.Tx.Items()} }
func (t brokenTx) LocalMerges() app.LocalMergeRows { return brokenMerges{t.Tx.LocalMerges()} }

type brokenItems struct{ app.ItemRows }

func (t brokenItems) ByRow(row int64) (*app.Item, error) {
	it, err := t.ItemRows.ByRow(row)
	if err == nil {
		it.Data["k"] = json.RawMessage(`[1`)
	}
	return it, err
}

type brokenMerges struct{ app.LocalMergeRows }

func (t brokenMerges) ByMaster(id uuid.UUID) ([]*app.LocalMerge, error) {
	records, err := t.LocalMergeRows.ByMaster(id)
	for _, r := range records {
		change := r.Changes.Data["k"]
		change.Given.Value = json.RawMessage(`[1`)
		r.Changes.Data["k"] = change
	}
	return records, err
}
