package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/identity"
	"github.com/defarm-repo/defarm/db"
)

// Accounts acts on the accounts of a data directory that no server has open:
// it is what `defarm user` does. What it did is printed on Out.
type Accounts struct {
	Config Config
	Out    io.Writer
}

// NewAccount is an account to make.
type NewAccount struct {
	Username  string
	Email     string
	Password  string
	Tier      string // "" for Basic, or Admin for administrators
	Workspace string // "" for the user name's
	Admin     bool
	Credits   int64
}

// Create makes an account, and the data directory when there is none. The
// complexity rule for passwords holds.
func (a Accounts) Create(ctx context.Context, in NewAccount) error {
	if in.Tier == "" && in.Admin {
		in.Tier = string(app.TierAdmin)
	}
	if in.Workspace == "" {
		in.Workspace = strings.TrimSpace(in.Username) + "-workspace"
	}
	return a.with(ctx, func(k *core) error {
		u, err := k.identity.CreateUser(ctx, identity.NewUser{
			Username: in.Username, Email: in.Email, Password: in.Password,
			Tier: app.Tier(in.Tier), IsAdmin: in.Admin, Credits: in.Credits, WorkspaceID: in.Workspace,
		})
		if err != nil {
			return err
		}
		what := "account"
		if u.IsAdmin {
			what = "administrator"
		}
		return a.say("created %s %s (%s)", what, u.Username, u.ID)
	})
}

// List prints the accounts in order of creation.
func (a Accounts) List(ctx context.Context) error {
	return a.withExisting(ctx, func(k *core) error {
		t := tabwriter.NewWriter(a.Out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(t, "USER\tID\tE-MAIL\tTIER\tADMIN\tSTATUS\tCREDITS\tCREATED")
		const pageSize = 1000
		for offset := 0; ; offset += pageSize {
			users, err := k.identity.ListUsers(ctx, app.Page{Limit: pageSize, Offset: offset})
			if err != nil {
				return fmt.Errorf("list accounts: %w", err)
			}
			for _, u := range users {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%t\t%s\t%d\t%s\n",
					u.Username, u.ID, u.Email, u.Tier, u.IsAdmin, u.Status, u.Credits, u.CreatedAt.Format(time.RFC3339))
			}
			if len(users) < pageSize {
				return t.Flush()
			}
		}
	})
}

// SetPassword replaces the password of the account with that name and ends its
// sessions.
func (a Accounts) SetPassword(ctx context.Context, username, pw string) error {
	return a.change(ctx, username, "new password, sessions ended", func(svc *identity.Service) error {
		return svc.SetPassword(ctx, username, pw)
	})
}

// Promote makes an account an administrator, or takes that right back.
func (a Accounts) Promote(ctx context.Context, username string, admin bool) error {
	done := "no longer an administrator"
	if admin {
		done = "now an administrator"
	}
	return a.change(ctx, username, done, func(svc *identity.Service) error {
		return svc.SetAdmin(ctx, username, admin)
	})
}

// Suspend keeps an account from logging in and ends its sessions, or lifts
// that.
func (a Accounts) Suspend(ctx context.Context, username string, suspended bool) error {
	status, done := app.StatusActive, "active again"
	if suspended {
		status, done = app.StatusSuspended, "suspended, sessions ended"
	}
	return a.change(ctx, username, done, func(svc *identity.Service) error {
		return svc.SetStatus(ctx, username, status)
	})
}

// RevokeKey disables an API key for good: its owner cannot activate it again.
func (a Accounts) RevokeKey(ctx context.Context, id string) error {
	key, err := uuid.Parse(id)
	if err != nil {
		return fmt.Errorf("%q is not the id of an API key (a UUID, as GET /api/api-keys shows it)", id)
	}
	return a.withExisting(ctx, func(k *core) error {
		err := k.identity.DisableKey(ctx, key)
		if app.ReasonOf(err) == app.ReasonAPIKeyNotFound {
			return fmt.Errorf("there is no API key %s", key)
		}
		if err != nil {
			return err
		}
		return a.say("%s: revoked, its owner cannot activate it again", key)
	})
}

func (a Accounts) change(ctx context.Context, username, done string, fn func(*identity.Service) error) error {
	return a.withExisting(ctx, func(k *core) error {
		err := fn(k.identity)
		if app.ReasonOf(err) == app.ReasonUserNotFound {
			return fmt.Errorf("there is no account %q", username)
		}
		if err != nil {
			return err
		}
		return a.say("%s: %s", username, done)
	})
}

func (a Accounts) say(format string, args ...any) error {
	_, err := fmt.Fprintf(a.Out, format+"\n", args...)
	return err
}

// withExisting is with, but makes no database where there is none.
func (a Accounts) withExisting(ctx context.Context, fn func(*core) error) error {
	file := filepath.Join(a.Config.DataDir, databaseFile)
	if found, err := exists(file); err != nil || !found {
		return errors.Join(err, fmt.Errorf("there is no database in %s: name the directory with --data-dir", a.Config.DataDir))
	}
	return a.with(ctx, fn)
}

// with opens the data directory around fn.
func (a Accounts) with(ctx context.Context, fn func(*core) error) (err error) {
	c := a.Config
	c.Auth.BcryptWorkers = 1
	k, err := openCore(ctx, c, Options{}, dataAny)
	if errors.Is(err, db.ErrInUse) {
		return fmt.Errorf("a server is using %s: stop it first, it holds the accounts open (%w)", c.DataDir, err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	return fn(k)
}
