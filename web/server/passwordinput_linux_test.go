package server

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// terminal is a pseudo-terminal: what is written to keys is typed on tty.
func terminal(t *testing.T) (keys, tty *os.File) {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { keys.Close() })
	if err := unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	n, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { tty.Close() })
	return keys, tty
}

// typist types a line each time he is asked.
type typist struct {
	t     *testing.T
	keys  *os.File
	lines []string
	asked bytes.Buffer
}

func (p *typist) Write(b []byte) (int, error) {
	if strings.HasSuffix(string(b), ": ") && len(p.lines) > 0 {
		if _, err := p.keys.WriteString(p.lines[0] + "\n"); err != nil {
			p.t.Errorf("type: %v", err)
		}
		p.lines = p.lines[1:]
	}
	return p.asked.Write(b)
}

func TestPasswordFromTerminal(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		lines []string
		want  string
		err   string
	}{
		{"twice the same", []string{"Passw0rd!", "Passw0rd!"}, "Passw0rd!", ""},
		{"two different ones", []string{"Passw0rd!", "Passw0rd?"}, "", "the two passwords differ"},
		{"twice nothing", []string{"", ""}, "", "the password is empty"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			keys, tty := terminal(t)
			p := &typist{t: t, keys: keys, lines: tc.lines}
			before, err := term.GetState(int(tty.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			got, err := PasswordInput{Getenv: func(string) string { return "" }, In: tty, Prompt: p}.Read()
			if got != tc.want || (tc.err == "") != (err == nil) || (err != nil && err.Error() != tc.err) {
				t.Errorf("got %q (%v), want %q (%s)", got, err, tc.want, tc.err)
			}
			if want := "Password: \nAgain: \n"; p.asked.String() != want {
				t.Errorf("asked %q, want %q", p.asked.String(), want)
			}
			after, err := term.GetState(int(tty.Fd()))
			if err != nil || fmt.Sprint(*after) != fmt.Sprint(*before) {
				t.Errorf("the terminal shows nothing any more: %v", err)
			}
		})
	}
}
