package circuits

import (
	"encoding/json"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/canon"
)

// placing is an item on its way into a circuit.
type placing struct {
	item *app.Item // may be changed: it gets an event, and data keys their circuit
	by   string    // who asked for it: the requester, whoever approves
	plan app.OperationPlan
}

// place does everything that makes an item part of the circuit: the event, the
// item's place, its publication, the document where the circuit stores it, and
// the line in the circuit's history. Every push and every approval of one ends
// here, and nothing else does. save stores the item, which has a row afterwards.
func (c *changing) place(p placing, save func() error) error {
	c.reveal(p)
	if err := c.record(p.item, app.EventPushedToCircuit, p.by); err != nil {
		return err
	}
	if err := save(); err != nil {
		return err
	}
	place := app.CircuitItem{
		CircuitRow: c.circuit.Row, ItemRow: p.item.Row, DFID: p.item.DFID, PushedBy: p.by, PushedAt: c.now,
		Permissions: []string{"read", "verify"}, Whole: p.plan.Whole,
	}
	if !p.plan.Whole {
		if err := c.quote(&place, p.plan.Quoted); err != nil {
			return err
		}
	}
	if err := c.tx.Circuits().PutItem(place); err != nil {
		return err
	}
	if c.circuit.Public != nil && c.circuit.Public.AutoPublish {
		if err := c.tx.Circuits().Publish(c.circuit.Row, p.item.Row, c.now); err != nil {
			return err
		}
	}
	if err := c.store(p, place); err != nil {
		return err
	}
	return c.remember(app.OperationPush, p.item.DFID, p.by)
}

// reveal notes that what the requester wrote came through this circuit. Until
// then nobody sees it as a member, so that nothing shows before approval.
func (c *changing) reveal(p placing) {
	for _, key := range p.plan.Keys {
		from, written := p.item.Provenance[key]
		if written && from.UserID == p.by && from.CircuitID == "" {
			from.CircuitID = c.circuit.ID.String()
			p.item.Provenance[key] = from
		}
	}
}

// record stores the event of a push or a pull.
func (c *changing) record(it *app.Item, kind app.EventType, by string) error {
	operation := json.RawMessage(`"push"`)
	if kind == app.EventPulledFromCircuit {
		operation = json.RawMessage(`"pull"`)
	}
	visibility := app.VisibilityCircuitOnly
	if c.circuit.Permissions.AllowPublicVisibility {
		visibility = app.VisibilityPublic
	}
	return app.RecordEvent(c.tx, it, &app.Event{
		ID: c.service.env.NewID(), Type: kind, At: c.now, Source: by, Visibility: visibility,
		Metadata: map[string]json.RawMessage{
			"circuit_id":   canon.AppendString(nil, c.circuit.ID.String()),
			"operation":    operation,
			"requester_id": canon.AppendString(nil, by),
		},
	})
}

// quote lists the identifiers that came through this circuit: those of earlier
// pushes and these.
func (c *changing) quote(place *app.CircuitItem, keys []string) error {
	before, err := c.tx.Circuits().Place(place.CircuitRow, place.ItemRow)
	if err != nil && app.CodeOf(err) != app.CodeNotFound {
		return err
	}
	seen := make(map[string]bool)
	for _, list := range [][]string{before.Quoted, keys} {
		for _, key := range list {
			if !seen[key] {
				seen[key] = true
				place.Quoted = append(place.Quoted, key)
			}
		}
	}
	return nil
}

// store writes the item's document through the circuit's adapter. The document
// of a party that sees only a part of the item holds only that part.
func (c *changing) store(p placing, place app.CircuitItem) error {
	adapter := c.circuit.Adapter.Type
	if !adapter.Set() {
		return nil
	}
	visible := p.item
	if !p.plan.Whole {
		visible = p.item.Part(app.PartialView{Circuits: []string{c.circuit.ID.String()}, Quoted: place.Quoted})
	}
	raw, err := app.ItemDocument(visible)
	if err != nil {
		return err
	}
	doc, err := c.service.encoder.Encode(raw)
	if err != nil {
		return err
	}
	if err := c.tx.Storage().InsertBlocks(doc.Blocks); err != nil {
		return err
	}
	pinned := true
	return c.tx.Storage().InsertRecord(app.StorageRecord{
		ItemRow: p.item.Row, AdapterType: adapter,
		Location: app.StorageLocation{IPFS: &app.IPFSLocation{CID: doc.Root, Pinned: true}},
		StoredAt: c.now, TriggeredBy: "circuit_push", CircuitID: c.circuit.ID.String(), UserID: p.by, Active: true,
		// "unknown" is the contract's network of an IPFS-only record.
		Metadata: app.StorageMetadata{Network: "unknown", IPFSCID: doc.Root, IPFSPinned: &pinned},
	})
}

// remember writes a line of the circuit's history.
func (c *changing) remember(kind, dfid, by string) error {
	return c.tx.Activities().InsertCircuit(app.CircuitActivity{
		ID: c.service.env.NewID(), Type: kind, CircuitRow: c.circuit.Row, CircuitName: c.circuit.Name,
		ItemDFIDs: []string{dfid}, UserID: by, At: c.now, Status: "Success", ItemsCount: 1,
	})
}

// mayStore applies the adapter rules of contract 04 §9.5 to the caller.
func (c *changing) mayStore() error {
	adapter := c.circuit.Adapter
	if !adapter.Type.Set() {
		return nil
	}
	if !available(adapter.Type) {
		return app.Invalid(app.ReasonAdapterMissing, "Storage error: Unsupported adapter type: %s", adapter.Type.DebugName())
	}
	if adapter.SponsorAccess {
		return nil
	}
	user, err := c.tx.Users().ByID(c.who.UserID)
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
