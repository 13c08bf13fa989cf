package canon

import (
	"bytes"
	"encoding/json"
	"slices"
)

// Canonical returns the canonical form of one JSON document of any type. The
// result shares no memory with raw. Errors are *Error.
func Canonical(raw []byte) ([]byte, error) {
	e := encoder{src: raw, out: make([]byte, 0, len(raw))}
	if err := e.document(); err != nil {
		return nil, err
	}
	return e.out, nil
}

// Object returns the members of a JSON object: each key with the canonical
// form of its value. Of a repeated key the last value counts. Any other
// document, null too, is ErrNotObject. Errors are *Error.
//
// The values share one buffer; none of them can be appended to in place.
func Object(raw []byte) (map[string]json.RawMessage, error) {
	e := encoder{src: raw, out: make([]byte, 0, len(raw))}
	e.space()
	if e.peek() != '{' {
		// A text that is no JSON at all is reported as such.
		if err := e.document(); err != nil {
			return nil, err
		}
		return nil, &Error{Err: ErrNotObject}
	}
	members, err := e.members()
	if err != nil {
		return nil, err
	}
	if err := e.end(); err != nil {
		return nil, err
	}
	m := make(map[string]json.RawMessage, len(members))
	for _, f := range members {
		m[string(f.key)] = e.out[f.value:f.end:f.end]
	}
	return m, nil
}

// AppendObject appends the canonical object with those members. The values
// must be canonical already (Object, String, Canonical); they are copied as
// they are. A nil map is the empty object, a nil value is null.
func AppendObject(dst []byte, m map[string]json.RawMessage) []byte {
	var room [16]string
	keys := room[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, k)
		dst = append(dst, ':')
		if v := m[k]; v != nil {
			dst = append(dst, v...)
		} else {
			dst = append(dst, "null"...)
		}
	}
	return append(dst, '}')
}

// encoder reads JSON from src and writes its canonical form to out in one
// pass. Objects whose members come out of order are put in order when they
// close. The zero value with src set is ready.
type encoder struct {
	src   []byte
	pos   int
	out   []byte
	depth int
	stack []member // members of the objects that are open
	spare []byte   // room to reorder an object in
}

// member is one "key":value of an open object, by its place in out.
type member struct {
	key               []byte // decoded
	start, value, end int
}

// document reads one value and nothing after it.
func (e *encoder) document() error {
	e.space()
	if err := e.value(); err != nil {
		return err
	}
	return e.end()
}

// end refuses anything but white space.
func (e *encoder) end() error {
	e.space()
	if e.pos < len(e.src) {
		return e.fail(ErrSyntax)
	}
	return nil
}

func (e *encoder) fail(reason error) error { return &Error{Err: reason, Offset: e.pos} }

func (e *encoder) space() {
	for e.pos < len(e.src) {
		switch e.src[e.pos] {
		case ' ', '\t', '\n', '\r':
			e.pos++
		default:
			return
		}
	}
}

// peek returns the next byte, 0 at the end of the text.
func (e *encoder) peek() byte {
	if e.pos < len(e.src) {
		return e.src[e.pos]
	}
	return 0
}

func (e *encoder) value() error {
	switch c := e.peek(); c {
	case '{':
		return e.object()
	case '[':
		return e.array()
	case '"':
		return e.text()
	case 't':
		return e.word("true")
	case 'f':
		return e.word("false")
	case 'n':
		return e.word("null")
	default:
		return e.number()
	}
}

func (e *encoder) word(w string) error {
	if len(e.src)-e.pos < len(w) || string(e.src[e.pos:e.pos+len(w)]) != w {
		return e.fail(ErrSyntax)
	}
	e.pos += len(w)
	e.out = append(e.out, w...)
	return nil
}

// open enters an object or array.
func (e *encoder) open() error {
	if e.depth == MaxDepth {
		return e.fail(ErrTooDeep)
	}
	e.depth++
	e.out = append(e.out, e.src[e.pos])
	e.pos++
	e.space()
	return nil
}

func (e *encoder) array() error {
	if err := e.open(); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := e.more(first, ']')
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
		if err := e.value(); err != nil {
			return err
		}
		e.space()
	}
}

// more stands before an element, a comma or the closing bracket: it reports
// whether an element follows, and closes the bracket when none does.
func (e *encoder) more(first bool, closing byte) (bool, error) {
	if e.peek() == closing {
		e.pos++
		e.depth--
		e.out = append(e.out, closing)
		return false, nil
	}
	if first {
		return true, nil
	}
	if e.peek() != ',' {
		return false, e.fail(ErrSyntax)
	}
	e.pos++
	e.space()
	e.out = append(e.out, ',')
	return true, nil
}

// object writes an object with its members in order, each key once.
func (e *encoder) object() error {
	base := len(e.stack)
	members, err := e.members()
	if err != nil {
		return err
	}
	if !sorted(members) {
		e.reorder(members)
	}
	e.stack = e.stack[:base]
	return nil
}

// members writes an object with its members as they come and returns them.
// They are the top of the stack; the caller takes them off.
func (e *encoder) members() ([]member, error) {
	if err := e.open(); err != nil {
		return nil, err
	}
	if e.stack == nil {
		e.stack = make([]member, 0, 16)
	}
	base := len(e.stack)
	for first := true; ; first = false {
		more, err := e.more(first, '}')
		if err != nil {
			return nil, err
		}
		if !more {
			return e.stack[base:], nil
		}
		m := member{start: len(e.out)}
		if m.key, err = e.key(); err != nil {
			return nil, err
		}
		m.value = len(e.out)
		if err := e.value(); err != nil {
			return nil, err
		}
		m.end = len(e.out)
		e.stack = append(e.stack, m)
		e.space()
	}
}

// key writes `"key":` and returns the decoded key.
func (e *encoder) key() ([]byte, error) {
	if e.peek() != '"' {
		return nil, e.fail(ErrSyntax)
	}
	from, at := e.pos+1, len(e.out)+1
	if err := e.text(); err != nil {
		return nil, err
	}
	key := e.src[from : e.pos-1]
	if bytes.IndexByte(key, '\\') >= 0 {
		key = unescape(e.out[at : len(e.out)-1])
	}
	e.space()
	if e.peek() != ':' {
		return nil, e.fail(ErrSyntax)
	}
	e.pos++
	e.space()
	e.out = append(e.out, ':')
	return key, nil
}

// sorted reports whether the keys strictly rise.
func sorted(members []member) bool {
	for i := 1; i < len(members); i++ {
		if bytes.Compare(members[i-1].key, members[i].key) >= 0 {
			return false
		}
	}
	return true
}

// reorder rewrites the object that ends at the end of out, with its members
// sorted and of equal keys only the last.
func (e *encoder) reorder(members []member) {
	start := members[0].start
	slices.SortFunc(members, func(a, b member) int {
		if c := bytes.Compare(a.key, b.key); c != 0 {
			return c
		}
		return a.start - b.start
	})
	e.spare = e.spare[:0]
	for i, m := range members {
		if i+1 < len(members) && bytes.Equal(m.key, members[i+1].key) {
			continue
		}
		if len(e.spare) > 0 {
			e.spare = append(e.spare, ',')
		}
		e.spare = append(e.spare, e.out[m.start:m.end]...)
	}
	e.out = append(append(e.out[:start], e.spare...), '}')
}

// String returns the canonical form of a string, as a value for AppendObject.
func String(s string) json.RawMessage {
	return AppendString(make([]byte, 0, len(s)+len(`""`)), s)
}
