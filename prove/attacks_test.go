package prove_test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/prove"
)

var update = flag.Bool("update", false, "write the reference page anew")

const page = "../docs/reference/prove-probes.md"

// The registry and the code name the same attacks: what the sources of a room call an
// attack is listed, and what is listed stands in the sources. Rooms' own tests check
// that a report names no other.
func TestEveryAttackIsRegistered(t *testing.T) {
	t.Parallel()
	for room, dir := range map[prove.Room]string{prove.Database: "database", prove.Pool: "pool", prove.API: "rest"} {
		named, texts := literals(t, dir)
		for name := range named {
			if prove.Registered(room, name) == nil {
				t.Errorf("%s: %q is not in the registry", room, name)
			}
		}
		for _, a := range prove.Attacks() {
			// What a relation shows is an attack by the name of its kind.
			kind := slices.Contains([]catalog.Kind{catalog.View, catalog.MaterializedView, catalog.ForeignTable},
				catalog.Kind(a.ID))
			if a.Room == room && !texts[a.ID] && !kind {
				t.Errorf("%s: nothing makes %q", room, a.ID)
			}
		}
	}
}

func TestAttacksAreWellFormed(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, a := range prove.Attacks() {
		if key := string(a.Room) + a.ID; seen[key] || a.Title == "" || a.Needs == "" || a.When == "" {
			t.Errorf("twice, or not complete: %+v", a)
		} else {
			seen[key] = true
		}
	}
}

// The tables of the reference page are what the registry says.
func TestReferencePage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), "-update -->\n")
	got, tail, end := strings.Cut(rest, "<!-- end of probes -->")
	if !ok || !end {
		t.Fatalf("%s has lost its markers", page)
	}
	want := reference()
	if *update {
		whole := head + "-update -->\n" + want + "<!-- end of probes -->" + tail
		if err := os.WriteFile(page, []byte(whole), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s is not what the registry says; run go test ./prove -update (-registry +page)\n%s", page, diff)
	}
}

func reference() string {
	var b strings.Builder
	b.WriteString("\n*Strict*, *disposable* and *hostile* probes are made only with the option of that name.\n")
	room := prove.Room("")
	for _, a := range prove.Attacks() {
		if a.Room != room {
			room = a.Room
			b.WriteString("\n## " + string(room) + "\n\n| probe | what is tried | needs | when |\n|---|---|---|---|\n")
		}
		b.WriteString("| `" + a.ID + "` | " + a.Title + " | " + a.Needs + " | " + string(a.When) + " |\n")
	}
	b.WriteString("\n")
	return b.String()
}

// literals collects the strings of a room's sources, and those that name an attack: the
// value of a field name or attack, and the name by which an API probe is tried.
func literals(t *testing.T, dir string) (named, all map[string]bool) {
	t.Helper()
	named, all = map[string]bool{}, map[string]bool{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", dir, len(files), err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				note(all, n)
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && slices.Contains([]string{"name", "Attack", "attack"}, key.Name) {
					note(named, n.Value)
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "try" && len(n.Args) == 4 {
					note(named, n.Args[2])
				}
			}
			return true
		})
	}
	return named, all
}

func note(found map[string]bool, e ast.Expr) {
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		if text, err := strconv.Unquote(lit.Value); err == nil {
			found[text] = true
		}
	}
}
