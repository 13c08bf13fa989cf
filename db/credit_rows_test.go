package db

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/defarm-repo/defarm/app"
)

func creditUser(t *testing.T, d *DB, balance int64) *app.User {
	t.Helper()
	u := &app.User{
		ID: "user-1", Username: "maria", Email: "maria@example.org", Tier: app.TierBasic, Status: app.StatusActive,
		Credits: balance, CreatedAt: testTime, UpdatedAt: testTime,
	}
	mustWrite(t, d, func(tx app.Tx) error { return tx.Users().Insert(u) })
	return u
}

func creditOf(amount int64, n int) app.CreditTransaction {
	return app.CreditTransaction{ID: fixedID(n).String(), UserID: "user-1", Amount: amount, Type: app.CreditGrant, At: testTime}
}

func TestCreditApply(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		have, amount int64
		want         int64
		wantErr      app.Reason
	}{
		{"grant", 100, 50, 150, ""},
		{"to the last credit", 100, -100, 0, ""},
		{"one too many", 100, -101, 100, app.ReasonInsufficientCredits},
		{"all that there is", 0, math.MaxInt64, math.MaxInt64, ""},
		{"overflow", 1, math.MaxInt64, 1, app.ReasonInvalidAmount},
		{"the lowest number", math.MaxInt64, math.MinInt64, math.MaxInt64, app.ReasonInsufficientCredits},
		{"nothing", 7, 0, 7, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			d := itemsDB(t)
			creditUser(t, d, tc.have)
			err := d.Write(t.Context(), func(tx app.Tx) error {
				after, err := tx.Credits().Apply(creditOf(tc.amount, 1))
				if err == nil && after != tc.want {
					t.Errorf("balance after: got %d, want %d", after, tc.want)
				}
				return err
			})
			wantReason(t, err, tc.wantErr)
			u, err := d.User(t.Context(), "user-1")
			if err != nil || u.Credits != tc.want {
				t.Errorf("balance: got %+v (%v), want %d", u, err, tc.want)
			}
			mustRead(t, d, func(r app.Reader) error {
				list, err := r.Credits().ByUser("user-1", app.Page{Limit: 10})
				if tc.wantErr != "" && len(list) != 0 {
					t.Errorf("history after a refusal: got %v, want none", list)
				}
				if tc.wantErr == "" && (len(list) != 1 || list[0].BalanceAfter != tc.want || list[0].Amount != tc.amount) {
					t.Errorf("history: got %+v, want one of %d with %d after it", list, tc.amount, tc.want)
				}
				return err
			})
		})
	}
}

func TestCreditApplyWithoutAccount(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	err := d.Write(t.Context(), func(tx app.Tx) error {
		_, err := tx.Credits().Apply(creditOf(1, 1))
		return err
	})
	wantReason(t, err, app.ReasonUserNotFound)
}

// The history is newest first and pages without gaps.
func TestCreditHistory(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	creditUser(t, d, 0)
	mustWrite(t, d, func(tx app.Tx) error {
		for n := range 5 {
			if _, err := tx.Credits().Apply(creditOf(int64(n), n)); err != nil {
				return err
			}
		}
		return nil
	})
	var amounts []int64
	for offset := 0; offset < 6; offset += 2 {
		mustRead(t, d, func(r app.Reader) error {
			list, err := r.Credits().ByUser("user-1", app.Page{Limit: 2, Offset: offset})
			for _, c := range list {
				amounts = append(amounts, c.Amount)
			}
			return err
		})
	}
	if diff := cmp.Diff([]int64{4, 3, 2, 1, 0}, amounts); diff != "" {
		t.Errorf("amounts (-want +got):\n%s", diff)
	}
}
