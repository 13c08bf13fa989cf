package importer

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func newReader(t *testing.T, header string) *reader {
	t.Helper()
	cols, err := readColumns(strings.Split(header, ","))
	if err != nil {
		t.Fatal(err)
	}
	return &reader{cols: cols, namespace: "bovino", scope: "user-1|" + testCircuit, today: time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)}
}

func TestAnimalBody(t *testing.T) {
	t.Parallel()
	r := newReader(t, "SISBOV,Chip,Brinco,Raça,Sexo,Data de nascimento,CAR,Peso,Nome,Observações")
	a, reason := r.animal(record{line: 2, fields: []string{
		" BR000329776103", "076 009630854887 ", "M05-0418", "Nelore", "fêmea", "16/12/2017",
		"MS-5003207-F85F1D9987877A2362A5E947B49996DD", "1.057,8", "Açucena", "ignored",
	}})
	if reason != "" {
		t.Fatalf("refused: %s", reason)
	}
	var got pushJSON
	if err := json.Unmarshal(a.body, &got); err != nil {
		t.Fatal(err)
	}
	want := pushJSON{
		LocalID: got.LocalID,
		Identifiers: []identifierJSON{
			{Namespace: "bovino", Key: "sisbov", Value: "BR000329776103", Type: "Canonical"},
			{Namespace: "bovino", Key: "rfid", Value: "076 009630854887", Type: "Canonical"},
			{Namespace: "bovino", Key: "ear_tag", Value: "M05-0418", Type: "Contextual", Scope: "user"},
		},
		Data: map[string]any{
			"breed": "Nelore", "sex": "F", "birth_date": "2017-12-16", "weight_kg": 1057.8, "name": "Açucena",
			"farm_car": "MS-5003207-F85F1D9987877A2362A5E947B49996DD",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

func TestMissingValuesAreLeftOut(t *testing.T) {
	t.Parallel()
	r := newReader(t, "ear_tag,breed,weight_kg,name")
	a, reason := r.animal(record{fields: []string{"A-1", "", "  ", ""}})
	if reason != "" {
		t.Fatalf("refused: %s", reason)
	}
	if !strings.HasSuffix(string(a.body), `"enriched_data":{}}`) {
		t.Errorf("got %s, want no data", a.body)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	const header = "sisbov,rfid,ear_tag,sex,birth_date,farm_car,weight_kg"
	const car = "MS-5003207-F85F1D9987877A2362A5E947B49996DD"
	tests := []struct {
		name, row string
		want      string // "" for an accepted row
	}{
		{"tag alone", ",,A-1,,,,", ""},
		{"nothing", ",,,F,,,", "has neither an identifier nor an ear tag"},
		{"BR form", "BR000329776103,,,,,,", ""},
		{"076 form", "076000329776103,,,,,,", ""},
		{"dots and blanks", "BR.000.329 776-103,,,,,,", ""},
		{"short", "BR00032977610,,,,,,", `sisbov "BR00032977610" is not a SISBOV number (BR and 12 digits, 076 and 12 digits, or the older 15 or 17 digits)`},
		{"long", "BR0003297761037,,,,,,", "is not a SISBOV number"},
		{"letter", "BR0O0329776103,,,,,,", "is not a SISBOV number"},
		{"bad number with a tag", "BR1,,A-1,,,,", "is not a SISBOV number"},
		{"chip", ",076009630854887,,,,,", ""},
		{"short chip", ",076123,,,,,", `rfid "076123" is not a transponder code (15 digits)`},
		{"rounded chip", `,7.60096E+14,,,,,`, "was rounded by a spreadsheet"},
		{"zeros", ",000000000000000,,,,,", "is only zeros"},
		{"endless tag", ",," + strings.Repeat("x", 1025) + ",,,,", "ear_tag is longer than 1024 bytes"},
		{"longest tag", ",," + strings.Repeat("x", 1024) + ",,,,", ""},
		{"sexes", ",,A-1,Macho,,,", ""},
		{"sex", ",,A-1,X,,,", `sex "X" is neither F nor M`},
		{"leap day", ",,A-1,,29/02/2024,,", ""},
		{"no leap day", ",,A-1,,29/02/2023,,", `birth_date "29/02/2023" is not a date (2024-12-31 or 31/12/2024)`},
		{"month 13", ",,A-1,,2023-13-05,,", "is not a date"},
		{"tomorrow, elsewhere", ",,A-1,,2025-03-02,,", ""},
		{"future", ",,A-1,,2025-03-03,,", "is not a possible date of birth"},
		{"before cattle were tagged", ",,A-1,,1949-12-31,,", "is not a possible date of birth"},
		{"farm", ",,A-1,,," + car + ",", ""},
		{"short farm", ",,A-1,,," + car[:len(car)-1] + ",", "is not a CAR code"},
		{"weight", ",,A-1,,,,412.5", ""},
		{"no weight", ",,A-1,,,,n/d", `weight_kg "n/d" is not a number`},
		{"negative", ",,A-1,,,,-12", "is not a weight above zero"},
		{"zero", ",,A-1,,,,0", "is not a weight above zero"},
		{"infinite", ",,A-1,,,,Inf", "is not a number"},
		{"hexadecimal", ",,A-1,,,,0x1p4", "is not a number"},
		{"underscore", ",,A-1,,,,1_000", "is not a number"},
		{"two faults", ",,A-1,X,,,n/d", `sex "X" is neither F nor M; weight_kg "n/d" is not a number`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, got := newReader(t, header).animal(record{fields: strings.Split(tt.row, ",")})
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWeights(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]float64{"412": 412, "412.5": 412.5, "412,5": 412.5, "1.012,5": 1012.5, "1e2": 100} {
		if got, reason := weight(in); got != want {
			t.Errorf("weight(%q): got %v (%s), want %v", in, got, reason, want)
		}
	}
}

func TestLocalIDs(t *testing.T) {
	t.Parallel()
	id := func(scope string, fields ...string) string {
		r := newReader(t, "sisbov,rfid,ear_tag,farm_car,weight_kg")
		r.scope = scope
		a, reason := r.animal(record{fields: fields})
		if reason != "" {
			t.Fatalf("%v refused: %s", fields, reason)
		}
		var p pushJSON
		if err := json.Unmarshal(a.body, &p); err != nil {
			t.Fatal(err)
		}
		return p.LocalID
	}
	const farm, other = "MS-5003207-F85F1D9987877A2362A5E947B49996DD", "MT-5107925-FA2D13F6CCE301A6825B80705F030774"
	same := [][2]string{
		{id("u|c", "BR000329776103", "", "", "", ""), id("u|c", "076 000329776103", "076009630854887", "A", farm, "3")},
		{id("u|c", "", "", "a-1", farm, ""), id("u|c", "", "", "A-1", strings.ToLower(farm), "9")},
	}
	for i, p := range same {
		if p[0] != p[1] {
			t.Errorf("pair %d: %s and %s, want the same", i, p[0], p[1])
		}
	}
	seen := map[string]int{}
	for i, v := range []string{
		same[0][0], same[1][0],
		id("u2|c", "BR000329776103", "", "", "", ""), id("u|c2", "BR000329776103", "", "", "", ""),
		id("u|c", "", "076000329776103", "", "", ""), id("u|c", "", "", "A-1", other, ""), id("u|c", "", "", "A-2", farm, ""),
	} {
		if j, dup := seen[v]; dup {
			t.Errorf("animals %d and %d have the same local id", j, i)
		}
		seen[v] = i
		if v[14] != '5' {
			t.Errorf("%s is not a version 5 UUID", v)
		}
	}
	// Published ids must never change: what was imported would not be found.
	if got, want := same[0][0], "7b00fe09-313b-5040-a17a-cda1b345173d"; got != want {
		t.Errorf("local id: got %s, want %s", got, want)
	}
}
