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

// pushItem pushes an item that exists, as clients without a body do.
func pushItem(t *testing.T, who *servertest.Client, circuit, dfid string) *servertest.Response {
	t.Helper()
	return who.Post(t, "/api/circuits/"+circuit+"/push/"+dfid, nil)
}

// A push without approval does everything at once; another renews the place.
func TestPushItem(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart), servertest.SeededIDs(1))
	owner, member := srv.User("owner"), srv.User("member")
	circuit := seedCircuit(t, srv, func(c *app.Circuit) {
		c.Adapter.Type = app.AdapterIPFS
		c.Public = &app.PublicSettings{AccessMode: app.AccessPublic, AutoPublish: true}
	}, roles{owner: app.RoleOwner, member: app.RoleMember})
	path := "/api/circuits/" + circuit
	dfid := newItem(t, owner, sisbov("BR000000000001"), `,"enriched_data":{"weight":450}`)
	member.Get(t, "/api/items/"+dfid).WantStatus(http.StatusNotFound)

	pushItem(t, owner, circuit, dfid).WantStatus(http.StatusOK).WantGolden("circuitoperation/push")
	member.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK)
	wantTexts(t, member, path+"/items", "dfid", dfid)
	if got := member.Get(t, path).Field("public_settings.published_items.0"); got != dfid {
		t.Errorf("published: got %s, want %s", got, dfid)
	}
	owner.Get(t, "/api/events/item/"+dfid).WantStatus(http.StatusOK).WantGolden("circuitoperation/push_events")
	owner.Get(t, "/api/items/"+dfid+"/storage-history").WantStatus(http.StatusOK).WantGolden("circuitoperation/push_storage")
	member.Get(t, path+"/activities").WantStatus(http.StatusOK).WantGolden("circuitoperation/activities")

	srv.Advance(time.Minute)
	key := newKey(t, member, "")
	key.Post(t, path+"/push/"+dfid, `{"requester_id":"somebody","permissions":[]}`).WantStatus(http.StatusOK)
	wantTexts(t, owner, path+"/items", "pushed_by", member.UserID)
	wantTexts(t, owner, path+"/operations", "requester_id", member.UserID, owner.UserID)
	wantTexts(t, owner, path+"/activities", "user_id", member.UserID, owner.UserID)
	wantRows(t, owner, "/api/events/item/"+dfid, 3)
	if got := owner.Get(t, path).Field("public_settings.published_items"); got != `["`+dfid+`"]` {
		t.Errorf("published twice: got %s", got)
	}
}

// Whose items can be pushed, and what members of the circuit see then.
func TestPushableItems(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	farmer, plant, buyer, vet := srv.User("farmer"), srv.User("plant"), srv.User("buyer"), srv.User("vet")
	farm := seedCircuit(t, srv, nil, roles{farmer: app.RoleOwner, vet: app.RoleViewer})
	slaughter := newCircuit(t, plant, "")
	local := newLocal(t, farmer, sisbov("BR000000000001")+`,{"namespace":"bovino","key":"lote","value":"secret lot"}`, `{"price":900}`)
	dfid := push(t, farmer, farm, local, "").WantStatus(http.StatusOK).Field("dfid")
	same := newLocal(t, plant, sisbov("BR000000000001"), `{"carcass_kg":280}`)
	push(t, plant, slaughter, same, "").WantStatus(http.StatusOK)

	// Who sees a part passes on the identifiers that he sees, and no data.
	further := seedCircuit(t, srv, func(c *app.Circuit) { c.Adapter.Type = app.AdapterIPFS }, roles{plant: app.RoleOwner, buyer: app.RoleMember})
	pushItem(t, plant, further, dfid).WantStatus(http.StatusOK)
	buyer.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK).WantGolden("circuitoperation/passed_on_in_part")
	cid := buyer.Get(t, "/api/items/"+dfid+"/storage-history").WantStatus(http.StatusOK).Field("records.0.ipfs_cid")
	if doc := string(buyer.Get(t, "/ipfs/"+cid).WantStatus(http.StatusOK).Body); strings.Contains(doc, "secret lot") || strings.Contains(doc, "900") {
		t.Errorf("the document shows more than was seen: %s", doc)
	}
	// A member of a circuit that holds all of it passes on all of it.
	clinic := newCircuit(t, vet, "")
	pushItem(t, vet, clinic, dfid).WantStatus(http.StatusOK)
	vet.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK).WantGolden("circuitoperation/passed_on_whole")

	// So does somebody with whom it is shared, for as long as it is.
	mine := newItem(t, farmer, sisbov("BR000000000002"), "")
	pushItem(t, buyer, further, mine).WantStatus(http.StatusNotFound).WantError("Item not found")
	shareItem(t, farmer, mine, buyer.UserID, "").WantStatus(http.StatusOK)
	pushItem(t, buyer, further, mine).WantStatus(http.StatusOK)
	plant.Get(t, "/api/items/"+mine).WantStatus(http.StatusOK)
}

// Every refusal of a push, in the order in which they are looked for.
func TestPushItemRefused(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, member, viewer, admin := srv.User("owner"), srv.User("member"), srv.User("viewer"), srv.Admin()
	eve := srv.User("eve")
	poor := srv.User("poor", func(u *identity.NewUser) { u.Adapters = []app.AdapterType{app.AdapterStellarTestnet} })
	in := roles{owner: app.RoleOwner, member: app.RoleMember, viewer: app.RoleViewer, admin: app.RoleMember, poor: app.RoleMember}
	seed := func(edit func(c *app.Circuit)) string { return seedCircuit(t, srv, edit, in) }
	plain := seed(nil)
	public := seed(func(c *app.Circuit) { c.Permissions.AllowPublicVisibility = true })
	inactive := seed(func(c *app.Circuit) { c.Status = app.CircuitInactive })
	ipfs := seed(func(c *app.Circuit) { c.Adapter.Type = app.AdapterIPFS })
	stellar := seed(func(c *app.Circuit) { c.Adapter.Type = app.AdapterStellarTestnet })
	dfid := newItem(t, owner, sisbov("BR000000000001"), "")
	gone, primary, merged := newItem(t, owner, sisbov("BR000000000002"), ""), newItem(t, owner, sisbov("BR000000000003"), ""), newItem(t, owner, sisbov("BR000000000004"), "")
	owner.Delete(t, "/api/items/"+gone).WantStatus(http.StatusOK)
	owner.Post(t, "/api/items/"+primary+"/merge", fmt.Sprintf("%q", merged)).WantStatus(http.StatusOK)
	local := newLocal(t, owner, sisbov("BR000000000005"), `{}`)

	for _, tt := range []struct {
		name    string
		who     *servertest.Client
		circuit string
		item    string
		status  int
		golden  string
	}{
		{"no UUID", owner, "7", dfid, 400, "circuit/bad_id"},
		{"unknown circuit", owner, uuid.NewString(), dfid, 404, "circuit/not_found"},
		{"private, no member", eve, plain, dfid, 404, "circuit/not_found"},
		{"public, no member", eve, public, dfid, 403, "circuitoperation/no_push"},
		{"no permission before inactive", viewer, inactive, dfid, 403, "circuitoperation/no_push"},
		{"inactive before the item", owner, inactive, "DFID-none", 400, "circuitoperation/push_inactive"},
		{"adapter before the item", poor, ipfs, "DFID-none", 403, "circuitoperation/push_adapter"},
		{"adapter of another server", owner, stellar, dfid, 400, "circuitoperation/push_adapter_missing"},
		{"unknown item", owner, plain, "DFID-none", 404, "item/not_found"},
		{"somebody else's item", member, plain, dfid, 404, "item/not_found"},
		{"somebody else's item, administrator", admin, plain, dfid, 404, "item/not_found"},
		{"local item", owner, plain, "LID-" + local, 400, "circuitoperation/push_local"},
		{"local item of others", member, plain, "LID-" + local, 400, "circuitoperation/push_local"},
		{"deprecated", owner, plain, gone, 400, "circuitoperation/push_deprecated"},
		{"merged", owner, plain, merged, 400, "circuitoperation/push_merged"},
	} {
		res := pushItem(t, tt.who, tt.circuit, tt.item)
		if res.Status != tt.status {
			t.Errorf("%s: got %d %s, want %d", tt.name, res.Status, res.Body, tt.status)
			continue
		}
		res.WantGolden(tt.golden)
	}
	srv.Anonymous().Post(t, "/api/circuits/"+plain+"/push/"+dfid, nil).WantStatus(http.StatusUnauthorized)
	for _, circuit := range []string{plain, public, inactive, ipfs, stellar} {
		wantRows(t, owner, "/api/circuits/"+circuit+"/operations", 0)
		wantRows(t, owner, "/api/circuits/"+circuit+"/activities", 0)
	}
}

// Every item of a batch has its own outcome, in its place, in both forms of the
// body.
func TestPushBatch(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, viewer := srv.User("owner"), srv.User("viewer")
	circuit := seedCircuit(t, srv, nil, roles{owner: app.RoleOwner, viewer: app.RoleViewer})
	path := "/api/circuits/" + circuit + "/push/batch"
	a, b := newItem(t, owner, sisbov("BR000000000001"), ""), newItem(t, owner, sisbov("BR000000000002"), "")
	foreign := newItem(t, viewer, sisbov("BR000000000003"), "")
	owner.Post(t, path, fmt.Sprintf(`{"items":[{"dfid":%q,"data":{"x":1}},{"dfid":%q},{"dfid":"LID-x","data":null},{"dfid":""},{"dfid":%q}],"dfids":["ignored"]}`, a, foreign, b)).
		WantStatus(http.StatusOK).WantGolden("circuitoperation/batch")
	wantTexts(t, owner, "/api/circuits/"+circuit+"/items", "dfid", b, a)
	owner.Post(t, path, fmt.Sprintf(`{"dfids":[%q,%q],"requester_id":"x","permissions":["read"]}`, a, a)).
		WantStatus(http.StatusOK).WantGolden("circuitoperation/batch_dfids")
	viewer.Post(t, path, fmt.Sprintf(`{"dfids":[%q]}`, foreign)).WantStatus(http.StatusOK).WantGolden("circuitoperation/batch_no_push")
	owner.Post(t, "/api/circuits/"+uuid.NewString()+"/push/batch", fmt.Sprintf(`{"dfids":[%q]}`, a)).
		WantStatus(http.StatusOK).WantGolden("circuitoperation/batch_no_circuit")
	owner.Post(t, path, `{"items":[]}`).WantStatus(http.StatusOK).WantGolden("circuitoperation/batch_empty")
	owner.Post(t, path, `{}`).WantStatus(http.StatusUnprocessableEntity).WantGolden("circuitoperation/batch_no_items")
	owner.Post(t, "/api/circuits/7/push/batch", `{"items":[]}`).WantStatus(http.StatusBadRequest).WantGolden("circuit/bad_id")
	many := `{"dfids":["x"` + strings.Repeat(`,"x"`, 500) + `]}`
	owner.Post(t, path, many).WantStatus(http.StatusBadRequest).WantGolden("circuitoperation/batch_too_large")
}

// The largest batch, over many jobs of the writer; one item in the middle is
// refused and takes nothing with it.
func TestPushBatchOf500(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner := srv.User("owner")
	circuit := newCircuit(t, owner, "")
	bodies := make([]string, 499)
	for i := range bodies {
		bodies[i] = itemBody(sisbov(fmt.Sprintf("BR%012d", i)), "")
	}
	var made struct {
		Results []struct{ Item struct{ DFID string } }
	}
	owner.Post(t, "/api/items/batch", `{"items":[`+strings.Join(bodies, ",")+`]}`).WantStatus(http.StatusOK).JSON(&made)
	var sent []string
	for i, r := range made.Results {
		if i == 250 {
			sent = append(sent, "DFID-none")
		}
		sent = append(sent, r.Item.DFID)
	}
	var out struct {
		Succeeded int `json:"success_count"`
		Failed    int `json:"failed_count"`
		Results   []struct {
			DFID  string
			Error *string `json:"error_message"`
		}
	}
	owner.Post(t, "/api/circuits/"+circuit+"/push/batch", `{"dfids":["`+strings.Join(sent, `","`)+`"]}`).WantStatus(http.StatusOK).JSON(&out)
	if out.Succeeded != 499 || out.Failed != 1 || len(out.Results) != 500 {
		t.Fatalf("got %d and %d of %d, want 499 and 1 of 500", out.Succeeded, out.Failed, len(out.Results))
	}
	for i, r := range out.Results {
		if r.DFID != sent[i] || (r.Error != nil) != (i == 250) {
			t.Errorf("result %d: got %s %v, want %s", i, r.DFID, r.Error, sent[i])
		}
	}
	for _, list := range []string{"items", "operations", "activities"} {
		wantRows(t, owner, "/api/circuits/"+circuit+"/"+list, 499)
	}
}

// Pushes and pulls cost what the tier says when they are made, and only those
// that are; approving costs nothing.
func TestOperationsAreCharged(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart), enforcing(false, true))
	who := srv.User("pro", func(u *identity.NewUser) { u.Tier = app.TierProfessional })
	circuit, dfid := newCircuit(t, who, `,"require_approval_for_pull":true`), newItem(t, who, sisbov("BR000000000001"), "")
	balance := func() (n int) {
		t.Helper()
		who.Get(t, "/users/me/credits/balance").WantStatus(http.StatusOK).JSON(&struct{ Credits *int }{&n})
		return n
	}
	before := balance()
	path := "/api/circuits/" + circuit
	for _, tt := range []struct {
		name, path, body string
		cost             int
	}{
		{"push", "/push/" + dfid, `{}`, 2},
		{"push of nothing", "/push/DFID-none", `{}`, 0},
		{"batch", "/push/batch", fmt.Sprintf(`{"dfids":[%q,"DFID-none",%q]}`, dfid, dfid), 4},
		{"pull", "/pull/" + dfid, `{}`, 2},
	} {
		who.Post(t, path+tt.path, tt.body)
		after := balance()
		if before-after != tt.cost {
			t.Errorf("%s: cost %d, want %d", tt.name, before-after, tt.cost)
		}
		before = after
	}
	op := who.Get(t, path+"/operations/pending").Field("0.operation_id")
	who.Post(t, "/api/circuits/operations/"+op+"/approve", nil).WantStatus(http.StatusOK)
	if got := balance(); got != before {
		t.Errorf("approving cost %d", before-got)
	}

	poor := srv.User("poor", func(u *identity.NewUser) { u.Tier, u.Credits = app.TierProfessional, 3 })
	small := newCircuit(t, poor, "")
	item := newItem(t, poor, sisbov("BR000000000002"), "")
	pushItem(t, poor, small, item).WantStatus(http.StatusPaymentRequired)
	res := poor.Post(t, "/api/circuits/"+small+"/push/batch", fmt.Sprintf(`{"dfids":[%q]}`, item)).WantStatus(http.StatusOK)
	if got := res.Field("results.0.error_message"); !strings.HasPrefix(got, "Push failed: circuit_operation costs 2 credits") {
		t.Errorf("batch without credits: got %s", got)
	}
	wantRows(t, poor, "/api/circuits/"+small+"/operations", 0)
	// One that holds an item already, of somebody with credits left.
	shared := seedCircuit(t, srv, nil, roles{who: app.RoleOwner, poor: app.RoleMember})
	pushItem(t, who, shared, dfid).WantStatus(http.StatusOK)
	pullItem(t, poor, shared, dfid).WantStatus(http.StatusPaymentRequired)
	wantRows(t, who, "/api/circuits/"+shared+"/items", 1)
}

// A busy server refuses with 503, and nothing is done.
func TestOperationsWhileTheWriterIsBusy(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, busyWriter())
	who := srv.User("maria")
	circuit, dfid := newCircuit(t, who, ""), newItem(t, who, sisbov("BR000000000001"), "")
	path := "/api/circuits/" + circuit
	holdWriter(t, srv)
	for _, o := range []struct{ path, body string }{
		{path + "/push/" + dfid, ""}, {path + "/push/batch", fmt.Sprintf(`{"dfids":[%q]}`, dfid)}, {path + "/pull/" + dfid, ""},
		{"/api/circuits/operations/" + uuid.NewString() + "/approve", ""}, {"/api/circuits/operations/" + uuid.NewString() + "/reject", ""},
	} {
		who.Do(t, http.MethodPost, o.path, o.body).WantStatus(http.StatusServiceUnavailable).WantGolden("circuitoperation/busy").WantHeader("Retry-After", "1")
	}
	for _, list := range []string{"items", "operations", "activities"} {
		wantRows(t, who, path+"/"+list, 0)
	}
}
