package identity

import (
	"time"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/ratelimit"
)

// Limits bound the requests of accounts and keys. They are counted in memory:
// bounded, and forgotten at a restart.
type Limits struct {
	// User is for the requests of one account that come with its token.
	User ratelimit.Policy
	// Key is for the requests of one API key; its hour is the key's own.
	Key ratelimit.Policy
	// Tiers makes the tier's numbers count too. They are for all requests of
	// an account together, whatever they come with, so that many keys are
	// worth no more than one.
	Tiers bool
}

// maxLimitedAccounts and maxLimitedKeys bound the counters that are remembered.
const (
	maxLimitedAccounts = 1 << 16
	maxLimitedKeys     = 1 << 16
)

// tighten gives the stricter of a policy and a tier's limits. A tier that limits
// the minute has no burst: what one lets through is over that limit.
func tighten(p ratelimit.Policy, t app.Tier) ratelimit.Policy {
	if most := t.RequestsPerMinute(); most != nil {
		p.PerMinute, p.Burst = stricter(p.PerMinute, most), 0
	}
	p.PerHour = stricter(p.PerHour, t.Limits().MaxAPIRequestsPerHour)
	return p
}

// stricter is the smaller of two limits; 0 and nil are none.
func stricter(n int64, tier *int64) int64 {
	if tier == nil || (n > 0 && n <= *tier) {
		return n
	}
	return *tier
}

// Admission lets one request in. Leave must be called once, when the request is
// answered.
type Admission struct {
	// Quota is the state of the limit that refused the request, else of the
	// account's limits; its Limit is 0 when there are none.
	Quota ratelimit.Verdict
	Leave func()
}

func stay() {}

// Admit counts a request against the limits of the caller's account. key is
// what ByKey granted it, nil without a key; byToken says that it came with the
// account's token. A request that is refused counts for nothing: the key gets
// its use back.
//
// Errors: ReasonRateLimited (429), ReasonConcurrency (429) when the tier allows
// no more requests at the same time. The admission then carries the quota.
func (s *Service) Admit(who app.Actor, key *KeyGrant, byToken bool) (Admission, error) {
	a, err := s.admit(who, byToken)
	if err != nil && key != nil {
		s.keys.Return(key.KeyID, key.policy, key.Quota, key.at)
		s.usage.takeBack(key.KeyID)
	}
	return a, err
}

func (s *Service) admit(who app.Actor, byToken bool) (Admission, error) {
	a := Admission{Leave: stay}
	now := s.env.Now()
	var p ratelimit.Policy
	if byToken {
		p = s.limits.User
	}
	if s.limits.Tiers {
		p = tighten(p, who.Tier)
		if most := who.Tier.ConcurrentOperations(); most != nil {
			leave, ok := s.flights.Enter(who.UserID, *most)
			if !ok {
				a.Quota = crowded(*most, now)
				return a, refusal(a.Quota, now, app.ReasonConcurrency,
					"The %s tier allows %d requests at the same time", who.Tier, *most)
			}
			a.Leave = leave
		}
	}
	a.Quota = s.accounts.Take(who.UserID, p, now)
	if !a.Quota.Allowed {
		a.Leave()
		a.Leave = stay
		return a, overQuota(a.Quota, now)
	}
	return a, nil
}

// crowded is the state of a limit on what goes on at the same time. When a place
// gets free is not known; a second is a fair guess.
func crowded(limit int64, now time.Time) ratelimit.Verdict {
	return ratelimit.Verdict{Result: ratelimit.Result{Limit: limit, ResetAt: now.Add(time.Second).UTC(), RetryAfter: 1}}
}

// keyPolicy is what one key may use.
func (s *Service) keyPolicy(k *app.APIKey, owner *app.User) ratelimit.Policy {
	p := s.limits.Key
	p.PerHour = k.RateLimitPerHour
	if s.limits.Tiers {
		p = tighten(p, owner.Tier)
	}
	return p
}

// overQuota refuses a request over a limit of a window.
func overQuota(q ratelimit.Verdict, now time.Time) error {
	return refusal(q, now, app.ReasonRateLimited, "Rate limit of %d requests per %s exceeded", q.Limit, q.Window)
}

// refusal is the 429 of contract 01 §2.1. The body's retry_after is rounded
// down, as there; the header's is rounded up, so that it is never too early.
func refusal(q ratelimit.Verdict, now time.Time, reason app.Reason, format string, args ...any) error {
	e := app.NewError(app.CodeRateLimited, reason, format, args...)
	e.RetryAfter = ceilSeconds(q.ResetAt.Sub(now))
	return e.With("limit", q.Limit).
		With("remaining", q.Remaining).
		With("reset_at", app.FormatZ(q.ResetAt)).
		With("retry_after", q.RetryAfter)
}
