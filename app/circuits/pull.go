package circuits

import (
	"context"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// Pulled is the outcome of Pull.
type Pulled struct {
	Operation Operation
	Item      *app.Item    // as the caller saw it in the circuit; nil while the operation waits
	Events    []*app.Event // those that he may read, newest first
}

// Pull takes an item out of a circuit (contract 03 §5.3): its members see it no
// more through this circuit, and the circuit publishes it no more. The caller
// needs Pull there; nothing becomes his that was not his before. The answer is
// the last look at the item.
//
// When the circuit requires approval the operation waits, those who decide are
// told, and nothing is shown.
//
// Errors: ReasonCircuitNotFound, ReasonCircuitPermission,
// ReasonCircuitInactive, ReasonItemNotFound (also for an item that is not in
// this circuit); ReasonTierLimit and ReasonInsufficientCredits where they are
// enforced.
func (s *Service) Pull(ctx context.Context, who app.Actor, circuitID uuid.UUID, dfid string) (Pulled, error) {
	var out Pulled
	err := s.store.Write(ctx, func(tx app.Tx) error {
		c, err := s.enter(tx, who, circuitID)
		if err != nil {
			return err
		}
		if err := c.admit(app.WorkPull); err != nil {
			return err
		}
		return c.pull(dfid, &out)
	})
	return out, err
}

// pull is Pull for a caller who was admitted.
func (c *changing) pull(dfid string, out *Pulled) error {
	it, place, err := c.held(dfid)
	if err != nil {
		return err
	}
	op := c.completed(c.service.env.NewID(), app.OperationPull, it.DFID)
	if err := c.pay(op); err != nil {
		return err
	}
	if c.circuit.Permissions.RequireApprovalForPull {
		err := c.await(&op, app.OperationPlan{Whole: place.Whole, Quoted: place.Quoted})
		out.Operation = Operation{CircuitOperation: op, CircuitID: c.circuit.ID}
		return err
	}
	sight, _, err := app.SightOf(c.tx.Items(), c.who, it) // a member sees what the circuit holds
	if err != nil {
		return err
	}
	after, err := c.take(it, c.who.UserID)
	if err != nil {
		return err
	}
	events, err := c.tx.Events().ByItems([]string{it.DFID})
	if err != nil {
		return err
	}
	out.Operation = Operation{CircuitOperation: op, CircuitID: c.circuit.ID}
	out.Item = sight.Of(after)
	out.Events = visibleEvents(events[it.DFID], c.who, View{Circuit: c.circuit, Member: true})
	return c.tx.Operations().Insert(op)
}

// held finds an item of the circuit; ReasonItemNotFound.
func (c *changing) held(dfid string) (*app.Item, app.CircuitItem, error) {
	it, err := c.tx.Items().ByDFID(dfid)
	if err != nil {
		return nil, app.CircuitItem{}, err
	}
	place, err := c.tx.Circuits().Place(c.circuit.Row, it.Row)
	return it, place, err
}

// take does everything that ends an item's part in the circuit: the event, its
// place and its publication, and the line in the circuit's history. It returns
// the item as it is then.
func (c *changing) take(old *app.Item, by string) (*app.Item, error) {
	it := old.Clone()
	if err := c.record(it, app.EventPulledFromCircuit, by); err != nil {
		return nil, err
	}
	if err := c.tx.Items().Update(old, it); err != nil {
		return nil, err
	}
	if _, err := c.tx.Circuits().RemoveItem(c.circuit.Row, it.Row); err != nil {
		return nil, err
	}
	if err := c.tx.Circuits().Touch(c.circuit, c.now); err != nil {
		return nil, err
	}
	return it, c.remember(app.OperationPull, it.DFID, by)
}
