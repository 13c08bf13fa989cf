package identity

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// KeyRequest is one request that was let in by an API key and has been
// answered.
type KeyRequest struct {
	KeyID uuid.UUID
	// Endpoint is the pattern of the route, "" when no route matched.
	Method, Endpoint string
	Status           int
	Duration         time.Duration
	// Address is the caller's real address; the zero Addr when unknown.
	Address netip.Addr
	Agent   string
}

// usage counts uses of API keys in memory and writes them in batches: each use
// when the key is let in, for the key's counter, and each request when it is
// answered, for its statistics. It owns one goroutine, which close ends and
// waits for.
//
// Requests of a key in one hour that agree in everything but their duration are
// one row. Callers choose addresses and agents, so their number is bounded:
// what goes beyond is counted without them.
type usage struct {
	store     app.Store
	now       func() time.Time
	retention time.Duration
	log       *slog.Logger
	metrics   *metrics
	stop      chan struct{}
	stopped   chan struct{}
	once      sync.Once

	flushing sync.Mutex // one flush at a time, so that flush means "all written"
	pruned   int64      // hour of the last prune; under flushing

	mu       sync.Mutex
	pending  map[uuid.UUID]app.APIKeyUse
	requests map[useKey]app.APIKeyRequests
	callers  callerSet
}

// useKey is what makes two requests one row.
type useKey struct {
	key              uuid.UUID
	hour             int64
	method, endpoint string
	status           int
	address, agent   string
}

const (
	defaultUsageFlush   = 5 * time.Second
	defaultKeyRetention = 400 * 24 * time.Hour
	// maxPendingKeys bounds the keys whose uses wait to be written. A use of
	// one more key is lost to the statistics and counted in a metric.
	maxPendingKeys = 1 << 16
	// maxPendingRequests bounds the rows that wait to be written.
	maxPendingRequests = 1 << 16
	// usageBatch is how many rows one write changes at most.
	usageBatch = 256
	// maxAgent is how many bytes of a User-Agent are kept.
	maxAgent = 200
)

func startUsage(store app.Store, cfg Config, now func() time.Time, log *slog.Logger, m *metrics) *usage {
	every, retention := cfg.UsageFlush, cfg.KeyUseRetention
	if every <= 0 {
		every = defaultUsageFlush
	}
	if retention <= 0 {
		retention = defaultKeyRetention
	}
	u := &usage{
		store: store, now: now, retention: retention, log: log, metrics: m,
		stop:     make(chan struct{}),
		stopped:  make(chan struct{}),
		pending:  make(map[uuid.UUID]app.APIKeyUse),
		requests: make(map[useKey]app.APIKeyRequests),
	}
	go u.run(every)
	return u
}

func (u *usage) run(every time.Duration) {
	defer close(u.stopped)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-u.stop:
			return
		case <-tick.C:
			if err := u.flush(context.Background()); err != nil {
				u.log.Warn("write API key usage; will try again", slog.String("error", err.Error()))
				continue
			}
			if err := u.prune(context.Background()); err != nil {
				u.log.Warn("remove old API key statistics; will try again", slog.String("error", err.Error()))
			}
		}
	}
}

// add counts one use.
func (u *usage) add(id uuid.UUID, at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.merge(app.APIKeyUse{KeyID: id, Count: 1, LastAt: at})
}

// takeBack undoes one add: the request was refused after all. Where the use has
// been written meanwhile, the next write takes it off again.
func (u *usage) takeBack(id uuid.UUID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	use, ok := u.pending[id]
	switch {
	case ok && use.Count == 1:
		delete(u.pending, id)
	case ok || len(u.pending) < maxPendingKeys: // else add has lost it already
		use.KeyID = id
		use.Count--
		u.pending[id] = use
	}
}

func (u *usage) merge(use app.APIKeyUse) {
	have, ok := u.pending[use.KeyID]
	if !ok && len(u.pending) >= maxPendingKeys {
		u.metrics.usageLost.Add(float64(max(0, use.Count)))
		return
	}
	use.Count += have.Count
	if have.LastAt.After(use.LastAt) {
		use.LastAt = have.LastAt
	}
	u.pending[use.KeyID] = use
}

// answered counts one request for the statistics.
func (u *usage) answered(r KeyRequest) {
	now := u.now()
	k := useKey{key: r.KeyID, hour: now.Unix() / 3600, method: r.Method, endpoint: r.Endpoint, status: r.Status}
	caller := caller{key: r.KeyID, agent: cutAgent(r.Agent)}
	if r.Address.IsValid() {
		caller.address = r.Address.Unmap().WithZone("").String()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.callers.admit(k.hour, caller) {
		k.address, k.agent = caller.address, caller.agent
	}
	u.mergeRequests(k, app.APIKeyRequests{Requests: 1, Duration: max(0, r.Duration), LastAt: now})
}

func (u *usage) mergeRequests(k useKey, r app.APIKeyRequests) {
	have, ok := u.requests[k]
	if !ok && len(u.requests) >= maxPendingRequests {
		u.metrics.usageLost.Add(float64(r.Requests))
		return
	}
	r.Requests += have.Requests
	r.Duration += have.Duration
	if have.LastAt.After(r.LastAt) {
		r.LastAt = have.LastAt
	}
	u.requests[k] = r
}

// cutAgent keeps the start of a User-Agent, as text that can be stored.
func cutAgent(agent string) string {
	if len(agent) > maxAgent {
		agent = agent[:maxAgent]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(agent, ""), "\x00", "")
}

// flush writes everything counted so far. What cannot be written is counted
// again for the next time; so ctx must not end while a write may still happen,
// or its uses would count twice.
func (u *usage) flush(ctx context.Context) error {
	u.flushing.Lock()
	defer u.flushing.Unlock()
	uses, requests := u.take()
	for len(uses) > 0 || len(requests) > 0 {
		some, rest := split(uses, usageBatch)
		rows, more := split(requests, usageBatch-len(some))
		err := u.store.Write(ctx, func(tx app.Tx) error {
			for _, use := range some {
				if err := tx.APIKeys().AddUse(use); err != nil {
					return err
				}
			}
			for _, r := range rows {
				if err := tx.APIKeys().AddRequests(r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			u.giveBack(uses, requests)
			return err
		}
		uses, requests = rest, more
	}
	return nil
}

func split[T any](list []T, n int) (head, tail []T) {
	n = min(n, len(list))
	return list[:n], list[n:]
}

func (u *usage) giveBack(uses []app.APIKeyUse, requests []app.APIKeyRequests) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, use := range uses {
		u.merge(use)
	}
	for _, r := range requests {
		u.mergeRequests(useKey{r.KeyID, r.Hour, r.Method, r.Endpoint, r.Status, r.Address, r.Agent}, r)
	}
}

// idle reports whether nothing waits to be written.
func (u *usage) idle() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.pending) == 0 && len(u.requests) == 0
}

func (u *usage) take() ([]app.APIKeyUse, []app.APIKeyRequests) {
	u.mu.Lock()
	defer u.mu.Unlock()
	uses := slices.Collect(maps.Values(u.pending))
	requests := make([]app.APIKeyRequests, 0, len(u.requests))
	for k, r := range u.requests {
		r.KeyID, r.Hour, r.Method, r.Endpoint, r.Status = k.key, k.hour, k.method, k.endpoint, k.status
		r.Address, r.Agent = k.address, k.agent
		requests = append(requests, r)
	}
	clear(u.pending)
	clear(u.requests)
	return uses, requests
}

// prune removes statistics that are older than the retention, once an hour.
func (u *usage) prune(ctx context.Context) error {
	u.flushing.Lock()
	defer u.flushing.Unlock()
	now := u.now()
	hour := now.Unix() / 3600
	if hour == u.pruned {
		return nil
	}
	for removed := 1; removed > 0; {
		err := u.store.Write(ctx, func(tx app.Tx) (err error) {
			removed, err = tx.APIKeys().DeleteRequestsBefore(now.Add(-u.retention))
			return err
		})
		if err != nil {
			return err
		}
	}
	u.pruned = hour
	return nil
}

func (u *usage) close(ctx context.Context) error {
	u.once.Do(func() { close(u.stop) })
	<-u.stopped
	return u.flush(ctx)
}

// caller is from where, and with what, a key is used.
type caller struct {
	key            uuid.UUID
	address, agent string
}

const (
	// maxCallersOfKey is how many callers of one key are told apart in an hour.
	maxCallersOfKey = 100
	// maxCallers is the same of all keys together.
	maxCallers = 1 << 16
)

// callerSet remembers the callers of the current hour. The zero value is empty.
type callerSet struct {
	hour int64
	seen map[caller]struct{}
	of   map[uuid.UUID]int
}

// admit reports whether a caller is told apart.
func (s *callerSet) admit(hour int64, c caller) bool {
	if s.seen == nil || s.hour != hour {
		*s = callerSet{hour: hour, seen: make(map[caller]struct{}), of: make(map[uuid.UUID]int)}
	}
	if _, ok := s.seen[c]; ok {
		return true
	}
	if len(s.seen) >= maxCallers || s.of[c.key] >= maxCallersOfKey {
		return false
	}
	s.seen[c] = struct{}{}
	s.of[c.key]++
	return true
}
