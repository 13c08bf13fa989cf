package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/defarm-repo/defarm/app"
)

// Texts of the edge's own answers. Those of contract 01 are literal.
const (
	textInternal     = "Internal server error"
	textNoCredential = "Authentication required. Use JWT token or API key."
	textNotAdmin     = "Admin privileges required"
	textDenied       = "Access denied"
	textTooLarge     = "Failed to buffer the request body: length limit exceeded"
	textMediaType    = "Expected request with `Content-Type: application/json`"
	textBrokenBody   = "Failed to buffer the request body: unexpected end"
	textSlowBody     = "The request body was not received in time"
	textDeadline     = "The request took too long, please retry"

	prefixSyntax = "Failed to parse the request body as JSON: "
	prefixShape  = "Failed to deserialize the JSON body into the target type: "
	prefixQuery  = "Failed to deserialize query string: "
	prefixURL    = "Invalid URL: "
)

// statusClientGone is logged and counted when the client hung up; nothing is sent.
const statusClientGone = 499

// failure is an answer that is an error: all that is sent and all that is
// logged about it. Its text is safe to show; the cause is not and stays here.
type failure struct {
	status     int
	code       app.Code // for the log; "" for answers of the framework
	reason     app.Reason
	message    string
	keyShape   bool // {"error":reason,"message":text} of the API-key layer
	fields     []app.FieldError
	extra      map[string]any
	retryAfter int  // seconds; 0: no header
	empty      bool // no body: unknown path, wrong method, client gone
	challenge  bool // WWW-Authenticate on a 401
	cause      error
}

// Error implements error with the text that the caller sees.
func (f *failure) Error() string { return f.message }

// GetStatus implements huma.StatusError, so that huma passes the failure on.
func (f *failure) GetStatus() int { return f.status }

// statusOf is the one table from codes to HTTP status.
func statusOf(c app.Code) int {
	switch c {
	case app.CodeInvalid:
		return http.StatusBadRequest
	case app.CodeUnprocessable:
		return http.StatusUnprocessableEntity
	case app.CodeUnauthenticated:
		return http.StatusUnauthorized
	case app.CodeInsufficientCredits:
		return http.StatusPaymentRequired
	case app.CodeForbidden:
		return http.StatusForbidden
	case app.CodeNotFound:
		return http.StatusNotFound
	case app.CodeConflict:
		return http.StatusConflict
	case app.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case app.CodeRateLimited:
		return http.StatusTooManyRequests
	case app.CodeBusy:
		return http.StatusServiceUnavailable
	case app.CodeStorageFull:
		return http.StatusInsufficientStorage
	default:
		return http.StatusInternalServerError
	}
}

// keyLayer reports whether the contract gives the reason the body of the
// API-key layer (contract 01 §2.1).
func keyLayer(r app.Reason) bool {
	switch r {
	case app.ReasonInvalidAPIKey, app.ReasonAPIKeyInactive, app.ReasonAPIKeyExpired, app.ReasonIPNotAllowed,
		app.ReasonEndpointNotAllowed, app.ReasonRateLimited, app.ReasonMissingPermission, app.ReasonConcurrency,
		app.ReasonInsufficientCredits, app.ReasonTierLimit: // these three as contract 01 §5.11 words them
		return true
	default:
		return false
	}
}

// failureOf turns the error of a handler into the answer. busy is the route
// family's text of a 503, "" for the error's own.
func failureOf(rec *request, busy string, err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	var e *app.Error
	known := errors.As(err, &e)
	if !known || e.Code == app.CodeInternal {
		switch {
		case rec.hungUp() && errors.Is(err, context.Canceled):
			return &failure{status: statusClientGone, code: app.CodeInternal, reason: "client_gone", empty: true, cause: err}
		case errors.Is(err, context.DeadlineExceeded):
			return &failure{
				status: http.StatusServiceUnavailable, code: app.CodeBusy, reason: app.ReasonDeadline,
				message: firstText(busy, textDeadline), retryAfter: 1, cause: err,
			}
		case errors.Is(err, context.Canceled):
			// Not the client: the server is going down under the handler.
			return &failure{
				status: http.StatusServiceUnavailable, code: app.CodeBusy, reason: app.ReasonShuttingDown,
				message: firstText(busy, app.BusyText), retryAfter: 1, cause: err,
			}
		}
	}
	if !known {
		return &failure{status: http.StatusInternalServerError, code: app.CodeInternal, message: textInternal, cause: err}
	}
	return failureOfApp(e, busy, err)
}

// failureOfApp applies the table. err is the whole chain, for the log.
func failureOfApp(e *app.Error, busy string, err error) *failure {
	f := &failure{
		status: statusOf(e.Code), code: e.Code, reason: e.Reason, message: e.Message,
		fields: e.Fields, extra: e.Extra, retryAfter: e.RetryAfter, cause: err,
		keyShape: keyLayer(e.Reason), challenge: e.Code == app.CodeUnauthenticated,
	}
	switch e.Code {
	case app.CodeBusy:
		f.message = firstText(busy, e.Message, app.BusyText)
		f.retryAfter = max(1, e.RetryAfter)
	case app.CodeRateLimited:
		f.retryAfter = max(1, e.RetryAfter)
	default:
		f.message = firstText(e.Message, textInternal)
	}
	return f
}

func firstText(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// badRequest is an answer of the edge itself about the request as such.
func badRequest(status int, reason app.Reason, text string) *failure {
	return &failure{status: status, code: app.CodeInvalid, reason: reason, message: text}
}

// missingCredential is the 401 for a request without any credential.
func missingCredential(text string) *failure {
	return &failure{
		status: http.StatusUnauthorized, code: app.CodeUnauthenticated, reason: app.ReasonNoCredential,
		message: firstText(text, textNoCredential), challenge: true,
	}
}

// missingPermission is the 403 for an API key without the flag.
func missingPermission(flag string) *failure {
	return &failure{
		status: http.StatusForbidden, code: app.CodeForbidden, reason: app.ReasonMissingPermission,
		message: "This operation requires '" + flag + "' permission", keyShape: true,
	}
}

// body returns the JSON members in order, or nil for an empty answer.
func (f *failure) body() []byte {
	if f.empty {
		return nil
	}
	b := appendMember([]byte{'{'}, "error", f.message)
	if f.keyShape {
		b = appendMember([]byte{'{'}, "error", string(f.reason))
		b = appendMember(b, "message", f.message)
	}
	if len(f.fields) > 0 {
		b = appendMember(b, "fields", f.fields)
	}
	for _, k := range sortedKeys(f.extra) {
		if k != "error" && (k != "message" || !f.keyShape) {
			b = appendMember(b, k, f.extra[k])
		}
	}
	return append(b, '}')
}
