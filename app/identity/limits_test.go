package identity

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/ratelimit"
)

func TestTighten(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		tier   app.Tier
		policy ratelimit.Policy
		want   ratelimit.Policy
	}{
		{"no limits", app.TierBasic, ratelimit.Policy{}, ratelimit.Policy{PerMinute: 60, PerHour: 100}},
		{"professional", app.TierProfessional, ratelimit.Policy{}, ratelimit.Policy{PerMinute: 300, PerHour: 1000}},
		{"enterprise", app.TierEnterprise, ratelimit.Policy{}, ratelimit.Policy{PerMinute: 1000, PerHour: 10_000}},
		{"the day is the policy's", app.TierBasic, ratelimit.Policy{PerDay: 7}, ratelimit.Policy{PerMinute: 60, PerHour: 100, PerDay: 7}},
		{"one below the tier", app.TierBasic, ratelimit.Policy{PerMinute: 59, PerHour: 99}, ratelimit.Policy{PerMinute: 59, PerHour: 99}},
		{"as the tier", app.TierBasic, ratelimit.Policy{PerMinute: 60, PerHour: 100}, ratelimit.Policy{PerMinute: 60, PerHour: 100}},
		{"one above the tier", app.TierBasic, ratelimit.Policy{PerMinute: 61, PerHour: 101}, ratelimit.Policy{PerMinute: 60, PerHour: 100}},
		{"a burst would be over the tier", app.TierBasic, ratelimit.Policy{PerMinute: 60, Burst: 5}, ratelimit.Policy{PerMinute: 60, PerHour: 100}},
		{
			"unlimited tier", app.TierAdmin, ratelimit.Policy{PerMinute: 1, PerHour: 2, PerDay: 3, Burst: 4},
			ratelimit.Policy{PerMinute: 1, PerHour: 2, PerDay: 3, Burst: 4},
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(tc.want, tighten(tc.policy, tc.tier)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// The account's limits hold for tokens; for keys only the tier's do, and only
// when the tiers count.
func TestAdmitWhom(t *testing.T) {
	t.Parallel()
	for _, tiers := range []bool{false, true} {
		for _, byToken := range []bool{false, true} {
			t.Run(fmt.Sprintf("tiers %t, by token %t", tiers, byToken), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, func(c *Config) { c.Limits = Limits{User: ratelimit.Policy{PerMinute: 1}, Tiers: tiers} })
				maria := f.user("maria")
				want := int64(0) // no limit
				switch {
				case byToken:
					want = 1
				case tiers:
					want = 60
				}
				a, err := f.Admit(maria, nil, byToken)
				if err != nil {
					t.Fatal(err)
				}
				a.Leave()
				if a.Quota.Limit != want {
					t.Errorf("limit: got %d, want %d", a.Quota.Limit, want)
				}
				_, err = f.Admit(maria, nil, byToken)
				if (err != nil) != byToken {
					t.Errorf("the second: got %v, want it refused %t", err, byToken)
				}
			})
		}
	}
}

// A place is given back when the request leaves, and also when it is refused for
// another reason.
func TestAdmitPlaces(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *Config) { c.Limits = Limits{User: ratelimit.Policy{PerMinute: 3}, Tiers: true} })
	maria := f.user("maria")
	first, err := f.Admit(maria, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	second, err := f.Admit(maria, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	refused, err := f.Admit(maria, nil, true)
	e := wantError(t, err, app.CodeRateLimited, app.ReasonConcurrency, "The Basic tier allows 2 requests at the same time")
	want := map[string]any{"limit": int64(2), "remaining": int64(0), "reset_at": app.FormatZ(t0.Add(time.Second)), "retry_after": int64(1)}
	if d := cmp.Diff(want, e.Extra); d != "" || e.RetryAfter != 1 || refused.Quota.Limit != 2 {
		t.Errorf("retry after %d, quota %+v, body (-want +got):\n%s", e.RetryAfter, refused.Quota, d)
	}
	if _, err := f.Admit(f.user("jose"), nil, true); err != nil {
		t.Errorf("another account: %v", err)
	}
	first.Leave()
	second.Leave()
	third, err := f.Admit(maria, nil, true) // the refused one was not counted
	if err != nil {
		t.Fatal(err)
	}
	third.Leave()
	for range 5 { // each takes a place and gives it back
		_, err := f.Admit(maria, nil, true)
		wantError(t, err, app.CodeRateLimited, app.ReasonRateLimited, "Rate limit of 3 requests per minute exceeded")
	}
}

// A request that the account's limits refuse costs the key nothing.
func TestRefusedByTheAccount(t *testing.T) {
	t.Parallel()
	for _, written := range []bool{false, true} {
		t.Run(fmt.Sprintf("use written meanwhile %t", written), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(c *Config) { c.Limits.User.PerMinute = 1 })
			maria := f.user("maria")
			text, k := f.key(maria, NewKey{Name: "k", RateLimitPerHour: ptr(int64(2))})
			var got []int64
			for n := range 4 {
				grant, err := f.ByKey(t.Context(), text, KeyUse{})
				if err != nil {
					t.Fatalf("request %d: %v", n, err)
				}
				got = append(got, grant.Quota.Remaining)
				if written {
					if err := f.usage.flush(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := f.Admit(maria, &grant, true); (err != nil) != (n > 0) {
					t.Fatalf("request %d: got %v", n, err)
				}
			}
			if d := cmp.Diff([]int64{1, 0, 0, 0}, got); d != "" {
				t.Errorf("remaining of the key (-want +got):\n%s", d)
			}
			if err := f.usage.flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			row, err := f.Key(t.Context(), maria, k.ID)
			if err != nil {
				t.Fatal(err)
			}
			if row.UsageCount != 1 {
				t.Errorf("usage: got %d, want the one that was let in", row.UsageCount)
			}
		})
	}
}

// The counters are the process's: a restart begins at nothing.
func TestLimitsEndWithTheProcess(t *testing.T) {
	t.Parallel()
	d := openDB(t, true)
	edit := func(c *Config) { c.Limits.User.PerDay = 1 }
	before := fixtureOn(t, d, edit)
	maria := before.user("maria")
	if _, err := before.Admit(maria, nil, true); err != nil {
		t.Fatal(err)
	}
	_, err := before.Admit(maria, nil, true)
	wantError(t, err, app.CodeRateLimited, app.ReasonRateLimited, "Rate limit of 1 requests per day exceeded")
	if _, err := fixtureOn(t, d, edit).Admit(maria, nil, true); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}
