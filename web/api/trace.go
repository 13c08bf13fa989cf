package api

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// trace makes a span of the request, below the one that a traceparent header
// names. It is named after the route's pattern and holds neither the path nor
// the query nor a header: those may hold secrets.
func (e *edge) trace(next http.Handler) http.Handler {
	if e.tracer == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, rec := responseOf(w, r), requestOf(r.Context())
		ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := e.tracer.Start(ctx, knownMethod(r.Method), trace.WithSpanKind(trace.SpanKindServer))
		defer func() {
			route := rec.route
			if route == "" {
				route = unmatched
			}
			span.SetName(knownMethod(r.Method) + " " + route)
			span.SetAttributes(
				attribute.String("http.request.method", knownMethod(r.Method)),
				attribute.String("http.route", route),
				attribute.Int("http.response.status_code", resp.status),
				attribute.String(fieldRequestID, rec.id),
			)
			if resp.status >= http.StatusInternalServerError {
				span.SetStatus(codes.Error, rec.code)
			}
			span.End()
		}()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
