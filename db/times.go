package db

import "time"

// Instants are stored as nanoseconds since 1970 in UTC, 0 for "never".
// Integers compare and index cheaply, and no time zone can get lost.

// toUnix is the stored form of t; 0 for the zero time.
func toUnix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// fromUnix is the instant stored as n, in UTC; the zero time for 0.
func fromUnix(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// b2i is the stored form of a boolean. Scanning 0 or 1 into a bool is done by
// database/sql.
func b2i(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
