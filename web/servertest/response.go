package servertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// Response is an answer. Its wants fail the test at once and return it, so
// that they can be chained.
type Response struct {
	Status int
	Header http.Header
	Body   []byte

	tb      testing.TB
	request string // "GET /path", for messages
}

// WantStatus wants that status.
func (r *Response) WantStatus(code int) *Response {
	r.tb.Helper()
	if r.Status != code {
		r.tb.Fatalf("%s: got status %d, want %d; body: %s", r.request, r.Status, code, r.excerpt())
	}
	return r
}

// WantError wants a body whose member "error" is that text.
func (r *Response) WantError(text string) *Response {
	r.tb.Helper()
	if got := r.Field("error"); got != text {
		r.tb.Fatalf("%s: got error %q, want %q", r.request, got, text)
	}
	return r
}

// WantHeader wants that value of a header.
func (r *Response) WantHeader(name, value string) *Response {
	r.tb.Helper()
	if got := r.Header.Get(name); got != value {
		r.tb.Fatalf("%s: got header %s %q, want %q", r.request, name, got, value)
	}
	return r
}

// JSON decodes the body into v.
func (r *Response) JSON(v any) *Response {
	r.tb.Helper()
	if err := json.Unmarshal(r.Body, v); err != nil {
		r.tb.Fatalf("%s: body is no such JSON: %v; body: %s", r.request, err, r.excerpt())
	}
	return r
}

// Field is the value at a path such as "data.items.0.dfid": a text as it is,
// anything else as its JSON. It must be there.
func (r *Response) Field(path string) string {
	r.tb.Helper()
	v, err := r.lookup(path)
	if err != nil {
		r.tb.Fatalf("%s: field %s: %v; body: %s", r.request, path, err, r.excerpt())
	}
	return v
}

func (r *Response) lookup(path string) (string, error) {
	at, err := decodeAny(r.Body)
	if err != nil {
		return "", err
	}
	for step := range strings.SplitSeq(path, ".") {
		switch v := at.(type) {
		case map[string]any:
			next, ok := v[step]
			if !ok {
				return "", fmt.Errorf("no member %q", step)
			}
			at = next
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(v) {
				return "", fmt.Errorf("no element %q in an array of %d", step, len(v))
			}
			at = v[i]
		default:
			return "", fmt.Errorf("nothing has a member %q here", step)
		}
	}
	if text, ok := at.(string); ok {
		return text, nil
	}
	raw, err := json.Marshal(at)
	return string(raw), err
}

// decodeAny decodes JSON with numbers kept as they were written.
func decodeAny(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, fmt.Errorf("more than one JSON value")
	}
	return v, nil
}

// excerpt is what of the body fits into a message.
func (r *Response) excerpt() string {
	const most = 2000
	if len(r.Body) > most {
		return string(r.Body[:most]) + "…"
	}
	return string(r.Body)
}
