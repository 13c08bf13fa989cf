package db

import (
	"fmt"
	"time"

	"github.com/defarm-repo/defarm/app"
)

// users holds the rows of accounts and of changes to their balance.
type users struct{ s *session }

var _ app.UserRows = users{}

const userColumns = `id, username, email, password_hash, tier, status, credits, is_admin, workspace_id,
	adapters, generation, valid_from, created_at, updated_at, last_login`

const (
	userByID       = `SELECT ` + userColumns + ` FROM users WHERE id = ?`
	userByUsername = `SELECT ` + userColumns + ` FROM users WHERE username_ci = ?`
	userByEmail    = `SELECT ` + userColumns + ` FROM users WHERE email_ci = ?`
	userList       = `SELECT ` + userColumns + ` FROM users ORDER BY row LIMIT ? OFFSET ?`
	userCount      = `SELECT COUNT(*) FROM users`
	userWorkspace  = `SELECT EXISTS (SELECT 1 FROM users WHERE workspace_id = ?)`
)

func scanUser(sc scanner) (*app.User, error) {
	var (
		u                                        app.User
		adapters                                 string
		validFrom, createdAt, updatedAt, loginAt int64
	)
	err := sc.Scan(&u.ID, &u.Username, &u.Email, &u.PasswordHash, &u.Tier, &u.Status, &u.Credits, &u.IsAdmin,
		&u.WorkspaceID, &adapters, &u.Generation, &validFrom, &createdAt, &updatedAt, &loginAt)
	if err != nil {
		return nil, err
	}
	if err := fromJSON(adapters, &u.Adapters); err != nil {
		return nil, fmt.Errorf("user %s: adapters: %w", u.ID, err)
	}
	u.ValidFrom, u.CreatedAt = fromUnix(validFrom), fromUnix(createdAt)
	u.UpdatedAt, u.LastLogin = fromUnix(updatedAt), fromUnix(loginAt)
	return &u, nil
}

func (t users) one(query string, arg any) (*app.User, error) {
	u, err := scanUser(t.s.row(query, arg))
	return one(u, err, userMissing)
}

func userMissing() error { return app.NotFound(app.ReasonUserNotFound, "User not found") }

// ByID implements app.UserReads.
func (t users) ByID(id string) (*app.User, error) { return t.one(userByID, id) }

// ByUsername implements app.UserReads.
func (t users) ByUsername(name string) (*app.User, error) {
	return t.one(userByUsername, app.FoldName(name))
}

// ByEmail implements app.UserReads.
func (t users) ByEmail(address string) (*app.User, error) {
	return t.one(userByEmail, app.FoldName(address))
}

// List implements app.UserReads. Rows are numbered in order of creation.
func (t users) List(p app.Page) ([]*app.User, error) {
	return collect(t.s, scanUser, userList, p.Limit, p.Offset)
}

// Count implements app.UserReads.
func (t users) Count() (int, error) {
	var n int
	err := t.s.row(userCount).Scan(&n)
	return n, err
}

// WorkspaceTaken implements app.UserReads.
func (t users) WorkspaceTaken(id string) (bool, error) {
	var taken bool
	err := t.s.row(userWorkspace, id).Scan(&taken)
	return taken, err
}

const userInsert = `INSERT INTO users (id, username, username_ci, email, email_ci, password_hash, tier, status,
	credits, is_admin, workspace_id, adapters, generation, valid_from, created_at, updated_at, last_login)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// Insert implements app.UserRows.
func (t users) Insert(u *app.User) error {
	list := u.Adapters
	if list == nil {
		list = []app.AdapterType{}
	}
	adapters, err := toJSON(list)
	if err != nil {
		return fmt.Errorf("encode adapters: %w", err)
	}
	_, err = t.s.insert(userInsert, u.ID, u.Username, app.FoldName(u.Username), u.Email, app.FoldName(u.Email),
		u.PasswordHash, string(u.Tier), string(u.Status), u.Credits, b2i(u.IsAdmin), u.WorkspaceID, adapters,
		u.Generation, toUnix(u.ValidFrom), toUnix(u.CreatedAt), toUnix(u.UpdatedAt), toUnix(u.LastLogin))
	switch {
	case isUnique(err, "users.username_ci"):
		return app.Conflict(app.ReasonUsernameTaken, "Username already exists").Causing(err)
	case isUnique(err, "users.email_ci"):
		// SQLite names the index that it looked at first. Where the name is
		// taken as well, the contract has the name speak.
		if _, e := t.ByUsername(u.Username); e == nil {
			return app.Conflict(app.ReasonUsernameTaken, "Username already exists").Causing(err)
		}
		return app.Conflict(app.ReasonEmailTaken, "Email already exists").Causing(err)
	case err != nil:
		return fmt.Errorf("insert user: %w", err)
	}
	// An id may have been asked for, and found missing, before.
	t.s.touch(kindUser, u.ID)
	return nil
}

const (
	userSetLogin    = `UPDATE users SET last_login = ? WHERE id = ?`
	userSetPassword = `UPDATE users SET password_hash = ?, generation = generation + 1, valid_from = ?,
	updated_at = ? WHERE id = ?`
	userSetStatus = `UPDATE users SET status = ?, updated_at = ? WHERE id = ?`
	userSetAdmin  = `UPDATE users SET is_admin = ?, updated_at = ? WHERE id = ?`
	userVoid      = `UPDATE users SET generation = generation + 1, valid_from = ? WHERE id = ?`
)

// SetLastLogin implements app.UserRows.
func (t users) SetLastLogin(id string, at time.Time) error {
	return t.update(id, userSetLogin, toUnix(at), id)
}

// SetPassword implements app.UserRows.
func (t users) SetPassword(id, hash string, at time.Time) error {
	return t.update(id, userSetPassword, hash, toUnix(at), toUnix(at), id)
}

// SetStatus implements app.UserRows.
func (t users) SetStatus(id string, status app.AccountStatus, at time.Time) error {
	if err := t.update(id, userSetStatus, string(status), toUnix(at), id); err != nil {
		return err
	}
	if status == app.StatusActive {
		return nil
	}
	return t.VoidTokens(id, at)
}

// SetAdmin implements app.UserRows.
func (t users) SetAdmin(id string, admin bool, at time.Time) error {
	return t.update(id, userSetAdmin, b2i(admin), toUnix(at), id)
}

// VoidTokens implements app.UserRows.
func (t users) VoidTokens(id string, at time.Time) error {
	return t.update(id, userVoid, toUnix(at), id)
}

// update changes one account and drops what the cache holds of it.
func (t users) update(id, query string, args ...any) error {
	n, err := t.s.exec(query, args...)
	if err != nil {
		return fmt.Errorf("update user: %w", err)
	}
	if n == 0 {
		return userMissing()
	}
	t.s.touch(kindUser, id)
	return nil
}
