package identity

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/defarm-repo/defarm/app"
)

// Session is what a login, a registration or a refresh gives.
type Session struct {
	Token       string
	UserID      string
	WorkspaceID string // "" when the account has none
	ExpiresAt   time.Time
}

// Login is a user name and a password, as they were typed.
type Login struct {
	Username string
	Password string
}

// lastLoginEvery is how much older the stored last login must be before a
// login that the cache answered writes it again.
const lastLoginEvery = time.Minute

// Login checks a password and starts a session. The name is compared without
// regard to case and to outer blanks; the password exactly.
//
// Errors: ReasonLoginThrottled (429), ReasonBadCredentials (401) for an unknown
// user and a wrong password alike, ReasonAccountStatus (403) for the holder of
// the right password of an account that may not act, CodeBusy.
func (s *Service) Login(ctx context.Context, in Login, from Client) (Session, error) {
	watch := s.watch(ctx)
	session, outcome, err := s.login(ctx, in, from, watch)
	s.metrics.logins.WithLabelValues(outcome).Inc()
	watch.log(ctx, outcome)
	return session, err
}

func (s *Service) login(ctx context.Context, in Login, from Client, watch *stopwatch) (Session, string, error) {
	now := s.env.Now()
	name := strings.TrimSpace(in.Username)
	try, err := s.throttle.begin(throttleName(name), from.Address, now)
	if err != nil {
		return Session{}, outcomeThrottled, err
	}
	u, err := s.findForLogin(ctx, name, watch)
	if err != nil {
		return Session{}, outcomeFailed, err
	}
	outcome, err := s.verify(ctx, u, in.Password, now, watch)
	switch {
	case err != nil:
		return Session{}, outcomeFailed, err
	case outcome == outcomeWrong:
		try.failed()
		return Session{}, outcome, errCredentials
	}
	try.succeeded()
	if err := mayAct(u); err != nil {
		return Session{}, outcomeStatus, err
	}
	session, err := s.session(u)
	if err != nil {
		return Session{}, outcomeFailed, err
	}
	if outcome == outcomeProven || now.Sub(u.LastLogin) >= lastLoginEvery {
		s.recordLogin(ctx, u, from, outcome, now, watch)
	}
	return session, outcome, nil
}

var errCredentials = app.Unauthenticated(app.ReasonBadCredentials, "Invalid credentials")

// findForLogin reads the account of a name; nil when there is none.
func (s *Service) findForLogin(ctx context.Context, name string, watch *stopwatch) (*app.User, error) {
	if !plausibleName(name) {
		return nil, nil //nolint:nilnil // an unknown user is no error here
	}
	var u *app.User
	end := watch.begin(stageStorage)
	err := s.store.Read(ctx, func(r app.Reader) error {
		end()
		defer watch.begin(stageUser)()
		var err error
		u, err = r.Users().ByUsername(name)
		if app.ReasonOf(err) == app.ReasonUserNotFound {
			return nil
		}
		return err
	})
	return u, err
}

// verify compares the password. An unknown user costs a comparison too.
func (s *Service) verify(ctx context.Context, u *app.User, pw string, now time.Time, watch *stopwatch) (string, error) {
	if u != nil && s.verified.has(u, pw, now) {
		return outcomeCached, nil
	}
	defer watch.begin(stageBcrypt)()
	if u == nil {
		return outcomeWrong, s.pool.CompareNone(ctx, pw)
	}
	same, err := s.pool.Compare(ctx, u.PasswordHash, pw)
	switch {
	case err != nil:
		return outcomeFailed, err
	case !same:
		return outcomeWrong, nil
	}
	s.verified.add(u, pw, now)
	return outcomeProven, nil
}

// recordLogin stores the time of the login and its activity. A login does not
// fail because the writer is busy: the session needs no row.
func (s *Service) recordLogin(ctx context.Context, u *app.User, from Client, outcome string, now time.Time, watch *stopwatch) {
	defer watch.begin(stageStore)()
	err := s.store.Write(ctx, func(tx app.Tx) error {
		if err := tx.Users().SetLastLogin(u.ID, now); err != nil {
			return err
		}
		if outcome != outcomeProven {
			return nil
		}
		return tx.Activities().InsertUser(s.activity(u, from, now, activityLogin))
	})
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelDebug, "last login not recorded",
			slog.String("user_id", u.ID), slog.String("error", err.Error()))
	}
}

// session issues a token for the account as it was read.
func (s *Service) session(u *app.User) (Session, error) {
	raw, expires, err := s.tokens.Issue(u.ID, u.WorkspaceID, u.Generation)
	if err != nil {
		return Session{}, app.NewError(app.CodeInternal, app.ReasonInvalidToken, "Failed to generate token").Causing(err)
	}
	return Session{Token: raw, UserID: u.ID, WorkspaceID: u.WorkspaceID, ExpiresAt: expires}, nil
}

// Refresh starts another session of 24 hours for a caller with a token; the one
// he has stays valid. Errors: ReasonUserNotFound, ReasonAccountStatus, CodeBusy.
func (s *Service) Refresh(ctx context.Context, who app.Actor) (Session, error) {
	u, err := s.store.User(ctx, who.UserID)
	if err != nil {
		return Session{}, err
	}
	if err := mayAct(u); err != nil {
		return Session{}, err
	}
	return s.session(u)
}

// Logout voids every token of the caller's account, on all devices, at once.
// API keys are not affected. Errors: ReasonUserNotFound, CodeBusy.
func (s *Service) Logout(ctx context.Context, who app.Actor) error {
	now := s.env.Now()
	return s.store.Write(ctx, func(tx app.Tx) error {
		u, err := tx.Users().ByID(who.UserID)
		if err != nil {
			return err
		}
		if err := tx.Users().VoidTokens(u.ID, now); err != nil {
			return err
		}
		from := Client{Agent: who.Agent}
		a := s.activity(u, from, now, activityLogout)
		a.Address = who.Address
		return tx.Activities().InsertUser(a)
	})
}

// Profile is the caller's account. The value is shared: do not modify it.
// Errors: ReasonUserNotFound, CodeBusy.
func (s *Service) Profile(ctx context.Context, who app.Actor) (*app.User, error) {
	return s.store.User(ctx, who.UserID)
}

// throttleName is the account part of the throttle's keys, cut to a length that
// no user name reaches.
func throttleName(name string) string {
	if len(name) > maxUsernameBytes {
		name = name[:maxUsernameBytes]
	}
	return app.FoldName(name)
}
