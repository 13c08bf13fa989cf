package registry_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/defarm-repo/defarm/app/registry"
)

var (
	letters32 = strings.Repeat("0123456789ABCDEF", 2)
	dotted32  = strings.Repeat("0123.4567.89AB.CDEF.", 2)
)

// TestForms has every form that tags and documents carry, and what
// lies just outside of it.
func TestForms(t *testing.T) {
	t.Parallel()
	form, check := registry.WarnForm, registry.WarnCheck
	tests := []struct {
		registry, value string
		accepted        bool
		normal          string
		warning         string
	}{
		{"sisbov", "BR123456789012", true, "076123456789012", ""},
		{"sisbov", "076123456789012", true, "076123456789012", ""},
		{"sisbov", " BR 123.456.789-012 ", true, "076123456789012", ""},
		{"sisbov", "076 1234 5678-9012", true, "076123456789012", ""},
		{"sisbov", "BR\u00a0123456789012", true, "076123456789012", ""},
		{"sisbov", "105510000000000", true, "105510000000000", ""},
		{"sisbov", "105511234567897", true, "105511234567897", ""},
		{"sisbov", "105350000000015", true, "105350000000015", ""},
		{"sisbov", "105439999999992", true, "105439999999992", ""},
		{"sisbov", "10551-123456789-7", true, "105511234567897", ""},
		{"sisbov", "105511234567890", true, "105511234567890", check},
		{"sisbov", "105991234567890", true, "105991234567890", registry.WarnState},
		{"sisbov", "10551001234567895", true, "10551001234567895", ""},
		{"sisbov", "10551001234567890", true, "10551001234567890", check},
		{"sisbov", "10551991234567895", true, "10551991234567895", ""}, // 99 counts as 00
		{"sisbov", "BR12345678901", false, "BR12345678901", form},
		{"sisbov", "BR1234567890123", false, "BR1234567890123", form},
		{"sisbov", "BR12345678901234", false, "BR12345678901234", form},
		{"sisbov", "br123456789012", false, "br123456789012", form},
		{"sisbov", "BR12345678901A", false, "BR12345678901A", form},
		{"sisbov", "123456789012", false, "123456789012", form},
		{"sisbov", "982123456789012", false, "982123456789012", form},
		{"sisbov", "1234567890123456", false, "1234567890123456", form},
		{"sisbov", " x ", false, "x", form},
		{"sisbov", "", false, "", form},

		{"rfid", "076000000000001", true, "076000000000001", ""},
		{"rfid", "076 000000000001", true, "076000000000001", ""},
		{"rfid", "8000130000000001", true, "076000000000001", ""},
		{"rfid", " 8001130000000001 ", true, "076000000000001", ""}, // data block follows
		{"rfid", "80007c0000000001", true, "496000000000001", ""},
		{"rfid", "8000F9FFFFFFFFFF", true, "999274877906943", ""},
		{"rfid", "F000130000000001", true, "076000000000001", ""}, // retagged
		{"rfid", "999274877906943", true, "999274877906943", ""},
		{"rfid", "999274877906944", true, "999274877906944", registry.WarnNumber},
		{"rfid", "000000000000001", true, "000000000000001", registry.WarnCountry},
		{"rfid", "0000130000000001", true, "0000130000000001", ""},                    // 16 digits without the animal flag
		{"rfid", "00001300000000AB", true, "00001300000000AB", registry.WarnNoAnimal}, // the same, in letters
		{"rfid", "8000000000000001", true, "8000000000000001", ""},                    // country 0
		{"rfid", "8000FA0000000001", true, "8000FA0000000001", ""},                    // country 1000
		{"rfid", "9840000000000123", true, "9840000000000123", ""},                    // decimal: reserved bits are set
		{"rfid", " RFID-0001 ", true, "RFID-0001", ""},                                // contract: 10 bytes or more
		{"rfid", "0123456789", true, "0123456789", ""},                                // contract
		{"rfid", "012345678", false, "012345678", form},                               // 9 bytes
		{"rfid", "8000130000000001\u00e9", true, "8000130000000001\u00e9", ""},        // contract
		{"rfid", "07600000000000١", true, "07600000000000١", ""},                      // not ASCII: contract only
		{"rfid", "0760000000000011", true, "0760000000000011", ""},                    // 16 digits
		{"rfid", "80001300000000012", true, "80001300000000012", ""},                  // 17

		{"cpf", "11144477735", true, "11144477735", ""},
		{"cpf", "111.444.777-35", true, "11144477735", ""},
		{"cpf", "CPF 111 444 777 35", true, "11144477735", ""},
		{"cpf", "11144477734", true, "11144477734", check},
		{"cpf", "11144477745", true, "11144477745", check},
		{"cpf", "11111111111", false, "11111111111", form},
		{"cpf", "1114447773", false, "1114447773", form},
		{"cpf", "111444777355", false, "111444777355", form},
		{"cpf", "１１１４４４７７７３５", false, "１１１４４４７７７３５", form},

		{"cnpj", "00000000000191", true, "00000000000191", ""},
		{"cnpj", "00.000.000/0001-91", true, "00000000000191", ""},
		{"cnpj", "12ABC34501DE35", true, "12ABC34501DE35", ""},
		{"cnpj", "12.abc.345/01de-35", true, "12ABC34501DE35", ""},
		{"cnpj", "CNPJ 00.000.000/0001-91", true, "00000000000191", ""}, // contract: non-digits dropped
		{"cnpj", "00000000000190", true, "00000000000190", check},
		{"cnpj", "12ABC34501DE53", true, "12ABC34501DE53", check},
		{"cnpj", "12ABC34501DEA5", false, "12ABC34501DEA5", form},
		{"cnpj", "12ÉBC34501DE35", false, "12ÉBC34501DE35", form},
		{"cnpj", "22222222222222", false, "22222222222222", form},
		{"cnpj", "0000000000019", false, "0000000000019", form},

		{"car", "BR-12345678", true, "BR-12345678", ""},
		{"car", "BR-123456", true, "BR-123456", ""},
		{"car", "BR-12345", false, "BR-12345", form},
		{"car", "BR-" + strings.Repeat("x", 41), true, "BR-" + strings.Repeat("X", 41), ""},
		{"car", "BR-" + strings.Repeat("x", 42), false, "BR-" + strings.Repeat("X", 42), form},
		{"car", "br-12345678", false, "BR-12345678", form},
		{"car", "MT-5107925-" + letters32, true, "MT-5107925-" + letters32, ""},
		{"car", " mt-5107925-" + dotted32, true, "MT-5107925-" + letters32, ""},
		{"car", "MT-5107925-0123 4567 89ab cdef " + letters32[:16], true, "MT-5107925-" + letters32, ""},
		{"car", "SP-5107925-" + letters32, true, "SP-5107925-" + letters32, registry.WarnPlace},
		{"car", "XX-5107925-" + letters32, true, "XX-5107925-" + letters32, registry.WarnState},
		{"car", "MT5107925" + letters32, false, "MT5107925" + letters32, form},
		{"car", "MT-510792-" + letters32, false, "MT-510792-" + letters32, form},
		{"car", "MT-5107925-" + letters32[:31], false, "MT-5107925-" + letters32[:31], form},
		{"car", "MT-5107925-" + letters32[:31] + "G", false, "MT-5107925-" + letters32[:31] + "G", form},
		{"car", "", false, "", form},

		{"nirf", "00000019", true, "00000019", ""},
		{"nirf", "99999994", true, "99999994", ""},
		{"nirf", "9.999.999-4", true, "99999994", ""},
		{"nirf", "99999995", true, "99999995", check},
		{"nirf", "a1b2c3d4", true, "A1B2C3D4", ""},
		{"nirf", "ABCDEFGH", true, "ABCDEFGH", ""},
		{"nirf", "ABCDEFGI", false, "ABCDEFGI", form},
		{"nirf", "ABCDEFGl", false, "ABCDEFGL", form},
		{"nirf", "ABCDEFG", false, "ABCDEFG", form},
		{"nirf", "nirf 123456789", true, "NIRF123456789", ""}, // contract: 8 digits or more
		{"nirf", "1234567", false, "1234567", form},

		{"ie", "110.042.490-114", true, "110042490114", ""},
		{"ie", "p-01100424.3/002", true, "P011004243002", ""},
		{"ie", "12.345-6", true, "123456", ""}, // contract counts bytes
		{"ie", "isento", false, "ISENTO", form},
		{"ie", "--------", true, "--------", ""},

		{"gta", "MT-A-123456", true, "MT-A-123456", ""},
		{"gta", " mt / aa / 0123 ", true, "MT-AA-0123", ""},
		{"gta", "SP 1 42", true, "SP-1-42", ""},
		{"gta", "XX-A-1", true, "XX-A-1", registry.WarnState},
		{"gta", "MT-A", true, "MT-A", form},
		{"gta", "MT-A-12B", true, "MT-A-12B", form},
		{"gta", "MTX-A-12", true, "MTX-A-12", form},
		{"gta", " gta 1 ", true, "gta 1", form},

		{"gtin", "09506000134352", true, "09506000134352", ""},
		{"gtin", "9506000134352", true, "09506000134352", ""},
		{"gtin", "950 6000 13435-2", true, "09506000134352", ""},
		{"gtin", "96385074", true, "00000096385074", ""},
		{"gtin", "036000291452", true, "00036000291452", ""},
		{"gtin", "9506000134353", true, "09506000134353", check},
		{"gtin", "123456789", true, "123456789", form},
		{"gtin", "950600013435X", true, "950600013435X", form},

		{"gln", "9506000134352", true, "9506000134352", ""},
		{"gln", "9506000134351", true, "9506000134351", check},
		{"gln", "09506000134352", true, "09506000134352", form},
		{"sscc", "376104250021234569", true, "376104250021234569", ""},
		{"sscc", "3 7610425 002123456 9", true, "376104250021234569", ""},
		{"sscc", "376104250021234568", true, "376104250021234568", check},
		{"sscc", "37610425002123456", true, "37610425002123456", form},

		{"brinco", "  0042-a ", true, "0042-a", ""},
		{"SISBOV", " BR1 ", true, "BR1", ""},
		{"", "", true, "", ""},
	}
	for _, tc := range tests {
		t.Run(tc.registry+" "+tc.value, func(t *testing.T) {
			t.Parallel()
			if got := registry.Accepts(tc.registry, tc.value); got != tc.accepted {
				t.Errorf("Accepts = %v, want %v", got, tc.accepted)
			}
			if got := registry.Normal(tc.registry, tc.value); got != tc.normal {
				t.Errorf("Normal = %q, want %q", got, tc.normal)
			}
			var want []string
			if tc.warning != "" {
				want = []string{tc.warning}
			}
			if got := registry.Warnings(tc.registry, tc.value); !slices.Equal(got, want) {
				t.Errorf("Warnings = %q, want %q", got, want)
			}
		})
	}
}

func TestSeveralWarnings(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]string{
		"105991234567891": {registry.WarnState, registry.WarnCheck},
	} {
		if got := registry.Warnings("sisbov", value); !slices.Equal(got, want) {
			t.Errorf("Warnings(%s) = %q, want %q", value, got, want)
		}
	}
	want := []string{registry.WarnCountry, registry.WarnNumber}
	if got := registry.Warnings("rfid", "000999999999999"); !slices.Equal(got, want) {
		t.Errorf("Warnings = %q, want %q", got, want)
	}
}

func TestCanonicalKey(t *testing.T) {
	t.Parallel()
	br := registry.CanonicalKey("bovino", "sisbov", "BR 123456789012")
	if want := "bovino:sisbov:076123456789012"; br != want {
		t.Errorf("got %s, want %s", br, want)
	}
	if n := registry.CanonicalKey("bovino", "sisbov", "076123456789012"); n != br {
		t.Errorf("two spellings of one number: %s and %s", br, n)
	}
	// A chip is not a SISBOV number even when the digits coincide.
	if chip := registry.CanonicalKey("bovino", "rfid", "076123456789012"); chip == br {
		t.Errorf("chip and tag share the key %s", chip)
	}
}
