package evidence

import (
	"context"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// Events lists an item's events, newest first, as far as the caller may read
// them: none for an item that he may not read.
//
// Of the readers of an item, all see its Public events, the author sees his
// own, the addressee a Direct one, and the members of its circuit a CircuitOnly
// one; administrators see all. Who sees the item in part sees the Public and
// CircuitOnly events of the circuits through which he sees it. Once the item is
// published, everybody sees the Public events.
func (s *Service) Events(ctx context.Context, who app.Actor, dfid string, p app.Page) ([]*app.Event, error) {
	var (
		out  []*app.Event
		none = app.NotFound(app.ReasonItemNotFound, "Item not found")
	)
	err := s.reach(ctx, who, dfid, none, func(r app.Reader, it *app.Item, v view) (err error) {
		n := narrow{who: who, view: v, circuits: r.Circuits(), member: make(map[string]bool)}
		out, err = app.FilterPage(p, func(at app.Page) ([]*app.Event, error) {
			return r.Events().ByItem(it.DFID, at)
		}, n.shows)
		return err
	})
	if app.ReasonOf(err) == app.ReasonItemNotFound {
		return nil, nil
	}
	return out, err
}

// narrow decides event by event.
type narrow struct {
	who      app.Actor
	view     view
	circuits app.CircuitReads
	member   map[string]bool // by circuit id, as far as asked
}

func (n narrow) shows(e *app.Event) (bool, error) {
	insider := n.view.whole || len(n.view.circuits) > 0
	if insider && (n.who.IsAdmin || e.Source == n.who.UserID) {
		return true, nil
	}
	switch e.Visibility {
	case app.VisibilityPublic:
		return n.showsPublic(e), nil
	case app.VisibilityDirect:
		return insider && n.who.UserID != "" && e.Recipient() == n.who.UserID, nil
	case app.VisibilityCircuitOnly:
		if n.view.whole {
			return n.memberOf(e)
		}
		return inAny(e, n.view.circuits), nil
	default: // Private: the author's alone
		return false, nil
	}
}

func (n narrow) showsPublic(e *app.Event) bool {
	if n.view.whole || n.view.openWhole() || inAny(e, n.view.circuits) {
		return true
	}
	for _, p := range n.view.open {
		if e.InCircuit(p.CircuitID) {
			return true
		}
	}
	return false
}

func inAny(e *app.Event, circuits []string) bool {
	for _, id := range circuits {
		if e.InCircuit(id) {
			return true
		}
	}
	return false
}

// memberOf reports whether the caller is a member of the event's circuit.
func (n narrow) memberOf(e *app.Event) (bool, error) {
	for _, id := range e.CircuitIDs() {
		is, known := n.member[id]
		if !known {
			circuit, err := uuid.Parse(id)
			if err != nil {
				continue // metadata is free form
			}
			gate, err := n.circuits.Gate(circuit, n.who.UserID)
			if err != nil && app.CodeOf(err) != app.CodeNotFound {
				return false, err
			}
			is = err == nil && gate.IsIn
			n.member[id] = is
		}
		if is {
			return true, nil
		}
	}
	return false, nil
}
