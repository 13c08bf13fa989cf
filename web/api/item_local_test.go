package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/web/servertest"
)

// mergeLocal merges local items; more are further members of the body.
func mergeLocal(t *testing.T, who *servertest.Client, master string, more string, merge ...string) *servertest.Response {
	t.Helper()
	return who.Post(t, "/api/items/local/merge", fmt.Sprintf(`{"master_lid":%q,"merge_lids":["%s"]%s}`, master, strings.Join(merge, `","`), more))
}

func unmergeLocal(t *testing.T, who *servertest.Client, merged string) *servertest.Response {
	t.Helper()
	return who.Post(t, "/api/items/local/unmerge", fmt.Sprintf(`{"merged_lid":%q}`, merged))
}

func getLocal(t *testing.T, who *servertest.Client, local string) *servertest.Response {
	t.Helper()
	return who.Get(t, "/api/items/local/"+local)
}

// setLocalStatus brings an item into a status that no route of local items gives.
func setLocalStatus(t *testing.T, srv *servertest.Server, local string, status app.ItemStatus) {
	t.Helper()
	err := srv.Store().Write(t.Context(), func(tx app.Tx) error {
		old, err := tx.Items().ByDFID("LID-" + local)
		if err != nil {
			return err
		}
		it := old.Clone()
		it.Status = status
		return tx.Items().Update(old, it)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// localRows counts the rows of a user's local items and merges.
func localRows(t *testing.T, srv *servertest.Server, who *servertest.Client, masters ...string) (items, merges int) {
	t.Helper()
	err := srv.Store().Read(t.Context(), func(r app.Reader) error {
		rows, err := r.Items().VisibleRows(who.UserID, false, app.ItemFilter{Status: app.ItemActive}, app.Page{Limit: 1000})
		if err != nil {
			return err
		}
		items = len(rows)
		for _, m := range masters {
			of, err := r.LocalMerges().ByMaster(uuid.MustParse(m))
			if err != nil {
				return err
			}
			merges += len(of)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return items, merges
}

// A merge gives the master what the merged items know, and takes nothing from
// them; undone, everything is as it was but for the times.
func TestLocalMergeAndUnmerge(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	master := newLocal(t, who, sisbov("BR000000000001")+`,{"key":"lote","value":"L-1"}`, `{"weights":[300],"breed":"Nelore","deep":{"a":1},"kept":null}`)
	first := newLocal(t, who, sisbov("BR000000000001")+`,{"key":"ear_tag","value":"E-7"}`, `{"weights":[300,312.50],"breed":"Angus","deep":{"a":2,"b":"<é>"}}`)
	second := newLocal(t, who, `{"key":"ear_tag","value":"E-7"},`+canonical("bovino", "rfid", "076000000000001"), `{"weights":"none","new":9007199254740993}`)
	before := getLocal(t, who, master).WantStatus(http.StatusOK)
	srv.Advance(time.Hour)
	// Any spelling of a UUID is taken; answers have one.
	res := mergeLocal(t, who, strings.ToUpper(master), `,"merge_strategy":null`, strings.ReplaceAll(first, "-", ""), second)
	res.WantStatus(http.StatusOK).WantGolden("item/local_merge")
	if got := res.Field("data.master_lid"); got != master {
		t.Errorf("master_lid: got %s, want %s", got, master)
	}
	if got, want := res.Field("data.master_item.last_modified"), "2025-10-13T09:30:15.123456789+00:00"; got != want {
		t.Errorf("last_modified: got %s, want %s", got, want)
	}
	getLocal(t, who, master).WantStatus(http.StatusOK).WantGolden("item/local_master")
	merged := getLocal(t, who, first).WantStatus(http.StatusOK).WantGolden("item/local_merged")
	if got, want := merged.Field("item.status"), `MergedInto("`+master+`")`; got != want {
		t.Errorf("status: got %s, want %s", got, want)
	}
	if got, want := merged.Field("item.last_modified"), fmt.Sprint(chainStart.Add(time.Hour).Unix()); got != want {
		t.Errorf("last_modified of the merged item: got %s, want %s", got, want)
	}
	who.Get(t, "/api/items/LID-"+first).WantStatus(http.StatusOK)
	wantTexts(t, who, "/api/items?status=mergedinto", "dfid", "LID-"+first, "LID-"+second)

	// The first goes, what the second brought stays.
	srv.Advance(time.Hour)
	unmergeLocal(t, who, first).WantStatus(http.StatusOK).WantGolden("item/local_unmerge")
	getLocal(t, who, first).WantStatus(http.StatusOK).WantGolden("item/local_unmerged")
	getLocal(t, who, master).WantStatus(http.StatusOK).WantGolden("item/local_master_of_second")
	unmergeLocal(t, who, second).WantStatus(http.StatusOK)
	after := getLocal(t, who, master).WantStatus(http.StatusOK)
	for _, member := range []string{"identifiers", "enriched_data", "source_entries", "status", "creation_timestamp"} {
		if got, want := after.Field("item."+member), before.Field("item."+member); got != want {
			t.Errorf("%s after all is undone: got %s, want %s", member, got, want)
		}
	}
	if items, merges := localRows(t, srv, who, master); items != 3 || merges != 0 {
		t.Errorf("after all is undone: got %d active items and %d records, want 3 and 0", items, merges)
	}
	unmergeLocal(t, who, first).WantStatus(http.StatusBadRequest).WantGolden("item/local_unmerge_not_merged")
	// What was undone can be merged again.
	mergeLocal(t, who, first, "", master).WantStatus(http.StatusOK)
}

// What becomes of the data is the strategy's (contract 02 §6.8).
func TestLocalMergeStrategies(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t)
	who := srv.User("maria")
	for _, tt := range []struct{ name, strategy, master, first, second, want string }{
		{"lists grow", "append", `[1,{"a":1}]`, `[{"a":1},2,2]`, `[1,3]`, `[1,{"a":1},2,3]`},
		{"objects grow one level", "append", `{"a":{"x":1},"b":1}`, `{"a":{"y":2}}`, `{"c":null}`, `{"a":{"y":2},"b":1,"c":null}`},
		{"scalars are replaced", "append", `1`, `"2"`, `true`, `true`},
		{"mixed types are replaced", "append", `[1]`, `{"a":1}`, `[2]`, `[2]`},
		{"null replaces", "append", `[1]`, `null`, `null`, `null`},
		{"the master's stays", "keep_first", `[1]`, `[2]`, `3`, `[1]`},
		{"the last one counts", "overwrite", `[1]`, `[2]`, `[3]`, `[3]`},
	} {
		item := func(value string) string { return newLocal(t, who, "", `{"k":`+value+`}`) }
		master, first, second := item(tt.master), item(tt.first), item(tt.second)
		more := newLocal(t, who, "", `{"other":1}`)
		res := mergeLocal(t, who, master, `,"merge_strategy":"`+tt.strategy+`"`, first, second, more).WantStatus(http.StatusOK)
		if got := res.Field("data.master_item.enriched_data.k"); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		if got, want := strings.Contains(string(res.Body), `"other":1`), tt.strategy != "keep_first"; got != want {
			t.Errorf("%s: a key that the master lacks came along: got %t, want %t", tt.name, got, want)
		}
		if got := len(strings.Split(getLocal(t, who, master).Field("item.source_entries"), ",")); got != 4 {
			t.Errorf("%s: got %d source entries, want those of all four", tt.name, got)
		}
	}
}

// Each refusal, in the order of checking, and nothing changes by any of them.
func TestLocalMergeRefusals(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who, other := srv.User("maria"), srv.User("joao")
	circuit := newCircuit(t, who, "")
	local := func(n int) string { return newLocal(t, who, sisbov(fmt.Sprintf("BR%012d", n)), `{}`) }
	pushedOne, master, item, merged, deprecated := local(1), local(2), local(3), local(4), local(5)
	foreign := newLocal(t, other, "", `{}`)
	push(t, who, circuit, pushedOne, "").WantStatus(http.StatusOK)
	mergeLocal(t, who, local(6), "", merged).WantStatus(http.StatusOK)
	setLocalStatus(t, srv, deprecated, app.ItemDeprecated)
	unknown := uuid.NewString()
	const path = "/api/items/local/merge"
	for _, tt := range []struct {
		name, body string
		status     int
	}{
		{"bad_master", `{"master_lid":"x","merge_lids":["y"]}`, 400},
		{"bad_merge", `{"master_lid":"` + unknown + `","merge_lids":["` + item + `","LID-` + item + `"],"merge_strategy":"x"}`, 400},
		{"nothing", `{"master_lid":"` + unknown + `","merge_lids":[],"merge_strategy":"x"}`, 400},
		{"bad_strategy", `{"master_lid":"` + unknown + `","merge_lids":["` + item + `"],"merge_strategy":"Append"}`, 400},
		{"itself", `{"master_lid":"` + master + `","merge_lids":["` + item + `","` + strings.ToUpper(master) + `"]}`, 400},
		{"repeated", `{"master_lid":"` + master + `","merge_lids":["` + item + `","` + strings.ToUpper(item) + `"]}`, 400},
		{"master_unknown", `{"master_lid":"` + unknown + `","merge_lids":["` + item + `"]}`, 404},
		{"master_unknown", `{"master_lid":"` + foreign + `","merge_lids":["` + item + `"]}`, 404},
		{"master_pushed", `{"master_lid":"` + pushedOne + `","merge_lids":["` + item + `"]}`, 400},
		{"master_merged", `{"master_lid":"` + merged + `","merge_lids":["` + item + `"]}`, 400},
		{"status", `{"master_lid":"` + deprecated + `","merge_lids":["` + item + `"]}`, 400},
		{"merge_unknown", `{"master_lid":"` + master + `","merge_lids":["` + item + `","` + unknown + `"]}`, 404},
		{"merge_unknown", `{"master_lid":"` + master + `","merge_lids":["` + item + `","` + foreign + `"]}`, 404},
		{"merge_pushed", `{"master_lid":"` + master + `","merge_lids":["` + item + `","` + pushedOne + `"]}`, 400},
		{"merge_merged", `{"master_lid":"` + master + `","merge_lids":["` + item + `","` + merged + `"]}`, 400},
		{"status", `{"master_lid":"` + master + `","merge_lids":["` + item + `","` + deprecated + `"]}`, 400},
		{"no_master", `{"merge_lids":["` + item + `"]}`, 422},
		{"null_list", `{"master_lid":"` + master + `","merge_lids":null}`, 422},
		{"strategy_type", `{"master_lid":"` + master + `","merge_lids":["` + item + `"],"merge_strategy":1}`, 422},
	} {
		who.Post(t, path, tt.body).WantStatus(tt.status).WantGolden("item/local_merge_" + tt.name)
	}
	many := make([]string, 1001)
	for i := range many {
		many[i] = uuid.NewString()
	}
	mergeLocal(t, who, master, "", many...).WantStatus(http.StatusBadRequest).WantGolden("item/local_merge_many")
	// Administrators read everything, but change nothing of others.
	mergeLocal(t, srv.Admin(), master, "", item).WantStatus(http.StatusNotFound)
	if got := getLocal(t, who, item).Field("item.status"); got != "Active" {
		t.Errorf("an item of refused merges: got status %s, want Active", got)
	}
	if _, merges := localRows(t, srv, who, master, item, merged, deprecated); merges != 0 {
		t.Errorf("records of refused merges: got %d, want none", merges)
	}
}

func TestLocalUnmergeRefusals(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who, other := srv.User("maria"), srv.User("joao")
	circuit := newCircuit(t, who, "")
	local := func(n int) string { return newLocal(t, who, sisbov(fmt.Sprintf("BR%012d", n)), `{}`) }
	item, master, top, traced := local(1), local(2), local(3), local(4)
	mergeLocal(t, who, master, "", item).WantStatus(http.StatusOK)
	push(t, who, circuit, traced, "").WantStatus(http.StatusOK)
	unmergeLocal(t, who, "LID-"+item).WantStatus(http.StatusBadRequest).WantGolden("item/local_unmerge_bad_id")
	for _, somebody := range []*servertest.Client{other, srv.Admin()} {
		unmergeLocal(t, somebody, item).WantStatus(http.StatusNotFound).WantGolden("item/local_unmerge_unknown")
	}
	unmergeLocal(t, who, uuid.NewString()).WantStatus(http.StatusNotFound).WantGolden("item/local_unmerge_unknown")
	unmergeLocal(t, who, master).WantStatus(http.StatusBadRequest).WantGolden("item/local_unmerge_not_merged")
	unmergeLocal(t, who, traced).WantStatus(http.StatusBadRequest).WantGolden("item/local_unmerge_pushed")
	who.Post(t, "/api/items/local/unmerge", `{}`).WantStatus(http.StatusUnprocessableEntity).WantGolden("item/local_unmerge_nothing")

	// A chain is taken apart from its end.
	mergeLocal(t, who, top, "", master).WantStatus(http.StatusOK)
	unmergeLocal(t, who, item).WantStatus(http.StatusBadRequest).WantGolden("item/local_unmerge_chain")
	unmergeLocal(t, who, master).WantStatus(http.StatusOK)
	push(t, who, circuit, master, "").WantStatus(http.StatusOK)
	unmergeLocal(t, who, item).WantStatus(http.StatusBadRequest).WantGolden("item/local_unmerge_pushed")
}

// A merged item does not go to a circuit by itself; its master takes along what
// it got from it.
func TestPushOfMergedItems(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	circuit := newCircuit(t, who, `,"default_namespace":"bovino"`)
	master := newLocal(t, who, `{"key":"lote","value":"L-1"}`, `{"breed":"Nelore"}`)
	item := newLocal(t, who, sisbov("BR000000000001"), `{"born":"2024-03-11"}`)
	mergeLocal(t, who, master, "", item).WantStatus(http.StatusOK)
	push(t, who, circuit, item, "").WantStatus(http.StatusNotFound).WantError("Local item not found")
	dfid := push(t, who, circuit, master, "").WantStatus(http.StatusOK).Field("dfid")
	who.Get(t, "/api/items/"+dfid).WantStatus(http.StatusOK).WantGolden("item/pushed_master")
	if got := getLocal(t, who, master).WantStatus(http.StatusOK).Field("item.dfid"); got != dfid {
		t.Errorf("the master by its local id: got %s, want %s", got, dfid)
	}
	getLocal(t, who, item).WantStatus(http.StatusOK)
	other := newLocal(t, who, "", `{}`)
	for _, res := range []*servertest.Response{mergeLocal(t, who, master, "", other), mergeLocal(t, who, other, "", item)} {
		res.WantStatus(http.StatusBadRequest)
	}
}

// Two spellings of one number are duplicates; only the caller's own items in
// use count, each by its first canonical identifier.
func TestLocalDuplicates(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who, other := srv.User("maria"), srv.User("joao")
	const path = "/api/items/local/duplicates"
	who.Get(t, path).WantStatus(http.StatusOK).WantGolden("item/local_duplicates_none")
	const lote = `{"key":"lote","value":"same"}`
	first := newLocal(t, who, lote+","+sisbov("BR076123456789"), `{"weight":1,"breed":"Nelore","list":[1],"only":1}`)
	newLocal(t, who, lote+","+canonical("aves", "sisbov", "BR076123456789"), `{}`)
	newLocal(t, who, lote, `{}`)
	newLocal(t, who, lote, `{}`)
	srv.Advance(time.Second)
	second := newLocal(t, who, sisbov("BR-076.123.456.789"), `{"breed":"Nelore","list":[1,2],"weight":1}`)
	newLocal(t, other, sisbov("BR076123456789"), `{}`)
	rfid := newLocal(t, who, canonical("-", "rfid", "076000000000002")+","+sisbov("BR076123456789"), `{}`)
	newLocal(t, who, canonical("generic", "rfid", "076000000000002"), `{}`)
	third := newLocal(t, who, sisbov("BR076123456789"), `{"weight":1.50}`)
	deprecated := newLocal(t, who, sisbov("BR076123456789"), `{}`)
	setLocalStatus(t, srv, deprecated, app.ItemDeprecated)
	newLocal(t, who, canonical("bovino", "car", "one of a kind"), `{}`)
	res := who.Get(t, path).WantStatus(http.StatusOK).WantGolden("item/local_duplicates")
	if got, want := res.Field("duplicate_groups.0.items.0.created"), "2025-10-13T08:30:15.123456789+00:00"; got != want {
		t.Errorf("created: got %s, want %s", got, want)
	}
	var got struct {
		Groups []struct {
			Master string `json:"suggested_master_lid"`
			Items  []struct {
				LocalID string `json:"local_id"`
			}
		} `json:"duplicate_groups"`
	}
	res.JSON(&got)
	if len(got.Groups) != 2 || got.Groups[0].Master != first || got.Groups[1].Master != rfid {
		t.Fatalf("groups: got %+v, want those of %s and %s", got.Groups, first, rfid)
	}
	ids := []string{}
	for _, it := range got.Groups[0].Items {
		ids = append(ids, it.LocalID)
	}
	if diff := cmp.Diff([]string{first, second, third}, ids); diff != "" {
		t.Errorf("items in order of creation (-want +got):\n%s", diff)
	}
	mergeLocal(t, who, first, "", second, third).WantStatus(http.StatusOK)
	if got := who.Get(t, path).Field("summary.duplicate_groups"); got != "1" {
		t.Errorf("after a merge: got %s groups, want 1", got)
	}
	if got := srv.Admin().Get(t, path).Field("summary.total_items"); got != "0" {
		t.Errorf("an administrator without items: got %s duplicates, want none", got)
	}
}

// A dry run changes nothing; the real one merges each group whole or not at all.
func TestLocalOrganize(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	const path = "/api/items/local/organize"
	who.Post(t, path, `{"action":"deduplicate"}`).WantStatus(http.StatusOK).WantGolden("item/organize_nothing")
	group := func(ns string, n int) (ids []string) {
		for k := range n {
			ids = append(ids, newLocal(t, who, canonical(ns, "sisbov", "BR000000000001"), fmt.Sprintf(`{"n":%d}`, k)))
		}
		return ids
	}
	aves, bovino := group("aves", 2), group("bovino", 3)
	bulky := func(start int) string {
		ids := []string{canonical("suino", "sisbov", "BR000000000001")}
		for i := range 600 {
			ids = append(ids, fmt.Sprintf(`{"key":"k","value":"%d"}`, start+i))
		}
		return newLocal(t, who, strings.Join(ids, ","), `{}`)
	}
	suino := []string{bulky(0), bulky(600)}
	all := slices.Concat(aves, bovino, suino)
	for _, action := range []string{"deduplicate", "merge_all"} {
		who.Post(t, path, `{"action":"`+action+`","dry_run":true}`).WantStatus(http.StatusOK).WantGolden("item/organize_dry_run")
		if items, merges := localRows(t, srv, who, all...); items != 7 || merges != 0 {
			t.Errorf("after a dry run: got %d active items and %d records, want 7 and 0", items, merges)
		}
	}
	who.Post(t, path, `{"action":"deduplicate","namespace":"aves","merge_strategy":"keep_first"}`).WantStatus(http.StatusOK).WantGolden("item/organize_namespace")
	if got := getLocal(t, who, aves[0]).Field("item.enriched_data.n"); got != "0" {
		t.Errorf("keep_first: got %s, want the master's 0", got)
	}
	who.Post(t, path, `{"action":"deduplicate","namespace":"","dry_run":null,"merge_strategy":null}`).WantStatus(http.StatusOK).WantGolden("item/organize_nothing")
	who.Post(t, path, `{"action":"merge_all","merge_strategy":"overwrite"}`).WantStatus(http.StatusOK).WantGolden("item/organize")
	if got := getLocal(t, who, bovino[0]).Field("item.enriched_data.n"); got != "2" {
		t.Errorf("overwrite: got %s, want the last one's 2", got)
	}
	if items, merges := localRows(t, srv, who, all...); items != 4 || merges != 3 {
		t.Errorf("afterwards: got %d active items and %d records, want 4 and 3", items, merges)
	}
	for name, body := range map[string]string{
		"bad_action": `{"action":"x","merge_strategy":"x"}`, "bad_strategy": `{"action":"merge_all","merge_strategy":""}`,
	} {
		who.Post(t, path, body).WantStatus(http.StatusBadRequest).WantGolden("item/organize_" + name)
	}
	who.Post(t, path, `{}`).WantStatus(http.StatusUnprocessableEntity).WantGolden("item/organize_no_action")
}

// Of parallel merges of one item into several masters exactly one wins.
func TestParallelLocalMerges(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t)
	who := srv.User("maria")
	item := newLocal(t, who, "", `{"k":1}`)
	const masters = 8
	var (
		wg       sync.WaitGroup
		ids      [masters]string
		statuses [masters]int
	)
	for i := range masters {
		ids[i] = newLocal(t, who, "", `{}`)
	}
	for i := range masters {
		wg.Go(func() {
			res, err := who.Try(t.Context(), http.MethodPost, "/api/items/local/merge", fmt.Sprintf(`{"master_lid":%q,"merge_lids":[%q]}`, ids[i], item))
			if err != nil {
				t.Error(err)
				return
			}
			statuses[i] = res.Status
		})
	}
	wg.Wait()
	won := 0
	for i, status := range statuses {
		has := strings.Contains(getLocal(t, who, ids[i]).Field("item.enriched_data"), "k")
		if status == http.StatusOK {
			won++
		} else if status != http.StatusBadRequest {
			t.Errorf("master %d: got %d, want 200 or 400", i, status)
		}
		if has != (status == http.StatusOK) {
			t.Errorf("master %d: answered %d, has the data: %t", i, status, has)
		}
	}
	if _, merges := localRows(t, srv, who, ids[:]...); won != 1 || merges != 1 {
		t.Errorf("got %d merges and %d records, want 1", won, merges)
	}
}

// A local id leads to the local item and later to the traced one, to whoever
// sees it and as he sees it. Fixed words beat the parameter.
func TestLocalByID(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, member, stranger := srv.User("owner"), srv.User("member"), srv.User("stranger")
	circuit := seedCircuit(t, srv, nil, roles{owner: app.RoleOwner, member: app.RoleViewer})
	local := newLocal(t, owner, sisbov("BR000000000001"), `{"k":1}`)
	getLocal(t, owner, local).WantStatus(http.StatusOK).WantGolden("item/local_by_id")
	getLocal(t, owner, "urn:uuid:"+strings.ToUpper(local)).WantStatus(http.StatusOK)
	getLocal(t, srv.Admin(), local).WantStatus(http.StatusOK)
	for _, who := range []*servertest.Client{member, stranger} {
		getLocal(t, who, local).WantStatus(http.StatusNotFound).WantGolden("item/mapping_unknown")
	}
	push(t, owner, circuit, local, "").WantStatus(http.StatusOK)
	for _, who := range []*servertest.Client{owner, member, srv.Admin()} {
		getLocal(t, who, local).WantStatus(http.StatusOK).WantGolden("item/local_by_id_traced")
	}
	getLocal(t, stranger, local).WantStatus(http.StatusNotFound).WantGolden("item/mapping_unknown")
	getLocal(t, owner, uuid.NewString()).WantStatus(http.StatusNotFound).WantGolden("item/mapping_unknown")
	getLocal(t, owner, "LID-"+local).WantStatus(http.StatusBadRequest).WantGolden("item/mapping_bad_id")
	for _, word := range []string{"merge", "unmerge", "organize"} {
		getLocal(t, owner, word).WantStatus(http.StatusMethodNotAllowed).WantHeader("Allow", "POST")
	}
	owner.Post(t, "/api/items/local/duplicates", `{}`).WantStatus(http.StatusMethodNotAllowed).WantHeader("Allow", "GET,HEAD")

	// A stranger who pushed the same animal elsewhere sees his part of it.
	elsewhere := newCircuit(t, stranger, "")
	same := newLocal(t, stranger, sisbov("BR000000000001"), `{"mine":1}`)
	push(t, stranger, elsewhere, same, "").WantStatus(http.StatusOK)
	getLocal(t, stranger, same).WantStatus(http.StatusOK).WantGolden("item/local_by_id_part")
}

// What must be written waits for the writer, and says so when it is busy.
func TestLocalItemsWhileTheWriterIsBusy(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, busyWriter())
	who := srv.User("maria")
	a, b := newLocal(t, who, sisbov("BR000000000001"), `{}`), newLocal(t, who, sisbov("BR000000000001"), `{}`)
	holdWriter(t, srv)
	for _, res := range []*servertest.Response{
		mergeLocal(t, who, a, "", b), unmergeLocal(t, who, a), who.Post(t, "/api/items/local/organize", `{"action":"merge_all"}`),
	} {
		res.WantStatus(http.StatusServiceUnavailable).WantGolden("item/local_busy").WantHeader("Retry-After", "1")
	}
	who.Post(t, "/api/items/local/organize", `{"action":"merge_all","dry_run":true}`).WantStatus(http.StatusOK)
	who.Get(t, "/api/items/local/duplicates").WantStatus(http.StatusOK)
}
