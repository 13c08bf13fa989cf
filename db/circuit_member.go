package db

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// members and roles are the stores of what is inside circuits.
type (
	members struct{ s *session }
	roles   struct{ s *session }
)

var (
	_ app.MemberRows = members{}
	_ app.RoleRows   = roles{}
)

// ByID implements app.MemberRows.
func (t members) ByID(circuitRow int64, userID string) (app.CircuitMember, error) {
	m, err := scanMember(t.s.row(memberOfSQL, circuitRow, userID))
	return one(m, err, func() error { return errNoMember(userID) })
}

func errNoMember(userID string) error {
	return app.NotFound(app.ReasonMember, "Validation error: Member '%s' not found", userID)
}

const memberCount = `SELECT COUNT(*) FROM circuit_members WHERE circuit_row = ?`

// Count implements app.MemberRows.
func (t members) Count(circuitRow int64) (n int, err error) {
	err = t.s.row(memberCount, circuitRow).Scan(&n)
	return n, err
}

// List implements app.MemberRows.
func (t members) List(circuitRow int64) ([]app.CircuitMember, error) {
	return collect(t.s, scanMember, membersSQL, circuitRow)
}

// Insert implements app.MemberRows.
func (t members) Insert(circuitRow int64, m app.CircuitMember) error {
	if err := circuits(t).insertMember(circuitRow, m); err != nil {
		return fmt.Errorf("insert member: %w", err)
	}
	return nil
}

const memberUpdate = `UPDATE circuit_members SET role = ?, custom_role = ?, permissions = ?
	WHERE circuit_row = ? AND user_id = ?`

// Update implements app.MemberRows.
func (t members) Update(circuitRow int64, m app.CircuitMember) error {
	perms, err := toJSON(m.Permissions)
	if err != nil {
		return err
	}
	n, err := t.s.exec(memberUpdate, string(m.Role), m.CustomRole, perms, circuitRow, m.UserID)
	if err != nil {
		return fmt.Errorf("update member: %w", err)
	}
	if n == 0 {
		return errNoMember(m.UserID)
	}
	return nil
}

const memberDelete = `DELETE FROM circuit_members WHERE circuit_row = ? AND user_id = ?`

// Delete implements app.MemberRows.
func (t members) Delete(circuitRow int64, userID string) (bool, error) {
	n, err := t.s.exec(memberDelete, circuitRow, userID)
	if err != nil {
		return false, fmt.Errorf("delete member: %w", err)
	}
	return n > 0, nil
}

const membersOfRole = `UPDATE circuit_members SET permissions = ? WHERE circuit_row = ? AND custom_role = ?`

// SetPermissions implements app.MemberRows.
func (t members) SetPermissions(circuitRow int64, role string, rights []app.Permission) error {
	perms, err := toJSON(rights)
	if err != nil {
		return err
	}
	if _, err := t.s.exec(membersOfRole, perms, circuitRow, role); err != nil {
		return fmt.Errorf("set permissions of members: %w", err)
	}
	return nil
}

const roleByName = `SELECT id, name, permissions, description, color, is_default, created_by, created_at
	FROM circuit_roles WHERE circuit_row = ? AND name = ?`

// ByName implements app.RoleRows.
func (t roles) ByName(circuitRow int64, name string) (app.CustomRole, error) {
	r, err := scanRole(t.s.row(roleByName, circuitRow, name))
	return one(r, err, func() error { return errNoRole(name) })
}

func errNoRole(name string) error {
	return app.NotFound(app.ReasonInvalidRole, "Validation error: Custom role '%s' not found", name)
}

const roleCount = `SELECT COUNT(*) FROM circuit_roles WHERE circuit_row = ?`

// Count implements app.RoleRows.
func (t roles) Count(circuitRow int64) (n int, err error) {
	err = t.s.row(roleCount, circuitRow).Scan(&n)
	return n, err
}

// Insert implements app.RoleRows.
func (t roles) Insert(circuitRow int64, r app.CustomRole) error {
	if err := circuits(t).insertRole(circuitRow, r); err != nil {
		return fmt.Errorf("insert role: %w", err)
	}
	return nil
}

const roleUpdate = `UPDATE circuit_roles SET permissions = ?, description = ?, color = ? WHERE circuit_row = ? AND id = ?`

// Update implements app.RoleRows.
func (t roles) Update(circuitRow int64, r app.CustomRole) error {
	perms, err := toJSON(r.Permissions)
	if err != nil {
		return err
	}
	n, err := t.s.exec(roleUpdate, perms, r.Description, r.Color, circuitRow, r.ID.String())
	if err != nil {
		return fmt.Errorf("update role: %w", err)
	}
	if n == 0 {
		return errNoRole(r.Name)
	}
	return nil
}

const roleDelete = `DELETE FROM circuit_roles WHERE circuit_row = ? AND id = ?`

// Delete implements app.RoleRows.
func (t roles) Delete(circuitRow int64, id uuid.UUID) error {
	if _, err := t.s.exec(roleDelete, circuitRow, id.String()); err != nil {
		return fmt.Errorf("delete role: %w", err)
	}
	return nil
}
