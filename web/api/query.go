package api

import (
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/defarm-repo/defarm/app"
)

// queryParam is a declared query parameter.
type queryParam struct {
	name string
	kind string // JSON type of its schema
}

// readQuery decodes the declared parameters and refuses what huma would let
// pass as "not given": an empty number, a broken escape; and what it would
// guess: a repeated name, 1 for true. Unknown parameters are ignored.
func (x *exchange) readQuery() *failure {
	if len(x.rt.query) == 0 {
		return nil
	}
	x.query = make([]string, len(x.rt.query))
	raw := x.r.URL.RawQuery
	if raw == "" {
		return nil
	}
	var seen uint64
	for part := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		i := x.rt.queryIndex(name)
		if err != nil || i < 0 {
			continue
		}
		if seen&(1<<i) != 0 {
			return queryFailure("duplicate field `" + name + "`")
		}
		seen |= 1 << i
		value, err = url.QueryUnescape(value)
		if err != nil || !utf8.ValidString(value) {
			return queryFailure(name + ": malformed escape")
		}
		if f := checkQueryValue(x.rt.query[i], value); f != nil {
			return f
		}
		x.query[i] = value
	}
	return nil
}

// checkQueryValue applies the rules of contract 01 §1.4 for typed parameters.
func checkQueryValue(p queryParam, value string) *failure {
	switch p.kind {
	case huma.TypeInteger, huma.TypeNumber:
		if value == "" {
			return queryFailure(p.name + ": cannot parse " + p.kind + " from empty string")
		}
	case huma.TypeBoolean:
		if value != "true" && value != "false" {
			return queryFailure(p.name + ": provided string was not `true` or `false`")
		}
	}
	return nil
}

func queryFailure(detail string) *failure {
	return badRequest(http.StatusBadRequest, app.ReasonBadQuery, prefixQuery+detail)
}

// optionalBool is a query parameter that may be absent; only true and false are
// read. huma parses into Value and tells whether it was there.
type optionalBool struct {
	Value bool
	set   bool
}

// or is the parameter's value, or def when it is absent.
func (b optionalBool) or(def bool) bool {
	if b.set {
		return b.Value
	}
	return def
}

// Receiver implements huma.ParamWrapper.
func (b *optionalBool) Receiver() reflect.Value { return reflect.ValueOf(b).Elem().Field(0) }

// OnParamSet implements huma.ParamReactor.
func (b *optionalBool) OnParamSet(isSet bool, _ any) { b.set = isSet }

// Schema implements huma.SchemaProvider.
func (optionalBool) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: huma.TypeBoolean} }
