package identity

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// DefaultUsageDays and MaxUsageDays bound the days of KeyUsage.
const (
	DefaultUsageDays = 7
	MaxUsageDays     = 365
)

// UpdateKey changes one of the caller's keys and returns it as it is now. What
// the patch leaves out stays, counters included.
//
// Errors: ReasonInvalidAPIKeyInput (400), ReasonAPIKeyNotFound (404),
// ReasonAPIKeyForeign (403) for somebody else's key, ReasonAPIKeyGrant (403) for
// an admin flag that somebody who is no administrator gives and for a key that
// an administrator disabled; CodeBusy.
func (s *Service) UpdateKey(ctx context.Context, who app.Actor, id uuid.UUID, p app.APIKeyPatch) (*app.APIKey, error) {
	if err := checkPatch(p); err != nil {
		return nil, err
	}
	return s.changeKey(ctx, who, id, "update", func(tx app.Tx, owner *app.User, k *app.APIKey) error {
		if p.Permissions != nil && p.Permissions.Admin && !k.Permissions.Admin && !owner.IsAdmin {
			return app.Forbidden(app.ReasonAPIKeyGrant, "Only administrators can grant admin permissions to API keys")
		}
		if p.Active != nil && *p.Active && k.RevokedForCause && !owner.IsAdmin {
			return app.Forbidden(app.ReasonAPIKeyGrant, "This API key was disabled by an administrator and cannot be activated again")
		}
		return tx.APIKeys().Update(id, p)
	})
}

// RevokeKey deactivates one of the caller's keys; it may be repeated. Errors as
// UpdateKey.
func (s *Service) RevokeKey(ctx context.Context, who app.Actor, id uuid.UUID) (*app.APIKey, error) {
	return s.changeKey(ctx, who, id, "revoke", func(tx app.Tx, _ *app.User, _ *app.APIKey) error {
		return tx.APIKeys().Update(id, app.APIKeyPatch{Active: new(bool)})
	})
}

// DisableKey deactivates a key for cause: its owner cannot activate it again. For
// operators: it checks no caller. Errors: ReasonAPIKeyNotFound, CodeBusy.
func (s *Service) DisableKey(ctx context.Context, id uuid.UUID) error {
	yes := true
	return s.store.Write(ctx, func(tx app.Tx) error {
		return tx.APIKeys().Update(id, app.APIKeyPatch{Active: new(bool), RevokedForCause: &yes})
	})
}

// DeleteKey removes one of the caller's keys for good, with its statistics.
// Errors as UpdateKey.
func (s *Service) DeleteKey(ctx context.Context, who app.Actor, id uuid.UUID) error {
	now := s.env.Now()
	return s.store.Write(ctx, func(tx app.Tx) error {
		owner, k, err := ownKey(tx, who, id, "delete")
		if err != nil {
			return err
		}
		if err := tx.APIKeys().Delete(id); err != nil {
			return err
		}
		return tx.Activities().InsertUser(s.keyActivity(owner, who, k, now, "Delete", "delete_api_key", "Deleted API key: "))
	})
}

// changeKey runs one change of a key of the caller's and reads it back.
func (s *Service) changeKey(ctx context.Context, who app.Actor, id uuid.UUID, verb string,
	change func(tx app.Tx, owner *app.User, k *app.APIKey) error,
) (*app.APIKey, error) {
	s.flushUsage(ctx)
	now := s.env.Now()
	var out *app.APIKey
	err := s.store.Write(ctx, func(tx app.Tx) error {
		owner, k, err := ownKey(tx, who, id, verb)
		if err != nil {
			return err
		}
		if err := change(tx, owner, k); err != nil {
			return err
		}
		if out, err = tx.APIKeys().ByID(id); err != nil {
			return err
		}
		return tx.Activities().InsertUser(s.keyActivity(owner, who, k, now, "Update", verb+"_api_key", "Changed API key: "))
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ownKey reads a key that the caller owns, and the caller's account.
func ownKey(tx app.Tx, who app.Actor, id uuid.UUID, verb string) (*app.User, *app.APIKey, error) {
	k, err := tx.APIKeys().ByID(id)
	if err != nil {
		return nil, nil, err
	}
	if k.OwnerID != who.UserID {
		return nil, nil, app.Forbidden(app.ReasonAPIKeyForeign, "You don't have permission to %s this API key", verb)
	}
	owner, err := tx.Users().ByID(who.UserID)
	if app.ReasonOf(err) == app.ReasonUserNotFound {
		return nil, nil, app.NotFound(app.ReasonUserNotFound, "User account not found")
	}
	return owner, k, err
}

func (s *Service) keyActivity(owner *app.User, who app.Actor, k *app.APIKey, now time.Time, kind, action, text string) app.UserActivity {
	a := s.activity(owner, Client{Agent: who.Agent}, now, deed{kind, "ApiKeys", "ApiKey", action, text + k.Name})
	a.ResourceID, a.Address = k.ID.String(), who.Address
	return a
}

// checkPatch applies the bounds of CreateKey to what a patch brings.
func checkPatch(p app.APIKeyPatch) error {
	in := NewKey{Permissions: p.Permissions, RateLimitPerHour: p.RateLimitPerHour}
	if p.Name != nil {
		in.Name = *p.Name
	}
	if p.Notes != nil {
		in.Notes = *p.Notes
	}
	return in.check()
}

// KeyUsage sums up what one of the caller's keys did in the last days, 1 to
// MaxUsageDays. It counts whole hours: an hour counts when the key was used in
// it after the beginning of the span.
//
// Errors: ReasonInvalidAPIKeyInput (400), ReasonAPIKeyNotFound (404),
// ReasonAPIKeyForeign (403) for somebody else's key, CodeBusy.
func (s *Service) KeyUsage(ctx context.Context, who app.Actor, id uuid.UUID, days int) (app.APIKeyStatistics, error) {
	if days < 1 || days > MaxUsageDays {
		return app.APIKeyStatistics{}, invalidKey("days must be between 1 and %d", MaxUsageDays)
	}
	s.flushUsage(ctx)
	from := s.env.Now().Add(-time.Duration(days) * 24 * time.Hour)
	var sum app.APIKeyStatistics
	err := s.store.Read(ctx, func(r app.Reader) error {
		k, err := r.APIKeys().ByID(id)
		if err != nil {
			return err
		}
		if k.OwnerID != who.UserID {
			return app.Forbidden(app.ReasonAPIKeyForeign, "You don't have permission to view usage stats for this API key")
		}
		sum, err = r.APIKeys().Statistics(id, from)
		return err
	})
	return sum, err
}

// KeyAnswered notes for the statistics how a request was answered that an API
// key had let in. It is quick and never fails: the rows are written later.
func (s *Service) KeyAnswered(r KeyRequest) { s.usage.answered(r) }
