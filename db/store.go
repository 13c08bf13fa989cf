package db

import "github.com/defarm-repo/defarm/app"

// stores gives every resource's rows on one session; it is both app.Reader
// and app.Tx.
type stores struct{ s *session }

var (
	_ app.Reader = readStores{}
	_ app.Tx     = stores{}
)

func (t stores) Users() app.UserRows                   { return users{t.s} }
func (t stores) APIKeys() app.APIKeyRows               { return apiKeys{t.s} }
func (t stores) Items() app.ItemRows                   { return items{t.s} }
func (t stores) Circuits() app.CircuitRows             { return circuits{t.s} }
func (t stores) Events() app.EventRows                 { return events{t.s} }
func (t stores) Storage() app.StorageRows              { return storage{t.s} }
func (t stores) Activities() app.ActivityRows          { return activities{t.s} }
func (t stores) Credits() app.CreditRows               { return credits{t.s} }
func (t stores) TierUses() app.TierUseRows             { return tierUses{t.s} }
func (t stores) PasswordResets() app.PasswordResetRows { return passwordResets{t.s} }
func (t stores) AfterCommit(fn func())                 { t.s.afters = append(t.s.afters, fn) }

// readStores shows the same rows without the methods that change them.
type readStores struct{ s *session }

func (r readStores) Users() app.UserReads       { return users(r) }
func (r readStores) APIKeys() app.APIKeyReads   { return apiKeys(r) }
func (r readStores) Items() app.ItemReads       { return items(r) }
func (r readStores) Circuits() app.CircuitReads { return circuits(r) }
func (r readStores) Events() app.EventReads     { return events(r) }
func (r readStores) Storage() app.StorageReads  { return storage(r) }
func (r readStores) Credits() app.CreditReads   { return credits(r) }
