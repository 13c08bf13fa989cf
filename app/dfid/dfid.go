// Package dfid writes and checks DFIDs, the names of traced items (contract 02
// §6.1): "DFID-", the UTC date of eight digits, the number drawn from the
// server's one durable sequence, and a checksum over both.
//
// The sequence does not restart with the day and outgrows six digits in time.
// The original's check demands exactly six; here longer ones are valid, since
// the millionth item must be as good as the others.
package dfid

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	prefix      = "DFID-"
	dateDigits  = 8
	minSequence = 6 // digits, zero-padded
)

// Format returns the DFID of an item traced at that instant under that number.
func Format(at time.Time, seq uint64) string {
	date := at.UTC().Format("20060102")
	number := fmt.Sprintf("%0*d", minSequence, seq)
	return prefix + date + "-" + number + "-" + checksum(date, number)
}

// Valid reports whether s is a DFID as Format writes it: four parts, eight
// digits of date (any; the calendar is not consulted), a number of six digits
// or more that has no needless zeros and fits 64 bits, and the right checksum.
// Case matters.
func Valid(s string) bool {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return false
	}
	parts := strings.Split(rest, "-")
	if len(parts) != 3 {
		return false
	}
	date, number := parts[0], parts[1]
	if len(date) != dateDigits || !digits(date) || len(number) < minSequence || !digits(number) {
		return false
	}
	if len(number) > minSequence && number[0] == '0' {
		return false
	}
	if _, err := strconv.ParseUint(number, 10, 64); err != nil {
		return false
	}
	return parts[2] == checksum(date, number)
}

// checksum is h = 31·h + byte mod 2^32 over date and number, mod 65535 (not
// 65536), in upper-case hexadecimal without padding: 1 to 4 digits.
func checksum(date, number string) string {
	var h uint32
	for i := range len(date) {
		h = h*31 + uint32(date[i])
	}
	for i := range len(number) {
		h = h*31 + uint32(number[i])
	}
	return strings.ToUpper(strconv.FormatUint(uint64(h%0xFFFF), 16))
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
