package identity

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/password"
	"github.com/defarm-repo/defarm/app/ratelimit"
)

// Registration is a person's request for an account.
type Registration struct {
	Username string
	Password string
	Email    string
	// WorkspaceName names the workspace; nil: the user name does.
	WorkspaceName *string
}

// signupCredits is the starting balance of who registers himself.
const signupCredits = 100

// Register makes an account of tier Basic with 100 credits and logs it in. Name
// and address are stored without outer blanks and are unique without regard to
// case; the workspace id is `<name>-workspace`, with a suffix when it is taken.
//
// Errors: ReasonWeakPassword and ReasonInvalidAccount (400), ReasonUsernameTaken
// and ReasonEmailTaken (409), ReasonLoginThrottled (429), CodeBusy. Two
// registrations of one name at the same time: exactly one succeeds.
func (s *Service) Register(ctx context.Context, in Registration, from Client) (Session, error) {
	if err := password.Complexity(in.Password); err != nil {
		return Session{}, err
	}
	u, err := s.newcomer(in)
	if err != nil {
		return Session{}, err
	}
	if err := s.maySignUp(from, u.CreatedAt); err != nil {
		return Session{}, err
	}
	err = s.register(ctx, u, in, from)
	if app.CodeOf(err) == app.CodeConflict {
		// Whoever tries names learns which exist; not too many of them.
		s.throttle.failedAt(from.Address, u.CreatedAt)
	}
	if err != nil {
		return Session{}, err
	}
	return s.session(u)
}

// newcomer checks and builds what needs no row.
func (s *Service) newcomer(in Registration) (*app.User, error) {
	name, email := strings.TrimSpace(in.Username), strings.TrimSpace(in.Email)
	if err := checkUsername(name); err != nil {
		return nil, err
	}
	if err := checkEmail(email); err != nil {
		return nil, err
	}
	workspace := name
	if in.WorkspaceName != nil {
		workspace = *in.WorkspaceName
	}
	if err := checkWorkspace(workspace); err != nil {
		return nil, err
	}
	now := s.env.Now().UTC()
	return &app.User{
		ID:          "user-" + s.env.NewID().String(),
		Username:    name,
		Email:       email,
		Tier:        app.TierBasic,
		Status:      app.StatusActive,
		Credits:     signupCredits,
		WorkspaceID: workspace + "-workspace",
		CreatedAt:   now,
		UpdatedAt:   now,
	}, nil
}

func (s *Service) maySignUp(from Client, now time.Time) error {
	if wait := s.throttle.waitAt(from.Address, now); wait > 0 {
		return tooMany(wait)
	}
	r := s.signups.Take(ratelimit.AddressKey(from.Address), s.signupsPerHour, now)
	if r.Allowed {
		return nil
	}
	e := app.NewError(app.CodeRateLimited, app.ReasonLoginThrottled,
		"Too many registrations from this address. Please try again later.")
	e.RetryAfter = ceilSeconds(r.ResetAt.Sub(now))
	return e
}

// register stores the account. Taken names are looked for before the password
// is hashed, to save the hash; the unique index decides.
func (s *Service) register(ctx context.Context, u *app.User, in Registration, from Client) error {
	if err := s.store.Read(ctx, func(r app.Reader) error { return free(r.Users(), u) }); err != nil {
		return err
	}
	hash, err := s.pool.Hash(ctx, in.Password)
	if err != nil {
		return hashFailure(err)
	}
	u.PasswordHash = hash
	bonus := app.CreditTransaction{
		ID:            s.env.NewID().String(),
		UserID:        u.ID,
		Amount:        signupCredits,
		Type:          app.CreditGrant,
		Description:   "New user registration bonus",
		OperationType: "registration",
		OperationID:   u.ID,
		At:            u.CreatedAt,
		BalanceAfter:  signupCredits,
	}
	workspace := u.WorkspaceID
	suffix := "-" + s.env.NewID().String()[:8]
	return s.store.Write(ctx, func(tx app.Tx) error {
		taken, err := tx.Users().WorkspaceTaken(workspace)
		if err != nil {
			return err
		}
		if taken {
			u.WorkspaceID = workspace + suffix
		}
		// The unique indexes decide; of two that are taken the name speaks.
		if err := tx.Users().Insert(u); err != nil {
			return err
		}
		if err := tx.Credits().Insert(bonus); err != nil {
			return err
		}
		return tx.Activities().InsertUser(s.activity(u, from, u.CreatedAt, activityRegister))
	})
}

// free reports what of a new account is taken already.
func free(users app.UserReads, u *app.User) error {
	switch _, err := users.ByUsername(u.Username); {
	case err == nil:
		return app.Conflict(app.ReasonUsernameTaken, "Username already exists")
	case app.ReasonOf(err) != app.ReasonUserNotFound:
		return err
	}
	switch _, err := users.ByEmail(u.Email); {
	case err == nil:
		return app.Conflict(app.ReasonEmailTaken, "Email already exists")
	case app.ReasonOf(err) != app.ReasonUserNotFound:
		return err
	}
	return nil
}

// hashFailure gives a fault of bcrypt itself the contract's text; a busy queue,
// a refused password and a caller who left keep theirs.
func hashFailure(err error) error {
	if app.ReasonOf(err) != "" || isContext(err) {
		return err
	}
	return app.NewError(app.CodeInternal, app.ReasonWeakPassword, "Failed to hash password").Causing(err)
}

const (
	maxUsernameBytes  = 256
	maxUsernameRunes  = 64
	maxEmailBytes     = 254
	maxWorkspaceRunes = 128
)

// plausibleName reports whether a user of that name can exist.
func plausibleName(name string) bool {
	return name != "" && len(name) <= maxUsernameBytes && utf8.ValidString(name) && strings.IndexByte(name, 0) < 0
}
