package api

import (
	"context"
	"encoding/json"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/items"
)

// itemChangeHandlers changes traced items (contract 02 §3.14 to §3.18).
type itemChangeHandlers struct{ svc *items.Service }

func (h itemChangeHandlers) register(r *registrar) {
	family := together(tag("Items"), busyText(itemBusyText))
	owner := "Only the item's owner may."
	put(r, "/api/items/{dfid}", scopeUser, h.update, family, optionalBody(),
		summary("Add data and identifiers to an item"),
		describe("New keys overwrite old ones, nothing is removed. "+owner))
	del(r, "/api/items/{dfid}", scopeUser, h.remove, family,
		summary("Deprecate an item"),
		describe("Nothing is deleted: receipts, proofs and snapshots refer to it. "+owner))
	put(r, "/api/items/{dfid}/deprecate", scopeUser, h.deprecate, family,
		summary("Deprecate an item"),
		describe("The item stays readable; a body is ignored. "+owner))
	post(r, "/api/items/{dfid}/merge", scopeUser, h.merge, family,
		summary("Merge another item into this one"),
		describe("The body is the other item's DFID, a JSON string or `{\"source_dfid\": …}`. This item gains its identifiers, data and sources; the other one stays as `Merged`. "+owner))
	post(r, "/api/items/{dfid}/split", scopeUser, h.split, family,
		summary("Move identifiers to a new item"),
		describe("The identifiers must be the item's. "+owner))
}

type updateItemInput struct {
	ItemPath
	Body struct {
		Data        freeObject     `json:"enriched_data,omitempty"`
		Identifiers identifierList `json:"identifiers,omitempty"`
	}
}

func (in *updateItemInput) toApp() (items.Update, error) {
	var out items.Update
	ids, err := in.Body.Identifiers.toApp()
	if err != nil {
		return out, err
	}
	if in.Body.Identifiers.given {
		out.Identifiers = orEmpty(ids)
	}
	out.Data, err = in.Body.Data.canonical("enriched_data")
	return out, err
}

func (h itemChangeHandlers) update(ctx context.Context, in *updateItemInput) (*reply[encoded[itemJSON]], error) {
	u, err := in.toApp()
	if err != nil {
		return nil, err
	}
	it, err := h.svc.Update(ctx, actor(ctx), in.DFID, u)
	if err != nil {
		return nil, updateError(u, err)
	}
	return respond(encoded[itemJSON](it.Wire(encodeItem)), nil)
}

// updateError words an error by what was asked for, as the contract does.
func updateError(u items.Update, err error) error {
	switch reason := app.ReasonOf(err); {
	case reason == app.ReasonIdentifierTaken, u.Data == nil && u.Identifiers != nil:
		return prefixed("Failed to add identifiers: ", err)
	case u.Data != nil:
		return prefixed("Failed to enrich item: ", err)
	case reason == app.ReasonItemNotFound:
		return app.NotFound(app.ReasonItemNotFound, "Item not found after update")
	default:
		return err
	}
}

const prefixDeprecate = "Failed to deprecate item: "

func (h itemChangeHandlers) remove(ctx context.Context, in *ItemPath) (*reply[messageJSON], error) {
	_, err := h.svc.Deprecate(ctx, actor(ctx), in.DFID)
	return respond(messageJSON{Message: "Item deprecated successfully"}, prefixed(prefixDeprecate, err))
}

func (h itemChangeHandlers) deprecate(ctx context.Context, in *ItemPath) (*reply[encoded[itemJSON]], error) {
	it, err := h.svc.Deprecate(ctx, actor(ctx), in.DFID)
	if err != nil {
		return nil, prefixed(prefixDeprecate, err)
	}
	return respond(encoded[itemJSON](it.Wire(encodeItem)), nil)
}

// secondaryDFID reads the body of a merge: the DFID as a JSON string, or an
// object that some clients send (contract 02 §9, 21).
type secondaryDFID struct {
	dfid string
	err  error
}

// Schema documents both forms in an extension, as identifierList does.
func (secondaryDFID) Schema(huma.Registry) *huma.Schema {
	text := &huma.Schema{Type: huma.TypeString}
	return &huma.Schema{
		Description: "DFID of the item that becomes part of this one: a JSON string, or an object with source_dfid or secondary_dfid.",
		Extensions: map[string]any{"anyOf": []*huma.Schema{
			text,
			{Type: huma.TypeObject, Properties: map[string]*huma.Schema{"source_dfid": text, "secondary_dfid": text}},
		}},
	}
}

// UnmarshalJSON implements json.Unmarshaler and never fails.
func (s *secondaryDFID) UnmarshalJSON(b []byte) error {
	*s = secondaryDFID{}
	switch b[0] {
	case '"':
		s.err = json.Unmarshal(b, &s.dfid)
	case '{':
		s.err = s.readObject(b)
	default:
		s.err = shapeError422("invalid type: expected a string")
	}
	return nil
}

func (s *secondaryDFID) readObject(b []byte) error {
	var in map[string]any
	if err := json.Unmarshal(b, &in); err != nil {
		return shapeError422("invalid type: expected a string")
	}
	for _, name := range []string{"source_dfid", "secondary_dfid"} {
		switch v := in[name].(type) {
		case nil:
		case string:
			s.dfid = v
			return nil
		default:
			return shapeError422("%s: invalid type: expected %s", name, jsonKind(reflect.TypeFor[string]()))
		}
	}
	return shapeError422("missing field `source_dfid`")
}

type mergeItemInput struct {
	ItemPath
	Body secondaryDFID
}

func (h itemChangeHandlers) merge(ctx context.Context, in *mergeItemInput) (*reply[encoded[itemJSON]], error) {
	if in.Body.err != nil {
		return nil, in.Body.err
	}
	it, err := h.svc.Merge(ctx, actor(ctx), in.DFID, in.Body.dfid)
	if err != nil {
		return nil, prefixed("Failed to merge items: ", err)
	}
	return respond(encoded[itemJSON](it.Wire(encodeItem)), nil)
}

type splitItemInput struct {
	ItemPath
	Body struct {
		Identifiers identifierList `json:"identifiers_for_new_item"`
	}
}

type splitReplyJSON struct {
	Original encoded[itemJSON] `json:"original_item"`
	New      encoded[itemJSON] `json:"new_item"`
}

func (h itemChangeHandlers) split(ctx context.Context, in *splitItemInput) (*reply[splitReplyJSON], error) {
	if in.Body.Identifiers.null {
		return nil, shapeError422("identifiers_for_new_item: invalid type: expected array")
	}
	ids, err := in.Body.Identifiers.toApp()
	if err != nil {
		return nil, err
	}
	original, part, err := h.svc.Split(ctx, actor(ctx), in.DFID, ids)
	if err != nil {
		return nil, prefixed("Failed to split item: ", err)
	}
	return respond(splitReplyJSON{Original: original.Wire(encodeItem), New: part.Wire(encodeItem)}, nil)
}
