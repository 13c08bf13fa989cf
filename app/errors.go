package app

import (
	"errors"
	"fmt"
)

// Code classifies an Error. One table in web/api maps codes to HTTP status.
type Code string

// The codes. Anything that is not an *Error is treated as CodeInternal.
const (
	CodeInvalid             Code = "invalid"              // the request can never succeed as it is (400)
	CodeUnprocessable       Code = "unprocessable"        // well-formed, of the wrong shape (422)
	CodeUnauthenticated     Code = "unauthenticated"      // no credential, or a bad one (401)
	CodeInsufficientCredits Code = "insufficient_credits" // the balance does not cover the work (402)
	CodeForbidden           Code = "forbidden"            // known caller, missing right (403)
	CodeNotFound            Code = "not_found"            // no such row, or not the caller's to know of (404)
	CodeConflict            Code = "conflict"             // a unique value is taken, or the state moved (409)
	CodeTooLarge            Code = "too_large"            // over a size limit (413)
	CodeRateLimited         Code = "rate_limited"         // over a rate limit (429)
	CodeBusy                Code = "busy"                 // the server is saturated; nothing was done, retry (503)
	CodeStorageFull         Code = "storage_full"         // the disk is full or read-only; nothing was done (507)
	CodeInternal            Code = "internal"             // a fault of ours (500)
)

// Error is the only error type that services return on purpose. Message is
// safe to show to the caller; Err is the cause, which goes to the log with the
// request id and never over the wire.
type Error struct {
	Code    Code
	Reason  Reason // stable machine-readable name, see reasons.go
	Message string // the contract's literal text where it has one
	Fields  []FieldError
	// Extra holds additional members of the JSON body that the contract
	// shows beside "error" (for example "dfid"). Values must be safe to show.
	Extra map[string]any
	// RetryAfter is in whole seconds; 0 leaves the header out, except for
	// CodeBusy, which always sends at least 1.
	RetryAfter int
	Err        error
}

// FieldError names one rejected part of the input by its path, as
// "identifiers[0].key". It never carries the rejected value.
type FieldError struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// Error implements error. The text is for logs: it includes the cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// With returns a copy of the error that shows key beside its text.
func (e *Error) With(key string, value any) *Error {
	c := *e
	c.Extra = make(map[string]any, len(e.Extra)+1)
	for k, v := range e.Extra {
		c.Extra[k] = v
	}
	c.Extra[key] = value
	return &c
}

// Causing returns a copy of the error with cause attached for the log.
func (e *Error) Causing(cause error) *Error {
	c := *e
	c.Err = cause
	return &c
}

// NewError builds an Error. The constructors below read better where they fit.
func NewError(code Code, reason Reason, format string, args ...any) *Error {
	msg := format
	if len(args) > 0 {
		msg = fmt.Sprintf(format, args...)
	}
	return &Error{Code: code, Reason: reason, Message: msg}
}

// Invalid reports a request that can never succeed as it is.
func Invalid(reason Reason, format string, args ...any) *Error {
	return NewError(CodeInvalid, reason, format, args...)
}

// Forbidden reports a known caller without the right to do this.
func Forbidden(reason Reason, format string, args ...any) *Error {
	return NewError(CodeForbidden, reason, format, args...)
}

// NotFound reports a row that does not exist or is not the caller's to know of.
func NotFound(reason Reason, format string, args ...any) *Error {
	return NewError(CodeNotFound, reason, format, args...)
}

// Conflict reports a unique value that is taken, or a state that moved.
func Conflict(reason Reason, format string, args ...any) *Error {
	return NewError(CodeConflict, reason, format, args...)
}

// Unauthenticated reports a missing or unacceptable credential.
func Unauthenticated(reason Reason, format string, args ...any) *Error {
	return NewError(CodeUnauthenticated, reason, format, args...)
}

// Busy reports saturation: nothing was done and the request may be repeated.
func Busy(reason Reason) *Error {
	return &Error{Code: CodeBusy, Reason: reason, Message: BusyText, RetryAfter: 1}
}

// BusyText is the default text of a busy answer; route families override it.
const BusyText = "Service temporarily busy, please retry"

// CodeOf returns the code of the first *Error in err's chain, CodeInternal for
// any other error, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// ReasonOf returns the reason of the first *Error in err's chain, or "".
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}
