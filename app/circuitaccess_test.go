package app_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/defarm-repo/defarm/app"
)

// gateOf is the gate of a member with those rights; no rights at all is nobody's
// entry.
func gateOf(owner string, role app.MemberRole, rights ...app.Permission) app.CircuitGate {
	g := app.CircuitGate{Circuit: &app.Circuit{OwnerID: owner, Status: app.CircuitActive}}
	if role != "" {
		g.IsIn, g.Member = true, app.CircuitMember{UserID: "maria", Role: role, Permissions: rights}
	}
	return g
}

// Every work × everybody who may have something to do with a circuit. The
// expectation is written by hand from contract 03 R2.
func TestCircuitWorks(t *testing.T) {
	t.Parallel()
	all := app.RolePermissions(app.RoleOwner)
	replaced := gateOf("joao", app.RoleAdmin, app.PermCertify)
	replaced.Member.CustomRole = "Watcher"
	callers := []struct {
		name string
		gate app.CircuitGate
	}{
		{"owner", gateOf("maria", app.RoleOwner, all...)},
		{"bare owner", gateOf("maria", "")}, // without an entry
		{"admin", gateOf("joao", app.RoleAdmin, app.RolePermissions(app.RoleAdmin)...)},
		{"member", gateOf("joao", app.RoleMember, app.RolePermissions(app.RoleMember)...)},
		{"viewer", gateOf("joao", app.RoleViewer, app.RolePermissions(app.RoleViewer)...)},
		{"steward", gateOf("joao", app.RoleViewer, app.PermManagePermissions)},     // a custom role
		{"auditor", gateOf("joao", app.RoleMember, app.PermAudit, app.PermDelete)}, // a custom role
		{"demoted", gateOf("joao", app.RoleAdmin)},                                 // base Admin, rights replaced by none
		{"watcher", replaced},                                                          // base Admin with a custom role in its place
		{"deputy", gateOf("joao", app.RoleMember, all...)},                             // all rights, and not the owner
		{"recruiter", gateOf("joao", app.RoleMember, app.PermInvite, app.PermCertify)}, // a custom role
		{"stranger", gateOf("joao", "")},                                               // platform administrators are this, too
	}
	for work, may := range map[app.CircuitWork]string{
		app.WorkUpdate:        "owner, bare owner, steward, deputy",
		app.WorkSettings:      "owner, bare owner, steward, deputy",
		app.WorkDeactivate:    "owner, bare owner, steward, deputy",
		app.WorkReactivate:    "owner, bare owner, steward, deputy",
		app.WorkAlias:         "owner, bare owner, steward, deputy",
		app.WorkToggle:        "owner, bare owner, admin, steward, demoted, deputy",
		app.WorkTransfer:      "owner, bare owner",
		app.WorkInvite:        "owner, bare owner, admin, deputy, recruiter",
		app.WorkMembers:       "owner, bare owner, admin, deputy",
		app.WorkRoles:         "owner, bare owner, admin, deputy",
		app.WorkApproveJoin:   "owner, bare owner, admin, deputy",
		app.WorkRejectJoin:    "owner, bare owner, admin, deputy",
		app.WorkSeeRequests:   "owner, bare owner, admin, deputy",
		app.WorkPush:          "owner, admin, member, deputy",
		app.WorkPull:          "owner, admin, member, viewer, deputy",
		app.WorkApprove:       "owner, bare owner, admin, deputy",
		app.WorkReject:        "owner, bare owner, admin, deputy",
		app.WorkSeeOperations: "owner, bare owner, admin, deputy",
		"something new":       "",
	} {
		var got []string
		for _, c := range callers {
			err := c.gate.Allow("maria", work)
			if err == nil {
				got = append(got, c.name)
			} else if want := "Permission denied: User does not have permission to " + string(work); !strings.Contains(err.Error(), want) || app.CodeOf(err) != app.CodeForbidden {
				t.Errorf("%s by %s: got %v, want %s", work, c.name, err, want)
			}
			if c.gate.May("", work) {
				t.Errorf("%s is allowed to nobody in particular", work)
			}
		}
		if text := strings.Join(got, ", "); text != may {
			t.Errorf("%s: allowed to %s; want %s", work, text, may)
		}
	}
}

// Nobody gives what he lacks, and Owner is the owner's to give.
func TestAllowGrant(t *testing.T) {
	t.Parallel()
	owner, admin := app.RolePermissions(app.RoleOwner), app.RolePermissions(app.RoleAdmin)
	for _, tt := range []struct {
		name   string
		gate   app.CircuitGate
		role   app.MemberRole
		rights []app.Permission
		denied string // a part of the refusal
	}{
		{"the owner grants Owner", gateOf("maria", app.RoleOwner, owner...), app.RoleOwner, owner, ""},
		{"an owner without an entry, too", gateOf("maria", ""), app.RoleOwner, owner, ""},
		{"an Admin grants Admin", gateOf("joao", app.RoleAdmin, admin...), app.RoleAdmin, admin, ""},
		{"an Admin grants Viewer", gateOf("joao", app.RoleAdmin, admin...), app.RoleViewer, app.RolePermissions(app.RoleViewer), ""},
		{"an Admin grants nothing", gateOf("joao", app.RoleAdmin, admin...), "Guest", nil, ""},
		{"an Admin grants Owner", gateOf("joao", app.RoleAdmin, admin...), app.RoleOwner, owner, "Only the owner may grant the Owner role"},
		{"all rights are not the owner's", gateOf("joao", app.RoleMember, owner...), app.RoleOwner, owner, "Only the owner may grant the Owner role"},
		{"an empty Owner role is one", gateOf("joao", app.RoleMember, owner...), app.RoleOwner, nil, "Only the owner may grant the Owner role"},
		{"an Admin grants Audit", gateOf("joao", app.RoleAdmin, admin...), "Auditor", []app.Permission{app.PermPush, app.PermAudit}, "You cannot grant Audit, which you do not hold"},
		{"a recruiter grants Admin", gateOf("joao", app.RoleMember, app.PermInvite), app.RoleAdmin, admin, "You cannot grant Push, which you do not hold"},
		{"who is not in grants", gateOf("joao", ""), app.RoleViewer, app.RolePermissions(app.RoleViewer), "You cannot grant Pull, which you do not hold"},
	} {
		err := tt.gate.AllowGrant("maria", tt.role, tt.rights)
		switch {
		case tt.denied == "" && err != nil:
			t.Errorf("%s: got %v, want it allowed", tt.name, err)
		case tt.denied != "" && (err == nil || !strings.Contains(err.Error(), tt.denied) || app.CodeOf(err) != app.CodeForbidden):
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.denied)
		}
	}
}

// Who may know that a circuit exists.
func TestCircuitKnown(t *testing.T) {
	t.Parallel()
	for _, public := range []bool{false, true} {
		for _, status := range []app.CircuitStatus{app.CircuitActive, app.CircuitInactive, app.CircuitArchived} {
			know := func(g app.CircuitGate, who app.Actor) bool {
				g.Circuit.Permissions.AllowPublicVisibility, g.Circuit.Status = public, status
				return g.Knows(who)
			}
			if !know(gateOf("joao", app.RoleViewer), app.Actor{UserID: "maria"}) || !know(gateOf("maria", ""), app.Actor{UserID: "maria"}) ||
				!know(gateOf("joao", ""), app.Actor{UserID: "maria", IsAdmin: true}) {
				t.Errorf("public %t, %s: a member, the owner or an administrator does not know of it", public, status)
			}
			want := public && status != app.CircuitArchived
			if got := know(gateOf("joao", ""), app.Actor{UserID: "maria"}); got != want {
				t.Errorf("public %t, %s: a stranger knows of it: %t, want %t", public, status, got, want)
			}
		}
	}
}

func TestParseRolesAndPermissions(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]app.MemberRole{"owner": app.RoleOwner, "ADMIN": app.RoleAdmin, "Member": app.RoleMember, "vIEWER": app.RoleViewer} {
		if got, err := app.ParseMemberRole(in); err != nil || got != want {
			t.Errorf("%s: got %s, %v", in, got, err)
		}
	}
	for _, bad := range []string{"", "boss", " admin", "admin\x00"} {
		if _, err := app.ParseMemberRole(bad); app.ReasonOf(err) != app.ReasonInvalidRole {
			t.Errorf("%q: got %v, want it refused", bad, err)
		}
	}
	got, err := app.ParsePermissions([]string{"pull", "MANAGEMEMBERS", "Pull", "audit"})
	if want := []app.Permission{app.PermPull, app.PermManageMembers, app.PermAudit}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for _, bad := range []string{"manage_members", "", "fly"} {
		if _, err := app.ParsePermissions([]string{"push", bad, "worse"}); err == nil || !strings.Contains(err.Error(), "Invalid permission: "+bad) {
			t.Errorf("%q: got %v, want it refused by name", bad, err)
		}
	}
}
