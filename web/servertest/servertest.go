package servertest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/identity"
	"github.com/defarm-repo/defarm/web/server"
)

// closePatience bounds the end of a server: its close, and then the end of its
// goroutines.
const closePatience = 15 * time.Second

// Password is the password of every user that the fixture makes.
const Password = "Passw0rd!"

// Server is a running server.
type Server struct {
	// URL is where it answers, without a slash at the end.
	URL string

	tb     testing.TB
	srv    *server.Server
	clock  *clock
	label  string
	dir    string // temporary directory to remove
	client *http.Client
	close  sync.Once

	patience time.Duration

	mu    sync.Mutex
	users map[string]*Client
}

// settings are what options change.
type settings struct {
	config server.Config
	log    *slog.Logger
	clock  *clock
	random io.Reader // nil: the system's
	demo   bool
	mailer app.Mailer

	patience time.Duration
}

// Option changes how a server is started.
type Option func(*settings)

// At stops the server's clock at an instant; Server.Advance moves it. Without
// it the server has the real clock.
func At(t time.Time) Option {
	return func(s *settings) { s.clock = &clock{now: t.UTC()} }
}

// SeededIDs makes ids, keys and tokens a sequence that depends on the seed
// alone, as long as requests come one after the other.
func SeededIDs(seed uint64) Option {
	return func(s *settings) { s.random = newSeeded(seed) }
}

// WithConfig changes the configuration. A data directory that is set in it is
// used as it is, and kept.
func WithConfig(edit func(*server.Config)) Option {
	return func(s *settings) { edit(&s.config) }
}

// Logger gets the server's log; without it there is none.
func Logger(l *slog.Logger) Option {
	return func(s *settings) { s.log = l }
}

// LogTo writes the server's log, debug level included, into the test's.
func LogTo(tb testing.TB) Option {
	return Logger(slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})))
}

// Mailer gets the mails that the server sends.
func Mailer(m app.Mailer) Option {
	return func(s *settings) { s.mailer = m }
}

// Demo adds the development accounts and the demo circuit.
func Demo() Option {
	return func(s *settings) { s.demo = true }
}

// Start starts a server that is closed when the test ends. The test fails when
// it cannot be started.
func Start(tb testing.TB, opts ...Option) *Server {
	tb.Helper()
	dir, err := os.MkdirTemp("", "servertest-*") //nolint:usetesting // removed by Close, which may come before the test's end
	if err != nil {
		tb.Fatalf("servertest: %v", err)
	}
	st := settings{config: baseConfig(filepath.Join(dir, "data")), patience: closePatience}
	for _, o := range opts {
		o(&st)
	}
	s := &Server{tb: tb, clock: st.clock, dir: dir, patience: st.patience, users: map[string]*Client{}}
	if err := s.open(&st); err != nil {
		tb.Fatalf("servertest: %v", errors.Join(err, os.RemoveAll(dir)))
	}
	tb.Cleanup(s.Close)
	return s
}

// baseConfig is the configuration of a fixture: the defaults, made small and
// cheap so that many fit into one process.
func baseConfig(dataDir string) server.Config {
	c := server.Defaults()
	c.DataDir = dataDir
	c.Server.Listen = "127.0.0.1:0"
	c.Server.ShutdownTimeout = closePatience / 3
	c.Database.Synchronous = "OFF"
	c.Database.Readers = 2
	// A slow machine must not make a test see 503; who wants that sets them.
	c.Database.ReadWait, c.Database.Writer.AdmissionTimeout, c.Database.Writer.MaxWait = time.Minute, time.Minute, time.Minute
	c.Database.MMap = 16 << 20
	c.Cache.Bytes = 4 << 20
	c.Auth.BcryptCost = 4
	c.Auth.BcryptWorkers = 1
	return c
}

func (s *Server) open(st *settings) error {
	env := st.environment()
	if st.config.Auth.JWTSecret == "" {
		secret := make([]byte, 32)
		if _, err := io.ReadFull(env.Random, secret); err != nil {
			return err
		}
		st.config.Auth.JWTSecret = server.Secret(hex.EncodeToString(secret))
	}
	if st.config.DataDir == filepath.Join(s.dir, "data") && !st.demo {
		if err := copyTemplate(st.config.DataDir); err != nil {
			return err
		}
	}
	var err error
	s.label, err = labelled(func(ctx context.Context) error {
		var err error
		s.srv, err = server.Open(ctx, st.config, server.Options{Logger: st.log, Env: env, Demo: st.demo, Mailer: st.mailer})
		return err
	})
	if err != nil {
		return err
	}
	s.URL = s.srv.URL()
	s.client = &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       time.Minute,
	}
	return nil
}

func (st *settings) environment() app.Env {
	env := app.SystemEnv()
	if st.clock != nil {
		env.Now = st.clock.Now
	}
	if st.random != nil {
		env.Random, env.NewID = st.random, newIDs(st.random)
	}
	return env
}

// Close ends the server before the test does. The test fails when that takes
// an error or leaves a goroutine behind.
func (s *Server) Close() {
	s.close.Do(func() {
		s.tb.Helper()
		s.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), s.patience)
		defer cancel()
		if err := s.srv.Close(ctx); err != nil {
			s.tb.Errorf("servertest: close the server: %v", err)
		}
		if left := waitForEnd(ctx, s.label); left != "" {
			s.tb.Errorf("servertest: goroutines of the server are still there:\n%s", left)
		}
		if err := os.RemoveAll(s.dir); err != nil {
			s.tb.Errorf("servertest: remove the data: %v", err)
		}
	})
}

// Store is the server's state, for looking behind the answers.
func (s *Server) Store() app.Store { return s.srv.Store() }

// Identity is the server's identity service, for users of a special kind.
func (s *Server) Identity() *identity.Service { return s.srv.Identity() }

// DataDir is the server's data directory.
func (s *Server) DataDir() string { return s.srv.DataDir() }

// DemoCircuit is the id of the circuit that Demo added.
func (s *Server) DemoCircuit() string {
	s.tb.Helper()
	id, ok := s.srv.DemoCircuit()
	if !ok {
		s.tb.Fatalf("servertest: started without Demo")
	}
	return id.String()
}

// Advance moves the clock that At stopped.
func (s *Server) Advance(d time.Duration) {
	s.tb.Helper()
	if s.clock == nil {
		s.tb.Fatalf("servertest: Advance needs At")
	}
	s.clock.advance(d)
}

// Role is a user of the fixture with a usual part in a test.
type Role string

// The roles. Only Administrator has a right that the others lack; what the
// others may do depends on the circuits that the test makes.
const (
	Nobody        Role = "" // no credential
	Owner         Role = "owner"
	Writer        Role = "writer"
	Viewer        Role = "viewer"
	Stranger      Role = "stranger"
	Administrator Role = "admin"
)

// Client acts in a role: the user of that name, or nobody.
func (s *Server) Client(r Role) *Client {
	s.tb.Helper()
	switch r {
	case Nobody:
		return s.Anonymous()
	case Administrator:
		return s.Admin()
	default:
		return s.User(string(r))
	}
}

// Anonymous is a client without a credential.
func (s *Server) Anonymous() *Client { return &Client{server: s} }

// Admin is an administrator named "admin".
func (s *Server) Admin() *Client {
	s.tb.Helper()
	return s.User("admin", func(u *identity.NewUser) { u.IsAdmin, u.Tier = true, app.TierAdmin })
}

// User is the user of that name, logged in: tier Basic, 100 credits, id
// "user-" and the name, unless edits change that. The first call makes him; a
// later one returns the same client, whatever its edits.
func (s *Server) User(name string, edits ...func(*identity.NewUser)) *Client {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.users[name]; c != nil {
		return c
	}
	in := identity.NewUser{
		ID: "user-" + name, Username: name, Email: name + "@example.org", Password: Password,
		Tier: app.TierBasic, Credits: 100, WorkspaceID: name + "-workspace",
	}
	for _, edit := range edits {
		edit(&in)
	}
	c, err := s.newUser(in)
	if err != nil {
		s.tb.Fatalf("servertest: user %s: %v", name, err)
	}
	s.users[name] = c
	return c
}

func (s *Server) newUser(in identity.NewUser) (*Client, error) {
	ctx := context.Background()
	u, err := s.Identity().CreateUser(ctx, in)
	if err != nil {
		return nil, err
	}
	session, err := s.Identity().Login(ctx, identity.Login{Username: u.Username, Password: in.Password}, identity.Client{})
	if err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	return &Client{server: s, UserID: u.ID, Username: u.Username, Token: session.Token}, nil
}

// Login is the user with that name and password, logged in over HTTP; for
// users whom the fixture did not make.
func (s *Server) Login(tb testing.TB, username, password string) *Client {
	tb.Helper()
	res := s.Anonymous().Post(tb, "/api/auth/login", map[string]string{"username": username, "password": password}).WantStatus(http.StatusOK)
	return &Client{server: s, UserID: res.Field("user_id"), Username: username, Token: res.Field("token")}
}
