package api

import (
	"context"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/circuits"
)

// circuitMemberHandlers adds, changes and removes members of circuits (contract
// 03 §2.1 to §2.3).
type circuitMemberHandlers struct{ svc *circuits.Service }

func (h circuitMemberHandlers) register(r *registrar) {
	family := together(tag("Circuits"), busyText(circuitBusyText))
	post(r, "/api/circuits/{id}/members", scopeUser, h.add, family,
		summary("Add a member"),
		describe("He joins at once, and a request of his that waits is approved. For members who hold `Invite`; nobody gives a right that he lacks."))
	patch(r, "/api/circuits/{id}/members/{user_id}", scopeUser, h.assign, family,
		summary("Give a member a role"),
		describe("One of the circuit's roles by its exact name, else Owner, Admin, Member or Viewer in any case. For members who hold `ManageMembers`; nobody gives a right that he lacks."))
	del(r, "/api/circuits/{id}/members/{user_id}", scopeUser, h.remove, family,
		summary("Remove a member"),
		describe("For members who hold `ManageMembers`, and the member himself. What he pushed stays."))
	post(r, "/api/circuits/{id}/leave", scopeUser, h.leave, family, optionalBody(),
		summary("Leave a circuit"),
		describe("The owner transfers it first. A body is ignored."))
}

// CircuitMemberPath is the path of one member.
type CircuitMemberPath struct {
	CircuitIDPath
	UserID string `path:"user_id" doc:"User id of the member"`
}

type addMemberInput struct {
	CircuitIDPath
	Body struct {
		MemberID *string `json:"member_id,omitempty" doc:"User id; needed unless user_id is given"`
		UserID   *string `json:"user_id,omitempty" doc:"Older name; read when member_id is absent"`
		Role     string  `json:"role" doc:"Owner, Admin, Member or Viewer, in any case"`
	}
}

func (h circuitMemberHandlers) add(ctx context.Context, in *addMemberInput) (*reply[circuitJSON], error) {
	member := in.Body.MemberID
	if member == nil {
		member = in.Body.UserID
	}
	if member == nil {
		return nil, shapeError422("missing field `member_id`")
	}
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	role, err := app.ParseMemberRole(in.Body.Role)
	if err != nil {
		return nil, err
	}
	v, err := h.svc.AddMember(ctx, actor(ctx), id, *member, role)
	return circuitReply(v, "Failed to add member: ", err)
}

type assignRoleInput struct {
	CircuitMemberPath
	Body struct {
		Role       *string `json:"role,omitempty" doc:"Needed unless custom_role_name is given"`
		CustomRole *string `json:"custom_role_name,omitempty" doc:"Goes before role"`
	}
}

func (h circuitMemberHandlers) assign(ctx context.Context, in *assignRoleInput) (*reply[circuitJSON], error) {
	role := in.Body.CustomRole
	if role == nil {
		role = in.Body.Role
	}
	if role == nil {
		return nil, shapeError422("missing field `role`")
	}
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	v, err := h.svc.AssignRole(ctx, actor(ctx), id, in.UserID, *role)
	return circuitReply(v, "Failed to assign role: ", err)
}

func (h circuitMemberHandlers) remove(ctx context.Context, in *CircuitMemberPath) (*reply[circuitJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	v, err := h.svc.RemoveMember(ctx, actor(ctx), id, in.UserID)
	return circuitReply(v, "Failed to remove member: ", err)
}

func (h circuitMemberHandlers) leave(ctx context.Context, in *CircuitIDPath) (*reply[circuitJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	v, err := h.svc.Leave(ctx, actor(ctx), id)
	return circuitReply(v, "Failed to leave circuit: ", err)
}
