package db

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/defarm-repo/defarm/app"
)

func resetUsers(t *testing.T, d *DB, ids ...string) {
	t.Helper()
	mustWrite(t, d, func(tx app.Tx) error {
		for _, id := range ids {
			u := &app.User{ID: id, Username: id, Email: id + "@example.org", Tier: app.TierBasic, Status: app.StatusActive, CreatedAt: testTime, UpdatedAt: testTime}
			if err := tx.Users().Insert(u); err != nil {
				return err
			}
		}
		return nil
	})
}

func testReset(user string, n int, created time.Time) *app.PasswordReset {
	return &app.PasswordReset{
		ID: fixedID(n), UserID: user, Hash: fmt.Sprintf("%064x", n), CreatedAt: created, ExpiresAt: created.Add(30 * time.Minute),
	}
}

func insertResets(t *testing.T, d *DB, list ...*app.PasswordReset) {
	t.Helper()
	mustWrite(t, d, func(tx app.Tx) error {
		for _, r := range list {
			if err := tx.PasswordResets().Insert(r); err != nil {
				return err
			}
		}
		return nil
	})
}

func resetOf(t *testing.T, d *DB, n int) (r *app.PasswordReset) {
	t.Helper()
	mustRead(t, d, func(rd app.Reader) (err error) {
		r, err = rd.PasswordResets().ByHash(fmt.Sprintf("%064x", n))
		return err
	})
	return r
}

func TestPasswordResetRoundTrip(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	resetUsers(t, d, "maria")
	used := testReset("maria", 1, testTime)
	used.UsedAt, used.Address, used.Agent = testTime.Add(time.Minute), "192.0.2.1", "test/1"
	fresh := testReset("maria", 2, testTime)
	insertResets(t, d, used, fresh)
	for n, want := range map[int]*app.PasswordReset{1: used, 2: fresh} {
		if diff := cmp.Diff(want, resetOf(t, d, n)); diff != "" {
			t.Errorf("row %d (-want +got):\n%s", n, diff)
		}
	}
	err := d.Read(t.Context(), func(r app.Reader) error {
		_, err := r.PasswordResets().ByHash(fmt.Sprintf("%064x", 3))
		return err
	})
	wantReason(t, err, app.ReasonResetToken)
	for name, bad := range map[string]*app.PasswordReset{
		"the same hash": testReset("maria", 2, testTime), "an unknown account": testReset("nobody", 4, testTime),
	} {
		if err := d.Write(t.Context(), func(tx app.Tx) error { return tx.PasswordResets().Insert(bad) }); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// Used and expired ones count, those of others and older ones do not.
func TestPasswordResetCount(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	resetUsers(t, d, "maria", "paul")
	used := testReset("maria", 2, testTime)
	used.UsedAt = testTime
	insertResets(t, d, testReset("maria", 1, testTime.Add(-1)), used, testReset("maria", 3, testTime.Add(time.Hour)), testReset("paul", 4, testTime))
	for name, tc := range map[string]struct {
		user string
		from time.Time
		want int
	}{
		"from the first on":       {"maria", testTime.Add(-1), 3},
		"at the instant":          {"maria", testTime, 2},
		"an instant later":        {"maria", testTime.Add(1), 1},
		"after all":               {"maria", testTime.Add(time.Hour + 1), 0},
		"somebody else":           {"paul", testTime.Add(-1), 1},
		"somebody who never asks": {"nobody", testTime.Add(-1), 0},
	} {
		mustRead(t, d, func(r app.Reader) error {
			got, err := r.PasswordResets().CountSince(tc.user, tc.from)
			if got != tc.want {
				t.Errorf("%s: got %d, want %d", name, got, tc.want)
			}
			return err
		})
	}
}

// All that the account has left are used up, each once.
func TestPasswordResetUseAll(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	resetUsers(t, d, "maria", "paul")
	before, now := testTime.Add(time.Minute), testTime.Add(2*time.Minute)
	used := testReset("maria", 1, testTime)
	used.UsedAt = before
	insertResets(t, d, used, testReset("maria", 2, testTime), testReset("maria", 3, testTime), testReset("paul", 4, testTime))
	mustWrite(t, d, func(tx app.Tx) error { return tx.PasswordResets().UseAll("maria", now) })
	for n, want := range map[int]time.Time{1: before, 2: now, 3: now, 4: {}} {
		if got := resetOf(t, d, n).UsedAt; !got.Equal(want) {
			t.Errorf("row %d used at: got %v, want %v", n, got, want)
		}
	}
}

// What expired before the instant goes, oldest first, at most 1,000 at a time.
func TestPasswordResetDelete(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	resetUsers(t, d, "maria")
	expires := testTime.Add(30 * time.Minute)
	list := []*app.PasswordReset{testReset("maria", 1, testTime), testReset("maria", 2, testTime.Add(1))}
	for n := range 1001 {
		list = append(list, testReset("maria", 10+n, testTime.Add(-time.Hour).Add(-time.Duration(n))))
	}
	insertResets(t, d, list...)
	for _, step := range []struct {
		at         time.Time
		gone, left int
	}{{expires, 1000, 3}, {expires, 1, 2}, {expires, 0, 2}, {expires.Add(1), 1, 1}, {expires.Add(2), 1, 0}} {
		mustWrite(t, d, func(tx app.Tx) error {
			got, err := tx.PasswordResets().DeleteBefore(step.at)
			if left := countIn(t, tx); got != step.gone || left != step.left {
				t.Errorf("until %v: got %d gone and %d left, want %d and %d", step.at, got, left, step.gone, step.left)
			}
			return err
		})
	}
}

func countIn(t *testing.T, tx app.Tx) int {
	t.Helper()
	n, err := tx.PasswordResets().CountSince("maria", testTime.Add(-24*time.Hour))
	if err != nil {
		t.Error(err)
	}
	return n
}

func TestPasswordResetPlans(t *testing.T) {
	t.Parallel()
	checkPlans(t, itemsDB(t), map[string]string{
		"by hash": resetByHash, "count": resetCount, "use all": resetUseAll, "delete": resetDelete,
	})
}
