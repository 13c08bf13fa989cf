package items

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// One job of the writer merges that many groups, or that many items.
const (
	organizeGroups = 32
	organizeItems  = 500
)

// OrganizeInput says which duplicates are merged and how.
type OrganizeInput struct {
	Namespace *string // of the canonical identifier; nil for all
	Strategy  app.MergeStrategy
	DryRun    bool
}

// OrganizedGroup is what became of one group of duplicates.
type OrganizedGroup struct {
	Master uuid.UUID
	Merged []uuid.UUID
	Err    *app.Error // why it was left as it is; nil when it was merged
}

// Organized is the outcome of OrganizeLocal. Before counts the items in groups
// of duplicates, Merged those that are, or on a dry run would be, part of
// another one now.
type Organized struct {
	Groups []OrganizedGroup
	Before int
	Merged int
}

// OrganizeLocal merges the caller's duplicates (LocalDuplicates): of each group
// the later items into the oldest one, in order of creation, at most 1,000. A
// group is merged whole or not at all, and one that cannot be merged does not
// stop the others. One call merges at most 10,000 items; the next call goes on.
//
// It is no single change: when it fails half-way (busy, time over), what was
// merged until then stays merged. A group that changed meanwhile is merged as
// far as it is still there. A dry run changes nothing.
func (s *Service) OrganizeLocal(ctx context.Context, who app.Actor, in OrganizeInput) (Organized, error) {
	var groups []*nameGroup
	err := s.store.Read(ctx, func(r app.Reader) (err error) {
		groups, err = nameGroups(r, who, in.Namespace)
		return err
	})
	if err != nil {
		return Organized{}, err
	}
	out := Organized{Before: countNames(groups)}
	for _, g := range groups {
		g.names = g.names[:min(len(g.names), 1+maxLocalMerge)]
	}
	groups = cutGroups(groups, maxDuplicates)
	if in.DryRun {
		for _, g := range groups {
			out.Groups = append(out.Groups, g.planned(nil))
			out.Merged += len(g.names) - 1
		}
		return out, nil
	}
	for len(groups) > 0 {
		n := firstJob(groups)
		o := organizer{who: who, now: s.env.Now(), strategy: in.Strategy}
		if err := s.store.Write(ctx, func(tx app.Tx) error { return o.run(tx, groups[:n]) }); err != nil {
			return Organized{}, err
		}
		out.Groups = append(out.Groups, o.groups...)
		out.Merged += o.merged
		out.Before -= o.gone
		groups = groups[n:]
	}
	return out, nil
}

// firstJob is how many groups the next job of the writer takes; at least one.
func firstJob(groups []*nameGroup) int {
	n, items := 1, len(groups[0].names)
	for n < len(groups) && n < organizeGroups && items+len(groups[n].names) <= organizeItems {
		items += len(groups[n].names)
		n++
	}
	return n
}

// planned is the group as it was found.
func (g *nameGroup) planned(err *app.Error) OrganizedGroup {
	out := OrganizedGroup{Master: g.names[0].LocalID, Err: err}
	for _, n := range g.names[1:] {
		out.Merged = append(out.Merged, n.LocalID)
	}
	return out
}

// organizer is one job of OrganizeLocal.
type organizer struct {
	who      app.Actor
	now      time.Time
	strategy app.MergeStrategy

	groups []OrganizedGroup
	merged int
	gone   int // items that are no duplicates any more
}

func (o *organizer) run(tx app.Tx, groups []*nameGroup) error {
	for _, g := range groups {
		var done OrganizedGroup
		err := tx.Try(func() (err error) {
			done, err = o.merge(tx, g)
			return err
		})
		var refused *app.Error
		switch {
		case errors.As(err, &refused) && refused.Reason == app.ReasonLocalMerge:
			o.groups = append(o.groups, g.planned(refused))
		case err != nil:
			return err
		case len(done.Merged) == 0:
			o.gone += len(g.names)
		default:
			o.groups = append(o.groups, done)
			o.merged += len(done.Merged)
			o.gone += len(g.names) - 1 - len(done.Merged)
		}
	}
	return nil
}

// merge merges what is still there of a group; nothing is merged when less than
// two items are.
func (o *organizer) merge(tx app.Tx, g *nameGroup) (OrganizedGroup, error) {
	m := &localMerger{tx: tx, who: o.who, now: o.now, strategy: o.strategy}
	var out OrganizedGroup
	for _, n := range g.names {
		it, err := tx.Items().ByRow(n.Row)
		if app.CodeOf(err) == app.CodeNotFound {
			continue // pushed, and folded into a traced item
		}
		if err != nil {
			return out, err
		}
		switch {
		case !g.holds(o.who, it):
		case m.ledger == nil:
			out.Master = n.LocalID
			err = m.into(it)
		default:
			out.Merged = append(out.Merged, n.LocalID)
			err = m.add(it)
		}
		if err != nil {
			return out, err
		}
	}
	if len(out.Merged) == 0 {
		return out, nil
	}
	_, err := m.finish()
	return out, err
}

// holds reports whether the item still belongs to the group.
func (g *nameGroup) holds(who app.Actor, it *app.Item) bool {
	_, legal := it.Status.After(app.ChangeFold)
	if !legal || !it.Local() || it.OwnerID != who.UserID {
		return false
	}
	i := slices.IndexFunc(it.Identifiers, func(id app.Identifier) bool { return id.Canonical })
	if i < 0 {
		return false
	}
	at := nameGroupOf(it.Identifiers[i])
	return at.key == g.key && at.namespace == g.namespace && at.normal == g.normal
}
