package api_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/defarm-repo/defarm/app/demo"
	"github.com/defarm-repo/defarm/web/client"
	"github.com/defarm-repo/defarm/web/importer"
	"github.com/defarm-repo/defarm/web/servertest"
)

// foundItem is an item of a list, as far as the scenario looks at it.
type foundItem struct {
	DFID        string
	Status      string
	Identifiers []struct{ Key, Value string }
	Data        map[string]json.RawMessage `json:"enriched_data"`
}

func find(t *testing.T, who *servertest.Client, path string) []foundItem {
	t.Helper()
	var list []foundItem
	who.Get(t, path).WantStatus(http.StatusOK).JSON(&list)
	return list
}

// The herd of the demonstration, from the exporter's file to a herd book that is
// in order: imported, searched, an animal that lost its tag merged, a name
// that belongs to another animal split off, a dead one taken out of use.
func TestHerdFromFileToBook(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who, buyer := srv.User("maria"), srv.User("buyer")
	circuit := newCircuit(t, who, "")
	api, err := client.New(client.Options{URL: srv.URL, Credential: client.Credential{Token: who.Token}})
	if err != nil {
		t.Fatal(err)
	}
	summary, err := importer.Run(t.Context(), importer.Config{
		Client: api, Circuit: circuit, Namespace: "bovino", Source: demo.Herd(), Today: chainStart,
	})
	if err != nil || summary.Created != demo.HerdAnimals || summary.Failed != 0 {
		t.Fatalf("import: %+v (%v)", summary, err)
	}
	herd := find(t, who, "/api/items?limit=10000")
	if len(herd) != demo.HerdAnimals {
		t.Fatalf("herd: got %d animals, want %d", len(herd), demo.HerdAnimals)
	}

	// The last digits of a tag are what a farm hand reads out.
	const tag, chip = "BR000450302380", "076009630854887"
	hits := find(t, who, "/api/items/search?q=302380")
	if len(hits) != 1 || hits[0].Identifiers[0].Value != tag {
		t.Fatalf("search by the end of a tag: got %+v", hits)
	}
	animal := hits[0].DFID
	for _, query := range []string{"Guzer%C3%A1", "guzer%C3%A1", "M04-0815", chip, "REL%C3%82MPAGO", animal} {
		found := false
		for _, hit := range find(t, who, "/api/items/search?limit=1000&q="+query) {
			found = found || hit.DFID == animal
		}
		if !found {
			t.Errorf("search for %s does not find %s", query, animal)
		}
	}
	for _, path := range []string{
		"/api/items/identifier/sisbov/" + tag, "/api/items/identifier/sisbov/076000450302380",
		"/api/items/identifier/rfid/" + url.PathEscape("076 009630854887"),
	} {
		if hits := find(t, who, path); len(hits) != 1 || hits[0].DFID != animal {
			t.Errorf("%s: got %+v, want %s alone", path, hits, animal)
		}
	}
	if hits := find(t, buyer, "/api/items/search?q=302380"); len(hits) != 0 {
		t.Errorf("somebody else's search: got %+v", hits)
	}

	// It came back with a new tag before the old one was found.
	again := newItem(t, who, sisbov("BR000450302999"), `,"enriched_data":{"weight_kg":655}`)
	who.Post(t, "/api/items/"+animal+"/merge", `"`+again+`"`).WantStatus(http.StatusOK)
	if hits := find(t, who, "/api/items/search?q=302999&status=active"); len(hits) != 1 || hits[0].DFID != animal {
		t.Errorf("search by the new tag: got %+v, want %s", hits, animal)
	}
	if got := newItem(t, who, sisbov("BR000450302999"), `,"enriched_data":{"vaccinated":true}`); got != animal {
		t.Errorf("the next event under the new tag: got %s, want %s", got, animal)
	}

	// Its ear tag belongs to a calf.
	split := `{"identifiers_for_new_item":[{"namespace":"bovino","key":"ear_tag","value":"M04-0815"}]}`
	calf := who.Post(t, "/api/items/"+animal+"/split", split).WantStatus(http.StatusOK).Field("new_item.dfid")
	if hits := find(t, who, "/api/items/search?q=M04-0815"); len(hits) != 1 || hits[0].DFID != calf {
		t.Errorf("search by the ear tag: got %+v, want the calf %s", hits, calf)
	}

	dead := find(t, who, "/api/items/search?q=BR000475600962")[0].DFID
	who.Delete(t, "/api/items/"+dead).WantStatus(http.StatusOK)
	var stats map[string]float64
	who.Get(t, "/api/items/stats").WantStatus(http.StatusOK).JSON(&stats)
	for name, want := range map[string]float64{
		"total_items": demo.HerdAnimals + 2, "active_items": demo.HerdAnimals - 1, "merged_items": 1, "split_items": 1,
		"archived_items": 1, "average_confidence": 1,
	} {
		if stats[name] != want {
			t.Errorf("statistics: %s is %v, want %v", name, stats[name], want)
		}
	}
	types := strings.Join(texts(t, who, "/api/items/"+animal+"/events", "event_type"), " ")
	if want := "Split Enriched Merged PushedToCircuit"; types != want {
		t.Errorf("events of the animal: got %s, want %s", types, want)
	}
	root := who.Get(t, "/api/merkle/items/"+animal+"/merkle-root").WantStatus(http.StatusOK)
	if got := root.Field("data.event_count"); got != "4" {
		t.Errorf("events under the Merkle root: got %s, want 4", got)
	}
}
