package db

import (
	"fmt"
	"hash/maphash"
	"math/bits"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/ristretto/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// cache keeps decoded rows under a generation guard.
//
// Every key belongs to a stripe, and a stripe has a generation: even at rest,
// odd while a commit that changes one of its keys is under way. The writer
// makes the generations of all touched keys odd before COMMIT and even, one
// higher, after it and before it answers. A reader takes the generation first:
//
//   - odd: it reads the database and stores nothing
//   - even and the entry carries the same generation: the row has not changed
//     since it was read, so the entry is what the database holds now
//   - otherwise it reads the database, and stores what it found only if the
//     generation is still the same
//
// So a value is never older than an answered write, and reads through the
// cache are linearizable. What ristretto drops, delays or brings back does not
// matter: an entry with another generation is a miss.
//
// A nil cache is the cache switched off.
type cache struct {
	seed  maphash.Seed
	kinds [kindItemRow + 1]kindStripes
	drops prometheus.Counter
	// commits is odd while a commit that touches any key is under way.
	commits atomic.Uint64

	// mu orders use and Close: ristretto panics when they meet.
	mu     sync.RWMutex
	closed bool
	store  *ristretto.Cache[uint64, *entry]
}

// kindStripes are the generations of one kind of keys, apart from the others:
// a burst of new items must not void the entries of accounts.
type kindStripes struct {
	stripes           []atomic.Uint64 // a power of two
	hit, miss, bypass prometheus.Counter
}

// entry is one cached value. It carries its whole key: the hash only finds it.
type entry struct {
	kind  kind
	key   string
	gen   uint64
	value any
}

const (
	// entryOverhead is what an entry takes beside its value: the entry
	// itself, ristretto's item, and their places in its tables.
	entryOverhead = 256
	// typicalEntry sizes the tables that depend on the number of entries.
	typicalEntry = 1 << 10
	minStripes   = 1 << 8
	maxStripes   = 1 << 16
	maxCounters  = 4 << 20
)

func newCache(o CacheOptions, m *metrics) (*cache, error) {
	if !o.Enabled {
		return nil, nil //nolint:nilnil // a nil cache is the documented off state
	}
	// Ristretto takes about twice the cost it is told to hold.
	maxCost := o.Bytes / 2
	entries := max(maxCost/typicalEntry, 1)
	store, err := ristretto.NewCache(&ristretto.Config[uint64, *entry]{
		NumCounters: min(10*entries, maxCounters),
		MaxCost:     maxCost,
		BufferItems: 64,
	})
	if err != nil {
		return nil, fmt.Errorf("create cache: %w", err)
	}
	c := &cache{seed: maphash.MakeSeed(), store: store, drops: m.cacheDrops}
	for k := range c.kinds {
		c.kinds[k] = newKindStripes(kind(k), int(min(entries, maxStripes)), m)
	}
	return c, nil
}

func newKindStripes(k kind, n int, m *metrics) kindStripes {
	switch k {
	case kindItem, kindItemRow:
		n = max(n, minStripes)
	default:
		n = minStripes * 4 // few of them, rarely changed
	}
	name := k.String()
	return kindStripes{
		stripes: make([]atomic.Uint64, 1<<bits.Len(uint(n-1))),
		hit:     m.cache.WithLabelValues(name, "hit"),
		miss:    m.cache.WithLabelValues(name, "miss"),
		bypass:  m.cache.WithLabelValues(name, "bypass"),
	}
}

// ref is one key of the cache with the generation that was found at first.
type ref struct {
	c      *cache
	stripe *atomic.Uint64
	kind   kind
	hash   uint64
	gen    uint64
}

// ref takes the generation of a key. It comes before everything else that a
// lookup does.
func (c *cache) ref(k kind, key string) ref {
	if c == nil {
		return ref{}
	}
	return c.at(k, maphash.String(c.seed, key))
}

// rowRef is ref for the kinds whose key is a row number in decimal.
func (c *cache) rowRef(k kind, row int64) ref {
	if c == nil {
		return ref{}
	}
	var buf [20]byte
	return c.at(k, maphash.Bytes(c.seed, strconv.AppendInt(buf[:0], row, 10)))
}

func (c *cache) at(k kind, hash uint64) ref {
	// The lower bits choose the stripe; ristretto chooses its shard by the
	// remainder, so the kind goes into all of them.
	stripes := c.kinds[k].stripes
	stripe := &stripes[hash&uint64(len(stripes)-1)]
	return ref{c: c, stripe: stripe, kind: k, hash: hash ^ uint64(k)*0x9e3779b97f4a7c15, gen: stripe.Load()}
}

// busy reports that a commit of the key is under way.
func (r ref) busy() bool { return r.gen&1 == 1 }

// unmoved reports whether nothing under the key was committed since the
// generation was taken.
func (r ref) unmoved() bool { return !r.busy() && r.stripe.Load() == r.gen }

// epoch gives the number of commits so far, and whether none is under way.
func (c *cache) epoch() (uint64, bool) {
	if c == nil {
		return 0, false
	}
	n := c.commits.Load()
	return n, n&1 == 0
}

// get gives the value, if it is what the database holds. same tells whether an
// entry's key is the one asked for.
func (r ref) get(same func(*entry) bool) (any, bool) {
	if r.c == nil {
		return nil, false
	}
	count := &r.c.kinds[r.kind]
	if r.busy() {
		count.bypass.Inc()
		return nil, false
	}
	e, ok := r.c.load(r.hash)
	if !ok || e.gen != r.gen || e.kind != r.kind || !same(e) {
		count.miss.Inc()
		return nil, false
	}
	count.hit.Inc()
	return e.value, true
}

func (c *cache) load(hash uint64) (*entry, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return nil, false
	}
	return c.store.Get(hash)
}

// put stores a value that was read after the generation was taken, unless the
// generation has moved. size is the value's estimated size in bytes.
func (r ref) put(key string, value any, size int64) {
	if r.c == nil || !r.unmoved() {
		return
	}
	e := &entry{kind: r.kind, key: key, gen: r.gen, value: value}
	r.c.mu.RLock()
	defer r.c.mu.RUnlock()
	if !r.c.closed && !r.c.store.Set(r.hash, e, size+int64(len(key))+entryOverhead) {
		r.c.drops.Inc()
	}
}

// close gives the memory back. Lookups that come later miss.
func (c *cache) close() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		c.store.Close()
	}
}

// touchSet collects the stripes of the keys that the writes of one commit
// change. Only the writer uses it.
type touchSet struct {
	c      *cache
	marked []*atomic.Uint64
}

// newTouchSet gives nil when there is no cache: then nothing is collected.
func newTouchSet(c *cache) *touchSet {
	if c == nil {
		return nil
	}
	return &touchSet{c: c}
}

func (t *touchSet) add(k kind, key string) {
	stripes := t.c.kinds[k].stripes
	hash := maphash.String(t.c.seed, key)
	t.marked = append(t.marked, &stripes[hash&uint64(len(stripes)-1)])
}

// size and cut let a write that is undone take its keys along.
func (t *touchSet) size() int {
	if t == nil {
		return 0
	}
	return len(t.marked)
}

func (t *touchSet) cut(n int) {
	if t != nil {
		t.marked = t.marked[:n]
	}
}

// begin makes every touched generation odd, each once.
func (t *touchSet) begin() {
	if t == nil {
		return
	}
	if len(t.marked) > 0 {
		t.c.commits.Add(1)
	}
	kept := t.marked[:0]
	for _, g := range t.marked {
		if g.Load()&1 == 0 {
			g.Add(1)
			kept = append(kept, g)
		}
	}
	t.marked = kept
}

// end makes them even again and empties the set.
func (t *touchSet) end() {
	if t == nil {
		return
	}
	for _, g := range t.marked {
		g.Add(1)
	}
	if len(t.marked) > 0 {
		t.c.commits.Add(1)
	}
	t.marked = t.marked[:0]
}
