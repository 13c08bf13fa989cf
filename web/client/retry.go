package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Retry says how Call repeats a request. Only answers that promise that
// nothing was done (503 and 429) are repeated, and failures of the network
// when Network is set.
type Retry struct {
	// Attempts in all; 1 never repeats. Default 6.
	Attempts uint
	// FirstWait before the second attempt when the server names no time;
	// it doubles from then on, with jitter. Default 200 ms.
	FirstWait time.Duration
	// MaxWait is the longest single wait. A server that asks for more
	// (an exhausted hourly limit) gets its answer taken as final. Default 30 s.
	MaxWait time.Duration
	// MaxTotal is how long one Call may go on. Default 2 min.
	MaxTotal time.Duration
	// Network repeats also what got no answer at all. Only for requests that
	// may be done twice without harm.
	Network bool
}

func (r Retry) withDefaults() Retry {
	if r.Attempts == 0 {
		r.Attempts = 6
	}
	if r.FirstWait <= 0 {
		r.FirstWait = 200 * time.Millisecond
	}
	if r.MaxWait <= 0 {
		r.MaxWait = 30 * time.Second
	}
	if r.MaxTotal <= 0 {
		r.MaxTotal = 2 * time.Minute
	}
	return r
}

// again is a failed attempt that may be repeated after the time the server
// named. It unwraps to both, so that backoff finds the time and the caller
// the answer.
type again struct {
	answer *Error
	after  *backoff.RetryAfterError
}

func (a *again) Error() string   { return a.answer.Error() }
func (a *again) Unwrap() []error { return []error{a.answer, a.after} }

// attempts sends until an answer is final. An error is an *Error, or wraps
// what the network or the context said.
func (c *Client) attempts(ctx context.Context, method, path string, body []byte) (*Reply, error) {
	tries := 0
	once := func() (*Reply, error) {
		tries++
		reply, err := c.Send(ctx, method, path, body)
		if err != nil {
			if ctx.Err() != nil || !c.retry.Network || errors.Is(err, ErrBodyTooLarge) {
				return nil, backoff.Permanent(err)
			}
			return nil, err
		}
		answer := errorOf(method, path, reply)
		answer.Attempts = tries
		return reply, c.verdict(answer, reply)
	}
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval, b.Multiplier = c.retry.FirstWait, c.retry.MaxWait, 2
	reply, err := backoff.Retry(ctx, once, backoff.WithBackOff(b),
		backoff.WithMaxTries(c.retry.Attempts), backoff.WithMaxElapsedTime(c.retry.MaxTotal))
	if err == nil {
		return reply, nil
	}
	// What ended the context may itself be an *Error, of another request.
	var refused *Error
	if err != context.Cause(ctx) && errors.As(err, &refused) { //nolint:errorlint // that very value, not what it wraps
		return nil, refused
	}
	var permanent *backoff.PermanentError
	if errors.As(err, &permanent) {
		err = permanent.Err
	}
	return nil, fmt.Errorf("%s %s: %w", method, path, err)
}

// verdict decides what an answer means for the retry loop: nil is success, a
// permanent error the end, anything else one more attempt.
func (c *Client) verdict(e *Error, reply *Reply) error {
	if reply.OK() {
		return nil
	}
	if !e.Busy() {
		return backoff.Permanent(e)
	}
	wait, named := RetryAfter(reply.Header, time.Now())
	if !named {
		return e
	}
	if wait > c.retry.MaxWait {
		return backoff.Permanent(e)
	}
	// Everybody who was refused together would come back together.
	if wait > 0 {
		wait += rand.N(wait/4 + 1)
	}
	return &again{answer: e, after: &backoff.RetryAfterError{Duration: wait}}
}

// RetryAfter reads the Retry-After header, in seconds or as a date; false
// when it is missing or neither.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(n) * time.Second, true
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	return max(0, at.Sub(now)), true
}
