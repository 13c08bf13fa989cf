package circuits

import (
	"context"
	"encoding/json"
	"maps"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// Operation is an operation with the id of its circuit.
type Operation struct {
	app.CircuitOperation
	CircuitID uuid.UUID
}

// admit decides whether the caller may do the work in the circuit, and whether
// anything may be done in it at all.
//
// Errors: ReasonCircuitNotFound, ReasonCircuitPermission,
// ReasonCircuitInactive.
func (c *changing) admit(w app.CircuitWork) error {
	if err := allowed(c.gate, c.who, w); err != nil {
		return err
	}
	return c.circuit.RequireActive()
}

// completed is an operation of the caller's that nobody needs to approve.
func (c *changing) completed(id uuid.UUID, kind, dfid string) app.CircuitOperation {
	return app.CircuitOperation{
		ID: id, CircuitRow: c.circuit.Row, DFID: dfid, Type: kind, RequesterID: c.who.UserID,
		At: c.now, Status: app.OperationCompleted, Metadata: make(map[string]json.RawMessage),
	}
}

// await stores an operation that waits for approval, and tells those who decide.
func (c *changing) await(op *app.CircuitOperation, plan app.OperationPlan) error {
	op.Status, op.Plan = app.OperationPending, plan
	if err := c.tx.Operations().Insert(*op); err != nil {
		return err
	}
	managers, err := c.managers()
	if err != nil {
		return err
	}
	message := "User " + op.RequesterID + " wants to push an item to " + c.circuit.Name + "."
	if op.Type == app.OperationPull {
		message = "User " + op.RequesterID + " wants to pull an item from " + c.circuit.Name + "."
	}
	for _, userID := range managers {
		err := c.notify(userID, app.NotifyItemPendingApproval, "Approval needed in "+c.circuit.Name, message, operationData(*op, "requester_id", op.RequesterID))
		if err != nil {
			return err
		}
	}
	return nil
}

// operationData is what notifications say of an operation.
func operationData(op app.CircuitOperation, key string, value any) map[string]any {
	return map[string]any{"operation_id": op.ID.String(), "operation_type": op.Type, "dfid": op.DFID, key: value}
}

// Operations lists a circuit's pushes and pulls, newest first; status "" is any.
// Those who may not see what others do there see their own. Who is no member
// gets an empty list, whether there is such a circuit or not (contract 03 §5.4).
func (s *Service) Operations(ctx context.Context, who app.Actor, id uuid.UUID, status app.OperationStatus, p app.Page) ([]Operation, error) {
	v, err := s.Get(ctx, who, id)
	if app.ReasonOf(err) == app.ReasonCircuitNotFound {
		return nil, nil
	}
	if err != nil || !v.Member {
		return nil, err
	}
	var list []Operation
	err = s.store.Read(ctx, func(r app.Reader) (err error) {
		list, err = operationsOf(r, who, v, status, p)
		return err
	})
	return list, err
}

func operationsOf(r app.Reader, who app.Actor, v View, status app.OperationStatus, p app.Page) ([]Operation, error) {
	f := app.OperationFilter{CircuitRow: v.Row, Status: status}
	member, isIn := v.Circuit.Member(who.UserID)
	gate := app.CircuitGate{Circuit: v.Circuit, Member: member, IsIn: isIn}
	if !who.IsAdmin && !gate.May(who.UserID, app.WorkSeeOperations) {
		f.RequesterID = who.UserID
	}
	ops, err := r.Operations().List(f, p)
	list := make([]Operation, len(ops))
	for i, op := range ops {
		list[i] = Operation{CircuitOperation: op, CircuitID: v.ID}
	}
	return list, err
}

// PendingItem is an operation that waits, with what it would bring or take.
type PendingItem struct {
	Operation
	Item *app.Item // nil when there is no such item, or none in the circuit to pull
}

// PendingItems is Operations for what waits, with the items. Members who do not
// decide about operations see their own; others than members see none.
//
// Errors: ReasonCircuitNotFound.
func (s *Service) PendingItems(ctx context.Context, who app.Actor, id uuid.UUID, p app.Page) ([]PendingItem, error) {
	v, err := s.Get(ctx, who, id)
	if err != nil || !v.Member {
		return nil, err
	}
	var list []PendingItem
	err = s.store.Read(ctx, func(r app.Reader) error {
		ops, err := operationsOf(r, who, v, app.OperationPending, p)
		if err != nil {
			return err
		}
		dfids := make([]string, len(ops))
		for i, op := range ops {
			dfids[i] = op.DFID
		}
		items, err := r.Items().ByDFIDs(dfids)
		if err != nil {
			return err
		}
		held, err := r.Circuits().Held(v.Row, dfids)
		list = make([]PendingItem, len(ops))
		for i, op := range ops {
			list[i] = PendingItem{Operation: op}
			if op.Type == app.OperationPull { // what is there to be pulled now
				place, there := held[op.DFID]
				if !there {
					continue
				}
				op.Plan.Whole, op.Plan.Quoted = place.Whole, place.Quoted
			}
			list[i].Item = op.preview(items[op.DFID])
		}
		return err
	})
	return list, err
}

// preview is what the members would see of the item, or see before it is pulled.
func (op Operation) preview(it *app.Item) *app.Item {
	if it == nil {
		return nil
	}
	seen := it
	if !op.Plan.Whole {
		view := app.PartialView{Quoted: op.Plan.Quoted}
		if op.Type == app.OperationPull {
			view.Circuits = []string{op.CircuitID.String()}
		}
		seen = it.Part(view)
	}
	if add := op.Plan.Addition; add != nil {
		seen = seen.Clone()
		seen.Identifiers = app.UnionIdentifiers(seen.Identifiers, add.Identifiers)
		maps.Copy(seen.Data, add.Data)
	}
	return seen
}
