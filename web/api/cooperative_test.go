package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/defarm-repo/defarm/web/servertest"
)

// A cooperative with three farms, a slaughterhouse and a certifier, from the
// founding to the public page: everybody comes in by the way that is meant for
// him, 500 animals wait until two managers at once have decided about them, and
// each sees what is his to see at every step.
func TestCooperative(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	coop, manager := srv.User("coop"), srv.User("manager")
	farms := []*servertest.Client{srv.User("farm1"), srv.User("farm2"), srv.User("farm3")}
	plant, certifier, stranger := srv.User("plant"), srv.User("certifier"), srv.User("stranger")
	circuit := coop.Post(t, "/api/circuits", `{"name":"Beef of the valley","description":"From three farms",
		"require_approval_for_push":true,"public_settings":{"access_mode":"protected","access_password":"Pasture-7","auto_publish_pushed_items":true},
		"adapter_config":{"adapter_type":"ipfs-ipfs"}}`).WantStatus(http.StatusOK).Field("circuit_id")
	path := "/api/circuits/" + circuit

	coopEnter(t, path, coop, manager, farms)

	// 500 animals are born, and wait.
	animals := coopHerds(t, farms)
	for i, farm := range farms {
		body, err := json.Marshal(map[string]any{"dfids": animals[i]})
		if err != nil {
			t.Fatal(err)
		}
		if got := farm.Post(t, path+"/push/batch", string(body)).WantStatus(http.StatusOK).Field("failed_count"); got != "0" {
			t.Fatalf("%s: %s pushes failed", farm.Username, got)
		}
	}
	for _, who := range []*servertest.Client{coop, plant, certifier, farms[0]} {
		wantRows(t, who, path+"/items", 0)
	}
	plant.Get(t, "/api/items/"+animals[0][0]).WantStatus(http.StatusNotFound)
	wantRows(t, plant, path+"/operations/pending", 0) // none of his
	wantRows(t, farms[2], path+"/operations/pending?limit=10000", 100)

	approved, rejected := coopDecide(t, path, coop, manager)
	if len(approved) != 490 || len(rejected) != 10 {
		t.Fatalf("approved %d and rejected %d, want 490 and 10", len(approved), len(rejected))
	}
	wantRows(t, coop, path+"/operations/pending?limit=10000", 0)
	wantRows(t, coop, path+"/operations?limit=10000", 500)
	wantRows(t, coop, path+"/activities?limit=10000", 490)
	for _, who := range []*servertest.Client{coop, plant, certifier, farms[1]} {
		got := texts(t, who, path+"/items?limit=10000", "dfid")
		slices.Sort(got)
		if !slices.Equal(got, approved) {
			t.Errorf("%s sees %d items, want the %d approved ones", who.Username, len(got), len(approved))
		}
	}
	plant.Get(t, "/api/items/"+approved[0]).WantStatus(http.StatusOK)
	plant.Get(t, "/api/items/"+rejected[0]).WantStatus(http.StatusNotFound)
	stranger.Get(t, "/api/items/"+approved[0]).WantStatus(http.StatusNotFound)

	// The certifier takes one out; a farm leaves.
	pulled := approved[7]
	certifier.Post(t, path+"/pull/"+pulled, nil).WantStatus(http.StatusOK)
	plant.Get(t, "/api/items/"+pulled).WantStatus(http.StatusNotFound)
	farms[2].Post(t, path+"/leave", nil).WantStatus(http.StatusOK)
	wantRows(t, farms[2], "/api/items?limit=10000", 100)
	for _, dfid := range approved {
		if slices.Contains(animals[0], dfid) {
			farms[2].Get(t, "/api/items/"+dfid).WantStatus(http.StatusNotFound)
			break
		}
	}

	// The public page, with and without the password.
	anonymous := srv.Anonymous()
	var closed, open struct {
		Data struct {
			Published []string `json:"published_items"`
			Count     int      `json:"items_count"`
		}
	}
	anonymous.Get(t, path+"/public").WantStatus(http.StatusOK).JSON(&closed)
	anonymous.WithHeader("X-Access-Password", "Pasture-7").Get(t, path+"/public").WantStatus(http.StatusOK).JSON(&open)
	if len(closed.Data.Published) != 0 || closed.Data.Count != 0 {
		t.Errorf("without the password the page shows %d items", len(closed.Data.Published))
	}
	want := slices.DeleteFunc(slices.Clone(approved), func(dfid string) bool { return dfid == pulled })
	slices.Sort(open.Data.Published)
	if !slices.Equal(open.Data.Published, want) {
		t.Errorf("with the password the page shows %d items, want the %d that are there", len(open.Data.Published), len(want))
	}

	coopProof(t, plant, approved[0])
}

// coopEnter lets everybody in, each by another way.
func coopEnter(t *testing.T, path string, coop, manager *servertest.Client, farms []*servertest.Client) {
	t.Helper()
	coop.Post(t, path+"/members", `{"user_id":"user-manager","role":"admin"}`).WantStatus(http.StatusOK)
	for _, farm := range farms[:2] {
		farm.Post(t, path+"/requests", `{"message":"we raise Nelore"}`).WantStatus(http.StatusOK)
		manager.Post(t, path+"/requests/"+farm.UserID+"/approve", `{"role":"Member"}`).WantStatus(http.StatusOK)
	}
	farms[2].Post(t, path+"/public/join", `{"access_password":"wrong"}`).WantStatus(http.StatusBadRequest)
	farms[2].Post(t, path+"/public/join", `{"access_password":"Pasture-7"}`).WantStatus(http.StatusOK)
	manager.Post(t, path+"/requests/"+farms[2].UserID+"/approve", `{}`).WantStatus(http.StatusOK)
	coop.Post(t, path+"/members", `{"member_id":"user-plant","role":"Viewer"}`).WantStatus(http.StatusOK)
	coop.Post(t, path+"/members", `{"member_id":"user-certifier","role":"Viewer"}`).WantStatus(http.StatusOK)
	coop.Post(t, path+"/roles", `{"role_name":"Certifier","permissions":["Pull","Certify","Audit"],"description":"Looks at everything"}`).WantStatus(http.StatusOK)
	manager.Patch(t, path+"/members/user-certifier", `{"custom_role_name":"Certifier"}`).WantStatus(http.StatusBadRequest) // lacks Audit
	coop.Patch(t, path+"/members/user-certifier", `{"custom_role_name":"Certifier"}`).WantStatus(http.StatusOK)
}

// coopHerds makes the animals of the farms: 200, 200 and 100.
func coopHerds(t *testing.T, farms []*servertest.Client) [][]string {
	t.Helper()
	out := make([][]string, len(farms))
	for i, n := range []int{200, 200, 100} {
		elements := make([]string, n)
		for k := range elements {
			elements[k] = itemBody(sisbov(fmt.Sprintf("BR%d%011d", i+1, k)), `,"enriched_data":{"peso_kg":450}`)
		}
		var made struct {
			Results []struct{ Item struct{ DFID string } }
		}
		farms[i].Post(t, "/api/items/batch", `{"items":[`+strings.Join(elements, ",")+`]}`).WantStatus(http.StatusOK).JSON(&made)
		for _, r := range made.Results {
			out[i] = append(out[i], r.Item.DFID)
		}
	}
	return out
}

// coopDecide lets two managers decide about everything that waits, both about
// all of it and from both ends: each operation is decided once, every fiftieth
// is rejected by whoever comes first.
func coopDecide(t *testing.T, path string, managers ...*servertest.Client) (approved, rejected []string) {
	t.Helper()
	var waiting []struct {
		ID   string `json:"pending_id"`
		DFID string `json:"dfid"`
	}
	var page struct{ Data json.RawMessage }
	managers[0].Get(t, path+"/pending-items?limit=10000").WantStatus(http.StatusOK).JSON(&page)
	if err := json.Unmarshal(page.Data, &waiting); err != nil {
		t.Fatal(err)
	}
	if len(waiting) != 500 {
		t.Fatalf("%d wait, want 500", len(waiting))
	}
	var (
		all sync.WaitGroup
		mu  sync.Mutex
	)
	for m, who := range managers {
		all.Go(func() {
			for k := range waiting {
				i := k
				if m%2 == 1 {
					i = len(waiting) - 1 - k
				}
				op, route, body := waiting[i], "/approve", `{}`
				if i%50 == 0 {
					route, body = "/reject", `{"reason":"no vaccination record"}`
				}
				res := who.Post(t, path+"/pending-items/"+op.ID+route, body)
				if res.Status != http.StatusOK {
					if !strings.Contains(string(res.Body), "Operation is not pending") {
						t.Errorf("%s decides about %s: %d %s", who.Username, op.ID, res.Status, res.Body)
					}
					continue
				}
				mu.Lock()
				if route == "/approve" {
					approved = append(approved, op.DFID)
				} else {
					rejected = append(rejected, op.DFID)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	slices.Sort(approved)
	return approved, rejected
}

// coopProof proves the push of an animal to a member: the event is under the
// item's root.
func coopProof(t *testing.T, who *servertest.Client, dfid string) {
	t.Helper()
	type event struct {
		ID   string `json:"event_id"`
		Type string `json:"event_type"`
	}
	var events []event
	who.Get(t, "/api/items/"+dfid+"/events").WantStatus(http.StatusOK).JSON(&events)
	i := slices.IndexFunc(events, func(e event) bool { return e.Type == "PushedToCircuit" })
	if i < 0 {
		t.Fatalf("events of %s: %+v, want its push among them", dfid, events)
	}
	root := who.Get(t, "/api/merkle/items/"+dfid+"/merkle-root").WantStatus(http.StatusOK).Field("data.merkle_root")
	proof := who.Get(t, "/api/merkle/items/"+dfid+"/merkle-proof/"+events[i].ID).WantStatus(http.StatusOK).Field("proof")
	verdict := who.Post(t, "/api/merkle/verify-proof", fmt.Sprintf(`{"proof":%s,"expected_root":%q}`, proof, root)).WantStatus(http.StatusOK)
	if !strings.Contains(string(verdict.Body), `"valid":true`) {
		t.Errorf("the proof of the push: %s", verdict.Body)
	}
}
