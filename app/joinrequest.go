package app

import "time"

// JoinStatus is the state of a join request.
type JoinStatus string

// The states of join requests.
const (
	JoinPending  JoinStatus = "Pending"
	JoinApproved JoinStatus = "Approved"
	JoinRejected JoinStatus = "Rejected"
)

// JoinRequest is somebody's wish to join a circuit.
type JoinRequest struct {
	Row         int64
	CircuitRow  int64
	RequesterID string
	Message     string // "" when none
	Status      JoinStatus
	RequestedAt time.Time
	DecidedBy   string    // "" while pending
	DecidedAt   time.Time // zero while pending
}

// JoinRequestRows changes join requests. Whoever calls these also calls
// CircuitRows.Touch, which makes the change visible.
type JoinRequestRows interface {
	// Pending returns the user's request that waits; ReasonJoinRequest when
	// there is none.
	Pending(circuitRow int64, userID string) (JoinRequest, error)
	// Insert adds a request; CodeConflict when one of the user's waits.
	Insert(j JoinRequest) error
	// Decide stores status, who decided and when.
	Decide(j JoinRequest) error
}
