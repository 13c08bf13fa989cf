package api

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"html/template"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/swaggest/swgui/v5/static"
)

// docsPage shows the document with Swagger UI. Everything it loads comes from
// this server; the policy below makes the browser enforce that.
const docsPage = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>` + apiTitle + `: API reference</title>
<link rel="icon" type="image/png" href="{{.}}/docs/favicon-32x32.png" sizes="32x32">
<link rel="stylesheet" href="{{.}}/docs/swagger-ui.css">
</head>
<body style="margin:0">
<div id="swagger-ui" data-document="{{.}}/openapi.json"></div>
<script src="{{.}}/docs/swagger-ui-bundle.js"></script>
<script src="{{.}}/docs/start.js"></script>
</body>
</html>
`

const docsScript = `"use strict";
window.ui = SwaggerUIBundle({
  url: document.getElementById("swagger-ui").dataset.document,
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout"
});
`

const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docsAssets are the files of Swagger UI that the page needs, as they are
// embedded; those that end in .gz are stored compressed.
func docsAssets() []string {
	return []string{"swagger-ui.css.gz", "swagger-ui-bundle.js.gz", "favicon-32x32.png", "favicon-16x16.png"}
}

// registerDocs serves the page at /docs and its files below it.
func registerDocs(r *registrar, base string) error {
	page, err := template.New("docs").Parse(docsPage)
	if err != nil {
		return fmt.Errorf("parse documentation page: %w", err)
	}
	var html bytes.Buffer
	if err := page.Execute(&html, base); err != nil {
		return fmt.Errorf("build documentation page: %w", err)
	}
	index := &asset{contentType: "text/html; charset=utf-8", body: html.Bytes(), policy: docsPolicy}
	r.page("/docs", scopePublic, index, summary("API reference for a browser"))
	files := map[string]*asset{
		"":         index,
		"start.js": {contentType: "text/javascript; charset=utf-8", body: []byte(docsScript)},
	}
	for _, name := range docsAssets() {
		body, err := static.FS.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read documentation asset: %w", err)
		}
		plain := strings.TrimSuffix(name, ".gz")
		files[plain] = &asset{contentType: mimeType(plain), body: body, zipped: plain != name, keep: true}
	}
	r.page("/docs/*", scopePublic, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		f := files[strings.TrimPrefix(req.URL.Path, "/docs/")]
		if f == nil {
			responseOf(w, req).fail(requestOf(req.Context()), &failure{status: http.StatusNotFound, empty: true})
			return
		}
		f.ServeHTTP(w, req)
	}), summary("Files of the API reference"))
	return nil
}

func mimeType(name string) string {
	switch ext := path.Ext(name); ext {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	default:
		return mime.TypeByExtension(ext)
	}
}

// asset is one embedded file.
type asset struct {
	contentType string
	policy      string
	body        []byte
	zipped      bool // body is gzip
	keep        bool // may be cached: changes with the release only
}

// ServeHTTP implements http.Handler.
func (a *asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	resp := responseOf(w, r)
	h := resp.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	if a.policy != "" {
		h.Set("Content-Security-Policy", a.policy)
		h.Set("Referrer-Policy", "no-referrer")
	}
	if a.keep {
		h.Set("Cache-Control", "public, max-age=3600")
	}
	body := a.body
	switch {
	case a.zipped && resp.gzip:
		h.Add("Vary", "accept-encoding")
		h.Set("Content-Encoding", "gzip")
	case a.zipped:
		h.Add("Vary", "accept-encoding")
		var err error
		if body, err = unzip(a.body); err != nil {
			resp.fail(requestOf(r.Context()), failureOf(requestOf(r.Context()), "", err))
			return
		}
	}
	_ = resp.whole(http.StatusOK, body) // a failed write is a client that is gone
}

func unzip(b []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("open embedded asset: %w", err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("read embedded asset: %w", err)
	}
	return out, nil
}
