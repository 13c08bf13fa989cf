package circuits

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// maxAliasEntries and maxAliasText bound the lists of an alias configuration:
// it is a part of the circuit's row, which every push reads. Texts are in bytes,
// as long as those of identifiers may be.
const (
	maxAliasEntries = 100
	maxAliasText    = 1024
)

// Update is what a client wants changed of a circuit. Nil members stay as they
// are.
type Update struct {
	Name        *string
	Description *string
	ApprovePush *bool
	ApprovePull *bool
	AllowPublic *bool
}

// fields names what is given.
func (u Update) fields() string {
	var out []string
	for _, f := range []struct {
		name  string
		given bool
	}{
		{"name", u.Name != nil}, {"description", u.Description != nil},
		{"require_approval_for_push", u.ApprovePush != nil}, {"require_approval_for_pull", u.ApprovePull != nil},
		{"allow_public_visibility", u.AllowPublic != nil},
	} {
		if f.given {
			out = append(out, f.name)
		}
	}
	return strings.Join(out, ", ")
}

// apply gives the circuit's row what is given.
func (u Update) apply(c *app.Circuit) {
	set(&c.Name, u.Name)
	set(&c.Description, u.Description)
	set(&c.Permissions.RequireApprovalForPush, u.ApprovePush)
	set(&c.Permissions.RequireApprovalForPull, u.ApprovePull)
	set(&c.Permissions.AllowPublicVisibility, u.AllowPublic)
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// Update changes a circuit's texts and switches, for who holds
// ManagePermissions and the owner. Operations that wait keep the rule under
// which they were asked for. Repeating it changes nothing more; nothing given
// leaves last_modified as it is.
//
// Errors: ReasonCircuitNotFound, ReasonCircuitPermission, ReasonInvalidCircuit.
func (s *Service) Update(ctx context.Context, who app.Actor, id uuid.UUID, u Update) (View, error) {
	return s.change(ctx, who, id, app.WorkUpdate, func(c *changing) error {
		if u == (Update{}) {
			c.same = true
			return nil
		}
		u.apply(c.circuit)
		if err := checkTexts(c.circuit.Name, c.circuit.Description); err != nil {
			return app.Invalid(app.ReasonInvalidCircuit, "Validation error: %s", err)
		}
		if err := c.tx.Circuits().Update(c.circuit); err != nil {
			return err
		}
		return c.note("Update", "update_circuit", fmt.Sprintf("Updated circuit %s: %s", c.circuit.Name, u.fields()))
	})
}

// Deactivate stops all work in a circuit and keeps what is in it; reading and
// administering it stay possible. Idempotent.
//
// Errors: ReasonCircuitNotFound, ReasonCircuitPermission, ReasonCircuitInactive
// for an archived circuit.
func (s *Service) Deactivate(ctx context.Context, who app.Actor, id uuid.UUID) (View, error) {
	return s.change(ctx, who, id, app.WorkDeactivate, func(c *changing) error {
		return c.setStatus(app.CircuitInactive, "deactivate_circuit", "Deactivated circuit: ")
	})
}

// Reactivate undoes Deactivate, with the same errors, and ReasonTierLimit when
// the owner's tier is enforced and allows no further active circuit. Idempotent.
func (s *Service) Reactivate(ctx context.Context, who app.Actor, id uuid.UUID) (View, error) {
	return s.change(ctx, who, id, app.WorkReactivate, func(c *changing) error {
		if c.circuit.Status == app.CircuitInactive {
			if err := s.quota.MayOwn(c.tx, c.circuit.OwnerID); err != nil {
				return err
			}
		}
		return c.setStatus(app.CircuitActive, "reactivate_circuit", "Reactivated circuit: ")
	})
}

func (c *changing) setStatus(to app.CircuitStatus, action, description string) error {
	if c.circuit.Status == app.CircuitArchived {
		return app.Invalid(app.ReasonCircuitInactive, "Validation error: Circuit is archived")
	}
	if c.circuit.Status == to {
		c.same = true
		return nil
	}
	c.circuit.Status = to
	if err := c.tx.Circuits().Update(c.circuit); err != nil {
		return err
	}
	return c.note("Update", action, description+c.circuit.Name)
}

// ToggleVisibility makes a public circuit private and a private one public. The
// public settings are kept. It is the owner's, the built-in Admins', and that
// of who holds ManagePermissions.
//
// Errors: ReasonCircuitNotFound, ReasonCircuitPermission.
func (s *Service) ToggleVisibility(ctx context.Context, who app.Actor, id uuid.UUID) (app.Circuit, error) {
	var out app.Circuit
	_, err := s.changeIf(ctx, who, id, func(c *changing) error {
		if !c.gate.May(who.UserID, app.WorkToggle) {
			return app.Forbidden(app.ReasonCircuitPermission, "Only circuit owner or admin can toggle visibility")
		}
		return nil
	}, func(c *changing) error {
		public := !c.circuit.Permissions.AllowPublicVisibility
		c.circuit.Permissions.AllowPublicVisibility = public
		if err := c.tx.Circuits().Update(c.circuit); err != nil {
			return err
		}
		out = *c.circuit // what this call made of it, whoever toggles next
		return c.note("Update", "toggle_visibility", fmt.Sprintf("Made circuit %s %s", c.circuit.Name, visibility(public)))
	})
	return out, err
}

func visibility(public bool) string {
	if public {
		return "public"
	}
	return "private"
}

// Alias returns a circuit's alias configuration to those who see the circuit as
// members do; nil when it has none.
//
// Errors: ReasonCircuitNotFound; ReasonCircuitPermission to others who may know
// of the circuit.
func (s *Service) Alias(ctx context.Context, who app.Actor, id uuid.UUID) (*app.AliasConfig, error) {
	v, err := s.Get(ctx, who, id)
	if err != nil {
		return nil, err
	}
	if !v.Member {
		return nil, app.Forbidden(app.ReasonCircuitPermission, "Permission denied: User is not a member of this circuit")
	}
	return v.Alias, nil
}

// SetAlias replaces a circuit's alias configuration, for who holds
// ManagePermissions and the owner. It applies to later pushes; what is in the
// circuit stays.
//
// Errors: ReasonCircuitNotFound, ReasonCircuitPermission, ReasonInvalidCircuit.
func (s *Service) SetAlias(ctx context.Context, who app.Actor, id uuid.UUID, a app.AliasConfig) error {
	_, err := s.change(ctx, who, id, app.WorkAlias, func(c *changing) error {
		if err := checkAliasLists(&a); err != nil {
			return app.Invalid(app.ReasonInvalidCircuit, "Validation error: %s", err)
		}
		c.circuit.Alias = &a
		if err := c.tx.Circuits().Update(c.circuit); err != nil {
			return err
		}
		return c.note("Update", "update_alias_config", "Updated alias configuration of circuit: "+c.circuit.Name)
	})
	return err
}

// checkAliasLists says in words what is wrong with an alias configuration.
func checkAliasLists(a *app.AliasConfig) error {
	if a == nil {
		return nil
	}
	for _, l := range []struct {
		name  string
		texts []string
	}{
		{"required_canonical", a.RequiredCanonical}, {"required_contextual", a.RequiredContextual}, {"allowed_namespaces", a.AllowedNamespaces},
	} {
		if len(l.texts) > maxAliasEntries {
			return fmt.Errorf("alias_config.%s has more than %d entries", l.name, maxAliasEntries)
		}
		for _, text := range l.texts {
			if len(text) > maxAliasText {
				return fmt.Errorf("alias_config.%s has an entry of more than %d bytes", l.name, maxAliasText)
			}
			if strings.ContainsRune(text, 0) {
				return errors.New("alias_config." + l.name + " must not contain U+0000")
			}
		}
	}
	return nil
}

// Transfer makes a member the circuit's owner; the old one stays as Admin. Only
// the owner may.
//
// Errors: ReasonCircuitNotFound, ReasonCircuitPermission; ReasonMember when he
// is no member or the owner already; ReasonUserNotFound when his account is
// gone; ReasonTierLimit when his tier is enforced and allows no further circuit.
func (s *Service) Transfer(ctx context.Context, who app.Actor, id uuid.UUID, newOwner string) (View, error) {
	return s.change(ctx, who, id, app.WorkTransfer, func(c *changing) error {
		if newOwner == c.circuit.OwnerID {
			return app.Invalid(app.ReasonMember, "Validation error: User is already the circuit owner")
		}
		heir, err := c.tx.Members().ByID(c.circuit.Row, newOwner)
		if err != nil {
			return err
		}
		if err := c.mustExist(newOwner); err != nil {
			return err
		}
		if c.circuit.Status == app.CircuitActive {
			if err := s.quota.MayOwn(c.tx, newOwner); err != nil {
				return err
			}
		}
		if err := c.setRole(heir, app.RoleOwner); err != nil {
			return err
		}
		if err := c.stayAsAdmin(); err != nil {
			return err
		}
		c.circuit.OwnerID = newOwner
		if err := c.tx.Circuits().Update(c.circuit); err != nil {
			return err
		}
		if err := c.tellRole(newOwner, string(app.RoleOwner)); err != nil {
			return err
		}
		return c.note("Update", "transfer_circuit", fmt.Sprintf("Made %s the owner of circuit %s", newOwner, c.circuit.Name))
	})
}

// stayAsAdmin makes the caller, who was the owner, a member with the role Admin.
func (c *changing) stayAsAdmin() error {
	if c.gate.IsIn {
		return c.setRole(c.gate.Member, app.RoleAdmin)
	}
	return c.tx.Members().Insert(c.circuit.Row, app.CircuitMember{
		UserID: c.who.UserID, Role: app.RoleAdmin, Permissions: app.RolePermissions(app.RoleAdmin), JoinedAt: c.now,
	})
}

// OfMember lists the circuits of a user, newest first: all of them to himself
// and to administrators, the public ones to others. An unknown user has none.
func (s *Service) OfMember(ctx context.Context, who app.Actor, userID string, p app.Page) ([]View, error) {
	var ids []uuid.UUID
	err := s.store.Read(ctx, func(r app.Reader) (err error) {
		if who.UserID == userID || who.IsAdmin {
			ids, err = r.Circuits().ListIDs(userID, true, false, "", p)
		} else {
			ids, err = r.Circuits().PublicIDsOf(userID, p)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.views(ctx, who, ids)
}
