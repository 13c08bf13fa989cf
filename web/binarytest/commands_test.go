package binarytest

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadyJSON(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/data"
	p := serve(t, nil, "--data-dir", dir)
	if p.ready.PID != p.cmd.Process.Pid {
		t.Errorf("pid: got %d, want %d", p.ready.PID, p.cmd.Process.Pid)
	}
	if p.ready.DataDir != dir {
		t.Errorf("data_dir: got %q, want %q", p.ready.DataDir, dir)
	}
	if !strings.HasPrefix(p.ready.URL, "http://127.0.0.1:") || strings.HasSuffix(p.ready.URL, ":0") {
		t.Errorf("url: got %q, want the port that was taken", p.ready.URL)
	}
	// Ready means ready: the first request is answered.
	reply, err := newClient(t, p.ready.URL, "").Send(t.Context(), http.MethodGet, "/readyz", nil)
	if err != nil || reply.Status != http.StatusOK {
		t.Errorf("GET /readyz: %v, %+v", err, reply)
	}
	p.terminate()
	p.wantCleanEnd()
	if got := p.rest.String(); got != "" {
		t.Errorf("standard output after the ready line: got %q, want nothing", got)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	if r := run(t, nil, "version"); r.code != 0 || !strings.HasPrefix(r.stdout, "defarm ") || r.stderr != "" {
		t.Errorf("version: got %+v", r)
	}
	r := run(t, nil, "version", "--json")
	var v map[string]string
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil || r.code != 0 {
		t.Fatalf("version --json: got %+v (%v)", r, err)
	}
	for _, key := range []string{"version", "commit", "build_time", "go_version"} {
		if v[key] == "" {
			t.Errorf("version --json: no %s in %v", key, v)
		}
	}
	if !strings.HasPrefix(v["go_version"], "go1.") {
		t.Errorf("go_version: got %q", v["go_version"])
	}
}

func TestConfigCheck(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "defarm.yaml")
	if err := os.WriteFile(file, []byte("server:\n  listne: x\ndatabase:\n  synchronous: MAYBE\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := run(t, []string{"DEFARM_AUTH_BCRYPT_QUEUE=-1"}, "config", "check", "--config", file)
	if r.code != 1 {
		t.Errorf("exit status: got %d, want 1", r.code)
	}
	for _, want := range []string{"server.listne", "database.synchronous", "auth.bcrypt_queue"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("problems do not name %s:\n%s", want, r.stderr)
		}
	}
	if r := run(t, nil, "config", "check"); r.code != 0 {
		t.Errorf("defaults: got status %d, want 0\n%s", r.code, r.stderr)
	}
}

func TestHealthcheck(t *testing.T) {
	t.Parallel()
	p := serve(t, nil, "--data-dir", t.TempDir()+"/data")
	if r := run(t, nil, "healthcheck", "--url", p.ready.URL); r.code != 0 {
		t.Errorf("healthy server: got %+v", r)
	}
	p.terminate()
	p.wantCleanEnd()
	if r := run(t, nil, "healthcheck", "--url", p.ready.URL); r.code == 0 {
		t.Errorf("server that is gone: got %+v, want an error", r)
	}
}

// TestOneServerPerDirectory: the second one is told, and disturbs nothing.
func TestOneServerPerDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/data"
	p := serve(t, nil, "--data-dir", dir)
	f := newFarm(t, p.ready.URL)
	r := run(t, nil, "serve", "--listen", "127.0.0.1:0", "--data-dir", dir)
	if r.code != 1 || !strings.Contains(r.stderr, dir) {
		t.Errorf("second server: got %+v, want status 1 and the directory's name", r)
	}
	var out mapped
	mustCall(t, newClient(t, p.ready.URL, f.token), http.MethodPost, "/api/items/local", localItem(1), &out)
	p.kill()
	// The lock dies with its holder.
	p = serve(t, nil, "--data-dir", dir)
	p.terminate()
	p.wantCleanEnd()
}

func TestEphemeralLeavesNothing(t *testing.T) {
	t.Parallel()
	p := serve(t, nil, "--ephemeral")
	if _, err := os.Stat(p.ready.DataDir); err != nil {
		t.Fatalf("data directory: %v", err)
	}
	var account struct {
		Token string `json:"token"`
	}
	mustCall(t, newClient(t, p.ready.URL, ""), http.MethodPost, "/api/auth/login", `{"username":"pullet","password":"demo123"}`, &account)
	if account.Token == "" {
		t.Error("login of a development account gives no token")
	}
	p.terminate()
	p.wantCleanEnd()
	if _, err := os.Stat(p.ready.DataDir); !os.IsNotExist(err) {
		t.Errorf("data directory after the end: got %v, want it gone", err)
	}
}

// TestDemoApart keeps well-known passwords out of real data, and the reverse.
func TestDemoApart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, tt := range []struct {
		dir   string
		first []string
		then  []string
	}{
		{dir + "/real", nil, []string{"--demo"}},
		{dir + "/demo", []string{"--demo"}, nil},
	} {
		p := serve(t, nil, append(tt.first, "--data-dir", tt.dir)...)
		p.terminate()
		p.wantCleanEnd()
		r := run(t, nil, append(append([]string{"serve", "--listen", "127.0.0.1:0"}, tt.then...), "--data-dir", tt.dir)...)
		if r.code != 1 || !strings.Contains(r.stderr, "--demo") {
			t.Errorf("%s: got %+v, want status 1 and the reason", tt.dir, r)
		}
	}
}

func TestUserCreate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/data"
	r := run(t, []string{"DEFARM_PASSWORD=Chief-Secret-1"}, "user", "create", "--admin",
		"--username", "chief", "--email", "chief@example.org", "--data-dir", dir)
	if r.code != 0 {
		t.Fatalf("user create: got %+v", r)
	}
	if strings.Contains(r.stdout+r.stderr, "Chief-Secret-1") {
		t.Errorf("the password is printed: %+v", r)
	}
	p := serve(t, nil, "--data-dir", dir)
	var account struct {
		Token string `json:"token"`
	}
	mustCall(t, newClient(t, p.ready.URL, ""), http.MethodPost, "/api/auth/login", `{"username":"chief","password":"Chief-Secret-1"}`, &account)
	if account.Token == "" {
		t.Error("login gives no token")
	}
	p.terminate()
	p.wantCleanEnd()
}

func TestUnknownCommand(t *testing.T) {
	t.Parallel()
	if r := run(t, nil, "fly"); r.code == 0 || !strings.Contains(r.stderr, "fly") || r.stdout != "" {
		t.Errorf("unknown command: got %+v", r)
	}
}
