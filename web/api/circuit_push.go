package api

import (
	"context"
	"errors"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/circuits"
)

// prefixPush is what the contract puts before the errors of one item of a batch.
const prefixPush = "Push failed: "

// circuitPushHandlers serves pushes of items that exist (contract 03 §5.1, §5.2).
type circuitPushHandlers struct{ svc *circuits.Service }

func (h circuitPushHandlers) register(r *registrar) {
	family := together(tag("Circuit operations"), busyText(circuitBusyText))
	post(r, "/api/circuits/{id}/push/{dfid}", scopeUser, h.push, family, optionalBody(),
		summary("Push an item into a circuit"),
		describe("For a traced item that is yours, shared with you, or in a circuit of yours; the members will see what you see of it. Where the circuit wants approval the operation waits."))
	post(r, "/api/circuits/{id}/push/batch", scopeUser, h.batch, family,
		summary("Push many items into a circuit"),
		describe("At most 500, each by itself: look at the results."))
}

// CircuitItemPath is the path of an item within a circuit.
type CircuitItemPath struct {
	CircuitIDPath
	DFID string `path:"dfid" doc:"DFID of the item."`
}

type circuitItemInput struct {
	CircuitItemPath
	Body struct{}
}

func (h circuitPushHandlers) push(ctx context.Context, in *circuitItemInput) (*reply[operationJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	op, err := h.svc.Push(ctx, actor(ctx), id, in.DFID)
	if err != nil {
		return nil, err
	}
	return respond(operationFrom(op), nil)
}

type pushBatchInput struct {
	CircuitIDPath
	Body struct {
		Items []pushBatchItemJSON `json:"items,omitempty" doc:"At most 500."`
		DFIDs []string            `json:"dfids,omitempty" doc:"Older form; read when items is absent."`
	}
}

type pushBatchItemJSON struct {
	DFID string `json:"dfid"`
}

func (in *pushBatchInput) dfids() ([]string, error) {
	if in.Body.Items == nil {
		if in.Body.DFIDs == nil {
			return nil, shapeError422("missing field `items`")
		}
		return in.Body.DFIDs, nil
	}
	dfids := make([]string, len(in.Body.Items))
	for i, it := range in.Body.Items {
		dfids[i] = it.DFID
	}
	return dfids, nil
}

type pushedJSON struct {
	DFID    string  `json:"dfid"`
	Success bool    `json:"success"`
	Error   *string `json:"error_message"`
}

type pushBatchReplyJSON struct {
	Succeeded int          `json:"success_count"`
	Failed    int          `json:"failed_count"`
	Results   []pushedJSON `json:"results"`
}

func (h circuitPushHandlers) batch(ctx context.Context, in *pushBatchInput) (*reply[pushBatchReplyJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	dfids, err := in.dfids()
	if err != nil {
		return nil, err
	}
	results, err := h.svc.PushBatch(ctx, actor(ctx), id, dfids)
	if err != nil {
		return nil, err
	}
	out := pushBatchReplyJSON{Results: make([]pushedJSON, len(results))}
	for i, res := range results {
		out.Results[i] = pushedJSON{DFID: res.DFID, Success: res.Err == nil}
		if res.Err == nil {
			out.Succeeded++
			continue
		}
		out.Failed++
		text := pushError(res.Err)
		out.Results[i].Error = &text
	}
	return respond(out, nil)
}

// pushError is the text of one item of a batch that was not pushed.
func pushError(err error) string {
	var e *app.Error
	if !errors.As(err, &e) || e.Code == app.CodeInternal {
		return prefixPush + "Storage error: the server failed, please retry"
	}
	return prefixPush + e.Message
}
