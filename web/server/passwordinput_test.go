package server

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// inputFile is a file to read a password from.
func inputFile(t *testing.T, text string) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestPasswordInput(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		env       string
		input     string
		fromStdin bool
		want      string
		err       string
	}{
		{name: "first line", input: "Passw0rd!\nmore\n", fromStdin: true, want: "Passw0rd!"},
		{name: "no line end", input: "Passw0rd!", fromStdin: true, want: "Passw0rd!"},
		{name: "Windows line end", input: "Passw0rd!\r\n", fromStdin: true, want: "Passw0rd!"},
		{name: "spaces are part of it", input: "  Pass word \n", fromStdin: true, want: "  Pass word "},
		{name: "empty input", fromStdin: true, err: "the password is empty"},
		{name: "empty line", input: "\nPassw0rd!\n", fromStdin: true, err: "the password is empty"},
		{name: "environment", env: "Fr0m-Env!", want: "Fr0m-Env!"},
		{name: "environment before input", env: "Fr0m-Env!", input: "Passw0rd!\n", fromStdin: true, want: "Fr0m-Env!"},
		{name: "neither, no terminal", input: "Passw0rd!\n", err: "no password: set DEFARM_PASSWORD, pipe one in with --password-stdin"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var prompt bytes.Buffer
			in := PasswordInput{
				Getenv: func(name string) string {
					if name != PasswordVariable {
						t.Errorf("asks for %s", name)
					}
					return tc.env
				},
				In: inputFile(t, tc.input), Prompt: &prompt, FromStdin: tc.fromStdin,
			}
			got, err := in.Read()
			if got != tc.want || (tc.err == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("got %q (%v), want %q (%s)", got, err, tc.want, tc.err)
			}
			if prompt.Len() > 0 {
				t.Errorf("asked %q without a terminal", prompt.String())
			}
		})
	}
}
