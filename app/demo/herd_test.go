package demo_test

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/defarm-repo/defarm/app/demo"
	"github.com/defarm-repo/defarm/app/registry"
)

// row is one line of the herd by column name.
type row map[string]string

func herd(t *testing.T) []row {
	t.Helper()
	all, err := csv.NewReader(demo.Herd()).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split("sisbov,rfid,ear_tag,breed,sex,birth_date,farm_car,weight_kg,name,notes", ",")
	if !slices.Equal(all[0], want) {
		t.Fatalf("header: got %q, want %q", all[0], want)
	}
	rows := make([]row, 0, len(all)-1)
	for _, f := range all[1:] {
		r := row{}
		for i, name := range all[0] {
			r[name] = strings.TrimSpace(f[i])
		}
		rows = append(rows, r)
	}
	return rows
}

// fault says what is wrong with a row, "" for nothing.
func (r row) fault() string {
	switch {
	case r["sisbov"] != "" && !registry.Accepts("sisbov", r["sisbov"]):
		return "sisbov"
	case r["rfid"] != "" && !registry.Accepts("rfid", r["rfid"]):
		return "rfid"
	case r["sisbov"]+r["rfid"]+r["ear_tag"] == "":
		return "nameless"
	case r["farm_car"] != "" && !registry.Accepts("car", r["farm_car"]):
		return "farm_car"
	case r["birth_date"] != "" && !isDate(r["birth_date"]):
		return "birth_date"
	case r["weight_kg"] != "" && !isWeight(r["weight_kg"]):
		return "weight_kg"
	default:
		return ""
	}
}

func isDate(s string) bool {
	_, iso := time.Parse(time.DateOnly, s)
	_, local := time.Parse("02/01/2006", s)
	return iso == nil || local == nil
}

func isWeight(s string) bool {
	kg, err := strconv.ParseFloat(s, 64)
	return err == nil && kg > 0
}

// names are what identifies the row's animal.
func (r row) names() []string {
	var out []string
	for _, reg := range []string{"sisbov", "rfid"} {
		if r[reg] != "" {
			out = append(out, registry.CanonicalKey("bovino", reg, r[reg]))
		}
	}
	if len(out) == 0 {
		out = append(out, r["ear_tag"]+"|"+r["farm_car"])
	}
	return out
}

func TestHerdIsWhatItSays(t *testing.T) {
	t.Parallel()
	rows := herd(t)
	faults := map[string]int{}
	kinds := map[string]int{}
	known := map[string]bool{}
	repeats := 0
	for _, r := range rows {
		if f := r.fault(); f != "" {
			faults[f]++
			continue
		}
		again := false
		for _, n := range r.names() {
			again = again || known[n]
			known[n] = true
		}
		if again {
			repeats++
			continue
		}
		kinds[fmt.Sprintf("sisbov %t, rfid %t", r["sisbov"] != "", r["rfid"] != "")]++
	}
	got := map[string]int{"rows": len(rows), "repeats": repeats, "refused": sum(faults), "animals": sum(kinds)}
	want := map[string]int{
		"rows": demo.HerdRows, "repeats": demo.HerdRepeats, "refused": demo.HerdRefused, "animals": demo.HerdAnimals,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	wantFaults := map[string]int{"sisbov": 3, "rfid": 1, "nameless": 2, "farm_car": 1, "birth_date": 3, "weight_kg": 3}
	if diff := cmp.Diff(wantFaults, faults); diff != "" {
		t.Errorf("refused rows (-want +got):\n%s", diff)
	}
	wantKinds := map[string]int{
		"sisbov true, rfid true": 540, "sisbov true, rfid false": 300, "sisbov false, rfid true": 83, "sisbov false, rfid false": 40,
	}
	if diff := cmp.Diff(wantKinds, kinds); diff != "" {
		t.Errorf("animals (-want +got):\n%s", diff)
	}
}

func TestHerdIsAsUntidyAsRealFiles(t *testing.T) {
	t.Parallel()
	spellings, empty, accented, brazilian := map[string]int{}, map[string]int{}, 0, 0
	for _, r := range herd(t) {
		for name, v := range r {
			if v == "" {
				empty[name]++
			}
		}
		if strings.ContainsAny(r["name"], "ãçéêíóôúáõâÍ") {
			accented++
		}
		if strings.Contains(r["birth_date"], "/") {
			brazilian++
		}
		s := r["sisbov"]
		switch {
		case strings.Contains(s, "."):
			spellings["dots"]++
		case strings.Contains(s, " "):
			spellings["blanks"]++
		case strings.Contains(s, "-"):
			spellings["hyphen"]++
		case strings.HasPrefix(s, "076"):
			spellings["076"]++
		case strings.HasPrefix(s, "BR"):
			spellings["BR"]++
		}
	}
	for _, k := range []string{"dots", "blanks", "hyphen", "076", "BR"} {
		if spellings[k] == 0 {
			t.Errorf("no SISBOV number is spelled with %s: %v", k, spellings)
		}
	}
	for _, name := range []string{"ear_tag", "breed", "birth_date", "farm_car", "weight_kg", "name"} {
		if empty[name] < 10 {
			t.Errorf("%s is missing in %d rows only", name, empty[name])
		}
	}
	if accented < 100 || brazilian < 20 {
		t.Errorf("got %d accented names and %d dates as day/month/year, want some of both", accented, brazilian)
	}
}

func sum(m map[string]int) int {
	n := 0
	for _, v := range m {
		n += v
	}
	return n
}
