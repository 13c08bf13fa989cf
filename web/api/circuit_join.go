package api

import (
	"context"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/circuits"
)

// joinHandlers serves the ways into a circuit (contract 03 §3 and §4.3).
type joinHandlers struct{ svc *circuits.Service }

func (h joinHandlers) register(r *registrar) {
	family := together(tag("Circuits"), busyText(circuitBusyText))
	post(r, "/api/circuits/{id}/requests", scopeUser, h.ask, family, optionalBody(),
		summary("Ask to join a circuit"),
		describe("The circuit's managers are notified. The answer shows the own request and nothing of what is inside."))
	get(r, "/api/circuits/{id}/requests/pending", scopeUser, h.pending, family,
		summary("List the join requests that wait, oldest first"),
		describe("For holders of ManageMembers, the owner and administrators."))
	post(r, "/api/circuits/{id}/requests/{requester_id}/approve", scopeUser, h.approve, family, optionalBody(),
		summary("Approve a join request"),
		describe("Needs ManageMembers; nobody can grant a role with rights that he lacks himself."))
	post(r, "/api/circuits/{id}/requests/{requester_id}/reject", scopeUser, h.reject, family, optionalBody(),
		summary("Reject a join request"), describe("Needs ManageMembers."))
	post(r, "/api/circuits/{id}/public/join", scopeUser, h.joinPublic, family, optionalBody(),
		summary("Join a public circuit"),
		describe("The caller is a member at once where the circuit approves members by itself; else a join request is made. "+
			"A protected circuit asks for its password; wrong ones are limited by 429."))
}

// The contract's words before what is wrong (03 §3 and §4.3).
const (
	prefixAsk         = "Failed to submit join request: "
	prefixPending     = "Failed to get pending requests: "
	prefixApproveJoin = "Failed to approve join request: "
	prefixRejectJoin  = "Failed to reject join request: "
	prefixJoin        = "Failed to join circuit: "
)

type askInput struct {
	CircuitIDPath
	Body struct {
		Message *string `json:"message,omitempty" doc:"For the managers; at most 4,096 bytes"`
	}
}

type pendingRequestsInput struct {
	CircuitIDPath
	PageQuery
}

// JoinRequestPath is the path of the decisions about a request.
type JoinRequestPath struct {
	CircuitIDPath
	RequesterID string `path:"requester_id" doc:"User id of the requester"`
}

type approveJoinInput struct {
	JoinRequestPath
	Body struct {
		Role *string `json:"role,omitempty" doc:"Owner, Admin, Member or Viewer, in any case; Member when absent"`
	}
}

type rejectJoinInput struct {
	JoinRequestPath
	Body struct{}
}

type joinPublicInput struct {
	CircuitIDPath
	Body struct {
		AccessPassword *string `json:"access_password,omitempty" doc:"Of a protected circuit"`
		Message        *string `json:"message,omitempty" doc:"For the managers; at most 4,096 bytes"`
	}
}

type joinedJSON struct {
	Success          bool   `json:"success"`
	Message          string `json:"message"`
	RequiresApproval bool   `json:"requires_approval"`
}

func (h joinHandlers) ask(ctx context.Context, in *askInput) (*reply[circuitJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	v, err := h.svc.RequestToJoin(ctx, actor(ctx), id, value(in.Body.Message))
	return joinReply(v, refused(prefixAsk, err))
}

// joinReply is the answer of a change of a circuit.
func joinReply(v circuits.View, err error) (*reply[circuitJSON], error) {
	if err != nil {
		return nil, err
	}
	return respond(circuitFrom(v), nil)
}

func (h joinHandlers) pending(ctx context.Context, in *pendingRequestsInput) (*reply[[]joinRequestJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	list, err := h.svc.JoinRequests(ctx, actor(ctx), id, in.page())
	if err != nil {
		return nil, wordedAs(prefixPending, err, app.CodeNotFound)
	}
	out := make([]joinRequestJSON, len(list))
	for i, j := range list {
		out[i] = joinRequestFrom(j)
	}
	return respond(out, nil)
}

func (h joinHandlers) approve(ctx context.Context, in *approveJoinInput) (*reply[circuitJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	wanted := circuits.Approval{RequesterID: in.RequesterID, Role: string(app.RoleMember)}
	if in.Body.Role != nil {
		wanted.Role = *in.Body.Role
	}
	v, err := h.svc.ApproveJoin(ctx, actor(ctx), id, wanted)
	if app.ReasonOf(err) == app.ReasonInvalidRole {
		return nil, err // without the words
	}
	return joinReply(v, refused(prefixApproveJoin, err))
}

func (h joinHandlers) reject(ctx context.Context, in *rejectJoinInput) (*reply[circuitJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	v, err := h.svc.RejectJoin(ctx, actor(ctx), id, in.RequesterID)
	return joinReply(v, refused(prefixRejectJoin, err))
}

func (h joinHandlers) joinPublic(ctx context.Context, in *joinPublicInput) (*reply[joinedJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	approved, err := h.svc.JoinPublic(ctx, visitor(ctx, value(in.Body.AccessPassword)), id, value(in.Body.Message))
	if err != nil {
		return nil, refused(prefixJoin, err)
	}
	out := joinedJSON{Success: true, Message: "Join request submitted", RequiresApproval: true}
	if approved {
		out.Message, out.RequiresApproval = "Automatically approved", false
	}
	return respond(out, nil)
}

// visitor is the caller as somebody who may be asked for a circuit's password.
func visitor(ctx context.Context, password string) circuits.Visitor {
	return circuits.Visitor{Actor: actor(ctx), From: client(ctx).Address, Password: password}
}
