package password

import (
	"unicode"

	"github.com/defarm-repo/defarm/app"
)

// Complexity checks a new password against the rules of contract 01 §5.2; the
// first that fails is the error (ReasonWeakPassword). What bcrypt cannot store
// is refused after them.
func Complexity(pw string) error {
	var upper, lower, digit, special bool
	for _, r := range pw {
		switch {
		case isUpper(r):
			upper = true
		case isLower(r):
			lower = true
		case '0' <= r && r <= '9':
			digit = true
		case !isAlphanumeric(r):
			special = true
		}
	}
	switch {
	case len(pw) < 8:
		return weak("Password must be at least 8 characters long")
	case !upper:
		return weak("Password must contain at least one uppercase letter")
	case !lower:
		return weak("Password must contain at least one lowercase letter")
	case !digit:
		return weak("Password must contain at least one digit")
	case !special:
		return weak("Password must contain at least one special character")
	}
	return storable(pw)
}

func weak(text string) error { return app.Invalid(app.ReasonWeakPassword, "%s", text) }

// The classes below are those of Unicode's derived properties, which the
// original asks for, not only of the general categories.

func isUpper(r rune) bool { return unicode.IsUpper(r) || unicode.Is(unicode.Other_Uppercase, r) }

func isLower(r rune) bool { return unicode.IsLower(r) || unicode.Is(unicode.Other_Lowercase, r) }

func isAlphanumeric(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.Other_Alphabetic, r)
}
