package app

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// NotificationType says what a notification is about (contract 05 §5.1).
type NotificationType string

// The notifications that are sent.
const (
	NotifyItemShared          NotificationType = "ItemShared"
	NotifyJoinRequestReceived NotificationType = "JoinRequestReceived"
	NotifyJoinRequestApproved NotificationType = "JoinRequestApproved"
	NotifyJoinRequestRejected NotificationType = "JoinRequestRejected"
	NotifyCircuitInvite       NotificationType = "CircuitInvite"
	NotifyMemberAdded         NotificationType = "MemberAdded"
	NotifyMemberRemoved       NotificationType = "MemberRemoved"
	NotifyRoleChanged         NotificationType = "RoleChanged"
	NotifyCircuitUpdated      NotificationType = "CircuitUpdated"
	NotifyItemPendingApproval NotificationType = "CircuitItemPendingApproval"
	NotifyItemApproved        NotificationType = "CircuitItemApproved"
	NotifyItemRejected        NotificationType = "CircuitItemRejected"
	NotifyAdapterConfig       NotificationType = "CircuitAdapterConfigUpdated"
)

// Notification tells one user that something happened that concerns him. It is
// stored in the write that it tells of.
type Notification struct {
	ID      uuid.UUID
	UserID  string // who is told
	Type    NotificationType
	Title   string
	Message string
	// Data depends on Type: top-level key to canonical JSON value.
	Data   map[string]json.RawMessage
	At     time.Time
	ReadAt time.Time // zero: not read yet
}

// NotificationRows changes notifications.
type NotificationRows interface {
	Insert(n Notification) error
}
