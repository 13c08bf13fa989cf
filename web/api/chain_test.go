package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/defarm-repo/defarm/web/servertest"
)

// The main job from the first request to the last, whole answers compared.
func TestMainJob(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart), servertest.SeededIDs(1))
	anyone := srv.Anonymous()
	anyone.Post(t, "/api/auth/register", `{"username":"maria","email":"maria@example.org","password":"Passw0rd!","workspace_name":"Fazenda Açaí"}`).
		WantStatus(http.StatusOK).WantGolden("auth/register")
	login := anyone.Post(t, "/api/auth/login", `{"username":"maria","password":"Passw0rd!","workspace_id":"ignored"}`).
		WantStatus(http.StatusOK).WantGolden("auth/login")
	maria := anyone.WithToken(login.Field("token"))
	maria.Get(t, "/api/auth/profile").WantStatus(http.StatusOK).WantGolden("auth/profile")
	maria.Get(t, "/users/me/profile").WantStatus(http.StatusOK).WantGolden("profile/own")
	maria.Get(t, "/api/users/me/profile").WantStatus(http.StatusOK).WantGolden("profile/own")
	maria.Get(t, "/credit/users/current").WantStatus(http.StatusOK).WantGolden("profile/own")
	maria.Post(t, "/api/auth/refresh", nil).WantStatus(http.StatusOK).WantGolden("auth/refresh")

	key := maria.Post(t, "/api/api-keys", `{"name":"Scale","organization_type":"Producer","rate_limit_per_hour":1000,"expires_in_days":30,
		"permissions":{"read":true,"write":true,"admin":false,"custom":{"special":true}},"notes":"barn"}`).
		WantStatus(http.StatusOK).WantGolden("apikey/create")
	maria.Get(t, "/api/api-keys").WantStatus(http.StatusOK).WantGolden("apikey/list")
	maria.Get(t, "/api/api-keys/"+key.Field("metadata.id")).WantStatus(http.StatusOK).WantGolden("apikey/get")
	scale := maria.WithKey(key.Field("api_key"))
	bearer := anyone.WithToken(key.Field("api_key"))

	created := maria.Post(t, "/api/circuits", `{"name":"Beef chain","description":"Farm to fork","default_namespace":"bovino",
		"adapter_config":{"adapter_type":"ipfs-ipfs"},"alias_config":{"required_canonical":["sisbov"]}}`).
		WantStatus(http.StatusOK).WantGolden("circuit/create")
	circuit := created.Field("circuit_id")
	maria.Get(t, "/api/circuits/"+circuit).WantStatus(http.StatusOK).WantGolden("circuit/get")
	maria.Get(t, "/api/circuits").WantStatus(http.StatusOK).WantGolden("circuit/list")
	maria.Get(t, "/api/circuits/list").WantStatus(http.StatusOK).WantGolden("circuit/list")

	local := scale.Post(t, "/api/items/local", `{"identifiers":[`+sisbov("BR076123456789")+`,
		{"key":"ear_tag","value":"E-7"},{"namespace":"bovino","key":"lote","value":"L1","scope":"farm"}],
		"enriched_data":{"breed":"Nelore","born":"2024-03-11","weights":[300.50,312],"deep":{"b":1,"a":null}}}`).
		WantStatus(http.StatusOK).WantGolden("item/create_local").Field("data.local_id")
	maria.Get(t, "/api/items/mapping/"+local).WantStatus(http.StatusOK).WantGolden("item/mapping_local")
	maria.Get(t, "/api/items/LID-"+local).WantStatus(http.StatusOK).WantGolden("item/get_local")

	srv.Advance(time.Hour)
	first := push(t, bearer, circuit, local, `,"enriched_data":{"breed":"Nelore Mocho","weight_kg":312.5},"requester_id":"ignored"`).
		WantStatus(http.StatusOK).WantGolden("tokenization/push_new")
	dfid := first.Field("dfid")
	if !strings.HasPrefix(dfid, "DFID-20251013-000001-") {
		t.Errorf("DFID: got %s, want the first of that day", dfid)
	}
	maria.Get(t, "/api/items/mapping/"+local).WantStatus(http.StatusOK).WantGolden("item/mapping_traced")
	maria.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK).WantGolden("item/get")
	maria.Get(t, "/api/items/LID-"+local).WantStatus(http.StatusNotFound).WantGolden("item/not_found")
	maria.Get(t, "/api/items").WantStatus(http.StatusOK).WantGolden("item/list")

	srv.Advance(time.Minute)
	push(t, maria, circuit, local, `,"enriched_data":{"weight_kg":330}`).WantStatus(http.StatusOK).WantGolden("tokenization/push_again")
	maria.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK).WantGolden("item/get_enriched")
	maria.Get(t, "/api/circuits/"+circuit+"/items").WantStatus(http.StatusOK).WantGolden("circuit/items")
	maria.Get(t, "/api/circuits/"+circuit+"/items?include_events=true").WantStatus(http.StatusOK).WantGolden("circuit/items_with_events")

	events := maria.Get(t, "/api/events/item/"+dfid).WantStatus(http.StatusOK).WantGolden("event/item")
	maria.Get(t, "/api/items/"+dfid+"/storage-history").WantStatus(http.StatusOK).WantGolden("storage/item_history")
	maria.Get(t, "/api/storage-history/"+dfid).WantStatus(http.StatusOK).WantGolden("storage/history")
	cid := maria.Get(t, "/api/items/"+dfid+"/storage-history").Field("records.0.ipfs_cid")
	maria.Get(t, "/ipfs/"+cid).WantStatus(http.StatusOK).WantGolden("storage/document")

	root := maria.Get(t, "/api/merkle/items/"+dfid+"/merkle-root").WantStatus(http.StatusOK).WantGolden("merkle/root")
	proof := maria.Get(t, "/api/merkle/items/"+dfid+"/merkle-proof/"+events.Field("0.event_id")).WantStatus(http.StatusOK).WantGolden("merkle/proof")
	verify := `{"proof":` + proof.Field("proof") + `,"expected_root":"` + root.Field("data.merkle_root") + `"}`
	for _, path := range []string{"/api/merkle/verify-proof", "/api/public/merkle/verify-proof"} {
		maria.Post(t, path, verify).WantStatus(http.StatusOK).WantGolden("merkle/valid")
		maria.Post(t, path, strings.Replace(verify, `"expected_root":"`, `"expected_root":"0`, 1)).WantStatus(http.StatusOK).WantGolden("merkle/invalid")
	}
}
