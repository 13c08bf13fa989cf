package binarytest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocumentedCommands looks for each command and flag that README.md and
// config.example.yaml show in the program's own help.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	shown := regexp.MustCompile("(?:`|[$] |^|    )(?:defarm|go run \\.) ([a-z][^`#\n]*)")
	seen := map[string]bool{}
	for _, name := range []string{"README.md", "config.example.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			for _, m := range shown.FindAllStringSubmatch(line, -1) {
				seen[strings.TrimSpace(m[1])] = true
			}
		}
	}
	if len(seen) < 8 {
		t.Fatalf("the documents show %d commands: the test no longer finds them", len(seen))
	}
	flag := regexp.MustCompile(`^--[a-z-]+`)
	for line := range seen {
		words := strings.Fields(line)
		isName := regexp.MustCompile(`^[a-z][a-z-]*$`)
		n := slices.IndexFunc(words, func(w string) bool { return !isName.MatchString(w) })
		if n < 0 {
			n = len(words)
		}
		path := words[:n]
		r := run(t, nil, append(slices.Clone(path), "--help")...)
		if r.code != 0 || !strings.Contains(r.stdout, "\n  defarm "+strings.Join(path, " ")) {
			t.Errorf("defarm %s: the program has no such command:\n%s%s", line, r.stdout, r.stderr)
			continue
		}
		for _, w := range words[n:] {
			if f := flag.FindString(w); f != "" && !regexp.MustCompile(regexp.QuoteMeta(f)+`[ \n]`).MatchString(r.stdout) {
				t.Errorf("defarm %s: the command has no flag %s", line, f)
			}
		}
	}
}

// TestHelpExplains: every command says what it does, and every flag of it.
func TestHelpExplains(t *testing.T) {
	t.Parallel()
	flagLine := regexp.MustCompile(`^ +(?:-[a-z], |    )--([a-z-]+)( [a-z]+)?( +\S.*)?$`)
	commandLine := regexp.MustCompile(`^  ([a-z][a-z-]*) +(\S.*)?$`)
	var visit func(path []string)
	visited := 0
	visit = func(path []string) {
		visited++
		name := "defarm " + strings.Join(path, " ")
		r := run(t, nil, append(slices.Clone(path), "--help")...)
		first, rest, _ := strings.Cut(r.stdout, "\n")
		if r.code != 0 || strings.TrimSpace(first) == "" || !strings.Contains(rest, "Usage:\n") {
			t.Errorf("%s --help: got %+v", name, r)
		}
		_, commands, _ := strings.Cut(rest, "Available Commands:\n")
		commands, _, _ = strings.Cut(commands, "\n\n")
		for line := range strings.Lines(rest) {
			if m := flagLine.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil && strings.TrimSpace(m[3]) == "" {
				t.Errorf("%s: flag --%s is not explained", name, m[1])
			}
		}
		for line := range strings.Lines(commands) {
			m := commandLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
			switch {
			case m == nil || m[2] == "":
				t.Errorf("%s: %q is not explained", name, line)
			case m[1] == "completion" || m[1] == "help": // the library's
			default:
				visit(append(slices.Clone(path), m[1]))
			}
		}
	}
	visit(nil)
	if visited < 15 {
		t.Errorf("got %d commands: the test no longer finds them", visited)
	}
}
