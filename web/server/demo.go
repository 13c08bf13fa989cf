package server

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/demo"
)

// seedDemo adds the development accounts and the first circuit where they are
// missing, in one change, and returns the circuit's id. What is there stays as
// it is: a second start finds what the first one left.
func (k *core) seedDemo(ctx context.Context) (uuid.UUID, error) {
	accounts := demo.Accounts()
	hashes := map[string]string{}
	for _, a := range accounts {
		if _, err := k.store.User(ctx, a.ID); app.CodeOf(err) != app.CodeNotFound {
			if err != nil {
				return uuid.Nil, err
			}
			continue
		}
		// One hash for each password: these are no secrets, and starting
		// shall not take a second.
		if _, ok := hashes[a.Password]; ok {
			continue
		}
		hash, err := k.passwords.Hash(ctx, a.Password)
		if err != nil {
			return uuid.Nil, fmt.Errorf("hash password: %w", err)
		}
		hashes[a.Password] = hash
	}
	var id uuid.UUID
	err := k.store.Write(ctx, func(tx app.Tx) error {
		for _, a := range accounts {
			if err := seedAccount(tx, k.env, a, hashes[a.Password]); err != nil {
				return fmt.Errorf("account %s: %w", a.Username, err)
			}
		}
		var err error
		id, err = seedCircuit(tx, k.env)
		return err
	})
	return id, err
}

func seedAccount(tx app.Tx, env app.Env, a demo.Account, hash string) error {
	if _, err := tx.Users().ByID(a.ID); app.CodeOf(err) != app.CodeNotFound {
		return err
	}
	now := env.Now()
	created := now.Add(-a.Age)
	u := &app.User{
		ID: a.ID, Username: a.Username, Email: a.Email, PasswordHash: hash, Tier: a.Tier, Status: app.StatusActive,
		Credits: a.Credits, IsAdmin: a.IsAdmin, WorkspaceID: a.WorkspaceID,
		ValidFrom: created, CreatedAt: created, UpdatedAt: created,
	}
	if a.LastLogin > 0 {
		u.LastLogin = now.Add(-a.LastLogin)
	}
	if err := tx.Users().Insert(u); err != nil {
		return err
	}
	return tx.Credits().Insert(seedCredit(env, a, created))
}

// seedCredit is the grant that explains the account's first balance (contract
// 07 §10.1).
func seedCredit(env app.Env, a demo.Account, at time.Time) app.CreditTransaction {
	c := app.CreditTransaction{
		ID: env.NewID().String(), UserID: a.ID, Amount: a.Credits, BalanceAfter: a.Credits, Type: app.CreditGrant, At: at,
		Description:   fmt.Sprintf("Initial %s tier credit allocation", a.Tier),
		OperationType: "system_init", OperationID: "sample_setup",
	}
	if a.IsAdmin {
		c.Description, c.OperationID = "Initial admin credit allocation", "default_setup"
	}
	return c
}

// seedCircuit adds the first circuit, unless its owner has one of that name.
func seedCircuit(tx app.Tx, env app.Env) (uuid.UUID, error) {
	ids, err := tx.Circuits().ListIDs(demo.CircuitOwner, true, false, "", app.Page{Limit: 10_000})
	if err != nil {
		return uuid.Nil, err
	}
	for _, id := range ids {
		c, err := tx.Circuits().ByID(id)
		if err != nil {
			return uuid.Nil, err
		}
		if c.OwnerID == demo.CircuitOwner && c.Name == demo.CircuitName {
			return id, nil
		}
	}
	now := env.Now()
	c := &app.Circuit{
		ID: env.NewID(), Name: demo.CircuitName, OwnerID: demo.CircuitOwner,
		Description:      "Cattle of several farms, to try the API with.",
		DefaultNamespace: demo.CircuitNamespace, CreatedAt: now, ModifiedAt: now, Status: app.CircuitActive,
		Adapter: app.CircuitAdapter{Type: app.AdapterIPFS, ConfiguredBy: demo.CircuitOwner, ConfiguredAt: now},
		Members: []app.CircuitMember{seedMember(demo.CircuitOwner, app.RoleOwner, now), seedMember(demo.CircuitAdmin, app.RoleAdmin, now)},
	}
	for _, a := range demo.Accounts() {
		if a.ID != demo.CircuitOwner && a.ID != demo.CircuitAdmin {
			c.Members = append(c.Members, seedMember(a.ID, app.RoleMember, now))
		}
	}
	return c.ID, tx.Circuits().Insert(c)
}

func seedMember(userID string, r app.MemberRole, at time.Time) app.CircuitMember {
	return app.CircuitMember{UserID: userID, Role: r, Permissions: app.RolePermissions(r), JoinedAt: at}
}
