// Package circuits is the service of circuits: groups of parties that share
// items under permissions. It creates, lists and changes circuits, keeps their
// members and roles, lets users ask to join, shows their public face, tokenizes
// local items into them (push.go), and pushes, pulls and approves.
//
// Who may do what inside a circuit is decided inside the write closure, from
// the caller's own membership entry (app.CircuitGate) and the one table of
// rights, so a permission that was taken away a moment ago is already gone.
// Every change of a circuit goes through change.go, and every item that comes
// into one through place.go.
package circuits

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/password"
	"github.com/defarm-repo/defarm/app/quota"
)

// Config is what the service needs beside the store.
type Config struct {
	// Encoder cuts item documents into IPFS blocks.
	Encoder app.DocumentEncoder
	// Passwords hashes the passwords of protected circuits.
	Passwords *password.Pool
	// Quota is where creating and pushing take what they cost.
	Quota *quota.Quota
}

// Service acts on circuits. It is safe for use by many goroutines.
type Service struct {
	store     app.Store
	env       app.Env
	encoder   app.DocumentEncoder
	passwords *password.Pool
	quota     *quota.Quota
	guesses   *guesses
}

// New returns the service.
func New(store app.Store, env app.Env, cfg Config) *Service {
	return &Service{
		store: store, env: env, encoder: cfg.Encoder, passwords: cfg.Passwords, quota: cfg.Quota, guesses: newGuesses(),
	}
}

// View is a circuit as one caller may see it.
type View struct {
	*app.Circuit
	// Member says that the caller sees it as a member does; others see
	// neither the members nor the roles of a public circuit.
	Member bool
	// Manager says that the caller may change the circuit's settings.
	Manager bool
	// ShowPublished says whether the caller sees what the circuit publishes.
	ShowPublished bool
	// Own are the caller's own join requests that wait, where he is no member
	// and has just made one.
	Own []app.JoinRequest
}

func (s *Service) view(c *app.Circuit, who app.Actor) View {
	member := c.MayRead(who)
	entry, _ := c.Member(who.UserID)
	return View{
		Circuit: c, Member: member,
		Manager:       c.OwnerID == who.UserID || entry.Has(app.PermManagePermissions),
		ShowPublished: member || c.OpenToEverybody(s.env.Now()),
	}
}

// Get returns a circuit to its members and administrators, and a public one to
// everybody who is logged in. Otherwise ReasonCircuitNotFound.
func (s *Service) Get(ctx context.Context, who app.Actor, id uuid.UUID) (View, error) {
	c, err := s.store.Circuit(ctx, id)
	if err != nil {
		return View{}, err
	}
	v := s.view(c, who)
	if !v.Member && (!c.Permissions.AllowPublicVisibility || c.Status == app.CircuitArchived) {
		return View{}, app.NotFound(app.ReasonCircuitNotFound, "Circuit not found")
	}
	return v, nil
}

// ListFilter selects circuits of a list.
type ListFilter struct {
	IncludePublic bool
	Status        app.CircuitStatus // "" for any
}

// List returns the caller's circuits and, when asked, the public ones, newest
// first.
func (s *Service) List(ctx context.Context, who app.Actor, f ListFilter, p app.Page) ([]View, error) {
	var ids []uuid.UUID
	err := s.store.Read(ctx, func(r app.Reader) (err error) {
		ids, err = r.Circuits().ListIDs(who.UserID, true, f.IncludePublic, f.Status, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.views(ctx, who, ids)
}

// views gives the circuits with those ids as the caller may see them; those that
// were removed since the list was read are left out.
func (s *Service) views(ctx context.Context, who app.Actor, ids []uuid.UUID) ([]View, error) {
	list, err := s.store.Circuits(ctx, ids)
	if err != nil {
		return nil, err
	}
	views := make([]View, len(list))
	for i, c := range list {
		views[i] = s.view(c, who)
	}
	return views, nil
}

// Item is an item of a circuit with the events that the caller may see.
type Item struct {
	app.CircuitItem
	Events []*app.Event
}

// Items lists a circuit's items, newest push first: all of them to members,
// the published ones to others when the circuit is open to everybody. Events
// are loaded only when asked for. ReasonCircuitNotFound.
func (s *Service) Items(ctx context.Context, who app.Actor, id uuid.UUID, events bool, p app.Page) (View, []Item, error) {
	v, err := s.Get(ctx, who, id)
	if err != nil {
		return View{}, nil, err
	}
	if !v.Member && !v.ShowPublished {
		return v, []Item{}, nil // known to be public, its items are behind a password or a date
	}
	var list []Item
	err = s.store.Read(ctx, func(r app.Reader) error {
		places, err := r.Circuits().Items(v.Row, !v.Member, p)
		if err != nil {
			return err
		}
		list = make([]Item, len(places))
		dfids := make([]string, len(places))
		for i, place := range places {
			list[i].CircuitItem, dfids[i] = place, place.DFID
		}
		if !events || len(list) == 0 {
			return nil
		}
		byItem, err := r.Events().ByItems(dfids)
		for i := range list {
			list[i].Events = visibleEvents(byItem[list[i].DFID], who, v)
			if !v.Member {
				list[i].Events = v.onPage(list[i].Events, who, list[i].Whole)
			}
		}
		return err
	})
	return v, list, err
}

// visibleEvents keeps what the caller may read with this circuit as context
// (contract 05 §4.3): members see public events and those of this circuit,
// everybody his own and those addressed to him, others only public ones.
func visibleEvents(events []*app.Event, who app.Actor, v View) []*app.Event {
	out := make([]*app.Event, 0, len(events))
	circuit := v.ID.String()
	for _, e := range events {
		own := who.IsAdmin || e.Source == who.UserID || (e.Visibility == app.VisibilityDirect && e.Recipient() == who.UserID)
		here := e.Visibility == app.VisibilityCircuitOnly && v.Member && e.InCircuit(circuit)
		if e.Visibility == app.VisibilityPublic || own || here {
			out = append(out, e)
		}
	}
	return out
}

// onPage keeps what an outsider would also find on the public page (see Face),
// and what is his own: an item that the circuit holds in part shows the
// circuit's own events, and encrypted ones show where the circuit says so.
func (v View) onPage(events []*app.Event, who app.Actor, whole bool) []*app.Event {
	circuit, encrypted := v.ID.String(), v.Public != nil && v.Public.ShowEncrypted
	return slices.DeleteFunc(events, func(e *app.Event) bool {
		return e.Source != who.UserID && e.Visibility == app.VisibilityPublic &&
			((e.Encrypted && !encrypted) || (!whole && !e.InCircuit(circuit)))
	})
}
