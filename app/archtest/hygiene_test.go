package archtest

import (
	"go/ast"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	t.Parallel()
	enforce(t, perFile(names))
	wantFindings(t, perFile(names), []sample{
		{"app/util/a.go", "package util\n"},
		{"app/items/item_search.go", "package items\n"},
		{"app/items/item2.go", "package items\n"},
		{"app/items/helpers_test.go", "package items\n"},
		{"db/sha256.go", "package db\n"},
		{"web/api/v2/a.go", "package v2\n"},
	},
		"app/items/helpers_test.go:1: \"helpers\" says nothing",
		"app/items/item2.go:1: numbered file",
		"app/util/a.go:1: \"util\" says nothing",
	)
}

var numberedFile = regexp.MustCompile(`[a-z_]2\.go$|[a-z_]2_test\.go$`)

// names refuses packages and files named after nothing.
func names(f source) []finding {
	var out []finding
	stem := strings.TrimSuffix(strings.TrimSuffix(path.Base(f.path), ".go"), "_test")
	for _, name := range append(strings.Split(f.dir(), "/"), stem, strings.TrimSuffix(f.file.Name.Name, "_test")) {
		switch strings.TrimSuffix(name, "s") {
		case "util", "utility", "utilitie", "common", "misc", "helper", "shared", "lib":
			out = append(out, finding{f.path, 1, "\"" + name + "\" says nothing about what is inside"})
			return out
		}
	}
	if numberedFile.MatchString(f.path) {
		out = append(out, finding{f.path, 1, "numbered file: name it after what it holds"})
	}
	return out
}

func TestStructTags(t *testing.T) {
	t.Parallel()
	enforce(t, perFile(structTags))
	wantFindings(t, perFile(structTags), []sample{{"web/api/a.go",
		"package api\n\ntype in struct {\n\tA []string `json:\"a\" maxItems:\"3\"`\n\tB []string `json:\"b\" uniqueItems:\"true\"`\n}\n"},
		{"web/api/a_test.go", "package api\n\ntype in struct {\n\tB []string `json:\"b\" uniqueItems:\"true\"`\n}\n"}},
		"web/api/a.go:5: uniqueItems",
	)
}

// structTags refuses huma's uniqueItems: an object in such an array panics
// while the request is validated (huma issue 1042, present in 2.37.2). It may
// go when a huma release without that panic is required. Tests may have it, to
// show that the registrar refuses it too.
func structTags(f source) []finding {
	if f.test() {
		return nil
	}
	var out []finding
	ast.Inspect(f.file, func(n ast.Node) bool {
		if field, ok := n.(*ast.Field); ok && field.Tag != nil && strings.Contains(field.Tag.Value, "uniqueItems:") {
			out = append(out, f.at(field.Tag.Pos(), "uniqueItems panics on objects: check for duplicates in the service"))
		}
		return true
	})
	return out
}

func TestNoPackageState(t *testing.T) {
	t.Parallel()
	enforce(t, packageState)
	wantFindings(t, packageState, []sample{
		{"app/a.go", `package app

var count int

var table = map[string]int{}

var fixed = []string{"a"}

func bump() {
	count++
	table["x"] = 1
	elsewhere.field = 2
	local := fixed
	local[0] = "b"
	fixed := 1
	fixed = 2
	_ = fixed
}

func init() { count = 1 }
`},
		{"app/b.go", "package app\n\nvar elsewhere struct{ field int }\n"},
		{"app/a_test.go", "package app\n\nfunc f() { count = 1 }\n"},
	},
		"app/a.go:10: count",
		"app/a.go:11: table",
		"app/a.go:12: elsewhere",
		"app/a.go:20: no init",
		"app/a.go:20: package-level variable count",
	)
}

// packageState finds package-level variables that functions change, and init
// functions: two servers in one process must not meet in either.
func packageState(files []source) []finding {
	vars := map[string]map[string]bool{} // by directory
	for _, f := range files {
		if vars[f.dir()] == nil {
			vars[f.dir()] = map[string]bool{}
		}
		if f.test() {
			continue
		}
		for _, d := range f.file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
				for _, spec := range g.Specs {
					for _, name := range spec.(*ast.ValueSpec).Names {
						vars[f.dir()][name.Name] = true
					}
				}
			}
		}
	}
	var out []finding
	for _, f := range files {
		if f.test() {
			continue
		}
		for _, d := range f.file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "init" && fn.Recv == nil {
				out = append(out, f.at(fn.Pos(), "no init functions"))
			}
		}
		ast.Inspect(f.file, func(n ast.Node) bool {
			for _, left := range changed(n) {
				if id := root(left); id != nil && id.Name != "_" && packageLevel(f.file, id) && vars[f.dir()][id.Name] {
					out = append(out, f.at(left.Pos(), "package-level variable %s is changed", id.Name))
				}
			}
			return true
		})
	}
	return out
}

// changed are the expressions that a statement assigns to.
func changed(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	}
	return nil
}

// root is the variable at the left end of x.y[z].
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// packageLevel reports whether the name is not a local variable: declared at
// the top of this file, or of another one.
func packageLevel(f *ast.File, id *ast.Ident) bool {
	obj := id.Obj
	if obj == nil {
		return true
	}
	spec, ok := obj.Decl.(*ast.ValueSpec)
	return ok && slices.ContainsFunc(f.Decls, func(d ast.Decl) bool {
		g, ok := d.(*ast.GenDecl)
		return ok && slices.Contains(g.Specs, ast.Spec(spec))
	})
}

func TestDroppedErrors(t *testing.T) {
	t.Parallel()
	enforce(t, perFile(droppedErrors))
	wantFindings(t, perFile(droppedErrors), []sample{{"app/a.go", `package app

var _ port = store{}

func f() {
	_ = g()
	_ = g() // the file is gone anyway
	// The answer was written before.
	_ = g()
	_, ok := m[1]
	_, _ = g(), ok
	_ = x
}

// h calls g; g cannot fail here.
func h() {
	_ = g()
}
`}, {"app/a_test.go", "package app\n\nfunc f() { _ = g() }\n"}},
		"app/a.go:6: without a reason",
		"app/a.go:11: without a reason",
	)
}

// droppedErrors finds results thrown away with no reason beside them.
func droppedErrors(f source) []finding {
	if f.test() {
		return nil
	}
	commented := map[int]bool{}
	for _, group := range f.file.Comments {
		for l := f.line(group.Pos()); l <= f.line(group.End()); l++ {
			commented[l] = true
		}
	}
	for _, d := range f.file.Decls {
		// The comment of a function speaks for its first line, too.
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Doc != nil {
			commented[f.line(fn.Pos())] = true
		}
	}
	var out []finding
	ast.Inspect(f.file, func(n ast.Node) bool {
		a, ok := n.(*ast.AssignStmt)
		if !ok || !slices.ContainsFunc(a.Rhs, isCall) || slices.ContainsFunc(a.Lhs, named) {
			return true
		}
		if l := f.line(a.Pos()); !commented[l] && !commented[l-1] && !commented[f.line(a.End())] {
			out = append(out, f.at(a.Pos(), "result dropped without a reason beside it"))
		}
		return true
	})
	return out
}

func isCall(e ast.Expr) bool {
	_, ok := e.(*ast.CallExpr)
	return ok
}

func named(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return !ok || id.Name != "_"
}

// The patterns are written so that they do not match themselves.
var (
	machinePath = regexp.MustCompile(`(^|[^\w.~/])/([w]ork|[h]ome|[U]sers|[r]oot|[t]mp|private/var)/|[.]{2}/[s]hared|[C]:\\Users`)
	unfinished  = regexp.MustCompile(`\b(T[O]DO|F[I]XME|X[X]X|H[A]CK)\b|(?i:\bfor n[o]w\b|\bplaceh[o]lder (until|implementation|code)\b|\bnot impl[e]mented\b|\bsim[u]lated\b)`)
)

// literalTexts are texts of the contract that contain an unfinished-looking
// word on purpose, by file.
func literalTexts() map[string][]string { return map[string][]string{} }

func TestTexts(t *testing.T) {
	t.Parallel()
	var found []finding
	walk(t, func(rel, full string) {
		if !textFile(rel) {
			return
		}
		text, err := os.ReadFile(full)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, texts(rel, string(text))...)
	})
	sortFindings(found)
	for _, f := range found {
		t.Error(f)
	}
}

// textFile reports files that people write: sources, documents, settings.
func textFile(rel string) bool {
	return slices.Contains([]string{".go", ".md", ".sql", ".yaml", ".yml", ".html", ".js", ".css", ".mod"}, filepath.Ext(rel)) ||
		strings.HasPrefix(rel, ".ci/")
}

func TestTextsFinds(t *testing.T) {
	t.Parallel()
	slash := "/"
	tests := []struct {
		text string
		want bool
	}{
		{"see " + slash + "work/main/x", true},
		{`"` + slash + "home/maria/data" + `"`, true},
		{"(" + slash + "tmp/x.db)", true},
		{"as in .." + slash + "shared/design.md", true},
		{"https://example.org" + slash + "home/", false},
		{"GET " + slash + "api" + slash + "work/x", false},
		{"data_dir: ./data" + slash + "tmp/", false},
		{"// TO" + "DO later", true},
		{"good enough for n" + "ow", true},
		{"a place" + "holder until then", true},
		{"four question marks, each a place" + "holder", false},
		{"wait for nowhere", false},
		{"replaced by named place" + "holders", false},
	}
	for _, tt := range tests {
		if got := len(texts("app/a.go", tt.text)) > 0; got != tt.want {
			t.Errorf("%q: got %v, want %v", tt.text, got, tt.want)
		}
	}
}

// texts finds paths of a developer's machine and marks of unfinished work.
func texts(rel, text string) []finding {
	var out []finding
	for i, line := range strings.Split(text, "\n") {
		if m := machinePath.FindString(line); m != "" {
			out = append(out, finding{rel, i + 1, "machine path " + strings.TrimSpace(m)})
		}
		m := unfinished.FindString(line)
		if m != "" && !slices.ContainsFunc(literalTexts()[rel], func(s string) bool { return strings.Contains(line, s) }) {
			out = append(out, finding{rel, i + 1, "unfinished: " + m})
		}
	}
	return out
}
