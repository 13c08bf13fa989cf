package registry_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/defarm-repo/defarm/app/registry"
)

var all = []string{"sisbov", "rfid", "cpf", "cnpj", "car", "nirf", "ie", "gta", "gtin", "gln", "sscc", "other"}

// contractAccepts is contract 02 §6.3 written down again from its table.
func contractAccepts(name, v string) bool {
	count := 0
	same := true
	first := byte(0)
	for i := range len(v) {
		if strings.IndexByte("0123456789", v[i]) >= 0 {
			if count == 0 {
				first = v[i]
			}
			same = same && v[i] == first
			count++
		}
	}
	switch name {
	case "sisbov":
		if len(v) != 14 || v[:2] != "BR" {
			return false
		}
		_, err := strconv.ParseUint(v[2:], 10, 64)
		return err == nil && !strings.ContainsAny(v, "+_")
	case "cpf":
		return count == 11 && !same
	case "cnpj":
		return count == 14 && !same
	case "car":
		return len(v) >= 9 && len(v) <= 44 && v[:3] == "BR-"
	case "nirf":
		return count >= 8
	case "ie":
		return len(v) >= 8
	case "rfid":
		return len(v) >= 10
	default:
		return true
	}
}

// holds checks what must be true of every value.
func holds(t interface{ Fatalf(string, ...any) }, name, value string) {
	if contractAccepts(name, value) && !registry.Accepts(name, value) {
		t.Fatalf("%s refuses %q, which the contract accepts", name, value)
	}
	n := registry.Normal(name, value)
	if again := registry.Normal(name, n); again != n {
		t.Fatalf("%s: normal form of %q is %q, whose normal form is %q", name, value, n, again)
	}
	if padded := registry.Normal(name, " \t"+value+"\u00a0"); padded != n {
		t.Fatalf("%s: outer blanks make %q from %q, not %q", name, padded, value, n)
	}
	for _, w := range registry.Warnings(name, value) {
		if len(strings.TrimSpace(value)) > 3 && strings.Contains(w, strings.TrimSpace(value)) {
			t.Fatalf("%s: the warning %q shows the value", name, w)
		}
	}
	if !registry.Accepts(name, value) && len(registry.Warnings(name, value)) == 0 {
		t.Fatalf("%s refuses %q and has no warning for it", name, value)
	}
}

func TestEveryValue(t *testing.T) {
	t.Parallel()
	shapes := rapid.SampledFrom([]string{
		`BR[0-9]{11,13}`, `(076|105|982)[0-9]{12}`, `[0-9]{8,18}`, `[0-9. -]{10,24}`, `8[0-9A-Fa-f]{15}`, `[A-Za-z]{2}-[0-9]{7}-[0-9A-Fa-f.]{32,36}`,
		`BR-[ -~]{5,42}`, `[0-9A-Z]{8}`, `[0-9A-Z.]{12,18}[0-9]{2}`, `[A-Z]{2}[-/ ][A-Z]{1,2}[-/ ][0-9]{1,8}`, `[ -~éßıſǅ\x{a0}]{0,20}`,
	})
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching(shapes.Draw(t, "shape")).Draw(t, "value")
		for _, name := range all {
			holds(t, name, value)
		}
	})
}

func FuzzNormal(f *testing.F) {
	for _, v := range []string{"BR123456789012", "8000130000000001", "12.ABC.345/01DE-35", "MT-5107925-" + letters32, "mt-a-1", "\xff", "ı", "\u0345", "--------"} {
		for i := range all {
			f.Add(uint8(i), v)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, value string) { holds(t, all[int(which)%len(all)], value) })
}

// one says which last digits leave a value without warnings.
func one(t *testing.T, name, body string, count int) string {
	t.Helper()
	var good []string
	for i := range pow10(count) {
		tail := fmt.Sprintf("%0*d", count, i)
		if len(registry.Warnings(name, body+tail)) == 0 {
			good = append(good, tail)
		}
	}
	if len(good) != 1 {
		t.Fatalf("%s %s…: check digits %v are all right; want one", name, body, good)
	}
	return good[0]
}

func pow10(n int) int {
	p := 1
	for range n {
		p *= 10
	}
	return p
}

// TestCheckDigitVectors finds the only check digits that raise no warning.
func TestCheckDigitVectors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, body, want string }{
		{"sisbov", "10551000000000", "0"}, {"sisbov", "10551123456789", "7"}, {"sisbov", "10535000000001", "5"}, {"sisbov", "10543999999999", "2"},
		{"cpf", "111444777", "35"}, {"cnpj", "12ABC34501DE", "35"}, {"cnpj", "000000000001", "91"},
		{"nirf", "0000001", "9"}, {"nirf", "9999999", "4"}, {"gtin", "0950600013435", "2"},
	} {
		if got := one(t, tc.name, tc.body, len(tc.want)); got != tc.want {
			t.Errorf("%s %s: check digits %s, want %s", tc.name, tc.body, got, tc.want)
		}
	}
}

// weigh is a weighted sum with the weights written out.
func weigh(s string, weights ...int) int {
	sum := 0
	for i, w := range weights {
		sum += (int(s[i]) - 48) * w
	}
	return sum
}

func eleven(sum int) string {
	return [11]string{"0", "0", "9", "8", "7", "6", "5", "4", "3", "2", "1"}[sum%11]
}

func TestCheckDigitsAgainstSecondImplementation(t *testing.T) {
	t.Parallel()
	expect := func(t *rapid.T, name, body, tail string) {
		if w := registry.Warnings(name, body+tail); len(w) != 0 {
			t.Fatalf("%s %s%s: warnings %q, want none", name, body, tail, w)
		}
		other := []byte(body + tail)
		other[len(other)-1] = '0' + (other[len(other)-1]-'0'+1)%10
		if w := registry.Warnings(name, string(other)); !slices.Equal(w, []string{registry.WarnCheck}) {
			t.Fatalf("%s %s: warnings %q, want a wrong check digit", name, other, w)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		draw := func(pattern string) string { return rapid.StringMatching(pattern).Draw(t, pattern) }

		s := draw(`105(11|35|43|51|53)[0-9]{9}`)
		expect(t, "sisbov", s, eleven(weigh(s, 7, 6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)))
		s = draw(`105(11|35|43|51|53)([0-8][0-9])[0-9]{9}`)
		digit := eleven(weigh(s, 9, 8, 7, 6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2))
		expect(t, "sisbov", s, digit)

		s = draw(`[0-8][0-9]{7}9`)
		one := eleven(weigh(s, 10, 9, 8, 7, 6, 5, 4, 3, 2))
		expect(t, "cpf", s, one+eleven(weigh(s+one, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2)))

		s = draw(`[0-9A-Z]{11}Z`)
		one = eleven(weigh(s, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2))
		expect(t, "cnpj", s, one+eleven(weigh(s+one, 6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)))

		s = draw(`[0-9]{7}`)
		expect(t, "nirf", s, eleven(weigh(s, 8, 7, 6, 5, 4, 3, 2)))

		s = draw(`[0-9]{12}`)
		expect(t, "gln", s, strconv.Itoa((1000-weigh(s, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3))%10))
		expect(t, "gtin", s, strconv.Itoa((1000-weigh(s, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3))%10))
		s = draw(`[0-9]{17}`)
		expect(t, "sscc", s, strconv.Itoa((1000-weigh(s, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3))%10))
	})
}

func TestChipsAgainstSecondImplementation(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		country := rapid.IntRange(1, 999).Draw(t, "country")
		number := rapid.Uint64Range(0, 274_877_906_943).Draw(t, "number")
		retag, user, data := rapid.IntRange(0, 7).Draw(t, "retag"), rapid.IntRange(0, 31).Draw(t, "user"), rapid.IntRange(0, 1).Draw(t, "data")
		bits := fmt.Sprintf("1%03b%05b000000%b%010b%038b", retag, user, data, country, number)
		hex := ""
		for i := 0; i < 64; i += 4 {
			nibble, _ := strconv.ParseUint(bits[i:i+4], 2, 8)
			hex += strconv.FormatUint(nibble, 16)
		}
		want := fmt.Sprintf("%03d%012d", country, number)
		for _, spelling := range []string{hex, strings.ToUpper(hex), want, want[:3] + " " + want[3:]} {
			if got := registry.Normal("rfid", spelling); got != want {
				t.Fatalf("Normal(%s) = %s, want %s", spelling, got, want)
			}
			if w := registry.Warnings("rfid", spelling); len(w) != 0 {
				t.Fatalf("Warnings(%s) = %q", spelling, w)
			}
		}
	})
}

func TestStates(t *testing.T) {
	t.Parallel()
	// Name and number of all 27, as IBGE lists them.
	const list = "RO11 AC12 AM13 RR14 PA15 AP16 TO17 MA21 PI22 CE23 RN24 PB25 PE26 AL27 SE28 BA29 MG31 ES32 RJ33 SP35 PR41 SC42 RS43 MS50 MT51 GO52 DF53"
	byNumber := map[string]string{}
	for _, s := range strings.Fields(list) {
		byNumber[s[2:]] = s[:2]
	}
	if len(byNumber) != 27 {
		t.Fatalf("the list has %d states, want 27", len(byNumber))
	}
	for i := range 100 {
		number := fmt.Sprintf("%02d", i)
		state, exists := byNumber[number]
		tagged := slices.Contains(registry.Warnings("sisbov", "105"+number+"0000000000"), registry.WarnState)
		if tagged == exists {
			t.Errorf("state number %s: warning %v, exists %v", number, tagged, exists)
		}
		if exists {
			if w := registry.Warnings("car", state+"-"+number+"00000-"+letters32); len(w) != 0 {
				t.Errorf("car of %s%s: %q", state, number, w)
			}
			if w := registry.Warnings("gta", state+"-A-1"); len(w) != 0 {
				t.Errorf("gta of %s: %q", state, w)
			}
		}
	}
}

func BenchmarkCanonicalKey(b *testing.B) {
	for name, value := range map[string]string{"sisbov": "BR123456789012", "rfid": "076000000000001", "car": "MT-5107925-" + letters32} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				registry.CanonicalKey("bovino", name, value)
			}
		})
	}
}
