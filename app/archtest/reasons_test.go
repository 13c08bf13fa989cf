package archtest

import (
	"go/ast"
	"go/token"
	"regexp"
	"strconv"
	"testing"
)

// reasonsFile is where every app.Reason is declared.
const reasonsFile = "app/reasons.go"

var reasonForm = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

func TestReasons(t *testing.T) {
	t.Parallel()
	enforce(t, reasons)
	wantFindings(t, reasons, []sample{
		{reasonsFile, `package app

type Reason string

const (
	ReasonGood  Reason = "good" // documented
	ReasonBare  Reason = "bare"
	ReasonTwice Reason = "good"      // the same text
	ReasonForm  Reason = "Not-Snake" // a wrong form
	Odd         Reason = "odd"       // a wrong name
	ReasonLazy  Reason = "lazy"      // nobody gives it
	notReason          = "x"
)
`},
		{"app/items/a.go", `package items

const ReasonElsewhere app.Reason = "elsewhere" // in the wrong place

var used = []app.Reason{app.ReasonGood, app.ReasonBare, app.ReasonTwice, app.ReasonForm, app.Odd}

var loose = app.Reason("loose")

func f() error { return app.Invalid("text", "format") }
`},
		{"app/items/a_test.go", "package items\n\nvar _ = app.ReasonLazy\n"},
	},
		"app/items/a.go:3: is declared outside app/reasons.go",
		"app/items/a.go:7: made from a string",
		"app/items/a.go:9: a text where a reason belongs",
		"app/reasons.go:7: ReasonBare is not documented",
		"app/reasons.go:8: ReasonTwice repeats \"good\" of ReasonGood",
		"app/reasons.go:9: \"Not-Snake\" is not in snake_case",
		"app/reasons.go:10: name must start with Reason",
		"app/reasons.go:11: ReasonLazy is given by nobody",
	)
}

// reasons checks the catalogue of machine-readable reasons: in one file,
// unique, documented, in one form, and each in use outside tests.
func reasons(files []source) []finding {
	var out []finding
	used := map[string]bool{}
	for _, f := range files {
		if f.test() || f.path == reasonsFile {
			continue
		}
		out = append(out, looseReasons(f, used)...)
	}
	for _, f := range files {
		if f.path == reasonsFile {
			out = append(out, catalogue(f, used)...)
		}
	}
	return out
}

// catalogue checks the file of reasons itself.
func catalogue(f source, used map[string]bool) []finding {
	var out []finding
	seen := map[string]string{}
	for _, v := range reasonSpecs(f.file) {
		name := v.Names[0].Name
		lit, ok := v.Values[0].(*ast.BasicLit)
		if !ok {
			out = append(out, f.at(v.Pos(), "%s is not a plain string", name))
			continue
		}
		text, err := strconv.Unquote(lit.Value)
		switch {
		case err != nil || !reasonForm.MatchString(text):
			out = append(out, f.at(v.Pos(), "%q is not in snake_case", text))
		case len(name) < 7 || name[:6] != "Reason":
			out = append(out, f.at(v.Pos(), "%s: name must start with Reason", name))
		case v.Doc == nil && v.Comment == nil:
			out = append(out, f.at(v.Pos(), "%s is not documented", name))
		case seen[text] != "":
			out = append(out, f.at(v.Pos(), "%s repeats %q of %s", name, text, seen[text]))
		case !used[name]:
			out = append(out, f.at(v.Pos(), "%s is given by nobody: use it or remove it", name))
		}
		seen[text] = name
	}
	return out
}

// reasonSpecs are the typed Reason constants of a file.
func reasonSpecs(f *ast.File) []*ast.ValueSpec {
	var out []*ast.ValueSpec
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, spec := range g.Specs {
			if v, ok := spec.(*ast.ValueSpec); ok && isReasonType(v.Type) && len(v.Values) == 1 {
				out = append(out, v)
			}
		}
	}
	return out
}

func isReasonType(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "Reason"
	case *ast.SelectorExpr:
		return e.Sel.Name == "Reason"
	default:
		return false
	}
}

// looseReasons finds reasons that do not come from the catalogue, and notes
// the names that are used.
func looseReasons(f source, used map[string]bool) []finding {
	var out []finding
	for _, v := range reasonSpecs(f.file) {
		out = append(out, f.at(v.Pos(), "%s is declared outside %s", v.Names[0].Name, reasonsFile))
	}
	constructors := map[string]int{"Invalid": 0, "Forbidden": 0, "NotFound": 0, "Conflict": 0,
		"Unauthenticated": 0, "Busy": 0, "NewError": 1}
	ast.Inspect(f.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			used[n.Name] = true
		case *ast.CallExpr:
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Reason" && isLiteral(n.Args, 0) {
				out = append(out, f.at(n.Pos(), "reason made from a string"))
			}
			if i, ok := constructors[calledName(n)]; ok && isLiteral(n.Args, i) {
				out = append(out, f.at(n.Pos(), "a text where a reason belongs"))
			}
		}
		return true
	})
	return out
}

func isLiteral(args []ast.Expr, i int) bool {
	if i >= len(args) {
		return false
	}
	lit, ok := args[i].(*ast.BasicLit)
	return ok && lit.Value != `""` // "" is an error that has none
}
