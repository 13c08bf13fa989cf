package api

import (
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// gzipFrom is the size in bytes from which an answer is worth compressing.
const gzipFrom = 1 << 10

// gzipWriters keeps compressors, which are large, between answers.
var gzipWriters = sync.Pool{New: func() any {
	z, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant of the package
	}
	return z
}}

// response counts and classifies what is sent, for the log and the metrics.
// JSON answers leave through whole, everything else through Write.
type response struct {
	http.ResponseWriter
	gzip   bool // the client takes gzip
	head   bool
	status int // 0 until the header is out
	bytes  int64
	wrote  bool
}

// responseOf returns the response that the middleware made, or makes one.
func responseOf(w http.ResponseWriter, r *http.Request) *response {
	if resp, ok := w.(*response); ok {
		return resp
	}
	return newResponse(w, r)
}

func newResponse(w http.ResponseWriter, r *http.Request) *response {
	return &response{
		ResponseWriter: w,
		gzip:           acceptsGzip(r.Header.Values("Accept-Encoding")),
		head:           r.Method == http.MethodHead,
	}
}

// WriteHeader sends the header once; later calls are ignored.
func (w *response) WriteHeader(status int) {
	if w.wrote {
		return
	}
	if status >= http.StatusOK {
		w.wrote, w.status = true, status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *response) Write(p []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(p) //nolint:gosec // JSON, or what a handler announces as something else
	if !w.head {
		w.bytes += int64(n)
	}
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// whole sends a complete body with its length, compressed where that pays.
// The error of a client that is gone is returned to nobody who could help.
func (w *response) whole(status int, body []byte) error {
	if w.wrote {
		return nil
	}
	h := w.Header()
	if len(body) >= gzipFrom && h.Get("Content-Encoding") == "" && compressible(h.Get("Content-Type")) {
		h.Add("Vary", "accept-encoding")
		if w.gzip {
			return w.compressed(status, body)
		}
	}
	return w.plain(status, body)
}

func (w *response) plain(status int, body []byte) error {
	if status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	if len(body) == 0 {
		return nil
	}
	_, err := w.Write(body)
	return err
}

func (w *response) compressed(status int, body []byte) error {
	buf := getBuffer()
	defer putBuffer(buf)
	z, ok := gzipWriters.Get().(*gzip.Writer)
	if !ok {
		return w.plain(status, body)
	}
	defer gzipWriters.Put(z)
	z.Reset(buf)
	if _, err := z.Write(body); err != nil {
		return w.plain(status, body)
	}
	if err := z.Close(); err != nil {
		return w.plain(status, body)
	}
	w.Header().Set("Content-Encoding", "gzip")
	return w.plain(status, buf.Bytes())
}

// fail sends an error answer and notes it for the log. When the header is out
// already, only the log learns of it.
func (w *response) fail(rec *request, f *failure) {
	rec.code, rec.reason, rec.cause = string(f.code), f.reason, f.cause
	if f.status == statusClientGone {
		w.status, w.wrote = statusClientGone, true
		return
	}
	if w.wrote {
		return
	}
	h := w.Header()
	if f.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(f.retryAfter))
	}
	if f.challenge {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if f.empty {
		h.Del("Content-Type")
		_ = w.plain(f.status, nil) // nothing to write, nothing to fail
		return
	}
	h.Set("Content-Type", contentJSON)
	// A write that fails means a client that is gone, which the log shows by
	// the count of bytes.
	_ = w.whole(f.status, f.body())
}

// compressible tells text from what is compressed already.
func compressible(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.HasPrefix(media, "text/") || strings.HasSuffix(media, "json") || strings.HasSuffix(media, "yaml")
}

// acceptsGzip reads Accept-Encoding: gzip or * with a quality above zero, the
// former deciding.
func acceptsGzip(values []string) bool {
	star := false
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			name, params, _ := strings.Cut(part, ";")
			name = strings.ToLower(strings.TrimSpace(name))
			if name != "gzip" && name != "*" {
				continue
			}
			wanted := true
			if q, ok := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(params), " ", ""), "q="); ok {
				f, err := strconv.ParseFloat(q, 64)
				wanted = err == nil && f > 0
			}
			if name == "gzip" {
				return wanted
			}
			star = wanted
		}
	}
	return star
}
