package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/web/server"
	"github.com/defarm-repo/defarm/web/servertest"
)

// approving is a circuit where pushes wait, with everything that a push does.
func approving(t *testing.T, srv *servertest.Server, in roles) string {
	t.Helper()
	return seedCircuit(t, srv, func(c *app.Circuit) {
		c.Permissions.RequireApprovalForPush = true
		c.Adapter.Type = app.AdapterIPFS
		c.Public = &app.PublicSettings{AccessMode: app.AccessPublic, AutoPublish: true}
	}, in)
}

// wantTraces wants n of each thing that pushes leave in the circuit, and so many
// events of the item.
func wantTraces(t *testing.T, owner *servertest.Client, circuit, dfid string, events, n int) {
	t.Helper()
	path := "/api/circuits/" + circuit
	wantRows(t, owner, path+"/items", n)
	wantRows(t, owner, path+"/activities", n)
	wantRows(t, owner, "/api/events/item/"+dfid, events)
	var settings struct {
		Public struct {
			Items []string `json:"published_items"`
		} `json:"public_settings"`
	}
	owner.Get(t, path).WantStatus(http.StatusOK).JSON(&settings)
	var history struct{ Records []any }
	if res := owner.Get(t, "/api/items/"+dfid+"/storage-history"); res.Status == http.StatusOK {
		res.JSON(&history)
	}
	if len(settings.Public.Items) != n || len(history.Records) != n {
		t.Errorf("published %v, stored %d times; want %d of each", settings.Public.Items, len(history.Records), n)
	}
}

// Before approval there is nothing but the operation; afterwards there is all
// that a push leaves, in the name of who asked for it, whatever he has lost since.
func TestApprovePush(t *testing.T) {
	t.Parallel()
	for _, cached := range []bool{true, false} {
		t.Run(fmt.Sprintf("cache %t", cached), func(t *testing.T) {
			t.Parallel()
			srv := servertest.Start(t, servertest.At(chainStart), servertest.SeededIDs(1),
				servertest.WithConfig(func(c *server.Config) { c.Cache.Enabled = cached }))
			owner, member, viewer := srv.User("owner"), srv.User("member"), srv.User("viewer")
			circuit := approving(t, srv, roles{owner: app.RoleOwner, member: app.RoleMember, viewer: app.RoleViewer})
			path := "/api/circuits/" + circuit
			dfid := newItem(t, member, sisbov("BR000000000001"), `,"enriched_data":{"peso":"450kg"}`)
			op := pushItem(t, member, circuit, dfid).WantStatus(http.StatusOK).WantGolden("circuitoperation/push_pending").Field("operation_id")
			wantTraces(t, member, circuit, dfid, 1, 0)
			viewer.Get(t, "/api/items/"+dfid).WantStatus(http.StatusNotFound)
			owner.Get(t, "/api/items/"+dfid).WantStatus(http.StatusNotFound)
			owner.Get(t, path+"/pending-items").WantStatus(http.StatusOK).WantGolden("circuitoperation/pending_items")
			owner.Get(t, path+"/operations/pending").WantStatus(http.StatusOK).WantGolden("circuitoperation/pending")

			// Neither his rights nor the circuit's switch count any more.
			err := srv.Store().Write(t.Context(), func(tx app.Tx) error {
				gate, err := tx.Circuits().Gate(uuid.MustParse(circuit), member.UserID)
				if err != nil {
					return err
				}
				gate.Circuit.Permissions.RequireApprovalForPush = false
				if err := tx.Circuits().Update(gate.Circuit); err != nil {
					return err
				}
				gate.Member.Permissions = []app.Permission{app.PermAudit}
				return tx.Members().Update(gate.Circuit.Row, gate.Member)
			})
			if err != nil {
				t.Fatal(err)
			}
			srv.Advance(time.Minute)
			owner.Post(t, path+"/pending-items/"+op+"/approve", `{"admin_id":"x"}`).WantStatus(http.StatusOK).WantGolden("circuitoperation/approve_item")
			wantTraces(t, member, circuit, dfid, 2, 1)
			viewer.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK)
			wantTexts(t, owner, path+"/items", "pushed_by", member.UserID)
			wantTexts(t, owner, path+"/activities", "user_id", member.UserID)
			owner.Get(t, path+"/items?include_events=true").WantStatus(http.StatusOK).WantGolden("circuitoperation/approved_items")
			owner.Get(t, path+"/operations").WantStatus(http.StatusOK).WantGolden("circuitoperation/list_approved")
			wantRows(t, owner, path+"/operations/pending", 0)
			owner.Post(t, "/api/circuits/operations/"+op+"/approve", nil).WantStatus(http.StatusBadRequest).WantGolden("circuitoperation/approve_decided")
			owner.Post(t, "/api/circuits/operations/"+op+"/reject", nil).WantStatus(http.StatusBadRequest).WantGolden("circuitoperation/reject_decided")
			wantTraces(t, member, circuit, dfid, 2, 1)
		})
	}
}

// The owner's own pushes wait too, and he may approve them.
func TestApproveOwnPush(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner := srv.User("owner")
	circuit := approving(t, srv, roles{owner: app.RoleOwner})
	dfid := newItem(t, owner, sisbov("BR000000000001"), "")
	op := pushItem(t, owner, circuit, dfid).WantStatus(http.StatusOK).Field("operation_id")
	wantTraces(t, owner, circuit, dfid, 1, 0)
	owner.Post(t, "/api/circuits/operations/"+strings.ToUpper(op)+"/approve", nil).WantStatus(http.StatusOK).WantGolden("circuitoperation/approve")
	wantTraces(t, owner, circuit, dfid, 2, 1)
}

// A local item that is pushed where approval is needed gets its DFID; the rest
// comes with the approval. What is not the pusher's to show stays hidden.
func TestApprovePushLocal(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	farmer, plant, owner := srv.User("farmer"), srv.User("plant"), srv.User("owner")
	farm := newCircuit(t, farmer, "")
	circuit := approving(t, srv, roles{owner: app.RoleOwner, plant: app.RoleMember})
	path := "/api/circuits/" + circuit
	local := newLocal(t, farmer, sisbov("BR000000000001")+`,{"namespace":"bovino","key":"lote","value":"secret lot"}`, `{"price":900}`)
	dfid := push(t, farmer, farm, local, "").WantStatus(http.StatusOK).Field("dfid")
	mine := newLocal(t, plant, sisbov("BR000000000001"), `{"carcass_kg":280,"price":1}`)
	approve := func(res *servertest.Response) {
		t.Helper()
		if got := res.WantStatus(http.StatusOK).Field("dfid"); got != dfid {
			t.Fatalf("pushed %s, want %s", got, dfid)
		}
		owner.Post(t, "/api/circuits/operations/"+res.Field("operation_id")+"/approve", nil).WantStatus(http.StatusOK)
	}
	first := push(t, plant, circuit, mine, "")
	plant.Get(t, "/api/items/"+dfid).WantStatus(http.StatusNotFound)
	owner.Get(t, path+"/pending-items").WantStatus(http.StatusOK).WantGolden("circuitoperation/pending_part")
	farmer.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK).WantGolden("circuitoperation/untouched")
	plant.Get(t, "/api/items/LID-"+mine).WantStatus(http.StatusOK)
	approve(first)
	plant.Get(t, "/api/items/LID-"+mine).WantStatus(http.StatusNotFound)
	owner.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK).WantGolden("circuitoperation/approved_part")
	farmer.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK).WantGolden("circuitoperation/approved_whole")

	// More about an item that is there already waits as well.
	owner.Get(t, path+"/operations").WantStatus(http.StatusOK).WantGolden("circuitoperation/list_not_applied")
	second := push(t, plant, circuit, mine, `,"identifiers":[{"namespace":"bovino","key":"hook","value":"7"}],"enriched_data":{"grade":"A"}`)
	owner.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK).WantGolden("circuitoperation/approved_part_waiting")
	approve(second)
	owner.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK).WantGolden("circuitoperation/approved_part_more")
	wantTexts(t, owner, path+"/items", "pushed_by", plant.UserID)
	cid := owner.Get(t, "/api/items/"+dfid+"/storage-history").WantStatus(http.StatusOK).Field("records.0.ipfs_cid")
	if doc := string(owner.Get(t, "/ipfs/"+cid).WantStatus(http.StatusOK).Body); strings.Contains(doc, "secret lot") || !strings.Contains(doc, "carcass_kg") {
		t.Errorf("the document: %s", doc)
	}
}

// What a push would add to an item of somebody else's waits with it, whatever
// the pusher's rights: a rejection leaves the item and the local one as they
// were, and an approval writes what the pusher might have written then.
func TestAdditionsWait(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	farmer, partner, owner := srv.User("farmer"), srv.User("partner"), srv.User("owner")
	farm := seedCircuit(t, srv, nil, roles{farmer: app.RoleOwner, partner: app.RoleMember})
	circuit := approving(t, srv, roles{owner: app.RoleOwner, partner: app.RoleMember, farmer: app.RoleMember})
	by := "/api/circuits/operations/"
	dfid := pushed(t, farmer, farm, "BR000000000001")
	before := farmer.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK).Body
	mine := newLocal(t, partner, sisbov("BR000000000001")+","+canonical("bovino", "rfid", "076000000000001"), `{"breed":"Angus"}`)
	wait := func() string {
		t.Helper()
		res := push(t, partner, circuit, mine, `,"enriched_data":{"grade":"A"}`).WantStatus(http.StatusOK)
		if res.Field("dfid") != dfid {
			t.Fatalf("pushed %s, want %s", res.Field("dfid"), dfid)
		}
		return res.Field("operation_id")
	}
	first := wait()
	owner.Post(t, by+first+"/reject", nil).WantStatus(http.StatusOK)
	if after := farmer.Get(t, "/api/items/"+dfid).Body; string(after) != string(before) {
		t.Errorf("after a rejection: got %s, want %s", after, before)
	}
	partner.Get(t, "/api/items/LID-"+mine).WantStatus(http.StatusOK)
	if got := dfidOf(t, farmer, farm, canonical("bovino", "rfid", "076000000000001")); got == dfid {
		t.Errorf("a rejected number names the animal")
	}

	// Two that wait for the same local item: each is approved, it is folded once.
	second, third := wait(), wait()
	for _, op := range []string{second, third} {
		owner.Post(t, by+op+"/approve", nil).WantStatus(http.StatusOK)
	}
	partner.Get(t, "/api/items/LID-"+mine).WantStatus(http.StatusNotFound)
	if got := partner.Get(t, "/api/items/mapping/"+mine).WantStatus(http.StatusOK).Field("data.dfid"); got != dfid {
		t.Errorf("the local id names %s, want %s", got, dfid)
	}
	farmer.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK).WantGolden("circuitoperation/addition")
	// A local id that the server never gave out becomes a name of the item too.
	offlineID := uuid.NewString()
	op := push(t, partner, circuit, offlineID, `,"identifiers":[`+sisbov("BR000000000001")+`]`).WantStatus(http.StatusOK).Field("operation_id")
	partner.Get(t, "/api/items/mapping/"+offlineID).WantStatus(http.StatusNotFound)
	owner.Post(t, by+op+"/approve", nil).WantStatus(http.StatusOK)
	if got := partner.Get(t, "/api/items/mapping/"+offlineID).WantStatus(http.StatusOK).Field("data.dfid"); got != dfid {
		t.Errorf("the offline id names %s, want %s", got, dfid)
	}
	wantRows(t, owner, "/api/circuits/"+circuit+"/items", 1)
}

// An addition that the item has no room for any more is refused, and waits on.
func TestAdditionTooLarge(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	farmer, partner, owner := srv.User("farmer"), srv.User("partner"), srv.User("owner")
	farm := newCircuit(t, farmer, "")
	circuit := approving(t, srv, roles{owner: app.RoleOwner, partner: app.RoleMember})
	dfid := pushed(t, farmer, farm, "BR000000000001")
	large := strings.Repeat("x", 1_500_000)
	var ops []string
	for n := range 4 {
		local := newLocal(t, partner, sisbov("BR000000000001"), fmt.Sprintf(`{"note%d":%q}`, n, large))
		ops = append(ops, push(t, partner, circuit, local, "").WantStatus(http.StatusOK).Field("operation_id"))
	}
	refused := 0
	for _, op := range ops {
		res := owner.Post(t, "/api/circuits/operations/"+op+"/approve", nil)
		if res.Status != http.StatusOK {
			refused++
			res.WantGolden("circuitoperation/approve_too_large")
		}
	}
	if refused == 0 {
		t.Errorf("an item took %d times %d bytes", len(ops), len(large))
	}
	wantRows(t, owner, "/api/circuits/"+circuit+"/operations/pending", refused)
	wantRows(t, owner, "/api/circuits/"+circuit+"/activities", len(ops)-refused)
	farmer.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK)
}

// With all readers occupied the lists say so.
func TestOperationListsWhileReadersAreBusy(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.WithConfig(func(c *server.Config) {
		c.Database.Readers, c.Database.ReadWait = 1, time.Millisecond
	}))
	who := srv.User("maria")
	path := "/api/circuits/" + newCircuit(t, who, "")
	who.Get(t, path).WantStatus(http.StatusOK) // in the cache from now on
	held, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- srv.Store().Read(context.Background(), func(app.Reader) error {
			close(held)
			<-release
			return nil
		})
	}()
	<-held
	defer func() {
		close(release)
		if err := <-ended; err != nil {
			t.Errorf("the read that was in the way: %v", err)
		}
	}()
	for _, list := range []string{"/operations", "/operations/pending", "/pending-items", "/activities"} {
		who.Get(t, path+list).WantStatus(http.StatusServiceUnavailable).WantGolden("circuitoperation/busy").WantHeader("Retry-After", "1")
	}
}

// Several managers decide at the same moment: one does, and the item is pushed
// once.
func TestApproveOnce(t *testing.T) {
	t.Parallel()
	for _, cached := range []bool{true, false} {
		t.Run(fmt.Sprintf("cache %t", cached), func(t *testing.T) {
			t.Parallel()
			srv := servertest.Start(t, servertest.WithConfig(func(c *server.Config) { c.Cache.Enabled = cached }))
			owner, admin, member := srv.User("owner"), srv.User("deputy"), srv.User("member")
			circuit := approving(t, srv, roles{owner: app.RoleOwner, admin: app.RoleAdmin, member: app.RoleMember})
			for n, reject := range []bool{false, true, false, true} {
				dfid := newItem(t, member, sisbov(fmt.Sprintf("BR%012d", n)), "")
				op := pushItem(t, member, circuit, dfid).WantStatus(http.StatusOK).Field("operation_id")
				var mu sync.Mutex
				answers := map[string]int{}
				var all sync.WaitGroup
				for i := range 16 {
					who := []*servertest.Client{owner, admin}[i%2]
					path := "/api/circuits/operations/" + op + "/approve"
					if i%4 >= 2 {
						path = "/api/circuits/" + circuit + "/pending-items/" + op + "/approve"
					}
					if reject && i%3 == 0 {
						path = strings.TrimSuffix(path, "approve") + "reject"
					}
					all.Go(func() {
						res, err := who.Try(t.Context(), http.MethodPost, path, `{}`)
						if err != nil {
							t.Errorf("decide: %v", err)
							return
						}
						var refusal struct{ Error string }
						if err := json.Unmarshal(res.Body, &refusal); err != nil {
							t.Error(err)
						}
						mu.Lock()
						defer mu.Unlock()
						answers[fmt.Sprint(res.Status, " ", strings.NewReplacer("approve", "decide", "reject", "decide").Replace(refusal.Error))]++
					})
				}
				all.Wait()
				if answers["200 "] != 1 || answers["400 Failed to decide operation: Validation error: Operation is not pending"] != 15 {
					t.Errorf("answers: %v, want one that decided and 15 that came too late", answers)
				}
				var ops []struct{ Status string }
				owner.Get(t, "/api/circuits/"+circuit+"/operations?limit=1").WantStatus(http.StatusOK).JSON(&ops)
				events := 1
				if ops[0].Status == "Completed" {
					events = 2
				}
				wantRows(t, member, "/api/events/item/"+dfid, events)
			}
		})
	}
}

// A rejection leaves nothing but the reason.
func TestReject(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart), servertest.SeededIDs(1))
	owner, member := srv.User("owner"), srv.User("member")
	circuit := approving(t, srv, roles{owner: app.RoleOwner, member: app.RoleMember})
	path := "/api/circuits/" + circuit
	dfid := newItem(t, member, sisbov("BR000000000001"), "")
	next := func() string {
		t.Helper()
		return pushItem(t, member, circuit, dfid).WantStatus(http.StatusOK).Field("operation_id")
	}
	by := "/api/circuits/operations/"
	op := next()
	owner.Post(t, by+op+"/reject", `{"reason":"no <papers>"}`).WantStatus(http.StatusOK).WantGolden("circuitoperation/reject")
	owner.Post(t, by+op+"/approve", nil).WantStatus(http.StatusBadRequest).WantGolden("circuitoperation/approve_decided")
	owner.Post(t, by+next()+"/reject", nil).WantStatus(http.StatusOK).WantGolden("circuitoperation/reject_without_reason")
	owner.Post(t, path+"/pending-items/"+next()+"/reject", `{"admin_id":"x","reason":null}`).WantStatus(http.StatusOK).WantGolden("circuitoperation/reject_item")
	owner.Post(t, path+"/pending-items/"+next()+"/reject", `{"reason":""}`).WantStatus(http.StatusOK)
	owner.Post(t, by+next()+"/reject", `{"reason":"`+strings.Repeat("x", 4097)+`"}`).WantStatus(http.StatusUnprocessableEntity)
	wantTraces(t, member, circuit, dfid, 1, 0)
	wantTexts(t, owner, path+"/operations", "status", "Pending", "Rejected", "Rejected", "Rejected", "Rejected")
	if got := owner.Get(t, path+"/operations").Field("1.metadata.rejection_reason"); got != "" {
		t.Errorf("an empty reason: got %q", got)
	}
	owner.Get(t, path+"/operations?offset=4").WantStatus(http.StatusOK).WantGolden("circuitoperation/list_rejected")
	owner.Get(t, "/api/items/"+dfid).WantStatus(http.StatusNotFound)
}

// Every refusal of a decision, on every route that takes one.
func TestDecisionRefused(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, member, eve := srv.User("owner"), srv.User("member"), srv.User("eve")
	in := roles{owner: app.RoleOwner, member: app.RoleMember}
	circuit, other := approving(t, srv, in), approving(t, srv, in)
	public := seedCircuit(t, srv, func(c *app.Circuit) {
		c.Permissions.RequireApprovalForPush, c.Permissions.AllowPublicVisibility = true, true
	}, in)
	inactive := approving(t, srv, in)
	dfid, gone := newItem(t, member, sisbov("BR000000000001"), ""), newItem(t, member, sisbov("BR000000000002"), "")
	waiting := func(circuit, dfid string) string {
		t.Helper()
		return pushItem(t, member, circuit, dfid).WantStatus(http.StatusOK).Field("operation_id")
	}
	op, opened, stopped, deprecated := waiting(circuit, dfid), waiting(public, dfid), waiting(inactive, dfid), waiting(circuit, gone)
	member.Delete(t, "/api/items/"+gone).WantStatus(http.StatusOK)
	unknown := uuid.New()
	err := srv.Store().Write(t.Context(), func(tx app.Tx) error {
		gate, err := tx.Circuits().Gate(uuid.MustParse(inactive), "")
		if err != nil {
			return err
		}
		gate.Circuit.Status = app.CircuitInactive
		if err := tx.Circuits().Update(gate.Circuit); err != nil {
			return err
		}
		if gate, err = tx.Circuits().Gate(uuid.MustParse(circuit), ""); err != nil {
			return err
		}
		return tx.Operations().Insert(app.CircuitOperation{
			ID: unknown, CircuitRow: gate.Circuit.Row, DFID: "DFID-none", Type: app.OperationPush, RequesterID: member.UserID,
			At: chainStart, Status: app.OperationPending,
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	const notFound, notPermitted = "Circuit not found", "Permission denied: User does not have permission to %s operations"
	for _, tt := range []struct {
		name        string
		who         *servertest.Client
		circuit, op string
		said        string
		approvals   bool // only they find out
	}{
		{"unknown operation", owner, circuit, uuid.NewString(), notFound, false},
		{"private, no member", eve, circuit, op, notFound, false},
		{"public, no member", eve, public, opened, notPermitted, false},
		{"no manager", member, circuit, op, notPermitted, false},
		{"platform administrator", srv.Admin(), circuit, op, notPermitted, false},
		{"inactive", owner, inactive, stopped, "Validation error: Circuit is not active", false},
		{"item out of use", owner, circuit, deprecated, "Invalid operation: the item is Deprecated", true},
		{"item gone", owner, circuit, unknown.String(), "Item not found", true},
	} {
		for _, verb := range []string{"approve", "reject"} {
			if verb == "reject" && tt.approvals {
				continue
			}
			said := fmt.Sprintf("Failed to %s operation: ", verb) + strings.ReplaceAll(tt.said, "%s", verb)
			for _, path := range []string{"/api/circuits/operations/" + tt.op, "/api/circuits/" + tt.circuit + "/pending-items/" + tt.op} {
				res := tt.who.Post(t, path+"/"+verb, `{"approver_id":"`+owner.UserID+`","admin_id":"`+owner.UserID+`"}`)
				if res.Status != http.StatusBadRequest || res.Field("error") != said {
					t.Errorf("%s, %s: got %d %s, want 400 %s", tt.name, verb, res.Status, res.Body, said)
				}
			}
		}
	}
	for _, verb := range []string{"approve", "reject"} {
		owner.Post(t, "/api/circuits/"+other+"/pending-items/"+op+"/"+verb, nil).WantStatus(http.StatusBadRequest).
			WantGolden("circuitoperation/" + verb + "_elsewhere")
		owner.Post(t, "/api/circuits/"+uuid.NewString()+"/pending-items/"+op+"/"+verb, nil).WantStatus(http.StatusBadRequest).
			WantGolden("circuitoperation/" + verb + "_elsewhere")
		owner.Post(t, "/api/circuits/operations/7/"+verb, nil).WantStatus(http.StatusBadRequest).WantGolden("circuitoperation/bad_operation_id")
		owner.Post(t, "/api/circuits/"+circuit+"/pending-items/7/"+verb, nil).WantStatus(http.StatusBadRequest).WantGolden("circuitoperation/bad_pending_id")
		owner.Post(t, "/api/circuits/7/pending-items/7/"+verb, nil).WantStatus(http.StatusBadRequest).WantGolden("circuit/bad_id")
		srv.Anonymous().Post(t, "/api/circuits/operations/"+op+"/"+verb, `{"approver_id":"`+owner.UserID+`"}`).WantStatus(http.StatusUnauthorized)
	}
	wantTexts(t, owner, "/api/circuits/"+circuit+"/operations", "status", "Pending", "Pending", "Pending")
	wantTraces(t, member, circuit, dfid, 1, 0)
}

// Who sees what of operations, of what waits, and of the history.
func TestOperationLists(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, deputy, member, viewer, eve := srv.User("owner"), srv.User("deputy"), srv.User("member"), srv.User("viewer"), srv.User("eve")
	in := roles{owner: app.RoleOwner, deputy: app.RoleAdmin, member: app.RoleMember, viewer: app.RoleViewer}
	private := seedCircuit(t, srv, nil, in)
	public := seedCircuit(t, srv, func(c *app.Circuit) { c.Permissions.AllowPublicVisibility = true }, in)
	for _, circuit := range []string{private, public} {
		path := "/api/circuits/" + circuit
		mine, his := newItem(t, owner, contextual("bovino", "lote", circuit), ""), newItem(t, member, contextual("bovino", "lote", circuit), "")
		done := pushItem(t, owner, circuit, mine).WantStatus(http.StatusOK).Field("operation_id")
		setApproval(t, srv, circuit, true)
		first := pushItem(t, owner, circuit, mine).WantStatus(http.StatusOK).Field("operation_id")
		second := pushItem(t, member, circuit, his).WantStatus(http.StatusOK).Field("operation_id")
		for _, who := range []*servertest.Client{owner, deputy, srv.Admin()} {
			wantTexts(t, who, path+"/operations", "operation_id", second, first, done)
			wantTexts(t, who, path+"/operations/pending", "operation_id", second, first)
			wantPending(t, who, path, second, first)
			wantRows(t, who, path+"/activities", 1)
		}
		wantTexts(t, owner, path+"/operations?limit=1&offset=1", "operation_id", first)
		wantTexts(t, owner, path+"/operations/pending?offset=1", "operation_id", first)
		wantPending(t, owner, path+"/pending-items?limit=1", second)
		wantRows(t, owner, path+"/activities?limit=0", 0)
		wantTexts(t, member, path+"/operations", "operation_id", second)
		wantTexts(t, member, path+"/operations/pending", "operation_id", second)
		wantPending(t, member, path, second)
		wantRows(t, member, path+"/activities", 1)
		for _, list := range []string{"/operations", "/operations/pending"} {
			wantRows(t, viewer, path+list, 0)
			wantRows(t, eve, path+list, 0)
		}
		wantPending(t, viewer, path)
		wantRows(t, viewer, path+"/activities", 1)
		wantRows(t, eve, path+"/activities", 0)
	}
	wantPending(t, eve, "/api/circuits/"+public)
	eve.Get(t, "/api/circuits/"+private+"/pending-items").WantStatus(http.StatusNotFound).WantGolden("circuit/not_found")
	unknown := "/api/circuits/" + uuid.NewString()
	for _, list := range []string{"/operations", "/operations/pending", "/activities"} {
		wantRows(t, owner, unknown+list, 0)
		owner.Get(t, "/api/circuits/7"+list).WantStatus(http.StatusBadRequest).WantGolden("circuit/bad_id")
		srv.Anonymous().Get(t, "/api/circuits/"+private+list).WantStatus(http.StatusUnauthorized)
	}
	owner.Get(t, unknown+"/pending-items").WantStatus(http.StatusNotFound).WantGolden("circuit/not_found")
	owner.Get(t, "/api/circuits/7/pending-items").WantStatus(http.StatusBadRequest).WantGolden("circuit/bad_id")
}

// wantPending wants the ids of what waits.
func wantPending(t *testing.T, who *servertest.Client, path string, want ...string) {
	t.Helper()
	if !strings.Contains(path, "/pending-items") {
		path += "/pending-items"
	}
	var list struct {
		Data []struct {
			ID string `json:"pending_id"`
		}
	}
	who.Get(t, path).WantStatus(http.StatusOK).JSON(&list)
	got := make([]string, len(list.Data))
	for i, p := range list.Data {
		got[i] = p.ID
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s, %s: got %v, want %v", who.Username, path, got, want)
	}
}

// A circuit that is not active takes no part in anything.
func TestInactiveCircuit(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner := srv.User("owner")
	circuit := seedCircuit(t, srv, func(c *app.Circuit) { c.Status = app.CircuitInactive }, roles{owner: app.RoleOwner})
	path := "/api/circuits/" + circuit
	dfid := newItem(t, owner, sisbov("BR000000000001"), "")
	const said = "Validation error: Circuit is not active"
	pushItem(t, owner, circuit, dfid).WantStatus(http.StatusBadRequest).WantError(said)
	push(t, owner, circuit, uuid.NewString(), `,"identifiers":[`+sisbov("BR000000000002")+`]`).WantStatus(http.StatusBadRequest).WantError(said)
	pullItem(t, owner, circuit, dfid).WantStatus(http.StatusBadRequest).WantError("Failed to pull item: " + said)
	batch := owner.Post(t, path+"/push/batch", fmt.Sprintf(`{"dfids":[%q]}`, dfid)).WantStatus(http.StatusOK)
	if got := batch.Field("results.0.error_message"); got != "Push failed: "+said {
		t.Errorf("batch: got %s", got)
	}
	for _, list := range []string{"/operations", "/operations/pending", "/activities", "/items"} {
		wantRows(t, owner, path+list, 0)
	}
	wantPending(t, owner, path)
}
