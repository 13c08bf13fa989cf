package app

import (
	"time"

	"github.com/google/uuid"
)

// CircuitActivity is one line of a circuit's history (contract 03 §7.7).
type CircuitActivity struct {
	ID          uuid.UUID
	Type        string // Push, Pull or Enrich
	CircuitRow  int64
	CircuitName string
	ItemDFIDs   []string
	UserID      string
	At          time.Time
	Status      string // Success, Partial or Failed
	ItemsCount  int
}

// UserActivity is one line of a user's history (contract 05 §5.4).
type UserActivity struct {
	ID           uuid.UUID
	UserID       string
	WorkspaceID  string
	At           time.Time
	Type         string // "Create", "Login", …
	Category     string // "Items", "Circuits", …
	ResourceType string
	ResourceID   string
	Action       string
	Description  string
	Success      bool
	Address      string
	Agent        string
}

// ActivityReads reads activities.
type ActivityReads interface {
	// OfCircuit lists a circuit's history, newest first.
	OfCircuit(circuitRow int64, p Page) ([]CircuitActivity, error)
}

// ActivityRows records activities.
type ActivityRows interface {
	ActivityReads
	InsertCircuit(a CircuitActivity) error
	InsertUser(a UserActivity) error
}
