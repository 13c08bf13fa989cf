package api

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"

	"github.com/defarm-repo/defarm/app"
)

// adapter connects huma to chi through our own exchange, so that the guard
// runs before huma reads anything and every answer leaves through one place.
type adapter struct {
	mux *chi.Mux
	g   *gate
}

// Handle implements huma.Adapter. A GET is served to HEAD as well.
func (a *adapter) Handle(op *huma.Operation, handler func(huma.Context)) {
	rt, ok := op.Metadata[metaRoute].(*route)
	if !ok {
		panic("api: operation registered past the registrar: " + op.Method + " " + op.Path)
	}
	rt.bind(op)
	serve := func(w http.ResponseWriter, r *http.Request) { a.g.serve(rt, op, handler, w, r) }
	a.mux.MethodFunc(op.Method, op.Path, serve)
	if op.Method == http.MethodGet {
		a.mux.MethodFunc(http.MethodHead, op.Path, serve)
	}
}

// ServeHTTP implements huma.Adapter.
func (a *adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// chiContext is the adapter's own context. It has another name here because an
// embedded huma.Context would hide its own method Context.
type chiContext huma.Context

// exchange is huma's view of one request, with our rules about reading it and
// answering it: parameters are checked before huma sees them, the body comes
// from memory, and status and headers go out together with the body.
type exchange struct {
	chiContext // method, URL, headers
	rt         *route
	rec        *request
	r          *http.Request
	w          *response
	params     []string // decoded, in the order of rt.params
	query      []string // of the declared parameters, in the order of rt.query
	body       bytes.Reader
	status     int
	failed     *failure // what is wrong; overrides huma's status
}

// serve answers one request to an operation.
func (g *gate) serve(rt *route, op *huma.Operation, handler func(huma.Context), w http.ResponseWriter, r *http.Request) {
	x := &exchange{rt: rt, rec: requestOf(r.Context()), r: r, w: responseOf(w, r)}
	x.rec.route = rt.path
	x.chiContext = humachi.NewContext(op, r, x.w)
	buf := getBuffer()
	defer putBuffer(buf)
	if f := g.admit(x, buf); f != nil {
		x.w.fail(x.rec, f)
	} else {
		handler(x)
	}
	if x.w.status == statusClientGone {
		// Nothing was sent and nothing must be: net/http would make up a 200.
		panic(http.ErrAbortHandler)
	}
	if x.status != 0 && !x.w.wrote {
		x.w.WriteHeader(x.status)
	}
}

// admit runs every check that comes before the handler, in the order of design
// §2.12: credential, rate and key restrictions, then parameters and body.
func (g *gate) admit(x *exchange, buf *bytes.Buffer) *failure {
	if f := g.enter(x.w, x.r, x.rec, x.rt); f != nil {
		return f
	}
	if f := x.readParams(); f != nil {
		return f
	}
	if f := x.readQuery(); f != nil {
		return f
	}
	if !x.rt.takesBody {
		return nil
	}
	return x.readBody(buf, g.bodyTime)
}

// readParams decodes the path parameters. An empty one is an unknown path.
func (x *exchange) readParams() *failure {
	for _, name := range x.rt.params {
		v := x.r.PathValue(name)
		if v == "" {
			return &failure{status: http.StatusNotFound, empty: true}
		}
		if x.r.URL.RawPath != "" { // chi has matched the escaped path
			decoded, err := url.PathUnescape(v)
			if err != nil {
				return badRequest(http.StatusBadRequest, app.ReasonBadPath, prefixURL+"malformed escape in `"+name+"`")
			}
			v = decoded
		}
		if !utf8.ValidString(v) {
			return badRequest(http.StatusBadRequest, app.ReasonBadPath, prefixURL+"Invalid UTF-8 in `"+name+"`")
		}
		x.params = append(x.params, v)
	}
	return nil
}

// readBody receives the body and leaves the bytes to decode in x.body.
func (x *exchange) readBody(buf *bytes.Buffer, within time.Duration) *failure {
	contentType := x.r.Header.Get("Content-Type")
	if x.rt.shape.schema != nil && !isJSON(contentType) {
		if !x.rt.optionalBody || (contentType != "" && x.r.ContentLength != 0) {
			return badRequest(http.StatusUnsupportedMediaType, app.ReasonContentType, textMediaType)
		}
	}
	if f := readBody(x.w, x.r, buf, x.rt.maxBody, within); f != nil {
		return f
	}
	body := buf.Bytes()
	if x.rt.shape.schema == nil { // raw: the handler reads it
		x.body.Reset(body)
		x.r.Body = io.NopCloser(&x.body)
		return nil
	}
	if x.rt.optionalBody {
		if blank := bytes.TrimSpace(body); len(blank) == 0 || string(blank) == "null" {
			body = []byte("{}")
		}
	}
	seen, f := scanJSON(body)
	if f != nil {
		return f
	}
	body, f = x.rt.shape.check(body[:seen.end], seen.members)
	if f != nil {
		return f
	}
	x.body.Reset(body)
	return nil
}

// Param implements huma.Context with the checked path parameter.
func (x *exchange) Param(name string) string {
	for i, n := range x.rt.params {
		if n == name {
			return x.params[i]
		}
	}
	return ""
}

// Query implements huma.Context with the checked query parameter.
func (x *exchange) Query(name string) string {
	for i := range x.query {
		if x.rt.query[i].name == name {
			return x.query[i]
		}
	}
	return ""
}

// Header implements huma.Context. The guard has settled the content type:
// huma need not know its variants.
func (x *exchange) Header(name string) string {
	if name == "Content-Type" && x.rt.shape.schema != nil {
		return contentJSON
	}
	return x.r.Header.Get(name)
}

// BodyReader implements huma.Context with the received body.
func (x *exchange) BodyReader() io.Reader { return &x.body }

// SetReadDeadline implements huma.Context and does nothing: the body is here.
func (x *exchange) SetReadDeadline(time.Time) error { return nil }

// SetHeader implements huma.Context. huma announces its errors as problem
// documents; ours are plain JSON.
func (x *exchange) SetHeader(name, value string) {
	if name == "Content-Type" && value == contentProblem {
		value = contentJSON
	}
	x.w.Header().Set(name, value)
}

// SetStatus implements huma.Context. The status waits for the body.
func (x *exchange) SetStatus(code int) { x.status = code }

// Status implements huma.Context.
func (x *exchange) Status() int { return x.status }

// BodyWriter implements huma.Context.
func (x *exchange) BodyWriter() io.Writer { return x }

// Write implements io.Writer for bodies that are no JSON: bytes that are there
// as a whole, or a stream.
func (x *exchange) Write(p []byte) (int, error) {
	if !x.w.wrote && x.rt.rawReply {
		x.writeWhole(p)
		return len(p), nil
	}
	if !x.w.wrote {
		x.w.WriteHeader(orOK(x.status))
	}
	return x.w.Write(p)
}

// writeWhole implements wholeWriter. A write that fails means a client that is
// gone; nobody is left to tell.
func (x *exchange) writeWhole(body []byte) {
	if x.failed != nil {
		x.w.fail(x.rec, x.failed)
		return
	}
	_ = x.w.whole(orOK(x.status), body) // the client is gone, see above
}

// Unwrap returns chi's context, for humachi.Unwrap.
func (x *exchange) Unwrap() huma.Context { return x.chiContext }

func orOK(status int) int {
	if status == 0 {
		return http.StatusOK
	}
	return status
}
