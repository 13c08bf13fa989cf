package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/net/netutil"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/circuits"
	"github.com/defarm-repo/defarm/app/evidence"
	"github.com/defarm-repo/defarm/app/identity"
	"github.com/defarm-repo/defarm/app/items"
	"github.com/defarm-repo/defarm/web/api"
	"github.com/defarm-repo/defarm/web/outbound/ipfs"
)

// Options are what a program gives a server beside its configuration. Zero
// values are defaults.
type Options struct {
	// Logger gets everything that the server logs; default: discard.
	Logger *slog.Logger
	// Env is the clock and the randomness; members that are nil are the
	// system's.
	Env app.Env
	// Build is shown at /version; default: that of the running program.
	Build *api.BuildInfo
	// Mailer sends mail; default: what the configuration says.
	Mailer app.Mailer
	// Demo seeds the development accounts and a first circuit. The data
	// directory must be new, or made with Demo.
	Demo bool
}

func (o Options) logger() *slog.Logger {
	if o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Logger
}

func (o Options) environment() app.Env {
	e, system := o.Env, app.SystemEnv()
	if e.Now == nil {
		e.Now = system.Now
	}
	if e.NewID == nil {
		e.NewID = system.NewID
	}
	if e.Random == nil {
		e.Random = system.Random
	}
	return e
}

// Server is a running server. Its methods may be called concurrently.
type Server struct {
	*core
	demo     *uuid.UUID
	url      string
	http     *http.Server
	requests *tracker
	draining atomic.Bool
	abort    context.CancelFunc // ends the requests that outlive the shutdown
	ended    chan struct{}      // closed when the listener's goroutine has ended
	endErr   error              // why, when it was not Close; read after ended

	closeOnce sync.Once
	closeErr  error
}

// Open starts a server and returns when it accepts requests. ctx bounds the
// start only. Errors: a *ConfigError, a data directory that is locked by
// another process or not fit for use, an address that is taken.
func Open(ctx context.Context, c Config, o Options) (_ *Server, err error) {
	kind := dataReal
	if o.Demo {
		kind = dataDemo
	}
	k, err := openCore(ctx, c, o, kind)
	if err != nil {
		return nil, err
	}
	s := &Server{core: k, requests: newTracker(), ended: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.close())
		}
	}()
	if o.Demo {
		id, err := k.seedDemo(ctx)
		if err != nil {
			return nil, fmt.Errorf("seed demo data: %w", err)
		}
		s.demo = &id
	}
	handler, err := s.handler(o)
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Server.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", c.Server.Listen, err)
	}
	s.url = "http://" + reachable(listener.Addr()) + c.Server.BasePath
	s.serve(context.WithoutCancel(ctx), listener, handler)
	return s, nil
}

// handler builds the services and the API on top of the core.
func (s *Server) handler(o Options) (http.Handler, error) {
	proxies, err := s.config.Server.proxies()
	if err != nil {
		return nil, err
	}
	build := o.Build
	if build == nil {
		b := Build()
		build = &b
	}
	encoder := ipfs.Encoder{}
	h, err := api.New(api.Options{
		Identity:       s.identity,
		Items:          items.New(s.store, s.env, s.quota),
		Circuits:       circuits.New(s.store, s.env, circuits.Config{Encoder: encoder, Passwords: s.passwords, Quota: s.quota}),
		Evidence:       evidence.New(s.store, s.env, encoder),
		Database:       s.store.Ping,
		Ready:          s.ready,
		Logger:         s.log,
		Metrics:        s.metrics,
		MetricsPublic:  s.config.Server.MetricsPublic,
		Build:          *build,
		BasePath:       s.config.Server.BasePath,
		TrustedProxies: proxies,
		RequestTimeout: s.config.Server.RequestTimeout,
		Env:            s.env,
		Tracer:         s.tracer(),
	})
	if err != nil {
		return nil, fmt.Errorf("build the API: %w", err)
	}
	return s.requests.wrap(h), nil
}

// serve starts the goroutine that accepts connections.
func (s *Server) serve(ctx context.Context, l net.Listener, h http.Handler) {
	c := s.config.Server
	ctx, s.abort = context.WithCancel(ctx)
	s.http = &http.Server{
		Handler:           h,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: c.ReadHeaderTimeout,
		// The handlers have a deadline of their own and answer at it; these
		// two cut off clients that send or take their bytes too slowly.
		ReadTimeout:    c.ReadHeaderTimeout + c.RequestTimeout,
		WriteTimeout:   2*c.RequestTimeout + 10*time.Second,
		IdleTimeout:    c.IdleTimeout,
		MaxHeaderBytes: int(c.MaxHeaderBytes),
		ErrorLog:       slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	l = netutil.LimitListener(l, c.MaxConnections)
	go func() {
		defer close(s.ended)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.endErr = fmt.Errorf("serve: %w", err)
		}
	}()
}

// URL is where the server answers, base path included and without a slash at
// the end. A server on all interfaces gives its loopback address.
func (s *Server) URL() string { return s.url }

// DataDir is the absolute path of the data directory.
func (s *Server) DataDir() string { return s.dir }

// Store is the server's state, for programs that embed it.
func (s *Server) Store() app.Store { return s.store }

// Identity is the server's identity service, for programs that embed it.
func (s *Server) Identity() *identity.Service { return s.identity }

// DemoCircuit is the id of the circuit that Options.Demo seeded.
func (s *Server) DemoCircuit() (uuid.UUID, bool) {
	if s.demo == nil {
		return uuid.Nil, false
	}
	return *s.demo, true
}

// Done is closed when the server no longer accepts requests: after Close has
// begun, or when the listener failed, which Close then returns.
func (s *Server) Done() <-chan struct{} { return s.ended }

func (s *Server) ready(context.Context) error {
	if s.draining.Load() {
		return app.Busy(app.ReasonShuttingDown)
	}
	return nil // whether the database answers is asked beside this
}

// abortGrace is how long requests may take to notice that they were aborted.
const abortGrace = 5 * time.Second

// Close ends the server; see the package comment for the order. Requests in
// flight are given server.shutdown_timeout, or until ctx ends if that is
// earlier; then their contexts are cancelled and their connections closed.
// Further calls wait for the first and return its error.
func (s *Server) Close(ctx context.Context) error {
	s.closeOnce.Do(func() { s.closeErr = s.shutDown(ctx) })
	return s.closeErr
}

func (s *Server) shutDown(ctx context.Context) error {
	s.draining.Store(true)
	defer s.abort()
	patience, cancel := context.WithTimeout(ctx, s.config.Server.ShutdownTimeout)
	defer cancel()
	var errs []error
	if err := s.http.Shutdown(patience); err != nil {
		s.log.Warn("closing the connections of requests that did not finish", slog.Int("requests", s.requests.count()))
		s.abort()
		errs = append(errs, s.http.Close())
	}
	<-s.ended
	errs = append(errs, s.endErr)
	if !s.requests.wait(abortGrace) {
		// The database refuses what they still ask for.
		errs = append(errs, fmt.Errorf("shut down: %d request(s) did not end", s.requests.count()))
	}
	return errors.Join(append(errs, s.close())...)
}

// reachable is an address a client on this machine can use.
func reachable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok || (len(tcp.IP) > 0 && !tcp.IP.IsUnspecified()) {
		return a.String()
	}
	return (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: tcp.Port}).String()
}
