package binarytest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/defarm-repo/defarm/web/client"
)

// farm is one account with one circuit, whose herd the tests grow.
type farm struct {
	token   string
	circuit string
}

// newFarm registers an account and creates a circuit that stores its items in
// the embedded block store.
func newFarm(t testing.TB, url string) farm {
	t.Helper()
	var f farm
	var account struct {
		Token string `json:"token"`
	}
	mustCall(t, newClient(t, url, ""), http.MethodPost, "/api/auth/register",
		`{"username":"farm","email":"farm@example.org","password":"Secret-123"}`, &account)
	f.token = account.Token
	var circuit struct {
		ID string `json:"circuit_id"`
	}
	mustCall(t, newClient(t, url, f.token), http.MethodPost, "/api/circuits",
		`{"name":"Herd","description":"Of the test","adapter_config":{"adapter_type":"ipfs-ipfs"}}`, &circuit)
	f.circuit = circuit.ID
	return f
}

func newClient(t testing.TB, url, token string) *client.Client {
	t.Helper()
	transport := client.NewTransport(64)
	t.Cleanup(transport.CloseIdleConnections)
	c, err := client.New(client.Options{URL: url, Credential: client.Credential{Token: token}, Transport: transport, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// mustCall wants 200 and decodes the answer into out.
func mustCall(t testing.TB, c *client.Client, method, path, body string, out any) {
	t.Helper()
	var raw []byte
	if body != "" {
		raw = []byte(body)
	}
	reply, err := c.Send(t.Context(), method, path, raw)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	if reply.Status != http.StatusOK {
		t.Fatalf("%s %s: got status %d, want 200: %s", method, path, reply.Status, reply.Body)
	}
	if err := json.Unmarshal(reply.Body, out); err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, reply.Body)
	}
}

// animal is one local item and what the server has answered about it.
type animal struct {
	local  string // "" until POST /api/items/local was answered
	sisbov string
	// dfid is set when a push was answered; status is that push's.
	dfid, status string
	// weights are the pushes that were answered: member names of
	// enriched_data, each pushed with the value of true.
	weights []string
	// pending is a push that was sent and not answered, as its body.
	pending string
	// refused counts answers of 503.
	refused int
}

// mapped is the answer of GET /api/items/mapping/{local_id}.
type mapped struct {
	Data struct {
		LocalID string  `json:"local_id"`
		DFID    *string `json:"dfid"`
		Status  string  `json:"status"`
	} `json:"data"`
}

// pushed is the answer of push-local.
type pushed struct {
	Data struct {
		DFID   string `json:"dfid"`
		Status string `json:"status"`
		Local  string `json:"local_id"`
	} `json:"data"`
}

// herder is one client: he creates local items, pushes most of them, and
// pushes some again with further data.
type herder struct {
	farm    farm
	http    *client.Client
	rng     *rand.Rand
	prefix  string // of his animals' numbers
	herd    []*animal
	stopped string // why he stopped
	// answered is told of every answered write.
	answered func()
}

// work goes on until the server is gone or the context ends.
func (h *herder) work(ctx context.Context) {
	for ctx.Err() == nil {
		a := &animal{sisbov: fmt.Sprintf("BR%s%08d", h.prefix, len(h.herd))}
		h.herd = append(h.herd, a)
		if !h.create(ctx, a) {
			return
		}
		pushes := h.rng.IntN(3) // 0: stays local
		for n := range pushes {
			if !h.push(ctx, a, fmt.Sprintf("weight_%d", n)) {
				return
			}
		}
	}
}

// create answers whether the herder goes on.
func (h *herder) create(ctx context.Context, a *animal) bool {
	body := fmt.Sprintf(`{"identifiers":[%s],"enriched_data":{"breed":"Nelore"}}`, a.identifier())
	var out mapped
	if !h.send(ctx, a, "/api/items/local", body, &out) {
		return false
	}
	a.local = out.Data.LocalID
	return true
}

func (h *herder) push(ctx context.Context, a *animal, member string) bool {
	if a.local == "" {
		return true // creating it was refused
	}
	body := fmt.Sprintf(`{"local_id":%q,"identifiers":[%s],"enriched_data":{%q:true}}`, a.local, a.identifier(), member)
	a.pending = body
	var out pushed
	if !h.send(ctx, a, "/api/circuits/"+h.farm.circuit+"/push-local", body, &out) {
		return false
	}
	a.pending = ""
	if out.Data.DFID == "" {
		return true // refused as busy
	}
	if a.dfid != "" && a.dfid != out.Data.DFID {
		h.stopped = fmt.Sprintf("%s was %s and is now %s", a.sisbov, a.dfid, out.Data.DFID)
		return false
	}
	if a.dfid == "" {
		a.dfid, a.status = out.Data.DFID, out.Data.Status
	}
	a.weights = append(a.weights, member)
	return true
}

func (a *animal) identifier() string {
	return fmt.Sprintf(`{"namespace":"bovino","key":"sisbov","value":%q,"id_type":"Canonical"}`, a.sisbov)
}

// send makes one write. A busy answer leaves out as it is.
func (h *herder) send(ctx context.Context, a *animal, path, body string, out any) bool {
	reply, err := h.http.Send(ctx, http.MethodPost, path, []byte(body))
	switch {
	case err != nil:
		h.stopped = "connection: " + err.Error()
		return false
	case reply.Status == http.StatusServiceUnavailable && reply.Header.Get("Retry-After") != "":
		a.refused++
		return true
	case reply.Status != http.StatusOK:
		h.stopped = fmt.Sprintf("POST %s: status %d: %s", path, reply.Status, reply.Body)
		return false
	}
	if err := json.Unmarshal(reply.Body, out); err != nil {
		h.stopped = fmt.Sprintf("POST %s: %v in %s", path, err, reply.Body)
		return false
	}
	h.answered()
	return true
}

// lost reports whether the herder stopped because the server went away, which
// is the only good reason.
func (h *herder) lost() bool { return h.stopped == "" || strings.HasPrefix(h.stopped, "connection: ") }

// crowd runs n herders until the server is gone; answered is called, from
// many goroutines, after each answered write.
func crowd(t *testing.T, url string, f farm, round, n int, seed uint64, answered func()) []*herder {
	t.Helper()
	herders := make([]*herder, n)
	var wg sync.WaitGroup
	for i := range herders {
		h := &herder{
			farm: f, http: newClient(t, url, f.token), answered: answered,
			rng:    rand.New(rand.NewPCG(seed, uint64(round*n+i))),
			prefix: fmt.Sprintf("%02d%02d", round, i),
		}
		herders[i] = h
		wg.Go(func() { h.work(t.Context()) })
	}
	wg.Wait()
	for i, h := range herders {
		if !h.lost() {
			t.Errorf("round %d, client %d: %s", round, i, h.stopped)
		}
	}
	return herders
}

// wantKept checks over HTTP that everything that was answered is there.
func wantKept(t *testing.T, c *client.Client, a *animal) {
	t.Helper()
	if a.local == "" {
		return
	}
	var m mapped
	mustCall(t, c, http.MethodGet, "/api/items/mapping/"+a.local, "", &m)
	if a.dfid == "" {
		if m.Data.Status == "Tokenized" && a.pending == "" {
			t.Errorf("%s was never pushed and is %s", a.local, *m.Data.DFID)
		}
		return
	}
	if m.Data.DFID == nil || *m.Data.DFID != a.dfid || m.Data.Status != "Tokenized" {
		t.Errorf("mapping of %s: got %+v, want %s", a.local, m.Data, a.dfid)
	}
	var item struct {
		DFID        string `json:"dfid"`
		Identifiers []struct {
			Value string `json:"value"`
		} `json:"identifiers"`
		Data map[string]any `json:"enriched_data"`
	}
	mustCall(t, c, http.MethodGet, "/api/items/"+a.dfid, "", &item)
	if item.DFID != a.dfid || len(item.Identifiers) == 0 || item.Identifiers[0].Value != a.sisbov {
		t.Errorf("item %s: got %+v, want the identifier %s", a.dfid, item, a.sisbov)
	}
	for _, w := range append([]string{"breed"}, a.weights...) {
		if _, ok := item.Data[w]; !ok {
			t.Errorf("item %s: answered data %q is gone, have %v", a.dfid, w, item.Data)
		}
	}
	var root struct {
		Data struct {
			Events int `json:"event_count"`
		} `json:"data"`
	}
	mustCall(t, c, http.MethodGet, "/api/merkle/items/"+a.dfid+"/merkle-root", "", &root)
	if root.Data.Events < len(a.weights) {
		t.Errorf("item %s: %d events for %d answered pushes", a.dfid, root.Data.Events, len(a.weights))
	}
}
