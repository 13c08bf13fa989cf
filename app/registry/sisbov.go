package registry

import "strings"

// The forms of SISBOV numbers, told apart by their length and beginning.
const (
	sisbovContract = "BR"  // and 12 digits
	sisbovNational = "076" // and 12 digits, since 2018: Brazil's ISO country code
	sisbovLegacy   = "105" // state 2, animal 9, check digit
	sisbovLen      = 15
	sisbovOldest   = 17 // country 3, state 2, micro-region 2, animal 9, check digit
)

// parseSISBOV takes numbers with blanks, dots and hyphens in any place. "BR" is
// another spelling of the national numbering.
func parseSISBOV(value string) (string, bool) {
	v := without(value, ".-")
	if rest, ok := strings.CutPrefix(v, sisbovContract); ok {
		v = sisbovNational + rest
		return v, only(v, sisbovLen, isDigit)
	}
	if only(v, sisbovLen, isDigit) {
		return v, strings.HasPrefix(v, sisbovNational) || strings.HasPrefix(v, sisbovLegacy)
	}
	return v, only(v, sisbovOldest, isDigit)
}

// checkSISBOV checks the digit of the two old forms; the national numbering has
// none.
func checkSISBOV(n string) []string {
	if strings.HasPrefix(n, sisbovNational) && len(n) == sisbovLen {
		return nil
	}
	var warnings []string
	if !stateNumber(n[3:5]) {
		warnings = append(warnings, WarnState)
	}
	last := len(n) - 1
	body := n[:last]
	if len(n) == sisbovOldest && body[5:7] == "99" {
		body = body[:5] + "00" + body[7:] // an unknown micro-region counts as 00
	}
	return append(warnings, mismatch(n[last] == mod11(body, 9))...)
}
