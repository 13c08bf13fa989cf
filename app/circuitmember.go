package app

import "github.com/google/uuid"

// MemberRows changes the members of circuits. Whoever calls these also calls
// CircuitRows.Touch, which makes the change visible.
type MemberRows interface {
	// ByID returns a member's entry; ReasonMember when he is none.
	ByID(circuitRow int64, userID string) (CircuitMember, error)
	// Count is how many members there are.
	Count(circuitRow int64) (int, error)
	// List gives all members in order of joining.
	List(circuitRow int64) ([]CircuitMember, error)
	// Insert adds a member; CodeConflict when he is one.
	Insert(circuitRow int64, m CircuitMember) error
	// Update stores role, custom role and permissions.
	Update(circuitRow int64, m CircuitMember) error
	// Delete removes a member and reports whether he was one.
	Delete(circuitRow int64, userID string) (bool, error)
	// SetPermissions gives all members of a custom role its permissions.
	SetPermissions(circuitRow int64, role string, rights []Permission) error
}

// RoleRows changes the roles of circuits.
type RoleRows interface {
	// ByName returns a role by its exact name; ReasonInvalidRole.
	ByName(circuitRow int64, name string) (CustomRole, error)
	// Count is how many roles there are, the seeded ones included.
	Count(circuitRow int64) (int, error)
	// Insert adds a role; CodeConflict when the name is taken.
	Insert(circuitRow int64, r CustomRole) error
	// Update stores permissions, description and color.
	Update(circuitRow int64, r CustomRole) error
	Delete(circuitRow int64, id uuid.UUID) error
}
