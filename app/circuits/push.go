package circuits

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/quota"
)

// PushStatus says what a push did to the item.
type PushStatus string

// The outcomes of a push.
const (
	NewItemCreated       PushStatus = "NewItemCreated"
	ExistingItemEnriched PushStatus = "ExistingItemEnriched"
)

// PushInput is what the caller adds to a local item when he pushes it. An
// identifier with an empty namespace gets the circuit's.
type PushInput struct {
	LocalID     uuid.UUID
	Identifiers []app.Identifier
	Data        map[string]json.RawMessage // canonical JSON values
}

// PushResult is the outcome of PushLocal.
type PushResult struct {
	DFID        string
	Status      PushStatus
	OperationID uuid.UUID
	LocalID     uuid.UUID
}

// PushLocal tokenizes a local item into a circuit: it finds the traced item
// that the identifiers name, or makes one with a fresh DFID, puts it into the
// circuit and stores its document where the circuit wants it (contract 04 §1.1
// and §9.4). Everything it writes is one change.
//
// The caller needs Push in the circuit. A local id that was pushed before
// resolves to its DFID, so repeating a call never makes a second item. A local
// id that this server never issued is accepted when the request carries
// identifiers: devices capture offline.
//
// When the circuit requires approval the item is tokenized and the operation
// waits; nothing enters the circuit. What is added to an item of somebody else's
// waits as well, and the local item stays what it is until then.
//
// Errors: ReasonCircuitNotFound, ReasonCircuitPermission,
// ReasonCircuitInactive, ReasonAdapterAccess, ReasonAdapterMissing,
// ReasonLocalItemNotFound, ReasonLocalItemForeign, ReasonAliasRule,
// ReasonTooManyElements, ReasonBodyTooLarge (the item would outgrow its bound);
// ReasonTierLimit and ReasonInsufficientCredits where they are enforced.
func (s *Service) PushLocal(ctx context.Context, who app.Actor, circuitID uuid.UUID, in PushInput) (PushResult, error) {
	if err := app.CheckIdentifiers(in.Identifiers); err != nil {
		return PushResult{}, err
	}
	p := &push{in: in, result: PushResult{OperationID: s.env.NewID(), LocalID: in.LocalID}}
	err := s.store.Write(ctx, func(tx app.Tx) (err error) {
		if p.changing, err = s.enter(tx, who, circuitID); err != nil {
			return err
		}
		return p.run(tx)
	})
	return p.result, err
}

// push is one run of PushLocal. It lives on the writer while run runs.
type push struct {
	*changing
	in PushInput

	local     *app.Item // the stored local item, if there is one
	mapped    bool      // the local id was pushed before
	target    *app.Item // the traced item found, nil when one is made
	item      *app.Item // what is stored in the end
	whole     bool      // the caller is entitled to the whole item
	overwrite bool      // and to replace what others wrote into it
	conflicts []conflict
	plan      app.OperationPlan
	kept      map[string]json.RawMessage // offered for keys that were not his to overwrite
	result    PushResult
}

func (p *push) run(tx app.Tx) error {
	if err := p.admit(); err != nil {
		return err
	}
	identifiers, data, err := p.combine(tx)
	if err != nil {
		return err
	}
	given := identifiers
	if p.mapped {
		given = app.UnionIdentifiers(p.target.Identifiers, identifiers) // a repeated call need not say it all again
	}
	if err := checkAlias(p.circuit.Alias, given); err != nil {
		return err
	}
	fingerprint, err := p.resolve(tx, identifiers)
	if err != nil {
		return err
	}
	if p.target != nil {
		err = p.enrich(tx, identifiers, data)
	} else {
		err = p.create(tx, identifiers, data, fingerprint)
	}
	if err != nil {
		return err
	}
	if err := p.pay(tx); err != nil {
		return err
	}
	p.plan.Whole = p.whole
	if !p.whole {
		p.plan.Quoted = app.UniqueKeys(identifiers)
	}
	op, err := p.operation()
	if err != nil {
		return err
	}
	save := func() error { return p.save(tx, fingerprint) }
	switch {
	case !p.circuit.Permissions.RequireApprovalForPush:
	case p.target != nil && p.target.OwnerID != p.who.UserID:
		p.hold(identifiers, data)
		return p.await(&op, p.plan)
	default: // his own item: it has its DFID from now on
		if err := save(); err != nil {
			return err
		}
		return p.await(&op, p.plan)
	}
	if err := p.place(placing{item: p.item, by: p.who.UserID, plan: p.plan}, save); err != nil {
		return err
	}
	return tx.Operations().Insert(op)
}

// pay takes what the push costs. A local item was paid for when it was made; one
// that this server never saw is new with the push.
func (p *push) pay(tx app.Tx) error {
	id := p.result.OperationID.String()
	works := []quota.Work{{Operation: app.TierExecuteCircuits, Cost: app.CreditCircuitOperation, ID: id}}
	if p.target == nil && p.local == nil {
		works = append(works, quota.Work{Operation: app.TierCreateItems, Cost: app.CreditItemCreation, ID: id})
	}
	return p.service.quota.Take(tx, p.who, works...)
}

// admit decides whether the caller may push into the circuit at all.
func (p *push) admit() error {
	if err := p.gate.Allow(p.who.UserID, app.WorkPush); err != nil {
		return err
	}
	if err := p.circuit.RequireActive(); err != nil {
		return err
	}
	return p.mayStore()
}

// operation is the push as it is kept, with what people may have to look at.
func (p *push) operation() (app.CircuitOperation, error) {
	op := p.completed(p.result.OperationID, app.OperationPush, p.item.DFID)
	var err error
	put := func(key string, value any) {
		if raw, e := json.Marshal(value); e == nil {
			op.Metadata[key] = raw
		} else if err == nil {
			err = e
		}
	}
	put("local_id", p.in.LocalID.String())
	if len(p.conflicts) > 0 {
		put("identifier_conflicts", p.conflicts)
	}
	if len(p.kept) > 0 {
		put("not_applied", p.kept)
	}
	return op, err
}
