package canon_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/defarm-repo/defarm/app/canon"
)

// m3 is the metadata of event E3 in contract 07 §6.5.
const m3 = `{"obs":{"a":"<ção> & \"q\"\n` + "\u2028" + `","arr":[true,1000000000000000.0,0.00001],"big":1e21,"f":1.0,"n":null,"small":1e-7,"z":1}}`

func TestCanonical(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"empty object", " { } ", "{}"},
		{"empty array", "[ \n ]", "[]"},
		{"literals", "[ true , false,null ]", "[true,false,null]"},
		{"keys sorted", `{"b":1,"a":2}`, `{"a":2,"b":1}`},
		{"keys sorted below", `{"x":[{"b":1,"a":{"d":1,"c":2}}]}`, `{"x":[{"a":{"c":2,"d":1},"b":1}]}`},
		{"keys sorted by decoded bytes", `{"a\\":1,"a]":2,"a[":3,"a\"":4,"a!":5}`, `{"a!":5,"a\"":4,"a[":3,"a\\":1,"a]":2}`},
		{"keys sorted by UTF-8, not UTF-16", "{\"\U00010000\":1,\"\uffff\":2,\"é\":3,\"z\":4}", "{\"z\":4,\"é\":3,\"\uffff\":2,\"\U00010000\":1}"},
		{"prefix first", `{"aa":1,"a":2,"":3}`, `{"":3,"a":2,"aa":1}`},
		{"last duplicate wins", `{"a":1,"b":0,"a":{"c":2},"a":3}`, `{"a":3,"b":0}`},
		{"duplicate in another spelling", `{"\u0061":1,"a":2}`, `{"a":2}`},
		{"duplicate next to itself", `{"a":1,"a":[2]}`, `{"a":[2]}`},
		{"short escapes", `"\"\\\/\b\f\n\r\t"`, `"\"\\/\b\f\n\r\t"`},
		{"control characters", `"\u0001\u000b\u001F\u0008"`, `"\u0001\u000b\u001f\b"`},
		{"nothing else escaped", `"\u003c\u003e\u0026\u007f\u2028\u2029\u00e7"`, "\"<>&\u007f\u2028\u2029ç\""},
		{"raw stays raw", "\"<>&'/\u007f\u2028ç\"", "\"<>&'/\u007f\u2028ç\""},
		{"surrogate pair", `"\ud83d\uDC04"`, `"🐄"`},
		{"replacement character itself", `"\ufffd"`, "\"\ufffd\""},
		{"contract M3", m3, m3},
		{"contract E5", `{"c":"z","b":{"y":"é","x":[]},"a":1}`, `{"a":1,"b":{"x":[],"y":"é"},"c":"z"}`},
		{"scalar document", " 7 ", "7"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := canon.Canonical([]byte(tc.in))
			if err != nil {
				t.Fatalf("Canonical(%s): %v", tc.in, err)
			}
			if string(got) != tc.want {
				t.Errorf("Canonical(%s)\n got %s\nwant %s", tc.in, got, tc.want)
			}
		})
	}
}

func TestCanonicalNumbers(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"0", "0"}, {"1", "1"}, {"-1", "-1"},
		{"9223372036854775807", "9223372036854775807"},
		{"18446744073709551615", "18446744073709551615"},
		{"18446744073709551616", "1.8446744073709552e19"},
		{"99999999999999999999", "1e20"},
		{"-9223372036854775808", "-9223372036854775808"},
		{"-9223372036854775809", "-9.223372036854776e18"},
		{"-10000000000000000000", "-1e19"},
		{"1.0", "1.0"}, {"412.50", "412.5"}, {"1e15", "1000000000000000.0"}, {"1e16", "1e16"},
		{"0.00001", "0.00001"}, {"0.000001", "1e-6"}, {"1e21", "1e21"}, {"1.5E+300", "1.5e300"}, {"1e-7", "1e-7"},
		{"-0.0", "-0.0"}, {"-0", "-0.0"}, {"0.0", "0.0"}, {"0e7", "0.0"}, {"-412.5", "-412.5"},
		{"1e0", "1.0"}, {"10e-1", "1.0"}, {"123456789012345678e-10", "12345678.901234567"},
		{"9007199254740993.0", "9007199254740992.0"}, {"1234567890123456.7", "1234567890123456.8"},
		{"12345678901234567.0", "1.2345678901234568e16"},
		{"0.000012345", "0.000012345"}, {"0.0000012345", "1.2345e-6"},
		{"5e-324", "5e-324"}, {"1.7976931348623157e308", "1.7976931348623157e308"}, {"1e-400", "0.0"},
		{"5.684341886080802e-14", "5.684341886080802e-14"}, // 2^-44: the interval is lopsided
	}
	for _, tc := range tests {
		got, err := canon.Canonical([]byte(tc.in))
		if err != nil || string(got) != tc.want {
			t.Errorf("Canonical(%s) = %s, %v; want %s", tc.in, got, err, tc.want)
		}
	}
}

func TestCanonicalRefuses(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	mixed := strings.Repeat(`{"a":[`, 32) + "1" + strings.Repeat("]}", 32)
	for _, ok := range []string{deep(canon.MaxDepth), mixed} {
		if _, err := canon.Canonical([]byte(ok)); err != nil {
			t.Errorf("depth %d: %v", canon.MaxDepth, err)
		}
	}
	tests := []struct {
		name, in string
		want     error
	}{
		{"nothing", "", canon.ErrSyntax},
		{"white space", " \n", canon.ErrSyntax},
		{"two documents", "{} {}", canon.ErrSyntax},
		{"trailing garbage", `{"a":1}x`, canon.ErrSyntax},
		{"trailing NUL", "{}\x00", canon.ErrSyntax},
		{"byte order mark", "\ufeff{}", canon.ErrSyntax},
		{"other white space", "[\u00a0]", canon.ErrSyntax},
		{"no value", `{"a":}`, canon.ErrSyntax},
		{"no colon", `{"a" 1}`, canon.ErrSyntax},
		{"no key", `{1:2}`, canon.ErrSyntax},
		{"comma after last member", `{"a":1,}`, canon.ErrSyntax},
		{"comma after last element", `[1,]`, canon.ErrSyntax},
		{"comma first", `[,1]`, canon.ErrSyntax},
		{"comma missing", `[1 2]`, canon.ErrSyntax},
		{"open array", `[1`, canon.ErrSyntax},
		{"open object", `{"a":1`, canon.ErrSyntax},
		{"open string", `"a`, canon.ErrSyntax},
		{"open escape", `"\`, canon.ErrSyntax},
		{"wrong bracket", `[1}`, canon.ErrSyntax},
		{"wrong word", `trUe`, canon.ErrSyntax},
		{"half a word", `nul`, canon.ErrSyntax},
		{"NaN", `NaN`, canon.ErrSyntax},
		{"unknown escape", `"\x"`, canon.ErrSyntax},
		{"short unicode", `"\u12"`, canon.ErrSyntax},
		{"not hexadecimal", `"\u00g0"`, canon.ErrSyntax},
		{"raw newline", "\"a\nb\"", canon.ErrSyntax},
		{"leading zero", `01`, canon.ErrSyntax},
		{"minus alone", `-`, canon.ErrSyntax},
		{"plus", `+1`, canon.ErrSyntax},
		{"no fraction", `1.`, canon.ErrSyntax},
		{"no whole part", `.5`, canon.ErrSyntax},
		{"no exponent", `1e`, canon.ErrSyntax},
		{"no exponent digits", `1e+`, canon.ErrSyntax},
		{"hexadecimal number", `0x10`, canon.ErrSyntax},
		{"underscore", `1_0`, canon.ErrSyntax},
		{"too large", `1e309`, canon.ErrRange},
		{"too large, negative", `-1e309`, canon.ErrRange},
		{"too large, digits", strings.Repeat("9", 400), canon.ErrRange},
		{"65 arrays", deep(canon.MaxDepth + 1), canon.ErrTooDeep},
		{"65 levels, mixed", "[" + mixed + "]", canon.ErrTooDeep},
		{"a million arrays", strings.Repeat("[", 1_000_000), canon.ErrTooDeep},
		{"NUL escaped", `"a\u0000"`, canon.ErrNUL},
		{"NUL raw", "\"a\x00\"", canon.ErrNUL},
		{"NUL in a key", `{"\u0000":1}`, canon.ErrNUL},
		{"high surrogate", `"\ud800"`, canon.ErrSurrogate},
		{"low surrogate", `"\udc00"`, canon.ErrSurrogate},
		{"two high surrogates", `"\ud800\ud800"`, canon.ErrSurrogate},
		{"surrogate and a letter", `"\ud800\u0041"`, canon.ErrSurrogate},
		{"swapped pair", `"\udc00\ud800"`, canon.ErrSurrogate},
		{"high surrogate at the end", `"\ud800\u"`, canon.ErrSurrogate},
		{"Latin-1", "\"caf\xe9\"", canon.ErrUTF8},
		{"overlong", "\"\xc0\xaf\"", canon.ErrUTF8},
		{"surrogate in UTF-8", "\"\xed\xa0\x80\"", canon.ErrUTF8},
		{"cut rune", "\"\xe2\x82\"", canon.ErrUTF8},
		{"bad UTF-8 in a key", "{\"\xff\":1}", canon.ErrUTF8},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := canon.Canonical([]byte(tc.in))
			if !errors.Is(err, tc.want) || got != nil {
				t.Fatalf("got %q, %v; want %v", got, err, tc.want)
			}
			var e *canon.Error
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(tc.in) {
				t.Errorf("got %#v; want an offset within the text", err)
			}
			if _, err := canon.Object([]byte(`{"a":` + tc.in + `}`)); err == nil {
				t.Errorf("Object took it as a member")
			}
		})
	}
}

func TestErrorsHoldNothingOfTheText(t *testing.T) {
	t.Parallel()
	const secret = "TOPSECRET"
	for _, in := range []string{
		`{"TOPSECRET" 1}`, `"TOPSECRET\x"`, `{"TOPSECRET":1} TOPSECRET`, "TOPSECRET", `{"TOPSECRET":1e999}`, `["TOPSECRET\ud800"]`,
	} {
		_, err := canon.Object([]byte(in))
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("Object(%s): got %v; want an error without the text", in, err)
		}
	}
}

func TestObject(t *testing.T) {
	t.Parallel()
	got, err := canon.Object([]byte(` {"b" : { "d":1.50, "c":[ ] }, "a":"x","b\u0062":null, "a":{"z":-0,"y":"\u0041"} } `))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]json.RawMessage{
		"a": json.RawMessage(`{"y":"A","z":-0.0}`), "b": json.RawMessage(`{"c":[],"d":1.5}`), "bb": json.RawMessage(`null`),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Object (-want +got):\n%s", diff)
	}
	const object = `{"a":{"y":"A","z":-0.0},"b":{"c":[],"d":1.5},"bb":null}`
	if s := string(canon.AppendObject([]byte("x"), got)); s != "x"+object {
		t.Errorf("AppendObject = %s, want x%s", s, object)
	}
	b := append(got["b"], "!!!!"...)
	if string(got["a"]) != `{"y":"A","z":-0.0}` || string(got["bb"]) != "null" {
		t.Errorf("appending to a value (%s) changed its neighbours: %s", b, got)
	}
}

func TestObjectRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]error{
		"null": canon.ErrNotObject, "[]": canon.ErrNotObject, `"{}"`: canon.ErrNotObject, " 1": canon.ErrNotObject,
		"": canon.ErrSyntax, "[": canon.ErrSyntax, "{} 1": canon.ErrSyntax, "{": canon.ErrSyntax, `{"a":1]`: canon.ErrSyntax,
		`{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`: canon.ErrTooDeep,
	} {
		if got, err := canon.Object([]byte(in)); !errors.Is(err, want) || got != nil {
			t.Errorf("Object(%.20s) = %v, %v; want %v", in, got, err, want)
		}
	}
	if got, err := canon.Object([]byte("{}")); err != nil || len(got) != 0 || got == nil {
		t.Errorf("Object({}) = %v, %v; want an empty map", got, err)
	}
}

func TestAppendObjectOfNothing(t *testing.T) {
	t.Parallel()
	if got := string(canon.AppendObject(nil, nil)); got != "{}" {
		t.Errorf("got %s, want {}", got)
	}
	if got := string(canon.AppendObject(nil, map[string]json.RawMessage{"a": nil})); got != `{"a":null}` {
		t.Errorf(`got %s, want {"a":null}`, got)
	}
}

func TestAppendString(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"", `""`}, {"abc", `"abc"`}, {"ção", `"ção"`}, {"🐄\u2028", "\"🐄\u2028\""},
		{"a\"b\\c/", `"a\"b\\c/"`}, {"\x00\x01\b\t\n\f\r\x1f\x7f", `"\u0000\u0001\b\t\n\f\r\u001f` + "\x7f\""},
		{"<>&", `"<>&"`}, {"a\xffb\xed\xa0\x80", "\"a\ufffdb\ufffd\ufffd\ufffd\""}, {"\ufffd", "\"\ufffd\""},
	}
	for _, tc := range tests {
		if got := string(canon.AppendString([]byte("p"), tc.in)); got != "p"+tc.want {
			t.Errorf("AppendString(%q) = %s, want p%s", tc.in, got, tc.want)
		}
		if got := string(canon.String(tc.in)); got != tc.want {
			t.Errorf("String(%q) = %s, want %s", tc.in, got, tc.want)
		}
	}
}

func TestAppendFloat(t *testing.T) {
	t.Parallel()
	for f, want := range map[float64]string{
		1: "1.0", 0.95: "0.95", -2.5: "-2.5", 1e300: "1e300", math.Inf(1): "null", math.Inf(-1): "null", math.Copysign(0, -1): "-0.0",
	} {
		if f == 0 {
			continue // both zeros are one key; below
		}
		if got := string(canon.AppendFloat(nil, f)); got != want {
			t.Errorf("AppendFloat(%g) = %s, want %s", f, got, want)
		}
	}
	if got := string(canon.AppendFloat(nil, math.Copysign(0, -1))); got != "-0.0" {
		t.Errorf("minus zero: got %s, want -0.0", got)
	}
	if got := string(canon.AppendFloat(nil, math.NaN())); got != "null" {
		t.Errorf("NaN: got %s, want null", got)
	}
}

// TestPowersOfTwo compares with the exact search where shortest digits are
// hardest: the borders of the binary exponents.
func TestPowersOfTwo(t *testing.T) {
	t.Parallel()
	for e := -1074; e <= 1023; e++ {
		p := math.Ldexp(1, e)
		for _, f := range []float64{math.Nextafter(p, 0), p, math.Nextafter(p, math.Inf(1))} {
			lit := strconv.FormatFloat(f, 'e', 20, 64)
			got, err := canon.Canonical([]byte(lit))
			if want := oracleNumber(lit); err != nil || string(got) != want {
				t.Fatalf("%s: got %s, %v; want %s", lit, got, err, want)
			}
		}
	}
}

func BenchmarkObject(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(sample)))
	for b.Loop() {
		if _, err := canon.Object(sample); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCanonical(b *testing.B) {
	for name, in := range map[string][]byte{"item": sample, "sorted": bytes.TrimSpace(must(canon.Canonical(sample))), "list": bytes.Join([][]byte{[]byte("["), bytes.Repeat(append(sample[:len(sample):len(sample)], ','), 99), sample, []byte("]")}, nil)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				if _, err := canon.Canonical(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendObject(b *testing.B) {
	m := must(canon.Object(sample))
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = canon.AppendObject(buf[:0], m)
	}
}

var sample = []byte(`{"breed":"Nelore","sex":"F","birth_date":"2023-08-14","weight_kg":412.5,"farm":{"name":"Fazenda São João","car":"MT-5107925-E6D3395DEC574B59A3F2B1C0D9E8F7A6","area_ha":1250},"vaccines":[{"name":"aftosa","date":"2024-05-02"},{"name":"brucelose","date":"2024-06-11"}],"notes":null}`)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
