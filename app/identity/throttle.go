package identity

import (
	"hash/maphash"
	"math"
	"net/netip"
	"sync"
	"time"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/ratelimit"
)

// ThrottleConfig bounds failed logins. Only failures count: whoever knows his
// password is never slowed down by his own logins. Zero fields are defaults; a
// negative limit switches that one off.
type ThrottleConfig struct {
	// Window is the time in which a limit's worth of failures is forgotten,
	// evenly; default 15 minutes.
	Window time.Duration
	// PerAccountAddress is how many failures one address may have at one
	// account; default 10.
	PerAccountAddress int
	// PerAddress is how many failures one address may have at all accounts
	// together, registrations that ran into a taken name included; default 100.
	PerAddress int
	// PerAccount is how many failures one account may have from all addresses
	// together; default 100.
	PerAccount int
	// MaxCoolDown bounds the pause between attempts over a limit; it starts
	// with one second and doubles with every attempt. Default two minutes.
	MaxCoolDown time.Duration
	// SignupsPerAddress is how many accounts one address may register in an
	// hour; default 1,000.
	SignupsPerAddress int64
	// Entries bounds the counters that are remembered; default 65,536.
	Entries int
}

func (c ThrottleConfig) withDefaults() ThrottleConfig {
	if c.Window <= 0 {
		c.Window = 15 * time.Minute
	}
	c.PerAccountAddress = limitOr(c.PerAccountAddress, 10)
	c.PerAddress = limitOr(c.PerAddress, 100)
	c.PerAccount = limitOr(c.PerAccount, 100)
	if c.MaxCoolDown <= 0 {
		c.MaxCoolDown = 2 * time.Minute
	}
	switch {
	case c.SignupsPerAddress == 0:
		c.SignupsPerAddress = 1_000
	case c.SignupsPerAddress < 0:
		c.SignupsPerAddress = math.MaxInt64
	}
	if c.Entries <= 0 {
		c.Entries = 1 << 16
	}
	return c
}

func limitOr(n, standard int) int {
	switch {
	case n == 0:
		return standard
	case n < 0:
		return math.MaxInt
	default:
		return n
	}
}

// throttle slows down guessing. Three counters are asked for each attempt:
//
//   - the pair of account and address: stops guessing at one account;
//   - the address: stops trying one password on many accounts;
//   - the account: stops guessing at one account from many addresses.
//
// Each is a leaky bucket of failures. While one is over its limit, attempts
// are let through one at a time with pauses that double from one second to
// MaxCoolDown, and the others are refused with 429 and Retry-After, without a
// look at the password. A refused attempt does not count, so a flood does not
// prolong the pause.
//
// So that an attacker cannot lock the owner out, an address at which somebody
// has logged in to the account is known to it: there, only the pair counts. An
// owner behind another address than the attacker's is not slowed down at all,
// except when an attack comes from so many addresses that the account's own
// counter overflows and he logs in from an address where he never did before:
// then he waits for his turn. A success forgets the pair's failures.
//
// Attempts that run at the same time are counted when they end, so that many
// honest logins at once are not refused; over the limit, an attempt counts when
// it starts. The first burst can thus exceed a limit by as much as the password
// queue holds, later ones cannot.
//
// Everything is in memory, bounded and lost at a restart.
type throttle struct {
	cfg    ThrottleConfig
	seed   maphash.Seed
	shards [throttleShards]throttleShard
	perMax int
}

const throttleShards = 32

type throttleShard struct {
	mu      sync.Mutex
	entries map[throttleKey]*counter
}

// throttleKey names a counter: either part may be empty.
type throttleKey struct {
	account string // folded user name
	address string // see ratelimit.AddressKey
}

// counter is a leaky bucket of failures.
type counter struct {
	level   float64 // failures that are not forgotten yet
	at      int64   // when level was right, nanoseconds since 1970
	strikes int     // attempts let through since the limit was passed
	next    int64   // no attempt before this instant while over the limit
	known   bool    // the pair has had a success
}

func newThrottle(cfg ThrottleConfig) *throttle {
	t := &throttle{
		cfg:    cfg,
		seed:   maphash.MakeSeed(),
		perMax: max(1, cfg.Entries/throttleShards),
	}
	for i := range t.shards {
		t.shards[i].entries = make(map[throttleKey]*counter)
	}
	return t
}

// attempt is a login that was let through; it ends with success or failure, or
// with neither when the password was not looked at in the end.
type attempt struct {
	t                      *throttle
	pair, address, account throttleKey
	now                    time.Time
}

// begin lets an attempt through or refuses it: CodeRateLimited,
// ReasonLoginThrottled.
func (t *throttle) begin(account string, addr netip.Addr, now time.Time) (attempt, error) {
	from := ratelimit.AddressKey(addr)
	if account == "" {
		account = "\x00" // no name has it; an empty part means something else
	}
	a := attempt{
		t: t, now: now,
		pair:    throttleKey{account: account, address: from},
		address: throttleKey{address: from},
		account: throttleKey{account: account},
	}
	known, wait := t.admit(a.pair, t.cfg.PerAccountAddress, now)
	if wait == 0 && !known {
		_, wait = t.admit(a.address, t.cfg.PerAddress, now)
		if wait == 0 {
			_, wait = t.admit(a.account, t.cfg.PerAccount, now)
		}
	}
	if wait > 0 {
		return attempt{}, tooMany(wait)
	}
	return a, nil
}

func tooMany(wait time.Duration) error {
	e := app.NewError(app.CodeRateLimited, app.ReasonLoginThrottled,
		"Too many failed login attempts. Please try again later.")
	e.RetryAfter = ceilSeconds(wait)
	return e
}

// admit asks one counter: whether its pair is known, and how long to wait.
func (t *throttle) admit(key throttleKey, limit int, now time.Time) (known bool, wait time.Duration) {
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.entries[key]
	if c == nil {
		return false, 0
	}
	at := now.UnixNano()
	c.leak(at, limit, t.cfg.Window)
	if c.level < float64(limit) {
		return c.known, 0
	}
	if at < c.next {
		return c.known, time.Duration(c.next - at)
	}
	pause := t.cfg.MaxCoolDown
	if c.strikes < 30 {
		pause = min(pause, time.Second<<c.strikes)
	}
	c.strikes++
	c.next = at + int64(pause)
	return c.known, 0
}

// leak forgets failures with time; a limit's worth in one window.
func (c *counter) leak(at int64, limit int, window time.Duration) {
	if passed := at - c.at; passed > 0 {
		c.level = max(0, c.level-float64(limit)*float64(passed)/float64(window))
		c.at = at
	}
	if c.level < float64(limit)/2 {
		c.strikes, c.next = 0, 0
	}
}

// failed counts a wrong password.
func (a attempt) failed() {
	a.t.count(a.pair, a.t.cfg.PerAccountAddress, a.now)
	a.t.count(a.address, a.t.cfg.PerAddress, a.now)
	a.t.count(a.account, a.t.cfg.PerAccount, a.now)
}

// succeeded forgets the pair's failures and makes the address known to the
// account. The other two counters keep theirs: an attacker who has an account
// of his own must not be able to reset them.
func (a attempt) succeeded() {
	s := a.t.shard(a.pair)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := a.t.counter(s, a.pair)
	*c = counter{at: a.now.UnixNano(), known: true}
}

// waitAt asks the address's counter alone: how long to wait.
func (t *throttle) waitAt(addr netip.Addr, now time.Time) time.Duration {
	_, wait := t.admit(throttleKey{address: ratelimit.AddressKey(addr)}, t.cfg.PerAddress, now)
	return wait
}

// failedAt counts a failure of an address alone: a registration that ran into
// a taken name.
func (t *throttle) failedAt(addr netip.Addr, now time.Time) {
	t.count(throttleKey{address: ratelimit.AddressKey(addr)}, t.cfg.PerAddress, now)
}

func (t *throttle) count(key throttleKey, limit int, now time.Time) {
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := t.counter(s, key)
	c.leak(now.UnixNano(), limit, t.cfg.Window)
	c.level = min(c.level+1, 2*float64(limit))
	c.at = max(c.at, now.UnixNano())
}

// counter finds or makes an entry. A full shard gives up the calmest of the few
// entries that Go's random iteration meets first.
func (t *throttle) counter(s *throttleShard, key throttleKey) *counter {
	if c := s.entries[key]; c != nil {
		return c
	}
	if len(s.entries) >= t.perMax {
		const sample = 8
		var (
			victim throttleKey
			calm   *counter
			seen   int
		)
		for k, c := range s.entries {
			if calm == nil || c.calmer(calm) {
				victim, calm = k, c
			}
			if seen++; seen == sample {
				break
			}
		}
		delete(s.entries, victim)
	}
	c := &counter{}
	s.entries[key] = c
	return c
}

// calmer says which of two counters is the smaller loss: one of a pair without
// a success before one with it, then the lower one, then the older one.
func (c *counter) calmer(than *counter) bool {
	if c.known != than.known {
		return than.known
	}
	if c.level != than.level {
		return c.level < than.level
	}
	return c.at < than.at
}

func (t *throttle) shard(key throttleKey) *throttleShard {
	return &t.shards[maphash.Comparable(t.seed, key)%throttleShards]
}
