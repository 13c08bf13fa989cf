package api

import (
	"regexp"
	"strings"
	"testing"
)

// TestDocsPage: everything that the page loads is served here, and it names no
// other host.
func TestDocsPage(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "/defarm"} {
		e := startEdge(t, Options{BasePath: base}, nil)
		for _, path := range []string{"/docs", "/docs/"} {
			page := e.do(t, "GET", base+path, "", nil)
			if page.status != 200 || page.header.Get("Content-Type") != "text/html; charset=utf-8" {
				t.Fatalf("%s: got %d %q", path, page.status, page.header.Get("Content-Type"))
			}
			script := e.do(t, "GET", base+"/docs/start.js", "", nil)
			for _, text := range []string{page.body, script.body, page.header.Get("Content-Security-Policy")} {
				if strings.Contains(text, "//") {
					t.Errorf("%s leads to another host: %s", path, text)
				}
			}
			if policy := page.header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; script-src 'self';") {
				t.Errorf("policy: got %q", policy)
			}
			refs := regexp.MustCompile(`(?:src|href|data-document)="([^"]+)"`).FindAllStringSubmatch(page.body, -1)
			if len(refs) != 5 {
				t.Errorf("the page refers to %d files, want 5", len(refs))
			}
			for _, ref := range refs {
				got := e.do(t, "GET", ref[1], "", nil)
				if !strings.HasPrefix(ref[1], base+"/") || got.status != 200 || got.body == "" {
					t.Errorf("%s: got %d with %d bytes", ref[1], got.status, len(got.body))
				}
			}
		}
	}
}

func TestDocsAssets(t *testing.T) {
	t.Parallel()
	e := startEdge(t, Options{}, nil)
	plain := e.do(t, "GET", "/docs/swagger-ui-bundle.js", "", nil)
	zipped := e.do(t, "GET", "/docs/swagger-ui-bundle.js", "", headers{"Accept-Encoding", "gzip"})
	if !strings.Contains(plain.body, "SwaggerUIBundle") || plain.header.Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Errorf("plain: got %d bytes of %q", len(plain.body), plain.header.Get("Content-Type"))
	}
	if zipped.header.Get("Content-Encoding") != "gzip" || len(zipped.body) >= len(plain.body) {
		t.Errorf("zipped: got %d bytes as %q", len(zipped.body), zipped.header.Get("Content-Encoding"))
	}
	for _, path := range []string{"/docs/nothing", "/docs/embed.go", "/docs/index.html", "/docs/a/b"} {
		e.do(t, "GET", path, "", nil).want(t, 404, "")
	}
	if got := e.do(t, "POST", "/docs", "", nil); got.status != 405 {
		t.Errorf("POST /docs: got %d, want 405", got.status)
	}
}
