package app

import "time"

// CreditOperation is work that costs credits (contract 01 §5.9, table A).
type CreditOperation string

// The operations, by the names of the wire.
const (
	CreditItemCreation     CreditOperation = "item_creation"
	CreditCircuitOperation CreditOperation = "circuit_operation"
	CreditStorageMigration CreditOperation = "storage_migration"
	CreditAuditExport      CreditOperation = "audit_export"
	CreditPremiumAdapter   CreditOperation = "premium_adapter_usage"
	CreditAPIRequest       CreditOperation = "api_request"
)

// CreditType says why a balance changed.
type CreditType string

// The types of a CreditTransaction (contract 01 §4).
const (
	CreditPurchase     CreditType = "Purchase"
	CreditGrant        CreditType = "Grant"
	CreditConsumption  CreditType = "Consumption"
	CreditRefund       CreditType = "Refund"
	CreditSubscription CreditType = "Subscription"
	CreditPenalty      CreditType = "Penalty"
)

// CreditTransaction is one change of a user's balance.
type CreditTransaction struct {
	ID            string
	UserID        string
	Amount        int64 // negative: spent
	Type          CreditType
	Description   string
	OperationType string // a CreditOperation for charges, "" for others
	OperationID   string // what was charged for; a refund names it again
	At            time.Time
	BalanceAfter  int64
}

// CreditReads reads the history of balances.
type CreditReads interface {
	// ByUser lists an account's transactions, newest first.
	ByUser(userID string, p Page) ([]CreditTransaction, error)
}

// CreditRows changes balances. A balance is never below zero and never
// overflows.
type CreditRows interface {
	CreditReads
	// Apply adds c.Amount to the account's balance, records the transaction and
	// returns the new balance; BalanceAfter of c is not looked at.
	//
	// Errors: ReasonInsufficientCredits when the balance would be below zero,
	// ReasonInvalidAmount when it would overflow, ReasonUserNotFound.
	Apply(c CreditTransaction) (int64, error)
	// Insert records the balance that an account starts with.
	Insert(c CreditTransaction) error
	// Charged returns what an operation was charged for: its transactions of
	// type Consumption, oldest first.
	Charged(operationID string) ([]CreditTransaction, error)
	// Refunded reports whether an operation was refunded.
	Refunded(operationID string) (bool, error)
}

// TierUseRows counts what accounts have used of their monthly allowances.
type TierUseRows interface {
	// Add adds n to the account's use of a kind in a month (months since
	// 1970) and returns the new total.
	Add(userID string, month int64, kind string, n int64) (int64, error)
}

// CreditCosts are what the operations cost an account of some tier. The wire
// form is this.
type CreditCosts struct {
	ItemCreation     int64 `json:"item_creation"`
	CircuitOperation int64 `json:"circuit_operation"`
	StorageMigration int64 `json:"storage_migration"`
	AuditExport      int64 `json:"audit_export"`
	PremiumAdapter   int64 `json:"premium_adapter_usage"`
	APIRequest       int64 `json:"api_request"`
}

// Costs are the tier's: the advertised ones are the charged ones.
func (t Tier) Costs() CreditCosts {
	switch t {
	case TierEnterprise, TierAdmin:
		return CreditCosts{ItemCreation: 1, CircuitOperation: 1, StorageMigration: 3, AuditExport: 5, PremiumAdapter: 2}
	case TierProfessional:
		return CreditCosts{ItemCreation: 1, CircuitOperation: 2, StorageMigration: 5, AuditExport: 10, PremiumAdapter: 5}
	default:
		return CreditCosts{
			ItemCreation: 2, CircuitOperation: 3, StorageMigration: 10, AuditExport: 20, PremiumAdapter: 10, APIRequest: 1,
		}
	}
}

// Of is the cost of one operation, 0 for "".
func (c CreditCosts) Of(op CreditOperation) int64 {
	switch op {
	case CreditItemCreation:
		return c.ItemCreation
	case CreditCircuitOperation:
		return c.CircuitOperation
	case CreditStorageMigration:
		return c.StorageMigration
	case CreditAuditExport:
		return c.AuditExport
	case CreditPremiumAdapter:
		return c.PremiumAdapter
	case CreditAPIRequest:
		return c.APIRequest
	default:
		return 0
	}
}
