package api

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/defarm-repo/defarm/app"
)

// recover turns a panic into a 500 and logs its stack. When part of the answer
// is out already the connection is cut, so that the client does not take it
// for whole.
func (e *edge) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // compared as net/http does
				panic(p)
			}
			resp, rec := responseOf(w, r), requestOf(r.Context())
			e.log.LogAttrs(r.Context(), slog.LevelError, "panic in a request",
				slog.String(fieldRequestID, rec.id), slog.String(fieldRoute, rec.route),
				slog.String(fieldError, fmt.Sprint(p)), slog.String(fieldStack, string(debug.Stack())))
			cut := resp.wrote
			resp.fail(rec, &failure{
				status: http.StatusInternalServerError, code: app.CodeInternal, reason: "panic", message: textInternal,
				cause: fmt.Errorf("panic: %v", p),
			})
			if cut {
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(w, r)
	})
}
