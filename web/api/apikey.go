package api

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/identity"
)

// apiKeyHandlers serves the management of API keys (contract 01 §3.3). A key
// cannot manage keys: a token is needed.
type apiKeyHandlers struct{ svc *identity.Service }

func (h apiKeyHandlers) register(r *registrar) {
	keys := together(tag("API keys"), tokenOnly(), unauthText("Authentication required"), busyText("Service temporarily unavailable"), unmetered())
	post(r, "/api/api-keys", scopeUser, h.create, keys,
		summary("Create an API key"),
		describe("The key acts as its owner within its permissions. Its text is shown in this answer only."))
	get(r, "/api/api-keys", scopeUser, h.list, keys, summary("List my API keys, oldest first"))
	get(r, "/api/api-keys/{key_id}", scopeUser, h.get, keys, summary("Read one of my API keys"))
	patch(r, "/api/api-keys/{key_id}", scopeUser, h.update, keys, summary("Change one of my API keys"),
		describe("What is left out stays as it is. Takes effect with the key's next request."))
	del(r, "/api/api-keys/{key_id}", scopeUser, h.remove, keys, summary("Delete one of my API keys for good"), successStatus(http.StatusNoContent))
	post(r, "/api/api-keys/{key_id}/revoke", scopeUser, h.revoke, keys, optionalBody(), summary("Deactivate one of my API keys"),
		describe("May be repeated. Activate it again by changing `is_active`."))
	get(r, "/api/api-keys/{key_id}/usage", scopeUser, h.usage, keys, summary("What one of my API keys was used for"))
}

type createKeyInput struct {
	Body struct {
		Name           string              `json:"name" doc:"At most 256 characters"`
		Organization   *string             `json:"organization_type,omitempty" enum:"Admin,Producer,Association,Enterprise,Government,External" doc:"External when absent"`
		OrganizationID *string             `json:"organization_id,omitempty" doc:"UUID"`
		Permissions    *keyPermissionsJSON `json:"permissions,omitempty" doc:"Read only when absent"`
		Endpoints      []string            `json:"allowed_endpoints,omitempty" doc:"Paths, or prefixes ending in *; all when empty" example:"[\"/api/items/*\"]"`
		Addresses      []string            `json:"allowed_ips,omitempty" doc:"Addresses or CIDR blocks; all when empty" example:"[\"192.0.2.0/24\"]"`
		RateLimit      *int64              `json:"rate_limit_per_hour,omitempty" doc:"1 to 1,000,000; 100 when absent"`
		ExpiresInDays  *int64              `json:"expires_in_days,omitempty" doc:"0 to 36,500; never when absent"`
		Notes          *string             `json:"notes,omitempty" doc:"At most 4,096 bytes"`
	}
}

// keyPermissionsJSON reads permissions: a missing member is false.
type keyPermissionsJSON struct {
	Read   bool            `json:"read,omitempty" doc:"GET and HEAD"`
	Write  bool            `json:"write,omitempty" doc:"All other methods"`
	Admin  bool            `json:"admin,omitempty" doc:"/api/admin; the owner must be an administrator"`
	Custom map[string]bool `json:"custom,omitempty"`
}

func (p *keyPermissionsJSON) toApp() *app.APIKeyPermissions {
	if p == nil {
		return nil
	}
	out := &app.APIKeyPermissions{Read: p.Read, Write: p.Write, Admin: p.Admin, Custom: p.Custom}
	if out.Custom == nil {
		out.Custom = map[string]bool{}
	}
	return out
}

func (in *createKeyInput) toApp() (identity.NewKey, error) {
	b := &in.Body
	k := identity.NewKey{
		Name: b.Name, Organization: app.OrganizationType(value(b.Organization)),
		AllowedEndpoints: b.Endpoints, AllowedIPs: b.Addresses,
		RateLimitPerHour: b.RateLimit, ExpiresInDays: b.ExpiresInDays, Notes: value(b.Notes),
	}
	if b.OrganizationID != nil {
		id, ok := parseUUID(*b.OrganizationID)
		if !ok {
			return k, app.NewError(app.CodeUnprocessable, app.ReasonShape,
				"Failed to deserialize the JSON body into the target type: organization_id: UUID parsing failed")
		}
		k.OrganizationID = &id
	}
	k.Permissions = b.Permissions.toApp()
	return k, nil
}

type keyCreatedJSON struct {
	APIKey   string  `json:"api_key" doc:"The key itself; it cannot be shown again"`
	Metadata keyJSON `json:"metadata"`
	Warning  string  `json:"warning"`
}

type keyJSON struct {
	ID           uuid.UUID             `json:"id"`
	Name         string                `json:"name"`
	Prefix       string                `json:"key_prefix" doc:"The key's first 8 characters"`
	Organization app.OrganizationType  `json:"organization_type"`
	Permissions  app.APIKeyPermissions `json:"permissions"`
	Active       bool                  `json:"is_active"`
	LastUsedAt   *string               `json:"last_used_at" format:"date-time"`
	UsageCount   int64                 `json:"usage_count"`
	RateLimit    int64                 `json:"rate_limit_per_hour"`
	CreatedAt    string                `json:"created_at" format:"date-time"`
	ExpiresAt    *string               `json:"expires_at" format:"date-time"`
}

func keyFrom(k *app.APIKey) keyJSON {
	out := keyJSON{
		ID: k.ID, Name: k.Name, Prefix: k.Prefix, Organization: k.Organization, Permissions: k.Permissions,
		Active: k.Active, LastUsedAt: timeOrNull(k.LastUsedAt), UsageCount: k.UsageCount,
		RateLimit: k.RateLimitPerHour, CreatedAt: app.FormatZ(k.CreatedAt), ExpiresAt: timeOrNull(k.ExpiresAt),
	}
	if out.Permissions.Custom == nil {
		out.Permissions.Custom = map[string]bool{}
	}
	return out
}

// timeOrNull is an instant in Z form, null for the zero time.
func timeOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := app.FormatZ(t)
	return &s
}

func (h apiKeyHandlers) create(ctx context.Context, in *createKeyInput) (*reply[keyCreatedJSON], error) {
	wanted, err := in.toApp()
	if err != nil {
		return nil, err
	}
	text, k, err := h.svc.CreateKey(ctx, actor(ctx), wanted)
	if err != nil {
		return nil, err
	}
	return respond(keyCreatedJSON{
		APIKey: text, Metadata: keyFrom(k),
		Warning: "Save this API key securely. You won't be able to see it again.",
	}, nil)
}

type listKeysInput struct {
	PageQuery
	IncludeInactive optionalBool `query:"include_inactive" doc:"Also list deactivated keys"`
}

type keyEntryJSON struct {
	Metadata keyJSON `json:"metadata"`
}

func (h apiKeyHandlers) list(ctx context.Context, in *listKeysInput) (*reply[[]keyEntryJSON], error) {
	keys, err := h.svc.ListKeys(ctx, actor(ctx), in.IncludeInactive.or(false), in.page())
	if err != nil {
		return nil, err
	}
	out := make([]keyEntryJSON, len(keys))
	for i, k := range keys {
		out[i].Metadata = keyFrom(k)
	}
	return respond(out, nil)
}

// KeyPath is the path of every route below one API key. huma asks for an
// exported name where it is embedded.
type KeyPath struct {
	KeyID string `path:"key_id" doc:"Key id (UUID)"`
}

func (p KeyPath) keyID() (uuid.UUID, error) { return pathUUID("key_id", p.KeyID) }

func (h apiKeyHandlers) get(ctx context.Context, in *KeyPath) (*reply[keyJSON], error) {
	id, err := in.keyID()
	if err != nil {
		return nil, err
	}
	k, err := h.svc.Key(ctx, actor(ctx), id)
	if err != nil {
		return nil, err
	}
	return respond(keyFrom(k), nil)
}
