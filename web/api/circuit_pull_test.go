package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/web/servertest"
)

// pullItem pulls an item, as clients without a body do.
func pullItem(t *testing.T, who *servertest.Client, circuit, dfid string) *servertest.Response {
	t.Helper()
	return who.Post(t, "/api/circuits/"+circuit+"/pull/"+dfid, nil)
}

// A pull answers with a last look, and then the item is gone from the circuit:
// from its list, from what it publishes, and from its members' sight.
func TestPullItem(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart), servertest.SeededIDs(1))
	owner, viewer := srv.User("owner"), srv.User("viewer")
	circuit := seedCircuit(t, srv, func(c *app.Circuit) {
		c.Permissions.AllowPublicVisibility = true
		c.Public = &app.PublicSettings{AccessMode: app.AccessPublic, AutoPublish: true}
	}, roles{owner: app.RoleOwner, viewer: app.RoleViewer})
	other := newCircuit(t, owner, "")
	path := "/api/circuits/" + circuit
	local := newLocal(t, owner, sisbov("BR000000000001")+`,{"key":"lote","value":"L1"},
		{"namespace":"bovino","key":"rfid","value":"076000000000001","id_type":"Canonical","verified":true,"verification_date":"2025-01-02T03:04:05Z"}`, `{"peso":"450kg"}`)
	dfid := push(t, owner, other, local, "").WantStatus(http.StatusOK).Field("dfid")
	push(t, owner, circuit, local, "").WantStatus(http.StatusOK)
	srv.Advance(time.Minute)

	res := pullItem(t, viewer, circuit, dfid).WantStatus(http.StatusOK).WantGolden("circuitoperation/pull")
	// The push to the other circuit is between that circuit and the owner.
	if got := res.Field("events_count"); got != "2" {
		t.Errorf("events: got %s, want the push and the pull", got)
	}
	wantTexts(t, owner, path+"/items", "dfid")
	if got := owner.Get(t, path).Field("public_settings.published_items"); got != "[]" {
		t.Errorf("published: got %s, want nothing", got)
	}
	viewer.Get(t, "/api/items/"+dfid).WantStatus(http.StatusNotFound)
	srv.Anonymous().Get(t, "/api/public/merkle/items/"+dfid+"/merkle-root").WantStatus(http.StatusNotFound)
	wantTexts(t, owner, "/api/circuits/"+other+"/items", "dfid", dfid)
	owner.Get(t, path+"/activities").WantStatus(http.StatusOK).WantGolden("circuitoperation/activities_pull")
	owner.Get(t, path+"/operations").WantStatus(http.StatusOK).WantGolden("circuitoperation/list_pull")
	root := owner.Get(t, "/api/merkle/items/"+dfid+"/merkle-root").WantStatus(http.StatusOK)
	var events []eventAnswer
	owner.Get(t, "/api/events/item/"+dfid).WantStatus(http.StatusOK).JSON(&events)
	leaves := make([]string, len(events))
	for i, e := range events {
		leaves[i] = e.leaf(t)
	}
	if got, want := root.Field("data.merkle_root"), naiveRoot(leaves); len(events) != 3 || got != want {
		t.Errorf("root over %d events: got %s, want %s", len(events), got, want)
	}

	pullItem(t, viewer, circuit, dfid).WantStatus(http.StatusBadRequest).WantGolden("circuitoperation/pull_not_there")
	pushItem(t, owner, circuit, dfid).WantStatus(http.StatusOK)
	viewer.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK)
}

// What the circuit holds in part is shown in part.
func TestPullInPart(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	farmer, plant := srv.User("farmer"), srv.User("plant")
	farm, slaughter := newCircuit(t, farmer, ""), newCircuit(t, plant, "")
	local := newLocal(t, farmer, sisbov("BR000000000001")+`,{"namespace":"bovino","key":"lote","value":"secret lot"}`, `{"price":900}`)
	dfid := push(t, farmer, farm, local, "").WantStatus(http.StatusOK).Field("dfid")
	pullItem(t, plant, slaughter, dfid).WantStatus(http.StatusBadRequest).WantGolden("circuitoperation/pull_not_there")
	push(t, plant, slaughter, newLocal(t, plant, sisbov("BR000000000001"), `{"carcass_kg":280}`), "").WantStatus(http.StatusOK)
	setApproval(t, srv, slaughter, true)
	waits := pullItem(t, plant, slaughter, dfid).WantStatus(http.StatusOK).Field("operation.operation_id")
	plant.Get(t, "/api/circuits/"+slaughter+"/pending-items").WantStatus(http.StatusOK).WantGolden("circuitoperation/pending_pull_part")
	plant.Post(t, "/api/circuits/operations/"+waits+"/reject", nil).WantStatus(http.StatusOK)
	setApproval(t, srv, slaughter, false)
	pullItem(t, plant, slaughter, dfid).WantStatus(http.StatusOK).WantGolden("circuitoperation/pull_part")
	plant.Get(t, "/api/items/"+dfid).WantStatus(http.StatusNotFound)
	farmer.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK)
}

// setApproval switches whether pushes and pulls wait.
func setApproval(t *testing.T, srv *servertest.Server, circuit string, on bool) {
	t.Helper()
	err := srv.Store().Write(t.Context(), func(tx app.Tx) error {
		gate, err := tx.Circuits().Gate(uuid.MustParse(circuit), "")
		if err != nil {
			return err
		}
		gate.Circuit.Permissions.RequireApprovalForPush, gate.Circuit.Permissions.RequireApprovalForPull = on, on
		return tx.Circuits().Update(gate.Circuit)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// While a pull waits nothing is shown and nothing moves.
func TestPullThatWaits(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart), servertest.SeededIDs(1))
	owner, viewer := srv.User("owner"), srv.User("viewer")
	circuit := seedCircuit(t, srv, func(c *app.Circuit) { c.Permissions.RequireApprovalForPull = true },
		roles{owner: app.RoleOwner, viewer: app.RoleViewer})
	path := "/api/circuits/" + circuit
	dfid := pushed(t, owner, circuit, "BR000000000001")
	op := pullItem(t, viewer, circuit, dfid).WantStatus(http.StatusOK).WantGolden("circuitoperation/pull_pending").Field("operation.operation_id")
	wantRows(t, owner, path+"/items", 1)
	wantRows(t, owner, path+"/activities", 1)
	wantRows(t, owner, "/api/events/item/"+dfid, 1)
	owner.Get(t, path+"/pending-items").WantStatus(http.StatusOK).WantGolden("circuitoperation/pending_pull")

	// A second request for it finds it gone when the first was approved.
	second := pullItem(t, owner, circuit, dfid).WantStatus(http.StatusOK).Field("operation.operation_id")
	srv.Advance(time.Minute)
	owner.Post(t, "/api/circuits/operations/"+op+"/approve", `{"approver_id":"x"}`).WantStatus(http.StatusOK).WantGolden("circuitoperation/approve_pull")
	wantRows(t, owner, path+"/items", 0)
	wantTexts(t, owner, path+"/activities", "user_id", viewer.UserID, owner.UserID)
	wantTexts(t, owner, path+"/activities", "activity_type", "Pull", "Push")
	wantTexts(t, owner, "/api/events/item/"+dfid, "source", viewer.UserID, owner.UserID)
	viewer.Get(t, "/api/items/"+dfid).WantStatus(http.StatusNotFound)
	owner.Post(t, "/api/circuits/operations/"+second+"/approve", nil).WantStatus(http.StatusBadRequest).WantGolden("circuitoperation/approve_item_gone")
	wantTexts(t, owner, path+"/operations/pending", "operation_id", second)
}

// What was pulled meanwhile is seen no more, also by those whose own pull of it
// still waits.
func TestPendingPullOfWhatIsGone(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, viewer := srv.User("owner"), srv.User("viewer")
	circuit := seedCircuit(t, srv, func(c *app.Circuit) { c.Permissions.RequireApprovalForPull = true },
		roles{owner: app.RoleOwner, viewer: app.RoleViewer})
	path := "/api/circuits/" + circuit
	dfid := pushed(t, owner, circuit, "BR000000000001")
	pullItem(t, viewer, circuit, dfid).WantStatus(http.StatusOK)
	other := pullItem(t, owner, circuit, dfid).WantStatus(http.StatusOK).Field("operation.operation_id")
	if got := viewer.Get(t, path+"/pending-items").WantStatus(http.StatusOK).Field("data.0.item_preview"); !strings.Contains(got, "BR000000000001") {
		t.Errorf("while it is there: got %s", got)
	}
	owner.Post(t, "/api/circuits/operations/"+other+"/approve", nil).WantStatus(http.StatusOK)
	viewer.Get(t, "/api/items/"+dfid).WantStatus(http.StatusNotFound)
	res := viewer.Get(t, path+"/pending-items").WantStatus(http.StatusOK)
	if got := res.Field("data.0.dfid") + " " + res.Field("data.0.item_preview"); got != dfid+" null" {
		t.Errorf("after it was pulled: got %s", got)
	}
}

// Every refusal of a pull, with the contract's words before it.
func TestPullRefused(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, none, eve := srv.User("owner"), srv.User("none"), srv.User("eve")
	seed := func(edit func(c *app.Circuit)) string {
		return seedCircuit(t, srv, func(c *app.Circuit) {
			for i := range c.Members {
				if c.Members[i].UserID == none.UserID {
					c.Members[i].Permissions = []app.Permission{app.PermAudit}
				}
			}
			if edit != nil {
				edit(c)
			}
		}, roles{owner: app.RoleOwner, none: app.RoleViewer})
	}
	plain, inactive := seed(nil), seed(func(c *app.Circuit) { c.Status = app.CircuitInactive })
	public := seed(func(c *app.Circuit) { c.Permissions.AllowPublicVisibility = true })
	dfid := newItem(t, owner, sisbov("BR000000000001"), "")
	for _, tt := range []struct {
		who           *servertest.Client
		circuit, item string
		golden        string
	}{
		{owner, "7", dfid, "circuit/bad_id"},
		{owner, uuid.NewString(), dfid, "circuitoperation/pull_no_circuit"},
		{eve, plain, dfid, "circuitoperation/pull_no_circuit"},
		{eve, public, dfid, "circuitoperation/no_pull"},
		{none, inactive, dfid, "circuitoperation/no_pull"},
		{srv.Admin(), plain, dfid, "circuitoperation/no_pull"},
		{owner, inactive, "DFID-none", "circuitoperation/pull_inactive"},
		{owner, plain, "DFID-none", "circuitoperation/pull_not_there"},
		{owner, plain, dfid, "circuitoperation/pull_not_there"},
	} {
		pullItem(t, tt.who, tt.circuit, tt.item).WantStatus(http.StatusBadRequest).WantGolden(tt.golden)
	}
}
