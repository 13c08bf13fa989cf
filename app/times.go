package app

import (
	"strings"
	"time"
)

// FormatZ writes an instant as RFC 3339 in UTC ending in "Z", with 0, 3, 6 or
// 9 fraction digits: the shortest that is exact (contract 01, "Z form").
func FormatZ(t time.Time) string { return formatFraction(t) + "Z" }

// FormatOffset is FormatZ with "+00:00" in place of "Z" ("offset form").
func FormatOffset(t time.Time) string { return formatFraction(t) + "+00:00" }

func formatFraction(t time.Time) string {
	t = t.UTC()
	s := t.Format("2006-01-02T15:04:05.000000000")
	for _, zeros := range []string{".000000000", "000000", "000"} {
		if cut, ok := strings.CutSuffix(s, zeros); ok {
			return cut
		}
	}
	return s
}
