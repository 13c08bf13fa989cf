package circuits

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// Bounds of roles: the name in characters, the color in bytes.
const (
	maxRoles    = 100
	maxRoleName = 100
	maxColor    = 64
)

// maxNamed bounds how many members an error names.
const maxNamed = 100

// Role is a role of a circuit and how many hold it.
type Role struct {
	app.CustomRole
	Members int
}

// VisibleRoles are the circuit's roles as the viewer may see them, in the order in
// which they were made: others than members see none.
func (v View) VisibleRoles() []Role {
	if !v.Member {
		return nil
	}
	count := make(map[string]int, 4)
	for _, m := range v.Members {
		count[m.RoleName()]++
	}
	out := make([]Role, len(v.Roles))
	for i, r := range v.Roles {
		out[i] = Role{CustomRole: r, Members: count[r.Name]}
	}
	return out
}

// holding is the role with how many of the circuit's members hold it.
func (v View) holding(r app.CustomRole) Role {
	out := Role{CustomRole: r}
	for _, m := range v.Members {
		if m.RoleName() == r.Name {
			out.Members++
		}
	}
	return out
}

// NewRole is the input of CreateRole.
type NewRole struct {
	Name        string
	Permissions []app.Permission
	Description string
	Color       string // "" for none
}

// CreateRole adds a role to a circuit. The name counts without the space around
// it, and exactly as it is written. Who holds ManageRoles may, and gives the role
// no right that he lacks.
//
// Errors: ReasonInvalidRole (out of bounds, taken, one too many),
// ReasonCircuitNotFound, ReasonCircuitPermission.
func (s *Service) CreateRole(ctx context.Context, who app.Actor, id uuid.UUID, in NewRole) (Role, error) {
	role := app.CustomRole{
		ID: s.env.NewID(), Name: strings.TrimSpace(in.Name), Permissions: in.Permissions,
		Description: in.Description, Color: in.Color, CreatedBy: who.UserID,
	}
	v, err := s.change(ctx, who, id, app.WorkRoles, func(c *changing) error {
		if err := checkRole(role); err != nil {
			return err
		}
		switch _, err := c.tx.Roles().ByName(c.circuit.Row, role.Name); {
		case err == nil:
			return app.Invalid(app.ReasonInvalidRole, "Validation error: Role '%s' already exists", role.Name)
		case app.CodeOf(err) != app.CodeNotFound:
			return err
		}
		if err := c.gate.AllowGrant(who.UserID, app.MemberRole(role.Name), role.Permissions); err != nil {
			return err
		}
		switch n, err := c.tx.Roles().Count(c.circuit.Row); {
		case err != nil:
			return err
		case n >= maxRoles:
			return app.Invalid(app.ReasonInvalidRole, "Validation error: A circuit has at most %d roles", maxRoles)
		}
		role.CreatedAt = c.now
		if err := c.tx.Roles().Insert(c.circuit.Row, role); err != nil {
			return err
		}
		return c.note("Create", "create_role", fmt.Sprintf("Created role %s in circuit %s", role.Name, c.circuit.Name))
	})
	if err != nil {
		return Role{}, err
	}
	return v.holding(role), nil
}

func checkRole(r app.CustomRole) error {
	invalid := func(format string, args ...any) error {
		return app.Invalid(app.ReasonInvalidRole, "Validation error: "+format, args...)
	}
	switch {
	case r.Name == "":
		return invalid("role_name is empty")
	case utf8.RuneCountInString(r.Name) > maxRoleName:
		return invalid("role_name is longer than %d characters", maxRoleName)
	case len(r.Description) > maxDescription:
		return invalid("description is longer than %d bytes", maxDescription)
	case len(r.Color) > maxColor:
		return invalid("color is longer than %d bytes", maxColor)
	case strings.ContainsRune(r.Name+r.Description+r.Color, 0):
		return invalid("texts of roles must not contain U+0000")
	default:
		return nil
	}
}

// RoleUpdate is what a client wants changed of a role. Nil members stay as they
// are.
type RoleUpdate struct {
	Permissions []app.Permission // empty, not nil: none
	Description *string
	Color       *string
}

// UpdateRole changes one of a circuit's own roles; its members have its new
// rights with the answer. Who holds ManageRoles may, and gives the role no right
// that he lacks.
//
// Errors: ReasonCircuitNotFound, ReasonCircuitPermission, ReasonInvalidRole
// (CodeNotFound when there is no such role).
func (s *Service) UpdateRole(ctx context.Context, who app.Actor, id uuid.UUID, name string, u RoleUpdate) (Role, error) {
	var role app.CustomRole
	v, err := s.change(ctx, who, id, app.WorkRoles, func(c *changing) error {
		var err error
		if role, err = c.ownRole(name, "update"); err != nil {
			return err
		}
		if u.Permissions == nil && u.Description == nil && u.Color == nil {
			c.same = true
			return nil
		}
		set(&role.Description, u.Description)
		set(&role.Color, u.Color)
		if err := checkRole(role); err != nil {
			return err
		}
		if u.Permissions != nil {
			if err := c.gate.AllowGrant(who.UserID, app.MemberRole(name), u.Permissions); err != nil {
				return err
			}
			role.Permissions = u.Permissions
			if err := c.tx.Members().SetPermissions(c.circuit.Row, name, role.Permissions); err != nil {
				return err
			}
		}
		if err := c.tx.Roles().Update(c.circuit.Row, role); err != nil {
			return err
		}
		return c.note("Update", "update_role", fmt.Sprintf("Updated role %s in circuit %s", name, c.circuit.Name))
	})
	if err != nil {
		return Role{}, err
	}
	return v.holding(role), nil
}

// ownRole returns one of the circuit's roles that is not a seeded one.
func (c *changing) ownRole(name, verb string) (app.CustomRole, error) {
	role, err := c.tx.Roles().ByName(c.circuit.Row, name)
	if err != nil && app.CodeOf(err) != app.CodeNotFound {
		return role, err
	}
	if name == string(app.RoleOwner) || name == string(app.RoleMember) || role.IsDefault {
		return role, app.Invalid(app.ReasonInvalidRole, "Validation error: Cannot %s default roles", verb)
	}
	return role, err
}

// DeleteRole removes one of a circuit's own roles that no member holds. Who
// holds ManageRoles may.
//
// Errors: ReasonCircuitNotFound, ReasonCircuitPermission, ReasonInvalidRole
// (CodeNotFound when there is no such role).
func (s *Service) DeleteRole(ctx context.Context, who app.Actor, id uuid.UUID, name string) error {
	_, err := s.change(ctx, who, id, app.WorkRoles, func(c *changing) error {
		role, err := c.ownRole(name, "remove")
		if err != nil {
			return err
		}
		held, err := c.holders(name)
		if err != nil {
			return err
		}
		if len(held) > 0 {
			more := ""
			if len(held) > maxNamed {
				held, more = held[:maxNamed], fmt.Sprintf(" and %d more", len(held)-maxNamed)
			}
			return app.Invalid(app.ReasonInvalidRole, "Validation error: Cannot remove role '%s' - it is assigned to members: %s%s",
				name, strings.Join(held, ", "), more)
		}
		if err := c.tx.Roles().Delete(c.circuit.Row, role.ID); err != nil {
			return err
		}
		return c.note("Delete", "delete_role", fmt.Sprintf("Removed role %s from circuit %s", name, c.circuit.Name))
	})
	return err
}
