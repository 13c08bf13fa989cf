package items

import (
	"slices"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// ledger is a local item together with the records of what was merged into it.
// While nobody edits the master, it is what it was of its own with the records
// replayed on top, in the order of merging; so one of them can be taken out
// again by replaying the others.
//
// What was edited in between is found by settle: the records let go of it, and
// from then on it is the master's own and stays. An edit counts for the whole
// key, the whole identifier or the whole source entry.
type ledger struct {
	master  *app.Item // a copy that may be changed
	records []*app.LocalMerge
	// dirty are the stored records that changed.
	dirty       map[*app.LocalMerge]bool
	values      map[string]*keyValue // of the keys that records have, as they are now
	identifiers roster[app.Identifier, identifierKey]
	sources     roster[uuid.UUID, uuid.UUID]
}

// openLedger settles the master with its records, which it takes over.
func openLedger(master *app.Item, records []*app.LocalMerge) (*ledger, error) {
	l := &ledger{
		master: master, records: records, dirty: make(map[*app.LocalMerge]bool),
		identifiers: identifierRoster(), sources: sourceRoster(),
	}
	if err := l.settleData(); err != nil {
		return nil, err
	}
	l.identifiers.settle(l, master.Identifiers)
	l.sources.settle(l, master.SourceEntries)
	return l, nil
}

// size is how many bytes the records hold, roughly.
func (l *ledger) size() int {
	n := 0
	for _, r := range l.records {
		n += changesSize(&r.Changes)
	}
	return n
}

func changesSize(c *app.LocalChanges) int {
	n := 64 + 40*len(c.SourceEntries)
	for key, change := range c.Data {
		n += len(key) + len(change.Given.Value) + 32
		if change.Before != nil {
			n += len(change.Before.Value)
		}
	}
	for _, id := range c.Identifiers {
		n += len(id.Namespace) + len(id.Key) + len(id.Value) + len(id.Scope) + 64
	}
	return n
}

// fold merges an item into the master and adds its record.
func (l *ledger) fold(r *app.LocalMerge, it *app.Item) error {
	if r.Strategy != app.MergeKeepFirst && len(it.Data) > 0 {
		r.Changes.Data = make(map[string]app.KeyChange, len(it.Data))
		for key := range it.Data {
			change := app.KeyChange{Given: keyState(it, key)}
			v := l.values[key]
			if v == nil {
				before := keyState(l.master, key)
				change.Before = &before
				v = &keyValue{state: before}
				l.values[key] = v
			}
			if err := v.apply(r.Strategy, change.Given); err != nil {
				return err
			}
			r.Changes.Data[key] = change
		}
	}
	l.master.Identifiers = l.identifiers.fold(r, l.master.Identifiers, it.Identifiers)
	l.master.SourceEntries = l.sources.fold(r, l.master.SourceEntries, it.SourceEntries)
	l.records = append(l.records, r)
	return nil
}

// write puts the data that was merged into the master.
func (l *ledger) write() {
	for key, v := range l.values {
		setKey(l.master, key, v.current())
	}
}

// unfold takes the record out again and gives the master what it would have
// without that merge.
func (l *ledger) unfold(r *app.LocalMerge) error {
	l.master.Identifiers = l.identifiers.unfold(l, r, l.master.Identifiers)
	l.master.SourceEntries = l.sources.unfold(l, r, l.master.SourceEntries)
	at := slices.Index(l.records, r)
	for _, later := range l.records[at+1:] {
		l.inherit(r, later)
	}
	before := make(map[string]app.KeyState)
	for key, change := range r.Changes.Data {
		if change.Before != nil {
			before[key] = *change.Before // nobody else has the key
		}
	}
	l.records = slices.Delete(slices.Clone(l.records), at, at+1)
	values, err := l.replay()
	if err != nil {
		return err
	}
	for key := range r.Changes.Data {
		if v, ok := values[key]; ok {
			setKey(l.master, key, v.current())
		} else {
			setKey(l.master, key, before[key])
		}
	}
	return nil
}

// inherit hands on what was there before r: the next record of a key is its
// earliest one now.
func (l *ledger) inherit(r, later *app.LocalMerge) {
	for key, change := range r.Changes.Data {
		next, ok := later.Changes.Data[key]
		if change.Before == nil || !ok {
			continue
		}
		next.Before, change.Before = change.Before, nil
		later.Changes.Data[key], r.Changes.Data[key] = next, change
		l.dirty[later] = true
	}
}

// replay gives the values of the keys that the records have.
func (l *ledger) replay() (map[string]*keyValue, error) {
	values := make(map[string]*keyValue)
	for _, r := range l.records {
		for key, change := range r.Changes.Data {
			v := values[key]
			if v == nil {
				v = new(keyValue)
				if change.Before != nil {
					v.state = *change.Before
				}
				values[key] = v
			}
			if err := v.apply(r.Strategy, change.Given); err != nil {
				return nil, err
			}
		}
	}
	return values, nil
}

// settleData lets go of the keys that were edited since they were merged.
func (l *ledger) settleData() error {
	var err error
	if l.values, err = l.replay(); err != nil {
		return err
	}
	edited := make(map[string]bool)
	for key, v := range l.values {
		if !sameState(v.current(), keyState(l.master, key)) {
			edited[key] = true
			delete(l.values, key)
		}
	}
	if len(edited) == 0 {
		return nil
	}
	for _, r := range l.records {
		for key := range r.Changes.Data {
			if edited[key] {
				delete(r.Changes.Data, key)
				l.dirty[r] = true
			}
		}
	}
	return nil
}
