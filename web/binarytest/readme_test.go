package binarytest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeWalk runs the walk of the README as it is written, with the port
// and the program replaced, against a demonstration server.
func TestReadmeWalk(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"sh", "curl", "sed"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the walk needs %s: %v", tool, err)
		}
	}
	p := serve(t, nil, "--demo", "--data-dir", t.TempDir()+"/data")
	script := walkScript(t)
	for _, r := range []struct{ old, new string }{
		{"API=http://127.0.0.1:3000\n", "API=" + p.ready.URL + "\n"},
		{"go run . ", binary(t) + " "},
	} {
		if strings.Count(script, r.old) != 1 {
			t.Fatalf("the walk has %d times %q, want once", strings.Count(script, r.old), r.old)
		}
		script = strings.Replace(script, r.old, r.new, 1)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", script)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the walk failed: %v\n%s", err, out)
	}
	for _, want := range []string{
		`"username":"pullet"`, `"name":"Beef chain"`, `"status":"Tokenized"`, `"weight_kg":312.5`, `"breed":"Nelore"`,
		`"ipfs_cid":"Qm`, `"legacy_mode":false`, `"valid":true`, `"role":"Viewer"`, `BR000450302380`,
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the walk does not show %s", want)
		}
	}
	if m := regexp.MustCompile(`(?m)^.*"error".*$`).FindString(string(out)); m != "" {
		t.Errorf("the walk shows an error: %s", m)
	}
	if t.Failed() {
		t.Logf("output:\n%s", out)
	}
	p.terminate()
	p.wantCleanEnd()
}

// walkScript is the shell block of the README's section "Five minutes".
func walkScript(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## Five minutes\n")
	if !ok {
		t.Fatal("README.md has no section \"Five minutes\"")
	}
	_, block, ok := strings.Cut(section, "\n```sh\n")
	if !ok {
		t.Fatal("the section has no shell block")
	}
	block, _, ok = strings.Cut(block, "\n```\n")
	if !ok {
		t.Fatal("the shell block has no end")
	}
	return block + "\n"
}
