package canon_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"sort"
	"strconv"
	"strings"
)

// oracle is a second implementation of contract 07 §6.2, written from its text
// in another way: it decodes with encoding/json, recurses over values, does
// integers with math/big and finds the digits of a double by exact search.
func oracle(raw []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "", err
	}
	if _, err := d.Token(); err != io.EOF {
		return "", fmt.Errorf("something follows")
	}
	return oracleValue(v), nil
}

func oracleValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return fmt.Sprint(v)
	case json.Number:
		return oracleNumber(string(v))
	case string:
		return oracleString(v)
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = oracleValue(v[i])
		}
		return "[" + strings.Join(parts, ",") + "]"
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		parts := make([]string, len(keys))
		for i, k := range keys {
			parts[i] = oracleString(k) + ":" + oracleValue(v[k])
		}
		return "{" + strings.Join(parts, ",") + "}"
	default:
		panic(fmt.Sprintf("unexpected %T", v))
	}
}

func oracleString(s string) string {
	names := map[rune]string{'"': `\"`, '\\': `\\`, 8: `\b`, 9: `\t`, 10: `\n`, 12: `\f`, 13: `\r`}
	var b strings.Builder
	for _, r := range s {
		if name, ok := names[r]; ok {
			b.WriteString(name)
		} else if r < 0x20 {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}

func oracleNumber(lit string) string {
	if !strings.ContainsAny(lit, ".eE") && lit != "-0" {
		n, _ := new(big.Int).SetString(lit, 10)
		low := new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(1), 63))
		high := new(big.Int).Lsh(big.NewInt(1), 64)
		if n.Cmp(low) >= 0 && n.Cmp(high) < 0 {
			return n.String()
		}
	}
	sign := ""
	if strings.HasPrefix(lit, "-") {
		sign, lit = "-", lit[1:]
	}
	f, err := strconv.ParseFloat(lit, 64)
	if err != nil {
		return "out of range"
	}
	if f == 0 {
		return sign + "0.0"
	}
	digits, k := oracleDigits(f)
	n, d := len(digits), digits
	kk := n + k
	switch {
	case k >= 0 && kk <= 16:
		return sign + d + strings.Repeat("0", k) + ".0"
	case 0 < kk && kk <= 16:
		return sign + d[:kk] + "." + d[kk:]
	case -5 < kk && kk <= 0:
		return sign + "0." + strings.Repeat("0", -kk) + d
	case n == 1:
		return sign + d + "e" + strconv.Itoa(kk-1)
	default:
		return sign + d[:1] + "." + d[1:] + "e" + strconv.Itoa(kk-1)
	}
}

// oracleDigits finds the shortest decimal d × 10^k that reads back as f and,
// among those, the one nearest to f (the even one of two), by trying both
// neighbours of f at every length in exact arithmetic.
func oracleDigits(f float64) (string, int) {
	exact := new(big.Rat).SetFloat64(f)
	ten := big.NewInt(10)
	for n := 1; ; n++ {
		e, _ := strconv.Atoi(strings.SplitN(strconv.FormatFloat(f, 'e', 25, 64), "e", 2)[1])
		k := e - n + 1
		scale := new(big.Rat).SetInt(new(big.Int).Exp(ten, big.NewInt(int64(max(k, -k))), nil))
		if k < 0 {
			scale.Inv(scale)
		}
		q := new(big.Rat).Quo(exact, scale)
		low := new(big.Int).Quo(q.Num(), q.Denom())
		best, distance := (*big.Int)(nil), (*big.Rat)(nil)
		for _, c := range []*big.Int{low, new(big.Int).Add(low, big.NewInt(1))} {
			v := new(big.Rat).Mul(new(big.Rat).SetInt(c), scale)
			back, err := strconv.ParseFloat(c.String()+"e"+strconv.Itoa(k), 64)
			if c.Sign() == 0 || err != nil || back != f {
				continue
			}
			diff := v.Sub(v, exact)
			diff.Abs(diff)
			tie := best != nil && diff.Cmp(distance) == 0 && c.Bit(0) == 0
			if best == nil || diff.Cmp(distance) < 0 || tie {
				best, distance = c, diff
			}
		}
		if best != nil {
			s := strings.TrimRight(best.String(), "0")
			return s, k + len(best.String()) - len(s)
		}
	}
}
