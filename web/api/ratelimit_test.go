package api_test

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/identity"
	"github.com/defarm-repo/defarm/web/server"
	"github.com/defarm-repo/defarm/web/servertest"
)

func limited(edit func(*server.LimitsConfig)) servertest.Option {
	return servertest.WithConfig(func(c *server.Config) { edit(&c.Limits) })
}

// An API key has its hourly quota: the headers count it down, the last request
// over it is refused with the contract's body and counts for nothing, and the
// oldest use that leaves the hour makes room.
func TestKeyQuota(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(keyStart))
	who := srv.User("maria")
	key := newKey(t, who, `,"rate_limit_per_hour":3`)
	for left := 2; left >= 0; left-- {
		key.Get(t, "/api/items").WantStatus(http.StatusOK).WantHeader("X-RateLimit-Limit", "3").
			WantHeader("X-RateLimit-Remaining", strconv.Itoa(left)).
			WantHeader("X-RateLimit-Reset", strconv.FormatInt(keyStart.Add(time.Hour).Unix(), 10))
		srv.Advance(10 * time.Minute)
	}
	for range 2 {
		key.Get(t, "/api/items").WantStatus(http.StatusTooManyRequests).WantGolden("ratelimit/key_hour").
			WantHeader("Retry-After", "1800").WantHeader("X-RateLimit-Remaining", "0")
	}
	if got := who.Get(t, key.path).Field("usage_count"); got != "3" {
		t.Errorf("usage_count: got %s, want the 3 that were let in", got)
	}
	// A changed limit takes effect at once, with the uses kept.
	who.Patch(t, key.path, `{"rate_limit_per_hour":4}`).WantStatus(http.StatusOK)
	key.Get(t, "/nowhere").WantStatus(http.StatusNotFound) // a 404 counts too
	key.Get(t, "/api/items").WantStatus(http.StatusTooManyRequests)
	srv.Advance(30*time.Minute + time.Second)
	key.Get(t, "/api/items").WantStatus(http.StatusOK)
}

// The configuration's limits for keys stand beside the hour of the key.
func TestKeyLimitsOfTheConfiguration(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(keyStart), limited(func(l *server.LimitsConfig) {
		l.Key = server.KeyRateConfig{PerMinute: 2, PerDay: 4, Burst: 1}
	}))
	key := newKey(t, srv.User("maria"), `,"rate_limit_per_hour":100`)
	get := func(want int) *servertest.Response {
		t.Helper()
		return key.Get(t, "/api/items").WantStatus(want)
	}
	get(http.StatusOK)
	get(http.StatusOK)
	get(http.StatusOK).WantHeader("X-RateLimit-Limit", "2") // on the burst
	get(http.StatusTooManyRequests).WantGolden("ratelimit/key_minute")
	srv.Advance(2 * time.Minute)
	get(http.StatusOK)
	get(http.StatusTooManyRequests).WantGolden("ratelimit/key_day")
}

// Requests with a token are limited for the account as a whole; keys have their
// own limits, and public routes have none.
func TestUserLimits(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(keyStart), limited(func(l *server.LimitsConfig) {
		l.User = server.RateConfig{PerMinute: 2, PerHour: 3}
	}))
	who, other := srv.User("maria"), srv.User("jose")
	who.Get(t, "/api/items").WantStatus(http.StatusOK).WantHeader("X-RateLimit-Remaining", "1")
	second := who.WithToken(who.Post(t, "/api/auth/refresh", nil).WantStatus(http.StatusOK).Field("token"))
	second.Get(t, "/api/items").WantStatus(http.StatusTooManyRequests).WantGolden("ratelimit/user_minute").WantHeader("Retry-After", "60")
	other.Get(t, "/api/items").WantStatus(http.StatusOK)
	srv.Anonymous().Get(t, "/health").WantStatus(http.StatusOK).WantHeader("X-RateLimit-Limit", "")
	srv.Advance(61 * time.Second)
	who.Get(t, "/api/items").WantStatus(http.StatusOK).WantHeader("X-RateLimit-Limit", "3").WantHeader("X-RateLimit-Remaining", "0")
	who.Get(t, "/api/items").WantStatus(http.StatusTooManyRequests).WantGolden("ratelimit/user_hour")
	srv.Anonymous().Post(t, "/api/auth/login", fmt.Sprintf(`{"username":"maria","password":%q}`, servertest.Password)).WantStatus(http.StatusOK)
}

// With both credentials both limits apply.
func TestBothLimits(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(keyStart), limited(func(l *server.LimitsConfig) {
		l.User = server.RateConfig{PerMinute: 5}
	}))
	who := srv.User("maria")
	text := who.Post(t, "/api/api-keys", `{"name":"k","rate_limit_per_hour":3}`).WantStatus(http.StatusOK).Field("api_key")
	both := who.WithHeader("X-Api-Key", text)
	// The headers are those of whichever has less left.
	both.Get(t, "/api/items").WantStatus(http.StatusOK).WantHeader("X-RateLimit-Limit", "3").WantHeader("X-RateLimit-Remaining", "2")
	who.Get(t, "/api/items").WantStatus(http.StatusOK)
	both.Get(t, "/api/items").WantStatus(http.StatusOK).WantHeader("X-RateLimit-Remaining", "1")
	both.Get(t, "/api/items").WantStatus(http.StatusOK).WantHeader("X-RateLimit-Remaining", "0")
	both.Get(t, "/api/items").WantStatus(http.StatusTooManyRequests).WantHeader("X-RateLimit-Limit", "3")
	who.Get(t, "/api/items").WantStatus(http.StatusTooManyRequests).WantHeader("X-RateLimit-Limit", "5")
}

// With the tiers enforced their numbers count for all requests of an account
// together, whatever they come with; without, they do not.
func TestTierRates(t *testing.T) {
	t.Parallel()
	for _, enforced := range []bool{true, false} {
		t.Run(fmt.Sprint(enforced), func(t *testing.T) {
			t.Parallel()
			srv := servertest.Start(t, servertest.At(keyStart), limited(func(l *server.LimitsConfig) { l.EnforceTiers = enforced }))
			who := srv.User("basic")
			key := newKey(t, who, `,"rate_limit_per_hour":100000`)
			statuses := map[int]int{}
			for n := range 70 {
				c := who
				if n%2 == 0 {
					c = key.Client
				}
				statuses[c.Get(t, "/api/items").Status]++
			}
			want := map[int]int{http.StatusOK: 70}
			if enforced { // 60 a minute, of which making the key was one
				want = map[int]int{http.StatusOK: 59, http.StatusTooManyRequests: 11}
			}
			if statuses[http.StatusOK] != want[http.StatusOK] || statuses[http.StatusTooManyRequests] != want[http.StatusTooManyRequests] {
				t.Errorf("statuses: got %v, want %v", statuses, want)
			}
			srv.User("admin-tier", func(u *identity.NewUser) { u.Tier = app.TierAdmin }).
				Get(t, "/api/items").WantStatus(http.StatusOK)
		})
	}
}

// With the tiers enforced an account has no more requests in flight than its
// tier allows, and gets the places back.
func TestTierConcurrency(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, limited(func(l *server.LimitsConfig) { l.EnforceTiers = true }))
	who := srv.User("basic")
	held, release := make(chan struct{}), make(chan struct{})
	writer := make(chan error, 1)
	go func() {
		writer <- srv.Store().Write(t.Context(), func(app.Tx) error {
			close(held)
			<-release
			return nil
		})
	}()
	<-held
	entered := make(chan int, 8)
	var all sync.WaitGroup
	for range 8 { // each waits for the writer, or is refused
		all.Go(func() {
			res, err := who.Try(t.Context(), http.MethodPost, "/api/items/local", localBody)
			if err != nil {
				t.Error(err)
				return
			}
			entered <- res.Status
		})
	}
	refused := 0
	for range 6 { // of eight, two are inside
		if status := <-entered; status == http.StatusTooManyRequests {
			refused++
		}
	}
	close(release)
	all.Wait()
	if err := <-writer; err != nil {
		t.Fatal(err)
	}
	if refused != 6 {
		t.Errorf("refused: got %d of 8 at the same time, want 6", refused)
	}
	for range 5 {
		who.Get(t, "/api/items").WantStatus(http.StatusOK)
	}
}
