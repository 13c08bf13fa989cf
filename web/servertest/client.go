package servertest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
)

// Client sends requests with one credential. It may be used by many goroutines
// as long as its fields are left alone.
type Client struct {
	UserID   string // "" without a credential
	Username string
	Token    string // sent as Bearer unless the client uses a key

	server *Server
	key    string
	header http.Header
}

// WithKey is the same user with an API key instead of the token.
func (c *Client) WithKey(key string) *Client {
	d := *c
	d.key = key
	return &d
}

// WithToken is the same user with another token.
func (c *Client) WithToken(token string) *Client {
	d := *c
	d.Token, d.key = token, ""
	return &d
}

// WithHeader is the same user with a header in every request.
func (c *Client) WithHeader(name, value string) *Client {
	d := *c
	d.header = c.header.Clone()
	if d.header == nil {
		d.header = http.Header{}
	}
	d.header.Set(name, value)
	return &d
}

// Get sends a GET request. Paths start with a slash and may have a query.
func (c *Client) Get(tb testing.TB, path string) *Response {
	tb.Helper()
	return c.Do(tb, http.MethodGet, path, nil)
}

// Post sends a POST request; see Do for bodies.
func (c *Client) Post(tb testing.TB, path string, body any) *Response {
	tb.Helper()
	return c.Do(tb, http.MethodPost, path, body)
}

// Put sends a PUT request; see Do for bodies.
func (c *Client) Put(tb testing.TB, path string, body any) *Response {
	tb.Helper()
	return c.Do(tb, http.MethodPut, path, body)
}

// Patch sends a PATCH request; see Do for bodies.
func (c *Client) Patch(tb testing.TB, path string, body any) *Response {
	tb.Helper()
	return c.Do(tb, http.MethodPatch, path, body)
}

// Delete sends a DELETE request without a body.
func (c *Client) Delete(tb testing.TB, path string) *Response {
	tb.Helper()
	return c.Do(tb, http.MethodDelete, path, nil)
}

// Do sends a request and reads the whole answer; the test fails when there is
// none. A body of nil is none; string, []byte and io.Reader are sent as they
// are; anything else as its JSON. Bodies are announced as application/json
// unless WithHeader says otherwise.
func (c *Client) Do(tb testing.TB, method, path string, body any) *Response {
	tb.Helper()
	res, err := c.Try(tb.Context(), method, path, body)
	if err != nil {
		tb.Fatalf("%s %s: %v", method, path, err)
	}
	res.tb = tb
	return res
}

// Try is Do for goroutines beside the test's own, which must not end it, and
// for requests that may fail. The wants of its response must not be used.
func (c *Client) Try(ctx context.Context, method, path string, body any) (*Response, error) {
	sent, err := reader(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, c.server.URL+path, sent)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	switch {
	case c.key != "":
		req.Header.Set("X-API-Key", c.key)
	case c.Token != "":
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	res, err := c.server.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	read, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	return &Response{Status: res.StatusCode, Header: res.Header, Body: read, request: method + " " + path}, nil
}

func reader(body any) (io.Reader, error) {
	switch b := body.(type) {
	case nil:
		return nil, nil
	case string:
		return bytes.NewReader([]byte(b)), nil
	case []byte:
		return bytes.NewReader(b), nil
	case io.Reader:
		return b, nil
	default:
		raw, err := json.Marshal(body)
		return bytes.NewReader(raw), err
	}
}
