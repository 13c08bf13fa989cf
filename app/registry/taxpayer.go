package registry

import (
	"strings"
	"unicode"
)

const (
	cpfLen  = 11 // two of them check digits
	cnpjLen = 14 // two of them check digits
)

// parseCPF is the contract's rule: 11 digits, whatever stands between them, and
// not all the same.
func parseCPF(value string) (string, bool) {
	v := digits(value)
	return v, len(v) == cpfLen && !allSame(v)
}

func checkCPF(n string) []string {
	first := mod11(n[:9], 10)
	second := mod11(n[:9]+string(first), 11)
	return mismatch(n[9] == first && n[10] == second)
}

// parseCNPJ takes the letters and digits in use since 2026 and, by the
// contract's rule, 14 digits whatever stands between them.
func parseCNPJ(value string) (string, bool) {
	v := strings.ToUpper(keep(value, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }))
	if only(v, cnpjLen, isUpperAlnum) && isDigit(v[12]) && isDigit(v[13]) {
		return v, !allSame(v)
	}
	v = digits(value)
	return v, len(v) == cnpjLen && !allSame(v)
}

func checkCNPJ(n string) []string {
	first := mod11(n[:12], 9)
	second := mod11(n[:12]+string(first), 9)
	return mismatch(n[12] == first && n[13] == second)
}
