package archtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/defarm-repo/defarm"

// pkg is what the toolchain tells of one package. Own packages are named
// relative to the module: "app/items", "." for main.
type pkg struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
}

// arrow is one rule about imports. Patterns are import paths; "x/..." means x
// and everything below it.
type arrow struct {
	from   []string // packages under the rule
	except []string // packages that are not
	deny   []string // what they must not import
	allow  []string // what is denied by deny, but fine
	tests  bool     // the rule holds for test files, too
	deps   bool     // the rule holds for the whole dependency graph
	why    string
}

// own names packages of the module.
func own(paths ...string) []string {
	out := make([]string, 0, len(paths))
	for _, p := range paths {
		out = append(out, strings.TrimSuffix(module+"/"+p, "/."))
	}
	return out
}

// arrows is the direction of the module:
//
//	main -> web/server -> { web/api, web/outbound, web/console, db } -> app -> stdlib + pure leaves
func arrows() []arrow {
	const sqlite = "modernc.org/sqlite/..."
	return []arrow{
		{from: own("app/..."), deny: append(own("db/...", "web/..."),
			"net/http", "net/http/...", "database/sql/...", sqlite, "github.com/spf13/...",
			"github.com/go-chi/...", "github.com/danielgtaylor/...", "github.com/dgraph-io/..."),
			why: "app knows no database, no HTTP, no configuration"},
		{from: own("app"), deny: own("app/..."), allow: own("app", "app/canon", "app/dfid", "app/merkle", "app/registry"),
			why: "the domain imports nothing but pure leaves; services import it"},
		{from: own("app/canon", "app/dfid", "app/merkle", "app/registry"),
			deny: append(own("..."), "context", "os", "os/...", "net", "net/...", "log", "log/...", "io/fs"),
			why:  "leaves are bytes in, bytes out: no context, no I/O, none of our packages"},
		{from: own("db/..."), deny: append(own("web/..."), "net/http", "net/http/...", "github.com/spf13/...",
			"github.com/go-chi/...", "github.com/danielgtaylor/..."),
			why: "rows know nothing of the wire"},
		{from: own("..."), except: own("db/...", "web/binarytest"), deny: []string{"database/sql/...", sqlite}, tests: true,
			why: "SQL lives in db (the crash test opens the file that a killed server left)"},
		{from: own("..."), except: own("db/..."), deny: []string{"github.com/dgraph-io/..."}, tests: true,
			why: "the cache lives in db, behind its guard"},
		{from: own("web/api/..."), deny: own("db/...", "web/..."), allow: own("web/api/..."),
			why: "HTTP in speaks to services only"},
		{from: own("web/outbound/..."), deny: own("db/...", "web/..."), allow: own("web/outbound/..."),
			why: "network out is behind interfaces of app"},
		{from: own("web/..."), except: own("web/server/...", "web/servertest/..."), deny: own("db/..."),
			why: "only the composition root knows db"},
		{from: own("web/..."), except: own("web/server/...", "web/servertest/..."), deny: own("web/server/..."),
			why: "nobody imports the composition root but main and the fixture"},
		{from: own("..."), except: own("web/server/..."), deny: []string{"github.com/spf13/viper/..."}, tests: true,
			why: "configuration is read in one package; after that only the struct travels"},
		{from: own("..."), except: own(".", "web/importer", "web/loadtest"), deny: []string{"github.com/spf13/cobra/..."},
			why: "the command line lives in main.go and in the two commands that are clients"},
		{from: own("..."), except: own("web/api/..."), deny: []string{"github.com/danielgtaylor/huma/..."},
			why: "huma lives in web/api"},
		{from: own("."), deny: append(own("db/..."), "net/http", "database/sql/..."),
			why: "main calls one function elsewhere per command"},
		{from: own("..."), except: own("web/servertest/..."), deny: append(own("web/servertest/..."), "testing", "testing/..."),
			why: "the fixture and the test framework stay out of the binary"},
		{from: own("app/...", "db/...", "web/..."), deny: []string{"log", "math/rand"},
			why: "log/slog, injected; crypto/rand or math/rand/v2 with a seed"},
		{from: own("app/...", "db/..."), deny: []string{"math/rand/v2"},
			why: "randomness comes from app.Env"},
		{from: own("app/...", "db/...", "web/api/...", "web/servertest"), deps: true,
			deny: []string{"github.com/libp2p/...", "github.com/consensys/...", "github.com/stellar/..."},
			why:  "the core and the fixture build without provers, peer-to-peer and ledger clients"},
	}
}

func TestImports(t *testing.T) {
	t.Parallel()
	for _, bad := range forbidden(listPackages(t), arrows()) {
		t.Error(bad)
	}
}

// TestArrowsName fails when a rule names an own package that is gone: a rule
// about nothing protects nothing.
func TestArrowsName(t *testing.T) {
	t.Parallel()
	pkgs := listPackages(t)
	for _, a := range arrows() {
		for _, pattern := range slices.Concat(a.from, a.except) {
			if strings.HasPrefix(pattern, module+"/web/outbound") {
				continue // its packages come one by one
			}
			if !slices.ContainsFunc(pkgs, func(p pkg) bool { return matches(pattern, p.ImportPath) }) {
				t.Errorf("rule %q names %s, which no package matches", a.why, pattern)
			}
		}
	}
}

func TestImportsFinds(t *testing.T) {
	t.Parallel()
	p := func(path string, imports ...string) pkg {
		return pkg{ImportPath: own(path)[0], Imports: imports, Deps: imports}
	}
	tests := []struct {
		name string
		pkg  pkg
		want int
	}{
		{"app with the standard library", p("app", "time", module+"/app/canon"), 0},
		{"app with a service", p("app", module+"/app/items"), 1},
		{"service with db", p("app/items", module+"/db"), 1},
		{"service with HTTP", p("app/items", "net/http"), 1},
		{"service with netip", p("app/identity", "net/netip", module+"/app/password"), 0},
		{"service with SQL", p("app/items", "database/sql"), 2}, // two rules say so
		{"leaf with files", p("app/merkle", "os"), 1},
		{"leaf with the domain", p("app/canon", module+"/app"), 1},
		{"db with the wire", p("db", module+"/web/api"), 1},
		{"db with the driver", p("db", "modernc.org/sqlite", "modernc.org/sqlite/lib", "database/sql"), 0},
		{"handlers with db", p("web/api", module+"/db"), 2},
		{"handlers with services", p("web/api", module+"/app/items", "github.com/danielgtaylor/huma/v2"), 0},
		{"client with viper", p("web/client", "github.com/spf13/viper"), 1},
		{"server with everything", p("web/server", module+"/db", module+"/web/api", "github.com/spf13/viper"), 0},
		{"main with db", p(".", module+"/db"), 1},
		{"main with the server", p(".", module+"/web/server", "github.com/spf13/cobra"), 0},
		{"binary with the fixture", p("web/client", module+"/web/servertest", "testing"), 2},
		{"service with the old log", p("app/items", "log"), 1},
		{"random ids in db", p("db", "math/rand/v2"), 1},
		{"fixture with a prover", p("web/servertest", "github.com/consensys/gnark/frontend"), 1},
		{"SQL in a test of HTTP", pkg{ImportPath: module + "/web/api", TestImports: []string{"database/sql"}}, 1},
		{"HTTP in a test of app", pkg{ImportPath: module + "/app/items", XTestImports: []string{"net/http"}}, 0},
		{"SQL in the crash test", pkg{ImportPath: module + "/web/binarytest", XTestImports: []string{"database/sql", "modernc.org/sqlite"}}, 0},
	}
	for _, tt := range tests {
		if got := forbidden([]pkg{tt.pkg}, arrows()); len(got) != tt.want {
			t.Errorf("%s: got %d findings, want %d: %q", tt.name, len(got), tt.want, got)
		}
	}
}

// forbidden lists the edges that a rule denies.
func forbidden(pkgs []pkg, rules []arrow) []string {
	var out []string
	for _, p := range pkgs {
		for _, a := range rules {
			if !matchesAny(a.from, p.ImportPath) || matchesAny(a.except, p.ImportPath) {
				continue
			}
			for _, imported := range a.edges(p) {
				if matchesAny(a.deny, imported) && !matchesAny(a.allow, imported) {
					out = append(out, fmt.Sprintf("%s imports %s: %s", p.ImportPath, imported, a.why))
				}
			}
		}
	}
	return out
}

// edges are the imports that the rule looks at. A package's tests are its
// own: an external test importing the package under test is no edge.
func (a arrow) edges(p pkg) []string {
	if a.deps {
		return p.Deps
	}
	out := slices.Clone(p.Imports)
	if a.tests {
		out = slices.Concat(out, p.TestImports, p.XTestImports)
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(s string) bool { return s == p.ImportPath })
}

// matches reports whether path is pattern, or lies below a pattern that ends
// in "/...".
func matches(pattern, path string) bool {
	base, ok := strings.CutSuffix(pattern, "/...")
	return path == base || (ok && strings.HasPrefix(path, base+"/"))
}

func matchesAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, path) })
}

// listPackages asks the toolchain, so that build constraints count. A package
// that does not compile is listed all the same: that is another test's news.
func listPackages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", "./...")
	cmd.Dir = moduleRoot(t)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return pkgs
		}
		if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
}
