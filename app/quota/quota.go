// Package quota decides what an account may still do: whether its tier permits
// an operation, whether its monthly allowance lasts, and what the operation
// costs in credits. Both kinds of limits are switched by the operator and are
// off by default, as in the original.
//
// Everything happens inside the write that does the work: allowance and credits
// are taken together with the work, or not at all, and two requests at the same
// moment cannot spend the same credit. Months are those of UTC; an allowance
// counts from the moment on that tiers are enforced.
package quota

import (
	"fmt"
	"time"

	"github.com/defarm-repo/defarm/app"
)

// Policy says what is enforced.
type Policy struct {
	Tiers   bool
	Credits bool
}

// Quota applies a policy. A nil Quota enforces nothing.
type Quota struct {
	env    app.Env
	policy Policy
}

// New returns the quota for a policy.
func New(env app.Env, p Policy) *Quota { return &Quota{env: env, policy: p} }

// Charges reports whether operations are charged.
func (q *Quota) Charges() bool { return q != nil && q.policy.Credits }

// LimitsTiers reports whether tiers limit what an account may do.
func (q *Quota) LimitsTiers() bool { return q != nil && q.policy.Tiers }

// Work is a piece of work that an account asks for.
type Work struct {
	// Operation is what the tier must permit; "" for nothing.
	Operation app.TierOperation
	// Cost is what is charged; "" for nothing.
	Cost app.CreditOperation
	// Count is how many; 0 means one.
	Count int64
	// ID names the work in the history of credits, and for a refund.
	ID string
}

// Take takes what works need from the caller's account, in the write that does
// the works. The tier is the account's as the write finds it.
//
// Errors: ReasonTierLimit (403) when the tier does not permit the operation or
// its allowance is used up, ReasonInsufficientCredits (402), ReasonUserNotFound.
func (q *Quota) Take(tx app.Tx, who app.Actor, works ...Work) error {
	if q == nil || (!q.policy.Tiers && !q.policy.Credits) {
		return nil
	}
	u, err := tx.Users().ByID(who.UserID)
	if err != nil {
		return err
	}
	now := q.env.Now()
	for _, w := range works {
		w.Count = max(w.Count, 1)
		if q.policy.Tiers && w.Operation != "" {
			if err := allow(tx, u, w, now); err != nil {
				return err
			}
		}
		if q.policy.Credits {
			if err := q.charge(tx, u, w, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// allow checks the tier and takes from its allowance.
func allow(tx app.Tx, u *app.User, w Work, now time.Time) error {
	if err := u.Tier.Permit(w.Operation); err != nil {
		return err
	}
	limits := u.Tier.Limits()
	switch w.Operation {
	case app.TierCreateItems:
		return monthly(tx, u, "items", w.Count, limits.MaxItemsPerMonth, now)
	case app.TierBulkOperations:
		return monthly(tx, u, "bulk operations", w.Count, u.Tier.BulkOperationsPerMonth(), now)
	case app.TierCreateCircuits:
		return mayOwn(tx, u, w.Count)
	default:
		return nil // permitted, and without an allowance
	}
}

// MayOwn refuses a further active circuit to an account whose tier allows none,
// however he comes by it: a circuit that is given to him, or made active again,
// counts as much as a new one. ReasonTierLimit, ReasonUserNotFound.
func (q *Quota) MayOwn(tx app.Tx, userID string) error {
	if !q.LimitsTiers() {
		return nil
	}
	u, err := tx.Users().ByID(userID)
	if err != nil {
		return err
	}
	return mayOwn(tx, u, 1)
}

func mayOwn(tx app.Tx, u *app.User, more int64) error {
	most := u.Tier.Limits().MaxCircuits
	if most == nil {
		return nil
	}
	owned, err := tx.Circuits().CountOwned(u.ID)
	if err != nil {
		return err
	}
	if owned+more > *most {
		return app.Forbidden(app.ReasonTierLimit, "The %s tier allows %d circuits; deactivate one or upgrade", u.Tier, *most)
	}
	return nil
}

// monthly counts the use of this month and refuses what goes beyond the limit;
// the refusal undoes the count with everything else.
func monthly(tx app.Tx, u *app.User, kind string, n int64, limit *int64, now time.Time) error {
	used, err := tx.TierUses().Add(u.ID, month(now), kind, n)
	if err != nil {
		return err
	}
	if limit != nil && used > *limit {
		return app.Forbidden(app.ReasonTierLimit, "The %s tier allows %d %s a month; the next one begins on %s",
			u.Tier, *limit, kind, nextMonth(now).Format(time.DateOnly))
	}
	return nil
}

// month counts months since January 1970.
func month(t time.Time) int64 {
	t = t.UTC()
	return int64(t.Year()-1970)*12 + int64(t.Month()) - 1
}

// nextMonth is the first instant of the month after t.
func nextMonth(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC)
}

func (q *Quota) charge(tx app.Tx, u *app.User, w Work, now time.Time) error {
	cost := u.Tier.Costs().Of(w.Cost)
	if cost == 0 {
		return nil
	}
	_, err := tx.Credits().Apply(app.CreditTransaction{
		ID: q.env.NewID().String(), UserID: u.ID, Amount: -cost * w.Count, Type: app.CreditConsumption,
		Description: "Operation: " + string(w.Cost), OperationType: string(w.Cost), OperationID: w.ID, At: now,
	})
	if app.ReasonOf(err) == app.ReasonInsufficientCredits {
		return app.NewError(app.CodeInsufficientCredits, app.ReasonInsufficientCredits,
			"%s costs %d credits and %d are left", w.Cost, cost*w.Count, u.Credits)
	}
	u.Credits -= cost * w.Count // read for this write alone
	return err
}

// Refund gives back what was charged for an operation, once, to whoever paid.
// It returns the amount.
//
// Errors: ReasonNotCharged (404) when nothing was charged, ReasonAlreadyRefunded
// (409).
func (q *Quota) Refund(tx app.Tx, operationID, reason string) (int64, error) {
	charged, err := tx.Credits().Charged(operationID)
	if err != nil {
		return 0, err
	}
	if len(charged) == 0 {
		return 0, app.NotFound(app.ReasonNotCharged, "Nothing was charged for operation %s", operationID)
	}
	done, err := tx.Credits().Refunded(operationID)
	if err != nil {
		return 0, err
	}
	if done {
		return 0, app.Conflict(app.ReasonAlreadyRefunded, "Operation %s was refunded before", operationID)
	}
	total := int64(0)
	for _, c := range charged {
		total -= c.Amount
	}
	_, err = tx.Credits().Apply(app.CreditTransaction{
		ID: q.env.NewID().String(), UserID: charged[0].UserID, Amount: total, Type: app.CreditRefund,
		Description:   fmt.Sprintf("Refund for operation %s: %s", operationID, reason),
		OperationType: charged[0].OperationType, OperationID: operationID, At: q.env.Now(),
	})
	return total, err
}
