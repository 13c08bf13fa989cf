package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/password"
	"github.com/defarm-repo/defarm/app/quota"
	"github.com/defarm-repo/defarm/app/ratelimit"
	"github.com/defarm-repo/defarm/app/token"
)

// Config sets the service up. The zero value of each field is its default,
// except for JWTSecret, which is required.
type Config struct {
	// JWTSecret signs tokens; at least 32 bytes.
	JWTSecret []byte
	// VerifiedLoginTTL is how long a proven password is remembered; 0 asks
	// for bcrypt at every login.
	VerifiedLoginTTL time.Duration
	// VerifiedLogins bounds the remembered logins; default 65,536.
	VerifiedLogins int
	// Throttle bounds failed logins and registrations.
	Throttle ThrottleConfig
	// Reset sets the resetting of forgotten passwords up.
	Reset ResetConfig
	// Limits bound the requests of accounts and keys.
	Limits Limits
	// UsageFlush is the interval at which key usage is written; default 5 s.
	UsageFlush time.Duration
	// KeyUseRetention is how long statistics about the use of API keys are
	// kept; default 400 days.
	KeyUseRetention time.Duration
	// Quota is where requests take what they cost; nil: nothing is charged.
	Quota *quota.Quota
	// Logger gets failures of the usage writer and, at debug level, the
	// stage durations of each login; default: discard.
	Logger *slog.Logger
	// Metrics registers the login histogram and counters; nil: none.
	Metrics prometheus.Registerer
}

// Client is the connection behind a request that has no Actor yet.
type Client struct {
	// Address is the caller's real address; the zero Addr when unknown.
	Address netip.Addr
	// Agent is the User-Agent header, for activity records.
	Agent string
}

// Service is the identity service. Its methods may be called concurrently.
type Service struct {
	store    app.Store
	env      app.Env
	pool     *password.Pool
	tokens   *token.Signer
	verified *verifiedLogins
	throttle *throttle
	signups  *ratelimit.Limiter[string]
	limits   Limits
	accounts *ratelimit.Windows[string]
	keys     *ratelimit.Windows[uuid.UUID]
	flights  *ratelimit.InFlight[string]
	usage    *usage
	charges  *quota.Quota
	asked    *ratelimit.Limiter[string] // resets, by name and by address
	resets   *resets
	mailer   app.Mailer
	frontend string
	metrics  *metrics
	log      *slog.Logger

	signupsPerHour int64
	resetsPerHour  int64
}

// New builds the service and starts its usage writer. The caller keeps pool
// and store, and closes them after the service.
func New(store app.Store, env app.Env, pool *password.Pool, cfg Config) (*Service, error) {
	if store == nil || pool == nil || env.Now == nil || env.NewID == nil || env.Random == nil {
		return nil, errors.New("identity: store, pool and a complete environment are needed")
	}
	tokens, err := token.NewSigner(cfg.JWTSecret, env.Now)
	if err != nil {
		return nil, err
	}
	cacheKey := make([]byte, 32)
	if _, err := io.ReadFull(env.Random, cacheKey); err != nil {
		return nil, fmt.Errorf("identity: read random key: %w", err)
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	m, err := newMetrics(cfg.Metrics, pool)
	if err != nil {
		return nil, err
	}
	limits := cfg.Throttle.withDefaults()
	s := &Service{
		store:    store,
		env:      env,
		pool:     pool,
		tokens:   tokens,
		verified: newVerifiedLogins(cacheKey, cfg.VerifiedLoginTTL, cfg.VerifiedLogins),
		throttle: newThrottle(limits),
		signups:  ratelimit.New[string](ratelimit.Options{Window: time.Hour, MaxKeys: limits.Entries}),
		limits:   cfg.Limits,
		accounts: ratelimit.NewWindows[string](maxLimitedAccounts),
		keys:     ratelimit.NewWindows[uuid.UUID](maxLimitedKeys),
		flights:  ratelimit.NewInFlight[string](),
		charges:  cfg.Quota,
		metrics:  m,
		log:      log,

		asked:    ratelimit.New[string](ratelimit.Options{Window: time.Hour, MaxKeys: limits.Entries}),
		mailer:   cfg.Reset.Mailer,
		frontend: cfg.Reset.FrontendURL,

		signupsPerHour: limits.SignupsPerAddress,
		resetsPerHour:  int64(limitOr(cfg.Reset.PerHour, 3)),
	}
	s.usage = startUsage(store, cfg, env.Now, log, m)
	s.resets = s.startResets()
	return s, nil
}

// Close looks into the resets that were asked for, then ends the usage writer
// and writes what it still held, each for at most five seconds. The store must
// still be open.
func (s *Service) Close() error {
	asked, cancel := context.WithTimeout(context.Background(), closeTimeout)
	s.resets.close(asked)
	cancel()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return s.usage.close(ctx)
}

// closeTimeout bounds what is done at the end: the last resets, and the last
// write of key usage.
const closeTimeout = 5 * time.Second
