package servertest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What differs from run to run is named; everything else stays as it was.
func TestGoldenScrubs(t *testing.T) {
	t.Parallel()
	const (
		u1, u2 = "3b0c6f1e-52a5-4a0e-9c2f-0d7a5f1c9e11", "11111111-2222-4333-8444-555555555555"
		h1, h2 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		d1, d2 = "DFID-20251013-000001-A7F3", "DFID-20251013-1000000-0000"
		cid    = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG"
		token  = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
		key    = "dfm_ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	)
	tests := []struct{ name, body, want string }{
		{"equal ids stay equal", `["` + u1 + `","` + u2 + `","` + u1 + `"]`, `["<uuid:1>","<uuid:2>","<uuid:1>"]`},
		{"ids in capitals are the same", `["` + u1 + `","` + strings.ToUpper(u1) + `"]`, `["<uuid:1>","<uuid:1>"]`},
		{"an id inside a text", `"local:` + u1 + `!"`, `"local:<uuid:1>!"`},
		{"no id", `["` + u1[:35] + `","` + u1 + `0"]`, `["` + u1[:35] + `","` + u1 + `0"]`},
		{"an id as a name", `{"` + u1 + `":1}`, `{"<uuid:1>":1}`},
		{"numbers count up as the file is read", `{"b":"` + u1 + `","a":"` + u2 + `"}`, `{"a":"<uuid:1>","b":"<uuid:2>"}`},
		{"item ids", `["` + d1 + `","` + d2 + `","DFID-7"]`, `["<dfid:1>","<dfid:2>","DFID-7"]`},
		{"hashes", `["` + h1 + `","` + h2 + `","` + h1[:63] + `"]`, `["<hash:1>","<hash:2>","` + h1[:63] + `"]`},
		{"content ids", `"/ipfs/` + cid + `"`, `"/ipfs/<cid:1>"`},
		{"tokens and keys", `["Bearer ` + token + `","` + key + `","dfm_ABCD","dfm_ABC"]`, `["Bearer <token>","<key>","<key prefix>","dfm_ABC"]`},
		{"instants", `["2025-10-13T08:00:00Z","2025-10-13T08:00:00.123456+00:00","2025-10-13"]`, `["<time>","<time>","2025-10-13"]`},
		{"instants as numbers", `{"created_at":1760342400,"timestamp":1,"last_login":7,"count":1760342400,"updated_at":0,"x_at":null}`,
			`{"count":1760342400,"created_at":"<time>","last_login":"<time>","timestamp":"<time>","updated_at":0,"x_at":null}`},
		{"numbers as they were written", `[1.0,1e3,0.10]`, `[1.0,1e3,0.10]`},
		{"markup is not escaped", `"<a href=\"x\">&"`, `"<a href=\"x\">&"`},
		{"no JSON", `plain ` + u1, `"plain <uuid:1>"`},
		{"nothing", ``, `null`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := (&Response{Status: 201, Body: []byte(tc.body)}).golden()
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(got, "{\n  \"status\": 201,\n  \"body\": ") || !strings.HasSuffix(got, "\n}\n") {
				t.Errorf("form: got %q", got)
			}
			if diff := cmp.Diff(tc.want, compact(got)); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
}

// compact is the body of a golden file on one line.
func compact(golden string) string {
	_, body, _ := strings.Cut(golden, "\"body\": ")
	var out strings.Builder
	for line := range strings.Lines(strings.TrimSuffix(body, "\n}\n")) {
		out.WriteString(strings.TrimSpace(line))
	}
	return strings.ReplaceAll(out.String(), `": `, `":`)
}

// Golden files are written with the directories above them, but never in CI.
func TestWriteGolden(t *testing.T) {
	file := filepath.Join(t.TempDir(), "testdata", "golden", "area", "name.json")
	t.Setenv("CI", "true")
	if err := writeGolden(file, "text"); err == nil || !strings.Contains(err.Error(), "-update is refused in CI") {
		t.Errorf("in CI: got %v, want a refusal", err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("in CI: the file: got %v, want none", err)
	}
	t.Setenv("CI", "")
	for _, text := range []string{"first", "second"} {
		if err := writeGolden(file, text); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != text {
			t.Errorf("got %q (%v), want %q", got, err, text)
		}
	}
}

// A field is found by its path, and shown as it was sent.
func TestResponseLookup(t *testing.T) {
	t.Parallel()
	r := &Response{Body: []byte(`{"a":{"b":[{"c":"text"},7.50,null,true,{"d":1}]},"e":""}`)}
	tests := []struct{ path, want, err string }{
		{"a.b.0.c", "text", ""},
		{"a.b.1", "7.50", ""},
		{"a.b.2", "null", ""},
		{"a.b.3", "true", ""},
		{"a.b.4", `{"d":1}`, ""},
		{"e", "", ""},
		{"x", "", `no member "x"`},
		{"a.b.5", "", `no element "5" in an array of 5`},
		{"a.b.-1", "", `no element "-1" in an array of 5`},
		{"a.b.c", "", `no element "c" in an array of 5`},
		{"e.f", "", `nothing has a member "f" here`},
	}
	for _, tc := range tests {
		got, err := r.lookup(tc.path)
		if got != tc.want || (tc.err == "") != (err == nil) || (err != nil && err.Error() != tc.err) {
			t.Errorf("%s: got %q (%v), want %q (%s)", tc.path, got, err, tc.want, tc.err)
		}
	}
	for name, body := range map[string]string{"no JSON": "{", "two values": "{} {}", "nothing": ""} {
		if got, err := (&Response{Body: []byte(body)}).lookup("a"); err == nil {
			t.Errorf("%s: got %q, want an error", name, got)
		}
	}
	if got := (&Response{Body: []byte(strings.Repeat("x", 5000))}).excerpt(); len(got) > 2010 || !strings.HasSuffix(got, "…") {
		t.Errorf("excerpt of a long body: got %d bytes", len(got))
	}
}
