package api

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app/identity"
)

// Field names of the edge's log lines.
const (
	fieldRequestID = "request_id"
	fieldMethod    = "method"
	fieldRoute     = "route"
	fieldStatus    = "status"
	fieldDuration  = "duration"
	fieldBytes     = "bytes"
	fieldActor     = "actor"
	fieldKey       = "api_key"
	fieldClient    = "client"
	fieldCode      = "code"
	fieldReason    = "reason"
	fieldError     = "error"
	fieldStack     = "stack"
)

// unmatched stands for the route of requests that no operation matched, in
// logs and metrics. Their paths are the client's invention and not repeated.
const unmatched = "unmatched"

// record writes one line per request and counts it. The line has the route's
// pattern and never the path, the query or a header: those may hold secrets.
// 5xx are errors, hang-ups are debug, everything else is info.
func (e *edge) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, rec := responseOf(w, r), requestOf(r.Context())
		e.metrics.inFlight.Inc()
		returned := false
		defer func() {
			took := time.Since(rec.start)
			status := resp.status
			switch {
			case resp.wrote:
			case returned:
				status = http.StatusOK // net/http sends it when the handler wrote nothing
			default:
				status = statusClientGone // aborted by a panic that means just that
			}
			e.metrics.inFlight.Dec()
			if rec.leave != nil {
				rec.leave()
			}
			e.metrics.observe(r.Method, rec.route, status, took)
			if rec.key != uuid.Nil {
				e.auth.KeyAnswered(identity.KeyRequest{
					KeyID: rec.key, Method: knownMethod(r.Method), Endpoint: rec.route, Status: status,
					Duration: took, Address: rec.address, Agent: rec.agent,
				})
			}
			e.logRequest(r, resp, rec, status, took)
		}()
		next.ServeHTTP(w, r)
		returned = true
	})
}

func (e *edge) logRequest(r *http.Request, resp *response, rec *request, status int, took time.Duration) {
	level := slog.LevelInfo
	switch {
	case status == statusClientGone:
		level = slog.LevelDebug
	case status >= http.StatusInternalServerError:
		level = slog.LevelError
	}
	if !e.log.Enabled(r.Context(), level) {
		return
	}
	route := rec.route
	if route == "" {
		route = unmatched
	}
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs,
		slog.String(fieldRequestID, rec.id),
		slog.String(fieldMethod, knownMethod(r.Method)),
		slog.String(fieldRoute, route),
		slog.Int(fieldStatus, status),
		slog.Duration(fieldDuration, took),
		slog.Int64(fieldBytes, resp.bytes),
	)
	if rec.address.IsValid() {
		attrs = append(attrs, slog.String(fieldClient, rec.address.String()))
	}
	if rec.actor.UserID != "" {
		attrs = append(attrs, slog.String(fieldActor, rec.actor.UserID))
	}
	if rec.actor.KeyID != "" {
		attrs = append(attrs, slog.String(fieldKey, rec.actor.KeyID))
	}
	if rec.code != "" {
		attrs = append(attrs, slog.String(fieldCode, rec.code))
	}
	if rec.reason != "" {
		attrs = append(attrs, slog.String(fieldReason, string(rec.reason)))
	}
	if rec.cause != nil && status >= http.StatusInternalServerError {
		attrs = append(attrs, slog.String(fieldError, rec.cause.Error()))
	}
	e.log.LogAttrs(r.Context(), level, "request", attrs...)
}
