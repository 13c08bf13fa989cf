package app

import (
	"time"

	"github.com/google/uuid"
)

// OrganizationType says what kind of organization an API key was made for.
type OrganizationType string

// The organization types (contract 01 §4).
const (
	OrganizationAdmin       OrganizationType = "Admin"
	OrganizationProducer    OrganizationType = "Producer"
	OrganizationAssociation OrganizationType = "Association"
	OrganizationEnterprise  OrganizationType = "Enterprise"
	OrganizationGovernment  OrganizationType = "Government"
	OrganizationExternal    OrganizationType = "External"
)

// APIKeyPermissions are a key's flags. Read allows GET and HEAD, Write every
// other method; Admin, together with an administrator as owner, /api/admin.
type APIKeyPermissions struct {
	Read   bool            `json:"read"`
	Write  bool            `json:"write"`
	Admin  bool            `json:"admin"`
	Custom map[string]bool `json:"custom"`
}

// APIKey acts as its owner. The key text itself is never stored: Hash is the
// BLAKE3 of the whole text in lower-case hex, Prefix its first 8 characters.
type APIKey struct {
	ID               uuid.UUID
	OwnerID          string
	Name             string
	Hash             string
	Prefix           string
	Organization     OrganizationType
	OrganizationID   *uuid.UUID
	Permissions      APIKeyPermissions
	AllowedEndpoints []string // exact paths, or prefixes ending in "*"; empty: all
	AllowedIPs       []string // addresses or CIDR blocks; empty: all
	Active           bool
	RevokedForCause  bool // set when an administrator disabled it
	RateLimitPerHour int64
	Notes            string
	CreatedAt        time.Time
	ExpiresAt        time.Time // zero: never
	LastUsedAt       time.Time // zero: never
	UsageCount       int64
}

// APIKeyReads reads API keys. Missing keys are ReasonAPIKeyNotFound, or
// ReasonInvalidAPIKey when asked for by hash.
type APIKeyReads interface {
	ByID(id uuid.UUID) (*APIKey, error)
	ByHash(hash string) (*APIKey, error)
	// ByOwner lists an owner's keys, oldest first.
	ByOwner(ownerID string, includeInactive bool, p Page) ([]*APIKey, error)
	// Statistics sums up the hours of a key whose last request was at from or
	// later.
	Statistics(id uuid.UUID, from time.Time) (APIKeyStatistics, error)
}

// APIKeyUse is the use of one key since the last flush.
type APIKeyUse struct {
	KeyID  uuid.UUID
	Count  int64
	LastAt time.Time
}

// APIKeyRows changes API keys.
type APIKeyRows interface {
	APIKeyReads
	Insert(k *APIKey) error
	// AddUse adds to the counters without touching any other column.
	AddUse(u APIKeyUse) error
	// AddRequests adds to the statistics; those of a key that is gone are
	// dropped.
	AddRequests(r APIKeyRequests) error
	// DeleteRequestsBefore removes the statistics of hours before at, at most
	// 1,000 rows, and returns how many.
	DeleteRequestsBefore(at time.Time) (int, error)
	// Update stores what a patch changes and nothing else.
	Update(id uuid.UUID, p APIKeyPatch) error
	// Delete removes a key with its statistics.
	Delete(id uuid.UUID) error
}

// APIKeyPatch is a change of an API key; what is nil stays.
type APIKeyPatch struct {
	Name             *string
	Permissions      *APIKeyPermissions
	Active           *bool
	RateLimitPerHour *int64
	Notes            *string
	// RevokedForCause keeps the owner from activating the key again.
	RevokedForCause *bool
}
