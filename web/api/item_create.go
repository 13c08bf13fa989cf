package api

import (
	"context"
	"errors"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/items"
)

// batchMaxBody lets a batch of items.MaxBatch ordinary elements through.
const batchMaxBody = 16 << 20

// itemCreateHandlers makes traced items outside circuits (contract 02 §3.1,
// §3.2).
type itemCreateHandlers struct{ svc *items.Service }

func (h itemCreateHandlers) register(r *registrar) {
	family := together(tag("Items"), busyText(itemBusyText))
	post(r, "/api/items", scopeUser, h.create, family,
		summary("Create an item, or add to the one that has one of the identifiers"),
		describe("A canonical identifier names one item in the whole server, a contextual one only among your own. What needs a decision is stored as a pending item: 400 with `pending_id`."))
	post(r, "/api/items/batch", scopeUser, h.batch, family, maxBody(batchMaxBody),
		summary("Create many items"),
		describe("At most 10,000, each as POST /api/items and each by itself: some may fail while others succeed. Answers 200 with the outcome of every element, in their order."))
}

// createItemJSON is what creates an item.
type createItemJSON struct {
	Identifiers identifierList `json:"identifiers"`
	SourceEntry string         `json:"source_entry" doc:"UUID of the source of this information; it need not exist here."`
	Data        freeObject     `json:"enriched_data,omitempty" doc:"Laid over what is known, key by key."`
}

const prefixCreate = "Failed to create item: "

func (in createItemJSON) toApp() (items.Input, error) {
	var out items.Input
	if in.Identifiers.null {
		return out, shapeError422("identifiers: invalid type: expected array")
	}
	if err := in.Identifiers.err; app.CodeOf(err) == app.CodeUnprocessable {
		return out, err
	}
	var ok bool
	if out.SourceEntry, ok = parseUUID(in.SourceEntry); !ok {
		return out, app.Invalid(app.ReasonBadSourceEntry, "Invalid source entry UUID")
	}
	var err error
	if out.Identifiers, err = in.Identifiers.toApp(); err != nil {
		return out, err
	}
	out.Data, err = in.Data.canonical("enriched_data")
	return out, err
}

type createItemInput struct{ Body createItemJSON }

func (h itemCreateHandlers) create(ctx context.Context, in *createItemInput) (*reply[encoded[itemJSON]], error) {
	input, err := in.Body.toApp()
	if err != nil {
		return nil, err
	}
	it, err := h.svc.Create(ctx, actor(ctx), input)
	if err != nil {
		return nil, prefixed(prefixCreate, err)
	}
	return respond(encoded[itemJSON](it.Wire(encodeItem)), nil)
}

type batchInput struct {
	Body struct {
		Items []createItemJSON `json:"items" maxItems:"10000"`
	}
}

type batchElementJSON struct {
	Success   bool               `json:"success"`
	Item      *encoded[itemJSON] `json:"item"`
	Error     *string            `json:"error"`
	PendingID any                `json:"pending_id,omitempty" doc:"Of an element that was stored as pending."`
}

type batchReplyJSON struct {
	Succeeded int                `json:"success_count"`
	Failed    int                `json:"failed_count"`
	Results   []batchElementJSON `json:"results"`
}

func (h itemCreateHandlers) batch(ctx context.Context, in *batchInput) (*reply[batchReplyJSON], error) {
	list := make([]items.Input, len(in.Body.Items))
	bad := make(map[int]error)
	for i, element := range in.Body.Items {
		var err error
		list[i], err = element.toApp()
		if app.CodeOf(err) == app.CodeUnprocessable {
			return nil, err // the shape of one is the shape of the whole
		}
		if err != nil {
			bad[i] = err
		}
	}
	results, err := h.svc.CreateBatch(ctx, actor(ctx), list, bad)
	if err != nil {
		return nil, err
	}
	out := batchReplyJSON{Results: make([]batchElementJSON, len(results))}
	for i, res := range results {
		if res.Err == nil {
			out.Succeeded++
			wire := encoded[itemJSON](res.Item.Wire(encodeItem))
			out.Results[i] = batchElementJSON{Success: true, Item: &wire}
			continue
		}
		out.Failed++
		text, pending := elementError(res.Err, bad[i] != nil)
		out.Results[i] = batchElementJSON{Error: &text, PendingID: pending}
	}
	return respond(out, nil)
}

// elementError is the text of an element that failed, as POST /api/items would
// word it, and the id under which it waits, if it does.
func elementError(err error, asItCame bool) (text string, pendingID any) {
	var e *app.Error
	if !errors.As(err, &e) {
		return prefixCreate + "Storage error: the server failed, please retry", nil
	}
	if asItCame {
		return e.Message, nil
	}
	if e.Code == app.CodeInternal {
		return prefixCreate + "Storage error: the server failed, please retry", nil
	}
	return prefixCreate + e.Message, e.Extra["pending_id"]
}
