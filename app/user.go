package app

import "time"

// Tier is a user's service level; PascalCase on the wire.
type Tier string

// The tiers (contract 01 §4).
const (
	TierBasic        Tier = "Basic"
	TierProfessional Tier = "Professional"
	TierEnterprise   Tier = "Enterprise"
	TierAdmin        Tier = "Admin"
)

// AccountStatus says whether an account may act.
type AccountStatus string

// The account states (contract 01 §4). Only StatusActive may log in or act.
const (
	StatusActive              AccountStatus = "Active"
	StatusSuspended           AccountStatus = "Suspended"
	StatusBanned              AccountStatus = "Banned"
	StatusPendingVerification AccountStatus = "PendingVerification"
	StatusTrialExpired        AccountStatus = "TrialExpired"
)

// User is an account. The id is an opaque string: "user-<uuid>" for people who
// registered themselves, other forms for seeded and administrator-made ones.
type User struct {
	ID           string
	Username     string
	Email        string
	PasswordHash string // bcrypt; never leaves the server
	Tier         Tier
	Status       AccountStatus
	Credits      int64
	IsAdmin      bool
	WorkspaceID  string // "" when the account has none
	// Adapters replaces the tier's adapters when it is not empty.
	Adapters []AdapterType
	// Generation rises at logout, password change and suspension; a token
	// that carries an older one is void (design §2.15).
	Generation int64
	// ValidFrom judges tokens without a generation: issued before it, void.
	ValidFrom time.Time
	CreatedAt time.Time
	UpdatedAt time.Time
	LastLogin time.Time // zero: never
}

// UserReads reads accounts. Missing accounts are ReasonUserNotFound.
type UserReads interface {
	ByID(id string) (*User, error)
	// ByUsername compares without regard to case.
	ByUsername(name string) (*User, error)
	// ByEmail compares without regard to case.
	ByEmail(address string) (*User, error)
	// List returns the accounts in order of creation.
	List(p Page) ([]*User, error)
	Count() (int, error)
	// WorkspaceTaken reports whether an account has that workspace id.
	WorkspaceTaken(id string) (bool, error)
}

// UserRows changes accounts. Every change moves the cache's generation of the
// account.
type UserRows interface {
	UserReads
	// Insert stores a new account; ReasonUsernameTaken or ReasonEmailTaken.
	Insert(u *User) error
	SetLastLogin(id string, at time.Time) error
	// SetPassword stores a new hash and voids every token of the account.
	SetPassword(id, hash string, at time.Time) error
	// SetStatus stores the status; any other than Active voids every token.
	SetStatus(id string, s AccountStatus, at time.Time) error
	SetAdmin(id string, admin bool, at time.Time) error
	// VoidTokens raises the account's generation: every token is void.
	VoidTokens(id string, at time.Time) error
}

// Actor is the authenticated caller of a service method.
type Actor struct {
	UserID      string
	Username    string
	WorkspaceID string
	Tier        Tier
	IsAdmin     bool
	// KeyID is set when the caller used an API key.
	KeyID string
	// Address and Agent describe the connection, for activity records.
	Address string
	Agent   string
}
