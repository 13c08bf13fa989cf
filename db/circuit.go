package db

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// circuits holds the rows of circuits and of everything inside them.
type circuits struct{ s *session }

var _ app.CircuitRows = circuits{}

const circuitColumns = `row, id, name, description, owner_id, default_namespace, status,
	approve_push, approve_pull, is_public, alias_config, adapter, public_settings, created_at, modified_at`

const (
	circuitByIDSQL = `SELECT ` + circuitColumns + ` FROM circuits WHERE id = ?`

	circuitInsertSQL = `INSERT INTO circuits (id, name, description, owner_id, default_namespace, status,
		approve_push, approve_pull, is_public, alias_config, adapter, public_settings, created_at, modified_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	memberInsertSQL = `INSERT INTO circuit_members (circuit_row, user_id, role, custom_role, permissions, joined_at)
		VALUES (?, ?, ?, ?, ?, ?)`
	memberOfSQL = `SELECT user_id, role, custom_role, permissions, joined_at
		FROM circuit_members WHERE circuit_row = ? AND user_id = ?`
	membersSQL = `SELECT user_id, role, custom_role, permissions, joined_at
		FROM circuit_members WHERE circuit_row = ? ORDER BY row`

	roleInsertSQL = `INSERT INTO circuit_roles (id, circuit_row, name, permissions, description, color, is_default, created_by, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	rolesSQL = `SELECT id, name, permissions, description, color, is_default, created_by, created_at
		FROM circuit_roles WHERE circuit_row = ? ORDER BY row`

	publishedSQL = `SELECT i.dfid FROM circuit_published p JOIN items i ON i.row = p.item_row
		WHERE p.circuit_row = ? ORDER BY p.published_at, p.item_row`
	publishSQL = `INSERT INTO circuit_published (circuit_row, item_row, published_at) VALUES (?, ?, ?)
		ON CONFLICT (circuit_row, item_row) DO NOTHING`
	circuitIDSQL = `SELECT id FROM circuits WHERE row = ?`
)

func scanCircuit(r scanner) (*app.Circuit, error) {
	var (
		c                      app.Circuit
		id, alias, adapt, pub  string
		created, modified      int64
		approvePush, approveIn bool
	)
	err := r.Scan(&c.Row, &id, &c.Name, &c.Description, &c.OwnerID, &c.DefaultNamespace, &c.Status,
		&approvePush, &approveIn, &c.Permissions.AllowPublicVisibility, &alias, &adapt, &pub, &created, &modified)
	if err != nil {
		return nil, err
	}
	if c.ID, err = uuid.Parse(id); err != nil {
		return nil, err
	}
	c.Permissions.RequireApprovalForPush, c.Permissions.RequireApprovalForPull = approvePush, approveIn
	c.CreatedAt, c.ModifiedAt = fromUnix(created), fromUnix(modified)
	if err := fromJSON(adapt, &c.Adapter); err != nil {
		return nil, err
	}
	if alias != "" {
		c.Alias = new(app.AliasConfig)
		if err := fromJSON(alias, c.Alias); err != nil {
			return nil, err
		}
	}
	if pub != "" {
		c.Public = new(app.PublicSettings)
		if err := fromJSON(pub, c.Public); err != nil {
			return nil, err
		}
	}
	return &c, nil
}

func scanMember(r scanner) (app.CircuitMember, error) {
	var (
		m      app.CircuitMember
		perms  string
		joined int64
	)
	if err := r.Scan(&m.UserID, &m.Role, &m.CustomRole, &perms, &joined); err != nil {
		return m, err
	}
	m.JoinedAt = fromUnix(joined)
	return m, fromJSON(perms, &m.Permissions)
}

func scanRole(r scanner) (app.CustomRole, error) {
	var (
		role      app.CustomRole
		id, perms string
		created   int64
	)
	err := r.Scan(&id, &role.Name, &perms, &role.Description, &role.Color, &role.IsDefault, &role.CreatedBy, &created)
	if err != nil {
		return role, err
	}
	if role.ID, err = uuid.Parse(id); err != nil {
		return role, err
	}
	role.CreatedAt = fromUnix(created)
	return role, fromJSON(perms, &role.Permissions)
}

func (t circuits) row(id uuid.UUID) (*app.Circuit, error) {
	c, err := scanCircuit(t.s.row(circuitByIDSQL, id.String()))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, app.NotFound(app.ReasonCircuitNotFound, "Circuit not found")
	}
	return c, err
}

// ByID implements app.CircuitReads in five statements, whatever the size.
func (t circuits) ByID(id uuid.UUID) (*app.Circuit, error) {
	c, err := t.row(id)
	if err != nil {
		return nil, err
	}
	if c.Members, err = collect(t.s, scanMember, membersSQL, c.Row); err != nil {
		return nil, err
	}
	if c.Roles, err = collect(t.s, scanRole, rolesSQL, c.Row); err != nil {
		return nil, err
	}
	if c.Published, err = collect(t.s, scanText, publishedSQL, c.Row); err != nil {
		return nil, err
	}
	c.Requests, err = collect(t.s, scanJoin, joinPendingOf, c.Row)
	return c, err
}

// Gate implements app.CircuitReads in two statements: the write path must not
// load a thousand members to check one.
func (t circuits) Gate(id uuid.UUID, userID string) (app.CircuitGate, error) {
	c, err := t.row(id)
	if err != nil {
		return app.CircuitGate{}, err
	}
	return t.gate(c, userID)
}

const circuitByRow = `SELECT ` + circuitColumns + ` FROM circuits WHERE row = ?`

// GateOf implements app.CircuitReads.
func (t circuits) GateOf(circuitRow int64, userID string) (app.CircuitGate, error) {
	c, err := scanCircuit(t.s.row(circuitByRow, circuitRow))
	if err != nil {
		return app.CircuitGate{}, fmt.Errorf("circuit %d: %w", circuitRow, err)
	}
	return t.gate(c, userID)
}

func (t circuits) gate(c *app.Circuit, userID string) (app.CircuitGate, error) {
	m, err := scanMember(t.s.row(memberOfSQL, c.Row, userID))
	if errors.Is(err, sql.ErrNoRows) {
		return app.CircuitGate{Circuit: c}, nil
	}
	return app.CircuitGate{Circuit: c, Member: m, IsIn: true}, err
}

// circuitTexts are a circuit's JSON columns.
func circuitTexts(c *app.Circuit) (alias, adapter, public string, err error) {
	if c.Alias != nil {
		if alias, err = toJSON(c.Alias); err != nil {
			return "", "", "", err
		}
	}
	if c.Public != nil {
		if public, err = toJSON(c.Public); err != nil {
			return "", "", "", err
		}
	}
	adapter, err = toJSON(c.Adapter)
	return alias, adapter, public, err
}

// Insert implements app.CircuitRows.
func (t circuits) Insert(c *app.Circuit) error {
	alias, adapter, public, err := circuitTexts(c)
	if err != nil {
		return err
	}
	c.Row, err = t.s.insert(circuitInsertSQL, c.ID.String(), c.Name, c.Description, c.OwnerID, c.DefaultNamespace,
		string(c.Status), b2i(c.Permissions.RequireApprovalForPush), b2i(c.Permissions.RequireApprovalForPull),
		b2i(c.Permissions.AllowPublicVisibility), alias, adapter, public, toUnix(c.CreatedAt), toUnix(c.ModifiedAt))
	if err != nil {
		return err
	}
	for _, m := range c.Members {
		if err := t.insertMember(c.Row, m); err != nil {
			return err
		}
	}
	for _, r := range c.Roles {
		if err := t.insertRole(c.Row, r); err != nil {
			return err
		}
	}
	t.s.touch(kindCircuit, c.ID.String())
	return nil
}

const circuitUpdate = `UPDATE circuits SET name = ?, description = ?, owner_id = ?, default_namespace = ?, status = ?,
	approve_push = ?, approve_pull = ?, is_public = ?, alias_config = ?, adapter = ?, public_settings = ?, modified_at = ?
	WHERE row = ?`

// Update implements app.CircuitRows.
func (t circuits) Update(c *app.Circuit) error {
	alias, adapter, public, err := circuitTexts(c)
	if err != nil {
		return err
	}
	_, err = t.s.exec(circuitUpdate, c.Name, c.Description, c.OwnerID, c.DefaultNamespace, string(c.Status),
		b2i(c.Permissions.RequireApprovalForPush), b2i(c.Permissions.RequireApprovalForPull),
		b2i(c.Permissions.AllowPublicVisibility), alias, adapter, public, toUnix(c.ModifiedAt), c.Row)
	if err != nil {
		return fmt.Errorf("update circuit: %w", err)
	}
	t.s.touch(kindCircuit, c.ID.String())
	return nil
}

const circuitTouch = `UPDATE circuits SET modified_at = ? WHERE row = ?`

// Touch implements app.CircuitRows.
func (t circuits) Touch(c *app.Circuit, at time.Time) error {
	if _, err := t.s.exec(circuitTouch, toUnix(at), c.Row); err != nil {
		return fmt.Errorf("touch circuit: %w", err)
	}
	t.s.touch(kindCircuit, c.ID.String())
	return nil
}

func (t circuits) insertMember(circuitRow int64, m app.CircuitMember) error {
	perms, err := toJSON(m.Permissions)
	if err != nil {
		return err
	}
	_, err = t.s.exec(memberInsertSQL, circuitRow, m.UserID, string(m.Role), m.CustomRole, perms, toUnix(m.JoinedAt))
	return err
}

func (t circuits) insertRole(circuitRow int64, r app.CustomRole) error {
	perms, err := toJSON(r.Permissions)
	if err != nil {
		return err
	}
	_, err = t.s.exec(roleInsertSQL, r.ID.String(), circuitRow, r.Name, perms, r.Description, r.Color,
		b2i(r.IsDefault), r.CreatedBy, toUnix(r.CreatedAt))
	return err
}

// Publish implements app.CircuitRows.
func (t circuits) Publish(circuitRow, itemRow int64, at time.Time) error {
	n, err := t.s.exec(publishSQL, circuitRow, itemRow, toUnix(at))
	if err != nil || n == 0 {
		return err
	}
	var id string
	if err := t.s.row(circuitIDSQL, circuitRow).Scan(&id); err != nil {
		return err
	}
	t.s.touch(kindCircuit, id)
	return nil
}

func scanText(r scanner) (string, error) {
	var s string
	err := r.Scan(&s)
	return s, err
}
