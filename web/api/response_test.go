package api

import (
	"compress/gzip"
	"context"
	"io"
	"strings"
	"testing"
)

func TestGzip(t *testing.T) {
	t.Parallel()
	large, small := strings.Repeat("a", gzipFrom), "a"
	e := startEdge(t, Options{}, func(r *registrar) {
		s := summary("Test")
		get(r, "/t/large", scopePublic, func(context.Context, *struct{}) (*reply[string], error) { return respond(large, nil) }, s)
		get(r, "/t/small", scopePublic, func(context.Context, *struct{}) (*reply[string], error) { return respond(small, nil) }, s)
		get(r, "/t/bytes", scopePublic, func(context.Context, *struct{}) (*bytesOutput, error) {
			return &bytesOutput{ContentType: "image/png", Body: []byte(large)}, nil
		}, s)
	})
	tests := []struct {
		name, path, accept string
		zipped, vary       bool
	}{
		{"large, asked", "/t/large", "gzip", true, true},
		{"large, among others", "/t/large", "br;q=1.0, gzip;q=0.8", true, true},
		{"large, anything", "/t/large", "*", true, true},
		{"large, not asked", "/t/large", "", false, true},
		{"large, refused", "/t/large", "gzip;q=0", false, true},
		{"large, all but gzip", "/t/large", "gzip; q=0, *", false, true},
		{"large, others", "/t/large", "br, deflate", false, true},
		{"small", "/t/small", "gzip", false, false},
		{"not text", "/t/bytes", "gzip", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var h headers
			if tt.accept != "" {
				h = headers{"Accept-Encoding", tt.accept}
			}
			got := e.do(t, "GET", tt.path, "", h)
			head := e.do(t, "HEAD", tt.path, "", h)
			if (got.header.Get("Content-Encoding") == "gzip") != tt.zipped {
				t.Errorf("content encoding: got %q, want gzip: %t", got.header.Get("Content-Encoding"), tt.zipped)
			}
			if v := strings.Contains(strings.Join(got.header.Values("Vary"), ","), "accept-encoding"); v != tt.vary {
				t.Errorf("vary: got %q, want accept-encoding: %t", got.header.Values("Vary"), tt.vary)
			}
			if head.header.Get("Content-Length") != got.header.Get("Content-Length") {
				t.Errorf("HEAD says %q, GET %q", head.header.Get("Content-Length"), got.header.Get("Content-Length"))
			}
			if !tt.zipped {
				return
			}
			z, err := gzip.NewReader(strings.NewReader(got.body))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(z); err != nil || string(b) != `"`+large+`"` {
				t.Errorf("unzipped: %d bytes, %v", len(b), err)
			}
		})
	}
}
