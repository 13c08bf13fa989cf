package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// source is one parsed Go file. Paths are relative to the module root, with
// slashes.
type source struct {
	path  string
	text  string
	lines int
	fset  *token.FileSet
	file  *ast.File
}

func (s source) dir() string     { return path.Dir(s.path) }
func (s source) test() bool      { return strings.HasSuffix(s.path, "_test.go") }
func (s source) generated() bool { return ast.IsGenerated(s.file) }

// below reports whether the file lies in dir or under it.
func (s source) below(dir string) bool { return s.path == dir || strings.HasPrefix(s.path, dir+"/") }

func (s source) line(p token.Pos) int { return s.fset.Position(p).Line }

// finding is one broken rule, as "path:line: what".
type finding struct {
	path string
	line int
	what string
}

func (f finding) String() string { return fmt.Sprintf("%s:%d: %s", f.path, f.line, f.what) }

func (s source) at(p token.Pos, format string, args ...any) finding {
	return finding{s.path, s.line(p), fmt.Sprintf(format, args...)}
}

// check is one rule over all files of the module.
type check func(files []source) []finding

// perFile makes a check of a rule that looks at one file at a time.
func perFile(rule func(source) []finding) check {
	return func(files []source) []finding {
		var out []finding
		for _, f := range files {
			out = append(out, rule(f)...)
		}
		return out
	}
}

// moduleRoot is the directory of go.mod, found upwards from the test's own.
func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test's directory")
		}
		dir = up
	}
}

// skipDir reports directories that are not part of the module's sources.
func skipDir(name string) bool {
	return name == "testdata" || name == "data" || name == "node_modules" ||
		(strings.HasPrefix(name, ".") && name != "." && name != ".ci")
}

// walk calls visit for every file of the module's own directories.
func walk(t *testing.T, visit func(rel, full string)) {
	t.Helper()
	root := moduleRoot(t)
	err := filepath.WalkDir(root, func(full string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if full != root && skipDir(d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(root, full)
		if err != nil {
			return err
		}
		visit(filepath.ToSlash(rel), full)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// moduleSources parses every Go file of the module.
func moduleSources(t *testing.T) []source {
	t.Helper()
	var out []source
	walk(t, func(rel, full string) {
		if !strings.HasSuffix(rel, ".go") {
			return
		}
		text, err := os.ReadFile(full)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, parse(t, rel, string(text)))
	})
	if len(out) < 10 {
		t.Fatalf("only %d Go files found: the walk is wrong", len(out))
	}
	return out
}

func parse(t *testing.T, rel, text string) source {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, rel, text, parser.ParseComments)
	if err != nil {
		t.Fatalf("parse %s: %v", rel, err)
	}
	return source{path: rel, text: text, lines: strings.Count(text, "\n"), fset: fset, file: f}
}

// sample is an invented file that a check must judge.
type sample struct {
	path string
	text string
}

func parseSamples(t *testing.T, in []sample) []source {
	t.Helper()
	out := make([]source, 0, len(in))
	for _, s := range in {
		out = append(out, parse(t, s.path, s.text))
	}
	return out
}

// wantFindings fails unless the check finds in the samples exactly what is
// wanted, as "path:line: text" with text a part of the finding.
func wantFindings(t *testing.T, c check, in []sample, want ...string) {
	t.Helper()
	got := c(parseSamples(t, in))
	sortFindings(got)
	if len(got) != len(want) {
		t.Errorf("got %d findings, want %d\ngot:  %v\nwant: %q", len(got), len(want), got, want)
		return
	}
	for i, g := range got {
		at, what, ok := strings.Cut(want[i], ": ")
		if !ok || at != fmt.Sprintf("%s:%d", g.path, g.line) || !strings.Contains(g.what, what) {
			t.Errorf("finding %d: got %q, want %q", i, g, want[i])
		}
	}
}

func sortFindings(fs []finding) {
	slices.SortFunc(fs, func(a, b finding) int {
		if c := strings.Compare(a.path, b.path); c != 0 {
			return c
		}
		if a.line != b.line {
			return a.line - b.line
		}
		return strings.Compare(a.what, b.what)
	})
}

// enforce runs a check over the module and reports what it finds.
func enforce(t *testing.T, c check) {
	t.Helper()
	found := c(moduleSources(t))
	sortFindings(found)
	for _, f := range found {
		t.Error(f)
	}
}
