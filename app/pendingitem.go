package app

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// PendingItem is what somebody wanted to create and what could not become an
// item as it was: it waits for its creator, or an administrator, to decide
// (contract 02 §5.4).
type PendingItem struct {
	Row         int64
	ID          uuid.UUID
	OwnerID     string
	WorkspaceID string
	Identifiers []Identifier
	// Data is nil when none was given.
	Data        map[string]json.RawMessage
	SourceEntry uuid.UUID
	Reason      PendingReason
	Priority    int // 1 (low) to 4 (critical)
	Retries     int
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// MaxPendingPriority is the highest priority: critical.
const MaxPendingPriority = 4

// PendingKind names a reason.
type PendingKind string

// The reasons that this server gives (contract 02 §5.4).
const (
	PendingNoIdentifiers       PendingKind = "NoIdentifiers"
	PendingInvalidIdentifiers  PendingKind = "InvalidIdentifiers"
	PendingConflictingDFIDs    PendingKind = "ConflictingDFIDs"
	PendingDataQuality         PendingKind = "DataQualityIssue"
	PendingCrossSystemConflict PendingKind = "CrossSystemConflict"
)

// PendingReason is why an item is pending. Which members are set depends on
// Kind.
type PendingReason struct {
	Kind PendingKind `json:"kind"`
	// Text of InvalidIdentifiers.
	Text string `json:"text,omitempty"`
	// Identifier and the DFIDs that it names, for ConflictingDFIDs.
	Identifier *Identifier `json:"identifier,omitempty"`
	DFIDs      []string    `json:"dfids,omitempty"`
	// Issue, Severity (Low to Critical) and Details of DataQualityIssue.
	Issue    string `json:"issue,omitempty"`
	Severity string `json:"severity,omitempty"`
	Details  string `json:"details,omitempty"`
	// System and Conflict of CrossSystemConflict.
	System   string `json:"system,omitempty"`
	Conflict string `json:"conflict,omitempty"`
}

// Priority is where the reason stands in the queue.
func (r PendingReason) Priority() int {
	switch r.Kind {
	case PendingNoIdentifiers, PendingCrossSystemConflict:
		return 3
	case PendingConflictingDFIDs:
		return MaxPendingPriority
	case PendingDataQuality:
		switch r.Severity {
		case "Low":
			return 1
		case "High":
			return 3
		case "Critical":
			return MaxPendingPriority
		default:
			return 2
		}
	default:
		return 2
	}
}

// Describe is the contract's reason_details; ok is false for reasons that have
// none.
func (r PendingReason) Describe() (text string, ok bool) {
	switch r.Kind {
	case PendingInvalidIdentifiers:
		return r.Text, true
	case PendingConflictingDFIDs:
		return fmt.Sprintf("Identifier %s:%s maps to DFIDs: %s", r.Identifier.Key, r.Identifier.Value, strings.Join(r.DFIDs, ", ")), true
	case PendingDataQuality:
		return r.Details, true
	default:
		return "", false
	}
}

// DebugText is the reason in the notation that clients read (contract 02
// §6.10).
func (r PendingReason) DebugText() string {
	switch r.Kind {
	case PendingInvalidIdentifiers:
		return "InvalidIdentifiers(" + debugString(r.Text) + ")"
	case PendingConflictingDFIDs:
		return "ConflictingDFIDs { identifier: " + r.Identifier.debugText() + ", conflicting_dfids: " +
			debugStrings(r.DFIDs) + ", confidence_scores: None }"
	case PendingDataQuality:
		return "DataQualityIssue { issue_type: " + debugString(r.Issue) + ", severity: " + r.Severity +
			", details: " + debugString(r.Details) + " }"
	case PendingCrossSystemConflict:
		return "CrossSystemConflict { external_system: " + debugString(r.System) + ", conflict_type: " + debugString(r.Conflict) + " }"
	default:
		return string(r.Kind)
	}
}

func (id Identifier) debugText() string {
	kind := "Contextual { scope: " + debugString(id.Scope) + " }"
	if id.Canonical {
		date := "None"
		if !id.VerifiedAt.IsZero() {
			date = "Some(" + FormatZ(id.VerifiedAt) + ")"
		}
		kind = fmt.Sprintf("Canonical { registry: %s, verified: %t, verification_date: %s }", debugString(id.Key), id.Verified, date)
	}
	return fmt.Sprintf("Identifier { namespace: %s, key: %s, value: %s, id_type: %s }",
		debugString(id.Namespace), debugString(id.Key), debugString(id.Value), kind)
}

// debugEscapes is what the contract's notation escapes.
var debugEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\r", `\r`)

func debugString(s string) string { return `"` + debugEscapes.Replace(s) + `"` }

func debugStrings(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = debugString(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// PendingItemFilter selects pending items.
type PendingItemFilter struct {
	OwnerID     string // "" for everybody's
	PriorityMin int
}

// PendingItemReads reads pending items.
type PendingItemReads interface {
	// ByID returns one; ReasonPendingNotFound.
	ByID(id uuid.UUID) (*PendingItem, error)
	// List gives the most urgent first, and of those the oldest.
	List(f PendingItemFilter, p Page) ([]*PendingItem, error)
}

// PendingItemRows changes pending items.
type PendingItemRows interface {
	PendingItemReads
	Insert(p *PendingItem) error
	// Update stores identifiers, data, reason, priority and retries.
	Update(p *PendingItem) error
	Delete(p *PendingItem) error
}
