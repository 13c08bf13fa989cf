package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

// contentJSON is the content type of every JSON answer.
const contentJSON = "application/json"

// contentProblem is what huma calls its errors. It is never sent.
const contentProblem = "application/problem+json"

// bufferKeep is the largest buffer that goes back to the pool, so that one
// large answer does not hold its memory for ever.
const bufferKeep = 1 << 20

// buffers holds the bytes of request bodies and answers while they are used.
// A pool is not state: nothing depends on what is in it.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func getBuffer() *bytes.Buffer { return buffers.Get().(*bytes.Buffer) } //nolint:forcetypeassert // the pool's only type

func putBuffer(b *bytes.Buffer) {
	if b.Cap() <= bufferKeep {
		b.Reset()
		buffers.Put(b)
	}
}

// wholeWriter takes a complete body at once, so that it can be sent with its
// length, and compressed.
type wholeWriter interface{ writeWhole(body []byte) }

// jsonFormat is the only wire format: compact JSON without HTML escapes,
// encoded completely before the first byte goes out.
func jsonFormat() huma.Format {
	return huma.Format{Marshal: marshalJSON, Unmarshal: unmarshalJSON}
}

func marshalJSON(w io.Writer, v any) error {
	var body []byte
	switch t := v.(type) {
	case preEncoded:
		body = t.encodedJSON()
		if body == nil {
			body = []byte("null")
		}
	case *failure:
		body = t.body()
	default:
		buf := getBuffer()
		defer putBuffer(buf)
		if err := encodeJSON(buf, v); err != nil {
			// A wire type that cannot be encoded. Returned, it would make huma
			// write a text into the answer; as a panic it becomes a clean 500.
			panic(err)
		}
		body = buf.Bytes()
	}
	if ww, ok := w.(wholeWriter); ok {
		ww.writeWhole(body)
		return nil
	}
	_, err := w.Write(body)
	return err
}

// encodeJSON appends v without a newline at the end; a nil list is [].
func encodeJSON(buf *bytes.Buffer, v any) error {
	if rv := reflect.ValueOf(v); rv.Kind() == reflect.Slice && rv.IsNil() && rv.Type().Elem().Kind() != reflect.Uint8 {
		buf.WriteString("[]")
		return nil
	}
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	buf.Truncate(buf.Len() - 1)
	return nil
}

// appendMember appends `"name":value` to the open object in b.
func appendMember(b []byte, name string, v any) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	buf := getBuffer()
	defer putBuffer(buf)
	if err := encodeJSON(buf, name); err != nil {
		return b // a string always encodes
	}
	buf.WriteByte(':')
	start := buf.Len()
	if err := encodeJSON(buf, v); err != nil {
		// Values beside "error" are ours; one that cannot be encoded must not
		// cost the caller the error itself.
		buf.Truncate(start)
		buf.WriteString("null")
	}
	return append(b, buf.Bytes()...)
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
