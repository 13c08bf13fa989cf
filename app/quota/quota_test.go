package quota

import (
	"math"
	"testing"
	"time"

	"github.com/defarm-repo/defarm/app"
)

func TestMonths(t *testing.T) {
	t.Parallel()
	tests := []struct {
		at    string
		month int64
		next  string
	}{
		{"1970-01-01T00:00:00Z", 0, "1970-02-01T00:00:00Z"},
		{"2026-01-31T23:59:59.999999999Z", 672, "2026-02-01T00:00:00Z"},
		{"2026-12-31T23:59:59Z", 683, "2027-01-01T00:00:00Z"},
		{"2027-01-01T00:30:00+01:00", 683, "2027-01-01T00:00:00Z"},
		{"2028-02-29T12:00:00Z", 697, "2028-03-01T00:00:00Z"},
	}
	for _, tc := range tests {
		at, err := time.Parse(time.RFC3339Nano, tc.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := month(at); got != tc.month {
			t.Errorf("month of %s: got %d, want %d", tc.at, got, tc.month)
		}
		if got := nextMonth(at).Format(time.RFC3339); got != tc.next {
			t.Errorf("month after %s: got %s, want %s", tc.at, got, tc.next)
		}
	}
}

// A quota that is nil, or enforces nothing, asks the transaction for nothing.
func TestNothingEnforced(t *testing.T) {
	t.Parallel()
	work := Work{Operation: app.TierAdminUsers, Cost: app.CreditAuditExport, Count: math.MaxInt64}
	for name, q := range map[string]*Quota{"nil": nil, "no policy": New(app.Env{}, Policy{})} {
		if err := q.Take(nil, app.Actor{}, work); err != nil {
			t.Errorf("%s: got %v, want nothing", name, err)
		}
		if q.Charges() {
			t.Errorf("%s: charges", name)
		}
	}
}
