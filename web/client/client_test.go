package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/defarm-repo/defarm/web/client"
)

// script answers one request after the other, the last one for ever.
type script struct {
	answers []answer
	bodies  []string
	at      []time.Duration // since the first request
	start   time.Time
}

type answer struct {
	status     int
	retryAfter string
	body       string
	err        error
	hang       bool // until the request is given up
}

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	if len(s.at) == 0 {
		s.start = time.Now()
	}
	s.at = append(s.at, time.Since(s.start))
	body := ""
	if req.Body != nil {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		body = string(b)
	}
	s.bodies = append(s.bodies, body)
	a := s.answers[min(len(s.at), len(s.answers))-1]
	if a.hang {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	if a.err != nil {
		return nil, a.err
	}
	h := http.Header{}
	if a.retryAfter != "" {
		h.Set("Retry-After", a.retryAfter)
	}
	return &http.Response{
		StatusCode: a.status, Header: h, Body: io.NopCloser(strings.NewReader(a.body)), Request: req,
	}, nil
}

func newClient(t *testing.T, s *script, change func(*client.Options)) *client.Client {
	t.Helper()
	o := client.Options{Transport: s}
	if change != nil {
		change(&o)
	}
	c, err := client.New(o)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return c
}

func TestCallHonoursRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{
			{status: 503, retryAfter: "1", body: `{"error":"busy"}`},
			{status: 429, retryAfter: "2", body: `{"error":"rate_limit_exceeded"}`},
			{status: 200, body: `{"n":7}`},
		}}
		var out struct{ N int }
		err := newClient(t, s, nil).Call(t.Context(), "POST", "/x", map[string]int{"a": 1}, &out)
		if err != nil || out.N != 7 {
			t.Fatalf("got %+v and error %v, want N=7", out, err)
		}
		if want := []string{`{"a":1}`, `{"a":1}`, `{"a":1}`}; !cmp.Equal(s.bodies, want) {
			t.Errorf("bodies sent: %q, want %q", s.bodies, want)
		}
		// Never earlier than asked, and at most a quarter later.
		for i, want := range []time.Duration{time.Second, 2 * time.Second} {
			if got := s.at[i+1] - s.at[i]; got < want || got > want+want/4+1 {
				t.Errorf("wait %d: got %s, want %s to %s", i+1, got, want, want+want/4)
			}
		}
	})
}

func TestCallGivesUp(t *testing.T) {
	t.Parallel()
	refused := errors.New("connection refused")
	tests := []struct {
		name     string
		answer   answer
		retry    client.Retry
		attempts int
		status   int // of the *client.Error; 0 for another error
		text     string
	}{
		{"not found is final", answer{status: 404, body: `{"error":"Circuit not found"}`}, client.Retry{}, 1, 404, "Circuit not found"},
		{"server fault is final", answer{status: 500, body: `{"error":"x"}`}, client.Retry{}, 1, 500, "x"},
		{"busy without a time", answer{status: 503, body: `{"error":"busy"}`}, client.Retry{Attempts: 4}, 4, 503, "busy"},
		{"busy for ever", answer{status: 503, retryAfter: "1"}, client.Retry{Attempts: 3}, 3, 503, "Service Unavailable"},
		{"total time", answer{status: 503, retryAfter: "1"}, client.Retry{Attempts: 99, MaxTotal: 2500 * time.Millisecond}, 2, 503, "Service Unavailable"},
		{
			"hourly limit is final", answer{status: 429, retryAfter: "3600", body: `{"error":"rate_limit_exceeded","message":"Too many"}`},
			client.Retry{}, 1, 429, "rate_limit_exceeded: Too many",
		},
		{"network is final", answer{err: refused}, client.Retry{}, 1, 0, "refused"},
		{"network repeated when allowed", answer{err: refused}, client.Retry{Network: true, Attempts: 3}, 3, 0, "refused"},
		{"redirect is an answer", answer{status: 302, body: "elsewhere"}, client.Retry{}, 1, 302, "elsewhere"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: []answer{tt.answer}}
				err := newClient(t, s, func(o *client.Options) { o.Retry = tt.retry }).Call(t.Context(), "GET", "/x", nil, nil)
				if err == nil || !strings.Contains(err.Error(), tt.text) {
					t.Fatalf("error: got %v, want one with %q", err, tt.text)
				}
				lo, hi := tt.attempts, tt.attempts
				if tt.retry.MaxTotal > 0 {
					hi++ // the waits have jitter
				}
				if n := len(s.at); n < lo || n > hi {
					t.Errorf("attempts: got %d, want %d to %d", n, lo, hi)
				}
				var answer *client.Error
				if got := errors.As(err, &answer); got != (tt.status != 0) {
					t.Fatalf("error %v is a *client.Error: %t", err, got)
				}
				if answer != nil && (answer.Status != tt.status || answer.Text != tt.text || answer.Attempts != len(s.at)) {
					t.Errorf("got %+v, want status %d, text %q, %d attempts", answer, tt.status, tt.text, len(s.at))
				}
			})
		})
	}
}

func TestCallEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{{status: 503, retryAfter: "10"}}}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		err := newClient(t, s, nil).Call(ctx, "GET", "/x", nil, nil)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
		if took := time.Since(start); took != 3*time.Second || len(s.at) != 1 {
			t.Errorf("took %s and %d attempts, want 3s and 1", took, len(s.at))
		}
	})
}

// The reason of a cancelled context may be the answer to another request: it
// is reported as the reason, not as the answer to this one.
func TestCallCancelledByAnotherAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		other := &client.Error{Method: "GET", Path: "/other", Status: 401, Text: "x", Attempts: 1}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(other) })
		err := newClient(t, &script{answers: []answer{{status: 503, retryAfter: "10"}}}, nil).Call(ctx, "GET", "/x", nil, nil)
		if err == nil || err == error(other) || !errors.Is(err, other) || !strings.HasPrefix(err.Error(), "GET /x: ") { //nolint:errorlint // that very value
			t.Errorf("got %v, want the cause behind this request's name", err)
		}
	})
}

func TestSendTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{{hang: true}}}
		start := time.Now()
		_, err := newClient(t, s, func(o *client.Options) { o.Timeout = 5 * time.Second }).Send(t.Context(), "GET", "/x", nil)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("got %v after %s, want a deadline after 5s", err, time.Since(start))
		}
	})
}

func TestBodyIsBounded(t *testing.T) {
	t.Parallel()
	for _, size := range []int{10, 11} {
		s := &script{answers: []answer{{status: 200, body: strings.Repeat("x", size)}}}
		c := newClient(t, s, func(o *client.Options) { o.MaxBody, o.Retry.Network = 10, true })
		reply, err := c.Send(t.Context(), "GET", "/x", nil)
		if size == 10 && (err != nil || len(reply.Body) != 10) {
			t.Errorf("10 bytes: got %v, %v", reply, err)
		}
		if size == 11 && !errors.Is(err, client.ErrBodyTooLarge) {
			t.Errorf("11 bytes: got %v, want ErrBodyTooLarge", err)
		}
		if err := c.Call(t.Context(), "GET", "/x", nil, nil); size == 11 && (!errors.Is(err, client.ErrBodyTooLarge) || len(s.at) != 2) {
			t.Errorf("Call: got %v after %d attempts, want ErrBodyTooLarge, not repeated", err, len(s.at)-1)
		}
	}
}

func TestErrorTextIsOneShortLine(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, want string }{
		{"lines", "a\n  b\tc", "a b c"},
		{"empty", "", "Bad Request"},
		{"json of another form", `["x"]`, `["x"]`},
		{"same twice", `{"error":"a","message":"a"}`, "a"},
		{"message only", `{"message":"m"}`, "m"},
		{"long", strings.Repeat("é", 300), strings.Repeat("é", 200) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &script{answers: []answer{{status: 400, body: tt.body}}}
			var answer *client.Error
			err := newClient(t, s, nil).Call(t.Context(), "GET", "/x", nil, nil)
			if !errors.As(err, &answer) || answer.Text != tt.want {
				t.Errorf("got %v, want text %q", err, tt.want)
			}
		})
	}
}

func TestRequestCarriesCredentialAndPrefix(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%q", []string{
			r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("X-API-Key"), r.Header.Get("Content-Type"),
		})
	}))
	t.Cleanup(srv.Close)
	tests := []struct {
		name, base string
		cred       client.Credential
		body       []byte
		want       []string
	}{
		{"nobody", "", client.Credential{}, nil, []string{"/api/items?limit=5", "", "", ""}},
		{"token", "/", client.Credential{Token: "t"}, []byte("{}"), []string{"/api/items?limit=5", "Bearer t", "", "application/json"}},
		{"key", "/base/", client.Credential{APIKey: "dfm_k"}, nil, []string{"/base/api/items?limit=5", "", "dfm_k", ""}},
		{"token before key", "/a%2Fb", client.Credential{Token: "t", APIKey: "k"}, nil, []string{"/a%2Fb/api/items?limit=5", "Bearer t", "", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := client.New(client.Options{URL: srv.URL + tt.base, Credential: tt.cred})
			if err != nil {
				t.Fatal(err)
			}
			reply, err := c.Send(t.Context(), "POST", "/api/items?limit=5", tt.body)
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("%q", tt.want); string(reply.Body) != want {
				t.Errorf("got %s, want %s", reply.Body, want)
			}
		})
	}
}

func TestNewRefusesOtherURLs(t *testing.T) {
	t.Parallel()
	for _, u := range []string{"127.0.0.1:3000", "ftp://x", "http://", "http://a b", "unix:///run/x"} {
		if c, err := client.New(client.Options{URL: u}); err == nil {
			t.Errorf("New(%q): got %s, want an error", u, c.URL())
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		value string
		want  time.Duration
		ok    bool
	}{
		{"", 0, false}, {"1", time.Second, true}, {" 30 ", 30 * time.Second, true}, {"0", 0, true},
		{"-1", 0, false}, {"1.5", 0, false}, {"soon", 0, false}, {"99999999999999999999", 0, false},
		{"Sat, 01 Mar 2025 12:00:20 GMT", 20 * time.Second, true},
		{"Sat, 01 Mar 2025 11:00:00 GMT", 0, true},
	}
	for _, tt := range tests {
		h := http.Header{"Retry-After": {tt.value}}
		if got, ok := client.RetryAfter(h, now); got != tt.want || ok != tt.ok {
			t.Errorf("RetryAfter(%q): got %s, %t, want %s, %t", tt.value, got, ok, tt.want, tt.ok)
		}
	}
}
