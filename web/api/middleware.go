package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"
)

// edge is the outside of the API: what every request passes, whatever it asks
// for.
type edge struct {
	log     *slog.Logger
	metrics *httpMetrics
	auth    authenticator
	tracer  trace.Tracer // nil: no traces
	trusted []netip.Prefix
	timeout time.Duration
	base    string
}

// wrap puts the middleware around the router. This is the one place that fixes
// its order, outermost first: request id and real client address, access log
// and metrics, trace, recover, CORS, base path, deadline. Credentials and limits
// follow per operation.
func (e *edge) wrap(router http.Handler) http.Handler {
	h := e.deadline(router)
	h = e.basePath(h)
	h = cors(h)
	h = e.recover(h)
	h = e.trace(h)
	h = e.record(h)
	return e.identify(h)
}

// identify makes the request's record: id, start, real client.
func (e *edge) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &request{
			id:         requestID(r.Header.Get("X-Request-Id")),
			start:      time.Now(),
			address:    clientAddress(r, e.trusted),
			agent:      r.UserAgent(),
			connection: r.Context(),
		}
		w.Header().Set("X-Request-Id", rec.id)
		next.ServeHTTP(newResponse(w, r), r.WithContext(context.WithValue(r.Context(), requestKey{}, rec)))
	})
}

// requestID takes over a sane id, so that the logs of a proxy and ours can be
// laid side by side, and makes one otherwise.
func requestID(given string) string {
	sane := given != "" && len(given) <= 128
	for i := 0; sane && i < len(given); i++ {
		c := given[i]
		sane = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
	}
	if sane {
		return given
	}
	return uuid.NewString()
}

// basePath takes the configured prefix off the path; below it everything is as
// without one. Other paths are unknown.
func (e *edge) basePath(next http.Handler) http.Handler {
	if e.base == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ok := cutBase(r.URL.Path, e.base)
		raw, rawOK := cutBase(r.URL.RawPath, e.base)
		if !ok || (r.URL.RawPath != "" && !rawOK) {
			responseOf(w, r).fail(requestOf(r.Context()), &failure{status: http.StatusNotFound, empty: true})
			return
		}
		inner := *r.URL
		inner.Path = path
		if inner.RawPath != "" {
			inner.RawPath = raw
		}
		r2 := *r // shallow, as WithContext does
		r2.URL = &inner
		next.ServeHTTP(w, &r2)
	})
}

// cutBase removes base; the bare base itself is "/".
func cutBase(path, base string) (string, bool) {
	rest, ok := strings.CutPrefix(path, base)
	switch {
	case !ok:
		return "", false
	case rest == "":
		return "/", true
	default:
		return rest, rest[0] == '/'
	}
}

// deadline bounds the request. Handlers and services watch the context; the
// error with which they come back becomes a 503.
func (e *edge) deadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), e.timeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
