package db

import (
	"database/sql"
	"errors"
	"fmt"
	"math"

	"github.com/defarm-repo/defarm/app"
)

// credits holds the balances' history.
type credits struct{ s *session }

var _ app.CreditRows = credits{}

const creditColumns = `id, user_id, amount, type, description, operation_type, operation_id, at, balance_after`

const (
	creditsByUser = `SELECT ` + creditColumns + ` FROM credit_transactions
	WHERE user_id = ? ORDER BY row DESC LIMIT ? OFFSET ?`
	creditsCharged = `SELECT ` + creditColumns + ` FROM credit_transactions
	WHERE operation_id = ? AND operation_id <> '' AND type = 'Consumption' ORDER BY row`
	creditRefunded = `SELECT EXISTS (SELECT 1 FROM credit_transactions WHERE operation_id = ? AND type = 'Refund')`
	creditInsert   = `INSERT INTO credit_transactions (` + creditColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	creditBalance  = `SELECT credits FROM users WHERE id = ?`
	creditApply    = `UPDATE users SET credits = credits + ?, updated_at = ? WHERE id = ?`
)

func scanCredit(sc scanner) (app.CreditTransaction, error) {
	var (
		c  app.CreditTransaction
		at int64
	)
	err := sc.Scan(&c.ID, &c.UserID, &c.Amount, &c.Type, &c.Description, &c.OperationType, &c.OperationID, &at, &c.BalanceAfter)
	c.At = fromUnix(at)
	return c, err
}

// ByUser implements app.CreditReads. Rows are numbered in order of time.
func (t credits) ByUser(userID string, p app.Page) ([]app.CreditTransaction, error) {
	return collect(t.s, scanCredit, creditsByUser, userID, p.Limit, p.Offset)
}

// Charged implements app.CreditRows.
func (t credits) Charged(operationID string) ([]app.CreditTransaction, error) {
	return collect(t.s, scanCredit, creditsCharged, operationID)
}

// Refunded implements app.CreditRows.
func (t credits) Refunded(operationID string) (bool, error) {
	var yes bool
	err := t.s.row(creditRefunded, operationID).Scan(&yes)
	return yes, err
}

// Apply implements app.CreditRows. There is one writer, so the balance that is
// read is the one that is changed.
func (t credits) Apply(c app.CreditTransaction) (int64, error) {
	var balance int64
	switch err := t.s.row(creditBalance, c.UserID).Scan(&balance); {
	case errors.Is(err, sql.ErrNoRows):
		return 0, userMissing()
	case err != nil:
		return 0, fmt.Errorf("read balance: %w", err)
	}
	switch {
	case c.Amount > 0 && balance > math.MaxInt64-c.Amount:
		return 0, app.Invalid(app.ReasonInvalidAmount, "The balance would be too large")
	case c.Amount < 0 && balance < -c.Amount, c.Amount == math.MinInt64:
		return 0, app.NewError(app.CodeInsufficientCredits, app.ReasonInsufficientCredits, "Insufficient credits: %d available", balance)
	}
	if _, err := t.s.exec(creditApply, c.Amount, toUnix(c.At), c.UserID); err != nil {
		return 0, fmt.Errorf("change balance: %w", err)
	}
	t.s.touch(kindUser, c.UserID)
	c.BalanceAfter = balance + c.Amount
	return c.BalanceAfter, t.Insert(c)
}

// Insert implements app.CreditRows.
func (t credits) Insert(c app.CreditTransaction) error {
	_, err := t.s.insert(creditInsert, c.ID, c.UserID, c.Amount, string(c.Type), c.Description, c.OperationType,
		c.OperationID, toUnix(c.At), c.BalanceAfter)
	if err != nil {
		return fmt.Errorf("insert credit transaction: %w", err)
	}
	return nil
}
