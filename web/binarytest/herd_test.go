package binarytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/defarm-repo/defarm/web/client"
)

// importSummary is what `import items --json` prints.
type importSummary struct {
	Read     int `json:"read"`
	Created  int `json:"created"`
	Enriched int `json:"enriched"`
	Refused  int `json:"refused"`
	Failed   int `json:"failed"`
	Skipped  int `json:"skipped"`
	Unsent   int `json:"unsent"`
	Rows     []struct {
		Line   int    `json:"line"`
		Reason string `json:"reason"`
	} `json:"refused_rows"`
}

// TestHerdTwice imports the herd of 1,000 lines two times. The second import
// finds every animal again: it creates none, and each keeps its DFID and its
// identifiers. Then one animal's history is proved with the test's own hashing.
func TestHerdTwice(t *testing.T) {
	t.Parallel()
	p := serve(t, []string{"DEFARM_DATABASE_SYNCHRONOUS=OFF"}, "--data-dir", t.TempDir()+"/data")
	f := newFarm(t, p.ready.URL)
	c := newClient(t, p.ready.URL, f.token)

	first := importHerd(t, p.ready.URL, f)
	herd := circuitItems(t, c, f.circuit)
	second := importHerd(t, p.ready.URL, f)
	again := circuitItems(t, c, f.circuit)

	counts := func(s importSummary) importSummary { s.Rows = nil; return s }
	if diff := cmp.Diff(importSummary{Read: 1000, Created: 963, Enriched: 24, Refused: 13}, counts(first)); diff != "" {
		t.Errorf("first summary (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(importSummary{Read: 1000, Enriched: 987, Refused: 13}, counts(second)); diff != "" {
		t.Errorf("second summary (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(first.Rows, second.Rows); diff != "" || len(first.Rows) != 13 {
		t.Errorf("refused rows: got %d; they differ (-first +second):\n%s", len(first.Rows), diff)
	}
	for _, r := range first.Rows {
		if r.Line < 2 || r.Reason == "" {
			t.Errorf("refused row without line or reason: %+v", r)
		}
	}
	if len(herd) != first.Created {
		t.Errorf("items in the circuit: got %d, want one for each of %d created", len(herd), first.Created)
	}
	if diff := cmp.Diff(herd, again); diff != "" {
		t.Errorf("the second import changed items (-first +second):\n%s", diff)
	}
	dfids := slices.Sorted(maps.Keys(herd))
	i := slices.IndexFunc(dfids, func(dfid string) bool { return strings.Count(herd[dfid], `"Canonical"`) == 2 })
	if i < 0 {
		t.Fatal("no animal with two canonical identifiers")
	}
	wantProved(t, c, dfids[i])
	p.terminate()
	p.wantCleanEnd()
}

// importHerd runs the command as an operator does.
func importHerd(t *testing.T, url string, f farm) importSummary {
	t.Helper()
	file, err := filepath.Abs(filepath.Join("..", "..", "app", "demo", "herd.csv"))
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, []string{"DEFARM_TOKEN=" + f.token}, "import", "items", file, "--circuit", f.circuit, "--url", url, "--json")
	if r.code != 0 {
		t.Fatalf("import: got status %d\n%s\n%s", r.code, r.stdout, r.stderr)
	}
	var s importSummary
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil {
		t.Fatalf("summary: %v in %s", err, r.stdout)
	}
	return s
}

// circuitItems gives the identifiers of a circuit's items, by DFID.
func circuitItems(t *testing.T, c *client.Client, circuit string) map[string]string {
	t.Helper()
	out := map[string]string{}
	const page = 500
	for offset := 0; ; offset += page {
		var items []struct {
			DFID string `json:"dfid"`
		}
		mustCall(t, c, http.MethodGet, fmt.Sprintf("/api/circuits/%s/items?limit=%d&offset=%d", circuit, page, offset), "", &items)
		for _, it := range items {
			var item struct {
				Identifiers json.RawMessage `json:"identifiers"`
			}
			mustCall(t, c, http.MethodGet, "/api/items/"+it.DFID, "", &item)
			out[it.DFID] = string(item.Identifiers)
		}
		if len(items) < page {
			return out
		}
	}
}

// event is an event of an item as the API shows it.
type event struct {
	ID       string         `json:"event_id"`
	Type     string         `json:"event_type"`
	At       int64          `json:"timestamp"`
	Source   string         `json:"source"`
	Metadata map[string]any `json:"metadata"`
}

// leaf is the event's hash (contract 07 §6).
func (e event) leaf(t *testing.T) string {
	t.Helper()
	var metadata bytes.Buffer
	enc := json.NewEncoder(&metadata) // sorts the names
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e.Metadata); err != nil {
		t.Fatal(err)
	}
	return ownHash(t, e.ID, e.Type, fmt.Sprintf("%d000000000", e.At), e.Source, strings.TrimSpace(metadata.String()))
}

// proof is the answer of merkle-proof.
type proof struct {
	Leaf     string `json:"leaf_hash"`
	Index    int    `json:"leaf_index"`
	Root     string `json:"root"`
	Siblings []struct {
		Hash     string `json:"hash"`
		Position string `json:"position"`
	} `json:"siblings"`
}

// wantProved checks the proofs of all events of an item twice: with the test's
// own hashing, from the events to the item's root, and by asking the server.
func wantProved(t *testing.T, c *client.Client, dfid string) {
	t.Helper()
	var events []event
	mustCall(t, c, http.MethodGet, "/api/events/item/"+dfid, "", &events)
	if len(events) < 2 { // two imports, two events
		t.Errorf("%s: got %d events, want one for each import at least", dfid, len(events))
	}
	var root struct {
		Data struct {
			Hash   string `json:"merkle_root"`
			Events int    `json:"event_count"`
		} `json:"data"`
	}
	mustCall(t, c, http.MethodGet, "/api/merkle/items/"+dfid+"/merkle-root", "", &root)
	if root.Data.Events != len(events) {
		t.Errorf("%s: the root covers %d events, %d are shown", dfid, root.Data.Events, len(events))
	}
	for _, e := range events {
		var raw struct {
			Proof json.RawMessage `json:"proof"`
		}
		mustCall(t, c, http.MethodGet, "/api/merkle/items/"+dfid+"/merkle-proof/"+e.ID, "", &raw)
		var p proof
		if err := json.Unmarshal(raw.Proof, &p); err != nil {
			t.Fatal(err)
		}
		hash := e.leaf(t)
		if p.Leaf != hash {
			t.Errorf("leaf of event %s: got %s, hashed %s", e.ID, p.Leaf, hash)
		}
		for _, s := range p.Siblings {
			if s.Position == "Left" {
				hash = ownHash(t, s.Hash, hash)
			} else {
				hash = ownHash(t, hash, s.Hash)
			}
		}
		if hash != root.Data.Hash || p.Root != root.Data.Hash {
			t.Errorf("proof of event %s leads to %s and claims %s, the item's root is %s", e.ID, hash, p.Root, root.Data.Hash)
		}
		for expected, want := range map[string]bool{root.Data.Hash: true, p.Leaf: false} {
			var verdict struct {
				Valid bool `json:"valid"`
			}
			mustCall(t, c, http.MethodPost, "/api/merkle/verify-proof", fmt.Sprintf(`{"proof":%s,"expected_root":%q}`, raw.Proof, expected), &verdict)
			if verdict.Valid != want {
				t.Errorf("event %s, expected root %s: the server says valid=%t, want %t", e.ID, expected, verdict.Valid, want)
			}
		}
	}
}
