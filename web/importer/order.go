package importer

import (
	"hash/maphash"
	"slices"
	"sync"
)

// job is a row on its way. done is closed when it is answered.
type job struct {
	animal animal
	group  uint64
	after  []*job // earlier rows of the same animal
	done   chan struct{}
}

// order keeps the rows of one animal apart in time. Rows belong together when
// they share a key, also by way of a third row that has both of theirs: a row
// with a SISBOV number and one with a transponder code are of one animal once
// a row had the two. It remembers 16 bytes for each name of a row with several;
// rows with one name leave nothing behind.
type order struct {
	mu     sync.Mutex
	seed   maphash.Seed
	parent map[uint64]uint64 // a key's hash towards its group's; a group is its own
	last   map[uint64]*job   // group to its last row that is not answered
}

func newOrder() *order {
	return &order{seed: maphash.MakeSeed(), parent: map[uint64]uint64{}, last: map[uint64]*job{}}
}

// find returns the group of a key's hash. Two keys with one hash wait for each
// other without need, no more.
func (o *order) find(k uint64) uint64 {
	for {
		p, ok := o.parent[k]
		if !ok {
			return k
		}
		if up, ok := o.parent[p]; ok {
			o.parent[k] = up // halve the way for the next time
		}
		k = p
	}
}

// hold makes the job of a row, behind the unanswered rows of its animal. Jobs
// must be started in the order in which they are made: then the ones waited
// for are under way already.
func (o *order) hold(a animal) *job {
	o.mu.Lock()
	defer o.mu.Unlock()
	j := &job{animal: a, done: make(chan struct{})}
	for i, key := range a.keys {
		g := o.find(maphash.String(o.seed, key))
		if prev := o.last[g]; prev != nil && !slices.Contains(j.after, prev) {
			j.after = append(j.after, prev)
		}
		switch {
		case i == 0:
			j.group = g
		case g != j.group:
			o.parent[g] = j.group
			delete(o.last, g)
		}
	}
	o.last[j.group] = j
	return j
}

// release lets the next row of the animal go.
func (o *order) release(j *job) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.last[j.group] == j {
		delete(o.last, j.group)
	}
	close(j.done)
}
