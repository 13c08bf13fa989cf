package servertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// updateFlag is the test flag that writes golden files. Test packages that
// import this one must not define another of that name.
const updateFlag = "update"

// update is registered here because testing parses the flags before a test
// could.
var update = flag.Bool(updateFlag, false, "write golden files instead of comparing with them")

// golden is what a golden file holds.
type golden struct {
	Status int `json:"status"`
	Body   any `json:"body"` // JSON, or the text of another body
}

// WantGolden wants the status and body of testdata/golden/NAME.json, which is
// relative to the directory of the running test. See the package comment.
func (r *Response) WantGolden(name string) *Response {
	r.tb.Helper()
	got, err := r.golden()
	if err != nil {
		r.tb.Fatalf("%s: golden %s: %v", r.request, name, err)
	}
	file := filepath.Join("testdata", "golden", filepath.FromSlash(name)+".json")
	if *update {
		if err := writeGolden(file, got); err != nil {
			r.tb.Fatalf("%s: golden %s: %v", r.request, name, err)
		}
		return r
	}
	want, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		r.tb.Fatalf("%s: golden %s is missing (-%s writes it); got:\n%s", r.request, name, updateFlag, got)
	}
	if err != nil {
		r.tb.Fatalf("%s: golden %s: %v", r.request, name, err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		r.tb.Fatalf("%s: golden %s (-want +got):\n%s", r.request, name, diff)
	}
	return r
}

func writeGolden(file, text string) error {
	if os.Getenv("CI") == "true" {
		return fmt.Errorf("-%s is refused in CI", updateFlag)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

// golden renders the response as a golden file.
func (r *Response) golden() (string, error) {
	g := golden{Status: r.Status}
	if len(r.Body) > 0 {
		body, err := decodeAny(r.Body)
		if err != nil {
			body = string(r.Body)
		}
		g.Body = newScrubber().value("", body)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(g)
	return out.String(), err
}

// scrubber replaces what differs from run to run by names. Where equality
// means something the names are numbered in order of appearance.
type scrubber struct {
	seen  map[string]string // the original text to its name
	count map[string]int    // names given, by kind
}

type rule struct {
	pattern  *regexp.Regexp
	kind     string
	numbered bool
}

// rules are applied in this order: a token may contain what looks like a key,
// a DFID what looks like a number.
var rules = []rule{
	{regexp.MustCompile(`\beyJ[\w-]+\.[\w-]+\.[\w-]+`), "token", false},
	{regexp.MustCompile(`\bdfm_[A-Za-z0-9]{32}\b`), "key", false},
	{regexp.MustCompile(`^dfm_[A-Za-z0-9]{4}$`), "key prefix", false},
	{regexp.MustCompile(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "uuid", true},
	{regexp.MustCompile(`\bSHARE-\d{14}-[0-9A-F]{8}\b`), "share", true},
	{regexp.MustCompile(`\bDFID-\d{8}-\d{6,}-[0-9A-Fa-f]{4}\b`), "dfid", true},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "hash", true},
	{regexp.MustCompile(`\bQm[1-9A-HJ-NP-Za-km-z]{44}\b|\bb[a-z2-7]{58}\b`), "cid", true},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`), "time", false},
}

func newScrubber() *scrubber {
	return &scrubber{seen: map[string]string{}, count: map[string]int{}}
}

// value scrubs one value; key is the name of the member that holds it.
func (s *scrubber) value(key string, v any) any {
	switch v := v.(type) {
	case string:
		return s.text(v)
	case json.Number:
		if isTimeKey(key) && v != "0" {
			return "<time>"
		}
		if strings.HasSuffix(key, "_ms") && v != "0" {
			return "<duration>"
		}
		return v
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = s.value(key, e)
		}
		return out
	case map[string]any:
		// In the order in which the file shows them, so that numbers count
		// up when it is read.
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		out := make(map[string]any, len(v))
		for _, k := range keys {
			name := s.text(k)
			out[name] = s.value(k, v[k])
		}
		return out
	default:
		return v
	}
}

func (s *scrubber) text(text string) string {
	for _, r := range rules {
		text = r.pattern.ReplaceAllStringFunc(text, func(found string) string { return s.name(r, found) })
	}
	return text
}

func (s *scrubber) name(r rule, found string) string {
	if !r.numbered {
		return "<" + r.kind + ">"
	}
	id := r.kind + " " + strings.ToLower(found)
	if s.seen[id] == "" {
		s.count[r.kind]++
		s.seen[id] = fmt.Sprintf("<%s:%d>", r.kind, s.count[r.kind])
	}
	return s.seen[id]
}

// isTimeKey reports whether a number under that name is an instant.
func isTimeKey(key string) bool {
	return strings.HasSuffix(key, "_at") || strings.HasSuffix(key, "timestamp") || key == "last_modified" || key == "last_login" || key == "created"
}
