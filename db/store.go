package db

import "github.com/defarm-repo/defarm/app"

// stores gives every resource's rows on one session; it is both app.Reader
// and app.Tx.
type stores struct{ s *session }

var (
	_ app.Reader = readStores{}
	_ app.Tx     = stores{}
)

// Users implements app.Tx.
func (t stores) Users() app.UserRows { return users(t) }

// APIKeys implements app.Tx.
func (t stores) APIKeys() app.APIKeyRows { return apiKeys(t) }

// Items implements app.Tx.
func (t stores) Items() app.ItemRows { return items(t) }

// Circuits implements app.Tx.
func (t stores) Circuits() app.CircuitRows { return circuits(t) }

// Shares implements app.Tx.
func (t stores) Shares() app.ShareRows { return shares(t) }

// Members implements app.Tx.
func (t stores) Members() app.MemberRows { return members(t) }

// Roles implements app.Tx.
func (t stores) Roles() app.RoleRows { return roles(t) }

// JoinRequests implements app.Tx.
func (t stores) JoinRequests() app.JoinRequestRows { return joinRequests(t) }

// Operations implements app.Tx.
func (t stores) Operations() app.OperationRows { return operations(t) }

// Events implements app.Tx.
func (t stores) Events() app.EventRows { return events(t) }

// Storage implements app.Tx.
func (t stores) Storage() app.StorageRows { return storage(t) }

// Activities implements app.Tx.
func (t stores) Activities() app.ActivityRows { return activities(t) }

// Notifications implements app.Tx.
func (t stores) Notifications() app.NotificationRows { return notifications(t) }

// Credits implements app.Tx.
func (t stores) Credits() app.CreditRows { return credits(t) }

// TierUses implements app.Tx.
func (t stores) TierUses() app.TierUseRows { return tierUses(t) }

// PasswordResets implements app.Tx.
func (t stores) PasswordResets() app.PasswordResetRows { return passwordResets(t) }

// PendingItems implements app.Tx.
func (t stores) PendingItems() app.PendingItemRows { return pendingItems(t) }

// LocalMerges implements app.Tx.
func (t stores) LocalMerges() app.LocalMergeRows { return localMerges(t) }

// Try implements app.Tx.
func (t stores) Try(fn func() error) error { return t.s.try(fn) }

// AfterCommit implements app.Tx.
func (t stores) AfterCommit(fn func()) { t.s.afters = append(t.s.afters, fn) }

// readStores shows the same rows without the methods that change them.
type readStores struct{ s *session }

// Users implements app.Reader.
func (r readStores) Users() app.UserReads { return users(r) }

// APIKeys implements app.Reader.
func (r readStores) APIKeys() app.APIKeyReads { return apiKeys(r) }

// Items implements app.Reader.
func (r readStores) Items() app.ItemReads { return items(r) }

// Circuits implements app.Reader.
func (r readStores) Circuits() app.CircuitReads { return circuits(r) }

// Shares implements app.Reader.
func (r readStores) Shares() app.ShareReads { return shares(r) }

// Operations implements app.Reader.
func (r readStores) Operations() app.OperationReads { return operations(r) }

// Events implements app.Reader.
func (r readStores) Events() app.EventReads { return events(r) }

// Storage implements app.Reader.
func (r readStores) Storage() app.StorageReads { return storage(r) }

// Credits implements app.Reader.
func (r readStores) Credits() app.CreditReads { return credits(r) }

// PasswordResets implements app.Reader.
func (r readStores) PasswordResets() app.PasswordResetReads { return passwordResets(r) }

// PendingItems implements app.Reader.
func (r readStores) PendingItems() app.PendingItemReads { return pendingItems(r) }

// LocalMerges implements app.Reader.
func (r readStores) LocalMerges() app.LocalMergeReads { return localMerges(r) }

// Activities implements app.Reader.
func (r readStores) Activities() app.ActivityReads { return activities(r) }
