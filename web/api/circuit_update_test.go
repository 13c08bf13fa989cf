package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/identity"
	"github.com/defarm-repo/defarm/web/server"
	"github.com/defarm-repo/defarm/web/servertest"
)

const (
	ok, bad, denied, unknown = http.StatusOK, http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound
	unauthorized, misshaped  = http.StatusUnauthorized, http.StatusUnprocessableEntity
)

// parties of a circuit: one for each built-in role, and one with a custom role.
type parties struct {
	srv                                          *servertest.Server
	id, path                                     string
	owner, admin, member, viewer, steward, other *servertest.Client
}

// startParties makes a circuit of owner's in which everybody but other has a
// part; steward holds the custom role Steward: Pull and ManagePermissions.
func startParties(t *testing.T, more string, opts ...servertest.Option) parties {
	t.Helper()
	srv := servertest.Start(t, append([]servertest.Option{servertest.At(chainStart)}, opts...)...)
	p := parties{
		srv: srv, owner: srv.User("owner"), admin: srv.User("deputy"), member: srv.User("member"),
		viewer: srv.User("viewer"), steward: srv.User("steward"), other: srv.User("other"),
	}
	p.id = newCircuit(t, p.owner, more)
	p.path = "/api/circuits/" + p.id
	for _, m := range []struct {
		who  *servertest.Client
		role string
	}{{p.admin, "Admin"}, {p.member, "Member"}, {p.viewer, "Viewer"}, {p.steward, "Member"}} {
		p.owner.Post(t, p.path+"/members", fmt.Sprintf(`{"member_id":%q,"role":%q}`, m.who.UserID, m.role)).WantStatus(ok)
	}
	p.owner.Post(t, p.path+"/roles", `{"role_name":"Steward","permissions":["pull","managepermissions"],"description":"Runs it","color":"#3366cc"}`).WantStatus(ok)
	p.owner.Patch(t, p.path+"/members/"+p.steward.UserID, `{"custom_role_name":"Steward"}`).WantStatus(ok)
	return p
}

// What is given is changed, the rest stays; PUT is PATCH.
func TestUpdateCircuit(t *testing.T) {
	t.Parallel()
	p := startParties(t, `,"public_settings":{"public_name":"Open herd"}`)
	p.srv.Advance(time.Hour)
	modified := func() string { return p.owner.Get(t, p.path).WantStatus(ok).Field("last_modified") }
	before := modified()
	for _, nothing := range []string{`{}`, `{"name":null,"description":null,"permissions":null}`, `{"permissions":{}}`,
		`{"permissions":{"require_approval_for_push":null}}`, `{"owner_id":"user-other","status":"Archived","default_namespace":"bovino"}`} {
		p.owner.Patch(t, p.path, nothing).WantStatus(ok).WantGolden("circuit/update_nothing")
	}
	if got := modified(); got != before {
		t.Errorf("last_modified after nothing was given: got %s, want %s", got, before)
	}
	p.owner.Put(t, p.path, `{"name":"New name","permissions":{"require_approval_for_push":true}}`).WantStatus(ok).WantGolden("circuit/update_put")
	if got, want := modified(), fmt.Sprint(chainStart.Add(time.Hour).Unix()); got != want {
		t.Errorf("last_modified after a change: got %s, want %s", got, want)
	}
	p.steward.Patch(t, p.path, `{"description":"","permissions":{"require_approval_for_pull":true,"allow_public_visibility":false}}`).
		WantStatus(ok).WantGolden("circuit/update_patch")
	p.owner.Patch(t, p.path, `{"name":""}`).WantStatus(ok)
	p.owner.Get(t, p.path).WantStatus(ok).WantGolden("circuit/updated")
	p.other.Get(t, p.path).WantStatus(unknown) // it is private now, though its settings are kept
}

func TestUpdateCircuitRefused(t *testing.T) {
	t.Parallel()
	p := startParties(t, "")
	public := newCircuit(t, p.owner, `,"allow_public_visibility":true`)
	nowhere := "/api/circuits/" + uuid.NewString()
	for _, tt := range []struct {
		who        *servertest.Client
		path, body string
		status     int
		golden     string
	}{
		{p.owner, "/api/circuits/7", `{}`, bad, "bad_id"},
		{p.owner, nowhere, `{}`, unknown, "not_found"},
		{p.other, p.path, `{}`, unknown, "not_found"},
		{p.other, "/api/circuits/" + public, `{}`, bad, "update_denied"},
		{p.member, p.path, `{}`, bad, "update_denied"},
		{p.srv.Admin(), p.path, `{"name":"mine"}`, bad, "update_denied"},
		{p.owner, p.path, `{"name":"` + strings.Repeat("ã", 256) + `"}`, bad, "update_name_too_long"},
		{p.owner, p.path, `{"description":"` + strings.Repeat("x", 65537) + `"}`, bad, "update_description_too_long"},
		{p.owner, p.path, `{"name":"a\u0000"}`, bad, "update_nul"},
		{p.owner, p.path, `{"name":1}`, misshaped, "update_shape"},
		{p.owner, p.path, `{"permissions":{"require_approval_for_push":"yes"}}`, misshaped, "update_switch_shape"},
	} {
		tt.who.Patch(t, tt.path, tt.body).WantStatus(tt.status).WantGolden("circuit/" + tt.golden)
		tt.who.Put(t, tt.path, tt.body).WantStatus(tt.status).WantGolden("circuit/" + tt.golden)
	}
	p.owner.Patch(t, p.path, `{"name":"`+strings.Repeat("ã", 255)+`","description":"`+strings.Repeat("x", 65536)+`"}`).WantStatus(ok)
}

// A circuit that is not active keeps what is in it and its administration; only
// work in it stops.
func TestDeactivateCircuit(t *testing.T) {
	t.Parallel()
	p := startParties(t, "")
	p.steward.Put(t, p.path+"/deactivate", nil).WantStatus(ok).WantGolden("circuit/deactivated")
	p.srv.Advance(time.Hour)
	again := p.owner.Put(t, p.path+"/deactivate", `{"anything":1}`).WantStatus(ok).WantGolden("circuit/deactivated")
	if got, want := again.Field("last_modified"), fmt.Sprint(chainStart.Unix()); got != want {
		t.Errorf("last_modified after a repetition: got %s, want %s", got, want)
	}
	push(t, p.owner, p.id, newLocal(t, p.owner, sisbov("BR000000000001"), `{}`), "").WantStatus(bad).WantGolden("tokenization/circuit_inactive")
	p.owner.Patch(t, p.path, `{"name":"Still mine"}`).WantStatus(ok)
	p.owner.Post(t, p.path+"/members", `{"member_id":"user-other","role":"viewer"}`).WantStatus(ok)
	p.owner.Patch(t, p.path+"/members/user-other", `{"role":"admin"}`).WantStatus(ok)
	p.other.Get(t, p.path+"/items").WantStatus(ok)
	p.owner.Put(t, p.path+"/reactivate", "").WantStatus(ok).WantGolden("circuit/reactivated")
	p.owner.Put(t, p.path+"/reactivate", `{}`).WantStatus(ok).WantGolden("circuit/reactivated")
	pushed(t, p.owner, p.id, "BR000000000001")

	archived := "/api/circuits/" + seedCircuit(t, p.srv, func(c *app.Circuit) { c.Status = app.CircuitArchived },
		roles{p.owner: app.RoleOwner, p.member: app.RoleMember})
	for _, verb := range []string{"deactivate", "reactivate"} {
		p.owner.Put(t, archived+"/"+verb, nil).WantStatus(bad).WantGolden("circuit/" + verb + "_archived")
		p.member.Put(t, p.path+"/"+verb, nil).WantStatus(bad).WantGolden("circuit/" + verb + "_denied")
		p.owner.Put(t, "/api/circuits/"+uuid.NewString()+"/"+verb, nil).WantStatus(bad).WantGolden("circuit/" + verb + "_unknown")
		p.owner.Put(t, "/api/circuits/7/"+verb, nil).WantStatus(bad).WantGolden("circuit/bad_id")
	}
	srv := p.srv
	srv.User("stranger").Put(t, p.path+"/deactivate", nil).WantStatus(bad).WantGolden("circuit/deactivate_unknown")
}

// Toggling twice is nothing; the settings stay, and who may is one rule.
func TestToggleVisibility(t *testing.T) {
	t.Parallel()
	p := startParties(t, "")
	path := p.path + "/visibility/toggle"
	for i, who := range []*servertest.Client{p.owner, p.admin, p.steward, p.owner} {
		name := []string{"public", "private"}[i%2]
		who.Put(t, path, nil).WantStatus(ok).WantGolden("circuit/toggle_" + name)
		p.other.Get(t, p.path).WantStatus([]int{ok, unknown}[i%2])
	}
	p.owner.Put(t, path, `{"ignored":true}`).WantStatus(ok).WantGolden("circuit/toggle_public")
	for _, who := range []*servertest.Client{p.member, p.viewer, p.other, p.srv.Admin()} {
		who.Put(t, path, nil).WantStatus(denied).WantGolden("circuit/toggle_denied")
	}
	// A role in the place of the built-in one takes the right away.
	p.owner.Post(t, p.path+"/roles", `{"role_name":"Watcher","permissions":["pull"],"description":""}`).WantStatus(ok)
	p.owner.Patch(t, p.path+"/members/"+p.admin.UserID, `{"role":"Watcher"}`).WantStatus(ok)
	p.admin.Put(t, path, nil).WantStatus(denied).WantGolden("circuit/toggle_denied")
	p.owner.Put(t, path, nil).WantStatus(ok)
	p.other.Put(t, path, nil).WantStatus(unknown).WantGolden("circuit/not_found")
	p.owner.Put(t, "/api/circuits/"+uuid.NewString()+"/visibility/toggle", nil).WantStatus(unknown).WantGolden("circuit/not_found")
	p.owner.Put(t, "/api/circuits/7/visibility/toggle", nil).WantStatus(bad).WantGolden("circuit/toggle_bad_id")
}

func TestAliasConfig(t *testing.T) {
	t.Parallel()
	p := startParties(t, "")
	path := p.path + "/alias-config"
	p.viewer.Get(t, path).WantStatus(ok).WantGolden("circuit/alias_none")
	p.owner.Put(t, path, `{}`).WantStatus(ok).WantGolden("circuit/alias_defaults")
	p.srv.Admin().Get(t, path).WantStatus(ok).WantGolden("circuit/alias_defaults")
	p.steward.Put(t, path, `{"required_canonical":["sisbov"],"required_contextual":["lote"],"use_fingerprint":false,
		"allowed_namespaces":["bovino"],"auto_apply_namespace":false,"more":1}`).WantStatus(ok).WantGolden("circuit/alias_set")
	p.member.Get(t, path).WantStatus(ok).WantGolden("circuit/alias_set")
	// It holds for the next push.
	push(t, p.owner, p.id, newLocal(t, p.owner, sisbov("BR000000000001"), `{}`), "").WantStatus(bad)
	p.owner.Put(t, path, `{"required_canonical":null,"allowed_namespaces":[]}`).WantStatus(ok).WantGolden("circuit/alias_no_namespace")
	p.owner.Put(t, path, `{"required_canonical":["sisbov"]}`).WantStatus(ok)
	pushed(t, p.owner, p.id, "BR000000000001")

	list := func(n int, entry string) string {
		return `["` + strings.Join(strings.Split(strings.Repeat(entry+" ", n-1)+entry, " "), `","`) + `"]`
	}
	p.owner.Put(t, path, `{"required_contextual":`+list(100, strings.Repeat("k", 1024))+`}`).WantStatus(ok)
	public := "/api/circuits/" + newCircuit(t, p.owner, `,"allow_public_visibility":true`) + "/alias-config"
	for _, tt := range []struct {
		who        *servertest.Client
		path, body string
		status     int
		golden     string
	}{
		{p.owner, path, `{"required_canonical":` + list(101, "k") + `}`, bad, "alias_too_many"},
		{p.owner, path, `{"required_contextual":` + list(1, strings.Repeat("k", 1025)) + `}`, bad, "alias_too_long"},
		{p.owner, path, `{"allowed_namespaces":["a\u0000"]}`, bad, "alias_nul"},
		{p.owner, path, `{"use_fingerprint":"yes"}`, misshaped, "alias_shape"},
		{p.admin, path, `{}`, bad, "alias_denied"},
		{p.other, path, `{}`, bad, "alias_unknown"},
		{p.owner, "/api/circuits/7/alias-config", `{}`, bad, "bad_id"},
		{p.owner, path, "", bad, "alias_no_body"},
	} {
		tt.who.Put(t, tt.path, tt.body).WantStatus(tt.status).WantGolden("circuit/" + tt.golden)
	}
	p.other.Get(t, public).WantStatus(denied).WantGolden("circuit/alias_read_denied")
	p.other.Get(t, path).WantStatus(unknown).WantGolden("circuit/not_found")
	p.owner.Get(t, "/api/circuits/7/alias-config").WantStatus(bad).WantGolden("circuit/bad_id")
	createCircuit(t, p.owner, `,"alias_config":{"required_canonical":`+list(101, "k")+`}`).WantStatus(bad).WantGolden("circuit/create_alias_too_many")
}

// A circuit has one owner at any time, and the old one keeps no more than Admin.
func TestTransferCircuit(t *testing.T) {
	t.Parallel()
	p := startParties(t, "")
	path := p.path + "/transfer"
	to := func(who *servertest.Client) string { return fmt.Sprintf(`{"new_owner_id":%q}`, who.UserID) }
	p.admin.Post(t, path, to(p.admin)).WantStatus(bad).WantGolden("circuit/transfer_denied")
	p.srv.Admin().Post(t, path, to(p.srv.Admin())).WantStatus(bad).WantGolden("circuit/transfer_denied")
	p.owner.Post(t, path, to(p.owner)).WantStatus(bad).WantGolden("circuit/transfer_to_himself")
	p.owner.Post(t, path, to(p.other)).WantStatus(bad).WantGolden("circuit/transfer_to_a_stranger")
	p.owner.Post(t, path, `{}`).WantStatus(misshaped).WantGolden("circuit/transfer_to_nobody")
	p.other.Post(t, path, to(p.other)).WantStatus(bad).WantGolden("circuit/transfer_unknown")
	p.owner.Post(t, "/api/circuits/7/transfer", to(p.member)).WantStatus(bad).WantGolden("circuit/bad_id")

	p.owner.Post(t, path, to(p.steward)).WantStatus(ok).WantGolden("circuit/transferred")
	p.owner.Post(t, path, to(p.owner)).WantStatus(bad).WantGolden("circuit/transfer_denied") // his no more
	p.owner.Patch(t, p.path, `{"name":"x"}`).WantStatus(bad).WantGolden("circuit/update_denied")
	p.owner.Delete(t, p.path+"/members/"+p.steward.UserID).WantStatus(bad).WantGolden("circuit/remove_owner")
	p.steward.Post(t, path, to(p.owner)).WantStatus(ok)
	p.owner.Get(t, p.path).WantStatus(ok).WantGolden("circuit/transferred_back")

	// An owner without an entry of his own can give it away as well; a member
	// without an account cannot have it.
	odd := "/api/circuits/" + seedCircuit(t, p.srv, func(c *app.Circuit) {
		c.OwnerID = p.owner.UserID
		c.Members = append(c.Members, app.CircuitMember{UserID: "user-gone", Role: app.RoleAdmin, JoinedAt: chainStart})
	}, roles{p.member: app.RoleMember}) + "/transfer"
	p.owner.Post(t, odd, `{"new_owner_id":"user-gone"}`).WantStatus(bad).WantGolden("circuit/transfer_to_the_gone")
	p.owner.Post(t, odd, to(p.member)).WantStatus(ok).WantGolden("circuit/transferred_oddly")
}

// Where tiers are enforced nobody gets over his number of circuits by a gift or
// by taking one up again.
func TestCircuitsOfTier(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart), servertest.WithConfig(func(c *server.Config) { c.Limits.EnforceTiers = true }))
	owner := srv.User("owner", func(u *identity.NewUser) { u.Tier = app.TierProfessional })
	heir := srv.User("heir") // Basic: five circuits
	give := func() (string, *servertest.Response) {
		path := "/api/circuits/" + newCircuit(t, owner, "")
		owner.Post(t, path+"/members", `{"member_id":"user-heir","role":"viewer"}`).WantStatus(ok)
		return path, owner.Post(t, path+"/transfer", `{"new_owner_id":"user-heir"}`)
	}
	var own string
	for range 5 {
		path, res := give()
		res.WantStatus(ok)
		own = path
	}
	given, res := give()
	res.WantStatus(denied).WantGolden("circuit/transfer_tier")
	heir.Put(t, own+"/deactivate", nil).WantStatus(ok)
	owner.Post(t, given+"/transfer", `{"new_owner_id":"user-heir"}`).WantStatus(ok)
	heir.Put(t, own+"/reactivate", nil).WantStatus(denied).WantGolden("circuit/reactivate_tier")
	heir.Put(t, given+"/deactivate", nil).WantStatus(ok)
	heir.Put(t, own+"/reactivate", nil).WantStatus(ok)
	// One that is not active counts for nobody.
	heir.Post(t, given+"/transfer", `{"new_owner_id":"user-owner"}`).WantStatus(ok)
	srv.User("great", func(u *identity.NewUser) { u.Tier = app.TierEnterprise })
	owner.Post(t, given+"/members", `{"member_id":"user-great","role":"viewer"}`).WantStatus(ok)
	owner.Post(t, given+"/transfer", `{"new_owner_id":"user-great"}`).WantStatus(ok)
	srv.User("great").Put(t, given+"/reactivate", nil).WantStatus(ok) // without a limit
}

// Of others one sees the public circuits only, and not who is in them.
func TestCircuitsOfMember(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	maria, other := srv.User("maria"), srv.User("other")
	private := newCircuit(t, maria, "")
	public := newCircuit(t, maria, `,"allow_public_visibility":true`)
	archived := seedCircuit(t, srv, func(c *app.Circuit) {
		c.Status, c.Permissions.AllowPublicVisibility = app.CircuitArchived, true
	}, roles{maria: app.RoleOwner})
	joined := newCircuit(t, other, `,"allow_public_visibility":true`)
	other.Post(t, "/api/circuits/"+joined+"/members", `{"member_id":"user-maria","role":"viewer"}`).WantStatus(ok)
	const path = "/api/circuits/member/user-maria"
	for who, want := range map[*servertest.Client][]string{
		maria:                {joined, public, private},
		srv.Admin():          {joined, public, private},
		other:                {joined, public},
		srv.User("stranger"): {joined, public},
	} {
		wantTexts(t, who, path, "circuit_id", want...)
	}
	wantTexts(t, maria, path+"?limit=1&offset=1", "circuit_id", public)
	wantTexts(t, other, path+"?limit=1&offset=1", "circuit_id", public)
	srv.User("stranger").Get(t, path).WantStatus(ok).WantGolden("circuit/of_member_as_stranger")
	maria.Get(t, path).WantStatus(ok).WantGolden("circuit/of_member")
	maria.Get(t, "/api/circuits/member/user-nobody").WantStatus(ok).WantGolden("circuit/of_nobody")
	maria.Get(t, "/api/circuits/member/%00").WantStatus(ok).WantGolden("circuit/of_nobody")
	srv.Anonymous().Get(t, path).WantStatus(unauthorized)
	maria.Get(t, "/api/circuits/"+archived).WantStatus(ok)
}
