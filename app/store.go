package app

import (
	"context"

	"github.com/google/uuid"
)

// Store is the durable state of one server. Package db implements it.
type Store interface {
	Lookups

	// Write runs fn as one atomic change on the single writer and returns
	// after it is durable. fn may share its commit with other writes, so it
	// must not assume that it is alone, must not touch the network, must not
	// call Write or Read, and must not read through Lookups. fn may run at
	// most once. An error from fn, or a panic in it, undoes fn's changes
	// only and is returned.
	//
	// Errors of its own: CodeBusy when the queue is full or the job waited
	// too long (nothing was done); ctx's error when ctx ended while the job
	// was queued (nothing was done) or while it ran (it may have been done).
	Write(ctx context.Context, fn func(tx Tx) error) error

	// Read runs fn on one reader connection, over one consistent snapshot
	// that is given back before Read returns. fn must be short and must not
	// write to a client. CodeBusy when no reader came free in time.
	Read(ctx context.Context, fn func(r Reader) error) error
}

// Lookups are the hot point reads. They come through the cache under its
// generation guard: a value is never older than the last write that was
// answered. The values are shared: do not modify them.
type Lookups interface {
	// User returns the account with that id; ReasonUserNotFound.
	User(ctx context.Context, id string) (*User, error)
	// APIKeyByHash returns the key with that BLAKE3 hash (64 hex digits);
	// ReasonInvalidAPIKey.
	APIKeyByHash(ctx context.Context, hash string) (*APIKey, error)
	// Circuit returns the circuit with its members, roles and published
	// items; ReasonCircuitNotFound.
	Circuit(ctx context.Context, id uuid.UUID) (*Circuit, error)
	// Circuits returns the circuits with those ids, in the order asked; ids
	// that do not exist are left out. At most 10,000.
	Circuits(ctx context.Context, ids []uuid.UUID) ([]*Circuit, error)
	// Item returns the item stored under a DFID or "LID-<uuid>";
	// ReasonItemNotFound.
	Item(ctx context.Context, dfid string) (*Item, error)
	// Items returns the items with those row numbers, in the order asked;
	// rows that do not exist are left out. At most 10,000.
	Items(ctx context.Context, rows []int64) ([]*Item, error)
}

// Reader gives the stores of one read snapshot.
type Reader interface {
	Users() UserReads
	APIKeys() APIKeyReads
	Items() ItemReads
	Circuits() CircuitReads
	Shares() ShareReads
	Operations() OperationReads
	Events() EventReads
	Storage() StorageReads
	Credits() CreditReads
	PasswordResets() PasswordResetReads
	PendingItems() PendingItemReads
	LocalMerges() LocalMergeReads
	Activities() ActivityReads
}

// Tx gives the stores of one write. It is valid only inside its closure.
type Tx interface {
	Users() UserRows
	APIKeys() APIKeyRows
	Items() ItemRows
	Circuits() CircuitRows
	Members() MemberRows
	Roles() RoleRows
	JoinRequests() JoinRequestRows
	Operations() OperationRows
	Events() EventRows
	Storage() StorageRows
	Shares() ShareRows
	Activities() ActivityRows
	Notifications() NotificationRows
	Credits() CreditRows
	TierUses() TierUseRows
	PasswordResets() PasswordResetRows
	PendingItems() PendingItemRows
	LocalMerges() LocalMergeRows

	// Try runs fn as a part of the write that can fail by itself: its error
	// undoes what fn changed and is returned, and the rest of the write may
	// go on. It does not nest.
	Try(fn func() error) error

	// AfterCommit registers work for after the commit and before the caller
	// of Write is answered; it runs in order on the writer, so it must be
	// quick. It does not run when the change is undone. A panic in it is
	// contained and logged.
	AfterCommit(fn func())
}

// Page bounds a list: at most Limit rows after skipping Offset. The web layer
// fills in the defaults and caps of design §2.9 (1,000 and 10,000).
type Page struct {
	Limit  int
	Offset int
}
