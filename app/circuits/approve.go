package circuits

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// Decision names an operation that is to be decided.
type Decision struct {
	OperationID uuid.UUID
	// CircuitID is the circuit that the operation must be of; nil when the
	// caller did not say.
	CircuitID *uuid.UUID
}

// Approve does what a waiting operation is for, as its requester asked for it
// when he might: a push puts the item into the circuit in his name, a pull takes
// it out. The requester is told. Of several who decide at the same moment one
// does, and the item changes once.
//
// Errors: ReasonOperationNotFound, ReasonCircuitNotFound (the operation is of
// another circuit, or of one that the caller may not know of),
// ReasonCircuitPermission, ReasonCircuitInactive, ReasonOperationState,
// ReasonItemNotFound (the item is gone, or no longer in the circuit),
// ReasonItemState.
func (s *Service) Approve(ctx context.Context, who app.Actor, d Decision) (Operation, error) {
	var op Operation
	err := s.store.Write(ctx, func(tx app.Tx) error {
		c, err := s.decide(tx, who, d, app.WorkApprove, &op)
		if err != nil {
			return err
		}
		if err := c.settle(&op.CircuitOperation, app.OperationCompleted); err != nil {
			return err
		}
		if err := c.carryOut(op.CircuitOperation); err != nil {
			return err
		}
		return c.tell(op.CircuitOperation, outcome{"Approve", "approved", app.NotifyItemApproved}, nil)
	})
	return op, err
}

// Reject ends a waiting operation; nothing else happens. The requester is told.
// reason is kept and shown; nil when none was given.
//
// Errors: those of Approve that are not about the item.
func (s *Service) Reject(ctx context.Context, who app.Actor, d Decision, reason *string) (Operation, error) {
	var op Operation
	err := s.store.Write(ctx, func(tx app.Tx) error {
		c, err := s.decide(tx, who, d, app.WorkReject, &op)
		if err != nil {
			return err
		}
		notes := map[string]any{"rejected_by": who.UserID, "rejected_at": app.FormatOffset(c.now)}
		if reason != nil {
			notes["rejection_reason"] = *reason
		}
		for key, value := range notes {
			if op.Metadata[key], err = json.Marshal(value); err != nil {
				return fmt.Errorf("note %s: %w", key, err)
			}
		}
		if err := c.settle(&op.CircuitOperation, app.OperationRejected); err != nil {
			return err
		}
		return c.tell(op.CircuitOperation, outcome{"Reject", "rejected", app.NotifyItemRejected}, reason)
	})
	return op, err
}

// decide loads an operation for a caller who may decide about it.
func (s *Service) decide(tx app.Tx, who app.Actor, d Decision, w app.CircuitWork, op *Operation) (*changing, error) {
	stored, err := tx.Operations().ByID(d.OperationID)
	if err != nil {
		return nil, err
	}
	gate, err := tx.Circuits().GateOf(stored.CircuitRow, who.UserID)
	if err != nil {
		return nil, err
	}
	if d.CircuitID != nil && *d.CircuitID != gate.Circuit.ID {
		return nil, app.NotFound(app.ReasonCircuitNotFound, "Circuit not found")
	}
	*op = Operation{CircuitOperation: stored, CircuitID: gate.Circuit.ID}
	c := &changing{service: s, tx: tx, who: who, gate: gate, circuit: gate.Circuit, now: s.env.Now()}
	return c, c.admit(w)
}

// settle ends the operation's wait, or finds that it has ended.
func (c *changing) settle(op *app.CircuitOperation, status app.OperationStatus) error {
	op.Status, op.DecidedBy, op.DecidedAt = status, c.who.UserID, c.now
	won, err := c.tx.Operations().Decide(*op)
	if err != nil {
		return err
	}
	if !won {
		return app.Invalid(app.ReasonOperationState, "Validation error: Operation is not pending")
	}
	return nil
}

// carryOut does what the operation is for. That the requester could is settled;
// what he has lost since does not count.
func (c *changing) carryOut(op app.CircuitOperation) error {
	if op.Type == app.OperationPull {
		it, _, err := c.held(op.DFID)
		if err != nil {
			return err
		}
		_, err = c.take(it, op.RequesterID)
		return err
	}
	it, err := c.tx.Items().ByDFID(op.DFID)
	if err != nil {
		return err
	}
	if err := inUse(it); err != nil {
		return err
	}
	if op.Plan.Addition != nil {
		return c.bringAddition(it, op)
	}
	return c.bring(it, op.RequesterID, op.Plan)
}

// outcome is how a decision is worded.
type outcome struct {
	verb, past string
	notice     app.NotificationType
}

// tell notes what the caller decided and tells the requester.
func (c *changing) tell(op app.CircuitOperation, o outcome, reason *string) error {
	what := strings.ToLower(op.Type) + " of " + op.DFID
	err := c.note(o.verb, strings.ToLower(o.verb)+"_operation", fmt.Sprintf("%s: %s", o.verb, what))
	if err != nil {
		return err
	}
	data := operationData(op, o.past+"_by", c.who.UserID)
	if reason != nil {
		data["reason"] = *reason
	}
	return c.notify(op.RequesterID, o.notice, fmt.Sprintf("Item %s in %s", o.past, c.circuit.Name),
		fmt.Sprintf("The %s in %s has been %s.", what, c.circuit.Name, o.past), data)
}
