package api

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/defarm-repo/defarm/app"
)

// metric sums the samples of a metric with these labels (name, value, …); for
// a histogram the number of observations.
func metric(t *testing.T, e *testEdge, name string, labels ...string) float64 {
	t.Helper()
	families, err := e.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if hasLabels(m, labels) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

func hasLabels(m *dto.Metric, labels []string) bool {
	for i := 0; i+1 < len(labels); i += 2 {
		if !slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool {
			return l.GetName() == labels[i] && l.GetValue() == labels[i+1]
		}) {
			return false
		}
	}
	return true
}

func logRoutes(r *registrar) {
	s := summary("Test")
	get(r, "/t/item/{id}", scopeUser, func(context.Context, *struct {
		ID string `path:"id"`
	}) (*reply[string], error) {
		return respond("ok", nil)
	}, s)
	get(r, "/t/broken", scopePublic, func(context.Context, *struct{}) (*reply[string], error) {
		return nil, errors.New("disk on fire")
	}, s)
	get(r, "/t/gone", scopePublic, func(context.Context, *struct{}) (*reply[string], error) {
		return nil, app.NotFound(app.ReasonItemNotFound, "Item not found").Causing(errors.New("row 7"))
	}, s)
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, method, path string
		h                  headers
		want               map[string]any
		absent             []string
	}{
		{"success", "GET", "/t/item/secret?token=secret", append(bearer(goodKey), "X-Request-Id", "abc-1"), map[string]any{
			"level": "INFO", "msg": "request", "request_id": "abc-1", "method": "GET", "route": "/t/item/{id}",
			"status": 200.0, "bytes": 4.0, "client": "127.0.0.1", "actor": "user-key", "api_key": "key-1",
		}, []string{"code", "reason", "error"}},
		{"head", "HEAD", "/t/item/x", bearer(goodToken), map[string]any{
			"level": "INFO", "method": "HEAD", "status": 200.0, "bytes": 0.0, "actor": "user-token",
		}, []string{"api_key"}},
		{"no credential", "GET", "/t/item/x", nil, map[string]any{
			"level": "INFO", "status": 401.0, "code": "unauthenticated", "reason": "no_credential",
		}, []string{"actor", "error"}},
		{"handler's error", "GET", "/t/gone", nil, map[string]any{
			"level": "INFO", "status": 404.0, "code": "not_found", "reason": "item_not_found",
		}, []string{"error"}},
		{"fault", "GET", "/t/broken", nil, map[string]any{
			"level": "ERROR", "status": 500.0, "code": "internal", "error": "disk on fire",
		}, []string{"reason"}},
		{"unknown path", "GET", "/secret/path", nil, map[string]any{"level": "INFO", "status": 404.0, "route": "unmatched"}, nil},
		{"wrong method", "PUT", "/t/gone", nil, map[string]any{"status": 405.0, "route": "/t/gone"}, nil},
		{"invented method", "SECRET", "/t/gone", nil, map[string]any{"method": "OTHER"}, nil},
		{"preflight", "OPTIONS", "/t/gone", nil, map[string]any{"status": 200.0, "route": "unmatched"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := startEdge(t, Options{}, logRoutes)
			got := e.do(t, tt.method, tt.path, "", tt.h)
			line := e.log.next(t)
			for k, v := range tt.want {
				if line[k] != v {
					t.Errorf("%s: got %v, want %v (in %v)", k, line[k], v, line)
				}
			}
			for _, k := range tt.absent {
				if v, ok := line[k]; ok {
					t.Errorf("%s: got %v, want none", k, v)
				}
			}
			if line[fieldRequestID] != got.header.Get("X-Request-Id") {
				t.Errorf("request id: logged %v, answered %q", line[fieldRequestID], got.header.Get("X-Request-Id"))
			}
			for k, v := range line {
				if s, ok := v.(string); ok && strings.Contains(strings.ToLower(s), "secret") {
					t.Errorf("%s repeats what was sent: %q", k, s)
				}
			}
			if len(e.log) != 0 {
				t.Errorf("%d more log lines, want one per request", len(e.log))
			}
		})
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	for given, kept := range map[string]bool{
		"": false, "a": true, "A-1_b.c": true, strings.Repeat("x", 128): true, strings.Repeat("x", 129): false,
		"a b": false, "a\tb": false, "ä": false, "a\"b": false, "<x>": false,
	} {
		got := requestID(given)
		if (got == given) != kept || got == "" {
			t.Errorf("%q: got %q, want it kept: %t", given, got, kept)
		}
	}
}

func TestMetricsAreBounded(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, logRoutes)
	for _, path := range []string{"/t/item/1", "/t/item/2", "/x/1", "/x/2"} {
		e.do(t, "GET", path, "", bearer(goodToken))
		e.do(t, "INVENTED", path, "", nil)
		e.do(t, "FURTHER", path, "", nil)
	}
	e.do(t, "GET", "/t/broken", "", nil)
	for _, tt := range []struct {
		labels []string
		want   float64
	}{
		{[]string{"route", "/t/item/{id}", "method", "GET", "status", "2xx"}, 2},
		{[]string{"route", "/t/item/{id}", "method", "OTHER", "status", "4xx"}, 4},
		{[]string{"route", "unmatched", "method", "GET", "status", "4xx"}, 2},
		{[]string{"route", "unmatched", "method", "OTHER", "status", "4xx"}, 4},
		{[]string{"route", "/t/broken", "status", "5xx"}, 1},
		{nil, 13},
	} {
		if got := metric(t, e, "defarm_http_requests_total", tt.labels...); got != tt.want {
			t.Errorf("requests %v: got %v, want %v", tt.labels, got, tt.want)
		}
	}
	if got := metric(t, e, "defarm_http_request_duration_seconds", "route", "/t/item/{id}", "method", "GET"); got != 2 {
		t.Errorf("durations: got %v observations, want 2", got)
	}
	if got := metric(t, e, "defarm_http_requests_in_flight"); got != 0 {
		t.Errorf("in flight: got %v, want 0", got)
	}
}
