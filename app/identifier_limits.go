package app

import (
	"strings"
	"unicode/utf8"
)

// maxIdentifierText bounds each text of an identifier, in bytes (design §2.17).
const maxIdentifierText = 1024

// TooManyIdentifiers is the error for an item with n identifiers.
func TooManyIdentifiers(n int) *Error {
	return Invalid(ReasonTooManyElements, "Validation error: %d identifiers given; an item carries at most %d", n, MaxIdentifiers)
}

// CheckIdentifiers applies the bounds that every identifier must keep, wherever
// it comes from: at most MaxIdentifiers of them, texts of at most 1,024 bytes
// of UTF-8 without U+0000. Whether a value suits its registry is another
// question (WellFormed). ReasonTooManyElements, ReasonForbiddenText.
func CheckIdentifiers(ids []Identifier) error {
	if len(ids) > MaxIdentifiers {
		return TooManyIdentifiers(len(ids))
	}
	for i, id := range ids {
		for _, part := range [...]struct{ name, text string }{
			{"namespace", id.Namespace}, {"key", id.Key}, {"value", id.Value}, {"scope", id.Scope},
		} {
			switch {
			case len(part.text) > maxIdentifierText:
				return Invalid(ReasonForbiddenText, "Validation error: identifiers[%d].%s is longer than %d bytes", i, part.name, maxIdentifierText)
			case strings.IndexByte(part.text, 0) >= 0 || !utf8.ValidString(part.text):
				return Invalid(ReasonForbiddenText, "Validation error: identifiers[%d].%s must be UTF-8 without U+0000", i, part.name)
			}
		}
	}
	return nil
}
