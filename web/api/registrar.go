package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
)

// metaRoute is where an operation carries its route for the adapter.
const metaRoute = "route"

// route is one registered operation.
type route struct {
	method string
	path   string
	scope  scope

	summary      string
	description  string
	tags         []string
	maxBody      int64
	status       int
	tokenOnly    bool
	optionalBody bool
	hidden       bool
	unmetered    bool
	busyText     string
	unauthText   string
	adminText    string

	// Known once huma has read the input and output types.
	params    []string
	query     []queryParam
	takesBody bool
	rawReply  bool // the output's body is bytes
	shape     shape
}

// registrar fixes in one place what every operation needs. Problems are
// collected, so that a start shows them all.
type registrar struct {
	api      huma.API
	mux      *chi.Mux
	gate     *gate
	routes   []*route
	seen     map[string]bool
	problems []error
}

func (r *registrar) problem(rt *route, format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf("%s %s: %w", rt.method, rt.path, fmt.Errorf(format, args...)))
}

// get registers a GET, which HEAD is served by as well.
func get[I, O any](r *registrar, path string, s scope, h func(context.Context, *I) (*O, error), opts ...option) {
	register(r, http.MethodGet, path, s, h, opts)
}

// post registers a POST.
func post[I, O any](r *registrar, path string, s scope, h func(context.Context, *I) (*O, error), opts ...option) {
	register(r, http.MethodPost, path, s, h, opts)
}

// put registers a PUT.
func put[I, O any](r *registrar, path string, s scope, h func(context.Context, *I) (*O, error), opts ...option) {
	register(r, http.MethodPut, path, s, h, opts)
}

// patch registers a PATCH.
func patch[I, O any](r *registrar, path string, s scope, h func(context.Context, *I) (*O, error), opts ...option) {
	register(r, http.MethodPatch, path, s, h, opts)
}

// del registers a DELETE.
func del[I, O any](r *registrar, path string, s scope, h func(context.Context, *I) (*O, error), opts ...option) {
	register(r, http.MethodDelete, path, s, h, opts)
}

func register[I, O any](r *registrar, method, path string, s scope, h func(context.Context, *I) (*O, error), opts []option) {
	rt := r.add(method, path, s, opts)
	if rt == nil {
		return
	}
	if body, ok := reflect.TypeFor[O]().FieldByName("Body"); ok && body.Type == reflect.TypeFor[[]byte]() {
		rt.rawReply = true
	}
	for _, t := range []reflect.Type{reflect.TypeFor[I](), reflect.TypeFor[O]()} {
		for _, name := range hiddenEmbeds(t, map[reflect.Type]bool{}) {
			r.problem(rt, "%s is embedded under an unexported name, which huma passes over", name)
		}
	}
	defer func() { // huma reports what it cannot register by a panic
		if p := recover(); p != nil {
			r.problem(rt, "%v", p)
		}
	}()
	huma.Register(r.api, r.operation(rt), func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, in)
		if err != nil {
			return nil, failureOf(requestOf(ctx), rt.busyText, err)
		}
		return out, nil
	})
}

// page registers a plain handler for GET: a page or a feed that is no operation
// of the API. It is guarded like the rest and left out of the document.
func (r *registrar) page(path string, s scope, h http.Handler, opts ...option) {
	rt := r.add(http.MethodGet, path, s, append(opts, hidden()))
	if rt == nil {
		return
	}
	serve := func(w http.ResponseWriter, req *http.Request) {
		resp, rec := responseOf(w, req), requestOf(req.Context())
		rec.route = rt.path
		if f := r.gate.enter(resp, req, rec, rt); f != nil {
			resp.fail(rec, f)
			return
		}
		h.ServeHTTP(resp, req)
	}
	r.mux.MethodFunc(http.MethodGet, path, serve)
	r.mux.MethodFunc(http.MethodHead, path, serve)
}

// add checks what can be checked before the types are known. It returns nil
// for an operation that must not be registered at all.
func (r *registrar) add(method, path string, s scope, opts []option) *route {
	rt := &route{method: method, path: path, scope: s, maxBody: defaultMaxBody}
	for _, o := range opts {
		o(rt)
	}
	if s == scopeDeny {
		r.problem(rt, "no scope")
	}
	if rt.summary == "" {
		r.problem(rt, "no summary")
	}
	if path != "/" && strings.HasSuffix(path, "/") {
		r.problem(rt, "trailing slash")
	}
	// Two patterns that differ only in the names of their parameters are one.
	key := method + " " + paramName.ReplaceAllString(path, "{}")
	if r.seen[key] {
		r.problem(rt, "registered twice")
		return nil
	}
	r.seen[key] = true
	r.routes = append(r.routes, rt)
	return rt
}

var paramName = regexp.MustCompile(`\{([^}]*)\}`)

// operationID is built from method and path: get-api-items-by-dfid.
func operationID(method, path string) string {
	words := []string{strings.ToLower(method)}
	for seg := range strings.SplitSeq(path, "/") {
		if name := strings.Trim(seg, "{}"); name != "" {
			if name != seg {
				words = append(words, "by")
			}
			words = append(words, strings.ReplaceAll(name, "_", "-"))
		}
	}
	if len(words) == 1 {
		words = append(words, "root")
	}
	return strings.Join(words, "-")
}

// bind learns what huma made of the input type.
func (rt *route) bind(op *huma.Operation) {
	for _, m := range paramName.FindAllStringSubmatch(rt.path, -1) {
		rt.params = append(rt.params, m[1])
	}
	for _, p := range op.Parameters {
		if p.In == "query" && (p.Explode == nil || !*p.Explode) {
			rt.query = append(rt.query, queryParam{name: p.Name, kind: p.Schema.Type})
		}
	}
	if len(rt.query) > 64 {
		panic("more than 64 query parameters")
	}
	if op.RequestBody == nil {
		return
	}
	rt.takesBody = true
	if m := op.RequestBody.Content[contentJSON]; m != nil {
		rt.shape.schema = m.Schema
	}
}

func (rt *route) queryIndex(name string) int {
	return slices.IndexFunc(rt.query, func(p queryParam) bool { return p.name == name })
}

// finish closes the table: wrong methods are answered on every pattern, so
// that a static path never falls through to a parameter, and all problems of
// the registration come out.
func (r *registrar) finish() error {
	methods := map[string][]*route{}
	for _, rt := range r.routes {
		rt.shape.registry = r.api.OpenAPI().Components.Schemas
		methods[rt.path] = append(methods[rt.path], rt)
	}
	for path, rts := range methods {
		r.refuseOthers(path, rts)
	}
	r.mux.NotFound(r.gate.notFound)
	r.mux.MethodNotAllowed(r.inventedMethod)
	if err := settleSchemas(r.api.OpenAPI()); err != nil {
		r.problems = append(r.problems, err)
	}
	return errors.Join(r.problems...)
}

// inventedMethod answers methods that HTTP does not know. chi comes here before
// it has looked at the path, so the path is looked up as for a method that no
// pattern has.
func (r *registrar) inventedMethod(w http.ResponseWriter, req *http.Request) {
	path := req.URL.RawPath
	if path == "" {
		path = req.URL.Path
	}
	if !r.mux.Match(chi.NewRouteContext(), http.MethodTrace, path) {
		r.gate.notFound(w, req)
		return
	}
	known := req.Clone(context.WithValue(req.Context(), chi.RouteCtxKey, chi.NewRouteContext()))
	known.Method = http.MethodTrace
	r.mux.ServeHTTP(w, known)
}

// refuseOthers answers 405 to the methods that a pattern does not have.
func (r *registrar) refuseOthers(path string, rts []*route) {
	have := map[string]bool{}
	guarded := false
	for _, rt := range rts {
		have[rt.method] = true
		if rt.method == http.MethodGet {
			have[http.MethodHead] = true
		}
		guarded = guarded || (rt.scope != scopePublic && rt.scope != scopeWelcome)
	}
	var allow []string
	known := []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodConnect, http.MethodTrace,
	}
	for _, m := range known {
		if have[m] {
			allow = append(allow, m)
		}
	}
	refuse := r.gate.notAllowed(path, strings.Join(allow, ","), guarded)
	for _, m := range known {
		if !have[m] {
			r.mux.MethodFunc(m, path, refuse)
		}
	}
}
