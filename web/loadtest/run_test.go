package loadtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/defarm-repo/defarm/web/client"
)

// behaviour is what a fake server does with one request.
type behaviour struct {
	takes      time.Duration
	status     int // 0: 200
	retryAfter bool
	err        error
	hang       bool // until the client gives up
}

// fake is a server in memory. decide is asked for each request with the
// operation's name and how many of it came before, so that faults are decided
// by counters. In a bubble of synctest the delays cost no time.
type fake struct {
	decide func(operation string, n int) behaviour

	mu         sync.Mutex
	seen       map[string]int
	registered map[string]string
	logins     map[string]int
	anonymous  int // requests that need a credential and had none
	readers    map[string]int
}

func newFake(decide func(operation string, n int) behaviour) *fake {
	return &fake{
		decide: decide, seen: map[string]int{}, registered: map[string]string{},
		logins: map[string]int{}, readers: map[string]int{},
	}
}

func operationOf(method, path string) string {
	switch {
	case strings.HasPrefix(path, "/api/auth/"):
		return strings.TrimPrefix(path, "/api/auth/")
	case path == "/api/items/local":
		return operationCreate
	case strings.HasSuffix(path, "/push-local"):
		return operationPush
	case path == "/api/circuits":
		return "circuit"
	case path == "/api/items":
		return operationList
	case method == http.MethodGet && strings.HasPrefix(path, "/api/items/DFID-"):
		return operationRead
	default:
		return "unknown " + path
	}
}

func (f *fake) RoundTrip(req *http.Request) (*http.Response, error) {
	op := operationOf(req.Method, req.URL.Path)
	f.mu.Lock()
	n := f.seen[op]
	f.seen[op]++
	f.mu.Unlock()
	b := behaviour{}
	if f.decide != nil {
		b = f.decide(op, n)
	}
	if b.hang {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	takes := time.NewTimer(b.takes)
	defer takes.Stop()
	select {
	case <-takes.C:
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	if b.err != nil {
		return nil, b.err
	}
	res := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: req}
	body := f.body(op, n, req)
	if b.status != 0 {
		res.StatusCode, body = b.status, `{"error":"as told"}`
	}
	if b.retryAfter {
		res.Header.Set("Retry-After", "1")
	}
	res.Body = io.NopCloser(strings.NewReader(body))
	return res, nil
}

func (f *fake) body(op string, n int, req *http.Request) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch op {
	case "register", "login":
		var in struct{ Username, Password string }
		if err := json.NewDecoder(req.Body).Decode(&in); err != nil {
			return err.Error()
		}
		if op == "register" {
			f.registered[in.Username] = in.Password
		} else {
			f.logins[in.Username]++
		}
		return fmt.Sprintf(`{"token":"token of %s"}`, in.Username)
	}
	if req.Header.Get("Authorization") == "" && req.Header.Get("X-API-Key") == "" {
		f.anonymous++
	}
	f.readers[req.Header.Get("User-Agent")]++
	switch op {
	case operationCreate:
		return fmt.Sprintf(`{"success":true,"data":{"local_id":"local-%d","status":"LocalOnly"}}`, n)
	case operationPush:
		return fmt.Sprintf(`{"success":true,"data":{"dfid":"DFID-%d","status":"NewItemCreated"}}`, n)
	case "circuit":
		return `{"circuit_id":"c1"}`
	default:
		return `{}`
	}
}

// test runs a load test against f in a bubble, where time is exact.
func test(t *testing.T, f *fake, c Config, check func(t *testing.T, r *Report)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c.URL, c.Transport = "http://127.0.0.1:1", f
		r, err := Run(t.Context(), c)
		if err != nil {
			t.Fatalf("Run: %v", err)
		}
		if f.anonymous > 0 {
			t.Errorf("%d requests had no credential", f.anonymous)
		}
		for op := range f.seen {
			if strings.HasPrefix(op, "unknown") {
				t.Errorf("unexpected request: %s", op)
			}
		}
		check(t, r)
	})
}

func TestClosedLoop(t *testing.T) {
	t.Parallel()
	f := newFake(func(op string, _ int) behaviour {
		return behaviour{takes: map[string]time.Duration{operationCreate: 4 * time.Millisecond, operationPush: 6 * time.Millisecond}[op]}
	})
	test(t, f, Config{Scenario: ScenarioPush, Clients: 5, Duration: 1995 * time.Millisecond, Warmup: 995 * time.Millisecond}, func(t *testing.T, r *Report) {
		// 5 clients, 10 ms an iteration, the last one begun at 1,990 ms: 1,000
		// of each, the warm-up's 500 dropped.
		want := []Operation{
			{
				Name: operationCreate, Requests: 1000, Throughput: 500, Mean: 4, P50: 4, P95: 4, P99: 4, Max: 4,
				Statuses: map[string]int64{"200": 1000}, Failures: map[string]int64{},
			},
			{
				Name: operationPush, Requests: 1000, Throughput: 500, Mean: 6, P50: 6, P95: 6, P99: 6, Max: 6,
				Statuses: map[string]int64{"200": 1000}, Failures: map[string]int64{},
			},
		}
		if diff := cmp.Diff(want, r.Operations, near()); diff != "" {
			t.Errorf("operations (-want +got):\n%s", diff)
		}
		if r.Seconds != 2 || r.Interrupted || r.Probe != nil {
			t.Errorf("got %g s, interrupted %t, probe %v; want 2 s, no, none", r.Seconds, r.Interrupted, r.Probe)
		}
		if f.seen[operationCreate] != 1500 {
			t.Errorf("server saw %d creates, want 1500 with the warm-up", f.seen[operationCreate])
		}
	})
}

func TestStatusesAndFailures(t *testing.T) {
	t.Parallel()
	f := newFake(func(op string, n int) behaviour {
		b := behaviour{takes: time.Millisecond}
		switch {
		case op != operationCreate:
		case n%10 == 0:
			b.status, b.retryAfter = 503, n%20 != 0
		case n%10 == 1:
			b.status = 429
		case n%10 == 2:
			b.err = syscall.ECONNRESET
		case n%100 == 3:
			b.hang = true
		}
		return b
	})
	c := Config{Scenario: ScenarioCreate, Clients: 3, Iterations: 1000, Timeout: time.Second}
	test(t, f, c, func(t *testing.T, r *Report) {
		got := r.Operations[0]
		if want := map[string]int64{"200": 690, "429": 100, "503": 100}; !cmp.Equal(got.Statuses, want) {
			t.Errorf("statuses: got %v, want %v", got.Statuses, want)
		}
		if want := map[string]int64{"connection reset": 100, "timeout": 10}; !cmp.Equal(got.Failures, want) {
			t.Errorf("failures: got %v, want %v", got.Failures, want)
		}
		if got.RateLimited != 100 || r.Total.RateLimited != 100 {
			t.Errorf("over a rate limit: got %d, in all %d, want 100", got.RateLimited, r.Total.RateLimited)
		}
		var text strings.Builder
		if err := r.WriteText(&text); err != nil || !strings.Contains(text.String(), "over a rate limit (429): 100;") {
			t.Errorf("got %v and %s, want the requests over a rate limit named", err, text.String())
		}
		if got.Requests != 1000 || got.Errors != 310 || got.ErrorRate != 0.31 {
			t.Errorf("got %d requests, %d errors, rate %g; want 1000, 310, 0.31", got.Requests, got.Errors, got.ErrorRate)
		}
		if want := (&Busy{Count: 100, WithoutRetryAfter: 50, P99: 1, Max: 1}); !cmp.Equal(got.Busy, want, near()) {
			t.Errorf("busy: got %+v, want %+v", got.Busy, want)
		}
		if !cmp.Equal(got.P50, 1.0, near()) || !cmp.Equal(got.Max, 1000.0, near()) {
			t.Errorf("P50 %g, max %g; want 1 and the timeout's 1000", got.P50, got.Max)
		}
	})
}

// A server that stalls for a second is charged for the requests that were due
// meanwhile.
func TestRateChargesWaiting(t *testing.T) {
	t.Parallel()
	f := newFake(func(op string, n int) behaviour {
		if op == operationRead && n == 100 {
			return behaviour{takes: time.Second}
		}
		return behaviour{}
	})
	c := Config{Scenario: ScenarioRead, Clients: 1, Duration: 9995 * time.Millisecond, Rate: 100, Items: 1}
	test(t, f, c, func(t *testing.T, r *Report) {
		got := r.Operations[0]
		if got.Requests != 1000 {
			t.Errorf("requests: got %d, want 100 a second for 10 s", got.Requests)
		}
		// Of about 1,000 the 100 due during the stall waited 1,000, 990, … ms.
		if !cmp.Equal(got.Max, 1000.0, near()) || got.P95 < 480 || got.P95 > 520 || got.P50 > 1 {
			t.Errorf("got P50 %g, P95 %g, max %g; want 0, about 500, 1000", got.P50, got.P95, got.Max)
		}
	})
}

func TestUniqueLogins(t *testing.T) {
	t.Parallel()
	f := newFake(func(string, int) behaviour { return behaviour{takes: 100 * time.Millisecond} })
	c := Config{Scenario: ScenarioLogin, Unique: true, Users: 25, Clients: 4, Duration: time.Hour, Warmup: time.Minute}
	test(t, f, c, func(t *testing.T, r *Report) {
		if r.Total.Requests != 25 || r.Total.Errors != 0 || !cmp.Equal(r.Seconds, 0.7) {
			t.Errorf("got %d logins, %d errors, %g s; want 25, 0, 0.7", r.Total.Requests, r.Total.Errors, r.Seconds)
		}
		for name := range f.registered {
			if f.logins[name] != 1 {
				t.Errorf("%s logged in %d times, want once", name, f.logins[name])
			}
		}
		if len(f.registered) != 25 {
			t.Errorf("%d users registered, want 25", len(f.registered))
		}
	})
}

func TestRepeatedLoginsWithProbe(t *testing.T) {
	t.Parallel()
	f := newFake(func(op string, _ int) behaviour {
		if op == "login" {
			return behaviour{takes: 50 * time.Millisecond}
		}
		return behaviour{takes: 2 * time.Millisecond}
	})
	c := Config{Scenario: ScenarioLogin, Clients: 10, Duration: 4975 * time.Millisecond, ProbeReads: 20, Items: 3}
	test(t, f, c, func(t *testing.T, r *Report) {
		if len(r.Operations) != 1 || r.Operations[0].Requests != 1000 || r.Total.Requests != 1000 {
			t.Errorf("operations: got %+v, want 1000 logins alone", r.Operations)
		}
		if r.Probe == nil || r.Probe.Requests < 99 || r.Probe.Requests > 100 || !cmp.Equal(r.Probe.P99, 2.0, near()) {
			t.Errorf("probe: got %+v, want 20 reads a second at 2 ms", r.Probe)
		}
		if r.Probe != nil && int64(f.readers["defarm-loadtest-probe"]) != r.Probe.Requests {
			t.Errorf("the probe's own client sent %d, want %d", f.readers["defarm-loadtest-probe"], r.Probe.Requests)
		}
		if len(f.logins) != 1 || len(f.registered) != 1 {
			t.Errorf("got %d users logged in, %d registered; want one", len(f.logins), len(f.registered))
		}
	})
}

func TestMixed(t *testing.T) {
	t.Parallel()
	f := newFake(func(string, int) behaviour { return behaviour{takes: time.Millisecond} })
	c := Config{Scenario: ScenarioMixed, Clients: 10, Iterations: 5000, Credential: client.Credential{APIKey: "dfm_x"}}
	test(t, f, c, func(t *testing.T, r *Report) {
		got := map[string]int64{}
		for _, o := range r.Operations {
			got[o.Name] = o.Requests
		}
		want := map[string]int64{operationRead: 3500, operationList: 500, operationCreate: 900, operationPush: 400, operationLogin: 100}
		for name, n := range want {
			if got[name] < n*8/10 || got[name] > n*12/10 {
				t.Errorf("%s: got %d, want about %d", name, got[name], n)
			}
		}
		if len(got) != len(want) {
			t.Errorf("operations: got %v", got)
		}
	})
}

func TestInterruptLeavesReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(func(op string, n int) behaviour {
			return behaviour{takes: 10 * time.Millisecond, hang: op == operationCreate && n == 50}
		})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		r, err := Run(ctx, Config{
			URL: "http://127.0.0.1:1", Transport: f, Scenario: ScenarioCreate, Clients: 2,
			Duration: time.Minute, Timeout: time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		if !r.Interrupted || r.Total.Errors != 0 || r.Total.Requests < 250 || r.Seconds < 4.9 || r.Seconds > 5 {
			t.Errorf("got interrupted %t, %d requests, %d errors, %g s; want what came in until 3 s and a grace of 2 s",
				r.Interrupted, r.Total.Requests, r.Total.Errors, r.Seconds)
		}
	})
}

func TestSetupFailureIsAnError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, fails string
		config      Config
		status      int
	}{
		{"register", "register", Config{Scenario: ScenarioCreate}, 409},
		{"login", "login", Config{Scenario: ScenarioCreate, Username: "u", Password: "p"}, 401},
		{"circuit", "circuit", Config{Scenario: ScenarioPush}, 403},
		{"items", operationPush, Config{Scenario: ScenarioList}, 500},
		{"users", "register", Config{Scenario: ScenarioLogin, Unique: true}, 409},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := tt.config
				c.URL, c.Clients, c.Duration = "http://127.0.0.1:1", 2, time.Second
				c.Transport = newFake(func(op string, _ int) behaviour {
					if op == tt.fails {
						return behaviour{status: tt.status}
					}
					return behaviour{}
				})
				r, err := Run(t.Context(), c)
				var answer *client.Error
				if r != nil || !errors.As(err, &answer) || answer.Status != tt.status {
					t.Errorf("got %v, %v; want no report and status %d", r, err, tt.status)
				}
			})
		})
	}
}

func TestSetupWaitsForABusyServer(t *testing.T) {
	t.Parallel()
	f := newFake(func(_ string, n int) behaviour {
		if n == 0 {
			return behaviour{status: 503, retryAfter: true}
		}
		return behaviour{takes: time.Millisecond}
	})
	test(t, f, Config{Scenario: ScenarioRead, Clients: 2, Iterations: 10, Items: 5}, func(t *testing.T, r *Report) {
		if r.Total.Requests != 10 || r.Total.Errors != 1 {
			t.Errorf("got %d reads, %d errors; want 10, and the one refusal not repeated", r.Total.Requests, r.Total.Errors)
		}
	})
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	good := Config{Scenario: ScenarioRead, Clients: 1, Duration: time.Second}
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"good", func(*Config) {}, ""},
		{"scenario", func(c *Config) { c.Scenario = "write" }, `scenario "write": want one of login, push`},
		{"no clients", func(c *Config) { c.Clients = 0 }, "clients 0"},
		{"many clients", func(c *Config) { c.Clients = 10_001 }, "clients 10001"},
		{"no end", func(c *Config) { c.Duration = 0 }, "duration or iterations"},
		{"negative", func(c *Config) { c.Warmup = -1 }, "must not be negative"},
		{"rate", func(c *Config) { c.Rate = -1 }, "rate -1"},
		{"unique reads", func(c *Config) { c.Unique = true }, "unique"},
		{"password alone", func(c *Config) { c.Password = "x" }, "belong together"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := good
			tt.change(&c)
			err := c.validate()
			if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
