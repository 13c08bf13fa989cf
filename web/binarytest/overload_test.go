package binarytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// TestOverload makes the writer's queue as small as it can be and sends 64
// clients at it: each answer is 200, or 503 with Retry-After; what was refused
// left nothing behind; and afterwards the server serves as before.
func TestOverload(t *testing.T) {
	t.Parallel()
	p := serve(t, []string{
		"DEFARM_DATABASE_WRITER_QUEUE_DEPTH=1",
		"DEFARM_DATABASE_WRITER_MAX_BATCH=1",
		"DEFARM_DATABASE_WRITER_ADMISSION_TIMEOUT=1ms",
	}, "--data-dir", t.TempDir()+"/data")
	f := newFarm(t, p.ready.URL)
	o := &overload{t: t, statuses: map[int]int{}}
	c := newClient(t, p.ready.URL, f.token)

	// At least 2,000 requests, and on until one was refused; the bound is
	// for a machine that is never too slow.
	var sent atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for n := sent.Add(1); n <= 2000 || (n <= 9000 && !o.refused.Load()); n = sent.Add(1) {
				reply, err := c.Send(t.Context(), http.MethodPost, "/api/items/local", []byte(localItem(n)))
				if err != nil {
					t.Errorf("request %d: %v", n, err)
					return
				}
				o.add(reply.Status, reply.Header.Get("Retry-After"), reply.Body)
			}
		})
	}
	wg.Wait()
	t.Logf("statuses: %v", o.statuses)
	if o.statuses[http.StatusServiceUnavailable] == 0 {
		t.Error("no request was refused: the test did not overload anything")
	}
	if o.statuses[http.StatusOK] == 0 {
		t.Error("no request was served under overload")
	}

	for n := range 50 {
		var out mapped
		mustCall(t, c, http.MethodPost, "/api/items/local", localItem(int64(100_000+n)), &out)
	}
	var items []struct {
		DFID string `json:"dfid"`
	}
	mustCall(t, c, http.MethodGet, "/api/items?limit=10000", "", &items)
	if want := o.statuses[http.StatusOK] + 50; len(items) != want {
		t.Errorf("items in the list: got %d, want %d, as many as were answered with 200", len(items), want)
	}
	p.terminate()
	p.wantCleanEnd()
}

func localItem(n int64) string {
	return fmt.Sprintf(`{"identifiers":[{"namespace":"bovino","key":"ear_tag","value":"E-%06d"}]}`, n)
}

// overload counts answers and judges each.
type overload struct {
	t        *testing.T
	refused  atomic.Bool
	mu       sync.Mutex
	statuses map[int]int
}

func (o *overload) add(status int, retryAfter string, body []byte) {
	o.mu.Lock()
	o.statuses[status]++
	o.mu.Unlock()
	switch status {
	case http.StatusOK:
	case http.StatusServiceUnavailable:
		o.refused.Store(true)
		if seconds, err := strconv.Atoi(retryAfter); err != nil || seconds < 1 {
			o.t.Errorf("503 with Retry-After %q, want a number of seconds", retryAfter)
		}
		var out struct {
			Error string `json:"error"`
		}
		if err := json.Unmarshal(body, &out); err != nil || out.Error == "" {
			o.t.Errorf("503 with body %q, want an error text", body)
		}
	default:
		o.t.Errorf("status %d under overload: %s", status, body)
	}
}
