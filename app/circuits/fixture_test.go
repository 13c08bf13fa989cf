package circuits_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/circuits"
	"github.com/defarm-repo/defarm/app/quota"
	"github.com/defarm-repo/defarm/db"
)

var now = time.Date(2025, 3, 1, 10, 20, 30, 5, time.UTC)

// errDisk stands for a failure of storage.
var errDisk = errors.New("disk")

// hooked is a store that shows what a write notes and tells, and whose steps can
// fail.
type hooked struct {
	app.Store
	failAt int // the step that fails, counted from 1; 0: none
	steps  int
	notes  []app.UserActivity
	told   []app.Notification
}

func (h *hooked) Write(ctx context.Context, fn func(tx app.Tx) error) error {
	h.steps, h.notes, h.told = 0, nil, nil
	return h.Store.Write(ctx, func(tx app.Tx) error { return fn(hookedTx{tx, h}) })
}

// step is taken before each statement.
func (h *hooked) step() error {
	h.steps++
	if h.steps == h.failAt {
		return errDisk
	}
	return nil
}

type (
	hookedTx struct {
		app.Tx
		h *hooked
	}
	hookedCircuits struct {
		app.CircuitRows
		h *hooked
	}
	hookedMembers struct {
		app.MemberRows
		h *hooked
	}
	hookedRoles struct {
		app.RoleRows
		h *hooked
	}
	hookedJoins struct {
		app.JoinRequestRows
		h *hooked
	}
	hookedUsers struct {
		app.UserRows
		h *hooked
	}
	hookedActivities struct {
		app.ActivityRows
		h *hooked
	}
	hookedNotifications struct {
		app.NotificationRows
		h *hooked
	}
)

func (t hookedTx) Circuits() app.CircuitRows         { return hookedCircuits{t.Tx.Circuits(), t.h} }
func (t hookedTx) Members() app.MemberRows           { return hookedMembers{t.Tx.Members(), t.h} }
func (t hookedTx) Roles() app.RoleRows               { return hookedRoles{t.Tx.Roles(), t.h} }
func (t hookedTx) JoinRequests() app.JoinRequestRows { return hookedJoins{t.Tx.JoinRequests(), t.h} }
func (t hookedTx) Users() app.UserRows               { return hookedUsers{t.Tx.Users(), t.h} }
func (t hookedTx) Activities() app.ActivityRows      { return hookedActivities{t.Tx.Activities(), t.h} }
func (t hookedTx) Notifications() app.NotificationRows {
	return hookedNotifications{t.Tx.Notifications(), t.h}
}

func (r hookedCircuits) Gate(id uuid.UUID, userID string) (app.CircuitGate, error) {
	if err := r.h.step(); err != nil {
		return app.CircuitGate{}, err
	}
	return r.CircuitRows.Gate(id, userID)
}

func (r hookedCircuits) Update(c *app.Circuit) error {
	return errors.Join(r.h.step(), r.CircuitRows.Update(c))
}

func (r hookedCircuits) Touch(c *app.Circuit, at time.Time) error {
	return errors.Join(r.h.step(), r.CircuitRows.Touch(c, at))
}

func (r hookedCircuits) CountOwned(userID string) (int64, error) {
	if err := r.h.step(); err != nil {
		return 0, err
	}
	return r.CircuitRows.CountOwned(userID)
}

func (r hookedMembers) ByID(circuitRow int64, userID string) (app.CircuitMember, error) {
	if err := r.h.step(); err != nil {
		return app.CircuitMember{}, err
	}
	return r.MemberRows.ByID(circuitRow, userID)
}

func (r hookedMembers) Count(circuitRow int64) (int, error) {
	if err := r.h.step(); err != nil {
		return 0, err
	}
	return r.MemberRows.Count(circuitRow)
}

func (r hookedMembers) List(circuitRow int64) ([]app.CircuitMember, error) {
	if err := r.h.step(); err != nil {
		return nil, err
	}
	return r.MemberRows.List(circuitRow)
}

func (r hookedMembers) Insert(circuitRow int64, m app.CircuitMember) error {
	return errors.Join(r.h.step(), r.MemberRows.Insert(circuitRow, m))
}

func (r hookedMembers) Update(circuitRow int64, m app.CircuitMember) error {
	return errors.Join(r.h.step(), r.MemberRows.Update(circuitRow, m))
}

func (r hookedMembers) Delete(circuitRow int64, userID string) (bool, error) {
	was, err := r.MemberRows.Delete(circuitRow, userID)
	return was, errors.Join(r.h.step(), err)
}

func (r hookedMembers) SetPermissions(circuitRow int64, role string, rights []app.Permission) error {
	return errors.Join(r.h.step(), r.MemberRows.SetPermissions(circuitRow, role, rights))
}

func (r hookedRoles) ByName(circuitRow int64, name string) (app.CustomRole, error) {
	if err := r.h.step(); err != nil {
		return app.CustomRole{}, err
	}
	return r.RoleRows.ByName(circuitRow, name)
}

func (r hookedRoles) Count(circuitRow int64) (int, error) {
	if err := r.h.step(); err != nil {
		return 0, err
	}
	return r.RoleRows.Count(circuitRow)
}

func (r hookedRoles) Insert(circuitRow int64, role app.CustomRole) error {
	return errors.Join(r.h.step(), r.RoleRows.Insert(circuitRow, role))
}

func (r hookedRoles) Update(circuitRow int64, role app.CustomRole) error {
	return errors.Join(r.h.step(), r.RoleRows.Update(circuitRow, role))
}

func (r hookedRoles) Delete(circuitRow int64, id uuid.UUID) error {
	return errors.Join(r.h.step(), r.RoleRows.Delete(circuitRow, id))
}

func (r hookedJoins) Pending(circuitRow int64, userID string) (app.JoinRequest, error) {
	if err := r.h.step(); err != nil {
		return app.JoinRequest{}, err
	}
	return r.JoinRequestRows.Pending(circuitRow, userID)
}

func (r hookedJoins) Decide(j app.JoinRequest) error {
	return errors.Join(r.h.step(), r.JoinRequestRows.Decide(j))
}

func (r hookedUsers) ByID(id string) (*app.User, error) {
	if err := r.h.step(); err != nil {
		return nil, err
	}
	return r.UserRows.ByID(id)
}

func (r hookedActivities) InsertUser(a app.UserActivity) error {
	r.h.notes = append(r.h.notes, a)
	return errors.Join(r.h.step(), r.ActivityRows.InsertUser(a))
}

func (r hookedNotifications) Insert(n app.Notification) error {
	r.h.told = append(r.h.told, n)
	return errors.Join(r.h.step(), r.NotificationRows.Insert(n))
}

// start is a service over a real database in which tiers are enforced, and its
// store.
func start(t *testing.T) (*circuits.Service, *hooked) {
	t.Helper()
	o := db.DefaultOptions(filepath.Join(t.TempDir(), "test.db"))
	o.Synchronous = "OFF"
	d, err := db.Open(context.Background(), o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	h := &hooked{Store: d}
	env := app.Env{Now: func() time.Time { return now }, NewID: uuid.New}
	return circuits.New(h, env, circuits.Config{Quota: quota.New(env, quota.Policy{Tiers: true})}), h
}
