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
	reset := keyStart.Add(time.Hour)
	for range 2 {
		res := key.Get(t, "/api/items").WantStatus(http.StatusTooManyRequests).WantGolden("ratelimit/key_hour").
			WantHeader("Retry-After", "1800").WantHeader("X-RateLimit-Limit", "3").WantHeader("X-RateLimit-Remaining", "0").
			WantHeader("X-RateLimit-Reset", strconv.FormatInt(reset.Unix(), 10))
		if got := res.Field("reset_at"); got != app.FormatZ(reset) {
			t.Errorf("reset_at: got %s, want %s", got, app.FormatZ(reset))
		}
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

// An account's day and burst.
func TestUserDayAndBurst(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(keyStart), limited(func(l *server.LimitsConfig) {
		l.User = server.RateConfig{PerMinute: 1, PerDay: 4, Burst: 1}
	}))
	who := srv.User("maria")
	who.Get(t, "/api/items").WantStatus(http.StatusOK)
	who.Get(t, "/api/items").WantStatus(http.StatusOK).WantHeader("X-RateLimit-Limit", "1").WantHeader("X-RateLimit-Remaining", "0")
	who.Get(t, "/api/items").WantStatus(http.StatusTooManyRequests).WantHeader("X-RateLimit-Limit", "1")
	srv.Advance(2 * time.Minute)
	// With a token, a path that does not exist counts like any other.
	who.Get(t, "/nowhere").WantStatus(http.StatusNotFound).WantHeader("X-RateLimit-Remaining", "0")
	srv.Advance(2 * time.Minute)
	who.Get(t, "/api/items").WantStatus(http.StatusOK).WantHeader("X-RateLimit-Remaining", "0")
	srv.Advance(2 * time.Hour)
	who.Get(t, "/api/items").WantStatus(http.StatusTooManyRequests).WantGolden("ratelimit/user_day")
	who.Get(t, "/nowhere").WantStatus(http.StatusTooManyRequests)
	srv.Anonymous().Get(t, "/nowhere").WantStatus(http.StatusNotFound).WantHeader("X-RateLimit-Limit", "")
	srv.Advance(22 * time.Hour) // a day and four minutes after the first
	srv.Login(t, "maria", servertest.Password).Get(t, "/api/items").WantStatus(http.StatusOK)
}

// With both credentials both limits apply. What the account's refuse does not
// cost the key anything.
func TestBothLimits(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(keyStart), limited(func(l *server.LimitsConfig) {
		l.User = server.RateConfig{PerMinute: 5}
	}))
	who := srv.User("maria")
	made := who.Post(t, "/api/api-keys", `{"name":"k","rate_limit_per_hour":3}`).WantStatus(http.StatusOK)
	path, both := "/api/api-keys/"+made.Field("metadata.id"), who.WithHeader("X-Api-Key", made.Field("api_key"))
	get := func(c *servertest.Client, status int, limit, remaining string) {
		t.Helper()
		c.Get(t, "/api/items").WantStatus(status).WantHeader("X-RateLimit-Limit", limit).WantHeader("X-RateLimit-Remaining", remaining)
	}
	// The headers are those of whichever has less left.
	get(both, http.StatusOK, "3", "2")
	get(both, http.StatusOK, "3", "1")
	get(who, http.StatusOK, "5", "1") // making the key was one
	get(who, http.StatusOK, "5", "0")
	for range 3 {
		get(both, http.StatusTooManyRequests, "5", "0")
	}
	srv.Advance(61 * time.Second)
	if got := who.Get(t, path).Field("usage_count"); got != "2" {
		t.Errorf("usage_count: got %s, want the 2 that were let in", got)
	}
	if got := who.Get(t, path+"/usage").Field("total_requests"); got != "2" {
		t.Errorf("total_requests: got %s, want the 2 that were let in", got)
	}
	get(both, http.StatusOK, "3", "0")
	get(both, http.StatusTooManyRequests, "3", "0")
	get(who, http.StatusOK, "5", "1") // the key's refusal did not count for the account
}

// What was used is forgotten when the server starts again.
func TestRestart(t *testing.T) {
	t.Parallel()
	edit := servertest.WithConfig(func(c *server.Config) {
		c.Auth.JWTSecret = "one secret for both lives of the server"
		c.Limits.User = server.RateConfig{PerDay: 1}
	})
	dir := t.TempDir()
	start := func() *servertest.Server {
		return servertest.Start(t, servertest.At(keyStart), edit, servertest.WithConfig(func(c *server.Config) { c.DataDir = dir }))
	}
	srv := start()
	who := srv.User("maria")
	who.Get(t, "/api/items").WantStatus(http.StatusOK)
	who.Get(t, "/api/items").WantStatus(http.StatusTooManyRequests)
	srv.Close()
	again := start().Anonymous().WithToken(who.Token)
	again.Get(t, "/api/items").WantStatus(http.StatusOK)
	again.Get(t, "/api/items").WantStatus(http.StatusTooManyRequests)
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

// With the tiers enforced the hour of a tier stands above a key's own.
func TestTierHour(t *testing.T) {
	t.Parallel()
	for _, enforced := range []bool{true, false} {
		t.Run(fmt.Sprint(enforced), func(t *testing.T) {
			t.Parallel()
			srv := servertest.Start(t, servertest.At(keyStart), limited(func(l *server.LimitsConfig) { l.EnforceTiers = enforced }))
			key := newKey(t, srv.User("basic"), `,"rate_limit_per_hour":100000`)
			for n := range 99 { // making the key was the first of a hundred
				if n == 50 {
					srv.Advance(61 * time.Second) // the minute has 60
				}
				key.Get(t, "/api/items").WantStatus(http.StatusOK)
			}
			if !enforced {
				key.Get(t, "/api/items").WantStatus(http.StatusOK).WantHeader("X-RateLimit-Limit", "100000")
				return
			}
			for range 3 {
				key.Get(t, "/api/items").WantStatus(http.StatusTooManyRequests).WantGolden("ratelimit/tier_hour").
					WantHeader("X-RateLimit-Limit", "100")
			}
			srv.Advance(59 * time.Minute) // an hour and a second after the first
			key.Get(t, "/api/items").WantStatus(http.StatusOK)
		})
	}
}

// With the tiers enforced an account has no more requests in flight than its
// tier allows, and gets the places back.
func TestTierConcurrency(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, limited(func(l *server.LimitsConfig) { l.EnforceTiers = true }))
	who, other := srv.User("basic"), srv.User("other")
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
	answers := make(chan *servertest.Response, 8)
	var all sync.WaitGroup
	for range 8 { // each waits for the writer, or is refused
		all.Go(func() {
			res, err := who.Try(t.Context(), http.MethodPost, "/api/items/local", localBody)
			if err != nil {
				t.Error(err)
				res = &servertest.Response{}
			}
			answers <- res
		})
	}
	refused := 0
	for range 6 { // of eight, two are inside
		res := <-answers
		if res.Status != http.StatusTooManyRequests {
			t.Errorf("answered while the writer is held: got %d, want 429", res.Status)
			continue
		}
		refused++
		for name, want := range map[string]string{"Retry-After": "1", "X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "0"} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
	}
	// The same from the test's own goroutine, for its body.
	who.Get(t, "/api/items").WantStatus(http.StatusTooManyRequests).WantGolden("ratelimit/concurrency")
	other.Get(t, "/api/items").WantStatus(http.StatusOK)
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
