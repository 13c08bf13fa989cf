package items

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/canon"
	"github.com/defarm-repo/defarm/app/dfid"
	"github.com/defarm-repo/defarm/app/quota"
)

// Input is what somebody knows about a thing that is to be traced.
type Input struct {
	Identifiers []app.Identifier
	// Data is top-level key to canonical JSON value, nil when none is given.
	Data map[string]json.RawMessage
	// SourceEntry refers to where the information came from; it need not exist
	// here.
	SourceEntry uuid.UUID
}

// Create makes a traced item with a fresh DFID, or adds to the caller's item
// that already carries one of the identifiers (contract 02 §6.5). Nothing tells
// the two apart in the result.
//
// What cannot be decided (§6.6) is stored as a pending item and refused with
// ReasonItemPending; the error carries pending_id.
//
// Errors: ReasonItemPending, ReasonTooManyElements, ReasonForbiddenText,
// ReasonBodyTooLarge (the item would outgrow its bounds); ReasonTierLimit and
// ReasonInsufficientCredits where they are enforced.
func (s *Service) Create(ctx context.Context, who app.Actor, in Input) (*app.Item, error) {
	if err := app.CheckIdentifiers(in.Identifiers); err != nil {
		return nil, err
	}
	t := s.tracing(who)
	var out outcome
	err := s.store.Write(ctx, func(tx app.Tx) (err error) {
		out, err = t.create(tx, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out.item, out.refusal()
}

// tracing is the work on items of one owner in one request.
type tracing struct {
	service   *Service
	author    app.Actor // who acts
	owner     string    // whose the items are
	workspace string
	now       time.Time
}

func (s *Service) tracing(who app.Actor) *tracing {
	return &tracing{service: s, author: who, owner: who.UserID, workspace: who.WorkspaceID, now: s.env.Now()}
}

// outcome is the item, or the pending item in its place.
type outcome struct {
	item    *app.Item
	pending *app.PendingItem
}

// refusal is the error of an outcome without an item.
func (o outcome) refusal() error {
	if o.pending == nil {
		return nil
	}
	return app.Invalid(app.ReasonItemPending, "Validation error: Item stored as pending: %s", o.pending.Reason.DebugText()).
		With("pending_id", o.pending.ID.String())
}

// create resolves the input, and stores it as pending where that fails.
func (t *tracing) create(tx app.Tx, in Input) (outcome, error) {
	it, reason, err := t.resolve(tx, in)
	if err != nil || reason == nil {
		return outcome{item: it}, err
	}
	p := &app.PendingItem{
		ID: t.service.env.NewID(), OwnerID: t.owner, WorkspaceID: t.workspace,
		Identifiers: withNamespace(in.Identifiers), Data: in.Data, SourceEntry: in.SourceEntry,
		Reason: *reason, Priority: reason.Priority(), CreatedAt: t.now, UpdatedAt: t.now,
	}
	return outcome{pending: p}, tx.PendingItems().Insert(p)
}

// resolve enriches the item that the input names, or makes a new one; where
// somebody has to decide it gives the reason and changes nothing.
func (t *tracing) resolve(tx app.Tx, in Input) (*app.Item, *app.PendingReason, error) {
	in.Identifiers = app.UnionIdentifiers(nil, withNamespace(in.Identifiers))
	if reason := inspectIdentifiers(in.Identifiers); reason != nil {
		return nil, reason, nil
	}
	old, reason, err := t.match(tx, in.Identifiers)
	if err != nil || reason != nil {
		return nil, reason, err
	}
	if reason := inspectData(in); reason != nil {
		return nil, reason, nil
	}
	if old != nil {
		it, err := t.enrich(tx, old, in)
		return it, nil, err
	}
	it, err := t.insert(tx, in)
	return it, nil, err
}

// withNamespace names the namespace of those that leave it open.
func withNamespace(ids []app.Identifier) []app.Identifier {
	ids = slices.Clone(ids)
	for i := range ids {
		if ids[i].Namespace == "" {
			ids[i].Namespace = app.DefaultNamespace
		}
	}
	return ids
}

// insert makes a new traced item.
func (t *tracing) insert(tx app.Tx, in Input) (*app.Item, error) {
	seq, err := tx.Items().NextDFID()
	if err != nil {
		return nil, err
	}
	it := &app.Item{
		DFID: dfid.Format(t.now, seq), OwnerID: t.owner, WorkspaceID: t.workspace, LegacyMode: true,
		Identifiers: in.Identifiers, Data: make(map[string]json.RawMessage), Provenance: make(map[string]app.Provenance),
		CreatedAt: t.now, ModifiedAt: t.now, SourceEntries: []uuid.UUID{in.SourceEntry},
		Confidence: 1, Status: app.ItemActive,
	}
	t.write(it, in.Data)
	if err := it.CheckSize(); err != nil {
		return nil, err
	}
	payer := app.Actor{UserID: t.owner, WorkspaceID: t.workspace}
	err = t.service.quota.Take(tx, payer, quota.Work{
		Operation: app.TierCreateItems, Cost: app.CreditItemCreation, ID: it.DFID,
	})
	if err != nil {
		return nil, err
	}
	err = t.record(tx, it, app.EventCreated, map[string]any{"identifiers": app.UniqueKeys(in.Identifiers)})
	if err != nil {
		return nil, err
	}
	if err := tx.Items().Insert(it); err != nil {
		return nil, err
	}
	return it, t.claim(tx, it, it.Identifiers)
}

// enrich adds to an item of the owner's. What changes nothing writes nothing.
func (t *tracing) enrich(tx app.Tx, old *app.Item, in Input) (*app.Item, error) {
	it := old.Clone()
	it.Identifiers = app.UnionIdentifiers(old.Identifiers, in.Identifiers)
	it.AddSources(in.SourceEntry)
	same := slices.EqualFunc(old.Identifiers, it.Identifiers, app.Identifier.Equal) && slices.Equal(old.SourceEntries, it.SourceEntries)
	if same && says(old, in.Data) {
		return old, nil
	}
	return it, t.save(tx, old, it, in.Data)
}

// says reports whether the item has all of the data already.
func says(it *app.Item, data map[string]json.RawMessage) bool {
	for key, value := range data {
		if have, ok := it.Data[key]; !ok || !bytes.Equal(have, value) {
			return false
		}
	}
	return true
}

// save lays data over an item whose identifiers and sources have been added to,
// records what happened and stores it.
func (t *tracing) save(tx app.Tx, old, it *app.Item, data map[string]json.RawMessage) error {
	t.write(it, data)
	it.ModifiedAt = t.now
	if err := it.CheckSize(); err != nil {
		return err
	}
	if len(data) > 0 {
		keys := slices.Sorted(maps.Keys(data))
		if err := t.record(tx, it, app.EventEnriched, map[string]any{"enriched_keys": keys}); err != nil {
			return err
		}
	}
	added := it.Identifiers[len(old.Identifiers):]
	if len(added) > 0 {
		if err := t.record(tx, it, app.EventUpdated, map[string]any{"identifiers": app.UniqueKeys(added)}); err != nil {
			return err
		}
	}
	if err := tx.Items().Update(old, it); err != nil {
		return err
	}
	if it.Status != app.ItemActive || it.Local() {
		return nil // what is out of use, or not traced yet, answers to no registry
	}
	return t.claim(tx, it, added)
}

// claim makes the canonical ones among the identifiers name the item.
func (t *tracing) claim(tx app.Tx, it *app.Item, ids []app.Identifier) error {
	for _, id := range ids {
		if !id.Canonical {
			continue
		}
		ok, err := app.Claim(tx.Items(), id, it.Row)
		if err != nil {
			return err
		}
		if !ok {
			return app.Invalid(app.ReasonIdentifierTaken, "Invalid operation: identifier %s names another item", id.UniqueKey())
		}
	}
	return nil
}

// write lays data over the item's, key by key, and notes who wrote it.
func (t *tracing) write(it *app.Item, data map[string]json.RawMessage) {
	from := app.Provenance{UserID: t.author.UserID, At: t.now}
	for key, value := range data {
		it.Data[key], it.Provenance[key] = value, from
	}
}

// record stores an event of a traced item; local ones have none.
func (t *tracing) record(tx app.Tx, it *app.Item, kind app.EventType, metadata map[string]any) error {
	if it.Local() {
		return nil
	}
	e := &app.Event{
		ID: t.service.env.NewID(), Type: kind, At: t.now, Source: t.author.UserID,
		Metadata: make(map[string]json.RawMessage, len(metadata)), Visibility: app.VisibilityPublic,
	}
	for key, value := range metadata {
		switch v := value.(type) {
		case string:
			e.Metadata[key] = canon.AppendString(nil, v)
		case []string:
			e.Metadata[key] = texts(v)
		}
	}
	return app.RecordEvent(tx, it, e)
}

// texts is a list of texts as canonical JSON.
func texts(list []string) json.RawMessage {
	b := []byte{'['}
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = canon.AppendString(b, s)
	}
	return append(b, ']')
}
