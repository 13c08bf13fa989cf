package circuits

import (
	"context"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/ratelimit"
)

// guessPolicy is how many wrong passwords of one circuit one address, and one
// user, may try.
var guessPolicy = ratelimit.Policy{PerMinute: 10, PerHour: 60}

// guessKeys bounds the addresses and users that are remembered.
const guessKeys = 1 << 16

// guesses slows down guessing at the passwords of protected circuits. Only wrong
// passwords count: an attempt is counted before the password is looked at, so
// that many at once cannot overshoot, and taken back when it was right.
// Everything is in memory, bounded and lost at a restart.
type guesses struct {
	windows *ratelimit.Windows[guessKey]
}

// guessKey names a counter; one of address and user is set.
type guessKey struct {
	circuit uuid.UUID
	address string // see ratelimit.AddressKey
	user    string
}

func newGuesses() *guesses { return &guesses{ratelimit.NewWindows[guessKey](guessKeys)} }

// begin lets an attempt through, or refuses it with ReasonPasswordThrottled.
// undo takes it back; it counts as a wrong password otherwise.
func (g *guesses) begin(circuit uuid.UUID, who app.Actor, from netip.Addr, now time.Time) (undo func(), err error) {
	keys := []guessKey{{circuit: circuit, address: ratelimit.AddressKey(from)}}
	if who.UserID != "" {
		keys = append(keys, guessKey{circuit: circuit, user: who.UserID})
	}
	taken := make([]ratelimit.Verdict, 0, len(keys))
	undo = func() {
		for i, v := range taken {
			g.windows.Return(keys[i], guessPolicy, v, now)
		}
	}
	for _, key := range keys {
		v := g.windows.Take(key, guessPolicy, now)
		if !v.Allowed {
			undo()
			return nil, tooManyGuesses(v.ResetAt.Sub(now))
		}
		taken = append(taken, v)
	}
	return undo, nil
}

func tooManyGuesses(wait time.Duration) error {
	e := app.NewError(app.CodeRateLimited, app.ReasonPasswordThrottled,
		"Too many wrong access passwords. Please try again later.")
	e.RetryAfter = int((wait + time.Second - 1) / time.Second)
	return e
}

// opens reports whether pw is the password of a protected circuit. It waits for
// a worker, so it must not be called in a write. An empty password opens
// nothing, and neither does any when none is configured.
//
// Errors: ReasonPasswordThrottled, CodeBusy.
func (s *Service) opens(ctx context.Context, c *app.Circuit, who app.Actor, from netip.Addr, pw string) (bool, error) {
	if pw == "" || c.Public.PasswordHash == "" {
		return false, nil
	}
	undo, err := s.guesses.begin(c.ID, who, from, s.env.Now())
	if err != nil {
		return false, err
	}
	same, err := s.passwords.Compare(ctx, c.Public.PasswordHash, pw)
	if same || err != nil {
		undo()
	}
	return same, err
}
