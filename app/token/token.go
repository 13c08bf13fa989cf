// Package token issues and checks the server's session tokens: HS256 with the
// claims of contract 01 §4 and one of ours.
//
// The reason texts of refused tokens, and the order in which the checks speak,
// are the original's (contract 01 §2.2), because clients show and log them.
// golang-jwt decides whether a token is good; only for one that is not, why.go
// looks for the reason that the original would have given.
package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/defarm-repo/defarm/app"
)

// Lifetime is how long a token is good for after it was issued. Tokens of the
// original have the same one: it gives their time of issue (Claims.IssuedAt).
const Lifetime = 24 * time.Hour

// leeway is how long an expired token is still taken, for clocks that differ.
const leeway = 60 * time.Second

// MinSecret is the shortest signing secret, in bytes.
const MinSecret = 32

// maxToken bounds what is decoded before the signature has been checked.
const maxToken = 8 << 10

// Claims are what a token says.
type Claims struct {
	UserID string
	// WorkspaceID is "" when the token has none; null on the wire.
	WorkspaceID string
	ExpiresAt   time.Time
	// Generation is the account's session generation at the time of issue.
	// HasGeneration is false for tokens that the original issued.
	Generation    int64
	HasGeneration bool
}

// IssuedAt is when the token was issued: tokens do not say so, but they all
// live equally long.
func (c Claims) IssuedAt() time.Time { return c.ExpiresAt.Add(-Lifetime) }

// Signer issues and checks tokens. Its methods may be called concurrently.
type Signer struct {
	secret []byte
	now    func() time.Time
	parser *jwt.Parser
	seen   *seen
}

// NewSigner makes a Signer for a secret of at least MinSecret bytes.
func NewSigner(secret []byte, now func() time.Time) (*Signer, error) {
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("token secret: %d bytes, at least %d are needed", len(secret), MinSecret)
	}
	s := &Signer{secret: append([]byte(nil), secret...), now: now, seen: newSeen()}
	s.parser = jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithExpirationRequired(),
		// The original compares whole seconds and takes the last one too.
		jwt.WithLeeway(leeway+time.Second),
		jwt.WithTimeFunc(func() time.Time { return now().Truncate(time.Second) }),
	)
	return s, nil
}

// Issue makes a token that lives for Lifetime and returns it with its expiry,
// in whole seconds.
func (s *Signer) Issue(userID, workspaceID string, generation int64) (string, time.Time, error) {
	expires := time.Unix(s.now().Add(Lifetime).Unix(), 0).UTC()
	w := wireClaims{UserID: &userID, Generation: &generation}
	if workspaceID != "" {
		w.WorkspaceID = &workspaceID
	}
	unix := expires.Unix()
	w.Expires = &unix
	raw, err := jwt.NewWithClaims(jwt.SigningMethodHS256, w).SignedString(s.secret)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign token: %w", err)
	}
	return raw, expires, nil
}

// Parse checks a token and returns its claims. A token that is not acceptable
// is CodeUnauthenticated, ReasonInvalidToken, with the contract's text.
func (s *Signer) Parse(raw string) (Claims, error) {
	if len(raw) > maxToken {
		return Claims{}, refused(reasonShape)
	}
	if c, ok := s.seen.get(raw, s.now()); ok {
		return c, nil
	}
	var w wireClaims
	_, err := s.parser.ParseWithClaims(raw, &w, func(*jwt.Token) (any, error) { return s.secret, nil })
	if err != nil {
		return Claims{}, refused(s.why(raw)).Causing(err)
	}
	c := Claims{UserID: *w.UserID, ExpiresAt: time.Unix(*w.Expires, 0).UTC()}
	if w.WorkspaceID != nil {
		c.WorkspaceID = *w.WorkspaceID
	}
	if w.Generation != nil {
		c.Generation, c.HasGeneration = *w.Generation, true
	}
	// The text may be part of a larger buffer.
	s.seen.add(strings.Clone(raw), c)
	return c, nil
}

// expired compares whole seconds, as the original does.
func expired(exp int64, now time.Time) bool {
	return exp < now.Unix()-int64(leeway/time.Second)
}

func refused(reason string) *app.Error {
	return app.Unauthenticated(app.ReasonInvalidToken, "Invalid token: %s", reason)
}

// wireClaims are the claims as they are written. Of the registered ones only
// exp and aud count: the others are ignored, as the original does.
type wireClaims struct {
	UserID      *string         `json:"user_id"`
	WorkspaceID *string         `json:"workspace_id"`
	Expires     *int64          `json:"exp"`
	Generation  *int64          `json:"gen"`
	Audience    json.RawMessage `json:"aud,omitempty"`
}

var (
	errNoUserID = errors.New("missing field `user_id`")
	errNoExpiry = errors.New("missing field `exp`")
	errAudience = errors.New("token is for an audience")
)

// Validate is called by golang-jwt beside its own checks.
func (w wireClaims) Validate() error {
	switch {
	case w.UserID == nil:
		return errNoUserID
	case w.Expires == nil:
		return errNoExpiry
	case len(w.Audience) > 0:
		return errAudience
	default:
		return nil
	}
}

// GetExpirationTime implements jwt.Claims.
func (w wireClaims) GetExpirationTime() (*jwt.NumericDate, error) {
	if w.Expires == nil {
		return nil, nil //nolint:nilnil // the interface's way to say "absent"
	}
	return jwt.NewNumericDate(time.Unix(*w.Expires, 0)), nil
}

// GetIssuedAt implements jwt.Claims.
func (wireClaims) GetIssuedAt() (*jwt.NumericDate, error) { return nil, nil } //nolint:nilnil // ignored

// GetNotBefore implements jwt.Claims.
func (wireClaims) GetNotBefore() (*jwt.NumericDate, error) { return nil, nil } //nolint:nilnil // ignored

// GetIssuer implements jwt.Claims.
func (wireClaims) GetIssuer() (string, error) { return "", nil }

// GetSubject implements jwt.Claims.
func (wireClaims) GetSubject() (string, error) { return "", nil }

// GetAudience implements jwt.Claims.
func (wireClaims) GetAudience() (jwt.ClaimStrings, error) { return nil, nil }

// segments splits a token into header, claims and signature.
func segments(raw string) ([3]string, bool) {
	var out [3]string
	parts := strings.SplitN(raw, ".", 4)
	if len(parts) != 3 {
		return out, false
	}
	return [3]string(parts), true
}
