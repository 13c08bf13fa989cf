package circuits

import (
	"context"
	"encoding/json"
	"time"

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
// waits; nothing enters the circuit.
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
	p := &push{
		service: s, who: who, in: in, now: s.env.Now(),
		result: PushResult{OperationID: s.env.NewID(), LocalID: in.LocalID},
	}
	err := s.store.Write(ctx, func(tx app.Tx) error { return p.run(tx, circuitID) })
	return p.result, err
}

// push is one run of PushLocal. It lives on the writer while run runs.
type push struct {
	service *Service
	who     app.Actor
	in      PushInput
	now     time.Time
	circuit *app.Circuit

	local     *app.Item // the stored local item, if there is one
	mapped    bool      // the local id was pushed before
	target    *app.Item // the traced item found, nil when one is made
	item      *app.Item // what is stored in the end
	whole     bool      // the caller is entitled to the whole item
	conflicts []conflict
	kept      map[string]json.RawMessage // offered for keys that were not his to overwrite
	result    PushResult
}

func (p *push) run(tx app.Tx, circuitID uuid.UUID) error {
	if err := p.admit(tx, circuitID); err != nil {
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
	pending := p.circuit.Permissions.RequireApprovalForPush
	if !pending {
		if err := p.announce(tx); err != nil {
			return err
		}
	}
	if err := p.save(tx, fingerprint); err != nil {
		return err
	}
	if !pending {
		if err := p.place(tx, identifiers); err != nil {
			return err
		}
	}
	return p.operation(tx, pending)
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
func (p *push) admit(tx app.Tx, circuitID uuid.UUID) error {
	gate, err := tx.Circuits().Gate(circuitID, p.who.UserID)
	if err != nil {
		return err
	}
	p.circuit = gate.Circuit
	if !gate.IsIn || !gate.Member.Has(app.PermPush) {
		return app.Forbidden(app.ReasonCircuitPermission, "Permission denied: User does not have permission to push to this circuit")
	}
	if p.circuit.Status != app.CircuitActive {
		return app.Invalid(app.ReasonCircuitInactive, "Validation error: Circuit is not active")
	}
	return p.mayStore(tx)
}

// mayStore applies the adapter rules of contract 04 §9.5.
func (p *push) mayStore(tx app.Tx) error {
	adapter := p.circuit.Adapter
	if !adapter.Type.Set() {
		return nil
	}
	if !available(adapter.Type) {
		return app.Invalid(app.ReasonAdapterMissing, "Storage error: Unsupported adapter type: %s", adapter.Type.DebugName())
	}
	if adapter.SponsorAccess {
		return nil
	}
	user, err := tx.Users().ByID(p.who.UserID)
	if err != nil {
		return err
	}
	names := ""
	for i, a := range user.UsableAdapters() {
		if a == adapter.Type {
			return nil
		}
		if i > 0 {
			names += ", "
		}
		names += a.DebugName()
	}
	return app.Forbidden(app.ReasonAdapterAccess,
		"Adapter permission denied: This circuit requires '%s' adapter access. You currently have access to: %s. Please contact your administrator to request access to this adapter.",
		adapter.Type.DebugName(), names)
}

// place does what makes the item part of the circuit.
func (p *push) place(tx app.Tx, identifiers []app.Identifier) error {
	place := app.CircuitItem{
		CircuitRow: p.circuit.Row, ItemRow: p.item.Row, DFID: p.item.DFID, PushedBy: p.who.UserID, PushedAt: p.now,
		Permissions: []string{"read", "verify"}, Whole: p.whole,
	}
	if !p.whole {
		if err := p.quote(tx, &place, identifiers); err != nil {
			return err
		}
	}
	if err := tx.Circuits().PutItem(place); err != nil {
		return err
	}
	if p.circuit.Public != nil && p.circuit.Public.AutoPublish {
		if err := tx.Circuits().Publish(p.circuit.Row, p.item.Row, p.now); err != nil {
			return err
		}
	}
	if err := p.store(tx, place); err != nil {
		return err
	}
	return tx.Activities().InsertCircuit(app.CircuitActivity{
		ID: p.service.env.NewID(), Type: "Push", CircuitRow: p.circuit.Row, CircuitName: p.circuit.Name,
		ItemDFIDs: []string{p.item.DFID}, UserID: p.who.UserID, At: p.now, Status: "Success", ItemsCount: 1,
	})
}

// quote lists the identifiers that came through this circuit: those of earlier
// pushes and these.
func (p *push) quote(tx app.Tx, place *app.CircuitItem, identifiers []app.Identifier) error {
	before, err := tx.Circuits().Place(place.CircuitRow, place.ItemRow)
	if err != nil && app.CodeOf(err) != app.CodeNotFound {
		return err
	}
	seen := make(map[string]bool)
	add := func(key string) {
		if !seen[key] {
			seen[key] = true
			place.Quoted = append(place.Quoted, key)
		}
	}
	for _, key := range before.Quoted {
		add(key)
	}
	for _, id := range identifiers {
		add(id.UniqueKey())
	}
	return nil
}

// store writes the item's document through the circuit's adapter. The document
// of a party that sees only a part of the item holds only that part.
func (p *push) store(tx app.Tx, place app.CircuitItem) error {
	if !p.circuit.Adapter.Type.Set() {
		return nil
	}
	visible := p.item
	if !p.whole {
		visible = p.item.Part(app.PartialView{Circuits: []string{p.circuit.ID.String()}, Quoted: place.Quoted})
	}
	raw, err := app.ItemDocument(visible)
	if err != nil {
		return err
	}
	doc, err := p.service.encoder.Encode(raw)
	if err != nil {
		return err
	}
	if err := tx.Storage().InsertBlocks(doc.Blocks); err != nil {
		return err
	}
	pinned := true
	return tx.Storage().InsertRecord(app.StorageRecord{
		ItemRow: p.item.Row, AdapterType: p.circuit.Adapter.Type,
		Location: app.StorageLocation{IPFS: &app.IPFSLocation{CID: doc.Root, Pinned: true}},
		StoredAt: p.now, TriggeredBy: "circuit_push", CircuitID: p.circuit.ID.String(), UserID: p.who.UserID, Active: true,
		// "unknown" is the contract's network of an IPFS-only record.
		Metadata: app.StorageMetadata{Network: "unknown", IPFSCID: doc.Root, IPFSPinned: &pinned},
	})
}

func (p *push) operation(tx app.Tx, pending bool) error {
	op := app.CircuitOperation{
		ID: p.result.OperationID, CircuitRow: p.circuit.Row, DFID: p.item.DFID, Type: app.OperationPush, RequesterID: p.who.UserID,
		At: p.now, Status: app.OperationCompleted, Metadata: make(map[string]json.RawMessage),
	}
	if pending {
		op.Status = app.OperationPending
	}
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
	if err != nil {
		return err
	}
	return tx.Operations().Insert(op)
}
