package importer

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app/registry"
)

// maxIdentifierBytes is the longest identifier the server takes.
const maxIdentifierBytes = 1024

// identifierJSON is an identifier of a push-local request (contract 02 §5.1).
type identifierJSON struct {
	Namespace string `json:"namespace"`
	Key       string `json:"key"`
	Value     string `json:"value"`
	Type      string `json:"id_type"`
	Scope     string `json:"scope,omitempty"`
}

// pushJSON is the body of push-local (contract 04 §1.1).
type pushJSON struct {
	LocalID     string           `json:"local_id"`
	Identifiers []identifierJSON `json:"identifiers"`
	Data        map[string]any   `json:"enriched_data"`
}

// animal is one accepted row.
type animal struct {
	line int
	end  int64 // bytes of the file up to the row's end
	body []byte
	// keys name the animal; rows that share one are sent in file order.
	keys []string
}

// reader turns rows into animals.
type reader struct {
	cols      columns
	namespace string
	// scope is what a local id is unique in: the account and the circuit.
	scope string
	today time.Time
}

// animal checks a row. It returns the reasons why the row is refused, joined,
// or "".
func (r *reader) animal(rec record) (animal, string) {
	var problems []string
	refuse := func(format string, args ...any) {
		problems = append(problems, fmt.Sprintf(format, args...))
	}
	ids, keys := r.identifiers(rec.fields, refuse)
	data := r.data(rec.fields, refuse)
	if len(problems) > 0 {
		return animal{}, strings.Join(problems, "; ")
	}
	local := localID(r.scope, keys[0])
	body, err := json.Marshal(pushJSON{LocalID: local.String(), Identifiers: ids, Data: data})
	if err != nil {
		return animal{}, err.Error()
	}
	return animal{line: rec.line, end: rec.end, body: body, keys: keys}, ""
}

// localID derives the local id of an animal; see the package comment.
func localID(scope, key string) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("defarm:import:v1|"+scope+"|"+key))
}

// identifiers reads what names the animal. keys has the canonical ones first,
// the natural key only when there is no canonical one.
func (r *reader) identifiers(fields []string, refuse func(string, ...any)) (ids []identifierJSON, keys []string) {
	refused := false
	for _, name := range []string{colSISBOV, colRFID} {
		v := r.cols.get(fields, name)
		if v == "" {
			continue
		}
		if reason := identifierProblem(name, v); reason != "" {
			refuse("%s %s %s", name, quote(v), reason)
			refused = true
			continue
		}
		ids = append(ids, identifierJSON{Namespace: r.namespace, Key: name, Value: v, Type: "Canonical"})
		keys = append(keys, registry.CanonicalKey(r.namespace, name, v))
	}
	tag := r.cols.get(fields, colEarTag)
	if len(tag) > maxIdentifierBytes {
		refuse("ear_tag is longer than %d bytes", maxIdentifierBytes)
		return nil, nil
	}
	if tag != "" {
		ids = append(ids, identifierJSON{Namespace: r.namespace, Key: colEarTag, Value: tag, Type: "Contextual", Scope: "user"})
	}
	switch {
	case len(keys) > 0 || refused:
	case tag != "":
		keys = []string{r.naturalKey(tag, r.cols.get(fields, colFarm))}
	default:
		refuse("has neither an identifier nor an ear tag")
	}
	return ids, keys
}

// naturalKey names an animal without a canonical identifier: its ear tag on
// its farm.
func (r *reader) naturalKey(tag, farm string) string {
	if farm != "" {
		farm = registry.Normal("car", farm)
	}
	return r.namespace + ":ear_tag:" + strings.ToUpper(tag) + "|farm_car:" + farm
}

// rounded is what a spreadsheet makes of a long number: 7,60004E+14. Several
// animals come out with the same one.
func rounded(v string) bool {
	ok, err := regexp.MatchString(`^[0-9]+([.,][0-9]+)?[eE]\+?[0-9]+$`, v)
	return err == nil && ok
}

func identifierProblem(name, v string) string {
	switch {
	case len(v) > maxIdentifierBytes:
		return fmt.Sprintf("is longer than %d bytes", maxIdentifierBytes)
	case rounded(v):
		return "was rounded by a spreadsheet: format the column as text and export again"
	case strings.Trim(v, "0 .-") == "":
		return "is only zeros"
	case registry.Accepts(name, v):
		return ""
	case name == colSISBOV:
		return "is not a SISBOV number (BR and 12 digits, 076 and 12 digits, or the older 15 or 17 digits)"
	default:
		return "is not a transponder code (15 digits)"
	}
}

// data reads the values that describe the animal. Missing ones are left out.
func (r *reader) data(fields []string, refuse func(string, ...any)) map[string]any {
	data := map[string]any{}
	put := func(name string, convert func(string) (any, string)) {
		v := r.cols.get(fields, name)
		if v == "" {
			return
		}
		out, reason := convert(v)
		if reason != "" {
			refuse("%s %s %s", name, quote(v), reason)
			return
		}
		data[name] = out
	}
	text := func(v string) (any, string) { return v, "" }
	put(colBreed, text)
	put(colSex, sex)
	put(colBirth, r.date)
	put(colFarm, farmCode)
	put(colWeight, weight)
	put(colName, text)
	return data
}

func sex(v string) (any, string) {
	switch strings.ToLower(v) {
	case "f", "fêmea", "femea", "female":
		return "F", ""
	case "m", "macho", "male":
		return "M", ""
	default:
		return nil, "is neither F nor M"
	}
}

// date accepts 2024-12-31 and the Brazilian 31/12/2024 (also with hyphens or
// dots), and gives the former.
func (r *reader) date(v string) (any, string) {
	for _, layout := range []string{time.DateOnly, "02/01/2006", "02-01-2006", "02.01.2006"} {
		at, err := time.Parse(layout, v)
		if err != nil {
			continue
		}
		if at.Year() < 1950 || at.After(r.today.AddDate(0, 0, 1)) {
			return nil, "is not a possible date of birth"
		}
		return at.Format(time.DateOnly), ""
	}
	return nil, "is not a date (2024-12-31 or 31/12/2024)"
}

func farmCode(v string) (any, string) {
	if !registry.Accepts("car", v) {
		return nil, "is not a CAR code (UF-1234567-32 hexadecimal digits)"
	}
	return v, ""
}

// weight accepts 412.5 and, with a decimal comma, 412,5 and 1.012,5.
func weight(v string) (any, string) {
	n := v
	if strings.Contains(v, ",") {
		n = strings.Replace(strings.ReplaceAll(v, ".", ""), ",", ".", 1)
	}
	kg, err := strconv.ParseFloat(n, 64)
	if err != nil || math.IsInf(kg, 0) || math.IsNaN(kg) || strings.ContainsAny(n, "xXpP_") {
		return nil, "is not a number"
	}
	if kg <= 0 {
		return nil, "is not a weight above zero"
	}
	return kg, ""
}

// quote shows a value of the file in a message, cut to a readable length.
func quote(v string) string {
	const most = 40
	if r := []rune(v); len(r) > most {
		v = string(r[:most]) + "…"
	}
	return strconv.Quote(v)
}
