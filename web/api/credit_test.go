package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/identity"
	"github.com/defarm-repo/defarm/web/server"
	"github.com/defarm-repo/defarm/web/servertest"
)

var creditStart = time.Date(2026, 1, 31, 23, 0, 0, 0, time.UTC)

func enforcing(tiers, credits bool) servertest.Option {
	return servertest.WithConfig(func(c *server.Config) {
		c.Limits.EnforceTiers, c.Limits.EnforceCredits = tiers, credits
	})
}

const localBody = `{"identifiers":[{"namespace":"bovino","key":"ear_tag","value":"7"}]}`

// register makes an account as a client does, with its bonus.
func register(t *testing.T, srv *servertest.Server, name string) *servertest.Client {
	t.Helper()
	res := srv.Anonymous().Post(t, "/api/auth/register",
		fmt.Sprintf(`{"username":%q,"email":"%s@example.org","password":"Passw0rd!"}`, name, name)).WantStatus(http.StatusOK)
	c := srv.Anonymous().WithToken(res.Field("token"))
	c.UserID, c.Username = res.Field("user_id"), name
	return c
}

func TestCreditsOfANewcomer(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(creditStart))
	who := register(t, srv, "maria")
	for _, base := range []string{"/users/me/credits", "/api/users/me/credits"} {
		who.Get(t, base+"/balance").WantStatus(http.StatusOK).WantGolden("credit/balance")
		who.Get(t, base+"/history").WantStatus(http.StatusOK).WantGolden("credit/history")
		who.Get(t, base+"/history?limit=0").WantStatus(http.StatusOK).WantGolden("credit/history_none")
		who.Get(t, base+"/costs").WantStatus(http.StatusOK).WantGolden("credit/costs")
		who.Get(t, base+"/history?limit=many").WantStatus(http.StatusBadRequest).WantGolden("credit/history_bad_limit")
		srv.Anonymous().Get(t, base+"/balance").WantStatus(http.StatusUnauthorized).WantError("Missing authentication")
	}
	// Nothing is charged unless the operator wants it.
	who.Post(t, "/api/items/local", localBody).WantStatus(http.StatusOK)
	if got := who.Get(t, "/users/me/credits/balance").Field("credits"); got != "100" {
		t.Errorf("balance after creating an item: got %s, want 100", got)
	}
}

func TestCreditsAreCharged(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(creditStart), enforcing(false, true))
	tests := []struct {
		tier                  app.Tier
		local, circuit, again string // balance after each step, from 100
	}{
		{app.TierBasic, "97", "93", "89"}, // each request costs 1 too
		{app.TierProfessional, "99", "97", "95"},
		{app.TierEnterprise, "99", "98", "97"},
	}
	for _, tc := range tests {
		t.Run(string(tc.tier), func(t *testing.T) {
			t.Parallel()
			who := srv.User("u-"+strings.ToLower(string(tc.tier)), func(u *identity.NewUser) { u.Tier = tc.tier })
			balance := func() string { return who.Get(t, "/users/me/credits/balance").Field("credits") }
			local := who.Post(t, "/api/items/local", localBody).WantStatus(http.StatusOK).Field("data.local_id")
			if got := balance(); got != tc.local {
				t.Errorf("after an item: got %s, want %s", got, tc.local)
			}
			circuit := who.Post(t, "/api/circuits", `{"name":"Herd","description":""}`).WantStatus(http.StatusOK).Field("circuit_id")
			if got := balance(); got != tc.circuit {
				t.Errorf("after a circuit: got %s, want %s", got, tc.circuit)
			}
			who.Post(t, "/api/circuits/"+circuit+"/push-local", fmt.Sprintf(`{"local_id":%q}`, local)).WantStatus(http.StatusOK)
			if got := balance(); got != tc.again {
				t.Errorf("after a push: got %s, want %s", got, tc.again)
			}
			who.Get(t, "/users/me/credits/history").WantStatus(http.StatusOK).WantGolden("credit/history_" + strings.ToLower(string(tc.tier)))
		})
	}
}

// Work that is refused for want of credits, or that fails by itself, costs
// nothing and leaves nothing behind.
func TestCreditsRefuse(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(creditStart), enforcing(false, true))
	who := srv.User("poor", func(u *identity.NewUser) { u.Tier, u.Credits = app.TierProfessional, 2 })
	who.Post(t, "/api/items/local", localBody).WantStatus(http.StatusOK)
	who.Post(t, "/api/circuits", `{"name":"Herd","description":""}`).WantStatus(http.StatusPaymentRequired).WantGolden("credit/insufficient")
	who.Post(t, "/api/circuits", `{"name":"","description":"","default_namespace":"moon"}`).WantStatus(http.StatusBadRequest)
	if got := who.Get(t, "/users/me/credits/balance").Field("credits"); got != "1" {
		t.Errorf("balance: got %s, want 1", got)
	}
	if got := string(who.Get(t, "/api/circuits").Body); got != "[]" {
		t.Errorf("circuits after a refusal: got %s, want none", got)
	}
	// A request that costs more than is left is refused as such.
	broke := srv.User("broke", func(u *identity.NewUser) { u.Credits = 0 })
	broke.Get(t, "/api/items").WantStatus(http.StatusPaymentRequired).WantGolden("credit/insufficient_request")
	broke.Get(t, "/users/me/profile").WantStatus(http.StatusOK)
}

// 40 requests at the same time spend a balance that suffices for 25: exactly
// these succeed, with the cache on.
func TestCreditsAreSpentOnce(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, enforcing(false, true))
	who := srv.User("pro", func(u *identity.NewUser) { u.Tier, u.Credits = app.TierProfessional, 25 })
	var mu sync.Mutex
	statuses := map[int]int{}
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			res, err := who.Try(t.Context(), http.MethodPost, "/api/items/local", localBody)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			statuses[res.Status]++
			mu.Unlock()
		})
	}
	all.Wait()
	if statuses[http.StatusOK] != 25 || statuses[http.StatusPaymentRequired] != 15 {
		t.Errorf("statuses: got %v, want 25 of 200 and 15 of 402", statuses)
	}
	if got := who.Get(t, "/users/me/credits/balance").Field("credits"); got != "0" {
		t.Errorf("balance: got %s, want 0", got)
	}
}

func TestTiersAreEnforced(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(creditStart), enforcing(true, false))
	basic := srv.User("basic")
	basic.Post(t, "/api/circuits", `{"name":"Herd","description":""}`).WantStatus(http.StatusForbidden).WantGolden("credit/tier_operation")
	basic.Post(t, "/api/items/local", localBody).WantStatus(http.StatusOK)

	pro := srv.User("pro", func(u *identity.NewUser) { u.Tier = app.TierProfessional })
	for n := range 25 {
		pro.Post(t, "/api/circuits", fmt.Sprintf(`{"name":"Herd %d","description":""}`, n)).WantStatus(http.StatusOK)
	}
	pro.Post(t, "/api/circuits", `{"name":"One more","description":""}`).WantStatus(http.StatusForbidden).WantGolden("credit/tier_circuits")
	srv.User("big", func(u *identity.NewUser) { u.Tier = app.TierEnterprise }).
		Post(t, "/api/circuits", `{"name":"Herd","description":""}`).WantStatus(http.StatusOK)
}

// The allowance of a month is used up to its last item and comes back with the
// next month, also over the end of a January of 31 days.
func TestTierAllowanceOfItems(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(creditStart), enforcing(true, false), servertest.WithConfig(func(c *server.Config) {
		c.Limits.User = server.RateConfig{}
	}))
	who := srv.User("basic")
	err := srv.Store().Write(t.Context(), func(tx app.Tx) error {
		_, err := tx.TierUses().Add(who.UserID, (2026-1970)*12, "items", 999)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	who.Post(t, "/api/items/local", localBody).WantStatus(http.StatusOK)
	who.Post(t, "/api/items/local", localBody).WantStatus(http.StatusForbidden).WantGolden("credit/tier_items")
	srv.Advance(time.Hour)
	who.Post(t, "/api/items/local", localBody).WantStatus(http.StatusOK)
}
