package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/defarm-repo/defarm/app"
)

// defaultMaxBody is the limit of contract 01 §1.4: 2 MiB.
const defaultMaxBody = 2 << 20

// readBody receives the whole body into buf. It answers 413 as soon as the
// limit is passed, and at once when the announced length is over it.
func readBody(w http.ResponseWriter, r *http.Request, buf *bytes.Buffer, limit int64, within time.Duration) *failure {
	if r.ContentLength > limit {
		return badRequest(http.StatusRequestEntityTooLarge, app.ReasonBodyTooLarge, textTooLarge)
	}
	if r.Body == nil || r.ContentLength == 0 {
		return nil
	}
	conn := http.NewResponseController(w)
	bounded := conn.SetReadDeadline(time.Now().Add(within)) == nil
	if r.ContentLength > 0 {
		buf.Grow(int(r.ContentLength) + bytes.MinRead) // limited above
	}
	n, err := buf.ReadFrom(io.LimitReader(r.Body, limit+1))
	if bounded && err == nil && n <= limit {
		// A deadline left in place would cancel the request while the handler
		// runs, because the server goes on reading to notice a hang-up. A
		// refused body keeps it: net/http reads on to its end before it sends
		// the answer, and must not wait for a client that sends no more.
		_ = conn.SetReadDeadline(time.Time{}) // worked a moment ago; a broken connection shows elsewhere
	}
	switch {
	case n > limit:
		return badRequest(http.StatusRequestEntityTooLarge, app.ReasonBodyTooLarge, textTooLarge)
	case errors.Is(err, os.ErrDeadlineExceeded):
		f := badRequest(http.StatusRequestTimeout, app.ReasonDeadline, textSlowBody)
		f.cause = err
		return f
	case err != nil:
		// Broken off in the middle, or badly framed. Whoever is still there
		// to read it gets an answer.
		f := badRequest(http.StatusBadRequest, app.ReasonMalformed, textBrokenBody)
		f.cause = err
		return f
	default:
		return nil
	}
}

// isJSON reports whether a Content-Type announces JSON: application/json or
// application/*+json, with any parameters.
func isJSON(contentType string) bool {
	if contentType == contentJSON {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return false
	}
	sub, ok := strings.CutPrefix(media, "application/")
	return ok && (sub == "json" || strings.HasSuffix(sub, "+json"))
}

// doesNotFit is the detail where a body passes the schema and not the type.
const doesNotFit = "value does not fit"

// unmarshalJSON is huma's way into a body that checkJSON has accepted. The
// error names the place and never the value.
func unmarshalJSON(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	var typed *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &typed):
		return &shapeError{path: typed.Field, detail: doesNotFit}
	default:
		return &shapeError{detail: doesNotFit, cause: err}
	}
}

// shapeError says where a body does not have the right shape.
type shapeError struct {
	path   string
	detail string
	cause  error
}

// Error is the text for the caller; it holds nothing that he sent.
func (e *shapeError) Error() string {
	if e.path == "" {
		return e.detail
	}
	return e.path + ": " + e.detail
}

// Unwrap returns the cause, for the log.
func (e *shapeError) Unwrap() error { return e.cause }

// syntaxFailure is the 400 for a body that is not JSON.
func syntaxFailure(reason app.Reason, detail string, body []byte, at int) *failure {
	line, column := position(body, at)
	return badRequest(http.StatusBadRequest, reason,
		fmt.Sprintf("%s%s at line %d column %d", prefixSyntax, detail, line, column))
}

// position counts lines from 1 and columns in bytes, as the original does.
func position(b []byte, at int) (line, column int) {
	at = min(max(at, 0), len(b))
	line = 1 + bytes.Count(b[:at], []byte{'\n'})
	return line, at - (bytes.LastIndexByte(b[:at], '\n') + 1)
}

// shapeFailure is the 422 for JSON of the wrong shape.
func shapeFailure(detail string) *failure {
	return &failure{
		status: http.StatusUnprocessableEntity, code: app.CodeUnprocessable, reason: app.ReasonShape,
		message: prefixShape + detail,
	}
}
