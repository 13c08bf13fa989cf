package identity

import (
	"context"
	"strings"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/password"
)

// NewUser is an account made by an operator.
type NewUser struct {
	ID       string // "": a fresh UUID
	Username string
	Email    string
	Password string
	Tier     app.Tier // "": Basic
	IsAdmin  bool
	Credits  int64
	// WorkspaceID is taken as it is; "" for none. Accounts may share one.
	WorkspaceID string
	// Adapters replaces the tier's adapters when it is not empty.
	Adapters []app.AdapterType
	// SkipComplexity admits the documented development passwords, which break
	// the rules on purpose.
	SkipComplexity bool
}

// CreateUser makes an active account for an operator: the command line, or the
// seeding of development accounts. It checks no caller. Nothing is granted or
// recorded beside the row; the credits are the opening balance.
//
// Errors: ReasonWeakPassword, ReasonInvalidAccount, ReasonUsernameTaken,
// ReasonEmailTaken, CodeBusy.
func (s *Service) CreateUser(ctx context.Context, in NewUser) (*app.User, error) {
	u, err := s.operatorsUser(in)
	if err != nil {
		return nil, err
	}
	if err := s.store.Read(ctx, func(r app.Reader) error { return free(r.Users(), u) }); err != nil {
		return nil, err
	}
	hash, err := s.pool.Hash(ctx, in.Password)
	if err != nil {
		return nil, hashFailure(err)
	}
	u.PasswordHash = hash
	if err := s.store.Write(ctx, func(tx app.Tx) error { return tx.Users().Insert(u) }); err != nil {
		return nil, err
	}
	return u, nil
}

func (s *Service) operatorsUser(in NewUser) (*app.User, error) {
	if !in.SkipComplexity {
		if err := password.Complexity(in.Password); err != nil {
			return nil, err
		}
	}
	if in.Tier == "" {
		in.Tier = app.TierBasic
	}
	if in.ID == "" {
		in.ID = s.env.NewID().String()
	}
	now := s.env.Now().UTC()
	u := &app.User{
		ID:          in.ID,
		Username:    strings.TrimSpace(in.Username),
		Email:       strings.TrimSpace(in.Email),
		Tier:        in.Tier,
		Status:      app.StatusActive,
		Credits:     in.Credits,
		IsAdmin:     in.IsAdmin,
		WorkspaceID: in.WorkspaceID,
		Adapters:    in.Adapters,
		CreatedAt:   now,
		UpdatedAt:   now,
	}
	if err := checkUsername(u.Username); err != nil {
		return nil, err
	}
	if err := checkEmail(u.Email); err != nil {
		return nil, err
	}
	switch {
	case !in.Tier.Known():
		return nil, invalidAccount("Tier must be Basic, Professional, Enterprise or Admin")
	case in.Credits < 0:
		return nil, invalidAccount("Credits must not be negative")
	case !printable(in.ID) || len(in.ID) > maxUsernameBytes:
		return nil, invalidAccount("User ID must be at most 256 bytes of printable text")
	case !printable(in.WorkspaceID) || len(in.WorkspaceID) > maxUsernameBytes:
		return nil, invalidAccount("Workspace ID must be at most 256 bytes of printable text")
	}
	return u, nil
}

// SetPassword gives the account of that name a new password and voids its
// tokens. For operators: it checks no caller. Errors: ReasonWeakPassword,
// ReasonUserNotFound, CodeBusy.
func (s *Service) SetPassword(ctx context.Context, username, pw string) error {
	if err := password.Complexity(pw); err != nil {
		return err
	}
	hash, err := s.pool.Hash(ctx, pw)
	if err != nil {
		return hashFailure(err)
	}
	return s.change(ctx, username, func(rows app.UserRows, u *app.User) error {
		return rows.SetPassword(u.ID, hash, s.env.Now())
	})
}

// SetStatus gives the account of that name another status; any but Active
// voids its tokens, and its keys stop working until it is Active again. For
// operators: it checks no caller. Errors: ReasonInvalidAccount,
// ReasonUserNotFound, CodeBusy.
func (s *Service) SetStatus(ctx context.Context, username string, status app.AccountStatus) error {
	if !status.Known() {
		return invalidAccount("Status must be Active, Suspended, Banned, PendingVerification or TrialExpired")
	}
	return s.change(ctx, username, func(rows app.UserRows, u *app.User) error {
		return rows.SetStatus(u.ID, status, s.env.Now())
	})
}

// SetAdmin gives or takes the administrator's right of the account of that
// name; it holds from the account's next request on. For operators: it checks
// no caller. Errors: ReasonUserNotFound, CodeBusy.
func (s *Service) SetAdmin(ctx context.Context, username string, admin bool) error {
	return s.change(ctx, username, func(rows app.UserRows, u *app.User) error {
		return rows.SetAdmin(u.ID, admin, s.env.Now())
	})
}

// change runs one change of the account of that name.
func (s *Service) change(ctx context.Context, username string, fn func(app.UserRows, *app.User) error) error {
	name := strings.TrimSpace(username)
	return s.store.Write(ctx, func(tx app.Tx) error {
		u, err := tx.Users().ByUsername(name)
		if err != nil {
			return err
		}
		return fn(tx.Users(), u)
	})
}

// ListUsers lists accounts in order of creation. For operators: it checks no
// caller.
func (s *Service) ListUsers(ctx context.Context, p app.Page) ([]*app.User, error) {
	var out []*app.User
	err := s.store.Read(ctx, func(r app.Reader) error {
		var err error
		out, err = r.Users().List(p)
		return err
	})
	return out, err
}

// CountUsers is the number of accounts, for the decision whether to seed.
func (s *Service) CountUsers(ctx context.Context) (int, error) {
	var n int
	err := s.store.Read(ctx, func(r app.Reader) error {
		var err error
		n, err = r.Users().Count()
		return err
	})
	return n, err
}
