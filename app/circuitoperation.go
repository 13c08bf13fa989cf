package app

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// OperationStatus is the state of a circuit operation (contract 03 R4).
type OperationStatus string

// The operation states.
const (
	OperationPending   OperationStatus = "Pending"
	OperationRejected  OperationStatus = "Rejected"
	OperationCompleted OperationStatus = "Completed"
)

// CircuitOperation is one push or pull, awaiting approval or done.
type CircuitOperation struct {
	ID          uuid.UUID
	CircuitRow  int64
	DFID        string
	Type        string // "Push" or "Pull"
	RequesterID string
	At          time.Time
	Status      OperationStatus
	Metadata    map[string]json.RawMessage
	Plan        OperationPlan
	DecidedBy   string    // "" when nobody had to
	DecidedAt   time.Time // zero when nobody did
}

// The types of operations.
const (
	OperationPush = "Push"
	OperationPull = "Pull"
)

// OperationPlan is what was decided about an operation when it was made, so
// that its approval does exactly that. A pull has the plan of the place that it
// empties: it says what there is to see of the item meanwhile.
type OperationPlan struct {
	// Whole and Quoted are those of the item's place, see CircuitItem.
	Whole  bool     `json:"whole,omitempty"`
	Quoted []string `json:"quoted,omitempty"`
	// Keys are the data keys that the requester wrote into an item of his own
	// with his push. They have not come through the circuit before it is
	// approved.
	Keys []string `json:"keys,omitempty"`
	// Addition is what the push adds to an item of somebody else's, nil for
	// none. It is not in the item before approval.
	Addition *ItemAddition `json:"addition,omitempty"`
}

// ItemAddition is what a push-local brings to an item that is there.
type ItemAddition struct {
	LocalID     uuid.UUID                  `json:"local_id"` // becomes a name of the item
	Identifiers []Identifier               `json:"identifiers,omitempty"`
	Data        map[string]json.RawMessage `json:"data,omitempty"`
	// Overwrite says that the requester may replace what others wrote.
	Overwrite bool `json:"overwrite,omitempty"`
}

// OperationFilter selects operations of one circuit.
type OperationFilter struct {
	CircuitRow  int64
	Status      OperationStatus // "" for any
	RequesterID string          // "" for anybody's
}

// OperationReads reads operations.
type OperationReads interface {
	// ByID returns one with its circuit's row; ReasonOperationNotFound.
	ByID(id uuid.UUID) (CircuitOperation, error)
	// List gives the newest first.
	List(f OperationFilter, p Page) ([]CircuitOperation, error)
}

// OperationRows changes operations.
type OperationRows interface {
	OperationReads
	Insert(op CircuitOperation) error
	// Decide moves a pending operation to another status and stores its
	// metadata and who decided; its plan is not kept. It reports false when it
	// was decided before.
	Decide(op CircuitOperation) (bool, error)
}
