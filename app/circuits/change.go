package circuits

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// changing is one change of a circuit. It lives on the writer while its
// function runs.
type changing struct {
	service *Service
	tx      app.Tx
	who     app.Actor
	gate    app.CircuitGate
	circuit *app.Circuit // the gate's
	now     time.Time
}

// change runs fn on the writer, for a caller who may do the work, and returns
// the circuit as the caller sees it afterwards. fn changes what is inside; the
// circuit itself is touched for it.
//
// Errors: ReasonCircuitNotFound, ReasonCircuitPermission, and those of fn.
func (s *Service) change(ctx context.Context, who app.Actor, id uuid.UUID, w app.CircuitWork, fn func(c *changing) error) (View, error) {
	err := s.store.Write(ctx, func(tx app.Tx) error {
		c, err := s.enter(tx, who, id)
		if err != nil {
			return err
		}
		if err := allowed(c.gate, who, w); err != nil {
			return err
		}
		if err := fn(c); err != nil {
			return err
		}
		return tx.Circuits().Touch(c.circuit, c.now)
	})
	if err != nil {
		return View{}, err
	}
	c, err := s.store.Circuit(ctx, id)
	if err != nil {
		return View{}, err
	}
	return s.view(c, who), nil
}

// allowed refuses a caller who may not do the work; who may not even know of the
// circuit is told that there is none.
func allowed(gate app.CircuitGate, who app.Actor, w app.CircuitWork) error {
	err := gate.Allow(who.UserID, w)
	if err != nil && !gate.IsIn && !who.IsAdmin && !gate.Circuit.Permissions.AllowPublicVisibility {
		return app.NotFound(app.ReasonCircuitNotFound, "Circuit not found")
	}
	return err
}

// enter loads what a change needs to know of the circuit.
func (s *Service) enter(tx app.Tx, who app.Actor, id uuid.UUID) (*changing, error) {
	gate, err := tx.Circuits().Gate(id, who.UserID)
	if err != nil {
		return nil, err
	}
	return &changing{service: s, tx: tx, who: who, gate: gate, circuit: gate.Circuit, now: s.env.Now()}, nil
}

// note writes a line of the caller's history (contract 03 S28).
func (c *changing) note(kind, action, description string) error {
	return c.tx.Activities().InsertUser(app.UserActivity{
		ID: c.service.env.NewID(), UserID: c.who.UserID, WorkspaceID: c.who.WorkspaceID, At: c.now,
		Type: kind, Category: "Circuits", ResourceType: "Circuit", ResourceID: c.circuit.ID.String(),
		Action: action, Description: description, Success: true, Address: c.who.Address, Agent: c.who.Agent,
	})
}

// notify tells one user. Values of data are encoded here; circuit_id,
// circuit_name and timestamp (Unix seconds) are always there. Nobody is told of
// what he did himself.
func (c *changing) notify(userID string, kind app.NotificationType, title, message string, data map[string]any) error {
	if userID == c.who.UserID {
		return nil
	}
	n := app.Notification{
		ID: c.service.env.NewID(), UserID: userID, Type: kind, Title: title, Message: message, At: c.now,
		Data: make(map[string]json.RawMessage, len(data)+3),
	}
	put := func(key string, value any) error {
		raw, err := json.Marshal(value)
		n.Data[key] = raw
		return err
	}
	for key, value := range data {
		if err := put(key, value); err != nil {
			return err
		}
	}
	for key, value := range map[string]any{
		"circuit_id": c.circuit.ID.String(), "circuit_name": c.circuit.Name, "timestamp": c.now.Unix(),
	} {
		if err := put(key, value); err != nil {
			return err
		}
	}
	return c.tx.Notifications().Insert(n)
}

// managers are the owner and every member who manages members, each once.
func (c *changing) managers() ([]string, error) {
	members, err := c.tx.Members().List(c.circuit.Row)
	if err != nil {
		return nil, err
	}
	out := []string{c.circuit.OwnerID}
	for _, m := range members {
		if m.UserID != c.circuit.OwnerID && m.Has(app.PermManageMembers) {
			out = append(out, m.UserID)
		}
	}
	return out, nil
}
