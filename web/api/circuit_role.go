package api

import (
	"context"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/circuits"
)

// circuitRoleHandlers serves the roles of circuits (contract 03 §2.4 to §2.7).
// Other than most changes of circuits they answer 403 and 404.
type circuitRoleHandlers struct{ svc *circuits.Service }

func (h circuitRoleHandlers) register(r *registrar) {
	family := together(tag("Circuits"), busyText(circuitBusyText))
	holders := "For members who hold `ManageRoles`; nobody gives a right that he lacks."
	post(r, "/api/circuits/{id}/roles", scopeUser, h.create, family,
		summary("Add a role to a circuit"), describe(holders))
	get(r, "/api/circuits/{id}/roles", scopeUser, h.list, family,
		summary("List a circuit's roles"),
		describe("For members; of a public circuit others get an empty list."))
	put(r, "/api/circuits/{id}/roles/{role_name}", scopeUser, h.update, family,
		summary("Change a role"),
		describe("What is absent stays as it is; members with this role have its new rights at once. "+holders))
	del(r, "/api/circuits/{id}/roles/{role_name}", scopeUser, h.remove, family,
		summary("Remove a role that no member has"), describe("For members who hold `ManageRoles`."))
}

// CircuitRolePath is the path of one role.
type CircuitRolePath struct {
	CircuitIDPath
	RoleName string `path:"role_name" doc:"Exact name of the role"`
}

type createRoleInput struct {
	CircuitIDPath
	Body struct {
		Name        string   `json:"role_name" doc:"1 to 100 characters"`
		Permissions []string `json:"permissions" doc:"Push, Pull, Invite, ManageMembers, ManagePermissions, ManageRoles, Delete, Certify, Audit; in any case"`
		Description string   `json:"description"`
		Color       *string  `json:"color,omitempty" example:"#3366cc"`
	}
}

func (h circuitRoleHandlers) create(ctx context.Context, in *createRoleInput) (*reply[customRoleJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	rights, err := app.ParsePermissions(in.Body.Permissions)
	if err != nil {
		return nil, err
	}
	role, err := h.svc.CreateRole(ctx, actor(ctx), id, circuits.NewRole{
		Name: in.Body.Name, Permissions: rights, Description: in.Body.Description, Color: value(in.Body.Color),
	})
	if err != nil {
		return nil, refused("Failed to create custom role: ", err)
	}
	return respond(customRoleFrom(role), nil)
}

type listRolesInput struct {
	CircuitIDPath
	PageQuery
}

func (h circuitRoleHandlers) list(ctx context.Context, in *listRolesInput) (*reply[[]customRoleJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	v, err := h.svc.Get(ctx, actor(ctx), id)
	if err != nil {
		return nil, roleError("Failed to get custom roles: ", err)
	}
	roles := v.VisibleRoles()
	page := in.page()
	roles = roles[min(page.Offset, len(roles)):]
	roles = roles[:min(page.Limit, len(roles))]
	out := make([]customRoleJSON, len(roles))
	for i, role := range roles {
		out[i] = customRoleFrom(role)
	}
	return respond(out, nil)
}

// roleError puts the contract's words before an error and keeps its status.
func roleError(prefix string, err error) error {
	return wordedAs(prefix, err, app.CodeInvalid, app.CodeNotFound, app.CodeForbidden)
}

type updateRoleInput struct {
	CircuitRolePath
	Body struct {
		Permissions *[]string `json:"permissions,omitempty" doc:"As at creation; replaces all"`
		Description *string   `json:"description,omitempty"`
		Color       *string   `json:"color,omitempty"`
	}
}

func (h circuitRoleHandlers) update(ctx context.Context, in *updateRoleInput) (*reply[customRoleJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	u := circuits.RoleUpdate{Description: in.Body.Description, Color: in.Body.Color}
	if in.Body.Permissions != nil {
		if u.Permissions, err = app.ParsePermissions(*in.Body.Permissions); err != nil {
			return nil, err
		}
	}
	role, err := h.svc.UpdateRole(ctx, actor(ctx), id, in.RoleName, u)
	if err != nil {
		return nil, roleError("Failed to update custom role: ", err)
	}
	return respond(customRoleFrom(role), nil)
}

type roleRemovedJSON struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
}

func (h circuitRoleHandlers) remove(ctx context.Context, in *CircuitRolePath) (*reply[roleRemovedJSON], error) {
	id, err := in.circuitID()
	if err != nil {
		return nil, err
	}
	if err := h.svc.DeleteRole(ctx, actor(ctx), id, in.RoleName); err != nil {
		return nil, roleError("Failed to delete custom role: ", err)
	}
	return respond(roleRemovedJSON{Success: true, Message: "Custom role '" + in.RoleName + "' deleted successfully"}, nil)
}
