package api

import (
	"net/http"
	"strings"
)

// cors lets every page of every origin call the API (contract 01 §1.3). The
// API is used with tokens in headers, never with cookies, so there is nothing
// that a foreign page could borrow. Every OPTIONS request is answered here.
func cors(next http.Handler) http.Handler {
	const vary = "origin, access-control-request-method, access-control-request-headers"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Vary", vary)
		h.Set("Access-Control-Allow-Origin", "*")
		if r.Method == http.MethodOptions {
			h.Set("Access-Control-Allow-Methods", "*")
			h.Set("Access-Control-Allow-Headers", allowedHeaders(r.Header.Values("Access-Control-Request-Headers")))
			h.Set("Content-Length", "0")
			w.WriteHeader(http.StatusOK)
			return
		}
		h.Set("Access-Control-Expose-Headers", "*")
		next.ServeHTTP(w, r)
	})
}

// allowedHeaders mirrors what the browser asks for, because "*" does not cover
// Authorization (contract 01 §6.1 no. 16).
func allowedHeaders(asked []string) string {
	list := strings.Join(asked, ", ")
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_, ", c)
	}
	if list == "" || len(list) > 1024 || strings.ContainsFunc(list, func(c rune) bool { return !plain(c) }) {
		return "*"
	}
	return list
}
