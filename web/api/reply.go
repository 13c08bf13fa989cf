package api

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// reply is the output of an operation with a body.
type reply[T any] struct {
	Body T
}

// respond makes the output of a handler out of its last conversion and the
// error of its service call. The value is dropped when there is an error.
func respond[T any](v T, err error) (*reply[T], error) {
	if err != nil {
		return nil, err
	}
	return &reply[T]{Body: v}, nil
}

// encoded is a body that is JSON already, documented in OpenAPI as a T. As the
// body of a reply it is written as it is; the bytes are not read again and are
// not kept after the answer. Inside another struct it also works, at the price
// of encoding/json checking it.
type encoded[T any] []byte

// Schema documents the body as a T.
func (encoded[T]) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "")
}

// MarshalJSON returns the bytes; null when there are none.
func (e encoded[T]) MarshalJSON() ([]byte, error) {
	if e == nil {
		return []byte("null"), nil
	}
	return e, nil
}

// encodedJSON marks the type for the format.
func (e encoded[T]) encodedJSON() []byte { return e }

// preEncoded is implemented by encoded, whatever its type argument.
type preEncoded interface{ encodedJSON() []byte }

// orEmpty returns s, or an empty list in place of nil: lists inside a body are
// written as [] and never as null. (A nil list that is the whole body becomes
// [] by itself.)
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
