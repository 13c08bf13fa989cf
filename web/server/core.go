package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/identity"
	"github.com/defarm-repo/defarm/app/password"
	"github.com/defarm-repo/defarm/app/quota"
	"github.com/defarm-repo/defarm/db"
	"github.com/defarm-repo/defarm/web/outbound/mail"
)

// workerNice is the nice value of the threads that run bcrypt (design §6).
const workerNice = 10

// mailPatience is how long the mails that wait at the end may take.
const mailPatience = 10 * time.Second

// core is what both the server and the commands on accounts are built on: a
// locked data directory with its database and its accounts.
type core struct {
	dir       string
	config    Config
	env       app.Env
	log       *slog.Logger
	metrics   *prometheus.Registry
	store     *db.DB
	passwords *password.Pool
	quota     *quota.Quota
	traces    *trace.TracerProvider // nil when there are none
	mails     *mail.Sender          // nil when the program brought its own
	identity  *identity.Service
}

// openCore opens the data directory. When it fails, nothing stays open.
func openCore(ctx context.Context, c Config, o Options, kind dataKind) (_ *core, err error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	k := &core{config: c, env: o.environment(), log: o.logger(), metrics: prometheus.NewRegistry()}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.close())
		}
	}()
	k.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if k.traces, err = c.Tracing.open(ctx, k.log); err != nil {
		return nil, err
	}
	if k.dir, err = prepareDataDir(c.DataDir, kind); err != nil {
		return nil, err
	}
	if k.store, err = db.Open(ctx, k.databaseOptions()); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	// From here on the directory is ours: Open of the database locked it.
	secret, err := jwtSecret(c.Auth.JWTSecret, k.dir, k.env.Random)
	if err != nil {
		return nil, err
	}
	k.passwords = password.NewPool(password.Options{
		Workers: c.Auth.workers(), Queue: c.Auth.BcryptQueue, Cost: c.Auth.BcryptCost, Nice: workerNice, Logger: k.log,
	})
	mailer := o.Mailer
	if mailer == nil {
		if k.mails, err = c.Mail.open(k.log, k.metrics); err != nil {
			return nil, err
		}
		mailer = k.mails
	}
	k.quota = quota.New(k.env, quota.Policy{Tiers: c.Limits.EnforceTiers, Credits: c.Limits.EnforceCredits})
	k.identity, err = identity.New(k.store, k.env, k.passwords, identity.Config{
		JWTSecret:        secret,
		VerifiedLoginTTL: c.Auth.VerifiedLoginTTL,
		KeyUseRetention:  time.Duration(c.Auth.KeyUseRetention) * 24 * time.Hour,
		Throttle:         c.Auth.Throttle.forIdentity(),
		Quota:            k.quota,
		Reset:            identity.ResetConfig{Mailer: mailer, PerHour: c.Auth.Reset.PerHour, FrontendURL: c.Auth.Reset.FrontendURL},
		Limits:           c.Limits.forIdentity(),
		Logger:           k.log,
		Metrics:          k.metrics,
	})
	if err != nil {
		return nil, fmt.Errorf("set up identity: %w", err)
	}
	return k, nil
}

// close takes down what is open, in the opposite order.
func (k *core) close() error {
	var errs []error
	if k.identity != nil {
		errs = append(errs, k.identity.Close())
	}
	if k.mails != nil {
		ctx, cancel := context.WithTimeout(context.Background(), mailPatience)
		errs = append(errs, k.mails.Close(ctx))
		cancel()
	}
	if k.passwords != nil {
		k.passwords.Close()
	}
	if k.store != nil {
		errs = append(errs, k.store.Close())
	}
	return errors.Join(append(errs, closeTraces(k.traces))...)
}

// tracer makes the spans of requests; nil when there are no traces.
func (k *core) tracer() oteltrace.Tracer {
	if k.traces == nil {
		return nil
	}
	return k.traces.Tracer("github.com/defarm-repo/defarm")
}

func (k *core) databaseOptions() db.Options {
	c := k.config.Database
	o := db.DefaultOptions(filepath.Join(k.dir, databaseFile))
	if c.Readers > 0 {
		o.Readers = c.Readers
	}
	o.MMap = perConnection(int64(c.MMap), o.Readers)
	o.Synchronous = c.Synchronous
	o.CheckpointBytes = int64(c.CheckpointBytes)
	o.ExternalCheckpoints = c.Checkpoints == "external"
	o.ReadWait = c.ReadWait
	o.Writer.QueueDepth = c.Writer.QueueDepth
	o.Writer.MaxBatch = c.Writer.MaxBatch
	o.Writer.AdmissionTimeout = c.Writer.AdmissionTimeout
	o.Writer.MaxWait = c.Writer.MaxWait
	o.Cache.Enabled = k.config.Cache.Enabled
	o.Cache.Bytes = int64(k.config.Cache.Bytes)
	o.Logger = k.log
	o.Metrics = k.metrics
	return o
}

// perConnection shares the budget out among the readers and the writer, in
// whole megabytes.
func perConnection(budget int64, readers int) int64 {
	const most = 0x7fff0000 // what SQLite is compiled for
	return min(budget/int64(readers+1)&^(1<<20-1), most)
}

// forIdentity translates the limits: identity takes 0 for its default, and
// negative numbers for none.
func (t ThrottleConfig) forIdentity() identity.ThrottleConfig {
	limit := func(n int) int {
		if n == 0 {
			return -1
		}
		return n
	}
	return identity.ThrottleConfig{
		Window:            t.Window,
		PerAccountAddress: limit(t.PerAccountAddress),
		PerAddress:        limit(t.PerAddress),
		PerAccount:        limit(t.PerAccount),
		MaxCoolDown:       t.MaxCoolDown,
		SignupsPerAddress: int64(limit(t.SignupsPerAddress)),
	}
}

// workers is the number of threads that run bcrypt.
func (a *AuthConfig) workers() int {
	if a.BcryptWorkers > 0 {
		return a.BcryptWorkers
	}
	return runtime.NumCPU()
}
