package api

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/items"
)

const itemBusyText = "Service temporarily unavailable"

// itemHandlers serves items (contract 02).
type itemHandlers struct{ svc *items.Service }

func (h itemHandlers) register(r *registrar) {
	family := together(tag("Items"), busyText(itemBusyText))
	post(r, "/api/items/local", scopeUser, h.createLocal, family,
		summary("Create a local item"),
		describe("A local item is seen by you, and by those with whom you share it. Push it to a circuit to give it a DFID. Always makes a new item."))
	get(r, "/api/items", scopeUser, h.list, family,
		summary("List my items"),
		describe("Your own items, those shared with you and those of the circuits that you are a member of, oldest first."))
	get(r, "/api/items/mapping/{local_id}", scopeUser, h.mapping, family,
		summary("What became of a local item"))
	h.registerSearch(r, family)
	get(r, "/api/items/{dfid}", scopeUser, h.get, family,
		summary("Read one item"),
		describe("By its DFID, or by `LID-` and its local id. An item that is not yours to see does not exist."))
}

// itemJSON is contract 02's ItemResponse. encodeItem writes it.
type itemJSON struct {
	DFID          string                     `json:"dfid" example:"DFID-20250101-000042-F83A"`
	Identifiers   []identifierJSON           `json:"identifiers"`
	Data          map[string]json.RawMessage `json:"enriched_data"`
	Created       int64                      `json:"creation_timestamp" doc:"Unix seconds."`
	Modified      int64                      `json:"last_modified" doc:"Unix seconds."`
	SourceEntries []string                   `json:"source_entries"`
	Status        string                     `json:"status" doc:"Active, Deprecated, Merged, Split or MergedInto(\"<local id>\")." example:"Active"`
}

type createLocalInput struct {
	Body struct {
		Identifiers identifierList `json:"identifiers,omitempty"`
		Enhanced    identifierList `json:"enhanced_identifiers,omitempty" doc:"Older name; appended to identifiers."`
		Data        freeObject     `json:"enriched_data,omitempty" doc:"Whatever is known about the item."`
	}
}

func (in *createLocalInput) toApp() (items.LocalInput, error) {
	var out items.LocalInput
	if in.Body.Identifiers.null {
		return out, shapeError422("identifiers: invalid type: expected array")
	}
	ids, err := in.Body.Identifiers.toApp()
	if err != nil {
		return out, err
	}
	more, err := in.Body.Enhanced.toApp()
	if err != nil {
		return out, err
	}
	out.Identifiers = append(ids, more...)
	out.Data, err = in.Body.Data.canonical("enriched_data")
	return out, err
}

type localItemJSON struct {
	LocalID string `json:"local_id" doc:"Local id (LID), a UUID."`
	Status  string `json:"status" enum:"LocalOnly"`
}

type localItemReplyJSON struct {
	Success bool          `json:"success"`
	Data    localItemJSON `json:"data"`
}

func (h itemHandlers) createLocal(ctx context.Context, in *createLocalInput) (*reply[localItemReplyJSON], error) {
	local, err := in.toApp()
	if err != nil {
		return nil, err
	}
	it, err := h.svc.CreateLocal(ctx, actor(ctx), local)
	if err != nil {
		return nil, err
	}
	return respond(localItemReplyJSON{Success: true, Data: localItemJSON{LocalID: it.LocalID.String(), Status: "LocalOnly"}}, nil)
}

// ListItemsQuery are the parameters of lists of items. huma asks for an exported
// name where it is embedded.
type ListItemsQuery struct {
	PageQuery
	Status string `query:"status" doc:"active, deprecated, merged, split or mergedinto, in any case; anything else does not filter."`
	Key    string `query:"identifier_key" doc:"Items that have an identifier with this key."`
	Value  string `query:"identifier_value" doc:"Together with identifier_key: and with this value."`
}

func (in *ListItemsQuery) filter() app.ItemFilter {
	f := app.ItemFilter{IdentifierKey: in.Key, IdentifierValue: in.Value}
	for _, s := range []app.ItemStatus{app.ItemActive, app.ItemDeprecated, app.ItemMerged, app.ItemSplit, app.ItemMergedInto} {
		if strings.EqualFold(in.Status, string(s)) {
			f.Status = s
		}
	}
	return f
}

func (h itemHandlers) list(ctx context.Context, in *ListItemsQuery) (*reply[encoded[[]itemJSON]], error) {
	its, err := h.svc.List(ctx, actor(ctx), in.filter(), in.page())
	if err != nil {
		return nil, err
	}
	return respond(encodeItems(its), nil)
}

// ItemPath is the path of every route below one item. huma asks for an
// exported name where it is embedded.
type ItemPath struct {
	DFID string `path:"dfid" doc:"DFID, or LID- and a local id."`
}

func (h itemHandlers) get(ctx context.Context, in *ItemPath) (*reply[encoded[itemJSON]], error) {
	it, err := h.svc.Get(ctx, actor(ctx), in.DFID)
	if err != nil {
		return nil, err
	}
	return respond(encoded[itemJSON](it.Wire(encodeItem)), nil)
}

type localIDPath struct {
	LocalID string `path:"local_id" doc:"Local id (UUID)."`
}

type mappingJSON struct {
	LocalID string  `json:"local_id" doc:"As it was asked for."`
	DFID    *string `json:"dfid"`
	Status  string  `json:"status" enum:"LocalOnly,Tokenized"`
}

type mappingReplyJSON struct {
	Success bool        `json:"success"`
	Data    mappingJSON `json:"data"`
}

func (h itemHandlers) mapping(ctx context.Context, in *localIDPath) (*reply[mappingReplyJSON], error) {
	id, ok := parseUUID(in.LocalID)
	if !ok {
		return nil, app.Invalid(app.ReasonBadLocalID, "Invalid local_id format")
	}
	m, err := h.svc.Mapping(ctx, actor(ctx), id)
	if err != nil {
		return nil, err
	}
	out := mappingJSON{LocalID: in.LocalID, Status: "LocalOnly"}
	if m.DFID != "" {
		out.DFID, out.Status = &m.DFID, "Tokenized"
	}
	return respond(mappingReplyJSON{Success: true, Data: out}, nil)
}
