package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

type partJSON struct {
	Key   string `json:"key" maxLength:"10"`
	Count int64  `json:"count,omitempty"`
}

type bodyJSON struct {
	Name  string            `json:"name"`
	Kind  string            `json:"kind,omitempty" enum:"Lot,Animal"`
	Parts []partJSON        `json:"parts,omitempty"`
	Tags  []string          `json:"tags,omitempty"`
	Flags map[string]bool   `json:"flags,omitempty"`
	Part  *partJSON         `json:"part,omitempty"`
	Small uint8             `json:"small,omitempty"`
	Data  map[string]any    `json:"data,omitempty"`
	Free  json.RawMessage   `json:"free,omitempty"`
	Email string            `json:"email,omitempty" format:"email"`
	Notes map[string]string `json:"notes,omitempty"`
}

type bodyInput struct{ Body bodyJSON }

type listBodyJSON struct {
	List []string `json:"list"`
}

func bodyRoutes(r *registrar) {
	s := summary("Test")
	post(r, "/t/body", scopePublic, func(_ context.Context, in *bodyInput) (*reply[bodyJSON], error) {
		return respond(in.Body, nil)
	}, s)
	post(r, "/t/list", scopePublic, func(_ context.Context, in *struct{ Body listBodyJSON }) (*reply[listBodyJSON], error) {
		return respond(in.Body, nil)
	}, s)
	post(r, "/t/array", scopePublic, func(_ context.Context, in *struct{ Body []partJSON }) (*reply[int], error) {
		return respond(len(in.Body), nil)
	}, s)
	post(r, "/t/optional", scopePublic, func(_ context.Context, in *struct {
		Body struct {
			Note string `json:"note,omitempty"`
		}
	}) (*reply[string], error) {
		return respond("note:"+in.Body.Note, nil)
	}, s, optionalBody())
	post(r, "/t/small", scopePublic, func(_ context.Context, in *bodyInput) (*reply[string], error) {
		return respond(in.Body.Name, nil)
	}, s, maxBody(20))
	post(r, "/t/none", scopePublic, func(context.Context, *struct{}) (*reply[string], error) { return respond("ok", nil) }, s)
	post(r, "/t/raw", scopePublic, func(_ context.Context, in *struct {
		RawBody []byte `contentType:"text/csv"`
	}) (*reply[int], error) {
		return respond(len(in.RawBody), nil)
	}, s, maxBody(10))
	post(r, "/t/guarded", scopeUser, func(_ context.Context, in *bodyInput) (*reply[string], error) {
		return respond(in.Body.Name, nil)
	}, s)
}

func TestBodies(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, bodyRoutes)
	const media = "application/json"
	deep := func(n int) string {
		return `{"name":"x","data":{"d":` + strings.Repeat("[", n-2) + strings.Repeat("]", n-2) + `}}`
	}
	tests := []struct {
		name, path, media, body string
		want                    int
		said                    string // whole body of a 200, start of the error text otherwise
	}{
		{"minimal", "/t/body", media, `{"name":"x"}`, 200, `{"name":"x"}`},
		{"unknown fields", "/t/body", media, `{"name":"x","color":{"a":[1]}}`, 200, `{"name":"x"}`},
		{"optional fields null", "/t/body", media, `{"name":"x","kind":null,"parts":null,"tags":null,"flags":null,"part":null,"small":null,"data":null,"email":null}`, 200, `{"name":"x"}`},
		{"everything", "/t/body", media, `{"name":"é<&>","kind":"Lot","parts":[{"key":"k","count":9007199254740993}],"free":{"z":1,"a":18446744073709551615}}`, 200,
			`{"name":"é<&>","kind":"Lot","parts":[{"key":"k","count":9007199254740993}],"free":{"z":1,"a":18446744073709551615}}`},
		{"what follows the value is ignored", "/t/body", media, `{"name":"x"} trailing`, 200, `{"name":"x"}`},
		{"blanks around", "/t/body", media, " \n{\"name\":\"x\"}\n", 200, `{"name":"x"}`},
		{"charset", "/t/body", "application/json; charset=utf-8", `{"name":"x"}`, 200, `{"name":"x"}`},
		{"suffix", "/t/body", "application/vnd.farm+json;v=1", `{"name":"x"}`, 200, `{"name":"x"}`},
		{"upper case media", "/t/body", "Application/JSON", `{"name":"x"}`, 200, `{"name":"x"}`},
		{"surrogate pair", "/t/body", media, `{"name":"\ud83d\udc04\\\"\n"}`, 200, `{"name":"🐄\\\"\n"}`},

		{"no media", "/t/body", "", `{"name":"x"}`, 415, textMediaType},
		{"text", "/t/body", "text/plain", `{"name":"x"}`, 415, textMediaType},
		{"form", "/t/body", "application/x-www-form-urlencoded", `name=x`, 415, textMediaType},
		{"json as text", "/t/body", "text/json", `{"name":"x"}`, 415, textMediaType},

		{"empty", "/t/body", media, "", 400, prefixSyntax + "EOF while parsing a value at line 1 column 0"},
		{"cut off", "/t/body", media, `{"name":`, 400, prefixSyntax + "EOF"},
		{"garbage", "/t/body", media, `{"name":x}`, 400, prefixSyntax + "unexpected character at line 1 column 9"},
		{"second line", "/t/body", media, "{\n \"name\": ?}", 400, prefixSyntax + "unexpected character at line 2 column 10"},
		{"byte order mark", "/t/body", media, "\ufeff{}", 400, prefixSyntax},
		{"invalid UTF-8", "/t/body", media, "{\"name\":\"\xff\"}", 400, prefixSyntax + "invalid UTF-8"},
		{"lone surrogate", "/t/body", media, `{"name":"\ud800x"}`, 400, prefixSyntax + "lone surrogate"},
		{"lone low surrogate", "/t/body", media, `{"name":"\udc00"}`, 400, prefixSyntax + "lone surrogate"},
		{"number beyond float64", "/t/body", media, `{"name":"x","data":{"n":1e999}}`, 400, prefixSyntax + "number out of range"},
		{"depth at the limit", "/t/body", media, deep(64), 200, ""},
		{"depth over the limit", "/t/body", media, deep(65), 400, prefixSyntax + "recursion limit exceeded"},

		{"missing field", "/t/body", media, `{}`, 422, prefixShape + "missing field `name`"},
		{"required null", "/t/body", media, `{"name":null}`, 422, prefixShape + "name: invalid type: expected string"},
		{"wrong type", "/t/body", media, `{"name":5}`, 422, prefixShape + "name: invalid type: expected string"},
		{"wrong root", "/t/body", media, `[]`, 422, prefixShape + "invalid type: expected object"},
		{"null root", "/t/body", media, `null`, 422, prefixShape + "invalid type: expected object"},
		{"nested missing", "/t/body", media, `{"name":"x","parts":[{"key":"a"},{}]}`, 422, prefixShape + "parts[1]: missing field `key`"},
		{"nested type", "/t/body", media, `{"name":"x","parts":[{"key":7}]}`, 422, prefixShape + "parts[0].key: invalid type: expected string"},
		{"null in a list", "/t/body", media, `{"name":"x","tags":["a",null]}`, 422, prefixShape + "tags[1]: invalid type: expected string"},
		{"unknown variant", "/t/body", media, `{"name":"x","kind":"lot"}`, 422, prefixShape + `kind: expected value to be one of "Lot, Animal"`},
		{"too long", "/t/body", media, `{"name":"x","part":{"key":"12345678901"}}`, 422, prefixShape + "part.key: expected length <= 10"},
		{"fraction", "/t/body", media, `{"name":"x","part":{"key":"a","count":1.5}}`, 422, prefixShape + "part.count: invalid type: expected integer"},
		{"beyond the Go type", "/t/body", media, `{"name":"x","small":300}`, 422, prefixShape + "small: " + doesNotFit},
		{"beyond int64", "/t/body", media, `{"name":"x","part":{"key":"a","count":1e20}}`, 422, prefixShape + "part.count: " + doesNotFit},
		{"required list null", "/t/list", media, `{"list":null}`, 422, prefixShape + "list: invalid type: expected array"},
		{"required list empty", "/t/list", media, `{"list":[]}`, 200, `{"list":[]}`},
		{"array root", "/t/array", media, `[{"key":"a"},{"key":"b"}]`, 200, `2`},
		{"array root, wrong element", "/t/array", media, `[{"key":"a"},{}]`, 422, prefixShape + "[1]: missing field `key`"},
		{"array root null", "/t/array", media, `null`, 422, prefixShape + "invalid type: expected array"},

		{"name in other case is unknown", "/t/body", media, `{"NAME":"x"}`, 422, prefixShape + "missing field `name`"},
		{"name in other case does not replace", "/t/body", media, `{"name":"x","Name":"evil","part":{"key":"a","KEY":"12345678901"}}`, 200, `{"name":"x","part":{"key":"a"}}`},
		{"variant smuggled by case", "/t/body", media, `{"name":"x","kind":"Lot","KIND":"Evil"}`, 200, `{"name":"x","kind":"Lot"}`},
		{"repeated: the last counts", "/t/body", media, `{"name":"x","name":"y"}`, 200, `{"name":"y"}`},
		{"repeated object does not merge", "/t/body", media, `{"name":"x","part":{"key":"a","count":3},"part":{"key":"b"}}`, 200, `{"name":"x","part":{"key":"b"}}`},
		{"repeated in free data keeps digits", "/t/body", media, `{"name":"x","free":{"a":1,"a":9007199254740993}}`, 200, `{"name":"x","free":{"a":9007199254740993}}`},
		{"free data keeps its case", "/t/body", media, `{"name":"x","data":{"Name":1,"name":2}}`, 200, `{"name":"x","data":{"Name":1,"name":2}}`},

		{"optional, given", "/t/optional", media, `{"note":"a"}`, 200, `"note:a"`},
		{"optional, nothing", "/t/optional", "", "", 200, `"note:"`},
		{"optional, empty JSON", "/t/optional", media, " ", 200, `"note:"`},
		{"optional, null", "/t/optional", media, "null", 200, `"note:"`},
		{"optional, untyped", "/t/optional", "", `{"note":"a"}`, 200, `"note:a"`},
		{"optional, empty text", "/t/optional", "text/plain", "", 200, `"note:"`},
		{"optional, text", "/t/optional", "text/plain", "a", 415, textMediaType},
		{"optional, broken", "/t/optional", media, "{", 400, prefixSyntax},
		{"optional, wrong", "/t/optional", media, `{"note":1}`, 422, prefixShape + "note: invalid type: expected string"},

		{"at the limit", "/t/small", media, `{"name":"123456789"}`, 200, `"123456789"`},
		{"over the limit", "/t/small", media, `{"name":"1234567890"}`, 413, textTooLarge},
		{"default limit", "/t/body", media, `{"name":"` + strings.Repeat("a", defaultMaxBody) + `"}`, 413, textTooLarge},
		{"no body taken", "/t/none", "text/plain", "whatever", 200, `"ok"`},
		{"raw", "/t/raw", "text/csv", "a,b", 200, `3`},
		{"raw over the limit", "/t/raw", "text/csv", "a,b,c,d,e,f", 413, textTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var h headers
			if tt.media != "" {
				h = headers{"Content-Type", tt.media}
			}
			got := e.do(t, "POST", tt.path, tt.body, h)
			if tt.want != 200 {
				got.wantError(t, tt.want, tt.said)
			} else if got.status != 200 || (tt.said != "" && got.body != tt.said) {
				t.Errorf("got %d %s, want 200 %s", got.status, got.body, tt.said)
			}
		})
	}
}

// TestChunkedBody has no announced length.
func TestChunkedBody(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, bodyRoutes)
	for body, want := range map[string]int{`{"name":"123456789"}`: 200, `{"name":"1234567890"}`: 413} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", e.url+"/t/small", struct{ *bytes.Reader }{bytes.NewReader([]byte(body))})
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", contentJSON)
		resp, err := e.client.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("chunked %s: got %d, want %d", body, resp.StatusCode, want)
		}
	}
}

// TestOrderOfChecks is design §2.12: who you are comes before what you sent.
func TestOrderOfChecks(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, bodyRoutes)
	large := strings.Repeat("x", defaultMaxBody+1)
	tests := []struct {
		name string
		h    headers
		body string
		want int
	}{
		{"nobody with a broken body", headers{"Content-Type", contentJSON}, "{", 401},
		{"nobody with a large body", nil, large, 401},
		{"over quota with a broken body", jsonBody(bearer(limitedKey)), "{", 429},
		{"no flag with a broken body", jsonBody(bearer(readKey)), "{", 403},
		{"user with the wrong type", bearer(goodToken), "{", 415},
		{"user with a large body", jsonBody(bearer(goodToken)), large, 413},
		{"user with a broken body", jsonBody(bearer(goodToken)), "{", 400},
		{"user with a wrong shape", jsonBody(bearer(goodToken)), "{}", 422},
		{"user with a good body", jsonBody(bearer(goodToken)), `{"name":"x"}`, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := e.do(t, "POST", "/t/guarded", tt.body, tt.h); got.status != tt.want {
				t.Errorf("got %d %s, want %d", got.status, got.body, tt.want)
			}
		})
	}
}

// FuzzScanJSON compares the scan with encoding/json: what it lets pass whole
// and encoding/json accepts has as many members as the parsed value, unless a
// key is repeated.
func FuzzScanJSON(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":{"b":[1,"x:\"}"]}}`, `[[]]]`, `"\ud800"`, `{"a":1,"a":2}`, `{"\ud83d\udc04":"\\"} x`, "\"\xff\"", `1`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, fail := scanJSON(b)
		if fail != nil {
			return
		}
		if s.end < 0 || s.end > len(b) {
			t.Fatalf("end %d of %d bytes", s.end, len(b))
		}
		var v any
		if json.Unmarshal(b[:s.end], &v) != nil {
			return
		}
		if n := countMembers(v); n > s.members {
			t.Errorf("%q: scan saw %d members, the value has %d", b, s.members, n)
		}
		if strings.Contains(string(b), `\ufffd`) || bytes.ContainsRune(b, '\ufffd') || bytes.Contains(b, []byte(`\uFFFD`)) {
			return
		}
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.ToLower(string(b)), `\ufff`) && bytes.Contains(out, []byte("\ufffd")) {
			t.Errorf("%q: a replacement character appeared: %q", b, out)
		}
	})
}

// FuzzShape: no body makes the check panic, and what it accepts decodes.
func FuzzShape(f *testing.F) {
	reg := newRegistry()
	sc := huma.SchemaFromType(reg, reflect.TypeFor[bodyJSON]())
	sh := shape{registry: reg, schema: sc}
	for _, s := range []string{`{"name":"x"}`, `{"name":"x","NAME":1}`, `{"name":"x","parts":[{"key":"a","Key":2}]}`, `{"name":"a","name":"b"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		seen, fail := scanJSON(b)
		if fail != nil {
			return
		}
		body, fail := sh.check(b[:seen.end], seen.members)
		if fail != nil {
			if fail.status != 400 && fail.status != 422 {
				t.Errorf("%q: status %d", b, fail.status)
			}
			return
		}
		var v bodyJSON
		if err := unmarshalJSON(body, &v); err != nil && !strings.HasSuffix(err.Error(), doesNotFit) {
			t.Errorf("%q: %v", b, err)
		}
	})
}
