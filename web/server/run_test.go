package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/defarm-repo/defarm/app/demo"
)

// running is a call of Run that has said that it is ready.
type running struct {
	ready  readyLine
	people *output // what was not the ready line, both outputs
	stop   context.CancelFunc
	ended  chan error
	rest   chan string // standard output after the ready line
}

// startRun calls Run on the directory of c, with --ready-json.
func startRun(t *testing.T, c Config, origin map[string]string, o RunOptions) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r := &running{people: &output{}, stop: cancel, ended: make(chan error, 1), rest: make(chan string, 1)}
	if origin == nil {
		origin = map[string]string{}
	}
	pr, pw := io.Pipe()
	o.Loaded = &Loaded{Config: c, Origin: origin, Warnings: []string{"a warning of the test"}}
	o.ReadyJSON, o.Stdout, o.Stderr = true, pw, r.people
	go func() {
		r.ended <- Run(ctx, o)
		pw.Close()
	}()
	out := bufio.NewReader(pr)
	line, err := out.ReadString('\n')
	if err != nil {
		t.Fatalf("Run ended before it was ready: %v\n%s", <-r.ended, r.people)
	}
	go func() {
		text, _ := io.ReadAll(out) // the pipe's end does not fail
		r.rest <- string(text)
	}()
	if err := json.Unmarshal([]byte(line), &r.ready); err != nil {
		t.Fatalf("ready line %q: %v", line, err)
	}
	return r
}

// end stops Run and wants a clean end.
func (r *running) end(t *testing.T) {
	t.Helper()
	r.stop()
	wantClosed(t, r.ended)
	if rest := <-r.rest; rest != "" {
		t.Errorf("standard output after the ready line: got %q", rest)
	}
	if !strings.Contains(r.people.String(), "clean=true") {
		t.Errorf("the log does not tell of a clean end:\n%s", r.people)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	r := startRun(t, c, nil, RunOptions{})
	if r.ready.PID != os.Getpid() || r.ready.DataDir != c.DataDir {
		t.Errorf("ready line: got %+v, want this process and %s", r.ready, c.DataDir)
	}
	if status, _ := fetch(t, r.ready.URL+"/readyz"); status != http.StatusOK {
		t.Errorf("after the ready line: got %d", status)
	}
	r.end(t)
	for _, want := range []string{"a warning of the test", r.ready.URL + "/docs", "There is no account yet", "--data-dir " + c.DataDir} {
		if !strings.Contains(r.people.String(), want) {
			t.Errorf("no %q in\n%s", want, r.people)
		}
	}

	// With an account there is nothing to be told about making one.
	if err := (Accounts{Config: c, Out: io.Discard}).Create(t.Context(),
		NewAccount{Username: "maria", Email: "maria@example.org", Password: "Passw0rd!"}); err != nil {
		t.Fatal(err)
	}
	r = startRun(t, c, nil, RunOptions{})
	r.end(t)
	if strings.Contains(r.people.String(), "There is no account yet") {
		t.Errorf("there is one:\n%s", r.people)
	}
}

// --demo names every account with its password, and says so loudly.
func TestRunDemo(t *testing.T) {
	t.Parallel()
	r := startRun(t, testConfig(t), nil, RunOptions{Demo: true})
	r.end(t)
	said := r.people.String()
	if !strings.Contains(said, "DEMONSTRATION SERVER") || !strings.Contains(said, demo.CircuitName) {
		t.Errorf("no warning and no circuit in\n%s", said)
	}
	for _, a := range demo.Accounts() {
		found := false
		for line := range strings.Lines(said) {
			f := strings.Fields(line)
			found = found || len(f) == 4 && f[0] == a.Username && f[1] == a.Password && f[2] == string(a.Tier)
		}
		if !found {
			t.Errorf("account %s is not listed:\n%s", a.Username, said)
		}
	}
}

// --ephemeral serves a directory of its own that is gone at the end, with the
// development accounts; the address of file and environment is not taken.
func TestRunEphemeral(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Server.Listen = "192.0.2.1:80" // cannot be listened on
	r := startRun(t, c, map[string]string{"server.listen": fromFile}, RunOptions{Ephemeral: true})
	if r.ready.DataDir == c.DataDir || !strings.HasPrefix(r.ready.URL, "http://127.0.0.1:") {
		t.Errorf("got %+v, want a directory and a port of its own", r.ready)
	}
	if status, _ := login(t, r.ready.URL, "chick", "Demo123!"); status != http.StatusOK {
		t.Errorf("login of a development account: got %d", status)
	}
	r.end(t)
	for _, dir := range []string{r.ready.DataDir, c.DataDir} {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s: got %v, want none", dir, err)
		}
	}
}

// What --ephemeral makes cheap, and what it leaves as it was set.
func TestEphemeralSettings(t *testing.T) {
	t.Parallel()
	type picked struct {
		listen, synchronous string
		cost                int
	}
	everywhere := func(origin string) map[string]string {
		return map[string]string{"server.listen": origin, "auth.bcrypt_cost": origin, "database.synchronous": origin}
	}
	tests := []struct {
		name   string
		origin map[string]string
		want   picked
	}{
		{"defaults", everywhere(fromDefault), picked{"127.0.0.1:0", "OFF", 4}},
		{"set in the file", everywhere(fromFile), picked{"127.0.0.1:0", "NORMAL", 11}},
		{"set by flags", everywhere(fromFlag), picked{"127.0.0.1:1234", "NORMAL", 11}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := Defaults()
			c.Server.Listen, c.Auth.BcryptCost, c.Database.Synchronous = "127.0.0.1:1234", 11, "NORMAL"
			remove, err := ephemeral(&Loaded{Origin: tc.origin}, &c)
			if err != nil {
				t.Fatal(err)
			}
			if got := (picked{c.Server.Listen, c.Database.Synchronous, c.Auth.BcryptCost}); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			if err := os.WriteFile(filepath.Join(c.DataDir, "x"), nil, 0o600); err != nil {
				t.Errorf("the directory: %v", err)
			}
			if err := remove(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(c.DataDir); !os.IsNotExist(err) {
				t.Errorf("the directory after the end: got %v, want none", err)
			}
		})
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	busy := testConfig(t)
	mustOpen(t, busy, Options{})
	public := testConfig(t)
	public.Server.Listen = ":0"
	tests := []struct {
		name   string
		c      Config
		origin map[string]string
		o      RunOptions
		want   string
	}{
		{"ephemeral with a directory", testConfig(t), map[string]string{"data_dir": fromFlag}, RunOptions{Ephemeral: true}, "leave --data-dir out"},
		{"demo for everybody", public, map[string]string{"server.listen": "PORT"}, RunOptions{Demo: true}, "from PORT) can be reached from outside"},
		{"directory in use", busy, nil, RunOptions{}, "in use"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var out, log output
			tc.o.Loaded, tc.o.Stdout, tc.o.Stderr = &Loaded{Config: tc.c, Origin: tc.origin}, &out, &log
			if err := Run(t.Context(), tc.o); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if out.String() != "" {
				t.Errorf("standard output: got %q, want nothing", out.String())
			}
		})
	}
}

func TestRefuseDemoInPublic(t *testing.T) {
	t.Parallel()
	tests := []struct {
		listen, origin string
		refused        bool
	}{
		{"127.0.0.1:3000", fromDefault, false},
		{"127.8.8.8:3000", fromFile, false},
		{"[::1]:3000", fromFile, false},
		{"localhost:3000", fromFile, false},
		{":3000", "PORT", true},
		{"0.0.0.0:3000", fromFile, true},
		{"[::]:3000", "DEFARM_SERVER_LISTEN", true},
		{"192.168.1.7:3000", fromFile, true},
		{"farm.example.org:3000", fromFile, true},
		{"0.0.0.0:3000", fromFlag, false},
	}
	for _, tc := range tests {
		if err := refuseDemoInPublic(tc.listen, tc.origin); (err != nil) != tc.refused {
			t.Errorf("%s from %s: got %v, want refused %t", tc.listen, tc.origin, err, tc.refused)
		}
	}
}

// A signal during the start ends it: no error, no ready line, and nothing that
// keeps the next start from the directory.
func TestRunStoppedEarly(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, log output
	if err := Run(ctx, RunOptions{Loaded: &Loaded{Config: c}, Stdout: &out, Stderr: &log}); err != nil {
		t.Errorf("got %v, want no error", err)
	}
	if out.String() != "" || !strings.Contains(log.String(), "stopped before the server was ready") {
		t.Errorf("standard output %q, log %q", out.String(), log.String())
	}
	mustOpen(t, c, Options{})
}

func TestNewLogger(t *testing.T) {
	t.Parallel()
	tests := []struct {
		level, format string
		want          []string // levels that come through
	}{
		{"debug", "text", []string{"DEBUG", "INFO", "WARN", "ERROR"}},
		{"info", "json", []string{"INFO", "WARN", "ERROR"}},
		{"warn", "text", []string{"WARN", "ERROR"}},
		{"error", "json", []string{"ERROR"}},
	}
	for _, tc := range tests {
		t.Run(tc.level, func(t *testing.T) {
			t.Parallel()
			var out output
			log := NewLogger(LogConfig{Level: tc.level, Format: tc.format}, &out)
			log.Debug("line")
			log.Info("line")
			log.Warn("line")
			log.Error("line")
			var got []string
			for line := range strings.Lines(out.String()) {
				var l struct{ Level string }
				if tc.format == "json" {
					if err := json.Unmarshal([]byte(line), &l); err != nil {
						t.Fatalf("%s: %v", line, err)
					}
				} else {
					_, rest, _ := strings.Cut(line, "level=")
					l.Level, _, _ = strings.Cut(rest, " ")
				}
				got = append(got, l.Level)
			}
			if strings.Join(got, " ") != strings.Join(tc.want, " ") {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// Serial, because it is about the whole process: what the environment does not
// set is set, and the threads are given back.
func TestTuneProcess(t *testing.T) {
	before := struct {
		procs int
		gc    int
		limit int64
	}{runtime.GOMAXPROCS(0), debug.SetGCPercent(100), debug.SetMemoryLimit(1 << 40)}
	t.Cleanup(func() {
		debug.SetGCPercent(before.gc)
		debug.SetMemoryLimit(before.limit)
	})
	c := Defaults()
	c.Auth.BcryptWorkers = 3
	tests := []struct {
		name  string
		env   map[string]string
		gc    int
		limit int64
	}{
		{"set outside", map[string]string{"GOGC": "100", "GOMEMLIMIT": "1TiB"}, 100, 1 << 40},
		{"limit set outside", map[string]string{"GOMEMLIMIT": "1TiB"}, 400, 1 << 40},
		{"nothing set", nil, 400, 192 << 20},
	}
	for _, tc := range tests {
		restore := TuneProcess(c, func(name string) string { return tc.env[name] })
		if got := runtime.GOMAXPROCS(0); got != before.procs+3 {
			t.Errorf("%s: GOMAXPROCS: got %d, want %d", tc.name, got, before.procs+3)
		}
		restore()
		if got := runtime.GOMAXPROCS(0); got != before.procs {
			t.Errorf("%s: GOMAXPROCS afterwards: got %d, want %d", tc.name, got, before.procs)
		}
		if got := debug.SetGCPercent(100); got != tc.gc {
			t.Errorf("%s: GOGC: got %d, want %d", tc.name, got, tc.gc)
		}
		if got := debug.SetMemoryLimit(1 << 40); got != tc.limit {
			t.Errorf("%s: memory limit: got %d, want %d", tc.name, got, tc.limit)
		}
	}
}

// Why the listener ended is what Close tells.
func TestCloseTellsWhyTheListenerEnded(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), testConfig(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.endErr = io.ErrUnexpectedEOF // as if accepting had failed
	if err := s.Close(context.Background()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want %v", err, io.ErrUnexpectedEOF)
	}
}
