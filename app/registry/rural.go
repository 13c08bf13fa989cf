package registry

import (
	"strings"
	"unicode"
)

// The environmental register of farms (CAR): state, hyphen, municipality,
// hyphen, 32 hexadecimal digits.
const (
	carContract = "BR-" // and more, 9 to 44 bytes in all
	carPlaceEnd = 10    // state 2, hyphen, municipality 7
	carLen      = 43
)

func contractCAR(value string) bool {
	return strings.HasPrefix(value, carContract) && len(value) >= 9 && len(value) <= 44
}

// parseCAR drops dots and blanks, as the public register prints them.
func parseCAR(value string) (string, bool) {
	v := strings.ToUpper(without(value, "."))
	ok := len(v) == carLen && v[2] == '-' && v[carPlaceEnd] == '-' &&
		only(v[:2], 2, isUpper) && only(v[3:carPlaceEnd], 7, isDigit) && only(v[carPlaceEnd+1:], 32, isUpperHex)
	return v, ok
}

func checkCAR(n string) []string {
	switch state := stateOf(n[:2]); state {
	case n[3:5]:
		return nil
	case "":
		return []string{WarnState}
	default:
		return []string{WarnPlace}
	}
}

// The register of rural properties (NIRF, now CIB): 8 digits, or 8 characters
// of Crockford's base 32.
const nirfLen = 8

// contractNIRF takes 8 digits or more, whatever stands between them.
func contractNIRF(value string) bool { return len(digits(value)) >= nirfLen }

func parseNIRF(value string) (string, bool) {
	v := compactUpper(value)
	return v, only(v, nirfLen, isCrockford)
}

// isCrockford takes the digits and the letters but I, L, O and U.
func isCrockford(c byte) bool { return isUpperAlnum(c) && !strings.ContainsRune("ILOU", rune(c)) }

// checkNIRF checks numbers without letters; the others have no published rule.
func checkNIRF(n string) []string {
	if !only(n, nirfLen, isDigit) {
		return nil
	}
	last := nirfLen - 1
	return mismatch(n[last] == mod11(n[:last], nirfLen))
}

// parseIE takes state registrations. Every state has its own form, so only the
// spelling is made one.
func parseIE(value string) (string, bool) {
	v := compactUpper(value)
	return v, len(v) >= 8
}

// parseGTA takes animal transit permits: state, series and number, with
// hyphens, slashes, dots or blanks between them.
func parseGTA(value string) (string, bool) {
	parts := strings.FieldsFunc(strings.ToUpper(value), func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune("-/.", r)
	})
	if len(parts) != 3 {
		return "", false
	}
	state, series, number := parts[0], parts[1], parts[2]
	ok := only(state, 2, isUpper) && only(series, len(series), isUpperAlnum) && only(number, len(number), isDigit)
	return state + "-" + series + "-" + number, ok
}

func checkGTA(n string) []string {
	if stateOf(n[:2]) == "" {
		return []string{WarnState}
	}
	return nil
}
