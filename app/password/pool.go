package password

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"

	"github.com/defarm-repo/defarm/app"
)

// DefaultCost is the original's bcrypt cost.
const DefaultCost = 12

// DefaultQueue is how many passwords wait at most when Options say nothing.
const DefaultQueue = 256

// MaxBytes is the longest password in bytes: bcrypt ignores what follows.
const MaxBytes = 72

// Options set up a Pool. Zero values are defaults.
type Options struct {
	// Workers is the number of threads; default 1.
	Workers int
	// Queue is how many passwords may wait for a worker before Hash and
	// Compare answer busy; default DefaultQueue.
	Queue int
	// Cost is that of new hashes, 4 to 31; default DefaultCost. Hashes of any
	// cost are compared.
	Cost int
	// Nice is the worker threads' nice value, 0 (no change) to 19; Linux only.
	Nice int
	// Logger gets one warning when a thread's priority cannot be set;
	// default: discard.
	Logger *slog.Logger
}

// Pool runs bcrypt on its own threads. Its methods may be called concurrently.
type Pool struct {
	cost  int
	dummy string
	jobs  chan *job
	done  sync.WaitGroup

	mu     sync.RWMutex // held for reading while a job is queued
	closed bool
}

// job is one hash to make, or to compare with the stored one.
type job struct {
	ctx      context.Context //nolint:containedctx // only to skip a job whose caller is gone
	password []byte
	compare  bool
	stored   string
	answer   chan answer // room for one, so that a worker never waits
}

type answer struct {
	hash string
	same bool
	err  error
}

// NewPool starts the workers. Close ends them.
func NewPool(o Options) *Pool {
	if o.Workers < 1 {
		o.Workers = 1
	}
	if o.Queue < 1 {
		o.Queue = DefaultQueue
	}
	if o.Cost < bcrypt.MinCost || o.Cost > bcrypt.MaxCost {
		o.Cost = DefaultCost
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Pool{
		cost:  o.Cost,
		dummy: dummyHash(o.Cost),
		jobs:  make(chan *job, o.Queue),
	}
	var warn sync.Once
	for range o.Workers {
		p.done.Go(func() { p.work(o.Nice, o.Logger, &warn) })
	}
	return p
}

// Cost is that of new hashes.
func (p *Pool) Cost() int { return p.cost }

// Queued is how many passwords wait for a worker at the moment.
func (p *Pool) Queued() int { return len(p.jobs) }

// Hash returns the bcrypt hash of pw in "$2b$" form. A password that bcrypt
// cannot keep apart from others (longer than MaxBytes, with NUL, not UTF-8) is
// ReasonWeakPassword; a full queue or a closed pool is CodeBusy; ctx's error
// when it ended first.
func (p *Pool) Hash(ctx context.Context, pw string) (string, error) {
	if err := storable(pw); err != nil {
		return "", err
	}
	a := p.run(ctx, &job{password: []byte(pw)})
	return a.hash, a.err
}

// Compare reports whether hash was made from pw. A malformed hash matches
// nothing, and neither does a password that could not have been set; the
// latter still costs a comparison. Errors are those of the queue: see Hash.
func (p *Pool) Compare(ctx context.Context, hash, pw string) (bool, error) {
	a := p.run(ctx, &job{password: []byte(pw), compare: true, stored: hash})
	return a.same && len(pw) <= MaxBytes && strings.IndexByte(pw, 0) < 0, a.err
}

// CompareNone spends what a comparison costs on a password that belongs to no
// account, so that the time of an answer does not tell accounts from others.
func (p *Pool) CompareNone(ctx context.Context, pw string) error {
	return p.run(ctx, &job{password: []byte(pw), compare: true, stored: p.dummy}).err
}

// Close refuses new passwords, finishes what is queued and waits for the
// workers. It may be called more than once.
func (p *Pool) Close() {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.jobs)
	}
	p.mu.Unlock()
	p.done.Wait()
}

func (p *Pool) run(ctx context.Context, j *job) answer {
	if err := ctx.Err(); err != nil {
		return answer{err: err}
	}
	j.ctx, j.answer = ctx, make(chan answer, 1)
	if err := p.enqueue(j); err != nil {
		return answer{err: err}
	}
	select {
	case a := <-j.answer:
		return a
	case <-ctx.Done():
		return answer{err: ctx.Err()}
	}
}

func (p *Pool) enqueue(j *job) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return app.Busy(app.ReasonShuttingDown)
	}
	select {
	case p.jobs <- j:
		return nil
	default:
		return app.Busy(app.ReasonBcryptBusy)
	}
}

// work is one worker. The thread is never unlocked: it ends with the
// goroutine, so that its priority does not return to the scheduler.
func (p *Pool) work(nice int, log *slog.Logger, warn *sync.Once) {
	runtime.LockOSThread()
	if nice > 0 {
		if err := setThreadNice(nice); err != nil {
			warn.Do(func() {
				log.Warn("password workers keep their priority", slog.Int("nice", nice), slog.String("error", err.Error()))
			})
		}
	}
	for j := range p.jobs {
		if err := j.ctx.Err(); err != nil {
			j.answer <- answer{err: err}
			continue
		}
		j.answer <- j.do(p.cost)
	}
}

func (j *job) do(cost int) answer {
	if !j.compare {
		hash, err := bcrypt.GenerateFromPassword(j.password, cost)
		if err != nil {
			return answer{err: fmt.Errorf("hash password: %w", err)}
		}
		// Go writes "$2a$"; the original's hashes are "$2b$". For passwords
		// without NUL the two are the same function.
		return answer{hash: "$2b$" + strings.TrimPrefix(string(hash), "$2a$")}
	}
	if !knownVersion(j.stored) {
		return answer{}
	}
	err := bcrypt.CompareHashAndPassword([]byte(j.stored), j.password)
	return answer{same: err == nil}
}

// knownVersion admits "$2a$", "$2b$", "$2x$" and "$2y$". The library computes
// all four alike, as the original's does, and lets some that never existed
// pass.
func knownVersion(hash string) bool {
	return len(hash) > 4 && hash[:2] == "$2" && strings.IndexByte("abxy", hash[2]) >= 0 && hash[3] == '$'
}

// dummyHash is a well-formed hash of that cost to which no password is known.
func dummyHash(cost int) string {
	return fmt.Sprintf("$2b$%02d$%s", cost, "eVhB3oGtXkYvN0q1wZ5cAuTj7dRfSmLiHpK2xQ9yWbEa4nC6sUgOi")
}

// storable refuses passwords that bcrypt would confuse with others: it ignores
// what follows byte 72 and repeats the password, with one NUL behind it, to
// fill its key, so that "a" and "a\x00a" are the same to it.
func storable(pw string) error {
	switch {
	case len(pw) > MaxBytes:
		return errTooLong
	case !utf8.ValidString(pw) || strings.IndexByte(pw, 0) >= 0:
		return errNotText
	default:
		return nil
	}
}

var (
	errTooLong = app.Invalid(app.ReasonWeakPassword, "Password must be at most 72 bytes long")
	errNotText = app.Invalid(app.ReasonWeakPassword, "Password must be valid text without NUL characters")
)
