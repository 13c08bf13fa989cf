package identity

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// usage counts uses of API keys in memory and writes them in batches. It owns
// one goroutine, which close ends and waits for.
type usage struct {
	store   app.Store
	log     *slog.Logger
	metrics *metrics
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once

	flushing sync.Mutex // one flush at a time, so that flush means "all written"

	mu      sync.Mutex
	pending map[uuid.UUID]app.APIKeyUse
}

const (
	defaultUsageFlush = 5 * time.Second
	// maxPendingKeys bounds the keys whose uses wait to be written. A use of
	// one more key is lost to the statistics and counted in a metric.
	maxPendingKeys = 1 << 16
	// usageBatch is how many keys one write updates at most.
	usageBatch = 256
)

func startUsage(store app.Store, every time.Duration, log *slog.Logger, m *metrics) *usage {
	if every <= 0 {
		every = defaultUsageFlush
	}
	u := &usage{
		store: store, log: log, metrics: m,
		stop:    make(chan struct{}),
		stopped: make(chan struct{}),
		pending: make(map[uuid.UUID]app.APIKeyUse),
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
			}
		}
	}
}

// add counts one use.
func (u *usage) add(id uuid.UUID, at time.Time) {
	u.merge(app.APIKeyUse{KeyID: id, Count: 1, LastAt: at})
}

func (u *usage) merge(use app.APIKeyUse) {
	u.mu.Lock()
	defer u.mu.Unlock()
	have, ok := u.pending[use.KeyID]
	if !ok && len(u.pending) >= maxPendingKeys {
		u.metrics.usageLost.Add(float64(use.Count))
		return
	}
	use.Count += have.Count
	if have.LastAt.After(use.LastAt) {
		use.LastAt = have.LastAt
	}
	u.pending[use.KeyID] = use
}

// flush writes everything counted so far. What cannot be written is counted
// again for the next time; so ctx must not end while a write may still happen,
// or its uses would count twice.
func (u *usage) flush(ctx context.Context) error {
	u.flushing.Lock()
	defer u.flushing.Unlock()
	uses := u.take()
	for len(uses) > 0 {
		batch := uses[:min(usageBatch, len(uses))]
		err := u.store.Write(ctx, func(tx app.Tx) error {
			for _, use := range batch {
				if err := tx.APIKeys().AddUse(use); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			for _, use := range uses {
				u.merge(use)
			}
			return err
		}
		uses = uses[len(batch):]
	}
	return nil
}

// idle reports whether nothing waits to be written.
func (u *usage) idle() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.pending) == 0
}

func (u *usage) take() []app.APIKeyUse {
	u.mu.Lock()
	defer u.mu.Unlock()
	uses := make([]app.APIKeyUse, 0, len(u.pending))
	for _, use := range u.pending {
		uses = append(uses, use)
	}
	clear(u.pending)
	return uses
}

func (u *usage) close(ctx context.Context) error {
	u.once.Do(func() { close(u.stop) })
	<-u.stopped
	return u.flush(ctx)
}
