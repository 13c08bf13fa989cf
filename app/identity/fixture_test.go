package identity

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/password"
	"github.com/defarm-repo/defarm/db"
)

var t0 = time.Date(2025, 10, 28, 12, 0, 0, 123456789, time.UTC)

const (
	testSecret = "0123456789abcdef0123456789abcdef"
	goodPass   = "Secret1!"
)

var home = Client{Address: netip.MustParseAddr("192.0.2.1"), Agent: "test/1"}

// clock is a clock that the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// fixture is a service over a real database in a temporary directory.
type fixture struct {
	*Service
	t     testing.TB
	db    *db.DB
	clock *clock
	pool  *password.Pool
}

func openDB(tb testing.TB, cached bool) *db.DB {
	tb.Helper()
	o := db.DefaultOptions(filepath.Join(tb.TempDir(), "defarm.db"))
	o.Synchronous = "OFF"
	o.Readers = 2
	// A slow machine must not make them busy.
	o.ReadWait, o.Writer.AdmissionTimeout, o.Writer.MaxWait = time.Minute, time.Minute, time.Minute
	o.Cache.Enabled = cached
	o.Cache.Bytes = 4 << 20
	d, err := db.Open(context.Background(), o)
	if err != nil {
		tb.Fatalf("open database: %v", err)
	}
	tb.Cleanup(func() {
		if err := d.Close(); err != nil {
			tb.Errorf("close database: %v", err)
		}
	})
	return d
}

func newFixture(tb testing.TB, edits ...func(*Config)) *fixture {
	tb.Helper()
	return fixtureOn(tb, openDB(tb, true), edits...)
}

func fixtureOn(tb testing.TB, d *db.DB, edits ...func(*Config)) *fixture {
	tb.Helper()
	f := &fixture{t: tb, db: d, clock: &clock{now: t0}}
	f.pool = password.NewPool(password.Options{Workers: 2, Queue: 1024, Cost: 4})
	tb.Cleanup(f.pool.Close)
	// The writer of usage is asked by hand: nothing here waits for a ticker.
	cfg := Config{JWTSecret: []byte(testSecret), VerifiedLoginTTL: 5 * time.Minute, UsageFlush: time.Hour}
	for _, edit := range edits {
		edit(&cfg)
	}
	env := app.Env{Now: f.clock.Now, NewID: uuid.New, Random: rand.Reader}
	s, err := New(d, env, f.pool, cfg)
	if err != nil {
		tb.Fatalf("new service: %v", err)
	}
	f.Service = s
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("close service: %v", err)
		}
	})
	return f
}

// user makes an account with goodPass and returns it as an actor.
func (f *fixture) user(name string, edits ...func(*NewUser)) app.Actor {
	f.t.Helper()
	in := NewUser{ID: "user-" + name, Username: name, Email: name + "@example.org", Password: goodPass, WorkspaceID: name + "-workspace"}
	for _, edit := range edits {
		edit(&in)
	}
	u, err := f.CreateUser(context.Background(), in)
	if err != nil {
		f.t.Fatalf("create %s: %v", name, err)
	}
	return actorOf(u)
}

func (f *fixture) login(name string) Session {
	f.t.Helper()
	s, err := f.Login(context.Background(), Login{Username: name, Password: goodPass}, home)
	if err != nil {
		f.t.Fatalf("log in %s: %v", name, err)
	}
	return s
}

// row reads an account past the cache.
func (f *fixture) row(name string) *app.User {
	f.t.Helper()
	var u *app.User
	err := f.db.Read(context.Background(), func(r app.Reader) error {
		var err error
		u, err = r.Users().ByUsername(name)
		return err
	})
	if err != nil {
		f.t.Fatalf("read %s: %v", name, err)
	}
	return u
}

// key makes an API key.
func (f *fixture) key(who app.Actor, in NewKey) (string, *app.APIKey) {
	f.t.Helper()
	text, k, err := f.CreateKey(context.Background(), who, in)
	if err != nil {
		f.t.Fatalf("create key: %v", err)
	}
	return text, k
}

// wantError wants an *app.Error with that code, reason and text; an empty text
// is any.
func wantError(tb testing.TB, err error, code app.Code, reason app.Reason, text string) *app.Error {
	tb.Helper()
	var e *app.Error
	if !errors.As(err, &e) {
		tb.Fatalf("got error %v, want %s, %s", err, code, reason)
	}
	if e.Code != code || e.Reason != reason {
		tb.Errorf("got %s, %s (%s), want %s, %s", e.Code, e.Reason, e.Message, code, reason)
	}
	if text != "" && e.Message != text {
		tb.Errorf("got text %q, want %q", e.Message, text)
	}
	return e
}

func ptr[T any](v T) *T { return &v }
