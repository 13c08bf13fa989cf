package items

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/registry"
)

// The bounds of looking for duplicates.
const (
	maxLocalRead  = 100_000 // local items that are looked at, the oldest first
	maxDuplicates = 10_000  // items in one answer, and merged by one call
)

// DuplicateGroup is local items of one owner that carry the same canonical
// identifier.
type DuplicateGroup struct {
	Key       string      // namespace:key
	Value     string      // as the oldest item spells it
	Items     []*app.Item // at least two, in order of creation
	Conflicts []string    // keys of the first item's data whose value differs in a later one
}

// Duplicates is an answer of LocalDuplicates. It lists at most 10,000 items;
// the numbers count all.
type Duplicates struct {
	Groups     []DuplicateGroup
	GroupCount int
	ItemCount  int
}

// LocalDuplicates finds the caller's local items that name the same thing. Each
// is filed under its first canonical identifier alone; two spellings of one
// number are one (package registry). Only items in use count, and of those the
// oldest 100,000 local ones. Groups are sorted by key and value.
func (s *Service) LocalDuplicates(ctx context.Context, who app.Actor) (Duplicates, error) {
	var out Duplicates
	err := s.store.Read(ctx, func(r app.Reader) error {
		groups, err := nameGroups(r, who, nil)
		if err != nil {
			return err
		}
		out.GroupCount, out.ItemCount = len(groups), countNames(groups)
		var rows []int64
		groups = cutGroups(groups, maxDuplicates)
		for _, g := range groups {
			for _, n := range g.names {
				rows = append(rows, n.Row)
			}
		}
		its, err := r.Items().ByRows(rows)
		if err != nil {
			return err
		}
		for _, g := range groups { // of one snapshot: every row is there
			members := its[:len(g.names):len(g.names)]
			its = its[len(g.names):]
			out.Groups = append(out.Groups, DuplicateGroup{
				Key: g.key, Value: g.names[0].Canonical.Value, Items: members, Conflicts: dataConflicts(members),
			})
		}
		return nil
	})
	if err != nil {
		return Duplicates{}, err
	}
	return out, nil
}

// nameGroup is a group of duplicates before its items are read.
type nameGroup struct {
	namespace string
	key       string // namespace:key
	normal    string // normal form of the value
	names     []app.LocalName
}

// nameGroupOf says where an item with that first canonical identifier belongs.
func nameGroupOf(id app.Identifier) nameGroup {
	ns := cmp.Or(id.Namespace, app.DefaultNamespace)
	return nameGroup{namespace: ns, key: ns + ":" + id.Key, normal: registry.Normal(id.Key, id.Value)}
}

// nameGroups are the caller's duplicates, of one namespace unless it is nil.
func nameGroups(r app.Reader, who app.Actor, namespace *string) ([]*nameGroup, error) {
	names, err := r.LocalMerges().Names(who.UserID, maxLocalRead)
	if err != nil {
		return nil, err
	}
	type place struct{ namespace, key, normal string }
	filed := make(map[place]*nameGroup)
	var groups []*nameGroup
	for _, n := range names {
		g := nameGroupOf(n.Canonical)
		if namespace != nil && g.namespace != *namespace {
			continue
		}
		at := place{g.namespace, g.key, g.normal}
		if filed[at] == nil {
			filed[at] = &g
			groups = append(groups, &g)
		}
		filed[at].names = append(filed[at].names, n)
	}
	groups = slices.DeleteFunc(groups, func(g *nameGroup) bool { return len(g.names) < 2 })
	slices.SortStableFunc(groups, func(a, b *nameGroup) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.names[0].Canonical.Value, b.names[0].Canonical.Value))
	})
	return groups, nil
}

func countNames(groups []*nameGroup) int {
	n := 0
	for _, g := range groups {
		n += len(g.names)
	}
	return n
}

// cutGroups keeps the first groups with at most n items together; the last one
// may lose its youngest.
func cutGroups(groups []*nameGroup, n int) []*nameGroup {
	for i, g := range groups {
		if n < 2 {
			return groups[:i]
		}
		g.names = g.names[:min(n, len(g.names))]
		n -= len(g.names)
	}
	return groups
}

// dataConflicts are the keys of the first item whose value differs in a later item
// that has the key, sorted.
func dataConflicts(its []*app.Item) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(its[0].Data)) {
		differs := func(it *app.Item) bool {
			value, ok := it.Data[key]
			return ok && !bytes.Equal(value, its[0].Data[key])
		}
		if slices.ContainsFunc(its[1:], differs) {
			out = append(out, key)
		}
	}
	return out
}
