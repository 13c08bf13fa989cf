package api

import (
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/defarm-repo/defarm/app"
)

// maxDepth is how deep JSON may nest (design §2.17).
const maxDepth = 64

// scanned is what one pass over a body's bytes tells, before anything is built
// from them.
type scanned struct {
	end     int // where the first JSON value ends; what follows is ignored
	members int // object members, as the text has them
}

// scanJSON looks for what encoding/json would accept and we do not: nesting
// beyond maxDepth, invalid UTF-8 and lone surrogates, which it would replace
// silently. It is no parser: syntax is left to encoding/json.
func scanJSON(b []byte) (scanned, *failure) {
	s := scanned{end: len(b)}
	if !utf8.Valid(b) {
		return s, syntaxFailure(app.ReasonMalformed, "invalid UTF-8", b, 0)
	}
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			depth++
			if depth > maxDepth {
				return s, syntaxFailure(app.ReasonTooDeep, "recursion limit exceeded", b, i+1)
			}
		case '}', ']':
			depth--
			if depth <= 0 {
				s.end = i + 1
				return s, nil
			}
		case ':':
			s.members++
		case '"':
			next, ok := scanString(b, i+1)
			if !ok {
				return s, syntaxFailure(app.ReasonMalformed, "lone surrogate in a string", b, next)
			}
			i = next
		}
	}
	return s, nil
}

// scanString returns the index of the quote that ends the string whose first
// byte is b[i], or len(b) when there is none.
func scanString(b []byte, i int) (int, bool) {
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i, true
		case '\\':
			unit, isUnit := hexUnit(b, i)
			if !isUnit {
				i++
				continue
			}
			switch {
			case unit >= 0xD800 && unit < 0xDC00:
				low, ok := hexUnit(b, i+6)
				if !ok || low < 0xDC00 || low > 0xDFFF {
					return i, false
				}
				i += 11
			case unit >= 0xDC00 && unit <= 0xDFFF:
				return i, false
			default:
				i += 5
			}
		}
	}
	return len(b), true
}

// hexUnit reads a \uXXXX escape at b[i].
func hexUnit(b []byte, i int) (rune, bool) {
	if i+6 > len(b) || b[i] != '\\' || b[i+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[i+2 : i+6] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// decodeAny parses b and turns a syntax error into the contract's 400 without
// repeating what was sent.
func decodeAny(b []byte) (any, *failure) {
	var v any
	err := json.Unmarshal(b, &v)
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return v, nil
	case errors.As(err, &syntax) && int(syntax.Offset) < len(b):
		return nil, syntaxFailure(app.ReasonMalformed, "unexpected character", b, int(syntax.Offset))
	case errors.As(err, &syntax):
		return nil, syntaxFailure(app.ReasonMalformed, "EOF while parsing a value", b, len(b))
	default:
		// What is left is a number beyond float64.
		at := 0
		var typed *json.UnmarshalTypeError
		if errors.As(err, &typed) {
			at = int(typed.Offset)
		}
		return nil, syntaxFailure(app.ReasonMalformed, "number out of range", b, at)
	}
}

// countMembers counts the object members of a parsed value. Fewer than the
// text has means that some key was repeated.
func countMembers(v any) int {
	n := 0
	switch t := v.(type) {
	case map[string]any:
		n = len(t)
		for _, e := range t {
			n += countMembers(e)
		}
	case []any:
		for _, e := range t {
			n += countMembers(e)
		}
	}
	return n
}
