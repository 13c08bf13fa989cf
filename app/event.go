package app

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// EventType is what happened to an item.
type EventType string

// The event types (contract 05 §4.1).
const (
	EventCreated           EventType = "Created"
	EventEnriched          EventType = "Enriched"
	EventMerged            EventType = "Merged"
	EventSplit             EventType = "Split"
	EventPushedToCircuit   EventType = "PushedToCircuit"
	EventPulledFromCircuit EventType = "PulledFromCircuit"
	EventUpdated           EventType = "Updated"
	EventStatusChanged     EventType = "StatusChanged"
)

// Visibility says who, among those who may read the item, may read the event.
type Visibility string

// The visibilities (contract 05 §4.3, narrowed by design §2.19).
const (
	VisibilityPublic      Visibility = "Public"
	VisibilityPrivate     Visibility = "Private"
	VisibilityCircuitOnly Visibility = "CircuitOnly"
	VisibilityDirect      Visibility = "Direct"
)

// Event is one recorded fact about an item. Events are never deleted.
//
// At is kept to the nanosecond for ordering; the wire and every hash use the
// whole second, so that a client can rebuild each leaf from what it reads.
type Event struct {
	Row             int64
	ID              uuid.UUID
	DFID            string
	Type            EventType
	At              time.Time
	Source          string // user id of the author
	Metadata        map[string]json.RawMessage
	Encrypted       bool
	Visibility      Visibility
	ContentHash     string // see ContentHash
	LeafHash        string // see LeafHash
	LocalEventID    *uuid.UUID
	Local           bool
	PushedToCircuit *uuid.UUID
}

// PublicEvents selects what the public page of a circuit shows of items that it
// holds: their Public events, and of an item that it holds in part those of the
// circuit itself.
type PublicEvents struct {
	CircuitRow int64
	CircuitID  string
	DFIDs      []string
	Encrypted  bool // encrypted events too
	PerItem    int  // at most so many are listed
}

// EventReads reads events.
type EventReads interface {
	// ByItem lists an item's events, newest first.
	ByItem(dfid string, p Page) ([]*Event, error)
	// ByItems lists the events of several items, newest first within each.
	ByItems(dfids []string) (map[string][]*Event, error)
	// Public lists the newest events that a circuit's public page shows of
	// each item, newest first, and counts all that it could show. Of items
	// that the circuit holds in part it may give a few that are not the
	// circuit's: see Event.InCircuit.
	Public(p PublicEvents) (byItem map[string][]*Event, count int, err error)
	// Leaves lists the leaf hashes of an item's events, in no special order.
	Leaves(dfid string) ([]string, error)
	// Leaf returns the leaf hash of one event of the item;
	// ReasonEventNotFound.
	Leaf(dfid string, id uuid.UUID) (string, error)
}

// EventRows changes events.
type EventRows interface {
	EventReads
	Insert(e *Event) error
}
