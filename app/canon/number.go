package canon

import (
	"bytes"
	"math"
	"strconv"
)

// The integers that stay digits. Anything beyond is a double.
const (
	minInteger = "9223372036854775808"  // without its sign
	maxInteger = "18446744073709551615" // both ends included
)

// number reads a number and writes its canonical form.
func (e *encoder) number() error {
	from := e.pos
	negative := e.peek() == '-'
	if negative {
		e.pos++
	}
	first := e.pos
	if !e.digits() || (e.src[first] == '0' && e.pos-first > 1) {
		e.pos = first
		return e.fail(ErrSyntax)
	}
	whole := e.src[first:e.pos]
	integer := true
	if e.peek() == '.' {
		e.pos++
		integer = false
		if !e.digits() {
			return e.fail(ErrSyntax)
		}
	}
	if c := e.peek(); c == 'e' || c == 'E' {
		e.pos++
		integer = false
		if s := e.peek(); s == '+' || s == '-' {
			e.pos++
		}
		if !e.digits() {
			return e.fail(ErrSyntax)
		}
	}
	if integer && isInteger(negative, whole) {
		e.out = append(e.out, e.src[from:e.pos]...)
		return nil
	}
	f, err := strconv.ParseFloat(string(e.src[from:e.pos]), 64)
	if err != nil {
		e.pos = from
		return e.fail(ErrRange)
	}
	e.out = AppendFloat(e.out, f)
	return nil
}

// digits skips decimal digits and reports whether there were any.
func (e *encoder) digits() bool {
	from := e.pos
	for e.pos < len(e.src) && e.src[e.pos] >= '0' && e.src[e.pos] <= '9' {
		e.pos++
	}
	return e.pos > from
}

// isInteger reports whether digits without a leading zero lie within
// -2^63 … 2^64-1. Minus zero is a double: only those have a signed zero.
func isInteger(negative bool, digits []byte) bool {
	limit := maxInteger
	if negative {
		if digits[0] == '0' {
			return false
		}
		limit = minInteger
	}
	if len(digits) != len(limit) {
		return len(digits) < len(limit)
	}
	return bytes.Compare(digits, []byte(limit)) <= 0
}

// AppendFloat appends a double in canonical form: contract 07 §6.2 (4). With
// the shortest digits d that read back as f, f = d × 10^k, and kk the place of
// the decimal point counted from the first digit:
//
//	k >= 0 and kk <= 16   digits, k zeros, ".0"
//	0 < kk <= 16          digits with the point inside
//	-5 < kk <= 0          "0.", -kk zeros, digits
//	else                  one digit, point, digits, "e", kk-1
//
// f must be finite: JSON has no other numbers. NaN and infinities, which no
// JSON text can bring, are written as null.
func AppendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	if math.Signbit(f) {
		dst = append(dst, '-')
		f = -f
	}
	if f == 0 {
		return append(dst, "0.0"...)
	}
	var room [32]byte
	digits, exponent := shortest(room[:0], f)
	n, kk := len(digits), exponent+1
	switch {
	case kk >= n && kk <= 16:
		dst = appendZeros(append(dst, digits...), kk-n)
		return append(dst, ".0"...)
	case 0 < kk && kk <= 16:
		dst = append(dst, digits[:kk]...)
		dst = append(dst, '.')
		return append(dst, digits[kk:]...)
	case -5 < kk && kk <= 0:
		dst = appendZeros(append(dst, "0."...), -kk)
		return append(dst, digits...)
	default:
		dst = append(dst, digits[0])
		if n > 1 {
			dst = append(dst, '.')
			dst = append(dst, digits[1:]...)
		}
		return strconv.AppendInt(append(dst, 'e'), int64(exponent), 10)
	}
}

// shortest returns the shortest digits of f > 0 that read back as f, without
// trailing zeros, and the power of ten of the first one.
func shortest(room []byte, f float64) (digits []byte, exponent int) {
	b := strconv.AppendFloat(room, f, 'e', -1, 64) // d.ddde±dd or de±dd
	mark := bytes.IndexByte(b, 'e')
	for _, c := range b[mark+2:] {
		exponent = exponent*10 + int(c-'0')
	}
	if b[mark+1] == '-' {
		exponent = -exponent
	}
	digits = b[:mark]
	if mark > 1 { // close the gap of the point
		copy(digits[1:], digits[2:])
		digits = digits[:mark-1]
	}
	return digits, exponent
}

func appendZeros(dst []byte, n int) []byte {
	for ; n > 0; n-- {
		dst = append(dst, '0')
	}
	return dst
}
