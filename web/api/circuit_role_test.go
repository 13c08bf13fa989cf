package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/web/servertest"
)

func TestCreateRole(t *testing.T) {
	t.Parallel()
	p := startParties(t, "")
	path := p.path + "/roles"
	p.owner.Post(t, path, `{"role_name":" Inspector ","permissions":["PULL","audit","Pull"],"description":"Reads only","color":null}`).
		WantStatus(ok).WantGolden("circuit/role_created")
	p.admin.Post(t, path, `{"role_name":"Admin","permissions":[],"description":"","color":"`+strings.Repeat("c", 64)+`"}`).
		WantStatus(ok).WantGolden("circuit/role_created_empty")
	p.owner.Post(t, path, `{"role_name":"`+strings.Repeat("ã", 100)+`","permissions":[],"description":"`+strings.Repeat("x", 65536)+`"}`).WantStatus(ok)
	for _, tt := range []struct {
		who        *servertest.Client
		path, body string
		status     int
		golden     string
	}{
		{p.owner, "/api/circuits/7/roles", `{"role_name":"R","permissions":[],"description":""}`, bad, "bad_id"},
		{p.owner, path, `{"permissions":[],"description":""}`, misshaped, "role_no_name"},
		{p.owner, path, `{"role_name":"R","permissions":null,"description":""}`, misshaped, "role_no_permissions"},
		{p.owner, path, `{"role_name":"R","permissions":[]}`, misshaped, "role_no_description"},
		{p.other, path, `{"role_name":"","permissions":["push","manage_members","fly"],"description":""}`, bad, "role_bad_permission"},
		{p.owner, "/api/circuits/" + uuid.NewString() + "/roles", `{"role_name":"R","permissions":[],"description":""}`, bad, "role_create_unknown_circuit"},
		{p.other, path, `{"role_name":"R","permissions":[],"description":""}`, bad, "role_create_unknown_circuit"},
		{p.steward, path, `{"role_name":"R","permissions":[],"description":""}`, bad, "role_create_denied"},
		{p.srv.Admin(), path, `{"role_name":"R","permissions":[],"description":""}`, bad, "role_create_denied"},
		{p.owner, path, `{"role_name":"Owner","permissions":[],"description":""}`, bad, "role_exists"},
		{p.owner, path, `{"role_name":"Inspector","permissions":[],"description":""}`, bad, "role_exists_too"},
		{p.owner, path, `{"role_name":" \t","permissions":[],"description":""}`, bad, "role_name_empty"},
		{p.owner, path, `{"role_name":"` + strings.Repeat("ã", 101) + `","permissions":[],"description":""}`, bad, "role_name_too_long"},
		{p.owner, path, `{"role_name":"R","permissions":[],"description":"` + strings.Repeat("x", 65537) + `"}`, bad, "role_description_too_long"},
		{p.owner, path, `{"role_name":"R","permissions":[],"description":"","color":"` + strings.Repeat("c", 65) + `"}`, bad, "role_color_too_long"},
		{p.owner, path, `{"role_name":"R\u0000","permissions":[],"description":""}`, bad, "role_nul"},
		{p.admin, path, `{"role_name":"R","permissions":["push","managepermissions"],"description":""}`, bad, "role_above_his_rights"},
	} {
		tt.who.Post(t, tt.path, tt.body).WantStatus(tt.status).WantGolden("circuit/" + tt.golden)
	}
	for n := range 100 - 6 {
		p.owner.Post(t, path, fmt.Sprintf(`{"role_name":"R%d","permissions":[],"description":""}`, n)).WantStatus(ok)
	}
	p.owner.Post(t, path, `{"role_name":"One more","permissions":[],"description":""}`).WantStatus(bad).WantGolden("circuit/role_too_many")
	wantRows(t, p.owner, path, 100)
}

func TestListRoles(t *testing.T) {
	t.Parallel()
	p := startParties(t, "")
	path := p.path + "/roles"
	p.viewer.Get(t, path).WantStatus(ok).WantGolden("circuit/roles")
	p.srv.Admin().Get(t, path).WantStatus(ok).WantGolden("circuit/roles")
	wantTexts(t, p.owner, path+"?limit=1&offset=1", "role_name", "Member")
	wantTexts(t, p.owner, path+"?limit=5&offset=2", "role_name", "Steward")
	wantTexts(t, p.owner, path+"?offset=9", "role_name")
	wantTexts(t, p.owner, path+"?limit=0", "role_name")
	p.other.Get(t, path).WantStatus(unknown).WantGolden("circuit/roles_unknown")
	p.owner.Get(t, "/api/circuits/"+uuid.NewString()+"/roles").WantStatus(unknown).WantGolden("circuit/roles_unknown")
	p.owner.Get(t, "/api/circuits/7/roles").WantStatus(bad).WantGolden("circuit/bad_id")
	p.owner.Put(t, p.path+"/visibility/toggle", nil).WantStatus(ok)
	wantTexts(t, p.other, path, "role_name") // members are not for the public to know
}

// A role's rights are its members' rights.
func TestUpdateRole(t *testing.T) {
	t.Parallel()
	p := startParties(t, "")
	path := p.path + "/roles/Steward"
	p.owner.Put(t, path, `{}`).WantStatus(ok).WantGolden("circuit/role_update_nothing")
	p.admin.Put(t, path, `{"description":"New","color":"","permissions":null}`).WantStatus(ok).WantGolden("circuit/role_update_texts")
	p.owner.Put(t, path, `{"permissions":["audit","PULL","audit"]}`).WantStatus(ok).WantGolden("circuit/role_update_permissions")
	p.steward.Get(t, p.path).WantStatus(ok).WantGolden("circuit/role_updated")
	p.owner.Put(t, path, `{"permissions":[]}`).WantStatus(ok).WantGolden("circuit/role_update_none")
	nowhere := "/api/circuits/" + uuid.NewString() + "/roles/Steward"
	for _, tt := range []struct {
		who        *servertest.Client
		path, body string
		status     int
		golden     string
	}{
		{p.owner, "/api/circuits/7/roles/Steward", `{}`, bad, "bad_id"},
		{p.other, path, `{"permissions":["fly"]}`, bad, "role_update_bad_permission"},
		{p.member, path, `{}`, denied, "role_update_denied"},
		{p.srv.Admin(), path, `{}`, denied, "role_update_denied"},
		{p.owner, nowhere, `{}`, unknown, "role_update_unknown_circuit"},
		{p.other, path, `{}`, unknown, "role_update_unknown_circuit"},
		{p.owner, p.path + "/roles/Owner", `{"permissions":[]}`, bad, "role_update_default"},
		{p.owner, p.path + "/roles/Member", `{"description":"x"}`, bad, "role_update_default"},
		{p.owner, p.path + "/roles/steward", `{}`, unknown, "role_update_unknown"},
		{p.owner, path, `{"description":"` + strings.Repeat("x", 65537) + `"}`, bad, "role_update_too_long"},
		{p.owner, path, `{"color":"a\u0000"}`, bad, "role_update_nul"},
		{p.admin, path, `{"permissions":["pull","delete"]}`, denied, "role_update_above_his_rights"},
		{p.owner, path, `{"permissions":"pull"}`, misshaped, "role_update_shape"},
	} {
		tt.who.Put(t, tt.path, tt.body).WantStatus(tt.status).WantGolden("circuit/" + tt.golden)
	}
	// Names with what is special in paths.
	for _, name := range []string{"a/b", "100 %", "ção?#", "..", "roles;x"} {
		p.owner.Post(t, p.path+"/roles", map[string]any{"role_name": name, "permissions": []string{}, "description": ""}).WantStatus(ok)
		escaped := strings.ReplaceAll(url.PathEscape(name), ".", "%2E")
		if got := p.owner.Put(t, p.path+"/roles/"+escaped, `{"description":"new"}`).WantStatus(ok).Field("role_name"); got != name {
			t.Errorf("%s: got role %s", name, got)
		}
		p.owner.Delete(t, p.path+"/roles/"+escaped).WantStatus(ok)
	}
}

func TestDeleteRole(t *testing.T) {
	t.Parallel()
	p := startParties(t, "")
	path := p.path + "/roles/Steward"
	p.owner.Patch(t, p.path+"/members/user-viewer", `{"role":"Steward"}`).WantStatus(ok)
	key := newKey(t, p.owner, "")
	for _, tt := range []struct {
		who    *servertest.Client
		path   string
		status int
		golden string
	}{
		{p.owner, "/api/circuits/7/roles/Steward", bad, "bad_id"},
		{p.steward, path, denied, "role_delete_denied"},
		{p.srv.Admin(), path, denied, "role_delete_denied"},
		{p.other, path, unknown, "role_delete_unknown_circuit"},
		{p.owner, "/api/circuits/" + uuid.NewString() + "/roles/Steward", unknown, "role_delete_unknown_circuit"},
		{p.admin, p.path + "/roles/Owner", bad, "role_delete_default"},
		{p.owner, p.path + "/roles/Member", bad, "role_delete_default"},
		{p.owner, p.path + "/roles/Admin", unknown, "role_delete_unknown"},
		{p.admin, path, bad, "role_delete_held"},
		{p.srv.Anonymous(), path, unauthorized, "role_delete_anonymous"},
	} {
		tt.who.Do(t, http.MethodDelete, tt.path, nil).WantStatus(tt.status).WantGolden("circuit/" + tt.golden)
	}
	for _, who := range []string{"user-viewer", "user-steward"} {
		p.owner.Patch(t, p.path+"/members/"+who, `{"role":"Viewer"}`).WantStatus(ok)
	}
	key.Delete(t, path).WantStatus(ok).WantGolden("circuit/role_deleted")
	key.Delete(t, path).WantStatus(unknown).WantGolden("circuit/role_delete_gone")
	p.owner.Patch(t, p.path+"/members/user-viewer", `{"role":"Steward"}`).WantStatus(bad)
}
