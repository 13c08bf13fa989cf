package importer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/defarm-repo/defarm/web/client"
)

const testCircuit = "3b0c6f1e-52a5-4a0e-9c2f-0d7a5f1c9e11"

// push is one push-local request as the fake saw it.
type push struct {
	LocalID     string           `json:"local_id"`
	Identifiers []identifierJSON `json:"identifiers"`
	Data        map[string]any   `json:"enriched_data"`
}

// fake is a server that resolves pushes as contract 04 §9.4 says: by local id,
// then by canonical identifiers, each in one normal form.
type fake struct {
	user string
	// refuse may answer instead; n counts the pushes that arrived before.
	refuse func(w http.ResponseWriter, n int, p push) bool

	mu      sync.Mutex
	arrived int
	items   []map[string]any
	byID    map[string]int // canonical identifier or local id to item
	open    map[string]int // identifiers of requests under way
	overlap []string       // identifiers seen in two requests at once
	weights []float64      // in the order in which they were stored
}

func newFake() *fake {
	return &fake{user: "user-1", byID: map[string]int{}, open: map[string]int{}}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-API-Key") != "dfm_test" {
		http.Error(w, `{"error":"invalid_api_key","message":"Invalid API key"}`, http.StatusUnauthorized)
		return
	}
	switch r.URL.Path {
	case "/users/me/profile":
		f.mu.Lock()
		user := f.user
		f.mu.Unlock()
		fmt.Fprintf(w, `{"user_id":%q,"username":"maria"}`, user)
	case "/api/circuits/" + testCircuit:
		fmt.Fprint(w, `{"circuit_id":"`+testCircuit+`"}`)
	case "/api/circuits/" + testCircuit + "/push-local":
		f.push(w, r)
	default:
		http.Error(w, `{"error":"Circuit not found"}`, http.StatusNotFound)
	}
}

func (f *fake) push(w http.ResponseWriter, r *http.Request) {
	var p push
	if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
		http.Error(w, `{"error":"`+err.Error()+`"}`, http.StatusUnprocessableEntity)
		return
	}
	keys := canonicalKeys(p)
	f.enter(keys)
	runtime.Gosched() // let others in, if they would come
	defer f.leave(keys)
	f.mu.Lock()
	n := f.arrived
	f.arrived++
	refuse := f.refuse
	f.mu.Unlock()
	if refuse != nil && refuse(w, n, p) {
		return
	}
	status, item := f.resolve(p, keys)
	fmt.Fprintf(w, `{"success":true,"data":{"dfid":"DFID-%d","status":%q,"operation_id":"o","local_id":%q}}`, item, status, p.LocalID)
}

func (f *fake) enter(keys []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range keys {
		if f.open[k]++; f.open[k] > 1 {
			f.overlap = append(f.overlap, k)
		}
	}
}

func (f *fake) leave(keys []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range keys {
		f.open[k]--
	}
}

func (f *fake) resolve(p push, keys []string) (string, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	status, item := "NewItemCreated", -1
	for _, k := range append([]string{p.LocalID}, keys...) {
		if i, ok := f.byID[k]; ok {
			status, item = "ExistingItemEnriched", i
			break
		}
	}
	if item < 0 {
		item = len(f.items)
		f.items = append(f.items, map[string]any{})
	}
	for _, k := range append([]string{p.LocalID}, keys...) {
		f.byID[k] = item
	}
	for k, v := range p.Data {
		f.items[item][k] = v
	}
	if kg, ok := p.Data["weight_kg"].(float64); ok {
		f.weights = append(f.weights, kg)
	}
	return status, item
}

// canonicalKeys normalises with the fake's own code.
func canonicalKeys(p push) []string {
	var keys []string
	for _, id := range p.Identifiers {
		if id.Type != "Canonical" {
			continue
		}
		v := strings.NewReplacer(" ", "", ".", "", "-", "").Replace(id.Value)
		if id.Key == "sisbov" {
			v = strings.Replace(v, "BR", "076", 1)
		}
		keys = append(keys, id.Namespace+"/"+id.Key+"/"+v)
	}
	return keys
}

// set changes what is refused while the server runs.
func (f *fake) set(refuse func(w http.ResponseWriter, n int, p push) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = refuse
}

// as changes whose key it is.
func (f *fake) as(user string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.user = user
}

// together are the identifiers that were in two requests at once.
func (f *fake) together() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.overlap)
}

// stored are the weights in the order in which they came.
func (f *fake) stored() []float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.weights)
}

// pushes is how many push-local requests arrived.
func (f *fake) pushes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.arrived
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.items)
}

// start serves f and returns what Run needs to import source into it.
func start(t *testing.T, f *fake, source string) Config {
	t.Helper()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	c, err := client.New(client.Options{
		URL: srv.URL, Credential: client.Credential{APIKey: "dfm_test"},
		Retry: client.Retry{FirstWait: time.Microsecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Client: c, Circuit: testCircuit, Namespace: "bovino", Source: strings.NewReader(source), Size: int64(len(source)),
		Today: time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC),
	}
}

// herdOf is a file of n animals with SISBOV numbers.
func herdOf(n int) string {
	var b strings.Builder
	b.WriteString("sisbov,weight_kg\n")
	for i := range n {
		fmt.Fprintf(&b, "BR%012d,%d\n", i+1, 300+i)
	}
	return b.String()
}
