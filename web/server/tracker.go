package server

import (
	"net/http"
	"sync"
	"time"
)

// tracker counts the requests that are being handled. http.Server counts
// connections and forgets those that it closes by force, while their handlers
// still run and use the database.
type tracker struct {
	mu     sync.Mutex
	active int
	idle   chan struct{} // closed while active is 0
}

func newTracker() *tracker {
	t := &tracker{idle: make(chan struct{})}
	close(t.idle)
	return t
}

func (t *tracker) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.add(1)
		defer t.add(-1)
		h.ServeHTTP(w, r)
	})
}

func (t *tracker) add(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.active == 0 {
		t.idle = make(chan struct{})
	}
	if t.active += n; t.active == 0 {
		close(t.idle)
	}
}

func (t *tracker) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.active
}

// wait waits until no request is active, for at most d, and reports whether
// that came to pass.
func (t *tracker) wait(d time.Duration) bool {
	t.mu.Lock()
	idle := t.idle
	t.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-idle:
		return true
	case <-timer.C:
		return t.count() == 0
	}
}
