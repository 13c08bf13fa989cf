package server

import (
	"github.com/defarm-repo/defarm/app/identity"
	"github.com/defarm-repo/defarm/app/ratelimit"
)

// LimitsConfig is what accounts and API keys may use.
type LimitsConfig struct {
	// EnforceTiers makes the tiers' permissions and allowances count.
	EnforceTiers bool `mapstructure:"enforce_tiers"`
	// EnforceCredits charges operations at the tiers' costs.
	EnforceCredits bool `mapstructure:"enforce_credits"`
	// User bounds the requests of one account with tokens.
	User RateConfig `mapstructure:"user"`
	// Key bounds the requests of one API key, beside its own hourly limit.
	Key KeyRateConfig `mapstructure:"key"`
}

// RateConfig bounds requests in sliding windows; 0 is no bound.
type RateConfig struct {
	PerMinute int `mapstructure:"per_minute"`
	PerHour   int `mapstructure:"per_hour"`
	PerDay    int `mapstructure:"per_day"`
	// Burst is how many requests over PerMinute are let through in one go.
	Burst int `mapstructure:"burst"`
}

// KeyRateConfig is RateConfig without the hour, which each key has for itself.
type KeyRateConfig struct {
	PerMinute int `mapstructure:"per_minute"`
	PerDay    int `mapstructure:"per_day"`
	Burst     int `mapstructure:"burst"`
}

func defaultLimits() LimitsConfig {
	return LimitsConfig{User: RateConfig{PerMinute: 600_000, Burst: 100_000}}
}

func (l *LimitsConfig) check(k *checker) {
	const most = 1_000_000_000
	for _, n := range []struct {
		key   string
		value int
	}{
		{"limits.user.per_minute", l.User.PerMinute},
		{"limits.user.per_hour", l.User.PerHour},
		{"limits.user.per_day", l.User.PerDay},
		{"limits.user.burst", l.User.Burst},
		{"limits.key.per_minute", l.Key.PerMinute},
		{"limits.key.per_day", l.Key.PerDay},
		{"limits.key.burst", l.Key.Burst},
	} {
		between(k, n.key, n.value, 0, most)
	}
}

func (l *LimitsConfig) forIdentity() identity.Limits {
	return identity.Limits{
		User: ratelimit.Policy{
			PerMinute: int64(l.User.PerMinute), PerHour: int64(l.User.PerHour),
			PerDay: int64(l.User.PerDay), Burst: int64(l.User.Burst),
		},
		Key:   ratelimit.Policy{PerMinute: int64(l.Key.PerMinute), PerDay: int64(l.Key.PerDay), Burst: int64(l.Key.Burst)},
		Tiers: l.EnforceTiers,
	}
}
