package tidy

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/freshet-dev/freshet/"

// mayImport is the import table: what of ours a room may import. A room is
// found by its longest prefix. "*" means everything. Tests are free, but for
// the oracle, whose worth is that it shares nothing.
var mayImport = map[string][]string{
	"config/spec":                {},
	"config":                     {},
	"fault":                      {},
	"sources":                    {},
	"models":                     {},
	"features/aggregate":         {},
	"features/window":            {},
	"features/event":             {"config/spec"},
	"features/expr":              {"config/spec", "features/event"},
	"features":                   {"config/spec", "features/aggregate", "features/window", "features/event", "features/expr"},
	"features/spectest":          {"config/spec", "features", "features/event", "models"},
	"sources/":                   {"fault", "sources", "sources/", "config/spec", "features/event"},
	"sinks":                      {"config/spec", "features", "features/event"},
	"sinks/":                     {"sinks", "sinks/", "config/spec", "features", "features/event", "models"},
	"sinks/kafka":                {"fault", "sinks", "sources/kafkaclient"},
	"pipeline":                   {"fault", "config/spec", "features", "features/event", "models", "sources", "sinks", "sinks/record", "pipeline/checkpoint"},
	"pipeline/":                  {"fault", "config/spec", "features", "features/event", "models", "sources", "sinks", "sinks/record", "pipeline"},
	"pipeline/checkpoint":        {"fault"},
	"pipeline/checkpoint/bucket": {"pipeline/checkpoint"},
	"cmd/":                       {"*"},
	"examples":                   {},
	"bench":                      {"*"},
	"verify/":                    {"*"},
	"verify/oracle":              {"config/spec"},
	"scripts/":                   {},
}

// Limits of size. They are ratchets: they go down when a change allows it,
// never up. The aim is 150 lines a file and 30 a function (docs: style).
const (
	maxFileLines = 500
	maxFuncLines = 70
	maxMainLines = 100
)

type goFile struct {
	path  string // slash-separated, from the repository's root
	lines int
	ast   *ast.File
	test  bool
}

func root() string { return filepath.Join("..", "..") }

var fset = token.NewFileSet()

func readHouse(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	err := filepath.WalkDir(root(), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root() || d.Name() == "testdata" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root(), path)
		if err != nil {
			return err
		}
		files = append(files, goFile{
			path:  filepath.ToSlash(rel),
			lines: fset.Position(parsed.End()).Line,
			ast:   parsed,
			test:  strings.HasSuffix(path, "_test.go"),
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("only %d Go files found below %s: looked in the wrong place", len(files), root())
	}
	return files
}

// allowed returns the row of the table for a package: the row of its own name,
// else that of the longest "prefix/".
func allowed(pkg string) ([]string, bool) {
	if row, ok := mayImport[pkg]; ok {
		return row, true
	}
	best, found := "", false
	for prefix := range mayImport {
		if strings.HasSuffix(prefix, "/") && strings.HasPrefix(pkg+"/", prefix) && len(prefix) > len(best) {
			best, found = prefix, true
		}
	}
	return mayImport[best], found
}

func permits(row []string, imported string) bool {
	for _, r := range row {
		if r == "*" || r == imported || strings.HasSuffix(r, "/") && strings.HasPrefix(imported, r) {
			return true
		}
	}
	return false
}

func TestImportTable(t *testing.T) {
	for _, f := range readHouse(t) {
		pkg := filepath.ToSlash(filepath.Dir(f.path))
		if f.test && pkg != "verify/oracle" {
			continue
		}
		row, ok := allowed(pkg)
		if !ok {
			t.Errorf("%s: package %s has no row in the import table: say in verify/tidy what it may import", f.path, pkg)
			continue
		}
		for _, spec := range f.ast.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			imported, ours := strings.CutPrefix(path, module)
			if ours && imported != pkg && !permits(row, imported) {
				t.Errorf("%s imports %s; the table allows %v", f.path, imported, row)
			}
		}
	}
}

func TestNoInitFunctions(t *testing.T) {
	for _, f := range readHouse(t) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: init(): register in a table that cmd reads instead", fset.Position(fn.Pos()))
			}
		}
	}
}

func TestSizes(t *testing.T) {
	for _, f := range readHouse(t) {
		if f.lines > maxFileLines {
			t.Errorf("%s has %d lines; at most %d: split it by idea", f.path, f.lines, maxFileLines)
		}
		if f.path == "cmd/freshet/main.go" && f.lines > maxMainLines {
			t.Errorf("main.go has %d lines; at most %d: main parses, verbs work", f.lines, maxMainLines)
		}
		if f.test {
			continue
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1; n > maxFuncLines {
				t.Errorf("%s: %s has %d lines; at most %d", fset.Position(fn.Pos()), fn.Name.Name, n, maxFuncLines)
			}
		}
	}
}

// The engine and the models are pure: no goroutine, no clock, no I/O, no log.
func TestPureRooms(t *testing.T) {
	pure := []string{"features", "features/aggregate", "features/window", "features/event", "features/expr", "models"}
	banned := map[string]bool{"os": true, "log": true, "log/slog": true, "net": true, "net/http": true, "math/rand": true,
		"math/rand/v2": true, "hash/maphash": true, "sync": true, "io/fs": true}
	for _, f := range readHouse(t) {
		if f.test || !contains(pure, filepath.ToSlash(filepath.Dir(f.path))) {
			continue
		}
		for _, spec := range f.ast.Imports {
			if path, _ := strconv.Unquote(spec.Path.Value); banned[path] {
				t.Errorf("%s imports %s; this room is pure", f.path, path)
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a goroutine; only pipeline and connectors run", fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				if id, ok := n.X.(*ast.Ident); ok && id.Name == "time" && (n.Sel.Name == "Now" || n.Sel.Name == "Since") {
					t.Errorf("%s: time.%s; time is an argument here", fset.Position(n.Pos()), n.Sel.Name)
				}
			}
			return true
		})
	}
}

// The embedded servers are for the demo (and for tests): run must never be
// able to start one.
func TestEmbeddedServersOnlyInDemo(t *testing.T) {
	for _, f := range readHouse(t) {
		if f.test || strings.HasPrefix(f.path, "cmd/freshet/demo") || strings.HasPrefix(f.path, "bench/") || strings.HasPrefix(f.path, "verify/") {
			continue
		}
		for _, spec := range f.ast.Imports {
			if strings.Contains(spec.Path.Value, "kfake") || strings.Contains(spec.Path.Value, "miniredis") {
				t.Errorf("%s imports %s: only the demo may embed a server", f.path, spec.Path.Value)
			}
		}
	}
}

func TestNoSleepInTests(t *testing.T) {
	var sleepers []string
	for _, f := range readHouse(t) {
		if !f.test || imports(f.ast, "testing/synctest") { // there, a sleep is virtual and exact
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Sleep" {
				return true
			}
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == "time" {
				sleepers = append(sleepers, fmt.Sprint(fset.Position(sel.Pos())))
			}
			return true
		})
	}
	sort.Strings(sleepers)
	for _, s := range sleepers {
		t.Errorf("%s: time.Sleep in a test: wait for a condition, or use testing/synctest", s)
	}
}

// What has passed is measured by the clock that nobody sets: a time.Time keeps it,
// its number does not (reliability 14).
func TestElapsedTimeIsNotOfTheWallClock(t *testing.T) {
	for _, f := range readHouse(t) {
		room, _, _ := strings.Cut(f.path, "/")
		if f.test || room != "pipeline" && room != "sources" && room != "sinks" {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "UnixNano" {
				t.Errorf("%s: UnixNano: keep the time.Time, or time.Since of a beginning", fset.Position(sel.Pos()))
			}
			return true
		})
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, f := range readHouse(t) {
		if f.test || f.ast.Name.Name == "main" {
			continue
		}
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) && !obvious[d.Name.Name] {
					t.Errorf("%s: %s has no doc comment", fset.Position(d.Pos()), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if ts, ok := s.(*ast.TypeSpec); ok && ts.Name.IsExported() && d.Doc == nil && ts.Doc == nil {
						t.Errorf("%s: %s has no doc comment", fset.Position(ts.Pos()), ts.Name.Name)
					}
				}
			}
		}
	}
}

// obvious are methods whose contract is their interface's.
var obvious = map[string]bool{"Error": true, "String": true, "Close": true, "Len": true, "Less": true, "Swap": true,
	"MarshalJSON": true, "GoString": true, "LogValue": true, "Unwrap": true}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	id, ok := typ.(*ast.Ident)
	return !ok || id.IsExported()
}

func imports(f *ast.File, path string) bool {
	for _, spec := range f.Imports {
		if spec.Path.Value == strconv.Quote(path) {
			return true
		}
	}
	return false
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
