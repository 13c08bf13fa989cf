package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"text/tabwriter"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/demo"
	"github.com/defarm-repo/defarm/app/password"
)

// RunOptions say how Run serves.
type RunOptions struct {
	Loaded *Loaded
	// Demo seeds the development accounts and a first circuit.
	Demo bool
	// Ephemeral serves a fresh temporary directory that is removed at the
	// end, with the development accounts, cheap passwords and no syncing,
	// on a free port unless the address came from a flag.
	Ephemeral bool
	// ReadyJSON prints one line of JSON on Stdout, and nothing else there,
	// when the listener accepts.
	ReadyJSON bool
	Stdout    io.Writer
	Stderr    io.Writer // logs
	// Signals end the server gracefully; a second one ends the process at
	// once. Nil: none, only ctx ends it.
	Signals []os.Signal
}

// StopSignals are the signals that end `defarm serve`.
func StopSignals() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }

// TuneProcess sets what belongs to the whole process: the garbage collector
// (engine notes: a small live heap wants a large GOGC under a memory limit)
// and the threads that bcrypt takes. What the environment sets stays as it is.
// The function it returns takes the threads back.
func TuneProcess(c Config, getenv func(string) string) (restore func()) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(192 << 20)
	}
	return password.RaiseProcs(c.Auth.workers())
}

// Run serves until ctx ends, a signal arrives or the listener fails, and shuts
// down gracefully. Its error is nil after a clean end.
func Run(ctx context.Context, o RunOptions) (err error) {
	c := o.Loaded.Config
	if o.Ephemeral {
		remove, err := ephemeral(o.Loaded, &c)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, remove()) }()
	}
	seeded := o.Demo || o.Ephemeral
	if seeded {
		if err := refuseDemoInPublic(c.Server.Listen, o.Loaded.Origin["server.listen"]); err != nil {
			return err
		}
	}
	log := NewLogger(c.Log, o.Stderr)
	for _, w := range o.Loaded.Warnings {
		log.Warn("configuration", slog.String("warning", w))
	}
	ctx, stop := o.untilSignal(ctx)
	defer stop()
	s, err := Open(ctx, c, Options{Logger: log, Demo: seeded})
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		log.Info("stopped before the server was ready")
		return nil
	}
	if err != nil {
		return err
	}
	// Not ctx: a signal that comes now ends the server in the usual way.
	if err := o.announce(context.WithoutCancel(ctx), s, seeded); err != nil {
		return errors.Join(err, s.Close(ctx))
	}
	log.Info("serving", slog.String("url", s.URL()), slog.String("data_dir", s.DataDir()))
	select {
	case <-ctx.Done():
		log.Info("shutting down; a second signal ends the process at once")
	case <-s.Done():
		log.Error("the listener ended")
	}
	stop()
	err = s.Close(context.WithoutCancel(ctx))
	log.Info("stopped", slog.Bool("clean", err == nil))
	return err
}

// untilSignal gives a context that ends with the first signal. After stop the
// next one has its usual effect on the process.
func (o RunOptions) untilSignal(ctx context.Context) (_ context.Context, stop context.CancelFunc) {
	if len(o.Signals) == 0 {
		return context.WithCancel(ctx) // package signal takes no signals for all of them
	}
	return signal.NotifyContext(ctx, o.Signals...)
}

// NewLogger writes logs as the configuration says.
func NewLogger(c LogConfig, w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: c.level()}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// ephemeral turns the configuration into that of a throw-away server. What was
// set on purpose stays, except the data directory and an address that was not
// given on the command line itself: many such servers run side by side.
func ephemeral(l *Loaded, c *Config) (remove func() error, err error) {
	if l.Origin["data_dir"] == fromFlag {
		return nil, errors.New("--ephemeral makes a data directory of its own: leave --data-dir out")
	}
	dir, err := os.MkdirTemp("", "defarm-ephemeral-*")
	if err != nil {
		return nil, fmt.Errorf("make temporary data directory: %w", err)
	}
	c.DataDir = dir
	if l.Origin["server.listen"] != fromFlag {
		c.Server.Listen = "127.0.0.1:0"
	}
	if l.Origin["auth.bcrypt_cost"] == fromDefault {
		c.Auth.BcryptCost = 4
	}
	if l.Origin["database.synchronous"] == fromDefault {
		c.Database.Synchronous = "OFF"
	}
	return func() error { return os.RemoveAll(dir) }, nil
}

// refuseDemoInPublic keeps well-known passwords off the network, unless the
// address was given on the command line itself.
func refuseDemoInPublic(listen, origin string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("server.listen: %w", err)
	}
	addr, err := netip.ParseAddr(host)
	if host == "localhost" || (err == nil && addr.IsLoopback()) || origin == fromFlag {
		return nil
	}
	return fmt.Errorf("the development accounts have well-known passwords, and %s (from %s) can be reached from outside: listen on 127.0.0.1, or say --listen %s to have it all the same",
		listen, origin, listen)
}

// readyLine is what other programs wait for.
type readyLine struct {
	URL     string `json:"url"`
	PID     int    `json:"pid"`
	DataDir string `json:"data_dir"`
}

// announce tells people and programs where the server is.
func (o RunOptions) announce(ctx context.Context, s *Server, seeded bool) error {
	people := o.Stdout
	if o.ReadyJSON {
		people = o.Stderr
		if err := json.NewEncoder(o.Stdout).Encode(readyLine{s.URL(), os.Getpid(), s.DataDir()}); err != nil {
			return fmt.Errorf("print ready line: %w", err)
		}
	}
	if seeded {
		return announceDemo(people, s)
	}
	users, err := s.identity.CountUsers(ctx)
	if err != nil {
		return fmt.Errorf("count accounts: %w", err)
	}
	fmt.Fprintf(people, "DeFarm Engines\n  URL   %s\n  docs  %s/docs\n  data  %s\n", s.URL(), s.URL(), s.DataDir())
	if users == 0 {
		fmt.Fprintf(people, "\nThere is no account yet. Anybody may register; an administrator is made with the server stopped:\n"+
			"  defarm user create --admin --username NAME --email ADDRESS --data-dir %s\n", s.DataDir())
	}
	return nil
}

func announceDemo(w io.Writer, s *Server) error {
	const rule = "****************************************************************"
	circuit, _ := s.DemoCircuit()
	fmt.Fprintf(w, "%s\n*  DEMONSTRATION SERVER. Everybody knows these passwords,      *\n"+
		"*  the administrator's too. Never put real data in here.       *\n%s\n\n", rule, rule)
	fmt.Fprintf(w, "  URL      %s\n  docs     %s/docs\n  data     %s\n  circuit  %s  %s\n\n", s.URL(), s.URL(), s.DataDir(), circuit, demo.CircuitName)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "  account\tpassword\ttier\tin the circuit")
	for _, a := range demo.Accounts() {
		role := app.RoleMember
		switch a.ID {
		case demo.CircuitOwner:
			role = app.RoleOwner
		case demo.CircuitAdmin:
			role = app.RoleAdmin
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", a.Username, a.Password, a.Tier, role)
	}
	fmt.Fprintln(t)
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print accounts: %w", err)
	}
	return nil
}
