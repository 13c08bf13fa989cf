package db

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/defarm-repo/defarm/app"
)

func cacheOff(o *Options) { o.Cache.Enabled = false }

// settle makes ristretto take in what was set: a set value is not readable at
// once.
func settle(d *DB) { d.cache.store.Wait() }

func rename(tx app.Tx, id string, credits int64) error {
	_, err := tx.(stores).s.exec("UPDATE users SET credits = ? WHERE id = ?", credits, id)
	tx.(stores).s.touch(kindUser, id)
	return err
}

// The cache switched off changes nothing but speed: what was answered is read.
func TestLookupsReadTheirWrites(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*Options){"cache on": func(*Options) {}, "cache off": cacheOff} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := engineDB(t, edit)
			if _, err := d.User(t.Context(), "a"); app.ReasonOf(err) != app.ReasonUserNotFound {
				t.Errorf("before it exists: got %v", err)
			}
			mustWrite(t, d, func(tx app.Tx) error { return put(tx, "a") })
			for n := range int64(50) {
				mustWrite(t, d, func(tx app.Tx) error { return rename(tx, "a", n) })
				for range 2 { // from the database, then perhaps from the cache
					u, err := d.User(t.Context(), "a")
					if err != nil || u.Credits != n {
						t.Fatalf("after write %d: got %+v (%v)", n, u, err)
					}
				}
			}
		})
	}
}

// A reader who read before a commit and stores after it leaves nothing behind
// that anybody would take for current.
func TestGuardAgainstLateReaders(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	mustWrite(t, d, func(tx app.Tx) error { return put(tx, "a") })
	ref := d.cache.ref(kindUser, "a")
	var old *app.User
	mustRead(t, d, func(r app.Reader) (err error) { old, err = r.Users().ByID("a"); return err })
	mustWrite(t, d, func(tx app.Tx) error { return rename(tx, "a", 7) })
	ref.put("a", old, userSize(old))
	settle(d)
	if _, ok := d.cache.load(ref.hash); ok {
		t.Error("what is not valid any more was stored all the same")
	}
	if u, err := d.User(t.Context(), "a"); err != nil || u.Credits != 7 {
		t.Errorf("got %+v (%v), want what was written last", u, err)
	}
	// Nor when it comes in by ristretto's own delay: an entry of an older
	// generation is a miss, whoever put it there.
	d.cache.store.Set(ref.hash, &entry{kind: kindUser, key: "a", gen: ref.gen, value: old}, 1)
	settle(d)
	if u, err := d.User(t.Context(), "a"); err != nil || u.Credits != 7 {
		t.Errorf("with a late entry: got %+v (%v), want what was written last", u, err)
	}
}

// While a commit of the key is under way the cache is passed by, and between
// the commit and its answer the new value is already what everybody reads.
func TestGuardAroundCommit(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	mustWrite(t, d, func(tx app.Tx) error { return put(tx, "a") })
	for range 2 {
		if _, err := d.User(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		settle(d)
	}
	var inside, after *app.User
	err := d.Write(t.Context(), func(tx app.Tx) error {
		if err := rename(tx, "a", 7); err != nil {
			return err
		}
		var err error
		if inside, err = d.User(context.Background(), "a"); err != nil {
			return err
		}
		tx.AfterCommit(func() {
			if after, err = d.User(context.Background(), "a"); err != nil {
				t.Error(err)
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if inside.Credits != 0 || after.Credits != 7 {
		t.Errorf("credits before the commit %d, before the answer %d; want 0 and 7", inside.Credits, after.Credits)
	}
	set := newTouchSet(d.cache)
	set.add(kindUser, "a")
	set.begin()
	bypass := d.cache.kinds[kindUser].bypass
	before := testutil.ToFloat64(bypass)
	if _, err := d.User(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	set.end()
	if got := testutil.ToFloat64(bypass) - before; got != 1 {
		t.Errorf("lookups that passed the cache by: got %v, want 1", got)
	}
}

// A write that is undone moves no generation.
func TestGuardAndUndoneWrites(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	mustWrite(t, d, func(tx app.Tx) error { return put(tx, "a") })
	before := d.cache.ref(kindUser, "a").gen
	err := d.Write(t.Context(), func(tx app.Tx) error {
		if err := rename(tx, "a", 7); err != nil {
			return err
		}
		return errMine
	})
	if err == nil {
		t.Fatal("the write succeeded")
	}
	if got := d.cache.ref(kindUser, "a").gen; got != before {
		t.Errorf("generation: got %d, want %d still", got, before)
	}
	if u, err := d.User(t.Context(), "a"); err != nil || u.Credits != 0 {
		t.Errorf("got %+v (%v), want the old value", u, err)
	}
}

// The cache does take load off the database.
func TestCacheHits(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	mustWrite(t, d, func(tx app.Tx) error { return put(tx, "a") })
	hit := d.cache.kinds[kindUser].hit
	for range 1000 { // the first sets may be dropped
		if _, err := d.User(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		settle(d)
		if testutil.ToFloat64(hit) > 0 {
			return
		}
	}
	t.Error("1,000 lookups and not one hit")
}

// Keys that share a stripe, or a hash, are told apart.
func TestCacheTellsKeysApart(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	mustWrite(t, d, func(tx app.Tx) error {
		for n := range 3000 { // more than there are stripes
			if err := put(tx, strconv.Itoa(n)); err != nil {
				return err
			}
		}
		return nil
	})
	for round := range 2 {
		for n := range 3000 {
			if u, err := d.User(t.Context(), strconv.Itoa(n)); err != nil || u.ID != strconv.Itoa(n) {
				t.Fatalf("round %d, user %d: got %+v (%v)", round, n, u, err)
			}
		}
		settle(d)
	}
	ref := d.cache.ref(kindUser, "1")
	other := &app.User{ID: "2"}
	d.cache.store.Set(ref.hash, &entry{kind: kindUser, key: "2", gen: ref.gen, value: other}, 1)
	settle(d)
	if u, err := d.User(t.Context(), "1"); err != nil || u.ID != "1" {
		t.Errorf("with another key's entry under its hash: got %+v (%v)", u, err)
	}
}

// An item is found by DFID and by row in its newest form, also when its DFID
// changes or it is folded into another one.
func TestItemLookups(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*Options){"cache on": func(*Options) {}, "cache off": cacheOff} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := engineDB(t, edit)
			local := localItem("u", 1, lot("a", "b"))
			mustWrite(t, d, func(tx app.Tx) error { return tx.Items().Insert(local) })
			get := func(dfid string) (*app.Item, error) {
				if d.cache != nil {
					settle(d)
				}
				return d.Item(t.Context(), dfid)
			}
			for range 3 {
				if it, err := get(local.DFID); err != nil || it.Row != local.Row {
					t.Fatalf("local item: got %+v (%v)", it, err)
				}
			}
			traced := tracedItem("u", 1, lot("a", "b"))
			traced.Row = local.Row
			mustWrite(t, d, func(tx app.Tx) error { return tx.Items().Update(local, traced) })
			if _, err := get(local.DFID); app.ReasonOf(err) != app.ReasonItemNotFound {
				t.Errorf("by its old key: got %v, want that there is none", err)
			}
			list, err := d.Items(t.Context(), []int64{local.Row, 999, local.Row})
			if err != nil || len(list) != 2 || list[0].DFID != traced.DFID || list[1].DFID != traced.DFID {
				t.Errorf("by row: got %v (%v), want the traced item twice", list, err)
			}
			if it, err := get(traced.DFID); err != nil || it.Row != local.Row {
				t.Errorf("by its new key: got %+v (%v)", it, err)
			}
			mustWrite(t, d, func(tx app.Tx) error { return tx.Items().Delete(traced) })
			if _, err := get(traced.DFID); app.ReasonOf(err) != app.ReasonItemNotFound {
				t.Errorf("deleted: got %v, want that there is none", err)
			}
			if list, err := d.Items(t.Context(), []int64{local.Row}); err != nil || len(list) != 0 {
				t.Errorf("deleted, by row: got %v (%v), want none", list, err)
			}
		})
	}
}

// A lookup after Close of the cache misses, and does not panic.
func TestCacheClosed(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	mustWrite(t, d, func(tx app.Tx) error { return put(tx, "a") })
	d.cache.close()
	d.cache.close()
	if u, err := d.User(t.Context(), "a"); err != nil || u.ID != "a" {
		t.Errorf("got %+v (%v)", u, err)
	}
}

// Lookups from many goroutines while the key is written never go back.
func TestLookupsNeverGoBack(t *testing.T) {
	t.Parallel()
	d := engineDB(t, func(o *Options) { o.Readers, o.ReadWait = 4, patience })
	mustWrite(t, d, func(tx app.Tx) error { return put(tx, "a") })
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	failed := make(chan string, 8)
	ended := make(chan struct{}, 8)
	for range 8 {
		go func() {
			defer func() { ended <- struct{}{} }()
			last := int64(0)
			for ctx.Err() == nil {
				u, err := d.User(context.Background(), "a")
				if err != nil || u.Credits < last {
					failed <- fmt.Sprintf("got %+v (%v) after %d", u, err, last)
					return
				}
				last = u.Credits
				runtime.Gosched() // or a machine with one processor writes once in a while
			}
		}()
	}
	for n := range int64(500) {
		mustWrite(t, d, func(tx app.Tx) error { return rename(tx, "a", n+1) })
	}
	stop()
	for range 8 {
		<-ended
	}
	select {
	case text := <-failed:
		t.Error(text)
	default:
	}
}
