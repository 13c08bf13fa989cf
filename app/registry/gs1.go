package registry

import "strings"

// gtinLen is the length to which shorter GTINs are padded with zeros.
const gtinLen = 14

// parseGTIN takes 8, 12, 13 or 14 digits, with blanks or hyphens or without.
func parseGTIN(value string) (string, bool) {
	for _, n := range []int{8, 12, 13, gtinLen} {
		if v, ok := digitsOf(n)(value); ok {
			return strings.Repeat("0", gtinLen-n) + v, true
		}
	}
	return "", false
}

// checkGS1 checks the last digit of a GTIN, GLN or SSCC. Zeros in front do not
// change it.
func checkGS1(n string) []string {
	last := len(n) - 1
	return mismatch(n[last] == mod10(n[:last]))
}
