package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// maxErrorText is how many bytes of the server's text an Error keeps.
const maxErrorText = 400

// Error is an answer other than 2xx.
type Error struct {
	Method, Path string
	Status       int
	// Text is what the server said: "error" of a JSON body, with "message"
	// behind it where both are given, else the start of the body.
	Text string
	// Attempts is how often the request was sent.
	Attempts int
}

// Error implements error: "POST /api/circuits/…: 404 Circuit not found".
func (e *Error) Error() string {
	s := fmt.Sprintf("%s %s: %d %s", e.Method, e.Path, e.Status, e.Text)
	if e.Attempts > 1 {
		s += fmt.Sprintf(" (after %d attempts)", e.Attempts)
	}
	return s
}

// Busy reports an answer that says "later": 503 or 429.
func (e *Error) Busy() bool {
	return e.Status == http.StatusServiceUnavailable || e.Status == http.StatusTooManyRequests
}

// errorOf makes the Error of an answer.
func errorOf(method, path string, r *Reply) *Error {
	return &Error{Method: method, Path: path, Status: r.Status, Text: errorText(r), Attempts: 1}
}

func errorText(r *Reply) string {
	var body struct {
		Error   string `json:"error"`
		Message string `json:"message"`
	}
	text := ""
	// A body that is no such object is shown as it is.
	if err := json.Unmarshal(r.Body, &body); err == nil {
		text = body.Error
		if body.Message != "" && body.Message != text {
			text = strings.TrimPrefix(text+": "+body.Message, ": ")
		}
	}
	if text == "" {
		text = strings.TrimSpace(string(r.Body))
	}
	if text == "" {
		text = http.StatusText(r.Status)
	}
	return shorten(text)
}

// shorten cuts a text at a character boundary and makes it one line.
func shorten(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) <= maxErrorText {
		return s
	}
	cut := maxErrorText
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
