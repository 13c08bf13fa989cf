package app

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// MergeStrategy says what the data of local items does to the data of the
// master that they are merged into (contract 02 §6.8).
type MergeStrategy string

// The strategies.
const (
	MergeAppend    MergeStrategy = "append"     // lists and objects grow, anything else is replaced
	MergeKeepFirst MergeStrategy = "keep_first" // the master's data stays as it is
	MergeOverwrite MergeStrategy = "overwrite"  // every key is replaced
)

// MergeStrategies returns the strategies in the order in which messages list them.
func MergeStrategies() []MergeStrategy {
	return []MergeStrategy{MergeAppend, MergeKeepFirst, MergeOverwrite}
}

// LocalMerge records that a local item was merged into another one, and what
// that did to the other one, so that it can be undone.
type LocalMerge struct {
	// Row is the row number: the order of merging. 0 until stored.
	Row       int64
	MergedRow int64     // the item that was merged
	MasterID  uuid.UUID // local id of what it was merged into
	Strategy  MergeStrategy
	Changes   LocalChanges
	MergedBy  string
	MergedAt  time.Time
}

// LocalChanges is what a merge brought to the master. It is complete: undoing a
// merge does not look at the merged item, whose own data may be edited later.
//
// What the master came to have otherwise since is its own again: as soon as
// that is noticed, the records let go of it.
type LocalChanges struct {
	Data map[string]KeyChange `json:"data,omitempty"`
	// Identifiers are those that the master does not have of its own. Several
	// merges may have brought the same one.
	Identifiers []Identifier `json:"identifiers,omitempty"`
	// SourceEntries likewise.
	SourceEntries []uuid.UUID `json:"source_entries,omitempty"`
}

// KeyChange is what a merge did to one key of the master's data.
type KeyChange struct {
	// Given is what the merged item had there.
	Given KeyState `json:"given"`
	// Before is what the master had there. Only the earliest record of a key
	// has it: what the others found follows from the records before them.
	Before *KeyState `json:"before,omitempty"`
}

// KeyState is the value of a key and who wrote it.
type KeyState struct {
	Value json.RawMessage `json:"value,omitempty"` // canonical; empty: there is no such key
	From  *Provenance     `json:"from,omitempty"`  // nil when it is not known
}

// LocalName is a local item that is in use, with what tells duplicates.
type LocalName struct {
	Row     int64
	LocalID uuid.UUID
	// Canonical is the item's first canonical identifier.
	Canonical Identifier
}

// LocalMergeReads reads merges of local items.
type LocalMergeReads interface {
	// ByMaster lists what was merged into the local item with that id and was
	// not undone, in the order of merging.
	ByMaster(masterID uuid.UUID) ([]*LocalMerge, error)
	// Names lists the active local items of an account that have a canonical
	// identifier, in order of creation. It looks at the first most local items
	// of the account.
	Names(ownerID string, most int) ([]LocalName, error)
}

// LocalMergeRows keeps merges of local items.
type LocalMergeRows interface {
	LocalMergeReads
	// Insert stores a record and sets Row. CodeConflict when the item is
	// merged already.
	Insert(m *LocalMerge) error
	// Update stores the changes of a record.
	Update(m *LocalMerge) error
	// Delete removes the record of a merge that was undone.
	Delete(m *LocalMerge) error
}
