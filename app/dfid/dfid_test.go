package dfid_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/defarm-repo/defarm/app/dfid"
)

// vectors are those of contract 02 §6.1 and 04 §9.1.
var vectors = []struct {
	date string
	seq  uint64
	want string
}{
	{"2024-09-26", 1, "DFID-20240926-000001-2488"},
	{"2025-01-01", 1, "DFID-20250101-000001-F7BD"},
	{"2025-01-01", 42, "DFID-20250101-000042-F83A"},
	{"2025-01-01", 267, "DFID-20250101-000267-0"},
	{"2025-01-01", 300, "DFID-20250101-000300-300"},
	{"2026-01-15", 7, "DFID-20260115-000007-94C6"},
	{"2025-12-31", 999999, "DFID-20251231-999999-D9E9"},
	{"2025-10-13", 1, "DFID-20251013-000001-CEEF"},
	{"2025-01-08", 42, "DFID-20250108-000042-94E"},
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, tc := range vectors {
		day, err := time.Parse(time.DateOnly, tc.date)
		if err != nil {
			t.Fatal(err)
		}
		if got := dfid.Format(day.Add(13*time.Hour), tc.seq); got != tc.want {
			t.Errorf("Format(%s, %d) = %s, want %s", tc.date, tc.seq, got, tc.want)
		}
		if !dfid.Valid(tc.want) {
			t.Errorf("Valid(%s) = false", tc.want)
		}
	}
}

func TestFormatUsesTheDayInUTC(t *testing.T) {
	t.Parallel()
	brasilia := time.FixedZone("BRT", -3*60*60)
	got := dfid.Format(time.Date(2024, 12, 31, 22, 0, 0, 0, brasilia), 1)
	if want := "DFID-20250101-000001-F7BD"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestValid(t *testing.T) {
	t.Parallel()
	day := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, seq := range []uint64{0, 1_000_000, 12_345_678, 1<<64 - 1} {
		if s := dfid.Format(day, seq); !dfid.Valid(s) {
			t.Errorf("Valid(%s) = false; long sequences must be valid", s)
		}
	}
	if s := "DFID-99999999-000001-" + second("99999999", "000001"); !dfid.Valid(s) {
		t.Errorf("Valid(%s) = false; the calendar is not consulted", s)
	}
	refused := []struct{ name, in string }{
		{"empty", ""},
		{"prefix only", "DFID-"},
		{"other prefix", "XFID-20250101-000001-F7BD"},
		{"lower-case prefix", "dfid-20250101-000001-F7BD"},
		{"local item", "LID-12a00000-0000-4000-8000-000000000000"},
		{"three parts", "DFID-20250101-000001"},
		{"five parts", "DFID-20250101-000001-F7BD-"},
		{"no checksum", "DFID-20250101-000001-"},
		{"wrong checksum", "DFID-20250101-000001-F7BE"},
		{"lower-case checksum", "DFID-20250101-000001-f7bd"},
		{"padded checksum", "DFID-20250101-000267-0000"},
		{"short date", "DFID-2025101-000001-" + second("2025101", "000001")},
		{"long date", "DFID-202501011-000001-" + second("202501011", "000001")},
		{"letter in date", "DFID-2025010l-000001-" + second("2025010l", "000001")},
		{"five digits", "DFID-20250101-00001-" + second("20250101", "00001")},
		{"seven digits, needless zero", "DFID-20250101-0000001-" + second("20250101", "0000001")},
		{"letter in sequence", "DFID-20250101-00000a-" + second("20250101", "00000a")},
		{"sign in sequence", "DFID-20250101-+00001-" + second("20250101", "+00001")},
		{"beyond 64 bits", "DFID-20250101-18446744073709551616-" + second("20250101", "18446744073709551616")},
		{"Arabic digits", "DFID-٢٠٢٥-000001-" + second("٢٠٢٥", "000001")},
		{"trailing blank", "DFID-20250101-000001-F7BD "},
	}
	for _, tc := range refused {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if dfid.Valid(tc.in) {
				t.Errorf("Valid(%q) = true", tc.in)
			}
		})
	}
}

// second is the checksum as one polynomial over the whole text, in unbounded
// integers.
func second(date, number string) string {
	sum, weight := new(big.Int), big.NewInt(1)
	text := date + number
	for i := len(text) - 1; i >= 0; i-- {
		sum.Add(sum, new(big.Int).Mul(big.NewInt(int64(text[i])), weight))
		weight.Mul(weight, big.NewInt(31))
	}
	sum.Mod(sum, big.NewInt(1<<32))
	sum.Mod(sum, big.NewInt(65535))
	return fmt.Sprintf("%X", sum)
}

func TestAgainstSecondImplementation(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(0, 253402300799).Draw(t, "second"), 0)
		seq := rapid.Uint64().Draw(t, "sequence")
		got := dfid.Format(at, seq)
		date, number := at.UTC().Format("20060102"), fmt.Sprintf("%06d", seq)
		if want := "DFID-" + date + "-" + number + "-" + second(date, number); got != want {
			t.Fatalf("Format = %s, want %s", got, want)
		}
		if !dfid.Valid(got) {
			t.Fatalf("Valid(%s) = false", got)
		}
		i := rapid.IntRange(5, len(got)-1).Draw(t, "place")
		changed := got[:i] + string(rapid.SampledFrom([]byte("0123456789ABCDEFx-")).Draw(t, "byte")) + got[i+1:]
		if changed != got && dfid.Valid(changed) {
			parts := strings.Split(changed, "-")
			if parts[3] != second(parts[1], parts[2]) {
				t.Fatalf("Valid(%s) = true with a wrong checksum", changed)
			}
		}
	})
}

func FuzzValid(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.want)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !dfid.Valid(s) {
			return
		}
		var date, number, check string
		parts := strings.Split(s, "-")
		date, number, check = parts[1], parts[2], parts[3]
		if len(parts) != 4 || len(date) != 8 || len(number) < 6 || check != second(date, number) {
			t.Fatalf("Valid(%q) = true", s)
		}
	})
}
