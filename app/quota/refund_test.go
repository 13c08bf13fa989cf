package quota_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/quota"
	"github.com/defarm-repo/defarm/db"
)

func openStore(t *testing.T) *db.DB {
	t.Helper()
	o := db.DefaultOptions(filepath.Join(t.TempDir(), "test.db"))
	o.Synchronous = "OFF"
	d, err := db.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

func TestRefund(t *testing.T) {
	t.Parallel()
	d := openStore(t)
	env := app.Env{Now: func() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) }, NewID: uuid.New}
	q := quota.New(env, quota.Policy{Credits: true})
	payer := app.Actor{UserID: "user-1"}
	write := func(fn func(tx app.Tx) error) error {
		t.Helper()
		return d.Write(t.Context(), fn)
	}
	balance := func() int64 {
		t.Helper()
		u, err := d.User(t.Context(), payer.UserID)
		if err != nil {
			t.Fatal(err)
		}
		return u.Credits
	}
	err := write(func(tx app.Tx) error {
		return tx.Users().Insert(&app.User{
			ID: payer.UserID, Username: "maria", Email: "m@example.org", Tier: app.TierBasic, Status: app.StatusActive, Credits: 50,
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	err = write(func(tx app.Tx) error {
		return q.Take(tx, payer,
			quota.Work{Cost: app.CreditCircuitOperation, ID: "op-1"},
			quota.Work{Cost: app.CreditItemCreation, Count: 3, ID: "op-1"})
	})
	if err != nil || balance() != 50-3-6 {
		t.Fatalf("after the charge: %v, balance %d, want 41", err, balance())
	}
	refund := func(id string) (amount int64, err error) {
		err = write(func(tx app.Tx) (err error) {
			amount, err = q.Refund(tx, id, "adapter failed")
			return err
		})
		return amount, err
	}
	if amount, err := refund("op-1"); err != nil || amount != 9 || balance() != 50 {
		t.Errorf("refund: got %d (%v), balance %d; want 9 and 50", amount, err, balance())
	}
	if _, err := refund("op-1"); app.ReasonOf(err) != app.ReasonAlreadyRefunded || balance() != 50 {
		t.Errorf("second refund: got %v, balance %d; want a refusal and 50", err, balance())
	}
	for _, id := range []string{"op-2", ""} {
		if _, err := refund(id); app.ReasonOf(err) != app.ReasonNotCharged {
			t.Errorf("refund of %q: got %v, want that nothing was charged", id, err)
		}
	}
	err = d.Read(t.Context(), func(r app.Reader) error {
		list, err := r.Credits().ByUser(payer.UserID, app.Page{Limit: 1})
		if len(list) == 1 && (list[0].Type != app.CreditRefund || list[0].Description != "Refund for operation op-1: adapter failed") {
			t.Errorf("history: got %+v", list[0])
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
