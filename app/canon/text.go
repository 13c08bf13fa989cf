package canon

import (
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendString appends s as a canonical JSON string. s should be valid UTF-8
// without U+0000, which Canonical guarantees for what it read; other bytes are
// written as U+FFFD and \u0000.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(dst, s[from:i]...)
				dst = append(dst, "\uFFFD"...)
				from = i + 1
			}
			i += n
			continue
		}
		if plain(c) {
			i++
			continue
		}
		dst = append(dst, s[from:i]...)
		dst = appendEscape(dst, c)
		i++
		from = i
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

// plain reports whether an ASCII byte stands for itself in a string.
func plain(c byte) bool { return c >= ' ' && c != '"' && c != '\\' }

// appendEscape writes an ASCII byte that is not plain.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\t':
		return append(dst, '\\', 't')
	case '\n':
		return append(dst, '\\', 'n')
	case '\f':
		return append(dst, '\\', 'f')
	case '\r':
		return append(dst, '\\', 'r')
	default:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
}

// text reads a string and writes its canonical form.
func (e *encoder) text() error {
	e.pos++
	e.out = append(e.out, '"')
	for {
		if err := e.run(); err != nil {
			return err
		}
		switch c := e.peek(); {
		case c == '"':
			e.pos++
			e.out = append(e.out, '"')
			return nil
		case c == '\\':
			if err := e.escape(); err != nil {
				return err
			}
		case c == 0 && e.pos < len(e.src):
			return e.fail(ErrNUL)
		default: // a raw control character, or the end of the text
			return e.fail(ErrSyntax)
		}
	}
}

// run copies the characters that stand for themselves.
func (e *encoder) run() error {
	rest := e.src[e.pos:]
	var bits byte
	n := 0
	for n < len(rest) && plain(rest[n]) {
		bits |= rest[n]
		n++
	}
	if bits >= utf8.RuneSelf && !utf8.Valid(rest[:n]) {
		return e.fail(ErrUTF8)
	}
	e.pos += n
	e.out = append(e.out, rest[:n]...)
	return nil
}

// escape reads one escape sequence, a surrogate pair being one.
func (e *encoder) escape() error {
	if e.pos+1 >= len(e.src) {
		return e.fail(ErrSyntax)
	}
	c := e.src[e.pos+1]
	switch c {
	case '"', '\\':
	case '/':
		e.out = append(e.out, '/')
		e.pos += 2
		return nil
	case 'b':
		c = '\b'
	case 't':
		c = '\t'
	case 'n':
		c = '\n'
	case 'f':
		c = '\f'
	case 'r':
		c = '\r'
	case 'u':
		return e.unicode()
	default:
		return e.fail(ErrSyntax)
	}
	e.out = appendEscape(e.out, c)
	e.pos += 2
	return nil
}

func (e *encoder) unicode() error {
	r, ok := e.hex4(e.pos)
	if !ok {
		return e.fail(ErrSyntax)
	}
	size := 6
	if utf16.IsSurrogate(r) {
		low, ok := e.hex4(e.pos + size)
		if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
			return e.fail(ErrSurrogate)
		}
		size += 6
	}
	switch {
	case r == 0:
		return e.fail(ErrNUL)
	case r < utf8.RuneSelf && !plain(byte(r)):
		e.out = appendEscape(e.out, byte(r))
	default:
		e.out = utf8.AppendRune(e.out, r)
	}
	e.pos += size
	return nil
}

// hex4 reads \uXXXX at the given place.
func (e *encoder) hex4(at int) (rune, bool) {
	if at+6 > len(e.src) || e.src[at] != '\\' || e.src[at+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range e.src[at+2 : at+6] {
		d, ok := hexValue(c)
		if !ok {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

// unescape decodes the inside of a canonical string.
func unescape(s []byte) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		i++
		switch s[i] {
		case 'b':
			out = append(out, '\b')
		case 't':
			out = append(out, '\t')
		case 'n':
			out = append(out, '\n')
		case 'f':
			out = append(out, '\f')
		case 'r':
			out = append(out, '\r')
		case 'u': // \u00xx: nothing else is written so
			hi, _ := hexValue(s[i+3])
			lo, _ := hexValue(s[i+4])
			out = append(out, hi<<4|lo)
			i += 4
		default: // " and \
			out = append(out, s[i])
		}
	}
	return out
}

func hexValue(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	default:
		return 0, false
	}
}
