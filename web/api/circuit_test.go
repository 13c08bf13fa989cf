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
	"github.com/defarm-repo/defarm/web/servertest"
)

// createCircuit sends a body with a name, a description and more members.
func createCircuit(t *testing.T, who *servertest.Client, more string) *servertest.Response {
	t.Helper()
	return who.Post(t, "/api/circuits", `{"name":"Herd","description":"Of the test"`+more+`}`)
}

// Every option of a new circuit, as given, as null and in the spellings that
// shipped clients use; the answer is what a later read gives.
func TestCreateCircuit(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	for _, tt := range []struct{ name, more string }{
		{"nulls", `,"adapter_config":null,"alias_config":null,"allow_public_visibility":null,"public_settings":null,
			"require_approval_for_push":null,"require_approval_for_pull":null,"auto_approve_members":null,"default_namespace":null`},
		{"switches", `,"allow_public_visibility":true,"require_approval_for_push":true,"require_approval_for_pull":true`},
		{"public_settings_open_it", `,"allow_public_visibility":false,"public_settings":{}`},
		{"public_settings", `,"public_settings":{"access_mode":"OPEN","scheduled_date":"2026-01-02T03:04:05.250-03:00","public_name":"Open herd",
			"public_description":"Ours","primary_color":"#0a0","secondary_color":"green","logo_url":"not checked","tagline":"t","footer_text":"f",
			"published_items":[],"auto_approve_members":true,"auto_publish_pushed_items":true,"show_encrypted_events":true,
			"required_event_types":"Created","data_quality_rules":"none","export_permissions":"mEMBERS","display_name":"ignored"}`},
		{"protected", `,"public_settings":{"access_mode":"Protected","access_password":"s3cret of the herd"}`},
		{"protected_by_nothing", `,"public_settings":{"access_mode":"protected","access_password":""}`},
		{"scheduled", `,"public_settings":{"access_mode":"scheduled","scheduled_date":"2025-10-14T00:00:00Z","export_permissions":null}`},
		{"identity_from_the_body", `,"owner_id":"user-eve","requester_id":"user-eve","circuit_id":"00000000-0000-4000-8000-000000000000",
			"status":"Archived","members":[{"member_id":"user-eve","role":"Owner"}],"custom_roles":[],"created_timestamp":1`},
	} {
		res := createCircuit(t, who, tt.more).WantStatus(http.StatusOK).WantGolden("circuit/create_" + tt.name)
		if strings.Contains(string(res.Body), "s3cret") || strings.Contains(string(res.Body), "$2a$") {
			t.Errorf("%s: the answer shows a secret: %s", tt.name, res.Body)
		}
		who.Get(t, "/api/circuits/"+res.Field("circuit_id")).WantStatus(http.StatusOK).WantGolden("circuit/create_" + tt.name)
	}
	dated := createCircuit(t, who, `,"public_settings":{"scheduled_date":"2026-01-02T03:04:05.250-03:00"}`).WantStatus(http.StatusOK)
	if got := dated.Field("public_settings.scheduled_date"); got != "2026-01-02T06:04:05.250Z" {
		t.Errorf("scheduled date: got %s, want it in UTC", got) // a golden file does not show dates
	}
	if made, changed := dated.Field("created_timestamp"), dated.Field("last_modified"); made != fmt.Sprint(chainStart.Unix()) || changed != made {
		t.Errorf("made at %s, changed at %s, want both at %d", made, changed, chainStart.Unix())
	}
}

// The names of adapters that are accepted at creation, and who may choose them.
func TestCircuitAdapters(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	tier := func(tier app.Tier) *servertest.Client {
		return srv.User(strings.ToLower(string(tier)), func(u *identity.NewUser) { u.Tier = tier })
	}
	basic, professional, enterprise := tier(app.TierBasic), tier(app.TierProfessional), tier(app.TierEnterprise)
	// A personal list counts where items are pushed, not here.
	listed := srv.User("listed", func(u *identity.NewUser) { u.Adapters = []app.AdapterType{app.AdapterStellarMainnet} })
	const denied, missing, unknown = http.StatusForbidden, http.StatusBadRequest, http.StatusUnprocessableEntity
	for _, tt := range []struct {
		who     *servertest.Client
		adapter string
		status  int
	}{
		{basic, `{}`, 200},
		{basic, `{"adapter_type":null,"requires_approval":true,"auto_migrate_existing":true,"sponsor_adapter_access":true}`, 200},
		{basic, `{"requires_approval":null,"sponsor_adapter_access":null}`, 200}, // null is absent, as everywhere
		{basic, `{"adapter_type":"none"}`, 200},
		{basic, `{"adapter_type":"None"}`, 200},
		{basic, `{"adapter_type":" ipfs-ipfs "}`, 200},
		{basic, `{"adapter_type":"IpfsIpfs"}`, 200},
		{basic, `{"adapter_type":"stellar_testnet-ipfs"}`, denied},
		{basic, `{"adapter_type":"stellar_testnet-ipfs","sponsor_adapter_access":true}`, denied},
		{professional, `{"adapter_type":"stellar_testnet-ipfs"}`, missing},
		{professional, `{"adapter_type":"StellarTestnetIpfs"}`, missing},
		{professional, `{"adapter_type":"stellar-testnet-ipfs"}`, missing},
		{professional, `{"adapter_type":"stellar_mainnet-ipfs"}`, denied},
		{enterprise, `{"adapter_type":"stellar-mainnet-ipfs"}`, missing},
		{enterprise, `{"adapter_type":"ethereum_goerli-ipfs"}`, denied},
		{enterprise, `{"adapter_type":"PolygonArweave"}`, denied},
		{enterprise, `{"adapter_type":"custom-cellar"}`, denied},
		{listed, `{"adapter_type":"stellar_mainnet-ipfs"}`, denied},
		{basic, `{"adapter_type":"IPFS-IPFS"}`, unknown},
		{basic, `{"adapter_type":"StellarTestnet-IPFS"}`, unknown},
		{basic, `{"adapter_type":"LocalLocal"}`, unknown},
		{basic, `{"adapter_type":"custom-"}`, unknown},
		{basic, `{"adapter_type":""}`, unknown},
		{basic, `{"sponsor_adapter_access":"yes"}`, unknown},
	} {
		before := texts(t, tt.who, "/api/circuits?include_public=false", "circuit_id")
		res := createCircuit(t, tt.who, `,"adapter_config":`+tt.adapter)
		if res.Status != tt.status {
			t.Errorf("%s, %s: got %d, want %d; %s", tt.who.Username, tt.adapter, res.Status, tt.status, res.Body)
		}
		after := texts(t, tt.who, "/api/circuits?include_public=false", "circuit_id")
		if made := len(after) - len(before); made != map[bool]int{true: 1, false: 0}[tt.status == 200] {
			t.Errorf("%s, %s: %d circuits made by an answer %d", tt.who.Username, tt.adapter, made, res.Status)
		}
	}
	createCircuit(t, basic, `,"adapter_config":{"adapter_type":"stellar_mainnet-ipfs"}`).WantStatus(denied).WantGolden("circuit/adapter_not_in_tier")
	createCircuit(t, enterprise, `,"adapter_config":{"adapter_type":"custom-cellar"}`).WantStatus(denied).WantGolden("circuit/adapter_custom")
	createCircuit(t, professional, `,"adapter_config":{"adapter_type":"stellar_testnet-ipfs"}`).WantStatus(missing).WantGolden("circuit/adapter_not_here")
	createCircuit(t, basic, `,"adapter_config":{"adapter_type":"floppy"}`).WantStatus(unknown).WantGolden("circuit/adapter_unknown")
}

// Settings of the public face that make no sense are refused with the details
// that front ends show, in the contract's order (03 §4.1).
func TestPublicSettingsRefused(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	for _, tt := range []struct{ name, settings string }{
		{"access_mode", `{"access_mode":"secret","export_permissions":"nobody"}`},
		{"access_mode_empty", `{"access_mode":""}`},
		{"schedule_missing", `{"access_mode":"scheduled","export_permissions":"nobody"}`},
		{"schedule_of_a_day", `{"access_mode":"scheduled","scheduled_date":"2025-10-14"}`},
		{"schedule_without_offset", `{"access_mode":"public","scheduled_date":"2025-10-14T00:00:00"}`},
		{"password_missing", `{"access_mode":"Protected","export_permissions":"nobody"}`},
		{"password_too_long", `{"access_mode":"protected","access_password":"` + strings.Repeat("x", 73) + `"}`},
		{"export_level", `{"export_permissions":"nobody"}`},
		{"published_items", `{"published_items":["DFID-20250101-000001-F7BD"]}`},
	} {
		createCircuit(t, who, `,"public_settings":`+tt.settings).WantStatus(http.StatusUnprocessableEntity).WantGolden("circuit/refused_" + tt.name)
	}
	createCircuit(t, who, `,"public_settings":{"access_mode":"protected","access_password":"`+strings.Repeat("x", 72)+`"}`).WantStatus(http.StatusOK)
	wantRows(t, who, "/api/circuits", 1)
}

// Names and descriptions at their bounds.
func TestCircuitTexts(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	const refused = "Failed to create circuit: Validation error: "
	for _, tt := range []struct{ name, circuit, description, said string }{
		{"nothing in them", "", "", ""},
		{"longest name", strings.Repeat("é", 255), "", ""},
		{"name too long", strings.Repeat("é", 256), "", refused + "name is longer than 255 characters"},
		{"longest description", "x", strings.Repeat("x", 64<<10), ""},
		{"description too long", "x", strings.Repeat("x", 64<<10+1), refused + "description is longer than 65536 bytes"},
		{"U+0000 in the name", "a\x00b", "", refused + "name and description must not contain U+0000"},
		{"U+0000 in the description", "x", "a\x00b", refused + "name and description must not contain U+0000"},
	} {
		res := who.Post(t, "/api/circuits", map[string]string{"name": tt.circuit, "description": tt.description})
		if tt.said != "" {
			res.WantStatus(http.StatusBadRequest).WantError(tt.said)
			continue
		}
		if got := res.WantStatus(http.StatusOK).Field("name"); got != tt.circuit {
			t.Errorf("%s: got name %q, want %q", tt.name, got, tt.circuit)
		}
	}
	for _, ns := range append([]string{""}, app.Namespaces...) {
		createCircuit(t, who, fmt.Sprintf(`,"default_namespace":%q`, ns)).WantStatus(http.StatusOK)
	}
	for _, ns := range []string{"Bovino", "gado", " bovino"} {
		createCircuit(t, who, fmt.Sprintf(`,"default_namespace":%q`, ns)).WantStatus(http.StatusBadRequest).WantGolden("circuit/refused_namespace")
	}
}

// A key makes circuits for its owner: they are his with every credential.
func TestCircuitMadeWithAKey(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	key := who.Post(t, "/api/api-keys", `{"name":"k","permissions":{"read":true,"write":true}}`).WantStatus(http.StatusOK).Field("api_key")
	res := createCircuit(t, who.WithKey(key), "").WantStatus(http.StatusOK)
	if got := res.Field("owner_id"); got != who.UserID {
		t.Errorf("owner: got %s, want %s", got, who.UserID)
	}
	wantTexts(t, who, "/api/circuits", "circuit_id", res.Field("circuit_id"))
	wantTexts(t, who.WithKey(key), "/api/circuits/list", "circuit_id", res.Field("circuit_id"))
}

// Lists are newest first, an own circuit that is public comes once, and those
// that are archived come never.
func TestCircuitLists(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, member, stranger := srv.User("owner"), srv.User("member"), srv.User("stranger")
	ids := map[string]string{}
	seed := func(name string, edit func(*app.Circuit)) {
		ids[seedCircuit(t, srv, edit, roles{owner: app.RoleOwner, member: app.RoleMember})] = name
	}
	seed("private", nil)
	seed("public", func(c *app.Circuit) { c.Permissions.AllowPublicVisibility = true })
	seed("public, inactive", func(c *app.Circuit) { c.Permissions.AllowPublicVisibility, c.Status = true, app.CircuitInactive })
	seed("public, protected", func(c *app.Circuit) {
		c.Permissions.AllowPublicVisibility, c.Public = true, &app.PublicSettings{AccessMode: app.AccessProtected, PasswordHash: "x"}
	})
	seed("public, archived", func(c *app.Circuit) { c.Permissions.AllowPublicVisibility, c.Status = true, app.CircuitArchived })
	const huge = "9223372036854775807"
	all := []string{"public, protected", "public, inactive", "public", "private"}
	for _, tt := range []struct {
		who   *servertest.Client
		query string
		want  []string
	}{
		{owner, "", all},
		{owner, "?include_public=true", all},
		{owner, "?include_public=false", all},
		{member, "", all},
		{member, "?include_public=false", all},
		{stranger, "", all[:3]},
		{stranger, "?include_public=false", nil},
		{stranger, "?include_public=false&visibility=public", nil},
		{stranger, "?include_public=false&user_id=user-owner", nil},
		{srv.Admin(), "", all[:3]},
		{owner, "?status=Active", []string{"public, protected", "public", "private"}},
		{owner, "?status=iNACTIVE", all[1:2]},
		{owner, "?status=archived", nil},
		{owner, "?status=open", nil},
		{owner, "?status=%C3%A9", nil},
		{owner, "?status=", all},
		{owner, "?limit=2", all[:2]},
		{owner, "?limit=2&offset=1", all[1:3]},
		{owner, "?limit=0", nil},
		{owner, "?offset=4", nil},
		{owner, "?limit=" + huge, all},
		{owner, "?offset=" + huge, nil},
		{stranger, "?limit=" + huge + "&offset=2", all[2:3]},
	} {
		want := []string{}
		for _, name := range tt.want {
			for id, n := range ids {
				if n == name {
					want = append(want, id)
				}
			}
		}
		for _, path := range []string{"/api/circuits", "/api/circuits/list"} {
			wantTexts(t, tt.who, path+tt.query, "circuit_id", want...)
		}
	}
	for query, said := range map[string]string{
		"?include_public=1":    "include_public: provided string was not `true` or `false`",
		"?include_public=True": "include_public: provided string was not `true` or `false`",
		"?include_public=":     "include_public: provided string was not `true` or `false`",
		"?limit=":              "limit: cannot parse integer from empty string",
	} {
		owner.Get(t, "/api/circuits"+query).WantStatus(http.StatusBadRequest).WantError("Failed to deserialize query string: " + said)
	}
}

// Who is no member sees of a circuit what is public of it, and nothing before
// its day comes or when it is archived.
func TestCircuitsOfOthers(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, member, stranger := srv.User("owner"), srv.User("member"), srv.User("stranger")
	day := chainStart.Add(24 * time.Hour)
	seed := func(edit func(*app.Circuit)) string {
		return seedCircuit(t, srv, func(c *app.Circuit) {
			c.Permissions.AllowPublicVisibility = true
			edit(c)
		}, roles{owner: app.RoleOwner, member: app.RoleMember})
	}
	protected := seed(func(c *app.Circuit) {
		c.Public = &app.PublicSettings{AccessMode: app.AccessProtected, PasswordHash: "$2a$secret", AutoPublish: true}
	})
	scheduled := seed(func(c *app.Circuit) {
		c.Public = &app.PublicSettings{AccessMode: app.AccessScheduled, ScheduledDate: &day, AutoPublish: true}
	})
	archived := seed(func(c *app.Circuit) { c.Status = app.CircuitArchived })
	inactive := seed(func(c *app.Circuit) { c.Status = app.CircuitInactive })
	pushed(t, owner, protected, "BR000000000001")
	pushed(t, owner, scheduled, "BR000000000002")

	owner.Get(t, "/api/circuits/"+protected).WantStatus(http.StatusOK).WantGolden("circuit/protected_as_owner")
	member.Get(t, "/api/circuits/"+protected).WantStatus(http.StatusOK).WantGolden("circuit/protected_as_member")
	stranger.Get(t, "/api/circuits/"+protected).WantStatus(http.StatusOK).WantGolden("circuit/protected_as_stranger")
	stranger.Get(t, "/api/circuits/"+scheduled).WantStatus(http.StatusOK).WantGolden("circuit/scheduled_before")
	stranger.Get(t, "/api/circuits/"+archived).WantStatus(http.StatusNotFound).WantGolden("circuit/not_found")
	member.Get(t, "/api/circuits/"+archived).WantStatus(http.StatusOK)
	stranger.Get(t, "/api/circuits/"+inactive).WantStatus(http.StatusOK)
	stranger.Get(t, "/api/circuits/"+uuid.NewString()).WantStatus(http.StatusNotFound).WantGolden("circuit/not_found")
	srv.Anonymous().Get(t, "/api/circuits/"+inactive).WantStatus(http.StatusUnauthorized)

	srv.Advance(24*time.Hour - time.Nanosecond)
	again := srv.Login(t, "stranger", servertest.Password) // a token lasts a day
	again.Get(t, "/api/circuits/"+scheduled).WantStatus(http.StatusOK).WantGolden("circuit/scheduled_before")
	srv.Advance(time.Nanosecond)
	again.Get(t, "/api/circuits/"+scheduled).WantStatus(http.StatusOK).WantGolden("circuit/scheduled_after")
}

// The path takes every spelling of a UUID; the answer has one.
func TestCircuitPaths(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	id := newCircuit(t, who, "")
	for _, spelling := range []string{id, strings.ToUpper(id), strings.ReplaceAll(id, "-", ""), "%7B" + id + "%7D", "urn:uuid:" + id} {
		if got := who.Get(t, "/api/circuits/"+spelling).WantStatus(http.StatusOK).Field("circuit_id"); got != id {
			t.Errorf("asked for %s: got %s, want %s", spelling, got, id)
		}
	}
	for _, bad := range []string{"7", id + "0", id[1:], "%7B" + id, "x" + id[1:], "%00"} {
		for _, path := range []string{"/api/circuits/" + bad, "/api/circuits/" + bad + "/items"} {
			who.Get(t, path).WantStatus(http.StatusBadRequest).WantGolden("circuit/bad_id")
		}
	}
	who.Get(t, "/api/circuits/").WantStatus(http.StatusNotFound)
	who.Delete(t, "/api/circuits/"+id).WantStatus(http.StatusMethodNotAllowed)
}
