package archtest

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

func TestPackageComments(t *testing.T) {
	t.Parallel()
	enforce(t, packageComments)
	wantFindings(t, packageComments, []sample{
		{"app/good/doc.go", "// Package good is.\npackage good\n"},
		{"app/good/more.go", "package good\n"},
		{"app/bare/a.go", "package bare\n"},
		{"app/bare/a_test.go", "// Package bare is tested.\npackage bare\n"},
		{"app/wrong/a.go", "// Holds things.\npackage wrong\n"},
		{"app/onlytests/a_test.go", "package onlytests\n"},
		{"main.go", "// Command x does.\npackage main\n"},
	},
		"app/bare/a.go:1: has no package comment",
		"app/wrong/a.go:2: must start with \"Package wrong \"",
	)
}

// packageComments wants one comment "Package name …" ("Command …" for main)
// in each package that has code outside tests.
func packageComments(files []source) []finding {
	first := map[string]source{}
	documented := map[string]bool{}
	var out []finding
	for _, f := range files {
		if f.test() {
			continue
		}
		if _, ok := first[f.dir()]; !ok {
			first[f.dir()] = f
		}
		if f.file.Doc == nil {
			continue
		}
		documented[f.dir()] = true
		want := "Package " + f.file.Name.Name + " "
		if f.file.Name.Name == "main" {
			want = "Command "
		}
		if !strings.HasPrefix(f.file.Doc.Text(), want) {
			out = append(out, f.at(f.file.Package, "package comment must start with %q", want))
		}
	}
	for dir, f := range first {
		if !documented[dir] {
			out = append(out, f.at(f.file.Package, "package %s has no package comment", f.file.Name.Name))
		}
	}
	return out
}

func TestExportedNamesAreDocumented(t *testing.T) {
	t.Parallel()
	enforce(t, perFile(exportedDocs))
	wantFindings(t, perFile(exportedDocs), []sample{{"app/a.go", `package app

func Bare() {}

// Does things.
func Wrong() {}

// Right does things.
func Right() {}

type Naked struct{}

// A Thing is.
type Thing struct{}

func (Thing) Do() {}

func (t *Thing) String() string { return "" }

type hidden struct{}

func (hidden) Do() {}

const Lonely = 1

// The sizes.
const (
	Small = iota
	Large
)

var (
	Loud  = 1 // Loud is commented on its line.
	Quiet = 2
)

// box has a method.
type box[T any] struct{}

func (b *box[T]) Open() {}

// Box has one, too.
type Box[T any] struct{}

func (b *Box[T]) Open() {}
`}, {"app/a_test.go", "package app\n\nfunc Bare2() {}\n"}},
		"app/a.go:3: Bare has no comment",
		"app/a.go:6: comment of Wrong must start with its name",
		"app/a.go:11: Naked has no comment",
		"app/a.go:16: Do has no comment",
		"app/a.go:18: String has no comment",
		"app/a.go:24: Lonely has no comment",
		"app/a.go:34: Quiet has no comment",
		"app/a.go:45: Open has no comment",
	)
}

// exportedDocs wants a comment that starts with the name on every exported
// function, method of an exported type, type, constant and variable. In a
// parenthesised group one comment on the group is enough.
func exportedDocs(f source) []finding {
	if f.test() || f.generated() {
		return nil
	}
	var out []finding
	for _, d := range f.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && exportedReceiver(d) {
				out = append(out, f.doc(d.Name, d.Doc)...)
			}
		case *ast.GenDecl:
			out = append(out, f.groupDocs(d)...)
		}
	}
	return out
}

func (f source) groupDocs(d *ast.GenDecl) []finding {
	var out []finding
	group := d.Lparen.IsValid()
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if !s.Name.IsExported() {
				continue
			}
			doc := s.Doc
			if !group {
				doc = d.Doc
			}
			out = append(out, f.doc(s.Name, doc)...)
		case *ast.ValueSpec:
			if d.Tok == token.IMPORT || !s.Names[0].IsExported() {
				continue
			}
			switch {
			case group && (d.Doc != nil || s.Doc != nil || s.Comment != nil):
			case group:
				out = append(out, f.at(s.Pos(), "%s has no comment", s.Names[0].Name))
			default:
				out = append(out, f.doc(s.Names[0], d.Doc)...)
			}
		}
	}
	return out
}

func (f source) doc(name *ast.Ident, doc *ast.CommentGroup) []finding {
	if doc == nil || strings.TrimSpace(doc.Text()) == "" {
		return []finding{f.at(name.Pos(), "%s has no comment", name.Name)}
	}
	text := doc.Text()
	for _, article := range []string{"A ", "An ", "The "} {
		text = strings.TrimPrefix(text, article)
	}
	rest, ok := strings.CutPrefix(text, name.Name)
	if !ok || rest == "" || !strings.ContainsAny(rest[:1], " \n,.:;'") {
		return []finding{f.at(name.Pos(), "comment of %s must start with its name", name.Name)}
	}
	return nil
}

// exportedReceiver reports whether a function has no receiver or one of an
// exported type.
func exportedReceiver(d *ast.FuncDecl) bool {
	name := receiverName(d)
	return d.Recv == nil || ast.IsExported(name)
}

// receiverName is the name of the receiver's type, without pointer and type
// parameters; "" for a plain function.
func receiverName(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	e := d.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}
