package importer

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/defarm-repo/defarm/web/client"
)

// execute runs `import` with args on a file holding source.
func execute(t *testing.T, source string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "herd.csv")
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := Command()
	var out, errs bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetArgs(append([]string{"items", path}, args...))
	err = cmd.ExecuteContext(t.Context())
	return out.String(), errs.String(), err
}

const untidy = "sisbov,ear_tag,weight_kg,notes\nBR000000000001,A,300,x\nBR1,B,300,\n076 000000000001,A,310,\nBR000000000003,C,n/d,\n"

// The tests below are not parallel: the environment belongs to the process.

func TestCommand(t *testing.T) {
	t.Setenv(client.EnvToken, "")
	t.Setenv(client.EnvAPIKey, "dfm_test")
	srv := httptest.NewServer(newFake())
	defer srv.Close()
	to := []string{"--circuit", testCircuit, "--url", srv.URL}
	out, errs, err := execute(t, untidy, to...)
	if err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	want := `read 4 created 1 enriched 1 refused 2 failed 0 refused:
line 3: sisbov "BR1" is not a SISBOV number (BR and 12 digits, 076 and 12 digits, or the older 15 or 17 digits)
line 5: weight_kg "n/d" is not a number`
	if diff := cmp.Diff(strings.Fields(want), strings.Fields(out)); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if !strings.Contains(errs, `columns left out: ["notes"]`) {
		t.Errorf("stderr %q does not name the ignored column", errs)
	}
	out, _, err = execute(t, untidy, append(to, "--json", "--strict")...)
	if err == nil || !strings.Contains(err.Error(), "2 rows were refused") {
		t.Errorf("--strict: got %v, want an error", err)
	}
	var s Summary
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("--json: %v in %s", err, out)
	}
	wantCounts(t, &s, map[string]int{"read": 4, "enriched": 2, "refused": 2})
	if len(s.RefusedRows) != 2 || s.RefusedRows[0].Line != 3 {
		t.Errorf("refused rows: got %v, want lines 3 and 5", s.RefusedRows)
	}
}

func TestCommandFailsWithRows(t *testing.T) {
	t.Setenv(client.EnvToken, "")
	t.Setenv(client.EnvAPIKey, "dfm_test")
	f := newFake()
	f.refuse = func(w http.ResponseWriter, n int, _ push) bool {
		if n == 1 {
			http.Error(w, `{"error":"Storage error: x"}`, http.StatusInternalServerError)
		}
		return n == 1
	}
	srv := httptest.NewServer(f)
	defer srv.Close()
	out, errs, err := execute(t, herdOf(3), "--circuit", testCircuit, "--url", srv.URL, "--concurrency", "1")
	if err == nil || err.Error() != "1 rows failed" {
		t.Errorf("got %v, want 1 rows failed", err)
	}
	if !strings.Contains(out, "line 3: 500 Storage error: x") || strings.Contains(errs, "Usage:") {
		t.Errorf("stdout %q, stderr %q; want the failed line, no usage", out, errs)
	}
}

func TestCommandDryRunNeedsNoServer(t *testing.T) {
	t.Setenv(client.EnvToken, "")
	t.Setenv(client.EnvAPIKey, "")
	out, _, err := execute(t, untidy, "--dry-run")
	if err != nil || !strings.Contains(out, "valid") || strings.Contains(out, "created") {
		t.Errorf("got %q, %v; want a table of valid rows", out, err)
	}
	if _, _, err := execute(t, untidy, "--circuit", testCircuit); err == nil || !strings.Contains(err.Error(), client.EnvToken) {
		t.Errorf("no credential: got %v, want one that names the variables", err)
	}
	if _, _, err := execute(t, untidy); err == nil || !strings.Contains(err.Error(), "--circuit") {
		t.Errorf("no circuit: got %v, want one that names the flag", err)
	}
}

func TestSummaryShowsTwenty(t *testing.T) {
	t.Parallel()
	var tl tally
	for i := range 1500 {
		tl.count(func(s *Summary) {
			s.Read++
			s.Refused++
			s.RefusedRows = keep(s.RefusedRows, 1500-i, "x")
		})
	}
	var b strings.Builder
	s := tl.result()
	if err := s.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(b.String(), "  line "); got != shownRows || !strings.Contains(b.String(), "and 1480 more") {
		t.Errorf("got %d lines, want %d and a count:\n%s", got, shownRows, b.String())
	}
	if len(s.RefusedRows) != keptRows {
		t.Errorf("%d rows kept, want %d", len(s.RefusedRows), keptRows)
	}
}
