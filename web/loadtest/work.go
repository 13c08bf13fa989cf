package loadtest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/defarm-repo/defarm/web/client"
)

// The operations of the report.
const (
	operationLogin  = "login"
	operationCreate = "create-local"
	operationPush   = "push-local"
	operationRead   = "read"
	operationList   = "list-50"
	probeOperation  = "probe read"
)

// worker is one client.
type worker struct {
	stage *stage
	// ctx ends only when the test gives up waiting for answers.
	ctx  context.Context //nolint:containedctx // the whole life of the worker
	keep func(sample)
	rng  *rand.Rand
	// due is when the next request should have been sent; zero in a closed
	// loop.
	due time.Time
	// next is the index of the next user of a unique login.
	next *atomic.Int64
}

// step does one iteration of a scenario; false means that there is nothing
// left to do.
type step func(w *worker) bool

func stepOf(c *Config) step {
	switch c.Scenario {
	case ScenarioLogin:
		if c.Unique {
			return (*worker).loginNext
		}
		return (*worker).loginAgain
	case ScenarioPush:
		return (*worker).push
	case ScenarioCreate:
		return func(w *worker) bool { w.create(); return true }
	case ScenarioRead:
		return (*worker).read
	case ScenarioList:
		return (*worker).list
	default:
		return (*worker).mixed
	}
}

// mixed is what a farm's day looks like to the server: of a hundred
// iterations 70 reads, 10 lists, 10 new local items, 8 pushes, 2 logins.
func (w *worker) mixed() bool {
	switch n := w.rng.IntN(100); {
	case n < 70:
		return w.read()
	case n < 80:
		return w.list()
	case n < 90:
		w.create()
		return true
	case n < 98:
		return w.push()
	default:
		return w.loginAgain()
	}
}

func (w *worker) read() bool {
	dfid := w.stage.dfids[w.rng.IntN(len(w.stage.dfids))]
	w.send(operationRead, w.stage.caller, http.MethodGet, "/api/items/"+dfid, nil)
	return true
}

func (w *worker) list() bool {
	w.send(operationList, w.stage.caller, http.MethodGet, "/api/items?limit=50", nil)
	return true
}

// create returns the new local id, "" when there is none.
func (w *worker) create() string {
	var out struct {
		Data struct {
			LocalID string `json:"local_id"`
		} `json:"data"`
	}
	reply := w.send(operationCreate, w.stage.caller, http.MethodPost, "/api/items/local", w.stage.itemBody())
	if reply == nil || json.Unmarshal(reply.Body, &out) != nil {
		return ""
	}
	return out.Data.LocalID
}

func (w *worker) push() bool {
	if id := w.create(); id != "" {
		w.send(operationPush, w.stage.caller, http.MethodPost, w.stage.pushPath(), fmt.Appendf(nil, `{"local_id":%q}`, id))
	}
	return true
}

func (w *worker) loginAgain() bool {
	w.logIn(w.stage.login)
	return true
}

// loginNext logs in a user who has not logged in before.
func (w *worker) loginNext() bool {
	i := w.next.Add(1) - 1
	if i >= int64(len(w.stage.users)) {
		return false
	}
	w.logIn(w.stage.users[i])
	return true
}

func (w *worker) logIn(a account) {
	body, err := json.Marshal(map[string]string{"username": a.username, "password": a.password})
	if err != nil {
		w.keep(sample{operation: operationLogin, failure: "cannot be encoded"})
		return
	}
	w.send(operationLogin, w.stage.nobody, http.MethodPost, "/api/auth/login", body)
}

// send makes one request and records it. It returns a 2xx answer, else nil.
// What the end of the test cut off is not recorded.
func (w *worker) send(op string, c *client.Client, method, path string, body []byte) *client.Reply {
	from := time.Now()
	if !w.due.IsZero() {
		from, w.due = w.due, time.Time{}
	}
	reply, err := c.Send(w.ctx, method, path, body)
	s := sample{operation: op, took: time.Since(from)}
	if err != nil {
		if w.ctx.Err() == nil {
			s.failure = failureOf(err)
			w.keep(s)
		}
		return nil
	}
	s.status = reply.Status
	_, s.retryAfter = client.RetryAfter(reply.Header, from)
	if s.ok() && !json.Valid(reply.Body) {
		s.failure = "not JSON"
	}
	w.keep(s)
	if !s.ok() {
		return nil
	}
	return reply
}
