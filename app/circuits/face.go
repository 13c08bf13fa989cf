package circuits

import (
	"context"
	"net/netip"
	"slices"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// The bounds of a public page: the items that it lists, the events that it shows
// of each, and all events together, which are shared out evenly.
const (
	faceItems     = 1000
	faceEvents    = 100
	faceAllEvents = 10_000
)

// Face is what a circuit shows to the public (contract 03 §4.2).
type Face struct {
	*app.Circuit
	// Open says that the viewer sees what is published: it is false for a
	// protected circuit without its password, and then Items are empty.
	Open bool
	// Items are the first thousand published items in order of publication.
	Items []FaceItem
	// EventsCount counts the events of Items, also those that are not listed.
	EventsCount int
}

// FaceItem is a published item with its newest public events, newest first.
type FaceItem struct {
	DFID   string
	Events []*app.Event
}

// Protected reports whether a password opens the circuit to the public.
func (f Face) Protected() bool { return protected(f.Circuit) }

func protected(c *app.Circuit) bool {
	return c.Public != nil && c.Public.AccessMode == app.AccessProtected
}

// Visitor is somebody who looks at a public page or joins through it.
type Visitor struct {
	app.Actor            // the zero Actor for nobody in particular
	From      netip.Addr // for bounding guesses
	Password  string     // "" when none is given
}

// Face returns the public page of a circuit that is active and publicly
// accessible (contract 03 R5). A protected one opens to its members and to
// whoever has its password; a wrong password shows what none shows. Of an item
// that the circuit holds in part, only its own events are shown.
//
// Errors: ReasonCircuitNotPublic, ReasonPasswordThrottled, CodeBusy.
func (s *Service) Face(ctx context.Context, who Visitor, id uuid.UUID) (Face, error) {
	c, err := s.store.Circuit(ctx, id)
	switch {
	case app.CodeOf(err) == app.CodeNotFound:
		return Face{}, errNotPublic()
	case err != nil:
		return Face{}, err
	case c.Status != app.CircuitActive || !c.PubliclyAccessible(s.env.Now()):
		return Face{}, errNotPublic()
	}
	f := Face{Circuit: c, Open: !protected(c) || c.MayRead(who.Actor)}
	if !f.Open {
		if f.Open, err = s.opens(ctx, c, who.Actor, who.From, who.Password); err != nil {
			return Face{}, err
		}
	}
	if !f.Open || len(c.Published) == 0 {
		return f, nil
	}
	shown := app.PublicEvents{
		CircuitRow: c.Row, CircuitID: c.ID.String(), DFIDs: c.Published[:min(len(c.Published), faceItems)],
		Encrypted: c.Public != nil && c.Public.ShowEncrypted,
	}
	shown.PerItem = min(faceEvents, faceAllEvents/len(shown.DFIDs))
	return f, s.store.Read(ctx, func(r app.Reader) error {
		places, err := r.Circuits().Held(c.Row, shown.DFIDs)
		if err != nil {
			return err
		}
		events, count, err := r.Events().Public(shown)
		if err != nil {
			return err
		}
		f.EventsCount, f.Items = count, make([]FaceItem, len(shown.DFIDs))
		for i, dfid := range shown.DFIDs {
			own := events[dfid]
			if !places[dfid].Whole {
				own = slices.DeleteFunc(own, func(e *app.Event) bool { return !e.InCircuit(shown.CircuitID) })
				f.EventsCount -= len(events[dfid]) - len(own)
			}
			f.Items[i] = FaceItem{DFID: dfid, Events: own}
		}
		return nil
	})
}

func errNotPublic() error {
	return app.NotFound(app.ReasonCircuitNotPublic, "Circuit not found or not public").With("code", "CIRCUIT_NOT_PUBLIC")
}

// JoinPublic lets the caller join a publicly accessible circuit, which may ask
// for a password. Where the circuit approves members by itself he is one at
// once, and approved is true; else a request is made, as by RequestToJoin.
//
// Errors: ReasonCircuitNotFound, ReasonCircuitNotPublic, ReasonCircuitInactive,
// ReasonMember, ReasonAccessPassword, ReasonPasswordThrottled,
// ReasonJoinRequest, CodeBusy.
func (s *Service) JoinPublic(ctx context.Context, who Visitor, id uuid.UUID, message string) (approved bool, err error) {
	if err := checkMessage(message); err != nil {
		return false, err
	}
	// The password is compared before the write, for passwords take long. What
	// is decided here is decided again by the write.
	known, err := s.store.Circuit(ctx, id)
	if err != nil {
		return false, err
	}
	now := &changing{service: s, who: who.Actor, gate: gateOf(known, who.Actor), circuit: known, now: s.env.Now()}
	if err := now.mayJoin(); err != nil {
		return false, err
	}
	proven := ""
	if protected(known) {
		ok, err := s.opens(ctx, known, who.Actor, who.From, who.Password)
		if err != nil {
			return false, err
		}
		if !ok {
			return false, errAccessPassword()
		}
		proven = known.Public.PasswordHash
	}
	err = s.store.Write(ctx, func(tx app.Tx) error {
		c, err := s.enter(tx, who.Actor, id)
		if err != nil {
			return err
		}
		if err := c.mayJoin(); err != nil {
			return err
		}
		if protected(c.circuit) && c.circuit.Public.PasswordHash != proven {
			return errAccessPassword() // it was changed a moment ago
		}
		if approved, err = c.joinPublic(message); err != nil {
			return err
		}
		return tx.Circuits().Touch(c.circuit, c.now)
	})
	return approved, err
}

func errAccessPassword() error {
	return app.Forbidden(app.ReasonAccessPassword, "Permission denied: Invalid access password")
}

// mayJoin applies what a circuit asks of those who join it publicly, but for
// the password itself.
func (c *changing) mayJoin() error {
	if !c.circuit.PubliclyAccessible(c.now) {
		return app.Forbidden(app.ReasonCircuitNotPublic, "Permission denied: Circuit is not publicly accessible")
	}
	if err := c.circuit.RequireActive(); err != nil {
		return err
	}
	if err := c.requireOutsider(); err != nil {
		return err
	}
	if protected(c.circuit) && c.circuit.Public.PasswordHash == "" {
		return app.Invalid(app.ReasonAccessPassword, "Validation error: Circuit requires password but none is configured")
	}
	return nil
}

func (c *changing) joinPublic(message string) (approved bool, err error) {
	if c.circuit.Public == nil || !c.circuit.Public.AutoApprove {
		return false, c.request(message)
	}
	_, err = c.letIn(app.CircuitMember{
		UserID: c.who.UserID, Role: app.RoleMember, Permissions: app.RolePermissions(app.RoleMember), JoinedAt: c.now,
	})
	if err != nil {
		return false, err
	}
	if err := c.settleRequest(c.who.UserID, "system"); err != nil {
		return false, err
	}
	return true, c.note("Create", "join_circuit", "Joined circuit: "+c.circuit.Name)
}
