package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/defarm-repo/defarm/app"
)

// failing serves one error at /t/fail.
func failing(err error, opts ...option) func(*registrar) {
	return func(r *registrar) {
		get(r, "/t/fail", scopePublic, func(context.Context, *struct{}) (*reply[string], error) {
			return nil, err
		}, append(opts, summary("Test"))...)
	}
}

func TestErrorTable(t *testing.T) {
	t.Parallel()
	secret := errors.New("SQLITE_FULL at /var/lib")
	text := func(c app.Code) error { return app.NewError(c, "r", "Some text").Causing(secret) }
	const some = `{"error":"Some text"}`
	tests := []struct {
		name  string
		err   error
		want  int
		body  string
		retry string
	}{
		{"invalid", text(app.CodeInvalid), 400, some, ""},
		{"unauthenticated", text(app.CodeUnauthenticated), 401, some, ""},
		{"credits", text(app.CodeInsufficientCredits), 402, some, ""},
		{"forbidden", text(app.CodeForbidden), 403, some, ""},
		{"not found", text(app.CodeNotFound), 404, some, ""},
		{"conflict", text(app.CodeConflict), 409, some, ""},
		{"too large", text(app.CodeTooLarge), 413, some, ""},
		{"unprocessable", text(app.CodeUnprocessable), 422, some, ""},
		{"rate limited", text(app.CodeRateLimited), 429, some, "1"},
		{"internal with a text", text(app.CodeInternal), 500, some, ""},
		{"internal without", &app.Error{Code: app.CodeInternal, Err: secret}, 500, `{"error":"Internal server error"}`, ""},
		{"unknown code", text("new_code"), 500, some, ""},
		{"busy", text(app.CodeBusy), 503, some, "1"},
		{"busy for longer", &app.Error{Code: app.CodeBusy, RetryAfter: 9}, 503, `{"error":"Service temporarily busy, please retry"}`, "9"},
		{"storage full", text(app.CodeStorageFull), 507, some, ""},
		{"wrapped", fmt.Errorf("insert item: %w", text(app.CodeNotFound)), 404, some, ""},
		{"foreign", secret, 500, `{"error":"Internal server error"}`, ""},
		{"deadline", fmt.Errorf("scan: %w", context.DeadlineExceeded), 503, `{"error":"The request took too long, please retry"}`, "1"},
		{"cancelled by the server", fmt.Errorf("write: %w", context.Canceled), 503, `{"error":"Service temporarily busy, please retry"}`, "1"},
		{"extra members", app.Invalid("r", "No").With("dfid", "D<1>").With("a", 1).With("error", "x"), 400, `{"error":"No","a":1,"dfid":"D<1>"}`, ""},
		{"member that cannot be encoded", app.Invalid("r", "No").With("f", func() {}), 400, `{"error":"No","f":null}`, ""},
		{"fields", &app.Error{Code: app.CodeInvalid, Message: "No", Fields: []app.FieldError{{Path: "a[0]", Reason: "blank"}}}, 400,
			`{"error":"No","fields":[{"path":"a[0]","reason":"blank"}]}`, ""},
		{"key layer", app.Forbidden(app.ReasonIPNotAllowed, "Not from here"), 403, `{"error":"ip_not_allowed","message":"Not from here"}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := startEdge(t, Options{}, failing(tt.err))
			got := e.do(t, "GET", "/t/fail", "", nil)
			got.want(t, tt.want, tt.body)
			if r := got.header.Get("Retry-After"); r != tt.retry {
				t.Errorf("Retry-After: got %q, want %q", r, tt.retry)
			}
		})
	}
}

func TestBusyTextOfTheFamily(t *testing.T) {
	t.Parallel()
	for _, err := range []error{app.Busy(app.ReasonWriterBusy), context.DeadlineExceeded} {
		e := startEdge(t, Options{}, failing(err, busyText("Storage temporarily unavailable")))
		e.do(t, "GET", "/t/fail", "", nil).want(t, 503, `{"error":"Storage temporarily unavailable"}`)
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{RequestTimeout: time.Millisecond}, func(r *registrar) {
		get(r, "/t/slow", scopePublic, func(ctx context.Context, _ *struct{}) (*reply[string], error) {
			<-ctx.Done()
			return nil, fmt.Errorf("read: %w", ctx.Err())
		}, summary("Test"))
	})
	got := e.do(t, "GET", "/t/slow", "", nil)
	got.want(t, 503, `{"error":"The request took too long, please retry"}`)
	if r := got.header.Get("Retry-After"); r != "1" {
		t.Errorf("Retry-After: got %q, want 1", r)
	}
	if line := e.log.next(t); line[fieldReason] != string(app.ReasonDeadline) || line[fieldCode] != string(app.CodeBusy) {
		t.Errorf("log: got %v, want reason %q and code %q", line, app.ReasonDeadline, app.CodeBusy)
	}
}

// TestSlowBody: the announced body never comes.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{RequestTimeout: 10 * time.Millisecond}, bodyRoutes)
	pr, pw := io.Pipe()
	defer pw.Close()
	req, err := http.NewRequestWithContext(t.Context(), "POST", e.url+"/t/body", pr)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentJSON)
	resp, err := e.client.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("got %d, want 408", resp.StatusCode)
	}
}

// deadlines is a connection that remembers its read deadlines.
type deadlines struct {
	http.ResponseWriter
	set []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

// TestBodyDeadlineDoesNotOutliveTheBody: net/http goes on reading while the
// handler works, and a deadline that passes then would end its context.
func TestBodyDeadlineDoesNotOutliveTheBody(t *testing.T) {
	t.Parallel()
	req, err := http.NewRequestWithContext(t.Context(), "POST", "/", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	var d deadlines
	var buf bytes.Buffer
	if f := readBody(&d, req, &buf, 10, time.Minute); f != nil || buf.String() != "{}" {
		t.Fatalf("got %q and %v, want the body", buf.String(), f)
	}
	if len(d.set) != 2 || d.set[0].IsZero() || !d.set[1].IsZero() {
		t.Errorf("deadlines: got %v, want one and then none", d.set)
	}
}

func TestHangUp(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	e := startEdge(t, Options{}, func(r *registrar) {
		get(r, "/t/wait", scopePublic, func(ctx context.Context, _ *struct{}) (*reply[string], error) {
			close(entered)
			<-ctx.Done()
			return nil, fmt.Errorf("read: %w", ctx.Err())
		}, summary("Test"))
	})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", e.url+"/t/wait", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-entered
		cancel()
	}()
	if resp, err := e.client.RoundTrip(req); err == nil {
		resp.Body.Close()
		t.Fatal("got an answer, want a cancelled request")
	}
	line := e.log.next(t)
	if line["level"] != "DEBUG" || line[fieldStatus] != float64(statusClientGone) || line[fieldBytes] != float64(0) {
		t.Errorf("log: got %v, want one debug line with status 499 and no bytes", line)
	}
	if n := metric(t, e, "defarm_http_requests_total", "route", "/t/wait", "status", "499"); n != 1 {
		t.Errorf("requests counted as 499: got %v, want 1", n)
	}
}

func TestPanics(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, func(r *registrar) {
		s := summary("Test")
		get(r, "/t/panic", scopePublic, func(context.Context, *struct{}) (*reply[string], error) { panic("secret state") }, s)
		get(r, "/t/encode", scopePublic, func(context.Context, *struct{}) (*reply[map[string]any], error) {
			return respond(map[string]any{"f": func() {}}, nil)
		}, s)
		get(r, "/t/half", scopePublic, func(context.Context, *struct{}) (*streamOutput, error) {
			return &streamOutput{Body: func(ctx huma.Context) {
				fmt.Fprint(ctx.BodyWriter(), strings.Repeat("x", 100_000))
				panic("in the middle")
			}}, nil
		}, s)
	})
	for _, path := range []string{"/t/panic", "/t/encode"} {
		e.do(t, "GET", path, "", nil).want(t, 500, `{"error":"Internal server error"}`)
		stack, line := e.log.next(t), e.log.next(t)
		if s, ok := stack[fieldStack].(string); !ok || !strings.Contains(s, "web/api") {
			t.Errorf("%s: first log line has no stack: %v", path, stack)
		}
		if stack[fieldRequestID] != line[fieldRequestID] || line[fieldReason] != "panic" || line["level"] != "ERROR" {
			t.Errorf("%s: access log: got %v, want an error with the stack's request id", path, line)
		}
	}
	resp, err := e.client.RoundTrip(mustRequest(t, e.url+"/t/half"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("an answer that broke off in the middle looks whole")
	}
}

type streamOutput struct {
	Body func(huma.Context)
}

func mustRequest(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// TestReasonsOfTheKeyLayer: each has the two-part body, and only they.
func TestReasonsOfTheKeyLayer(t *testing.T) {
	t.Parallel()
	want := map[app.Reason]bool{
		"invalid_api_key": true, "api_key_inactive": true, "api_key_expired": true, "ip_not_allowed": true,
		"endpoint_not_allowed": true, "rate_limit_exceeded": true, "insufficient_permissions": true,
		"insufficient_credits": true, "tier_limit_exceeded": true, "too_many_concurrent": true,
		app.ReasonInvalidToken: false, app.ReasonNoCredential: false, app.ReasonItemNotFound: false, "": false,
	}
	for reason, keyShape := range want {
		if got := keyLayer(reason); got != keyShape {
			t.Errorf("%q: key layer %t, want %t", reason, got, keyShape)
		}
	}
}
