package app

import (
	"time"

	"github.com/google/uuid"
)

// Permission is one right inside a circuit.
type Permission string

// The permissions, in the order in which the contract emits them (03 §7.2).
const (
	PermPush              Permission = "Push"
	PermPull              Permission = "Pull"
	PermInvite            Permission = "Invite"
	PermManageMembers     Permission = "ManageMembers"
	PermManagePermissions Permission = "ManagePermissions"
	PermManageRoles       Permission = "ManageRoles"
	PermDelete            Permission = "Delete"
	PermCertify           Permission = "Certify"
	PermAudit             Permission = "Audit"
)

// MemberRole is a built-in role.
type MemberRole string

// The built-in roles.
const (
	RoleOwner  MemberRole = "Owner"
	RoleAdmin  MemberRole = "Admin"
	RoleMember MemberRole = "Member"
	RoleViewer MemberRole = "Viewer"
)

// RolePermissions is the one table of what the built-in roles may do.
func RolePermissions(r MemberRole) []Permission {
	switch r {
	case RoleOwner:
		return []Permission{PermPush, PermPull, PermInvite, PermManageMembers, PermManagePermissions, PermManageRoles, PermDelete, PermCertify, PermAudit}
	case RoleAdmin:
		return []Permission{PermPush, PermPull, PermInvite, PermManageMembers, PermManageRoles, PermCertify}
	case RoleMember:
		return []Permission{PermPush, PermPull}
	case RoleViewer:
		return []Permission{PermPull}
	default:
		return nil
	}
}

// CircuitStatus is the state of a circuit.
type CircuitStatus string

// The circuit states.
const (
	CircuitActive   CircuitStatus = "Active"
	CircuitInactive CircuitStatus = "Inactive"
	CircuitArchived CircuitStatus = "Archived"
)

// Circuit is a group of parties that share items under permissions. One that
// came from Lookups is shared and must not be modified.
type Circuit struct {
	Row              int64
	ID               uuid.UUID
	Name             string
	Description      string
	OwnerID          string
	DefaultNamespace string
	CreatedAt        time.Time
	ModifiedAt       time.Time
	Status           CircuitStatus
	Permissions      CircuitPermissions
	Alias            *AliasConfig
	Adapter          CircuitAdapter
	Public           *PublicSettings
	Members          []CircuitMember // in order of joining, the owner first
	Roles            []CustomRole
	Published        []string // DFIDs in order of publication
	// Requests are the join requests that wait, oldest first.
	Requests []JoinRequest
}

// CircuitPermissions are the circuit's own switches; their wire form is this.
type CircuitPermissions struct {
	RequireApprovalForPush bool `json:"require_approval_for_push"`
	RequireApprovalForPull bool `json:"require_approval_for_pull"`
	AllowPublicVisibility  bool `json:"allow_public_visibility"`
}

// AliasConfig says which identifiers a pushed item must carry.
type AliasConfig struct {
	RequiredCanonical  []string `json:"required_canonical"`
	RequiredContextual []string `json:"required_contextual"`
	UseFingerprint     bool     `json:"use_fingerprint"`
	AllowedNamespaces  []string `json:"allowed_namespaces"` // nil: all
	AutoApplyNamespace bool     `json:"auto_apply_namespace"`
}

// CircuitAdapter says where the circuit stores its items.
type CircuitAdapter struct {
	Type                AdapterType `json:"adapter_type"`
	ConfiguredBy        string      `json:"configured_by"`
	ConfiguredAt        time.Time   `json:"configured_at"`
	RequiresApproval    bool        `json:"requires_approval"`
	AutoMigrateExisting bool        `json:"auto_migrate_existing"`
	SponsorAccess       bool        `json:"sponsor_adapter_access"`
}

// AccessMode says how a circuit's public page is reached.
type AccessMode string

// The access modes.
const (
	AccessPublic    AccessMode = "Public"
	AccessProtected AccessMode = "Protected"
	AccessScheduled AccessMode = "Scheduled"
)

// PublicSettings are the circuit's public face. The password is kept as a
// bcrypt hash; published items have their own table (Circuit.Published).
type PublicSettings struct {
	AccessMode        AccessMode `json:"access_mode"`
	ScheduledDate     *time.Time `json:"scheduled_date"`
	PasswordHash      string     `json:"password_hash"`
	PublicName        *string    `json:"public_name"`
	PublicDescription *string    `json:"public_description"`
	PrimaryColor      *string    `json:"primary_color"`
	SecondaryColor    *string    `json:"secondary_color"`
	LogoURL           *string    `json:"logo_url"`
	Tagline           *string    `json:"tagline"`
	FooterText        *string    `json:"footer_text"`
	AutoApprove       bool       `json:"auto_approve_members"`
	AutoPublish       bool       `json:"auto_publish_pushed_items"`
	ShowEncrypted     bool       `json:"show_encrypted_events"`
	RequiredEvents    *string    `json:"required_event_types"`
	QualityRules      *string    `json:"data_quality_rules"`
	ExportPermissions *string    `json:"export_permissions"`
	PublicSince       *time.Time `json:"public_since"`
}

// CircuitMember is one party of a circuit. Permissions are a snapshot of the
// role's, taken when it was given.
type CircuitMember struct {
	UserID      string
	Role        MemberRole
	CustomRole  string // "" when none
	Permissions []Permission
	JoinedAt    time.Time
}

// RoleName is the name that counts members: the custom role's, else the base
// role's.
func (m CircuitMember) RoleName() string {
	if m.CustomRole != "" {
		return m.CustomRole
	}
	return string(m.Role)
}

// Has reports whether the member holds p.
func (m CircuitMember) Has(p Permission) bool {
	for _, have := range m.Permissions {
		if have == p {
			return true
		}
	}
	return false
}

// CustomRole is a named set of permissions of one circuit.
type CustomRole struct {
	ID          uuid.UUID
	Name        string
	Permissions []Permission
	Description string
	Color       string // "" when none
	CreatedAt   time.Time
	CreatedBy   string
	IsDefault   bool
}

// Member returns userID's entry.
func (c *Circuit) Member(userID string) (CircuitMember, bool) {
	for _, m := range c.Members {
		if m.UserID == userID {
			return m, true
		}
	}
	return CircuitMember{}, false
}

// MayRead reports whether the caller sees the circuit as a member does.
func (c *Circuit) MayRead(who Actor) bool {
	if who.IsAdmin || c.OwnerID == who.UserID {
		return true
	}
	_, ok := c.Member(who.UserID)
	return ok
}

// PubliclyAccessible applies contract 03 R5.
func (c *Circuit) PubliclyAccessible(now time.Time) bool {
	if !c.Permissions.AllowPublicVisibility || c.Status == CircuitArchived {
		return false
	}
	if c.Public == nil || c.Public.AccessMode != AccessScheduled {
		return true
	}
	return c.Public.ScheduledDate != nil && !now.Before(*c.Public.ScheduledDate)
}

// OpenToEverybody reports whether the public may read what the circuit
// publishes without a password.
func (c *Circuit) OpenToEverybody(now time.Time) bool {
	return c.PubliclyAccessible(now) && (c.Public == nil || c.Public.AccessMode != AccessProtected)
}

// CircuitItem is an item's place in a circuit.
//
// Whole says that somebody entitled to the whole item brought it, so that the
// members see all of it. A party that merely knows a canonical identifier of
// somebody else's animal gets the animal's one DFID into its circuit, but not
// the stranger's data: then the members see the data keys that came through
// this circuit, and the identifiers in Quoted (namespace:key:value).
type CircuitItem struct {
	CircuitRow  int64
	ItemRow     int64
	DFID        string
	PushedBy    string
	PushedAt    time.Time
	Permissions []string
	Whole       bool
	Quoted      []string
}

// PartialView is what a member of circuits that do not hold the whole item
// sees of it.
type PartialView struct {
	Circuits []string // circuit ids: data keys with that provenance are seen
	Quoted   []string // unique keys of the identifiers that are seen
}

// CircuitGate is what a write needs to know of a circuit: its own row and the
// caller's entry, without the other members.
type CircuitGate struct {
	Circuit *Circuit // Members, Roles, Published and Requests are empty
	Member  CircuitMember
	IsIn    bool // Member is set
}

// CircuitReads reads circuits. Missing ones are ReasonCircuitNotFound.
type CircuitReads interface {
	// ByID returns the circuit with its members, roles and published items.
	ByID(id uuid.UUID) (*Circuit, error)
	// Gate returns the circuit's row and userID's entry.
	Gate(id uuid.UUID, userID string) (CircuitGate, error)
	// GateOf is Gate for a circuit that a row refers to.
	GateOf(circuitRow int64, userID string) (CircuitGate, error)
	// ListIDs lists circuit ids, newest first: those of userID (owner or
	// member) when own, the publicly visible ones when public. Archived
	// circuits are left out; status "" is any.
	ListIDs(userID string, own, public bool, status CircuitStatus, p Page) ([]uuid.UUID, error)
	// PublicIDsOf lists the ids of the publicly visible circuits that userID
	// owns or belongs to, newest first, without archived ones.
	PublicIDsOf(userID string, p Page) ([]uuid.UUID, error)
	// Items lists a circuit's items, newest push first; only published
	// ones when published is set.
	Items(circuitRow int64, published bool, p Page) ([]CircuitItem, error)
	// Place returns the item's place in the circuit; ReasonItemNotFound.
	Place(circuitRow, itemRow int64) (CircuitItem, error)
	// Held gives the places of those of the items that are in the circuit, by
	// DFID.
	Held(circuitRow int64, dfids []string) (map[string]CircuitItem, error)
	// Entitled reports whether userID belongs to a circuit that holds the
	// whole item (he may read all of it), and whether he holds Push in one
	// of them (he may overwrite its data).
	Entitled(userID string, itemRow int64) (read, write bool, err error)
	// CountOwned is how many circuits the account owns that are neither
	// inactive nor archived.
	CountOwned(userID string) (int64, error)
}

// CircuitRows changes circuits.
type CircuitRows interface {
	CircuitReads
	// Insert stores a new circuit with members and roles, and sets Row.
	// Nothing is published in it yet: see Publish.
	Insert(c *Circuit) error
	// Update stores the circuit's own columns, which the caller has read in
	// this write; members, roles and items are not touched.
	Update(c *Circuit) error
	// Touch notes that something inside the circuit changed.
	Touch(c *Circuit, at time.Time) error
	// PutItem places an item, or renews its place: Whole is never lost,
	// Quoted is what the caller gives.
	PutItem(ci CircuitItem) error
	// RemoveItem takes an item out of the circuit, and off its published ones.
	// It reports whether it was there.
	RemoveItem(circuitRow, itemRow int64) (bool, error)
	// Publish adds the item to the published ones, if it is not there.
	Publish(circuitRow, itemRow int64, at time.Time) error
	// Unpublish takes all published items off that are not among keep.
	Unpublish(circuitRow int64, keep []int64) error
}
