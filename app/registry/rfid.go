package registry

import (
	"fmt"
	"strconv"
	"strings"
)

// The layout of an ISO 11784 code; its bits count from the most significant.
const (
	rfidLen      = 15                 // country or manufacturer 3, number 12
	rfidMaxCode  = 999                // 001-899 countries, 900-998 manufacturers, 999 for tests
	rfidNumBits  = 38                 // bits 27-64
	rfidMaxNum   = 1<<rfidNumBits - 1 // 274,877,906,943
	rfidHexLen   = 16
	rfidAnimal   = uint64(1) << 63      // bit 1
	rfidReserved = uint64(1<<6-1) << 49 // bits 10-15, always zero
	rfidCodeBits = 1<<10 - 1            // bits 17-26
)

// parseRFID takes the 15 digits of an ISO 11784 code, spaced or not, and the 64
// bits in hexadecimal as readers print them. Bits that say nothing about the
// number (retagging counter, user information, data block) are passed over.
//
// Sixteen decimal digits are hexadecimal too. Only those that make a whole
// animal's code are read so: two different numbers must not become one.
func parseRFID(value string) (string, bool) {
	v := without(value, "")
	if only(v, rfidLen, isDigit) {
		return v, true
	}
	bits, ok := rfidBits(value)
	if !ok || bits&rfidAnimal == 0 || bits&rfidReserved != 0 {
		return "", false
	}
	code := bits >> rfidNumBits & rfidCodeBits
	if code == 0 || code > rfidMaxCode {
		return "", false
	}
	return fmt.Sprintf("%03d%012d", code, bits&rfidMaxNum), true
}

// rfidBits reads 16 hexadecimal digits.
func rfidBits(value string) (uint64, bool) {
	v := strings.ToUpper(strings.TrimSpace(value))
	if !only(v, rfidHexLen, isUpperHex) {
		return 0, false
	}
	bits, err := strconv.ParseUint(v, 16, 64)
	return bits, err == nil
}

// unmarkedChip reports whether the value is a 64-bit code of something other
// than an animal. Sixteen decimal digits are more likely another number.
func unmarkedChip(value string) bool {
	bits, ok := rfidBits(value)
	return ok && bits&rfidAnimal == 0 && !only(strings.TrimSpace(value), rfidHexLen, isDigit)
}

func checkRFID(n string) []string {
	var warnings []string
	if n[:3] == "000" {
		warnings = append(warnings, WarnCountry)
	}
	if number, err := strconv.ParseUint(n[3:], 10, 64); err != nil || number > rfidMaxNum {
		warnings = append(warnings, WarnNumber)
	}
	return warnings
}
