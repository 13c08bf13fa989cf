package api_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/identity"
	"github.com/defarm-repo/defarm/web/server"
	"github.com/defarm-repo/defarm/web/servertest"
)

// seedCircuit stores a circuit with members of given roles, the first of them
// its owner. The routes that add members are not part of the main job.
func seedCircuit(t *testing.T, srv *servertest.Server, edit func(*app.Circuit), roles map[*servertest.Client]app.MemberRole) string {
	t.Helper()
	c := &app.Circuit{
		ID: uuid.New(), Name: "Herd", Description: "Of the test", DefaultNamespace: app.DefaultNamespace,
		Status: app.CircuitActive, CreatedAt: chainStart, ModifiedAt: chainStart,
		Adapter: app.CircuitAdapter{ConfiguredBy: "system", ConfiguredAt: chainStart},
	}
	for who, role := range roles {
		if role == app.RoleOwner {
			c.OwnerID = who.UserID
		}
		c.Members = append(c.Members, app.CircuitMember{
			UserID: who.UserID, Role: role, Permissions: app.RolePermissions(role), JoinedAt: chainStart,
		})
	}
	slices.SortFunc(c.Members, func(a, b app.CircuitMember) int { return cmp.Compare(a.UserID, b.UserID) })
	if edit != nil {
		edit(c)
	}
	err := srv.Store().Write(t.Context(), func(tx app.Tx) error { return tx.Circuits().Insert(c) })
	if err != nil {
		t.Fatal(err)
	}
	return c.ID.String()
}

type roles = map[*servertest.Client]app.MemberRole

// Two spellings of one number, two owners and two circuits: one animal. Who is
// not entitled to all of it adds what is missing, changes nothing, and sees what
// came through his own circuit.
func TestTwoPartiesOneAnimal(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	farmer, plant := srv.User("farmer"), srv.User("plant")
	vet := srv.User("vet")
	farm := seedCircuit(t, srv, nil, roles{farmer: app.RoleOwner, vet: app.RoleViewer})
	slaughter := newCircuit(t, plant, "")
	local := newLocal(t, farmer, sisbov("BR076123456789")+`,{"namespace":"bovino","key":"lote","value":"secret lot"}`, `{"breed":"Nelore","price":900}`)
	dfid := push(t, farmer, farm, local, "").WantStatus(http.StatusOK).Field("dfid")
	plant.Get(t, "/api/items/"+dfid).WantStatus(http.StatusNotFound)

	other := newLocal(t, plant, sisbov("076 123456789012")+"", `{}`)
	if got := push(t, plant, slaughter, other, "").WantStatus(http.StatusOK).Field("dfid"); got == dfid {
		t.Fatalf("another number gave the same animal")
	}
	same := newLocal(t, plant, `{"namespace":"bovino","key":"sisbov","value":"BR-076.123.456.789","id_type":"Canonical"}`, `{"breed":"Angus","carcass_kg":280}`)
	again := push(t, plant, slaughter, same, "").WantStatus(http.StatusOK)
	if again.Field("dfid") != dfid || again.Field("status") != "ExistingItemEnriched" {
		t.Fatalf("the same animal: got %s", again.Body)
	}
	farmer.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK).WantGolden("item/parties_owner")
	plant.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK).WantGolden("item/parties_part")
	if got := string(plant.Get(t, "/api/items").Body); strings.Contains(got, "secret lot") || strings.Contains(got, "900") {
		t.Errorf("the list shows what came through another circuit: %s", got)
	}
	for _, filter := range []string{"identifier_key=lote", "identifier_key=lote&identifier_value=secret%20lot"} {
		if got := string(plant.Get(t, "/api/items?"+filter).WantStatus(http.StatusOK).Body); got != "[]" {
			t.Errorf("a hidden identifier is found by %s: %s", filter, got)
		}
	}
	srv.User("stranger").Get(t, "/api/items/"+dfid).WantStatus(http.StatusNotFound).WantGolden("item/not_found")
	srv.Admin().Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK).WantGolden("item/parties_owner")

	// A member of the farmer's circuit sees all of it, and may not push.
	vet.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK).WantGolden("item/parties_owner")
	vet.Get(t, "/api/circuits/"+farm+"/items").WantStatus(http.StatusOK)
	push(t, vet, farm, newLocal(t, vet, sisbov("BR000000000001"), `{}`), "").WantStatus(http.StatusForbidden)
}

// 64 clients push one animal at the same time, each with a local item of his
// own: one DFID, with the cache and without it.
func TestOneAnimalManyPushes(t *testing.T) {
	t.Parallel()
	for name, cached := range map[string]bool{"cache on": true, "cache off": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := servertest.Start(t, servertest.WithConfig(func(c *server.Config) { c.Cache.Enabled = cached }))
			who := srv.User("maria")
			circuit := newCircuit(t, who, "")
			var mu sync.Mutex
			found := map[string]int{}
			var all sync.WaitGroup
			for n := range 64 {
				all.Go(func() {
					body := fmt.Sprintf(`{"local_id":"00000000-0000-4000-8000-%012d","identifiers":[%s]}`, n, sisbov("BR076123456789"))
					res, err := who.Try(t.Context(), http.MethodPost, "/api/circuits/"+circuit+"/push-local", body)
					if err != nil || res.Status != http.StatusOK {
						t.Errorf("push %d: %v %s", n, err, res.Body)
						return
					}
					var out struct{ DFID, Status string }
					if err := json.Unmarshal(res.Body, &out); err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					found[out.DFID+" "+out.Status]++
				})
			}
			all.Wait()
			if len(found) != 2 {
				t.Errorf("answers: got %v, want one DFID, once new", found)
			}
			for answer, n := range found {
				if strings.HasSuffix(answer, "NewItemCreated") && n != 1 {
					t.Errorf("made %d times: %s", n, answer)
				}
			}
		})
	}
}

// An identifier that names another animal than the one found is a conflict that
// is kept on the operation, and the first hit wins.
func TestConflictingIdentifiers(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	circuit := newCircuit(t, who, "")
	first, second := pushed(t, who, circuit, "BR000000000001"), pushed(t, who, circuit, "BR000000000002")
	both := newLocal(t, who, sisbov("BR000000000002")+","+sisbov("BR000000000001"), `{}`)
	if got := push(t, who, circuit, both, "").WantStatus(http.StatusOK).Field("dfid"); got != second || got == first {
		t.Errorf("got %s, want the first that is named, %s", got, second)
	}
}

// A local id that this server never gave out is accepted with identifiers, and
// repeating the call gives the same DFID. Without an index the fingerprint finds
// it again, within its circuit.
func TestOfflineAndRepeatedPushes(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	circuit := newCircuit(t, who, `,"alias_config":{"use_fingerprint":true}`)
	lotID := `{"namespace":"bovino","key":"lote","value":"L7"}`
	offline := func(circuit, local string) *servertest.Response {
		t.Helper()
		return push(t, who, circuit, local, `,"identifiers":[`+lotID+`]`).WantStatus(http.StatusOK)
	}
	const a, b = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
	first := offline(circuit, a)
	if again := offline(circuit, a); again.Field("dfid") != first.Field("dfid") || again.Field("status") != "ExistingItemEnriched" {
		t.Errorf("repeated: got %s, want the same DFID", again.Body)
	}
	if other := offline(circuit, b); other.Field("dfid") != first.Field("dfid") {
		t.Errorf("the same fingerprint: got %s, want %s", other.Body, first.Field("dfid"))
	}
	if elsewhere := offline(newCircuit(t, who, `,"alias_config":{"use_fingerprint":true}`), "00000000-0000-4000-8000-00000000000c"); elsewhere.Field("dfid") == first.Field("dfid") {
		t.Error("a fingerprint is found in another circuit")
	}
	if plain := offline(newCircuit(t, who, ""), "00000000-0000-4000-8000-00000000000d"); plain.Field("dfid") == first.Field("dfid") {
		t.Error("a contextual identifier alone names an item")
	}
}

// Where pushes need approval the item gets its DFID and the circuit does not get
// the item.
func TestPushThatWaits(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	circuit := newCircuit(t, who, `,"require_approval_for_push":true,"adapter_config":{"adapter_type":"ipfs-ipfs"}`)
	dfid := pushed(t, who, circuit, "BR076123456789")
	if got := string(who.Get(t, "/api/circuits/"+circuit+"/items").WantStatus(http.StatusOK).Body); got != "[]" {
		t.Errorf("items of the circuit: got %s, want none", got)
	}
	if got := string(who.Get(t, "/api/events/item/"+dfid).WantStatus(http.StatusOK).Body); got != "[]" {
		t.Errorf("events: got %s, want none", got)
	}
	who.Get(t, "/api/items/"+dfid+"/storage-history").WantStatus(http.StatusNotFound)
	who.Get(t, "/api/merkle/items/"+dfid+"/merkle-root").WantStatus(http.StatusNotFound).WantGolden("merkle/no_events")
}

// What each sees of a circuit and of its items.
func TestFacesOfACircuit(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, member, stranger, admin := srv.User("owner"), srv.User("member"), srv.User("stranger"), srv.Admin()
	both := roles{owner: app.RoleOwner, member: app.RoleMember}
	private := seedCircuit(t, srv, nil, both)
	public := seedCircuit(t, srv, func(c *app.Circuit) {
		name := "Open herd"
		c.Permissions.AllowPublicVisibility = true
		c.Public = &app.PublicSettings{AccessMode: app.AccessPublic, PublicName: &name, AutoPublish: true}
	}, both)
	pushed(t, owner, private, "BR000000000001")
	pushed(t, owner, public, "BR000000000002")
	for name, who := range map[string]*servertest.Client{"owner": owner, "member": member, "stranger": stranger, "admin": admin} {
		who.Get(t, "/api/circuits/"+public).WantStatus(http.StatusOK).WantGolden("circuit/public_as_" + name)
		items := who.Get(t, "/api/circuits/"+public+"/items?include_events=true").WantStatus(http.StatusOK)
		if name == "stranger" || name == "owner" {
			items.WantGolden("circuit/public_items_as_" + name)
		}
		want := http.StatusOK
		if name == "stranger" {
			want = http.StatusNotFound
		}
		who.Get(t, "/api/circuits/"+private).WantStatus(want)
		who.Get(t, "/api/circuits/"+private+"/items").WantStatus(want)
	}
	stranger.Get(t, "/api/circuits/"+private).WantGolden("circuit/not_found")
	lists := []struct {
		who   *servertest.Client
		query string
		want  int
	}{
		{owner, "", 2}, {owner, "?include_public=false", 2}, {member, "", 2}, {stranger, "", 1},
		{stranger, "?include_public=false", 0}, {stranger, "?status=active", 1}, {stranger, "?status=INACTIVE", 0},
		{stranger, "?status=nonsense", 0}, {owner, "?limit=1", 1}, {owner, "?limit=1&offset=1", 1}, {owner, "?offset=2", 0},
	}
	for _, l := range lists {
		var got []any
		l.who.Get(t, "/api/circuits"+l.query).WantStatus(http.StatusOK).JSON(&got)
		if len(got) != l.want {
			t.Errorf("%s, circuits%s: got %d, want %d", l.who.Username, l.query, len(got), l.want)
		}
	}
	stranger.Get(t, "/api/circuits?include_public=yes").WantStatus(http.StatusBadRequest)
	stranger.Get(t, "/api/circuits/7").WantStatus(http.StatusBadRequest).WantGolden("circuit/bad_id")
}

// Lists of items: filters, pages, and their bounds.
func TestItemLists(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	circuit := newCircuit(t, who, "")
	for n := range 5 {
		pushed(t, who, circuit, fmt.Sprintf("BR%012d", n))
	}
	newLocal(t, who, `{"key":"lote","value":"7"}`, `{}`)
	for query, want := range map[string]int{
		"": 6, "?limit=2": 2, "?limit=2&offset=5": 1, "?limit=0": 0, "?offset=99": 0, "?limit=999999999": 6,
		"?status=active": 6, "?status=Deprecated": 0, "?status=odd": 6,
		"?identifier_key=sisbov": 5, "?identifier_key=sisbov&identifier_value=BR000000000003": 1,
		"?identifier_value=BR000000000003": 6, "?identifier_key=lote&limit=1": 1, "?identifier_key=none": 0,
	} {
		var got []any
		who.Get(t, "/api/items"+query).WantStatus(http.StatusOK).JSON(&got)
		if len(got) != want {
			t.Errorf("items%s: got %d, want %d", query, len(got), want)
		}
	}
	for _, query := range []string{"?limit=-1", "?limit=x", "?limit=", "?offset=-1", "?offset=1.5", "?limit=1&limit=2"} {
		who.Get(t, "/api/items"+query).WantStatus(http.StatusBadRequest)
	}
	for path, golden := range map[string]string{
		"/api/items/mapping/7": "item/mapping_bad_id", "/api/items/mapping/" + uuid.NewString(): "item/mapping_unknown",
	} {
		who.Get(t, path).WantGolden(golden)
	}
}

// Adapters: the tier's, the personal list and sponsorship decide who may push.
func TestAdapterAccess(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner := srv.User("owner")
	for _, none := range []string{"", `,"adapter_config":{}`, `,"adapter_config":{"adapter_type":"none"}`, `,"adapter_config":{"adapter_type":null}`} {
		dfid := pushed(t, owner, newCircuit(t, owner, none), fmt.Sprintf("BR%012d", len(none)))
		owner.Get(t, "/api/items/"+dfid+"/storage-history").WantStatus(http.StatusNotFound).WantGolden("storage/none")
	}
	poor := srv.User("poor", func(u *identity.NewUser) { u.Adapters = []app.AdapterType{app.AdapterStellarTestnet} })
	for _, sponsored := range []bool{false, true} {
		circuit := seedCircuit(t, srv, func(c *app.Circuit) {
			c.Adapter.Type, c.Adapter.SponsorAccess = app.AdapterIPFS, sponsored
		}, roles{owner: app.RoleOwner, poor: app.RoleMember})
		res := push(t, poor, circuit, newLocal(t, poor, sisbov("BR000000000100"), `{}`), "")
		if sponsored {
			res.WantStatus(http.StatusOK)
		} else {
			res.WantStatus(http.StatusForbidden).WantGolden("tokenization/adapter_not_yours")
		}
	}
}
