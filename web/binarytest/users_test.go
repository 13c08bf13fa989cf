package binarytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

// runWith is run with text on standard input.
func runWith(t *testing.T, input string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := command(ctx, t, nil, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("defarm %s: %v", strings.Join(args, " "), err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// TestUserCommands goes through the commands on accounts in the order of an
// account's life.
func TestUserCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/data"
	const first, second = "First-Secret-1", "Second-Secret-2"
	steps := []struct {
		name           string
		input          string
		args           []string
		code           int
		stdout, stderr string // parts of them
	}{
		{"no data yet", "", []string{"list"}, 1, "", "there is no database in " + dir},
		{"mail forgotten", first, []string{"create", "--username", "maria", "--password-stdin"}, 1, "", `required flag(s) "email" not set`},
		{"no password", "", []string{"create", "--username", "maria", "--email", "maria@example.org"}, 1, "", "no password: set DEFARM_PASSWORD"},
		{"weak", "weak\n", []string{"create", "--username", "maria", "--email", "maria@example.org", "--password-stdin"}, 1, "", "at least 8 characters"},
		{"create", first + "\n", []string{"create", "--username", "maria", "--email", "maria@example.org", "--password-stdin"}, 0, "created account maria (", ""},
		{"create again", first + "\n", []string{"create", "--username", "maria", "--email", "m@example.org", "--password-stdin"}, 1, "", "Username already exists"},
		{"promote", "", []string{"promote", "maria"}, 0, "maria: now an administrator", ""},
		{"revoke", "", []string{"promote", "maria", "--revoke"}, 0, "maria: no longer an administrator", ""},
		{"suspend", "", []string{"suspend", "maria"}, 0, "maria: suspended", ""},
		{"list", "", []string{"list"}, 0, "Suspended", ""},
		{"lift", "", []string{"suspend", "maria", "--lift"}, 0, "maria: active again", ""},
		{"somebody else", "", []string{"promote", "joao"}, 1, "", `there is no account "joao"`},
		{"nobody", "", []string{"promote"}, 1, "", "accepts 1 arg(s), received 0"},
		{"new password", second + "\n", []string{"set-password", "maria", "--password-stdin"}, 0, "maria: new password", ""},
	}
	for _, s := range steps {
		r := runWith(t, s.input, append(append([]string{"user"}, s.args...), "--data-dir", dir)...)
		if r.code != s.code || !strings.Contains(r.stdout, s.stdout) || !strings.Contains(r.stderr, s.stderr) {
			t.Errorf("%s: got %+v, want status %d, %q and %q", s.name, r, s.code, s.stdout, s.stderr)
		}
		if strings.Contains(r.stdout+r.stderr, first) || strings.Contains(r.stdout+r.stderr, second) {
			t.Errorf("%s: a password is shown: %+v", s.name, r)
		}
	}
	p := serve(t, nil, "--data-dir", dir)
	for password, want := range map[string]int{first: http.StatusUnauthorized, second: http.StatusOK} {
		reply, err := newClient(t, p.ready.URL, "").Send(t.Context(), http.MethodPost, "/api/auth/login",
			[]byte(fmt.Sprintf(`{"username":"maria","password":%q}`, password)))
		if err != nil || reply.Status != want {
			t.Errorf("login: %v, got %+v, want %d", err, reply, want)
		}
	}
	if r := run(t, nil, "user", "list", "--data-dir", dir); r.code != 1 || !strings.Contains(r.stderr, "stop it first") {
		t.Errorf("with a server running: got %+v, want that it is to be stopped", r)
	}
	p.terminate()
	p.wantCleanEnd()
}
