package circuits

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// maxMembers bounds a circuit's members: every reader of the circuit gets them.
const maxMembers = 10_000

// AddMember makes an account a member with a built-in role. A request of his to
// join that waits is approved with it. Who has Invite may, and gives no right
// that he lacks. Not idempotent: who is a member keeps the role that he has.
//
// Errors: ReasonCircuitNotFound, ReasonCircuitPermission, ReasonMember (he is
// one, or there are too many), ReasonUserNotFound.
func (s *Service) AddMember(ctx context.Context, who app.Actor, id uuid.UUID, userID string, role app.MemberRole) (View, error) {
	return s.change(ctx, who, id, app.WorkInvite, func(c *changing) error {
		switch _, err := c.tx.Members().ByID(c.circuit.Row, userID); {
		case err == nil:
			return app.Invalid(app.ReasonMember, "Validation error: Member is already in the circuit")
		case app.CodeOf(err) != app.CodeNotFound:
			return err
		}
		rights := app.RolePermissions(role)
		if err := c.gate.AllowGrant(who.UserID, role, rights); err != nil {
			return err
		}
		if err := c.mustExist(userID); err != nil {
			return err
		}
		if err := c.roomForOne(); err != nil {
			return err
		}
		m := app.CircuitMember{UserID: userID, Role: role, Permissions: rights, JoinedAt: c.now}
		if err := c.tx.Members().Insert(c.circuit.Row, m); err != nil {
			return err
		}
		if err := c.closeRequest(userID); err != nil {
			return err
		}
		name := c.circuit.Name
		err := c.notify(userID, app.NotifyMemberAdded, "Added to "+name, fmt.Sprintf("You have been added to %s as a %s.", name, role),
			map[string]any{"added_by": who.UserID, "role": string(role)})
		if err != nil {
			return err
		}
		return c.note("Update", "add_member", fmt.Sprintf("Added %s to circuit %s as %s", userID, name, role))
	})
}

// roomForOne refuses another member where there are as many as there may be.
func (c *changing) roomForOne() error {
	n, err := c.tx.Members().Count(c.circuit.Row)
	if err == nil && n >= maxMembers {
		return app.Invalid(app.ReasonMember, "Validation error: A circuit has at most %d members", maxMembers)
	}
	return err
}

// mustExist refuses a user without an account.
func (c *changing) mustExist(userID string) error {
	_, err := c.tx.Users().ByID(userID)
	if app.CodeOf(err) == app.CodeNotFound {
		return app.Invalid(app.ReasonUserNotFound, "Validation error: User not found")
	}
	return err
}

// closeRequest approves the user's join request, if one waits.
func (c *changing) closeRequest(userID string) error {
	j, err := c.tx.JoinRequests().Pending(c.circuit.Row, userID)
	if app.CodeOf(err) == app.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	j.Status, j.DecidedBy, j.DecidedAt = app.JoinApproved, c.who.UserID, c.now
	return c.tx.JoinRequests().Decide(j)
}

// AssignRole gives a member a role: one of the circuit's by its exact name,
// else a built-in one in any case. Of the circuit's roles the member gets the
// name and the rights, and keeps his built-in role beneath. Who holds
// ManageMembers may, and gives no right that he lacks; the owner's entry changes
// by Transfer only.
//
// Errors: ReasonCircuitNotFound, ReasonCircuitPermission, ReasonInvalidRole,
// ReasonMember.
func (s *Service) AssignRole(ctx context.Context, who app.Actor, id uuid.UUID, userID, role string) (View, error) {
	return s.change(ctx, who, id, app.WorkMembers, func(c *changing) error {
		as, err := c.roleNamed(role)
		if err != nil {
			return err
		}
		m, err := c.tx.Members().ByID(c.circuit.Row, userID)
		if err != nil {
			return err
		}
		if userID == c.circuit.OwnerID {
			return app.Invalid(app.ReasonMember, "Validation error: Cannot change the circuit owner's role")
		}
		// The circuit's role "Owner" is as much the owner's to give as the
		// built-in one.
		if err := c.gate.AllowGrant(who.UserID, app.MemberRole(as.RoleName()), as.Permissions); err != nil {
			return err
		}
		if as.Role != "" {
			m.Role = as.Role
		}
		m.CustomRole, m.Permissions = as.CustomRole, as.Permissions
		if err := c.tx.Members().Update(c.circuit.Row, m); err != nil {
			return err
		}
		if err := c.tellRole(userID, as.RoleName()); err != nil {
			return err
		}
		return c.note("Update", "assign_role", fmt.Sprintf("Made %s %s in circuit %s", userID, as.RoleName(), c.circuit.Name))
	})
}

// roleNamed is what a member's entry becomes with a role: Role is empty when it
// is one of the circuit's.
func (c *changing) roleNamed(name string) (app.CircuitMember, error) {
	custom, err := c.tx.Roles().ByName(c.circuit.Row, name)
	if err == nil {
		return app.CircuitMember{CustomRole: custom.Name, Permissions: custom.Permissions}, nil
	}
	if app.CodeOf(err) != app.CodeNotFound {
		return app.CircuitMember{}, err
	}
	builtIn, unknown := app.ParseMemberRole(name)
	if unknown != nil {
		return app.CircuitMember{}, err // the contract's words for both kinds
	}
	return app.CircuitMember{Role: builtIn, Permissions: app.RolePermissions(builtIn)}, nil
}

// setRole gives a member a built-in role.
func (c *changing) setRole(m app.CircuitMember, role app.MemberRole) error {
	m.Role, m.CustomRole, m.Permissions = role, "", app.RolePermissions(role)
	return c.tx.Members().Update(c.circuit.Row, m)
}

// tellRole notifies a member of his new role.
func (c *changing) tellRole(userID, role string) error {
	name := c.circuit.Name
	return c.notify(userID, app.NotifyRoleChanged, "Your role in "+name+" has changed",
		fmt.Sprintf("You are now %s in %s.", role, name), map[string]any{"changed_by": c.who.UserID, "role": role})
}

// RemoveMember takes a member out of a circuit, for who holds ManageMembers and
// for the member himself. What he pushed stays. The owner transfers the circuit
// first.
//
// Errors: ReasonCircuitNotFound, ReasonCircuitPermission, ReasonMember.
func (s *Service) RemoveMember(ctx context.Context, who app.Actor, id uuid.UUID, userID string) (View, error) {
	allow := func(c *changing) error {
		if userID == who.UserID {
			return nil
		}
		return c.gate.Allow(who.UserID, app.WorkMembers)
	}
	return s.changeIf(ctx, who, id, allow, func(c *changing) error {
		if _, err := c.tx.Members().ByID(c.circuit.Row, userID); err != nil {
			return err
		}
		if userID == c.circuit.OwnerID {
			return app.Invalid(app.ReasonMember, "Validation error: The circuit owner cannot be removed; transfer the circuit first")
		}
		if _, err := c.tx.Members().Delete(c.circuit.Row, userID); err != nil {
			return err
		}
		name := c.circuit.Name
		err := c.notify(userID, app.NotifyMemberRemoved, "Removed from "+name, fmt.Sprintf("You are no longer a member of %s.", name),
			map[string]any{"removed_by": who.UserID})
		if err != nil {
			return err
		}
		if userID == who.UserID {
			return c.note("Update", "leave_circuit", "Left circuit: "+name)
		}
		return c.note("Update", "remove_member", fmt.Sprintf("Removed %s from circuit %s", userID, name))
	})
}

// Leave is RemoveMember for the caller himself.
func (s *Service) Leave(ctx context.Context, who app.Actor, id uuid.UUID) (View, error) {
	return s.RemoveMember(ctx, who, id, who.UserID)
}

// holders are the ids of the members who hold one of the circuit's roles.
func (c *changing) holders(role string) ([]string, error) {
	members, err := c.tx.Members().List(c.circuit.Row)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, m := range members {
		if m.CustomRole == role {
			out = append(out, m.UserID)
		}
	}
	return out, nil
}
