package canon_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/defarm-repo/defarm/app/canon"
)

// document draws a JSON text with random white space, spellings, orders and
// repeated keys.
func document(t *rapid.T, depth int) string {
	space := rapid.SampledFrom([]string{"", "", " ", "\n\t", "\r "})
	kind := rapid.IntRange(0, 6).Draw(t, "kind")
	if depth == 0 && kind > 4 {
		kind -= 3
	}
	w := func() string { return space.Draw(t, "space") }
	switch kind {
	case 0:
		return w() + rapid.SampledFrom([]string{"true", "false", "null"}).Draw(t, "word") + w()
	case 1, 2:
		return w() + number(t) + w()
	case 3, 4:
		return w() + quoted(t) + w()
	case 5:
		parts := make([]string, rapid.IntRange(0, 4).Draw(t, "n"))
		for i := range parts {
			parts[i] = document(t, depth-1)
		}
		return w() + "[" + w() + strings.Join(parts, ",") + "]" + w()
	default:
		parts := make([]string, rapid.IntRange(0, 5).Draw(t, "n"))
		for i := range parts {
			parts[i] = w() + quoted(t) + w() + ":" + document(t, depth-1)
		}
		return w() + "{" + w() + strings.Join(parts, ",") + "}" + w()
	}
}

func number(t *rapid.T) string {
	switch rapid.IntRange(0, 4).Draw(t, "number") {
	case 0:
		return strconv.FormatInt(rapid.Int64().Draw(t, "int"), 10)
	case 1:
		return rapid.StringMatching(`-?(0|[1-9][0-9]{0,24})`).Draw(t, "digits")
	case 2:
		return rapid.StringMatching(`-?(0|[1-9][0-9]{0,4})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "literal")
	default:
		f := math.Float64frombits(rapid.Uint64().Draw(t, "bits"))
		if math.IsNaN(f) || math.IsInf(f, 0) {
			f = 1.5
		}
		return strconv.FormatFloat(f, rapid.SampledFrom([]byte("efg")).Draw(t, "form"), rapid.IntRange(-1, 20).Draw(t, "precision"), 64)
	}
}

// quoted draws a string of few letters, so that keys repeat, each spelled raw
// or escaped.
func quoted(t *rapid.T) string {
	runes := rapid.SliceOfN(rapid.SampledFrom([]rune("aab\"\\/\b\f\n\r\t\x01\x1f\x7f<é\u2028\uffff\U0001F404")), 0, 4).Draw(t, "runes")
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range runes {
		raw := r >= ' ' && r != '"' && r != '\\'
		switch {
		case raw && rapid.Bool().Draw(t, "raw"):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\u%04X\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func TestAgainstSecondImplementation(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := []byte(document(t, 4))
		before := bytes.Clone(in)
		want, err := oracle(in)
		if err != nil {
			t.Fatalf("the generator made no JSON: %v: %s", err, in)
		}
		got, err := canon.Canonical(in)
		if err != nil || string(got) != want {
			t.Fatalf("%s\n got %s, %v\nwant %s", in, got, err, want)
		}
		if !bytes.Equal(in, before) {
			t.Fatalf("the input changed from %s to %s", before, in)
		}
		again, err := canon.Canonical(got)
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("not a fixed point: %s became %s, %v", got, again, err)
		}
		members, err := canon.Object(in)
		if want[0] != '{' {
			if !errors.Is(err, canon.ErrNotObject) {
				t.Fatalf("Object(%s): got %v, want ErrNotObject", in, err)
			}
			return
		}
		if s := string(canon.AppendObject(nil, members)); err != nil || s != want {
			t.Fatalf("Object and AppendObject: got %s, %v; want %s", s, err, want)
		}
	})
}

func TestStringsAgainstSecondImplementation(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		got := string(canon.AppendString(nil, s))
		if want := oracleString(s); got != want {
			t.Fatalf("AppendString(%q) = %s, want %s", s, got, want)
		}
		back, err := canon.Canonical([]byte(got))
		if strings.ContainsRune(s, 0) {
			if !errors.Is(err, canon.ErrNUL) {
				t.Fatalf("got %v, want ErrNUL", err)
			}
		} else if err != nil || string(back) != got {
			t.Fatalf("%s read back as %s, %v", got, back, err)
		}
	})
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{
		m3, `{"a":1,"a":2}`, `[1e999]`, `"\ud83d\udc04"`, `"\ud800"`, "\"\xff\"", `{"b":[{}],"a":{"":-0}}`, `-0`, `1E400`, `0.1e-5`, "[[[[",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := canon.Canonical(in)
		want, oracleErr := oracle(in)
		if oracleErr == nil && strings.Contains(want, "out of range") {
			t.Skip("the oracle marks such numbers with text")
		}
		if err != nil {
			for _, stricter := range []error{canon.ErrTooDeep, canon.ErrNUL, canon.ErrUTF8, canon.ErrSurrogate} {
				if errors.Is(err, stricter) {
					return
				}
			}
			if oracleErr == nil {
				t.Fatalf("refused %q: %v; want %s", in, err, want)
			}
			return
		}
		if oracleErr != nil || string(got) != want {
			t.Fatalf("%q: got %s; want %s, %v", in, got, want, oracleErr)
		}
		if again, err := canon.Canonical(got); err != nil || !bytes.Equal(again, got) {
			t.Fatalf("not a fixed point: %s became %s, %v", got, again, err)
		}
	})
}
