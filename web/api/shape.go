package api

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// shape checks parsed JSON against the schema of an operation's body.
//
// huma could do it, but compares names without regard to case, like
// encoding/json: {"type":"Lot","TYPE":"evil"} would be checked by one spelling
// and decoded by the other. And a key given twice would be checked by its last
// value and decoded by both. So a body with a misspelt or a repeated key is
// rewritten before it is decoded: misspelt keys are unknown ones and go, the
// last of repeated ones stays.
type shape struct {
	registry huma.Registry
	schema   *huma.Schema
}

// check returns the bytes to decode, or the answer for a body that does not fit.
func (s shape) check(body []byte, members int) ([]byte, *failure) {
	value, f := decodeAny(body)
	if f != nil {
		return nil, f
	}
	if countMembers(value) != members || s.misspelt(s.schema, value) {
		body, value, f = s.rewrite(body)
		if f != nil {
			return nil, f
		}
	}
	path := huma.NewPathBuffer(make([]byte, 0, 64), 0)
	var res huma.ValidateResult
	huma.Validate(s.registry, s.schema, path, huma.ModeWriteToServer, value, &res)
	if len(res.Errors) == 0 {
		return body, nil
	}
	return nil, shapeFailure(s.detail(res.Errors[0]))
}

// rewrite encodes the body again without misspelt and repeated keys. Numbers
// keep their digits.
func (s shape) rewrite(body []byte) ([]byte, any, *failure) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, nil, shapeFailure(doesNotFit)
	}
	s.dropMisspelt(s.schema, value)
	var buf bytes.Buffer
	if err := encodeJSON(&buf, value); err != nil {
		return nil, nil, shapeFailure(doesNotFit)
	}
	clean, f := decodeAny(buf.Bytes())
	return buf.Bytes(), clean, f
}

func (s shape) resolve(sc *huma.Schema) *huma.Schema {
	for sc != nil && sc.Ref != "" {
		sc = s.registry.SchemaFromRef(sc.Ref)
	}
	return sc
}

// misspelt reports whether some object has a key that differs from one of its
// properties in case only.
func (s shape) misspelt(sc *huma.Schema, v any) bool {
	if sc = s.resolve(sc); sc == nil {
		return false
	}
	switch t := v.(type) {
	case map[string]any:
		for k, e := range t {
			if p, ok := sc.Properties[k]; ok {
				if s.misspelt(p, e) {
					return true
				}
			} else if foldsTo(sc, k) || s.misspelt(additional(sc), e) {
				return true
			}
		}
	case []any:
		for _, e := range t {
			if s.misspelt(sc.Items, e) {
				return true
			}
		}
	}
	return false
}

func (s shape) dropMisspelt(sc *huma.Schema, v any) {
	if sc = s.resolve(sc); sc == nil {
		return
	}
	switch t := v.(type) {
	case map[string]any:
		for k, e := range t {
			if p, ok := sc.Properties[k]; ok {
				s.dropMisspelt(p, e)
			} else if foldsTo(sc, k) {
				delete(t, k)
			} else {
				s.dropMisspelt(additional(sc), e)
			}
		}
	case []any:
		for _, e := range t {
			s.dropMisspelt(sc.Items, e)
		}
	}
}

func foldsTo(sc *huma.Schema, key string) bool {
	for name := range sc.Properties {
		if len(name) <= 3*len(key) && strings.EqualFold(name, key) {
			return true
		}
	}
	return false
}

// additional is the schema of a map's values, nil for objects with fixed names.
func additional(sc *huma.Schema) *huma.Schema {
	a, _ := sc.AdditionalProperties.(*huma.Schema)
	return a
}

// detail words a validation error without the value, and without keys that the
// client made up.
func (s shape) detail(err error) string {
	d, ok := err.(huma.ErrorDetailer)
	if !ok {
		return doesNotFit
	}
	e := d.ErrorDetail()
	path, text := s.knownPath(e.Location), safeDetail(e.Message)
	if path == "" {
		return text
	}
	return path + ": " + text
}

// knownPath keeps the part of a location that the schema spells; a key of a
// free-form object is shown as *.
func (s shape) knownPath(location string) string {
	var out strings.Builder
	sc := s.resolve(s.schema)
	for location != "" && sc != nil {
		if location[0] == '[' {
			end := strings.IndexByte(location, ']')
			if end < 0 || sc.Items == nil {
				break
			}
			out.WriteString(location[:end+1])
			location, sc = location[end+1:], s.resolve(sc.Items)
			continue
		}
		location = strings.TrimPrefix(location, ".")
		name := knownName(sc, location)
		if out.Len() > 0 {
			out.WriteByte('.')
		}
		if name == "" {
			out.WriteByte('*')
			break
		}
		out.WriteString(name)
		location, sc = location[len(name):], s.resolve(sc.Properties[name])
	}
	return out.String()
}

// knownName returns the longest property that location starts with.
func knownName(sc *huma.Schema, location string) string {
	best := ""
	for name := range sc.Properties {
		rest, ok := strings.CutPrefix(location, name)
		if ok && len(name) > len(best) && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			best = name
		}
	}
	return best
}

// safeDetail turns one of huma's messages into the contract's wording. What
// follows a colon may repeat the input (a URL, a mail address) and is cut off.
func safeDetail(message string) string {
	if rest, ok := strings.CutPrefix(message, "expected required property "); ok {
		return "missing field `" + strings.TrimSuffix(rest, " to be present") + "`"
	}
	switch message {
	case "expected string", "expected integer", "expected number", "expected boolean", "expected array", "expected object":
		return "invalid type: " + message
	}
	message, _, _ = strings.Cut(message, ": ")
	return message
}
