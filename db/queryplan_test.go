package db

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/defarm-repo/defarm/app"
)

// checkPlans fails for every statement that walks a whole table or index, or
// that sorts. sorted lists the statements that may sort, because what they sort
// is small.
func checkPlans(t *testing.T, d *DB, statements map[string]string, sorted ...string) {
	t.Helper()
	for name, text := range statements {
		for _, step := range queryPlan(t, d, text) {
			if walks(step) || sortsRows(step) && !slices.Contains(sorted, name) {
				t.Errorf("%s: %s", name, step)
			}
		}
	}
}

func walks(step string) bool {
	// A full-text query goes by its index, which SQLite calls a scan.
	if strings.HasPrefix(step, "SCAN item_search VIRTUAL TABLE INDEX ") {
		return false
	}
	return strings.HasPrefix(step, "SCAN ") && step != "SCAN CONSTANT ROW"
}

func sortsRows(step string) bool { return strings.Contains(step, "TEMP B-TREE") }

func queryPlan(t *testing.T, d *DB, text string) (steps []string) {
	t.Helper()
	mustRead(t, d, func(r app.Reader) error {
		rows, err := r.(readStores).s.query("EXPLAIN QUERY PLAN "+text, make([]any, parameters(text))...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				return err
			}
			steps = append(steps, detail)
		}
		return rows.Err()
	})
	return steps
}

// parameters counts the parameters of a statement: its question marks, or the
// highest number behind one.
func parameters(text string) int {
	n, highest := 0, 0
	for _, rest := range strings.Split(text, "?")[1:] {
		number := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
		if number == "" {
			n++
			continue
		}
		k, err := strconv.Atoi(number)
		if err != nil {
			panic(err)
		}
		highest = max(highest, k)
	}
	return max(n, highest)
}

// constantStatements are the texts of the package's statements, by the names
// of their constants and lists. They are read from the source, so that a new
// statement is checked without anybody listing it.
func constantStatements(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]ast.Expr{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST && g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				v := spec.(*ast.ValueSpec)
				for i, name := range v.Names {
					if i < len(v.Values) {
						values[name.Name] = v.Values[i]
					}
				}
			}
		}
	}
	statements := map[string]string{}
	for name, expr := range values {
		if text, ok := textOf(values, expr); ok && isStatement(text) {
			statements[name] = text
		}
	}
	return statements
}

// isStatement tells what can be planned from parts of statements, pragmas and
// what opens and ends transactions.
func isStatement(text string) bool {
	verb, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	return slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}, verb)
}

// textOf evaluates a text that is constant, or the second size of a list.
func textOf(values map[string]ast.Expr, expr ast.Expr) (string, bool) {
	switch e := expr.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		return constant.StringVal(constant.MakeFromLiteral(e.Value, e.Kind, 0)), true
	case *ast.Ident:
		of, ok := values[e.Name]
		if !ok {
			return "", false
		}
		return textOf(values, of)
	case *ast.BinaryExpr:
		a, ok := textOf(values, e.X)
		b, also := textOf(values, e.Y)
		return a + b, ok && also && e.Op == token.ADD
	case *ast.CallExpr:
		if fn, ok := e.Fun.(*ast.Ident); !ok || fn.Name != "newInList" || len(e.Args) != 2 {
			return "", false
		}
		head, ok := textOf(values, e.Args[0])
		tail, also := textOf(values, e.Args[1])
		return newInList(head, tail)[1], ok && also
	default:
		return "", false
	}
}

// Every statement of the package goes by an index. The exceptions walk a table
// on purpose, or sort what is few.
func TestEveryPlan(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	statements := constantStatements(t)
	// Reading the source and using the package agree on what there is.
	for name, text := range map[string]string{
		"userByID": userByID, "ownCircuitsSQL": ownCircuitsSQL, "itemsByRows": itemsByRows[1], "apiKeyPatch": apiKeyPatch,
		"circuitItemPutSQL": circuitItemPutSQL, "eventsByItems": eventsByItems[1], "resetDelete": resetDelete,
	} {
		if statements[name] != text {
			t.Errorf("%s: read from the source as %q, is %q", name, statements[name], text)
		}
	}
	for name, why := range scans() {
		if _, ok := statements[name]; !ok {
			t.Errorf("%s is no statement any more; it may scan because %q", name, why)
			continue
		}
		if !slices.ContainsFunc(queryPlan(t, d, statements[name]), walks) {
			t.Errorf("%s: does not scan; remove the exception", name)
		}
		delete(statements, name)
	}
	checkPlans(t, d, statements, slices.Collect(maps.Keys(sorts()))...)
	for name := range sorts() {
		if !slices.ContainsFunc(queryPlan(t, d, statements[name]), sortsRows) {
			t.Errorf("%s: does not sort; remove the exception", name)
		}
	}
}

// scans are the statements that may walk a table.
func scans() map[string]string {
	return map[string]string{
		"publicCircuitsSQL": "the partial index holds public circuits only, newest first, and the page ends it",
		"migrationsApplied": "a row for each migration",
		"countEvery":        "counts all items, for administrators",
		"countColumns":      "is countEvery",
		"userCount":         "counts the accounts",
		"userList":          "the page ends it",
	}
}

// sorts are the statements that may sort.
func sorts() map[string]string {
	return map[string]string{
		"countOthers":      "the items of others that one caller sees, each once",
		"membersSQL":       "of one circuit, all of them are read",
		"rolesSQL":         "of one circuit, all of them are read",
		"publishedSQL":     "of one circuit, all of them are read",
		"apiKeyStatistics": "of one key, all its hours are read",
	}
}

// TestPlansFinds shows that the check finds what it is for.
func TestPlansFinds(t *testing.T) {
	t.Parallel()
	d := itemsDB(t)
	for _, text := range []string{
		`SELECT row FROM items WHERE workspace_id = ?`,
		`SELECT owner_id FROM items ORDER BY owner_id`,
		`SELECT row FROM items WHERE owner_id = ? ORDER BY created_at`,
	} {
		steps := strings.Join(queryPlan(t, d, text), "; ")
		if !strings.Contains(steps, "SCAN items") && !strings.Contains(steps, "TEMP B-TREE") {
			t.Errorf("plan of %q is %q, want a scan or a sort in it", text, steps)
		}
	}
}
