package app

import (
	"slices"
	"strings"
)

// CircuitWork is something that a user does in a circuit.
type CircuitWork string

// The works that need a right in the circuit (contract 03 R2).
const (
	WorkUpdate        CircuitWork = "update circuit"
	WorkSettings      CircuitWork = "update public settings"
	WorkSeeSettings   CircuitWork = "see public settings"
	WorkDeactivate    CircuitWork = "deactivate circuit"
	WorkReactivate    CircuitWork = "reactivate circuit"
	WorkToggle        CircuitWork = "toggle visibility"
	WorkTransfer      CircuitWork = "transfer the circuit"
	WorkAlias         CircuitWork = "update alias config"
	WorkInvite        CircuitWork = "invite members"
	WorkMembers       CircuitWork = "manage members"
	WorkRoles         CircuitWork = "manage roles"
	WorkApproveJoin   CircuitWork = "approve join requests"
	WorkRejectJoin    CircuitWork = "reject join requests"
	WorkSeeRequests   CircuitWork = "see join requests"
	WorkPush          CircuitWork = "push to this circuit"
	WorkPull          CircuitWork = "pull from this circuit"
	WorkApprove       CircuitWork = "approve operations"
	WorkReject        CircuitWork = "reject operations"
	WorkSeeOperations CircuitWork = "see operations"
)

// circuitRule says who may do a work: whoever holds the permission; the owner
// even if his entry lacks it; the built-in Admin role even without it, unless
// one of the circuit's own roles stands in its place.
type circuitRule struct {
	needs Permission // "": nobody by a permission
	owner bool
	admin bool
}

// circuitRules is the one table of who may do what in a circuit. Platform
// administrators have no rights here by being that: they change circuits under
// /api/admin.
var circuitRules = map[CircuitWork]circuitRule{
	WorkUpdate:        {needs: PermManagePermissions, owner: true},
	WorkSettings:      {needs: PermManagePermissions, owner: true},
	WorkSeeSettings:   {needs: PermManagePermissions, owner: true},
	WorkDeactivate:    {needs: PermManagePermissions, owner: true},
	WorkReactivate:    {needs: PermManagePermissions, owner: true},
	WorkAlias:         {needs: PermManagePermissions, owner: true},
	WorkToggle:        {needs: PermManagePermissions, owner: true, admin: true},
	WorkTransfer:      {owner: true},
	WorkInvite:        {needs: PermInvite, owner: true},
	WorkMembers:       {needs: PermManageMembers, owner: true},
	WorkRoles:         {needs: PermManageRoles, owner: true},
	WorkApproveJoin:   {needs: PermManageMembers, owner: true},
	WorkRejectJoin:    {needs: PermManageMembers, owner: true},
	WorkSeeRequests:   {needs: PermManageMembers, owner: true},
	WorkPush:          {needs: PermPush},
	WorkPull:          {needs: PermPull},
	WorkApprove:       {needs: PermManageMembers, owner: true},
	WorkReject:        {needs: PermManageMembers, owner: true},
	WorkSeeOperations: {needs: PermManageMembers, owner: true},
}

// May reports whether the caller whose gate this is may do the work.
func (g CircuitGate) May(userID string, w CircuitWork) bool {
	rule, known := circuitRules[w]
	switch {
	case !known || userID == "":
		return false
	case rule.owner && g.Circuit.OwnerID == userID:
		return true
	case !g.IsIn:
		return false
	default:
		return (rule.needs != "" && g.Member.Has(rule.needs)) || (rule.admin && g.Member.Role == RoleAdmin && g.Member.CustomRole == "")
	}
}

// Allow is May as an error: ReasonCircuitPermission with the contract's text.
func (g CircuitGate) Allow(userID string, w CircuitWork) error {
	if g.May(userID, w) {
		return nil
	}
	return Forbidden(ReasonCircuitPermission, "Permission denied: User does not have permission to %s", w)
}

// Knows reports whether the caller may know that the circuit exists: members,
// its owner, administrators, and everybody of a public one that is not archived.
func (g CircuitGate) Knows(who Actor) bool {
	c := g.Circuit
	return g.IsIn || who.IsAdmin || c.OwnerID == who.UserID || (c.Permissions.AllowPublicVisibility && c.Status != CircuitArchived)
}

// AllowGrant refuses to give rights that the caller lacks himself: the owner
// has all of them, and Owner is the owner's alone to give (contract 03 S6).
func (g CircuitGate) AllowGrant(userID string, role MemberRole, rights []Permission) error {
	if g.Circuit.OwnerID == userID {
		return nil
	}
	if role == RoleOwner {
		return Forbidden(ReasonCircuitPermission, "Permission denied: Only the owner may grant the Owner role")
	}
	for _, p := range rights {
		if !g.Member.Has(p) {
			return Forbidden(ReasonCircuitPermission, "Permission denied: You cannot grant %s, which you do not hold", p)
		}
	}
	return nil
}

// RequireActive refuses work in a circuit that is not active (contract 03 R8).
func (c *Circuit) RequireActive() error {
	if c.Status == CircuitActive {
		return nil
	}
	return Invalid(ReasonCircuitInactive, "Validation error: Circuit is not active")
}

// ParseMemberRole reads a built-in role in any case; the error is the
// contract's.
func ParseMemberRole(s string) (MemberRole, error) {
	for _, r := range []MemberRole{RoleOwner, RoleAdmin, RoleMember, RoleViewer} {
		if strings.EqualFold(s, string(r)) {
			return r, nil
		}
	}
	return "", Invalid(ReasonInvalidRole, "Invalid member role: %s", s)
}

// ParsePermissions reads names of permissions in any case and drops repeated
// ones; the error names the first that does not exist.
func ParsePermissions(names []string) ([]Permission, error) {
	out := make([]Permission, 0, len(names))
	for _, name := range names {
		i := slices.IndexFunc(RolePermissions(RoleOwner), func(p Permission) bool { return strings.EqualFold(name, string(p)) })
		if i < 0 {
			return nil, Invalid(ReasonInvalidRole, "Invalid permission: %s", name)
		}
		if p := RolePermissions(RoleOwner)[i]; !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out, nil
}
