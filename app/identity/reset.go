package identity

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"lukechampine.com/blake3"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/password"
	"github.com/defarm-repo/defarm/app/ratelimit"
)

// ResetConfig sets the resetting of forgotten passwords up.
type ResetConfig struct {
	// Mailer sends the mails; nil: none are sent.
	Mailer app.Mailer
	// PerHour is how many resets may be asked for under one name in an hour;
	// default 3.
	PerHour int
	// FrontendURL starts the link in the mail; "": the mail holds the token.
	FrontendURL string
}

const (
	// resetValid is how long a reset token is good for (contract 01 §5.3).
	resetValid = 30 * time.Minute
	// resetBytes is the length of a token.
	resetBytes = 32
	// resetQueue bounds the requests that wait to be looked into.
	resetQueue = 256
	// resetsPerAddress times PerHour is how many one address may ask for.
	resetsPerAddress = 30
	// resetKept is how long an expired token is remembered, so that the count
	// of the last hour stays right.
	resetKept = time.Hour
)

// Forgotten is a request to reset a password. The mail address counts when both
// are given.
type Forgotten struct {
	Email    string
	Username string
}

// resets looks into requests for a reset, one after the other, on a goroutine of
// its own: so the answer to whoever asks takes the same time whether or not the
// account exists. It also removes tokens that are long over.
type resets struct {
	queue   chan resetRequest
	cancel  context.CancelFunc // gives up what the goroutine is doing
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once
}

type resetRequest struct {
	Forgotten
	from Client
	// at is when it was asked for: the token's life begins there, and the hour
	// in which it counts, so that whoever waits as told is not counted out.
	at time.Time
}

func (s *Service) startResets() *resets {
	ctx, cancel := context.WithCancel(context.Background())
	r := &resets{
		queue: make(chan resetRequest, resetQueue), cancel: cancel,
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	go s.serveResets(ctx, r)
	return r
}

func (s *Service) serveResets(ctx context.Context, r *resets) {
	defer close(r.stopped)
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	s.pruneResets(ctx)
	for {
		select {
		case in := <-r.queue:
			s.sendReset(ctx, in)
		case <-tick.C:
			s.pruneResets(ctx)
		case <-r.stop:
			for {
				select {
				case in := <-r.queue:
					s.sendReset(ctx, in)
				default:
					return
				}
			}
		}
	}
}

// close looks into what still waits, for at most as long as ctx lasts, and ends
// the goroutine.
func (r *resets) close(ctx context.Context) {
	r.once.Do(func() { close(r.stop) })
	defer r.cancel()
	select {
	case <-r.stopped:
	case <-ctx.Done():
		r.cancel()
		<-r.stopped
	}
}

// ForgotPassword takes a request to reset a password. Its answer and the time it
// takes are the same whether or not there is such an account; the mail follows.
// The state of the account does not matter, and a reset does not change it.
//
// Errors: ReasonResetRequest (400) when nothing is named, ReasonResetThrottled
// (429) when too many were asked for under this name or from this address,
// CodeBusy.
func (s *Service) ForgotPassword(in Forgotten, from Client) error {
	in.Email, in.Username = strings.TrimSpace(in.Email), strings.TrimSpace(in.Username)
	key := "mail " + in.Email
	if in.Email == "" {
		key = "name " + in.Username
	}
	if in == (Forgotten{}) {
		return app.Invalid(app.ReasonResetRequest, "Provide email or username to reset your password")
	}
	now := s.env.Now()
	if r := s.asked.Take(ratelimit.AddressKey(from.Address), resetsPerAddress*s.resetsPerHour, now); !r.Allowed {
		return tooManyResets(r.ResetAt.Sub(now))
	}
	if r := s.asked.Take(throttleName(key), s.resetsPerHour, now); !r.Allowed {
		return tooManyResets(r.ResetAt.Sub(now))
	}
	select {
	case s.resets.queue <- resetRequest{in, from, now}:
		return nil
	default:
		return app.Busy(app.ReasonMailBusy)
	}
}

func tooManyResets(wait time.Duration) error {
	e := app.NewError(app.CodeRateLimited, app.ReasonResetThrottled, "Too many password reset requests. Please try again later.")
	e.RetryAfter = ceilSeconds(wait)
	return e
}

// sendReset gives the account a token and mails it. Nobody waits for an error:
// it goes to the log, without the name that was typed.
func (s *Service) sendReset(ctx context.Context, in resetRequest) {
	u, err := s.forgotten(ctx, in.Forgotten)
	if err != nil {
		if app.ReasonOf(err) != app.ReasonUserNotFound {
			s.log.LogAttrs(ctx, slog.LevelWarn, "password reset not looked into", slog.String("error", err.Error()))
		}
		return
	}
	token, err := s.newReset(ctx, u, in)
	if err == nil && token != "" {
		var m app.Mail
		if m, err = resetMail(u, s.frontend, token); err == nil && s.mailer != nil {
			err = s.mailer.Send(ctx, m)
		}
	}
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "password reset not sent", slog.String("user_id", u.ID), slog.String("error", err.Error()))
	}
}

func (s *Service) forgotten(ctx context.Context, in Forgotten) (u *app.User, err error) {
	err = s.store.Read(ctx, func(r app.Reader) (err error) {
		switch {
		case in.Email != "":
			u, err = r.Users().ByEmail(in.Email)
		case plausibleName(in.Username):
			u, err = r.Users().ByUsername(in.Username)
		default:
			err = app.NotFound(app.ReasonUserNotFound, "User not found")
		}
		return err
	})
	return u, err
}

// newReset stores a token for the account and returns it in hexadecimal digits;
// "" when the account was given as many as it may have, by whatever names.
func (s *Service) newReset(ctx context.Context, u *app.User, in resetRequest) (string, error) {
	raw := make([]byte, resetBytes)
	if _, err := io.ReadFull(s.env.Random, raw); err != nil {
		return "", fmt.Errorf("read random token: %w", err)
	}
	reset := &app.PasswordReset{
		ID: s.env.NewID(), UserID: u.ID, Hash: hashReset(raw),
		CreatedAt: in.at, ExpiresAt: in.at.Add(resetValid), Agent: cutAgent(in.from.Agent),
	}
	if in.from.Address.IsValid() {
		reset.Address = in.from.Address.String()
	}
	given := true
	err := s.store.Write(ctx, func(tx app.Tx) error {
		n, err := tx.PasswordResets().CountSince(u.ID, in.at.Add(-time.Hour))
		if err != nil {
			return err
		}
		if given = int64(n) < s.resetsPerHour; !given {
			return nil
		}
		if err := tx.PasswordResets().Insert(reset); err != nil {
			return err
		}
		return tx.Activities().InsertUser(s.activity(u, in.from, in.at, activityForgot))
	})
	if err != nil || !given {
		return "", err
	}
	return hex.EncodeToString(raw), nil
}

// hashReset is the form in which a token is stored: over its bytes, not over
// their digits.
func hashReset(raw []byte) string {
	sum := blake3.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

var (
	errResetToken = app.Invalid(app.ReasonResetToken, "Invalid or expired password reset token")
	errResetUser  = app.Invalid(app.ReasonResetToken, "Account associated with this token was not found")
)

// ResetPassword sets a new password for whoever holds a reset token. The token
// is used up; every session of the account and every other reset token of it is
// void. API keys are not affected. The password is taken as it is typed.
//
// Errors: ReasonResetToken (400) for a token that is missing, malformed,
// unknown, expired or used; ReasonWeakPassword (400); ReasonResetThrottled (429)
// after too many wrong tokens or passwords from an address; CodeBusy.
func (s *Service) ResetPassword(ctx context.Context, token, pw string, from Client) error {
	token = strings.TrimSpace(token)
	if token == "" {
		return app.Invalid(app.ReasonResetToken, "Password reset token is required")
	}
	if err := password.Complexity(pw); err != nil {
		return err
	}
	raw, err := hex.DecodeString(token)
	if err != nil {
		return app.Invalid(app.ReasonResetToken, "Invalid password reset token")
	}
	now := s.env.Now()
	if wait := s.throttle.waitAt(from.Address, now); wait > 0 {
		return tooManyResets(wait)
	}
	hash := hashReset(raw)
	// Looked at before the password is hashed, and again when it is stored.
	err = s.store.Read(ctx, func(r app.Reader) error {
		_, err := resettable(r.PasswordResets(), r.Users(), hash, now)
		return err
	})
	if app.ReasonOf(err) == app.ReasonResetToken {
		s.throttle.failedAt(from.Address, now)
	}
	if err != nil {
		return err
	}
	stored, err := s.pool.Hash(ctx, pw)
	if err != nil {
		return resetHashFailure(err)
	}
	return s.store.Write(ctx, func(tx app.Tx) error {
		u, err := resettable(tx.PasswordResets(), tx.Users(), hash, now)
		if err != nil {
			return err
		}
		if err := tx.PasswordResets().UseAll(u.ID, now); err != nil {
			return err
		}
		if err := tx.Users().SetPassword(u.ID, stored, now); err != nil {
			return err
		}
		return tx.Activities().InsertUser(s.activity(u, from, now, activityReset))
	})
}

// resettable gives the account whose token has that hash, if it may be used.
func resettable(tokens app.PasswordResetReads, users app.UserReads, hash string, now time.Time) (*app.User, error) {
	reset, err := tokens.ByHash(hash)
	if err != nil {
		return nil, err
	}
	if !reset.UsedAt.IsZero() || !now.Before(reset.ExpiresAt) {
		return nil, errResetToken
	}
	u, err := users.ByID(reset.UserID)
	if app.ReasonOf(err) == app.ReasonUserNotFound {
		return nil, errResetUser
	}
	return u, err
}

// resetHashFailure gives a fault of bcrypt itself the contract's text.
func resetHashFailure(err error) error {
	if app.ReasonOf(err) != "" || isContext(err) {
		return err
	}
	return app.NewError(app.CodeInternal, app.ReasonWeakPassword, "Failed to process password").Causing(err)
}

// pruneResets removes tokens that are long over.
func (s *Service) pruneResets(ctx context.Context) {
	for removed := 1; removed > 0; {
		err := s.store.Write(ctx, func(tx app.Tx) (err error) {
			removed, err = tx.PasswordResets().DeleteBefore(s.env.Now().Add(-resetKept))
			return err
		})
		if err != nil {
			s.log.LogAttrs(ctx, slog.LevelDebug, "old password resets not removed", slog.String("error", err.Error()))
			return
		}
	}
}
