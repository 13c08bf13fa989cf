package registry

import (
	"strings"
	"unicode"
)

// keep returns the characters of s for which want holds.
func keep(s string, want func(r rune) bool) string {
	return strings.Map(func(r rune) rune {
		if want(r) {
			return r
		}
		return -1
	}, s)
}

// without drops white space and the given characters.
func without(s, drop string) string {
	return keep(s, func(r rune) bool { return !unicode.IsSpace(r) && !strings.ContainsRune(drop, r) })
}

// digits returns the ASCII digits of s.
func digits(s string) string {
	return keep(s, func(r rune) bool { return r >= '0' && r <= '9' })
}

// compact drops everything that is punctuation, a symbol, white space or a
// control character.
func compact(s string) string {
	return keep(s, func(r rune) bool { return !unicode.In(r, unicode.P, unicode.S, unicode.Z, unicode.C) })
}

func upper(s string) string { return strings.ToUpper(strings.TrimSpace(s)) }

// compactUpper is the upper case of what compact leaves, or of all of it when
// nothing is left.
func compactUpper(s string) string {
	if c := compact(s); c != "" {
		return strings.ToUpper(c)
	}
	return upper(s)
}

// only reports whether s has n bytes, all of them taken by want.
func only(s string, n int, want func(c byte) bool) bool {
	if len(s) != n {
		return false
	}
	for i := range n {
		if !want(s[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }

func isUpperAlnum(c byte) bool { return isDigit(c) || isUpper(c) }

func isUpperHex(c byte) bool { return isDigit(c) || (c >= 'A' && c <= 'F') }

// allSame reports whether s is one byte over and over.
func allSame(s string) bool { return s != "" && strings.Count(s, s[:1]) == len(s) }

// digitsOf takes n digits, written with blanks, dots or hyphens or without.
func digitsOf(n int) func(string) (string, bool) {
	return func(value string) (string, bool) {
		v := without(value, ".-")
		return v, only(v, n, isDigit)
	}
}
