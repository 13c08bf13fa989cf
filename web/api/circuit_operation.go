package api

import (
	"context"
	"encoding/json"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/canon"
	"github.com/defarm-repo/defarm/app/circuits"
)

const (
	prefixApprove = "Failed to approve operation: "
	prefixReject  = "Failed to reject operation: "
)

// circuitOperationHandlers serves operations and what waits among them
// (contract 03 §5.4 to §5.10).
type circuitOperationHandlers struct{ svc *circuits.Service }

func (h circuitOperationHandlers) register(r *registrar) {
	family := together(tag("Circuit operations"), busyText(circuitBusyText))
	get(r, "/api/circuits/{id}/operations", scopeUser, h.list, family,
		summary("List a circuit's pushes and pulls, newest first"),
		describe("For members; who does not manage members sees his own. Empty for everybody else."))
	get(r, "/api/circuits/{id}/operations/pending", scopeUser, h.listPending, family,
		summary("List the pushes and pulls that wait for approval"))
	post(r, "/api/circuits/operations/{operation_id}/approve", scopeUser, h.approve, family, optionalBody(),
		summary("Approve an operation that waits"),
		describe("Does what the operation is for, once, in the name of who asked for it."))
	post(r, "/api/circuits/operations/{operation_id}/reject", scopeUser, h.reject, family, optionalBody(),
		summary("Reject an operation that waits"))
	get(r, "/api/circuits/{id}/pending-items", scopeUser, h.pendingItems, family,
		summary("List what waits for approval, with the items"),
		describe("For members; who does not manage members sees his own."))
	post(r, "/api/circuits/{id}/pending-items/{pending_id}/approve", scopeUser, h.approveItem, family, optionalBody(),
		summary("Approve an operation of this circuit"))
	post(r, "/api/circuits/{id}/pending-items/{pending_id}/reject", scopeUser, h.rejectItem, family, optionalBody(),
		summary("Reject an operation of this circuit"))
}

type operationJSON struct {
	OperationID string                     `json:"operation_id"`
	CircuitID   string                     `json:"circuit_id"`
	DFID        string                     `json:"dfid"`
	Type        string                     `json:"operation_type" enum:"Push,Pull"`
	RequesterID string                     `json:"requester_id"`
	Timestamp   int64                      `json:"timestamp" doc:"Unix seconds."`
	Status      string                     `json:"status" enum:"Pending,Completed,Rejected"`
	Metadata    map[string]json.RawMessage `json:"metadata" doc:"Of a rejected one: rejection_reason, rejected_by, rejected_at."`
}

func operationFrom(op circuits.Operation) operationJSON {
	return operationJSON{
		OperationID: op.ID.String(), CircuitID: op.CircuitID.String(), DFID: op.DFID, Type: op.Type,
		RequesterID: op.RequesterID, Timestamp: op.At.Unix(), Status: string(op.Status), Metadata: op.Metadata,
	}
}

type circuitListInput struct {
	CircuitIDPath
	PageQuery
}

func (h circuitOperationHandlers) list(ctx context.Context, in *circuitListInput) (*reply[[]operationJSON], error) {
	return h.operations(ctx, in, "")
}

func (h circuitOperationHandlers) listPending(ctx context.Context, in *circuitListInput) (*reply[[]operationJSON], error) {
	return h.operations(ctx, in, app.OperationPending)
}

func (h circuitOperationHandlers) operations(ctx context.Context, in *circuitListInput, status app.OperationStatus) (*reply[[]operationJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	list, err := h.svc.Operations(ctx, actor(ctx), id, status, in.page())
	if err != nil {
		return nil, err
	}
	out := make([]operationJSON, len(list))
	for i, op := range list {
		out[i] = operationFrom(op)
	}
	return respond(out, nil)
}

// OperationPath is the path of one operation. huma asks for an exported name
// where it is embedded.
type OperationPath struct {
	OperationID string `path:"operation_id" doc:"Operation id (UUID)."`
}

func (p OperationPath) decision() (circuits.Decision, error) {
	id, ok := parseUUID(p.OperationID)
	if !ok {
		return circuits.Decision{}, app.Invalid(app.ReasonBadOperationID, "Invalid operation ID format")
	}
	return circuits.Decision{OperationID: id}, nil
}

// Who decides is whoever asks: admin_id and approver_id of older clients are
// not read.
type approveInput struct {
	OperationPath
	Body struct{}
}

type rejectInput struct {
	OperationPath
	Body rejectionJSON
}

type rejectionJSON struct {
	Reason *string `json:"reason,omitempty" maxLength:"4096" doc:"Shown to the requester."`
}

func (h circuitOperationHandlers) approve(ctx context.Context, in *approveInput) (*reply[operationJSON], error) {
	d, err := in.decision()
	if err != nil {
		return nil, err
	}
	op, err := h.svc.Approve(ctx, actor(ctx), d)
	if err != nil {
		return nil, refused(prefixApprove, err)
	}
	return respond(operationFrom(op), nil)
}

func (h circuitOperationHandlers) reject(ctx context.Context, in *rejectInput) (*reply[operationJSON], error) {
	d, err := in.decision()
	if err != nil {
		return nil, err
	}
	op, err := h.svc.Reject(ctx, actor(ctx), d, in.Body.Reason)
	if err != nil {
		return nil, refused(prefixReject, err)
	}
	return respond(operationFrom(op), nil)
}

type circuitPendingJSON struct {
	Success bool                     `json:"success"`
	Data    []circuitPendingItemJSON `json:"data"`
}

type circuitPendingItemJSON struct {
	PendingID string           `json:"pending_id" doc:"Id of the operation."`
	DFID      string           `json:"dfid"`
	PushedBy  string           `json:"pushed_by" doc:"Who asked for it."`
	PushedAt  int64            `json:"pushed_at" doc:"Unix seconds."`
	Status    string           `json:"status"`
	Preview   *itemPreviewJSON `json:"item_preview" doc:"What the members would see; null when there is no such item."`
}

type itemPreviewJSON struct {
	Identifiers encoded[[]identifierJSON] `json:"identifiers"`
	Data        encoded[map[string]any]   `json:"enriched_data"`
}

func circuitPendingItemFrom(p circuits.PendingItem) circuitPendingItemJSON {
	out := circuitPendingItemJSON{
		PendingID: p.ID.String(), DFID: p.DFID, PushedBy: p.RequesterID, PushedAt: p.At.Unix(),
		Status: string(p.Status),
	}
	if p.Item != nil {
		out.Preview = &itemPreviewJSON{
			Identifiers: encodeIdentifiers(p.Item.Identifiers), Data: encoded[map[string]any](canon.AppendObject(nil, p.Item.Data)),
		}
	}
	return out
}

func (h circuitOperationHandlers) pendingItems(ctx context.Context, in *circuitListInput) (*reply[circuitPendingJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	list, err := h.svc.PendingItems(ctx, actor(ctx), id, in.page())
	if err != nil {
		return nil, err
	}
	out := circuitPendingJSON{Success: true, Data: make([]circuitPendingItemJSON, len(list))}
	for i, p := range list {
		out.Data[i] = circuitPendingItemFrom(p)
	}
	return respond(out, nil)
}

// CircuitPendingPath is the path of an operation within its circuit.
type CircuitPendingPath struct {
	CircuitIDPath
	PendingID string `path:"pending_id" doc:"Id of the operation (UUID)."`
}

func (p CircuitPendingPath) decision() (d circuits.Decision, err error) {
	circuit, err := p.circuitID()
	if err != nil {
		return d, err
	}
	id, ok := parseUUID(p.PendingID)
	if !ok {
		return d, app.Invalid(app.ReasonBadOperationID, "Invalid pending ID format")
	}
	return circuits.Decision{OperationID: id, CircuitID: &circuit}, nil
}

type approveItemInput struct {
	CircuitPendingPath
	Body struct{}
}

type rejectItemInput struct {
	CircuitPendingPath
	Body rejectionJSON
}

type approvedItemJSON struct {
	Success bool           `json:"success"`
	Message string         `json:"message"`
	Data    approvedAsJSON `json:"data"`
}

type approvedAsJSON struct {
	CircuitID  string `json:"circuit_id"`
	DFID       string `json:"dfid"`
	PushedBy   string `json:"pushed_by"`
	PushedAt   int64  `json:"pushed_at" doc:"When it was asked for; Unix seconds."`
	ApprovedBy string `json:"approved_by"`
	ApprovedAt int64  `json:"approved_at" doc:"Unix seconds."`
	Status     string `json:"status" enum:"active"`
}

func (h circuitOperationHandlers) approveItem(ctx context.Context, in *approveItemInput) (*reply[approvedItemJSON], error) {
	d, err := in.decision()
	if err != nil {
		return nil, err
	}
	op, err := h.svc.Approve(ctx, actor(ctx), d)
	if err != nil {
		return nil, refused(prefixApprove, err)
	}
	return respond(approvedItemJSON{
		Success: true, Message: "Item approved and added to circuit",
		Data: approvedAsJSON{
			CircuitID: op.CircuitID.String(), DFID: op.DFID, PushedBy: op.RequesterID, PushedAt: op.At.Unix(),
			ApprovedBy: op.DecidedBy, ApprovedAt: op.DecidedAt.Unix(), Status: "active",
		},
	}, nil)
}

type rejectedItemJSON struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
}

func (h circuitOperationHandlers) rejectItem(ctx context.Context, in *rejectItemInput) (*reply[rejectedItemJSON], error) {
	d, err := in.decision()
	if err != nil {
		return nil, err
	}
	if _, err := h.svc.Reject(ctx, actor(ctx), d, in.Body.Reason); err != nil {
		return nil, refused(prefixReject, err)
	}
	return respond(rejectedItemJSON{Success: true, Message: "Item rejected"}, nil)
}
