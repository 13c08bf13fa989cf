package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/web/server"
	"github.com/defarm-repo/defarm/web/servertest"
)

// addBody is the body that adds somebody with a role.
func addBody(userID, role string) string {
	return fmt.Sprintf(`{"member_id":%q,"role":%q}`, userID, role)
}

func TestAddMember(t *testing.T) {
	t.Parallel()
	p := startParties(t, "")
	path := p.path + "/members"
	p.srv.Advance(time.Hour)
	res := p.admin.Post(t, path, `{"user_id":"user-other","role":"aDMIN"}`).WantStatus(ok).WantGolden("circuit/member_added")
	at := fmt.Sprint(chainStart.Add(time.Hour).Unix())
	if joined, changed := res.Field("members.5.joined_timestamp"), res.Field("last_modified"); joined != at || changed != at {
		t.Errorf("joined at %s, changed at %s, want both at %s", joined, changed, at)
	}
	p.other.Get(t, p.path).WantStatus(ok)
	p.srv.User("second")
	p.owner.Post(t, path, `{"member_id":"user-second","user_id":"user-nobody","role":"Owner"}`).WantStatus(ok).WantGolden("circuit/member_added_as_owner")
	public := "/api/circuits/" + newCircuit(t, p.owner, `,"allow_public_visibility":true`) + "/members"
	stranger := p.srv.User("stranger")
	for _, tt := range []struct {
		who        *servertest.Client
		path, body string
		status     int
		golden     string
	}{
		{p.owner, "/api/circuits/7/members", addBody("user-stranger", "Viewer"), bad, "bad_id"},
		{p.owner, path, `{"role":"viewer"}`, misshaped, "member_missing"},
		{p.owner, path, `{"member_id":"user-stranger"}`, misshaped, "member_role_missing"},
		{stranger, path, addBody("user-stranger", "boss"), bad, "member_bad_role"},
		{p.owner, "/api/circuits/" + uuid.NewString() + "/members", addBody("user-stranger", "Viewer"), bad, "member_unknown_circuit"},
		{stranger, path, addBody("user-stranger", "Viewer"), bad, "member_unknown_circuit"},
		{stranger, public, addBody("user-stranger", "Viewer"), bad, "member_denied"},
		{p.member, path, addBody("user-stranger", "Viewer"), bad, "member_denied"},
		{p.srv.Admin(), path, addBody("user-stranger", "Viewer"), bad, "member_denied"},
		{p.owner, path, addBody("user-member", "Viewer"), bad, "member_already"},
		{p.owner, path, addBody("user-owner", "Viewer"), bad, "member_already"},
		{p.owner, path, addBody("user-nobody", "Viewer"), bad, "member_without_account"},
		{p.owner, path, addBody("", "Viewer"), bad, "member_without_account"},
		{p.admin, path, addBody("user-stranger", "Owner"), bad, "member_owner_by_admin"},
	} {
		tt.who.Post(t, tt.path, tt.body).WantStatus(tt.status).WantGolden("circuit/" + tt.golden)
	}
	// Who has Invite alone gives nothing that he lacks.
	p.owner.Post(t, p.path+"/roles", `{"role_name":"Recruiter","permissions":["pull","invite"],"description":""}`).WantStatus(ok)
	p.owner.Patch(t, path+"/user-viewer", `{"role":"Recruiter"}`).WantStatus(ok)
	p.viewer.Post(t, path, addBody("user-stranger", "member")).WantStatus(bad).WantGolden("circuit/member_above_own_rights")
	p.viewer.Post(t, path, addBody("user-stranger", "viewer")).WantStatus(ok)
}

// What waits for a decision is decided when the user is added, and a circuit
// holds no more than 10,000 members.
func TestAddMemberClosesHisRequest(t *testing.T) {
	t.Parallel()
	p := startParties(t, "")
	id := uuid.MustParse(p.id)
	err := p.srv.Store().Write(t.Context(), func(tx app.Tx) error {
		gate, err := tx.Circuits().Gate(id, "")
		if err != nil {
			return err
		}
		join := app.JoinRequest{CircuitRow: gate.Circuit.Row, RequesterID: "user-other", Status: app.JoinPending, RequestedAt: chainStart}
		if err := tx.JoinRequests().Insert(join); err != nil {
			return err
		}
		return tx.Circuits().Touch(gate.Circuit, chainStart)
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.owner.Get(t, p.path).WantStatus(ok).Field("pending_requests.0.requester_id"); got != "user-other" {
		t.Fatalf("waits: got %s", got)
	}
	if got := p.owner.Post(t, p.path+"/members", addBody("user-other", "Viewer")).WantStatus(ok).Field("pending_requests"); got != "[]" {
		t.Errorf("waits after he was added: %s", got)
	}
	err = p.srv.Store().Write(t.Context(), func(tx app.Tx) error {
		gate, err := tx.Circuits().Gate(id, "")
		if err != nil {
			return err
		}
		if _, err := tx.JoinRequests().Pending(gate.Circuit.Row, "user-other"); app.CodeOf(err) != app.CodeNotFound {
			t.Errorf("still waits: %v", err)
		}
		for n := range 10_000 - 6 {
			if err := tx.Members().Insert(gate.Circuit.Row, app.CircuitMember{UserID: fmt.Sprint("user-", n), Role: app.RoleViewer}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	late := p.srv.User("late")
	p.owner.Post(t, p.path+"/members", addBody("user-late", "Viewer")).WantStatus(bad).WantGolden("circuit/member_too_many")
	// Nor by another way in.
	late.Post(t, p.path+"/requests", nil).WantStatus(ok)
	const full = "Validation error: A circuit has at most 10000 members"
	p.owner.Post(t, p.path+"/requests/user-late/approve", nil).WantStatus(bad).WantError("Failed to approve join request: " + full)
	p.owner.Put(t, p.path+"/public-settings", `{"auto_approve_members":true}`).WantStatus(ok)
	late.Post(t, p.path+"/public/join", nil).WantStatus(bad).WantError("Failed to join circuit: " + full)
	p.owner.Delete(t, p.path+"/members/user-7").WantStatus(ok)
	p.owner.Post(t, p.path+"/members", addBody("user-late", "Viewer")).WantStatus(ok)
}

func TestAssignRole(t *testing.T) {
	t.Parallel()
	p := startParties(t, "")
	path := p.path + "/members/user-member"
	p.owner.Patch(t, path, `{"role":"Steward"}`).WantStatus(ok).WantGolden("circuit/role_custom")
	p.owner.Patch(t, path, `{"role":"Viewer","custom_role_name":"Member"}`).WantStatus(ok).WantGolden("circuit/role_seeded")
	p.admin.Patch(t, path, `{"role":"vIEWER","custom_role_name":null}`).WantStatus(ok).WantGolden("circuit/role_built_in")
	p.owner.Patch(t, path, `{"role":"Owner"}`).WantStatus(ok).WantGolden("circuit/role_owner")
	p.owner.Patch(t, path, `{"role":"owner"}`).WantStatus(ok).WantGolden("circuit/role_base_owner")
	// All rights are not ownership.
	p.owner.Post(t, p.path+"/roles", `{"role_name":"Deputy","description":"",
		"permissions":["push","pull","invite","managemembers","managepermissions","manageroles","delete","certify","audit"]}`).WantStatus(ok)
	p.owner.Patch(t, path, `{"role":"Deputy"}`).WantStatus(ok)
	p.owner.Patch(t, path, `{"role":"Admin"}`).WantStatus(ok)
	for _, tt := range []struct {
		who        *servertest.Client
		path, body string
		status     int
		golden     string
	}{
		{p.owner, "/api/circuits/7/members/user-member", `{"role":"Viewer"}`, bad, "bad_id"},
		{p.owner, path, `{}`, misshaped, "role_missing"},
		{p.owner, "/api/circuits/" + uuid.NewString() + "/members/user-member", `{"role":"Viewer"}`, bad, "role_unknown_circuit"},
		{p.other, path, `{"role":"Viewer"}`, bad, "role_unknown_circuit"},
		{p.steward, path, `{"role":"Viewer"}`, bad, "role_denied"},
		{p.viewer, p.path + "/members/user-viewer", `{"role":"Admin"}`, bad, "role_denied"},
		{p.srv.Admin(), path, `{"role":"Viewer"}`, bad, "role_denied"},
		{p.owner, p.path + "/members/user-nobody", `{"role":"Boss"}`, bad, "role_unknown"},
		{p.owner, path, `{"role":"Viewer","custom_role_name":"Boss"}`, bad, "role_unknown"},
		{p.owner, path, `{"role":"steward"}`, bad, "role_other_case"},
		{p.owner, p.path + "/members/user-other", `{"role":"Viewer"}`, bad, "role_of_no_member"},
		{p.admin, p.path + "/members/user-owner", `{"role":"Viewer"}`, bad, "role_of_the_owner"},
		{p.owner, p.path + "/members/user-owner", `{"role":"Viewer"}`, bad, "role_of_the_owner"},
		{p.admin, p.path + "/members/user-deputy", `{"role":"Owner"}`, bad, "role_owner_to_himself"},
		{p.admin, p.path + "/members/user-deputy", `{"role":"owner"}`, bad, "role_owner_to_himself"},
		{p.admin, p.path + "/members/user-deputy", `{"role":"Steward"}`, bad, "role_above_own_rights"},
	} {
		tt.who.Patch(t, tt.path, tt.body).WantStatus(tt.status).WantGolden("circuit/" + tt.golden)
	}
	p.owner.Patch(t, path, `{"role":"Deputy"}`).WantStatus(ok)
	p.member.Patch(t, p.path+"/members/user-viewer", `{"role":"Deputy"}`).WantStatus(ok)
	p.member.Patch(t, p.path+"/members/user-viewer", `{"role":"Owner"}`).WantStatus(bad).WantGolden("circuit/role_owner_to_himself")
}

func TestRemoveMember(t *testing.T) {
	t.Parallel()
	p := startParties(t, "")
	path := p.path + "/members/"
	public := "/api/circuits/" + newCircuit(t, p.owner, `,"allow_public_visibility":true`)
	for _, tt := range []struct {
		who    *servertest.Client
		path   string
		golden string
	}{
		{p.owner, "/api/circuits/7/members/user-member", "bad_id"},
		{p.owner, "/api/circuits/" + uuid.NewString() + "/members/user-member", "remove_unknown_circuit"},
		{p.other, path + "user-member", "remove_unknown_circuit"},
		{p.other, path + "user-other", "remove_unknown_circuit"},
		{p.other, public + "/members/user-other", "remove_no_member"},
		{p.steward, path + "user-member", "remove_denied"},
		{p.srv.Admin(), path + "user-member", "remove_denied"},
		{p.owner, path + "user-other", "remove_no_member"},
		{p.owner, path + "user-owner", "remove_owner"},
		{p.admin, path + "user-owner", "remove_owner"},
	} {
		tt.who.Delete(t, tt.path).WantStatus(bad).WantGolden("circuit/" + tt.golden)
	}
	dfid := pushed(t, p.member, p.id, "BR000000000001")
	p.admin.Delete(t, path+"user-member").WantStatus(ok).WantGolden("circuit/member_removed")
	p.member.Get(t, p.path).WantStatus(unknown)
	if got := texts(t, p.owner, p.path+"/items", "dfid"); !slices.Contains(got, dfid) {
		t.Errorf("what he pushed is gone: %v", got)
	}
	p.owner.Post(t, p.path+"/members", addBody("user-member", "viewer")).WantStatus(ok)
	p.member.Delete(t, path+"user-member").WantStatus(ok).WantGolden("circuit/member_gone") // redacted: he is out
	p.viewer.Post(t, p.path+"/leave", nil).WantStatus(ok).WantGolden("circuit/member_gone")
	p.viewer.Post(t, p.path+"/leave", `{"any":"thing"}`).WantStatus(bad).WantGolden("circuit/leave_unknown")
	p.other.Post(t, public+"/leave", nil).WantStatus(bad).WantGolden("circuit/leave_no_member")
	p.owner.Post(t, p.path+"/leave", "").WantStatus(bad).WantGolden("circuit/leave_owner")
	p.owner.Post(t, "/api/circuits/7/leave", nil).WantStatus(bad).WantGolden("circuit/bad_id")
}

// Rights that are taken away are gone with the next request, and those that are
// given are there, with the cache and without it.
func TestRightsHoldAtOnce(t *testing.T) {
	t.Parallel()
	for name, cached := range map[string]bool{"cache on": true, "cache off": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startParties(t, "", servertest.WithConfig(func(c *server.Config) { c.Cache.Enabled = cached }))
			rename := func(want int) {
				t.Helper()
				for range 5 { // until the cache has surely taken it in
					p.steward.Get(t, p.path)
				}
				p.steward.Patch(t, p.path, `{"name":"Herd"}`).WantStatus(want)
			}
			role, entry := p.path+"/roles/Steward", p.path+"/members/user-steward"
			for range 10 {
				rename(ok)
				p.owner.Put(t, role, `{"permissions":["pull"]}`).WantStatus(ok)
				rename(bad)
				p.owner.Put(t, role, `{"permissions":["pull","managepermissions"]}`).WantStatus(ok)
				rename(ok)
				p.owner.Patch(t, entry, `{"role":"Viewer"}`).WantStatus(ok)
				rename(bad)
				p.owner.Patch(t, entry, `{"role":"Steward"}`).WantStatus(ok)
				rename(ok)
				p.owner.Delete(t, entry).WantStatus(ok)
				p.steward.Get(t, p.path).WantStatus(unknown)
				p.steward.Patch(t, p.path, `{"name":"Herd"}`).WantStatus(unknown)
				p.owner.Post(t, p.path+"/members", addBody("user-steward", "Member")).WantStatus(ok)
				rename(bad)
				p.owner.Patch(t, entry, `{"role":"Steward"}`).WantStatus(ok)
			}
		})
	}
}

// 32 changes at the same time, of different fields, members and roles: none is
// lost.
func TestManyChangesAtOnce(t *testing.T) {
	t.Parallel()
	for name, cached := range map[string]bool{"cache on": true, "cache off": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startParties(t, "", servertest.WithConfig(func(c *server.Config) { c.Cache.Enabled = cached }))
			type change struct{ method, path, body string }
			changes := []change{
				{http.MethodPatch, "", `{"name":"New name"}`},
				{http.MethodPut, "", `{"description":"New words"}`},
				{http.MethodPatch, "", `{"permissions":{"require_approval_for_push":true}}`},
				{http.MethodPatch, "", `{"permissions":{"require_approval_for_pull":true}}`},
				{http.MethodPut, "/visibility/toggle", ""},
				{http.MethodPut, "/deactivate", ""},
				{http.MethodPut, "/alias-config", `{"required_canonical":["sisbov"]}`},
				{http.MethodPatch, "/members/user-member", `{"role":"Steward"}`},
				{http.MethodDelete, "/members/user-viewer", ""},
				{http.MethodPut, "/roles/Steward", `{"permissions":["pull","audit"]}`},
			}
			for n := range 11 {
				user := p.srv.User(fmt.Sprint("new", n))
				changes = append(changes, change{http.MethodPost, "/members", addBody(user.UserID, "Viewer")},
					change{http.MethodPost, "/roles", fmt.Sprintf(`{"role_name":"R%d","permissions":[],"description":""}`, n)})
			}
			var all sync.WaitGroup
			for _, c := range changes {
				all.Go(func() {
					res, err := p.owner.Try(t.Context(), c.method, p.path+c.path, c.body)
					if err != nil || res.Status != ok {
						t.Errorf("%s %s: %v %s", c.method, c.path, err, res.Body)
					}
				})
			}
			all.Wait()
			var got struct {
				Name, Description, Status string
				Permissions               app.CircuitPermissions
				Members                   []struct {
					MemberID    string           `json:"member_id"`
					CustomRole  *string          `json:"custom_role_name"`
					Permissions []app.Permission `json:"permissions"`
				}
				Roles []json.RawMessage `json:"custom_roles"`
			}
			p.owner.Get(t, p.path).WantStatus(ok).JSON(&got)
			if got.Name != "New name" || got.Description != "New words" || got.Status != "Inactive" ||
				got.Permissions != (app.CircuitPermissions{RequireApprovalForPush: true, RequireApprovalForPull: true, AllowPublicVisibility: true}) {
				t.Errorf("a field is lost: %+v", got)
			}
			if len(got.Members) != 4+11 || len(got.Roles) != 3+11 {
				t.Errorf("got %d members and %d roles, want 15 and 14", len(got.Members), len(got.Roles))
			}
			for _, m := range got.Members {
				if m.MemberID == "user-member" || m.MemberID == "user-steward" {
					want := []app.Permission{app.PermPull, app.PermAudit}
					if m.CustomRole == nil || *m.CustomRole != "Steward" || !slices.Equal(m.Permissions, want) {
						t.Errorf("%s holds %v as %v, want %v", m.MemberID, m.Permissions, m.CustomRole, want)
					}
				}
			}
			if got := p.owner.Get(t, p.path+"/alias-config").WantStatus(ok).Field("data.required_canonical"); got != `["sisbov"]` {
				t.Errorf("alias configuration: got %s", got)
			}
		})
	}
}
