package api

import (
	"context"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/canon"
	"github.com/defarm-repo/defarm/app/items"
)

// pendingHandlers serves pending items (contract 02 §3.22 to §3.24).
type pendingHandlers struct{ svc *items.Service }

func (h pendingHandlers) register(r *registrar) {
	family := together(tag("Pending items"), busyText(itemBusyText))
	get(r, "/api/items/pending", scopeUser, h.list, family,
		summary("List my pending items"),
		describe("What you wanted to create and what needs a decision first, the most urgent first. Administrators see everybody's."))
	get(r, "/api/items/pending/{id}", scopeUser, h.get, family,
		summary("Read one pending item"))
	post(r, "/api/items/pending/{id}/resolve", scopeUser, h.resolve, family,
		summary("Approve, reject or modify a pending item"),
		describe("`approve` tries to create it again and leaves it pending when that is still not possible; `modify` replaces what is given and keeps the rest."))
}

type pendingItemJSON struct {
	ID          string                    `json:"id"`
	Identifiers encoded[[]identifierJSON] `json:"identifiers"`
	Data        *encoded[map[string]any]  `json:"enriched_data"`
	SourceEntry string                    `json:"source_entry"`
	Reason      string                    `json:"reason" doc:"As text." example:"NoIdentifiers"`
	Details     *string                   `json:"reason_details"`
	Priority    int                       `json:"priority" doc:"1 (low) to 4 (critical)."`
	Created     int64                     `json:"created_at" doc:"Unix seconds."`
	Metadata    map[string]string         `json:"metadata"`
}

func pendingItemFrom(p *app.PendingItem) pendingItemJSON {
	out := pendingItemJSON{
		ID: p.ID.String(), Identifiers: encodeIdentifiers(p.Identifiers), SourceEntry: p.SourceEntry.String(),
		Reason: p.Reason.DebugText(), Priority: p.Priority, Created: p.CreatedAt.Unix(), Metadata: map[string]string{},
	}
	if p.Data != nil {
		data := encoded[map[string]any](canon.AppendObject(nil, p.Data))
		out.Data = &data
	}
	if text, ok := p.Reason.Describe(); ok {
		out.Details = &text
	}
	return out
}

func encodeIdentifiers(ids []app.Identifier) encoded[[]identifierJSON] {
	b := []byte{'['}
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendIdentifier(b, id)
	}
	return append(b, ']')
}

type listPendingInput struct {
	PageQuery
	Reason      string `query:"reason" doc:"A part of the reason's text, as NoIdentifiers."`
	PriorityMin int    `query:"priority_min" minimum:"0" doc:"Only those of at least this priority."`
}

func (h pendingHandlers) list(ctx context.Context, in *listPendingInput) (*reply[[]pendingItemJSON], error) {
	list, err := h.svc.Pending(ctx, actor(ctx), items.PendingFilter{Reason: in.Reason, PriorityMin: in.PriorityMin}, in.page())
	if err != nil {
		return nil, err
	}
	out := make([]pendingItemJSON, len(list))
	for i, p := range list {
		out[i] = pendingItemFrom(p)
	}
	return respond(out, nil)
}

// PendingPath is the path of one pending item. huma asks for an exported name
// where it is embedded.
type PendingPath struct {
	ID string `path:"id" doc:"Id of the pending item (UUID)."`
}

func (p PendingPath) id() (uuid.UUID, error) {
	id, ok := parseUUID(p.ID)
	if !ok {
		return uuid.Nil, app.Invalid(app.ReasonBadPendingID, "Invalid pending item ID format")
	}
	return id, nil
}

func (h pendingHandlers) get(ctx context.Context, in *PendingPath) (*reply[pendingItemJSON], error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	p, err := h.svc.PendingItem(ctx, actor(ctx), id)
	if err != nil {
		return nil, err
	}
	return respond(pendingItemFrom(p), nil)
}

type resolvePendingInput struct {
	PendingPath
	Body struct {
		Action      string         `json:"action" doc:"approve, reject or modify."`
		Identifiers identifierList `json:"new_identifiers,omitempty" doc:"For modify: replaces the identifiers."`
		Data        freeObject     `json:"new_enriched_data,omitempty" doc:"For modify: replaces the data."`
	}
}

func (in *resolvePendingInput) toApp() (id uuid.UUID, c items.PendingChange, err error) {
	if id, err = in.id(); err != nil {
		return id, c, err
	}
	ids, err := in.Body.Identifiers.toApp()
	if err != nil {
		return id, c, err
	}
	if in.Body.Identifiers.given {
		c.Identifiers = orEmpty(ids)
	}
	c.Data, err = in.Body.Data.canonical("new_enriched_data")
	return id, c, err
}

type resolvedJSON struct {
	Success bool               `json:"success"`
	Item    *encoded[itemJSON] `json:"item"`
	Message string             `json:"message"`
}

func (h pendingHandlers) resolve(ctx context.Context, in *resolvePendingInput) (*reply[resolvedJSON], error) {
	id, change, err := in.toApp()
	if err != nil {
		return nil, err
	}
	var it *app.Item
	switch in.Body.Action {
	case "approve":
		it, err = h.svc.Approve(ctx, actor(ctx), id)
	case "reject":
		err = h.svc.Reject(ctx, actor(ctx), id)
	case "modify":
		err = h.svc.Modify(ctx, actor(ctx), id, change)
	default:
		err = app.Invalid(app.ReasonBadAction, "Invalid action. Must be 'approve', 'reject', or 'modify'")
	}
	if err != nil {
		return nil, err
	}
	out := resolvedJSON{Success: true, Message: "Pending item resolved but not created (rejected or still pending)"}
	if it != nil {
		wire := encoded[itemJSON](it.Wire(encodeItem))
		out.Item, out.Message = &wire, "Pending item resolved and created successfully"
	}
	return respond(out, nil)
}
