package archtest

import (
	"go/ast"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// sqlText recognises the start of a statement as we write them: in capitals.
var sqlText = regexp.MustCompile(`^\s*(SELECT\s|INSERT\s+(OR\s+\w+\s+)?INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|` +
	`CREATE\s+(TABLE|(UNIQUE\s+)?INDEX|TRIGGER|VIEW)\s|ALTER\s+TABLE\s|DROP\s+(TABLE|INDEX)\s|PRAGMA\s|` +
	`BEGIN\s+IMMEDIATE|SAVEPOINT\s|RELEASE\s|ROLLBACK\s+TO|WITH\s+(RECURSIVE\s+)?\w+\s*(\([^)]*\)\s*)?AS\s)`)

var selectStar = regexp.MustCompile(`SELECT\s+(DISTINCT\s+)?(\w+\.)?\*`)

// statementArg says which argument of a function, or of a ".method", is the
// statement's text.
// Every function of db with a parameter of such a name is added to it.
func statementArg() map[string]int {
	return map[string]int{
		".ExecContext": 1, ".QueryContext": 1, ".QueryRowContext": 1, ".PrepareContext": 1,
		".Exec": 0, ".Query": 0, ".QueryRow": 0, ".Prepare": 0,
	}
}

// textNames are what a parameter or a field that holds a statement is called.
func textNames() []string { return []string{"text", "query", "statement"} }

// statementBuilders are the functions that may put a statement together at
// run time. Their own arguments must be constant texts.
func statementBuilders() map[string]string {
	return map[string]string{
		"newInList": "repeats question marks, nothing else",
	}
}

// runsForeignText lists the functions of db whose statement does not come from
// a constant, with the reason.
func runsForeignText() map[string]string {
	return map[string]string{
		"db/dsn.go:checkPragmas":          "reads back pragmas whose names are a fixed list",
		"db/checkpoint.go:setBusyTimeout": "a pragma takes no parameters; the number is a constant of ours",
		"db/migrate.go:loadMigrations":    "runs the migrations that are embedded in the binary",
	}
}

func TestSQLOnlyInDB(t *testing.T) {
	t.Parallel()
	enforce(t, perFile(sqlOnlyInDB))
	wantFindings(t, perFile(sqlOnlyInDB), []sample{
		{"app/items/a.go", "package items\n\nconst q = `\n\tSELECT row FROM items`\n\nconst prose = \"Select a circuit\"\n"},
		{"web/api/a_test.go", "package api\n\nvar q = \"DELETE FROM items\"\n"},
		{"web/binarytest/crash_test.go", "package binarytest\n\nvar q = \"PRAGMA integrity_check\"\n"},
		{"db/a.go", "package db\n\nconst (\n\ta = `SELECT row FROM items`\n\tb = `SELECT * FROM items`\n\tc = `SELECT COUNT(*) FROM items`\n)\n"},
	},
		"app/items/a.go:3: SQL outside db",
		"db/a.go:5: SELECT *",
		"web/api/a_test.go:3: SQL outside db",
	)
}

// sqlOnlyInDB finds statements outside package db, and "SELECT *" inside.
func sqlOnlyInDB(f source) []finding {
	var out []finding
	ast.Inspect(f.file, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(lit.Value)
		switch {
		case err != nil || !sqlText.MatchString(text):
		case f.below("db"):
			if selectStar.MatchString(text) && !f.test() {
				out = append(out, f.at(lit.Pos(), "no SELECT *: list the columns"))
			}
		case !f.below("web/binarytest"):
			out = append(out, f.at(lit.Pos(), "SQL outside db"))
		}
		return true
	})
	return out
}

func TestStatementsAreConstant(t *testing.T) {
	t.Parallel()
	enforce(t, constantStatements(runsForeignText()))
}

func TestStatementsAreConstantFinds(t *testing.T) {
	t.Parallel()
	head := "package db\n\nfunc (s *session) exec(text string, args ...any) {}\n\n" +
		"func collect(s *session, scan int, text string) {}\n\n"
	wantFindings(t, constantStatements(map[string]string{"db/open.go:migrate": "runs files", "db/open.go:gone": "is gone"}), []sample{
		{"db/session.go", head},
		{"db/cols.go", "package db\n\nconst cols = `row, id`\n\nvar chunks = newInList(`SELECT row FROM items WHERE row IN`, ``)\n"},
		{"db/good.go", `package db

const byID = "SELECT " + cols + " FROM items WHERE id = ?"

type statement struct{ text string }

var table = []statement{{text: byID}, {text: "DELETE FROM items"}}

func (t items) good(desc bool) {
	t.s.exec(byID, 1)
	text := byID
	if desc {
		text = byID + " ORDER BY row DESC"
	}
	collect(t.s, 0, text)
	const local = "DELETE FROM items"
	t.s.exec(local)
	for _, st := range table {
		t.s.exec(st.text)
	}
}

func (t items) pass(text string) { t.s.exec(text) }

func (t items) exec(id string) { t.exec(id) }

func pass(name string) { pass(name) }

func (t items) all(st *sql.Stmt, args []any) { st.ExecContext(ctx, args...) }
`},
		{"db/bad.go", `package db

var field = []statement{{text: "SELECT " + column()}}

func (t items) bad(name string) {
	t.s.exec("DELETE FROM " + name)
	text := "SELECT row FROM items"
	text += " WHERE name = '" + name + "'"
	collect(t.s, 0, text)
	t.s.exec(fmt.Sprintf("DELETE FROM %s", name))
	t.conn.ExecContext(ctx, "DELETE FROM "+name)
	t.pass(name)
	_ = newInList(name, "")
}
`},
		{"db/open.go", "package db\n\nfunc migrate(b []byte) { conn.ExecContext(ctx, string(b)) }\n"},
		{"db/a_test.go", "package db\n\nfunc f(s *session) { s.exec(\"DELETE FROM \" + name) }\n"},
		{"web/api/a.go", "package api\n\nfunc f(e executor) { e.exec(name()) }\n"},
	},
		"db/bad.go:3: not a constant",
		"db/bad.go:6: not a constant",
		"db/bad.go:9: not a constant",
		"db/bad.go:10: not a constant",
		"db/bad.go:11: not a constant",
		"db/bad.go:12: not a constant",
		"db/bad.go:13: not a constant",
		"db/open.go:gone:0: exception is not needed",
	)
}

// constantStatements finds statements in db whose text is not put together
// from constants alone. It follows variables within a function; a function
// with a parameter for a statement has its callers checked.
func constantStatements(exceptions map[string]string) check {
	return func(files []source) []finding {
		c := newConstants(files)
		used := map[string]bool{}
		var out []finding
		for _, f := range c.files {
			ast.Inspect(f.file, func(n ast.Node) bool {
				for _, arg := range c.texts(f, n) {
					if c.constant(arg, nil) {
						continue
					}
					key := f.path + ":" + enclosing(f.file, arg.Pos())
					if exceptions[key] != "" {
						used[key] = true
						continue
					}
					out = append(out, f.at(arg.Pos(), "statement is not a constant (in %s)", key))
				}
				return true
			})
		}
		for key := range exceptions {
			if !used[key] {
				out = append(out, finding{key, 0, "exception is not needed: remove it"})
			}
		}
		return out
	}
}

// object is what the parser knows of a name within its file. It is deprecated
// for what it cannot tell without types; scopes are all that is needed here.
type object = ast.Object //nolint:staticcheck // see above

// constants knows the names of package db.
type constants struct {
	files  []source
	consts map[string]bool     // package-level constants
	vars   map[string]ast.Expr // package-level variables with their values
	takes  map[string]int      // functions that take a statement, and where
	plain  map[string]bool     // "type.name" of methods that do not, though another of that name does
}

func newConstants(files []source) *constants {
	c := &constants{consts: map[string]bool{}, vars: map[string]ast.Expr{}, takes: statementArg(), plain: map[string]bool{}}
	for _, f := range files {
		if !f.below("db") || f.test() {
			continue
		}
		c.files = append(c.files, f)
		for _, d := range f.file.Decls {
			switch d := d.(type) {
			case *ast.GenDecl:
				c.addNames(d)
			case *ast.FuncDecl:
				if i := textParam(d.Type); i >= 0 {
					c.takes[declaredName(d)] = i
				} else {
					c.plain[funcName(d)] = true
				}
			}
		}
	}
	return c
}

func (c *constants) addNames(d *ast.GenDecl) {
	for _, spec := range d.Specs {
		v, ok := spec.(*ast.ValueSpec)
		if !ok {
			continue
		}
		for i, name := range v.Names {
			switch {
			case d.Tok == token.CONST:
				c.consts[name.Name] = true
			case i < len(v.Values):
				c.vars[name.Name] = v.Values[i]
			}
		}
	}
}

// texts are the expressions of a node that are statement texts.
func (c *constants) texts(f source, n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && slices.Contains(textNames(), key.Name) {
			return []ast.Expr{n.Value}
		}
	case *ast.CallExpr:
		name := calledName(n)
		if statementBuilders()[name] != "" {
			return n.Args
		}
		if _, method := n.Fun.(*ast.SelectorExpr); method {
			name = "." + name
		}
		i, ok := c.takes[name]
		if !ok || i >= len(n.Args) || (n.Ellipsis.IsValid() && i == len(n.Args)-1) || c.plain[ownMethod(f.file, n)] {
			return nil
		}
		return n.Args[i : i+1]
	}
	return nil
}

// constant reports whether e is made of constants. seen breaks cycles between
// variables.
func (c *constants) constant(e ast.Expr, seen []*object) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.ParenExpr:
		return c.constant(e.X, seen)
	case *ast.BinaryExpr:
		return e.Op == token.ADD && c.constant(e.X, seen) && c.constant(e.Y, seen)
	case *ast.SelectorExpr:
		// A field of such a name: what is put into it is checked where it is.
		return slices.Contains(textNames(), e.Sel.Name)
	case *ast.CallExpr:
		return statementBuilders()[calledName(e)] != ""
	case *ast.Ident:
		return c.constantName(e, seen)
	default:
		return false
	}
}

func (c *constants) constantName(id *ast.Ident, seen []*object) bool {
	obj := id.Obj
	switch {
	case obj == nil: // another file's
		if c.consts[id.Name] {
			return true
		}
		value, ok := c.vars[id.Name]
		return ok && c.constant(value, seen)
	case obj.Kind == ast.Con:
		return true
	case slices.Contains(seen, obj):
		return true
	}
	seen = append(seen, obj)
	switch d := obj.Decl.(type) {
	case *ast.Field: // a parameter: its callers are checked
		return slices.Contains(textNames(), id.Name)
	case *ast.ValueSpec:
		return c.eachConstant(d.Values, seen) && c.assignments(obj, seen)
	case *ast.AssignStmt:
		return c.assignments(obj, seen)
	default:
		return false
	}
}

// assignments checks every value that the variable is given.
func (c *constants) assignments(obj *object, seen []*object) bool {
	ok := true
	for _, f := range c.files {
		ast.Inspect(f.file, func(n ast.Node) bool {
			a, is := n.(*ast.AssignStmt)
			if !is || !ok {
				return ok
			}
			for i, left := range a.Lhs {
				if id, is := left.(*ast.Ident); is && id.Obj == obj {
					ok = ok && len(a.Lhs) == len(a.Rhs) && c.constant(a.Rhs[i], seen)
				}
			}
			return ok
		})
	}
	return ok
}

func (c *constants) eachConstant(values []ast.Expr, seen []*object) bool {
	for _, v := range values {
		if !c.constant(v, seen) {
			return false
		}
	}
	return true
}

// declaredName is "name" of a function and ".name" of a method.
func declaredName(d *ast.FuncDecl) string {
	if d.Recv != nil {
		return "." + d.Name.Name
	}
	return d.Name.Name
}

// calledName is the last part of what is called, without type arguments.
func calledName(call *ast.CallExpr) string {
	fun := call.Fun
	if index, ok := fun.(*ast.IndexExpr); ok {
		fun = index.X
	}
	switch f := fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	default:
		return ""
	}
}

// ownMethod is "type.name" when a method calls another one on its own
// receiver, else "".
func ownMethod(f *ast.File, call *ast.CallExpr) string {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Pos() > call.Pos() || call.Pos() >= fn.End() || receiverName(fn) == "" {
			continue
		}
		if names := fn.Recv.List[0].Names; len(names) == 1 && names[0].Name == x.Name {
			return receiverName(fn) + "." + sel.Sel.Name
		}
	}
	return ""
}

// textParam is the position of the parameter that is a statement, or -1.
func textParam(t *ast.FuncType) int {
	i := 0
	for _, field := range t.Params.List {
		for _, n := range field.Names {
			if slices.Contains(textNames(), n.Name) {
				return i
			}
			i++
		}
		if len(field.Names) == 0 {
			i++
		}
	}
	return -1
}

// enclosing is the name of the function around a position, or the package's.
func enclosing(f *ast.File, p token.Pos) string {
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Pos() <= p && p < fn.End() {
			return funcName(fn)
		}
	}
	return f.Name.Name
}

func TestStatementBuildersExist(t *testing.T) {
	t.Parallel()
	var names []string
	for _, f := range moduleSources(t) {
		for _, d := range f.file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.below("db") {
				names = append(names, fn.Name.Name)
			}
		}
	}
	for name := range maps.Keys(statementBuilders()) {
		if !slices.Contains(names, name) {
			t.Errorf("builder %s is gone from db: remove it here (have %s)", name, strings.Join(names, ", "))
		}
	}
}
