package api

import (
	"strings"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// parseUUID reads the spellings that the contract accepts (01 §1.4): with
// hyphens, 32 hex digits, {braced} or after "urn:uuid:", in any case.
func parseUUID(s string) (uuid.UUID, bool) {
	switch len(s) {
	case 36, 32:
	case 38:
		if s[0] != '{' || s[37] != '}' {
			return uuid.Nil, false
		}
		s = s[1:37]
	case 45:
		if !strings.EqualFold(s[:9], "urn:uuid:") {
			return uuid.Nil, false
		}
		s = s[9:]
	default:
		return uuid.Nil, false
	}
	// Of the lengths that are left, uuid.Parse knows these two forms only.
	id, err := uuid.Parse(s)
	return id, err == nil
}

// pathUUID reads a path parameter that must be a UUID; the error is the
// contract's for it (400). The value itself is not repeated.
func pathUUID(name, s string) (uuid.UUID, error) {
	id, ok := parseUUID(s)
	if !ok {
		return uuid.Nil, app.Invalid(app.ReasonBadPath, "Invalid URL: UUID parsing failed: `%s` is not a UUID", name)
	}
	return id, nil
}
