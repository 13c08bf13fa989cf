package loadtest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/defarm-repo/defarm/web/client"
)

// The scenarios.
const (
	ScenarioLogin  = "login"  // POST /api/auth/login
	ScenarioPush   = "push"   // create a local item and push it to a circuit
	ScenarioCreate = "create" // create a local item
	ScenarioRead   = "read"   // read an item by its DFID
	ScenarioList   = "list"   // list 50 items
	ScenarioMixed  = "mixed"  // all of them, mostly reads
)

func scenarios() []string {
	return []string{ScenarioLogin, ScenarioPush, ScenarioCreate, ScenarioRead, ScenarioList, ScenarioMixed}
}

// Config says what load to make.
type Config struct {
	URL      string // the server
	Scenario string // one of the constants above
	Clients  int    // clients at the same time, 1 to 10,000
	// The test ends after Duration, or after Iterations of the scenario,
	// whichever comes first; 0 is no limit, but one of them is needed.
	Duration   time.Duration
	Iterations int64
	Warmup     time.Duration // before it; 0 for none
	Rate       float64       // iterations started per second in all; 0: as fast as the clients can
	ProbeReads float64       // reads per second of a separate client, reported apart; 0: none

	// Username and Password log in to get the credential; else Credential
	// is used; else a throw-away user is registered.
	Username, Password string
	Credential         client.Credential

	Unique bool // login: every login is another user's first
	Users  int  // users registered for Unique; default 200
	Items  int  // items to read; default 100

	Timeout   time.Duration     // of one request; default 30 s
	Log       io.Writer         // live progress; nil for none
	Transport http.RoundTripper // default: one keep-alive connection a client
}

func (c *Config) validate() error {
	if c.Users == 0 {
		c.Users = 200
	}
	if c.Items == 0 {
		c.Items = 100
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Log == nil {
		c.Log = io.Discard
	}
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(slices.Contains(scenarios(), c.Scenario), "scenario %q: want one of %s", c.Scenario, strings.Join(scenarios(), ", "))
	check(c.Clients >= 1 && c.Clients <= 10_000, "clients %d: want 1 to 10000", c.Clients)
	check(c.Duration >= 0 && c.Iterations >= 0 && c.Warmup >= 0, "duration, iterations and warm-up must not be negative")
	check(c.Duration > 0 || c.Iterations > 0, "duration or iterations must be above zero")
	check(c.Rate >= 0 && c.Rate <= 1e6, "rate %g: want 0 to 1000000", c.Rate)
	check(c.ProbeReads >= 0 && c.ProbeReads <= 1e4, "probe reads %g: want 0 to 10000", c.ProbeReads)
	check(c.Users >= 1 && c.Users <= 100_000, "users %d: want 1 to 100000", c.Users)
	check(c.Items >= 1 && c.Items <= 100_000, "items %d: want 1 to 100000", c.Items)
	check(c.Timeout > 0, "timeout must be above zero")
	check(!c.Unique || c.Scenario == ScenarioLogin, "unique is for the login scenario")
	check((c.Username == "") == (c.Password == ""), "username and password belong together")
	return errors.Join(errs...)
}

// logf shows a line of progress. One that cannot be shown is no reason to stop.
func (c *Config) logf(format string, args ...any) {
	_, _ = fmt.Fprintf(c.Log, format, args...)
}

// needsItems reports whether there must be items to read.
func (c *Config) needsItems() bool {
	switch c.Scenario {
	case ScenarioRead, ScenarioList, ScenarioMixed:
		return true
	default:
		return c.ProbeReads > 0
	}
}

// needsCircuit reports whether something is pushed.
func (c *Config) needsCircuit() bool { return c.Scenario == ScenarioPush || c.needsItems() }

// needsLogin reports whether a user name and password are needed.
func (c *Config) needsLogin() bool {
	return c.Scenario == ScenarioMixed || (c.Scenario == ScenarioLogin && !c.Unique)
}
