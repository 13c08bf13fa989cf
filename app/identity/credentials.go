package identity

import (
	"context"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"
	"lukechampine.com/blake3"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/ratelimit"
	"github.com/defarm-repo/defarm/app/token"
)

// KeyUse is the request that an API key is shown with.
type KeyUse struct {
	Method string
	// Path is the full request path, without the query.
	Path string
	// Address is the caller's real address; the zero Addr when unknown.
	Address netip.Addr
}

// KeyGrant is what a key gives its bearer, and the state of its limits.
type KeyGrant struct {
	KeyID       uuid.UUID
	Actor       app.Actor
	Permissions app.APIKeyPermissions
	Quota       ratelimit.Verdict

	// What the use was counted with, so that Admit can take it back.
	policy ratelimit.Policy
	at     time.Time
}

// mayAct refuses accounts that are not active, with the contract's texts:
// CodeForbidden, ReasonAccountStatus.
func mayAct(u *app.User) error {
	var text string
	switch u.Status {
	case app.StatusActive:
		return nil
	case app.StatusBanned:
		text = "Your account has been banned. Please contact an administrator."
	case app.StatusPendingVerification:
		text = "Your account is pending verification. Please check your email."
	case app.StatusTrialExpired:
		text = "Your trial has expired. Please upgrade your account."
	default:
		text = "Your account has been suspended. Please contact an administrator."
	}
	return app.Forbidden(app.ReasonAccountStatus, "%s", text)
}

func actorOf(u *app.User) app.Actor {
	return app.Actor{
		UserID:      u.ID,
		Username:    u.Username,
		WorkspaceID: u.WorkspaceID,
		Tier:        u.Tier,
		IsAdmin:     u.IsAdmin,
	}
}

// ByToken resolves a token to its account, as the account is now.
//
// Errors: ReasonInvalidToken (401) for a token that is malformed, forged,
// expired or void since a logout, a password change or a suspension;
// ReasonUserNotFound (404) when the account does not exist;
// ReasonAccountStatus (403) when it may not act; CodeBusy.
func (s *Service) ByToken(ctx context.Context, raw string) (app.Actor, error) {
	claims, err := s.tokens.Parse(raw)
	if err != nil {
		return app.Actor{}, err
	}
	u, err := s.store.User(ctx, claims.UserID)
	if err != nil {
		return app.Actor{}, err
	}
	// The status speaks first: a suspension voids the tokens too, and its
	// text says more.
	if err := mayAct(u); err != nil {
		return app.Actor{}, err
	}
	if void(claims, u) {
		return app.Actor{}, app.Unauthenticated(app.ReasonInvalidToken, "Invalid token: Revoked")
	}
	return actorOf(u), nil
}

// void reports whether the account's tokens of that age are void. Tokens of
// the original carry no generation; they are judged by their time of issue,
// which is exact to the second, in doubt against the token.
func void(c token.Claims, u *app.User) bool {
	if c.HasGeneration {
		return c.Generation != u.Generation
	}
	return c.IssuedAt().Before(u.ValidFrom)
}

// ByKey resolves an API key for one request and counts the request against the
// key's limits and usage. The checks and their order are contract 01
// §2.1; a request that one of them refuses counts for nothing.
//
// Errors: ReasonInvalidAPIKey, ReasonAPIKeyInactive and ReasonAPIKeyExpired
// (401), ReasonIPNotAllowed and ReasonEndpointNotAllowed (403),
// ReasonAccountStatus (403) when the owner may not act, ReasonRateLimited
// (429; the grant then carries the quota), CodeBusy.
func (s *Service) ByKey(ctx context.Context, raw string, use KeyUse) (KeyGrant, error) {
	k, err := s.store.APIKeyByHash(ctx, hashKey(raw))
	if err != nil {
		if app.CodeOf(err) == app.CodeNotFound || app.ReasonOf(err) == app.ReasonInvalidAPIKey {
			return KeyGrant{}, errInvalidKey
		}
		return KeyGrant{}, err
	}
	now := s.env.Now()
	if err := usable(k, use, now); err != nil {
		return KeyGrant{}, err
	}
	owner, err := s.store.User(ctx, k.OwnerID)
	if err != nil {
		return KeyGrant{}, err
	}
	if err := mayAct(owner); err != nil {
		return KeyGrant{}, err
	}
	grant := KeyGrant{
		KeyID: k.ID, Actor: actorOf(owner), Permissions: k.Permissions,
		policy: s.keyPolicy(k, owner), at: now,
	}
	grant.Actor.KeyID = k.ID.String()
	grant.Actor.IsAdmin = owner.IsAdmin && k.Permissions.Admin

	grant.Quota = s.keys.Take(k.ID, grant.policy, now)
	if !grant.Quota.Allowed {
		return grant, overQuota(grant.Quota, now)
	}
	s.usage.add(k.ID, now)
	return grant, nil
}

// usable checks what the key itself restricts: checks 2 to 5.
func usable(k *app.APIKey, use KeyUse, now time.Time) error {
	switch {
	case !k.Active:
		return errInactiveKey
	case !k.ExpiresAt.IsZero() && k.ExpiresAt.Before(now):
		return errExpiredKey
	case !addressAllowed(k.AllowedIPs, use.Address):
		return errAddress
	case !pathAllowed(k.AllowedEndpoints, use.Path):
		return errEndpoint
	default:
		return nil
	}
}

var (
	errInvalidKey = app.Unauthenticated(app.ReasonInvalidAPIKey,
		"The provided API key is invalid or has been revoked")
	errInactiveKey = app.Unauthenticated(app.ReasonAPIKeyInactive, "This API key has been deactivated")
	errExpiredKey  = app.Unauthenticated(app.ReasonAPIKeyExpired, "This API key has expired")
	errAddress     = app.Forbidden(app.ReasonIPNotAllowed,
		"Your IP address is not authorized to use this API key")
	errEndpoint = app.Forbidden(app.ReasonEndpointNotAllowed,
		"This API key is not authorized to access this endpoint")
)

// ceilSeconds rounds up to whole seconds, to at least 1.
func ceilSeconds(d time.Duration) int {
	return max(1, int((d+time.Second-1)/time.Second))
}

// hashKey is the form in which a key is stored: it is never kept itself.
func hashKey(raw string) string {
	sum := blake3.Sum256([]byte(raw))
	return hex.EncodeToString(sum[:])
}

// addressAllowed reports whether a list of addresses and CIDR blocks admits an
// address. An empty list admits all; an unknown address is on no list. IPv4
// addresses mapped into IPv6 are taken as the IPv4 address.
func addressAllowed(list []string, addr netip.Addr) bool {
	if len(list) == 0 {
		return true
	}
	if !addr.IsValid() {
		return false
	}
	addr = addr.Unmap().WithZone("")
	for _, entry := range list {
		if p, err := parseBlock(entry); err == nil && p.Contains(addr) {
			return true
		}
	}
	return false
}

var errBlock = errors.New("invalid IP address syntax")

// parseBlock reads an address or a CIDR block.
func parseBlock(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		if addr.Zone() != "" {
			return netip.Prefix{}, errBlock
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, errBlock
	}
	return p, nil
}

// pathAllowed reports whether a list of exact paths, and of prefixes ending in
// "*", admits a path. An empty list admits all.
func pathAllowed(list []string, path string) bool {
	if len(list) == 0 {
		return true
	}
	for _, entry := range list {
		if prefix, ok := strings.CutSuffix(entry, "*"); ok {
			if strings.HasPrefix(path, prefix) {
				return true
			}
		} else if entry == path {
			return true
		}
	}
	return false
}
