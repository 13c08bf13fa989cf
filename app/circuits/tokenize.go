package circuits

import (
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/google/uuid"
	"lukechampine.com/blake3"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/dfid"
)

// create makes the traced item: from the stored local one, which keeps its row
// and with it its place in the order of creation, or from nothing.
func (p *push) create(tx app.Tx, identifiers []app.Identifier, data map[string]json.RawMessage, fingerprint string) error {
	seq, err := tx.Items().NextDFID()
	if err != nil {
		return err
	}
	localID := p.in.LocalID
	it := &app.Item{
		DFID: dfid.Format(p.now, seq), LocalID: &localID, OwnerID: p.who.UserID, WorkspaceID: p.who.WorkspaceID,
		Identifiers: identifiers, Fingerprint: fingerprint,
		Data: make(map[string]json.RawMessage, len(data)), Provenance: make(map[string]app.Provenance, len(data)),
		CreatedAt: p.now, ModifiedAt: p.now, SourceEntries: []uuid.UUID{p.service.env.NewID()},
		Confidence: 1, Status: app.ItemActive,
	}
	if p.local != nil {
		it.Row, it.CreatedAt, it.SourceEntries = p.local.Row, p.local.CreatedAt, p.local.SourceEntries
	}
	it.Aliases = []app.ExternalAlias{p.alias(localID.String(), localID[:])}
	p.item, p.whole = it, true
	p.result.DFID, p.result.Status = it.DFID, NewItemCreated
	p.merge(data, true)
	return p.item.CheckSize()
}

// enrich adds to the item that was found. Who is not entitled to it adds what
// is missing and overwrites nothing (contract 04 S13).
func (p *push) enrich(tx app.Tx, identifiers []app.Identifier, data map[string]json.RawMessage) error {
	read, write, err := tx.Circuits().Entitled(p.who.UserID, p.target.Row)
	if err != nil {
		return err
	}
	owner := p.target.OwnerID == p.who.UserID
	p.whole, p.overwrite = owner || read, owner || write
	return p.add(identifiers, data)
}

// add makes the item out of the one that was found and what is added to it.
func (p *push) add(identifiers []app.Identifier, data map[string]json.RawMessage) error {
	old := p.target
	it := old.Clone()
	it.ModifiedAt = p.now
	it.Identifiers = app.UnionIdentifiers(old.Identifiers, identifiers)
	if !p.whole {
		// A stranger's word on a verification does not replace the holder's.
		it.Identifiers = append(slices.Clone(old.Identifiers), it.Identifiers[len(old.Identifiers):]...)
	}
	// One alias for each party: a re-push says nothing new, and an item that
	// is pushed daily must not grow with each push.
	mine := func(a app.ExternalAlias) bool { return a.IssuerID == p.who.UserID }
	if !slices.ContainsFunc(it.Aliases, mine) {
		it.Aliases = append(it.Aliases, p.alias(p.service.env.NewID().String(), []byte(it.DFID)))
	}
	p.item = it
	p.result.DFID, p.result.Status = it.DFID, ExistingItemEnriched
	p.merge(data, p.overwrite)
	return p.item.CheckSize()
}

// merge writes data key by key, without a deep merge, and notes who wrote what.
// That it came through this circuit is noted when the item gets its place.
func (p *push) merge(data map[string]json.RawMessage, overwrite bool) {
	it := p.item
	from := app.Provenance{UserID: p.who.UserID, At: p.now}
	for key, value := range data {
		if _, exists := it.Data[key]; exists && !overwrite && it.Provenance[key].UserID != p.who.UserID {
			if p.kept == nil {
				p.kept = make(map[string]json.RawMessage)
			}
			p.kept[key] = value
			continue
		}
		it.Data[key], it.Provenance[key] = value, from
		p.plan.Keys = append(p.plan.Keys, key)
	}
	slices.Sort(p.plan.Keys)
}

// alias is the caller's name for the item; evidence is hashed, not shown.
func (p *push) alias(value string, evidence []byte) app.ExternalAlias {
	sum := blake3.Sum256(evidence)
	return app.ExternalAlias{
		Scheme: "user:" + p.who.UserID, Value: value, IssuerID: p.who.UserID, IssuedAt: p.now,
		EvidenceHash: hex.EncodeToString(sum[:]),
	}
}

// save stores the item with its indexes and points the local id at it.
func (p *push) save(tx app.Tx, fingerprint string) error {
	items := tx.Items()
	var err error
	switch {
	case p.target != nil:
		err = items.Update(p.target, p.item)
		if err == nil && p.local != nil {
			err = items.Delete(p.local) // folded into the item it turned out to be
		}
	case p.local != nil:
		err = items.Update(p.local, p.item)
	default:
		err = items.Insert(p.item)
	}
	if err != nil {
		return err
	}
	for _, id := range p.item.Identifiers {
		if !id.Canonical || slices.ContainsFunc(p.conflicts, func(c conflict) bool { return c.Identifier == id.UniqueKey() }) {
			continue
		}
		if _, err := app.Claim(items, id, p.item.Row); err != nil {
			return err
		}
	}
	if fingerprint != "" {
		if err := items.AddFingerprint(p.circuit.Row, fingerprint, p.item.Row); err != nil {
			return err
		}
	}
	if p.mapped {
		return nil
	}
	return items.MapLocal(app.LocalMapping{LocalID: p.in.LocalID, OwnerID: p.who.UserID, Row: p.item.Row, DFID: p.item.DFID})
}
