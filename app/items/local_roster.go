package items

import (
	"slices"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// roster follows one list of a ledger's master: which elements are its own and
// which came with merges.
type roster[T any, K comparable] struct {
	key   func(T) K                    // what elements that say the same agree in
	equal func(a, b T) bool            // they agree in everything
	in    func(*app.LocalChanges) *[]T // the list of a record
	// merged are the elements that came with merges, own the keys of the others.
	merged map[K]T
	own    map[K]bool
}

// identifierKey is what Identifier.Same compares.
type identifierKey struct {
	namespace, key, value string
	canonical             bool
}

func identifierRoster() roster[app.Identifier, identifierKey] {
	return roster[app.Identifier, identifierKey]{
		key: func(id app.Identifier) identifierKey {
			return identifierKey{id.Namespace, id.Key, id.Value, id.Canonical}
		},
		equal: app.Identifier.Equal,
		in:    func(c *app.LocalChanges) *[]app.Identifier { return &c.Identifiers },
	}
}

func sourceRoster() roster[uuid.UUID, uuid.UUID] {
	return roster[uuid.UUID, uuid.UUID]{
		key:   func(id uuid.UUID) uuid.UUID { return id },
		equal: func(a, b uuid.UUID) bool { return a == b },
		in:    func(c *app.LocalChanges) *[]uuid.UUID { return &c.SourceEntries },
	}
}

// brought lists what the records but one brought: of elements that say the same
// the earliest.
func (p *roster[T, K]) brought(l *ledger, but *app.LocalMerge) []T {
	var list []T
	seen := make(map[K]bool)
	for _, r := range l.records {
		if r == but {
			continue
		}
		for _, e := range *p.in(&r.Changes) {
			if k := p.key(e); !seen[k] {
				seen[k] = true
				list = append(list, e)
			}
		}
	}
	return list
}

// settle reads the list and lets go of what the master does not show any more.
func (p *roster[T, K]) settle(l *ledger, have []T) {
	gone := make(map[K]T)
	for _, e := range p.brought(l, nil) {
		gone[p.key(e)] = e
	}
	p.merged, p.own = make(map[K]T), make(map[K]bool)
	for _, e := range have {
		k := p.key(e)
		if b, ok := gone[k]; ok && p.equal(b, e) {
			delete(gone, k)
			p.merged[k] = b
		} else {
			p.own[k] = true
		}
	}
	if len(gone) == 0 {
		return
	}
	for _, r := range l.records {
		list := p.in(&r.Changes)
		before := len(*list)
		*list = slices.DeleteFunc(*list, func(e T) bool {
			_, ok := gone[p.key(e)]
			return ok
		})
		if len(*list) != before {
			l.dirty[r] = true
		}
	}
}

// fold appends what the list lacks, and notes in the record what the master
// does not have of its own.
func (p *roster[T, K]) fold(r *app.LocalMerge, have, more []T) []T {
	list, noted := p.in(&r.Changes), make(map[K]bool)
	for _, e := range more {
		k := p.key(e)
		if p.own[k] || noted[k] {
			continue
		}
		noted[k] = true
		*list = append(*list, e)
		if _, ok := p.merged[k]; !ok {
			p.merged[k] = e
			have = append(have, e)
		}
	}
	return have
}

// unfold gives the list without what only that record brought. What others
// brought, too, moves up into the places of what was merged.
func (p *roster[T, K]) unfold(l *ledger, r *app.LocalMerge, have []T) []T {
	rest := p.brought(l, r)
	out := make([]T, 0, len(have))
	for _, e := range have {
		b, ok := p.merged[p.key(e)]
		if !ok || !p.equal(b, e) {
			out = append(out, e)
			continue
		}
		delete(p.merged, p.key(e)) // a repetition is the master's own
		if len(rest) > 0 {
			out, rest = append(out, rest[0]), rest[1:]
		}
	}
	return out
}
