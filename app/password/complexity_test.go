package password

import (
	"errors"
	"strings"
	"testing"

	"github.com/defarm-repo/defarm/app"
)

func TestComplexity(t *testing.T) {
	t.Parallel()
	const (
		short   = "Password must be at least 8 characters long"
		upper   = "Password must contain at least one uppercase letter"
		lower   = "Password must contain at least one lowercase letter"
		digit   = "Password must contain at least one digit"
		special = "Password must contain at least one special character"
		long    = "Password must be at most 72 bytes long"
		text    = "Password must be valid text without NUL characters"
	)
	cases := []struct{ name, password, want string }{
		{"good", "Secret1!", ""},
		{"empty", "", short},
		{"seven bytes", "Secre1!", short},
		{"eight bytes in seven characters", "Sécre1!", ""},
		{"short speaks first", "abc", short},
		{"no upper-case letter", "secret1!", upper},
		{"upper-case letter of another script", "Жecret1!", ""},
		{"other upper case", "Ⓐecret1!", ""},
		{"no lower-case letter", "SECRET1!", lower},
		{"other lower case", "SECRETª1!", ""},
		{"no digit", "Secrets!", digit},
		{"digit that is not ASCII", "Secret٣!", digit},
		{"no special character", "Secret12", special},
		{"blank is special", "Secret 1", ""},
		{"number that is no digit is not special", "Secret1½", special},
		{"letter without case is not special", "Secret1語", special},
		{"combining vowel is not special", "Secret1\u0902", special},
		{"symbol", "Secret1€", ""},
		{"72 bytes", "Aa1!" + strings.Repeat("x", 68), ""},
		{"73 bytes", "Aa1!" + strings.Repeat("x", 69), long},
		{"NUL", "Secret1!\x00", text},
		{"invalid UTF-8", "Secret1!\xff", text},
		{"length speaks after the contract's rules", strings.Repeat("x", 80), upper},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := Complexity(c.password)
			if c.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			var e *app.Error
			if !errors.As(err, &e) || e.Code != app.CodeInvalid || e.Reason != app.ReasonWeakPassword {
				t.Fatalf("error %v, want invalid, weak_password", err)
			}
			if e.Message != c.want {
				t.Errorf("text %q, want %q", e.Message, c.want)
			}
		})
	}
}
