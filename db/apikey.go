package db

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// apiKeys holds the rows of API keys.
type apiKeys struct{ s *session }

var _ app.APIKeyRows = apiKeys{}

const apiKeyColumns = `id, owner_id, name, hash, prefix, organization_type, organization_id, permissions,
	allowed_endpoints, allowed_ips, active, revoked_for_cause, rate_limit_per_hour, notes, created_at,
	expires_at, last_used_at, usage_count`

const (
	apiKeyByID     = `SELECT ` + apiKeyColumns + ` FROM api_keys WHERE id = ?`
	apiKeyByHash   = `SELECT ` + apiKeyColumns + ` FROM api_keys WHERE hash = ?`
	apiKeysByOwner = `SELECT ` + apiKeyColumns + ` FROM api_keys
	WHERE owner_id = ? ORDER BY row LIMIT ? OFFSET ?`
	apiKeysActiveByOwner = `SELECT ` + apiKeyColumns + ` FROM api_keys
	WHERE owner_id = ? AND active = 1 ORDER BY row LIMIT ? OFFSET ?`
)

func scanAPIKey(sc scanner) (*app.APIKey, error) {
	var (
		k                                 app.APIKey
		id, organization                  string
		permissions, endpoints, addresses string
		createdAt, expiresAt, usedAt      int64
	)
	err := sc.Scan(&id, &k.OwnerID, &k.Name, &k.Hash, &k.Prefix, &k.Organization, &organization, &permissions,
		&endpoints, &addresses, &k.Active, &k.RevokedForCause, &k.RateLimitPerHour, &k.Notes, &createdAt,
		&expiresAt, &usedAt, &k.UsageCount)
	if err != nil {
		return nil, err
	}
	if k.ID, err = uuid.Parse(id); err != nil {
		return nil, fmt.Errorf("api key %q: id: %w", id, err)
	}
	if organization != "" {
		org, err := uuid.Parse(organization)
		if err != nil {
			return nil, fmt.Errorf("api key %s: organization id: %w", id, err)
		}
		k.OrganizationID = &org
	}
	err = errors.Join(fromJSON(permissions, &k.Permissions), fromJSON(endpoints, &k.AllowedEndpoints),
		fromJSON(addresses, &k.AllowedIPs))
	if err != nil {
		return nil, fmt.Errorf("api key %s: %w", id, err)
	}
	k.CreatedAt, k.ExpiresAt, k.LastUsedAt = fromUnix(createdAt), fromUnix(expiresAt), fromUnix(usedAt)
	return &k, nil
}

// ByID implements app.APIKeyReads.
func (t apiKeys) ByID(id uuid.UUID) (*app.APIKey, error) {
	k, err := scanAPIKey(t.s.row(apiKeyByID, id.String()))
	return one(k, err, func() error {
		return app.NotFound(app.ReasonAPIKeyNotFound, "API key not found: %s", id)
	})
}

// ByHash implements app.APIKeyReads.
func (t apiKeys) ByHash(hash string) (*app.APIKey, error) {
	k, err := scanAPIKey(t.s.row(apiKeyByHash, hash))
	return one(k, err, func() error {
		return app.NotFound(app.ReasonInvalidAPIKey, "The provided API key is invalid or has been revoked")
	})
}

// ByOwner implements app.APIKeyReads. Rows are numbered in order of creation.
func (t apiKeys) ByOwner(ownerID string, includeInactive bool, p app.Page) ([]*app.APIKey, error) {
	query := apiKeysActiveByOwner
	if includeInactive {
		query = apiKeysByOwner
	}
	return collect(t.s, scanAPIKey, query, ownerID, p.Limit, p.Offset)
}

const apiKeyInsert = `INSERT INTO api_keys (id, owner_id, name, hash, prefix, organization_type,
	organization_id, permissions, allowed_endpoints, allowed_ips, active, revoked_for_cause,
	rate_limit_per_hour, notes, created_at, expires_at, last_used_at, usage_count)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// Insert implements app.APIKeyRows.
func (t apiKeys) Insert(k *app.APIKey) error {
	organization := ""
	if k.OrganizationID != nil {
		organization = k.OrganizationID.String()
	}
	permissions, err := toJSON(k.Permissions)
	if err != nil {
		return fmt.Errorf("encode permissions: %w", err)
	}
	endpoints, err := toJSON(append([]string{}, k.AllowedEndpoints...))
	if err != nil {
		return fmt.Errorf("encode allowed endpoints: %w", err)
	}
	addresses, err := toJSON(append([]string{}, k.AllowedIPs...))
	if err != nil {
		return fmt.Errorf("encode allowed addresses: %w", err)
	}
	_, err = t.s.insert(apiKeyInsert, k.ID.String(), k.OwnerID, k.Name, k.Hash, k.Prefix, string(k.Organization),
		organization, permissions, endpoints, addresses, b2i(k.Active), b2i(k.RevokedForCause),
		k.RateLimitPerHour, k.Notes, toUnix(k.CreatedAt), toUnix(k.ExpiresAt), toUnix(k.LastUsedAt), k.UsageCount)
	if err != nil {
		return fmt.Errorf("insert api key: %w", err)
	}
	t.s.touch(kindAPIKey, k.Hash)
	return nil
}

const apiKeyAddUse = `UPDATE api_keys SET usage_count = usage_count + ?,
	last_used_at = CASE WHEN last_used_at > ? THEN last_used_at ELSE ? END WHERE id = ? RETURNING hash`

// AddUse implements app.APIKeyRows. The use of a key that was deleted meanwhile
// is dropped.
func (t apiKeys) AddUse(u app.APIKeyUse) error {
	var hash string
	at := toUnix(u.LastAt)
	switch err := t.s.row(apiKeyAddUse, u.Count, at, at, u.KeyID.String()).Scan(&hash); {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("add api key use: %w", err)
	}
	t.s.touch(kindAPIKey, hash)
	return nil
}

const (
	// COALESCE keeps the column where the patch says nothing.
	apiKeyPatch = `UPDATE api_keys SET name = COALESCE(?, name), permissions = COALESCE(?, permissions),
	active = COALESCE(?, active), rate_limit_per_hour = COALESCE(?, rate_limit_per_hour),
	notes = COALESCE(?, notes), revoked_for_cause = COALESCE(?, revoked_for_cause) WHERE id = ? RETURNING hash`
	apiKeyDeleteUses = `DELETE FROM api_key_uses WHERE key_row = (SELECT row FROM api_keys WHERE id = ?)`
	apiKeyDelete     = `DELETE FROM api_keys WHERE id = ? RETURNING hash`
)

// Update implements app.APIKeyRows.
func (t apiKeys) Update(id uuid.UUID, p app.APIKeyPatch) error {
	var permissions, active, forCause any
	if p.Permissions != nil {
		text, err := toJSON(*p.Permissions)
		if err != nil {
			return fmt.Errorf("encode permissions: %w", err)
		}
		permissions = text
	}
	if p.Active != nil {
		active = b2i(*p.Active)
	}
	if p.RevokedForCause != nil {
		forCause = b2i(*p.RevokedForCause)
	}
	return t.change(id, apiKeyPatch, p.Name, permissions, active, p.RateLimitPerHour, p.Notes, forCause, id.String())
}

// Delete implements app.APIKeyRows.
func (t apiKeys) Delete(id uuid.UUID) error {
	if _, err := t.s.exec(apiKeyDeleteUses, id.String()); err != nil {
		return fmt.Errorf("delete api key uses: %w", err)
	}
	return t.change(id, apiKeyDelete, id.String())
}

// change runs a statement that returns the hash of the one key it changes.
func (t apiKeys) change(id uuid.UUID, query string, args ...any) error {
	var hash string
	switch err := t.s.row(query, args...).Scan(&hash); {
	case errors.Is(err, sql.ErrNoRows):
		return app.NotFound(app.ReasonAPIKeyNotFound, "API key not found: %s", id)
	case err != nil:
		return fmt.Errorf("change api key: %w", err)
	}
	t.s.touch(kindAPIKey, hash)
	return nil
}
