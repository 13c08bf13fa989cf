package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/canon"
	"github.com/defarm-repo/defarm/app/registry"
)

// identifierJSON is an identifier in requests and answers alike (contract 02
// §5.1). Members that do not apply are left out of answers.
type identifierJSON struct {
	Namespace        *string `json:"namespace,omitempty" doc:"Kind of product, as bovino; the circuit's default or generic when absent." example:"bovino"`
	Key              string  `json:"key" doc:"Name of the identifier; for a canonical one also its registry." example:"sisbov"`
	Value            string  `json:"value" example:"BR123456789012"`
	Type             *string `json:"id_type,omitempty" doc:"Canonical (given by a registry) or Contextual, in any case; Contextual when absent." example:"Canonical"`
	Scope            *string `json:"scope,omitempty" doc:"Contextual only; user when absent."`
	Verified         *bool   `json:"verified,omitempty" doc:"Canonical only; counts together with verification_date."`
	VerificationDate *string `json:"verification_date,omitempty" format:"date-time" doc:"RFC 3339 with an offset."`
	Warnings         remarks `json:"warnings,omitempty" doc:"In answers only: what looks wrong with a canonical value, as a check digit. It is stored all the same." example:"[\"the check digit does not match\"]"`
}

// remarks are in answers only: whatever a client sends under the name is
// ignored.
type remarks []string

// UnmarshalJSON implements json.Unmarshaler and reads nothing.
func (*remarks) UnmarshalJSON([]byte) error { return nil }

// Schema lets a request carry anything there.
func (remarks) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Extensions: map[string]any{"items": &huma.Schema{Type: huma.TypeString}}}
}

// defaultScope is the scope of a contextual identifier that names none.
const defaultScope = "user"

// toApp converts one identifier; at is its place in the list. A namespace that
// is missing or empty stays "": see app.Identifier.
func (in identifierJSON) toApp(at int) (app.Identifier, error) {
	id := app.Identifier{Namespace: value(in.Namespace), Key: in.Key, Value: in.Value}
	if in.Type != nil {
		switch t := strings.ToLower(*in.Type); t {
		case "canonical":
			id.Canonical = true
		case "contextual":
		default:
			return id, app.Invalid(app.ReasonBadIdentifier, "Invalid identifier payload: Invalid id_type '%s'", t)
		}
	}
	date, err := in.verifiedAt(at)
	if err != nil {
		return id, err
	}
	switch {
	case !id.Canonical:
		id.Scope = defaultScope
		if in.Scope != nil {
			id.Scope = *in.Scope
		}
	case value(in.Verified) && !date.IsZero():
		id.Verified, id.VerifiedAt = true, date
	}
	return id, nil
}

func (in identifierJSON) verifiedAt(at int) (time.Time, error) {
	if in.VerificationDate == nil {
		return time.Time{}, nil
	}
	date, err := time.Parse(time.RFC3339Nano, *in.VerificationDate)
	// At the edges of the calendar UTC may be a year that RFC 3339 cannot write.
	if date = date.UTC(); err != nil || date.Year() < 1 || date.Year() > 9999 {
		return time.Time{}, shapeError422("identifiers[%d].verification_date: expected a date with time and offset (RFC 3339)", at)
	}
	return date, nil
}

func shownNamespace(id app.Identifier) string {
	if id.Namespace == "" {
		return app.DefaultNamespace
	}
	return id.Namespace
}

// appendIdentifier writes an identifier as an identifierJSON is encoded; a test
// holds the two together.
func appendIdentifier(b []byte, id app.Identifier) []byte {
	b = append(b, `{"namespace":`...)
	b = canon.AppendString(b, shownNamespace(id))
	b = append(b, `,"key":`...)
	b = canon.AppendString(b, id.Key)
	b = append(b, `,"value":`...)
	b = canon.AppendString(b, id.Value)
	if !id.Canonical {
		b = append(b, `,"id_type":"Contextual","scope":`...)
		b = canon.AppendString(b, id.Scope)
		return append(b, '}')
	}
	b = append(b, `,"id_type":"Canonical","verified":`...)
	if id.Verified {
		b = append(b, "true"...)
	} else {
		b = append(b, "false"...)
	}
	if !id.VerifiedAt.IsZero() {
		b = append(b, `,"verification_date":`...)
		b = canon.AppendString(b, app.FormatZ(id.VerifiedAt))
	}
	if warnings := registry.Warnings(id.Key, id.Value); len(warnings) > 0 {
		b = append(b, `,"warnings":[`...)
		for i, text := range warnings {
			if i > 0 {
				b = append(b, ',')
			}
			b = canon.AppendString(b, text)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

// identifierList reads a list of identifiers. Clients also send an object of
// texts, {"lote":"L-7"}: contextual identifiers without a namespace (contract
// 02 §9, 21). What does not fit is kept and reported by toApp, by its place.
type identifierList struct {
	list  []identifierJSON
	given bool // the client named the member and wrote something other than null
	null  bool // the client wrote null
	err   error
}

// Schema documents both forms. They stand in an extension because the check of
// bodies should report an element by its place, not "no form fits".
func (identifierList) Schema(r huma.Registry) *huma.Schema {
	one := r.Schema(reflect.TypeFor[identifierJSON](), true, "Identifier")
	return &huma.Schema{
		Description: "List of identifiers, at most 1,000. An object of texts is read as contextual ones.",
		Items:       one,
		Extensions: map[string]any{"anyOf": []*huma.Schema{
			{Type: huma.TypeArray, Items: one},
			{Type: huma.TypeObject, AdditionalProperties: &huma.Schema{Type: huma.TypeString}},
		}},
	}
}

// UnmarshalJSON implements json.Unmarshaler and never fails.
func (l *identifierList) UnmarshalJSON(b []byte) error {
	*l = identifierList{given: true}
	switch b[0] {
	case 'n':
		l.given, l.null = false, true
	case '[':
		l.err = l.readArray(b)
	case '{':
		l.err = l.readObject(b)
	default:
		l.err = shapeError422("identifiers: invalid type: expected array")
	}
	return nil
}

func (l *identifierList) readArray(b []byte) error {
	var elements []json.RawMessage
	if err := json.Unmarshal(b, &elements); err != nil {
		return shapeError422("identifiers: invalid type: expected array")
	}
	if len(elements) > app.MaxIdentifiers {
		return app.TooManyIdentifiers(len(elements))
	}
	l.list = make([]identifierJSON, len(elements))
	for i, raw := range elements {
		// Members that must be there are pointers here, to tell them from "".
		in := struct {
			*identifierJSON
			Key   *string `json:"key"`
			Value *string `json:"value"`
		}{identifierJSON: &l.list[i]}
		place := fmt.Sprintf("identifiers[%d]", i)
		var typed *json.UnmarshalTypeError
		err := json.Unmarshal(raw, &in)
		switch {
		case errors.As(err, &typed) && typed.Field != "":
			// Of an embedded member the path starts with the type's name.
			return shapeError422("%s.%s: invalid type: expected %s", place, typed.Field[strings.LastIndexByte(typed.Field, '.')+1:], jsonKind(typed.Type))
		case err != nil || raw[0] != '{':
			return shapeError422("%s: invalid type: expected object", place)
		case in.Key == nil:
			return shapeError422("%s: missing field `key`", place)
		case in.Value == nil:
			return shapeError422("%s: missing field `value`", place)
		}
		l.list[i].Key, l.list[i].Value = *in.Key, *in.Value
	}
	return nil
}

func (l *identifierList) readObject(b []byte) error {
	var pairs map[string]*string
	if err := json.Unmarshal(b, &pairs); err != nil {
		return shapeError422("identifiers: invalid type: expected an array, or an object of strings")
	}
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		if pairs[key] == nil {
			return shapeError422("identifiers: invalid type: expected an array, or an object of strings")
		}
		l.list = append(l.list, identifierJSON{Key: key, Value: *pairs[key]})
	}
	return nil
}

func jsonKind(t reflect.Type) string {
	if t.Kind() == reflect.Bool {
		return huma.TypeBoolean
	}
	return huma.TypeString
}

// toApp converts the list. ReasonShape (422), ReasonBadIdentifier and
// ReasonTooManyElements (400).
func (l identifierList) toApp() ([]app.Identifier, error) {
	if l.err != nil || len(l.list) == 0 {
		return nil, l.err
	}
	out := make([]app.Identifier, len(l.list))
	for i, in := range l.list {
		var err error
		if out[i], err = in.toApp(i); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// shapeError422 is the answer to JSON of the wrong shape.
func shapeError422(format string, args ...any) *app.Error {
	return app.NewError(app.CodeUnprocessable, app.ReasonShape, prefixShape+format, args...)
}

// freeObject is a free-form object, kept as the bytes that came so that no
// number loses a digit.
type freeObject []byte

// Schema implements huma.SchemaProvider.
func (freeObject) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Nullable: true}
}

// UnmarshalJSON implements json.Unmarshaler; null is no object.
func (o *freeObject) UnmarshalJSON(b []byte) error {
	*o = nil
	if !bytes.Equal(b, []byte("null")) {
		*o = bytes.Clone(b)
	}
	return nil
}

// canonical gives the members of the object with canonical values, nil when
// there is none. name is the member of the body that it came from.
func (o freeObject) canonical(name string) (map[string]json.RawMessage, error) {
	if o == nil {
		return nil, nil
	}
	m, err := canon.Object(o)
	switch {
	case err == nil:
		return m, nil
	case errors.Is(err, canon.ErrNUL):
		return nil, app.Invalid(app.ReasonForbiddenText, "Validation error: %s must not contain U+0000", name)
	case errors.Is(err, canon.ErrTooDeep):
		return nil, app.Invalid(app.ReasonTooDeep, "Validation error: %s is nested deeper than %d levels", name, canon.MaxDepth)
	case errors.Is(err, canon.ErrNotObject):
		return nil, shapeError422("%s: invalid type: expected object", name)
	default:
		return nil, shapeError422("%s: value does not fit", name).Causing(err)
	}
}
