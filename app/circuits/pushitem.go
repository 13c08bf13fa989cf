package circuits

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/quota"
)

const (
	// MaxPushBatch is how many items one batch pushes.
	MaxPushBatch = 500
	// pushPiece is how many of them share a job of the writer, so that nobody
	// behind them waits long.
	pushPiece = 32
)

// Push puts a traced item that exists into a circuit (contract 03 §5.1). The
// caller needs Push there, and must own the item, have it shared with him, or
// see it through a circuit; being an administrator is no right to pass it on.
// What he sees of it is what the members will see. Pushing again renews the
// place.
//
// When the circuit requires approval the operation waits, those who decide are
// told, and nothing else happens.
//
// Errors: ReasonCircuitNotFound, ReasonCircuitPermission,
// ReasonCircuitInactive, ReasonAdapterAccess, ReasonAdapterMissing,
// ReasonItemNotFound, ReasonItemState (a local item, or one out of use);
// ReasonTierLimit and ReasonInsufficientCredits where they are enforced.
func (s *Service) Push(ctx context.Context, who app.Actor, circuitID uuid.UUID, dfid string) (Operation, error) {
	var op Operation
	err := s.store.Write(ctx, func(tx app.Tx) error {
		c, err := s.enter(tx, who, circuitID)
		if err != nil {
			return err
		}
		if err := c.admitPush(); err != nil {
			return err
		}
		op, err = c.push(dfid)
		return err
	})
	return op, err
}

// admitPush decides whether the caller may push items that exist.
func (c *changing) admitPush() error {
	if err := c.admit(app.WorkPush); err != nil {
		return err
	}
	return c.mayStore()
}

// push is Push for a caller who was admitted.
func (c *changing) push(dfid string) (Operation, error) {
	it, plan, err := c.pushable(dfid)
	if err != nil {
		return Operation{}, err
	}
	op := c.completed(c.service.env.NewID(), app.OperationPush, dfid)
	if err := c.pay(op); err != nil {
		return Operation{}, err
	}
	if c.circuit.Permissions.RequireApprovalForPush {
		err = c.await(&op, plan)
	} else if err = c.bring(it, c.who.UserID, plan); err == nil {
		err = c.tx.Operations().Insert(op)
	}
	return Operation{CircuitOperation: op, CircuitID: c.circuit.ID}, err
}

// pay takes what an operation costs.
func (c *changing) pay(op app.CircuitOperation) error {
	return c.service.quota.Take(c.tx, c.who, quota.Work{
		Operation: app.TierExecuteCircuits, Cost: app.CreditCircuitOperation, ID: op.ID.String(),
	})
}

// pushable finds an item that the caller may push, and what the members will
// see of it.
func (c *changing) pushable(dfid string) (*app.Item, app.OperationPlan, error) {
	var plan app.OperationPlan
	if strings.HasPrefix(dfid, app.LocalPrefix) {
		return nil, plan, app.Invalid(app.ReasonItemState, "Validation error: a local item is pushed with push-local")
	}
	it, err := c.tx.Items().ByDFID(dfid)
	if err != nil {
		return nil, plan, err
	}
	reader := c.who
	reader.IsAdmin = false
	sight, seen, err := app.SightOf(c.tx.Items(), reader, it)
	if err != nil {
		return nil, plan, err
	}
	if !seen {
		return nil, plan, app.NotFound(app.ReasonItemNotFound, "Item not found")
	}
	plan.Whole = sight.Whole
	if !sight.Whole {
		plan.Quoted = sight.Part.Quoted
	}
	return it, plan, inUse(it)
}

// inUse refuses items that were deprecated or became part of others: nobody
// wants them to appear anywhere anew.
func inUse(it *app.Item) error {
	if it.Status == app.ItemDeprecated || it.Status == app.ItemMerged {
		return app.Invalid(app.ReasonItemState, "Invalid operation: the item is %s", it.Status)
	}
	return nil
}

// bring places an item that is stored already.
func (c *changing) bring(old *app.Item, by string, plan app.OperationPlan) error {
	it := old.Clone()
	return c.place(placing{item: it, by: by, plan: plan}, func() error { return c.tx.Items().Update(old, it) })
}

// Pushed is what became of one item of a batch.
type Pushed struct {
	DFID string
	Err  error
}

// PushBatch is Push for many, in their order. It is not one change: every item
// is pushed, waits for approval or is refused by itself, and so is each of them
// when the circuit refuses the caller.
//
// Errors: ReasonBatchTooLarge. An error of the server (busy, disk full) before
// anything was done is returned; later it is the result of the items that it
// hit and of all behind them.
func (s *Service) PushBatch(ctx context.Context, who app.Actor, circuitID uuid.UUID, dfids []string) ([]Pushed, error) {
	if len(dfids) > MaxPushBatch {
		return nil, app.Invalid(app.ReasonBatchTooLarge, "Validation error: %d items given; one batch takes at most %d", len(dfids), MaxPushBatch)
	}
	results := make([]Pushed, len(dfids))
	for i, dfid := range dfids {
		results[i].DFID = dfid
	}
	for from := 0; from < len(results); from += pushPiece {
		piece := results[from:min(from+pushPiece, len(results))]
		err := s.store.Write(ctx, func(tx app.Tx) error { return s.pushPiece(tx, who, circuitID, piece) })
		if err != nil && from == 0 {
			return nil, err // nothing was done
		}
		if err != nil {
			for i := range results[from:] {
				results[from+i].Err = err
			}
			break
		}
	}
	return results, nil
}

// pushPiece pushes a part of a batch. The error is one that ends the batch.
func (s *Service) pushPiece(tx app.Tx, who app.Actor, circuitID uuid.UUID, piece []Pushed) error {
	c, err := s.enter(tx, who, circuitID)
	if err == nil {
		err = c.admitPush()
	}
	if err != nil && serverFailed(err) {
		return err
	}
	for i := range piece {
		one := err // the circuit's refusal is everybody's
		if one == nil {
			one = tx.Try(func() error {
				_, err := c.push(piece[i].DFID)
				return err
			})
		}
		if serverFailed(one) {
			return one
		}
		piece[i].Err = one
	}
	return nil
}

// serverFailed tells errors of the server from refusals.
func serverFailed(err error) bool {
	switch app.CodeOf(err) {
	case app.CodeInternal, app.CodeBusy, app.CodeStorageFull:
		return true
	default:
		return false
	}
}
