package identity

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// NewKey is a request for an API key. Nil and empty fields are defaults.
type NewKey struct {
	Name           string
	Organization   app.OrganizationType // "": External
	OrganizationID *uuid.UUID
	// Permissions; nil: read only.
	Permissions *app.APIKeyPermissions
	// AllowedEndpoints are exact paths, or prefixes ending in "*"; none: all.
	AllowedEndpoints []string
	// AllowedIPs are addresses or CIDR blocks; none: all.
	AllowedIPs []string
	// RateLimitPerHour is 1 to 1,000,000; nil: 100.
	RateLimitPerHour *int64
	// ExpiresInDays is 0 (expired at once) to 36,500; nil: never.
	ExpiresInDays *int64
	Notes         string
}

const (
	defaultKeyLimit = 100
	maxKeyLimit     = 1_000_000
	maxKeyDays      = 36_500
	maxKeyName      = 256   // characters
	maxKeyNotes     = 4_096 // bytes
	maxKeyList      = 100   // endpoints, addresses, custom permissions
	maxKeyListItem  = 1_024 // bytes of one of them
)

// CreateKey makes an API key for the caller and returns its text, which is not
// stored and cannot be shown again.
//
// Errors: ReasonShape (422) for an unknown organization type or an address that
// is none; ReasonInvalidAPIKeyInput (400) for a value out of bounds;
// ReasonAPIKeyGrant (403) when somebody who is no administrator asks for the
// admin flag; ReasonUserNotFound (404); CodeBusy.
func (s *Service) CreateKey(ctx context.Context, who app.Actor, in NewKey) (string, *app.APIKey, error) {
	now := s.env.Now().UTC()
	k, err := in.build(now)
	if err != nil {
		return "", nil, err
	}
	text, err := newKeyText(s.env.Random)
	if err != nil {
		return "", nil, err
	}
	k.ID, k.OwnerID = s.env.NewID(), who.UserID
	k.Hash, k.Prefix = hashKey(text), text[:8]
	err = s.store.Write(ctx, func(tx app.Tx) error {
		owner, err := tx.Users().ByID(who.UserID)
		if app.ReasonOf(err) == app.ReasonUserNotFound {
			return app.NotFound(app.ReasonUserNotFound, "User account not found")
		}
		if err != nil {
			return err
		}
		if k.Permissions.Admin && !owner.IsAdmin {
			return app.Forbidden(app.ReasonAPIKeyGrant,
				"Only administrators can create API keys with admin permissions")
		}
		if err := tx.APIKeys().Insert(k); err != nil {
			return err
		}
		a := s.activity(owner, Client{Agent: who.Agent}, now, deed{
			"Create", "ApiKeys", "ApiKey", "create_api_key", "Created API key: " + k.Name,
		})
		a.ResourceID, a.Address = k.ID.String(), who.Address
		return tx.Activities().InsertUser(a)
	})
	if err != nil {
		return "", nil, err
	}
	return text, k, nil
}

// ListKeys lists the caller's keys, oldest first: those that are active, or all
// of them. Expired keys that nobody deactivated are active.
func (s *Service) ListKeys(ctx context.Context, who app.Actor, includeInactive bool, p app.Page) ([]*app.APIKey, error) {
	s.flushUsage(ctx)
	var out []*app.APIKey
	err := s.store.Read(ctx, func(r app.Reader) error {
		var err error
		out, err = r.APIKeys().ByOwner(who.UserID, includeInactive, p)
		return err
	})
	return out, err
}

// Key reads one of the caller's keys. Administrators have no exception.
//
// Errors: ReasonAPIKeyNotFound (404), ReasonAPIKeyForeign (403) for
// somebody else's key, CodeBusy.
func (s *Service) Key(ctx context.Context, who app.Actor, id uuid.UUID) (*app.APIKey, error) {
	s.flushUsage(ctx)
	var k *app.APIKey
	err := s.store.Read(ctx, func(r app.Reader) error {
		var err error
		k, err = r.APIKeys().ByID(id)
		return err
	})
	if err != nil {
		return nil, err
	}
	if k.OwnerID != who.UserID {
		return nil, app.Forbidden(app.ReasonAPIKeyForeign, "You don't have permission to access this API key")
	}
	return k, nil
}

// flushUsage lets the counters that are about to be shown include everything
// so far. When the writer is busy they lag; that is no reason to show nothing.
func (s *Service) flushUsage(ctx context.Context) {
	if s.usage.idle() {
		return
	}
	if err := s.usage.flush(context.WithoutCancel(ctx)); err != nil {
		s.log.Debug("key usage shown without the latest uses", slog.String("error", err.Error()))
	}
}

// build checks and builds what needs no row.
func (in NewKey) build(now time.Time) (*app.APIKey, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	k := &app.APIKey{
		Name:             in.Name,
		Organization:     in.Organization,
		OrganizationID:   in.OrganizationID,
		Permissions:      app.APIKeyPermissions{Read: true},
		AllowedEndpoints: in.AllowedEndpoints,
		AllowedIPs:       in.AllowedIPs,
		Active:           true,
		RateLimitPerHour: defaultKeyLimit,
		Notes:            in.Notes,
		CreatedAt:        now,
	}
	if k.Organization == "" {
		k.Organization = app.OrganizationExternal
	}
	if in.Permissions != nil {
		k.Permissions = *in.Permissions
	}
	if k.Permissions.Custom == nil {
		k.Permissions.Custom = map[string]bool{}
	}
	if in.RateLimitPerHour != nil {
		k.RateLimitPerHour = *in.RateLimitPerHour
	}
	if in.ExpiresInDays != nil {
		k.ExpiresAt = now.Add(time.Duration(*in.ExpiresInDays) * 24 * time.Hour)
	}
	return k, nil
}

func (in NewKey) check() error {
	if in.Organization != "" && !in.Organization.Known() {
		return wrongShape("organization_type", "unknown variant")
	}
	for i, entry := range in.AllowedIPs {
		if _, err := parseBlock(entry); err != nil {
			return wrongShape(fmt.Sprintf("allowed_ips[%d]", i), err.Error())
		}
	}
	switch {
	case utf8.RuneCountInString(in.Name) > maxKeyName || !printable(in.Name):
		return invalidKey("name must be at most %d characters without control characters", maxKeyName)
	case len(in.Notes) > maxKeyNotes || !storableText(in.Notes):
		return invalidKey("notes must be at most %d bytes of text", maxKeyNotes)
	case in.RateLimitPerHour != nil && (*in.RateLimitPerHour < 1 || *in.RateLimitPerHour > maxKeyLimit):
		return invalidKey("rate_limit_per_hour must be between 1 and %d", maxKeyLimit)
	case in.ExpiresInDays != nil && (*in.ExpiresInDays < 0 || *in.ExpiresInDays > maxKeyDays):
		return invalidKey("expires_in_days must be between 0 and %d", maxKeyDays)
	case len(in.AllowedEndpoints) > maxKeyList || len(in.AllowedIPs) > maxKeyList:
		return invalidKey("allowed_endpoints and allowed_ips must have at most %d entries", maxKeyList)
	}
	for _, entry := range in.AllowedEndpoints {
		if len(entry) > maxKeyListItem || !printable(entry) {
			return invalidKey("allowed_endpoints must hold printable paths of at most %d bytes", maxKeyListItem)
		}
	}
	return in.checkCustom()
}

func (in NewKey) checkCustom() error {
	if in.Permissions == nil {
		return nil
	}
	if len(in.Permissions.Custom) > maxKeyList {
		return invalidKey("permissions.custom must have at most %d entries", maxKeyList)
	}
	for name := range in.Permissions.Custom {
		if len(name) > maxKeyListItem || !printable(name) {
			return invalidKey("permissions.custom must hold printable names of at most %d bytes", maxKeyListItem)
		}
	}
	return nil
}

func invalidKey(format string, args ...any) error {
	return app.Invalid(app.ReasonInvalidAPIKeyInput, format, args...)
}

// wrongShape is the framework's 422 for a value that its type refuses.
func wrongShape(path, why string) error {
	e := app.NewError(app.CodeUnprocessable, app.ReasonShape,
		"Failed to deserialize the JSON body into the target type: %s: %s", path, why)
	e.Fields = []app.FieldError{{Path: path, Reason: why}}
	return e
}

// KeyPrefix begins every API key: it tells keys from tokens.
const KeyPrefix = "dfm_"

const (
	keyAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	keyRandom   = 32
)

// newKeyText draws the characters of a key uniformly: bytes that would favour
// the first letters of the alphabet are drawn again.
func newKeyText(random io.Reader) (string, error) {
	const fair = 256 - 256%len(keyAlphabet)
	text := make([]byte, 0, len(KeyPrefix)+keyRandom)
	text = append(text, KeyPrefix...)
	var buf [keyRandom]byte
	for {
		if _, err := io.ReadFull(random, buf[:]); err != nil {
			return "", fmt.Errorf("read random key: %w", err)
		}
		for _, b := range buf {
			if int(b) >= fair {
				continue
			}
			text = append(text, keyAlphabet[int(b)%len(keyAlphabet)])
			if len(text) == cap(text) {
				return string(text), nil
			}
		}
	}
}
