package binarytest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for the process: it is there so that a program
// that hangs fails the test, not to measure anything.
const patience = 60 * time.Second

// buildDir receives the binary; TestMain makes and removes it.
var buildDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "defarm-binary-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	buildDir = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// buildOnce builds the program at the module's root.
var buildOnce = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(buildDir, "defarm")
	cmd := exec.Command("go", "build", "-o", bin, ".")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "GOFLAGS="+withoutRace(os.Getenv("GOFLAGS")))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
})

func withoutRace(flags string) string {
	var keep []string
	for _, f := range strings.Fields(flags) {
		if f != "-race" {
			keep = append(keep, f)
		}
	}
	return strings.Join(keep, " ")
}

func binary(t testing.TB) string {
	t.Helper()
	bin, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// command prepares a run of the program in an environment that nothing of the
// tester's own reaches, with cheap passwords.
func command(ctx context.Context, t testing.TB, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(ctx, binary(t), args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "TMPDIR=" + cmd.Dir, "DEFARM_AUTH_BCRYPT_COST=4"}, env...)
	return cmd
}

// result is what a command that has ended left.
type result struct {
	code   int
	stdout string
	stderr string
}

// run runs the program to its end.
func run(t *testing.T, env []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := command(ctx, t, env, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("defarm %s: %v", strings.Join(args, " "), err)
	}
	if ctx.Err() != nil {
		t.Fatalf("defarm %s: still running after %v\n%s", strings.Join(args, " "), patience, stderr.String())
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// readyLine is what --ready-json prints.
type readyLine struct {
	URL     string `json:"url"`
	PID     int    `json:"pid"`
	DataDir string `json:"data_dir"`
}

// process is a server that accepts requests.
type process struct {
	t     testing.TB
	cmd   *exec.Cmd
	ready readyLine
	first string // the ready line as printed

	output sync.WaitGroup
	rest   bytes.Buffer // standard output after the ready line; read when ended
	log    bytes.Buffer // standard error; read when ended
	ended  chan struct{}
}

// serve starts `defarm serve --ready-json` on a free port and waits for its
// ready line. The test's end kills what is still running.
func serve(t testing.TB, env []string, args ...string) *process {
	t.Helper()
	args = append([]string{"serve", "--ready-json", "--listen", "127.0.0.1:0"}, args...)
	p := &process{t: t, cmd: command(context.WithoutCancel(t.Context()), t, env, args...), ended: make(chan struct{})}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(p.kill)

	line := make(chan string, 1)
	p.output.Go(func() {
		r := bufio.NewReader(stdout)
		first, err := r.ReadString('\n')
		if err == nil {
			line <- first
		}
		close(line)
		if _, err := p.rest.ReadFrom(r); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Errorf("read standard output: %v", err)
		}
	})
	go func() {
		p.output.Wait() // Wait closes the pipe: everything is read before
		// The exit status is read from ProcessState by whoever asks.
		_ = p.cmd.Wait()
		close(p.ended)
	}()

	giveUp := time.NewTimer(patience)
	defer giveUp.Stop()
	select {
	case first, ok := <-line:
		if !ok {
			<-p.ended
			t.Fatalf("the server ended before it was ready: %v\n%s", p.cmd.ProcessState, p.log.String())
		}
		p.first = first
	case <-giveUp.C:
		p.kill()
		t.Fatalf("the server was not ready after %v\n%s", patience, p.log.String())
	}
	if err := json.Unmarshal([]byte(p.first), &p.ready); err != nil {
		t.Fatalf("ready line %q: %v", p.first, err)
	}
	return p
}

// kill ends the process as a power failure does, and waits for its end.
func (p *process) kill() {
	// It may have ended already.
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// terminate asks the process to end.
func (p *process) terminate() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatalf("send SIGTERM: %v", err)
	}
}

// wantCleanEnd waits for the end after terminate.
func (p *process) wantCleanEnd() {
	p.t.Helper()
	giveUp := time.NewTimer(patience)
	defer giveUp.Stop()
	select {
	case <-p.ended:
	case <-giveUp.C:
		p.kill()
		p.t.Fatalf("still running %v after SIGTERM\n%s", patience, p.log.String())
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("exit status after SIGTERM: got %d, want 0\n%s", code, p.log.String())
	}
}
