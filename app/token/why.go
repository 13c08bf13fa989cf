package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// The fixed reason texts of contract 01 §2.2.
const (
	reasonShape     = "InvalidToken"
	reasonAlgorithm = "InvalidAlgorithm"
	reasonSignature = "InvalidSignature"
	reasonExpired   = "ExpiredSignature"
	reasonAudience  = "InvalidAudience"
)

// otherAlgorithms are those that the original's library knows and refuses. It
// takes any other name, "none" included, for a header that is not JSON of the
// right shape.
var otherAlgorithms = []string{
	"HS384", "HS512", "ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA",
}

// why names the first reason to refuse a token, in the contract's order: shape,
// header, algorithm, signature, claims, expiry, audience.
func (s *Signer) why(raw string) string {
	parts, ok := segments(raw)
	if !ok {
		return reasonShape
	}
	if reason := badHeader(parts[0]); reason != "" {
		return reason
	}
	signature, err := decode(parts[2])
	if err != nil {
		return base64Reason(err)
	}
	if jwt.SigningMethodHS256.Verify(parts[0]+"."+parts[1], signature, s.secret) != nil {
		return reasonSignature
	}
	return s.badClaims(parts[1])
}

func badHeader(segment string) string {
	text, err := decode(segment)
	if err != nil {
		return base64Reason(err)
	}
	var header struct {
		Algorithm *string `json:"alg"`
	}
	if err := json.Unmarshal(text, &header); err != nil {
		return jsonReason(err)
	}
	switch {
	case header.Algorithm == nil:
		return jsonReason(errors.New("missing field `alg`"))
	case *header.Algorithm == jwt.SigningMethodHS256.Alg():
		return ""
	case slices.Contains(otherAlgorithms, *header.Algorithm):
		return reasonAlgorithm
	default:
		return jsonReason(errors.New("unknown variant of field `alg`"))
	}
}

func (s *Signer) badClaims(segment string) string {
	text, err := decode(segment)
	if err != nil {
		return base64Reason(err)
	}
	var w wireClaims
	if err := json.Unmarshal(text, &w); err != nil {
		return jsonReason(err)
	}
	switch err := w.Validate(); {
	case errors.Is(err, errNoUserID), errors.Is(err, errNoExpiry):
		return jsonReason(err)
	case expired(*w.Expires, s.now()):
		return reasonExpired
	case errors.Is(err, errAudience):
		return reasonAudience
	default:
		// golang-jwt is stricter somewhere (a header of an odd shape).
		return reasonShape
	}
}

func decode(segment string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(segment) }

func base64Reason(err error) string { return fmt.Sprintf("Base64 error: %v", err) }

// jsonReason leaves the decoder's own words out where they could repeat what
// the token says.
func jsonReason(err error) string {
	var (
		syntax *json.SyntaxError
		shape  *json.UnmarshalTypeError
	)
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("JSON error: syntax error at byte %d", syntax.Offset)
	case errors.As(err, &shape):
		return fmt.Sprintf("JSON error: invalid type for field `%s`", shape.Field)
	default:
		return "JSON error: " + err.Error()
	}
}
