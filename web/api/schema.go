package api

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

const schemaPrefix = "#/components/schemas/"

// errorJSON documents the body of every error.
type errorJSON struct {
	Error   string `json:"error" doc:"What went wrong, for people; for failures of an API key a stable code." example:"Item not found"`
	Message string `json:"message,omitempty" doc:"Text beside a stable code."`
}

// schemaName names a wire type in the document: itemJSON becomes Item.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	if short := strings.ReplaceAll(name, "JSON", ""); short != "" {
		return short
	}
	return name
}

func newRegistry() huma.Registry {
	r := huma.NewMapRegistry(schemaPrefix, schemaName)
	// huma documents its own error type on every operation; ours is another.
	r.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[errorJSON]())
	return r
}

// settleSchemas finishes the schemas once all operations are known. Arrays are
// not nullable unless their field says nullable:"true" (huma's default is the
// other way round, in a package variable that is not ours to change), and
// uniqueItems is refused: huma panics on it when an element is an object.
func settleSchemas(doc *huma.OpenAPI) error {
	reg := doc.Components.Schemas
	var problems []string
	for name, s := range reg.Map() {
		nullable := nullableFields(reg.TypeFromRef(schemaPrefix + name))
		for field, p := range s.Properties {
			settle(p, nullable[field], schemaPrefix+name+"."+field, &problems)
		}
		settle(&huma.Schema{Items: s.Items, AdditionalProperties: s.AdditionalProperties}, false, schemaPrefix+name, &problems)
	}
	for path, item := range doc.Paths {
		for _, op := range operations(item) {
			where := op.Method + " " + path
			for _, p := range op.Parameters {
				settle(p.Schema, false, where, &problems)
			}
			if op.RequestBody != nil {
				settleContent(op.RequestBody.Content, where, &problems)
			}
			for _, r := range op.Responses {
				settleContent(r.Content, where, &problems)
			}
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("uniqueItems is not allowed: %s", strings.Join(problems, ", "))
	}
	return nil
}

func settleContent(content map[string]*huma.MediaType, where string, problems *[]string) {
	for _, m := range content {
		settle(m.Schema, false, where, problems)
	}
}

func settle(s *huma.Schema, keepNull bool, where string, problems *[]string) {
	if s == nil || s.Ref != "" {
		return
	}
	if s.UniqueItems {
		*problems = append(*problems, where)
	}
	if s.Type == huma.TypeArray && !keepNull {
		s.Nullable = false
	}
	settle(s.Items, false, where, problems)
	settle(additional(s), false, where, problems)
	for _, p := range s.Properties {
		settle(p, false, where, problems)
	}
}

// nullableFields lists the JSON names of t's fields that are tagged
// nullable:"true", those of embedded structs included.
func nullableFields(t reflect.Type) map[string]bool {
	out := map[string]bool{}
	if t == nil || t.Kind() != reflect.Struct {
		return out
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			et := f.Type
			if et.Kind() == reflect.Pointer {
				et = et.Elem()
			}
			for n := range nullableFields(et) {
				out[n] = true
			}
			continue
		}
		if f.Tag.Get("nullable") == "true" {
			out[name] = true
		}
	}
	return out
}

// operations lists the operations of one path.
func operations(item *huma.PathItem) []*huma.Operation {
	var out []*huma.Operation
	for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
		if op != nil {
			out = append(out, op)
		}
	}
	return out
}

// hiddenEmbeds finds embedded structs with unexported names: encoding/json sees
// their fields and huma does not, so they would be neither checked nor
// documented.
func hiddenEmbeds(t reflect.Type, seen map[reflect.Type]bool) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Array || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	// Types of other packages have settled their own encoding.
	if t.Kind() != reflect.Struct || seen[t] || (t.PkgPath() != "" && t.PkgPath() != reflect.TypeFor[route]().PkgPath()) {
		return nil
	}
	seen[t] = true
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous && !f.IsExported() && f.Type.Kind() == reflect.Struct && f.Type.NumField() > 0 {
			out = append(out, f.Name)
		}
		if f.IsExported() {
			out = append(out, hiddenEmbeds(f.Type, seen)...)
		}
	}
	return out
}
