package moat_test

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

const modulePath = "github.com/moat-db/moat"

// levels are the packages from the foundation up. A package may import those of its
// own tree and of lower levels. An internal package that is not listed is a leaf: it
// imports nothing of the house.
var levels = map[string]int{
	"internal/list": -2, "internal/alive": -1, "internal/sqltext": -1, "internal/filelock": -1, "internal/guard": -1,
	"internal/releases": -1, "telemetry": -1,
	"": 0, "catalog": 1, "baseline": 2, "auth": 1, "moatsql": 1,
	"internal/apikey": 2, "internal/body": 2, "policy": 3, "tenancy": 4, "internal/ledger": 5, "internal/standing": 4,
	"seal": 5, "why": 6, "audit": 6, "protect": 6, "prove": 6, "lifecycle": 6,
	"watch": 7, "internal/serving": 7, "api": 8, "proxy": 8, "portal": 9,
	"internal/config": 5, "internal/postgres": 0,
	"internal/demo": 8, "internal/migrations": 6, "internal/migrations/tools": 0, "internal/report": 7,
	"internal/mcp": 9, "internal/cli": 10, "cmd": 11, "bench": 11,
}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	packages := 0
	for decoder.More() {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		packages++
		from, level := levelOf(t, p.ImportPath)
		for _, imported := range p.Imports {
			if imported != modulePath && !strings.HasPrefix(imported, modulePath+"/") {
				continue
			}
			to, lower := levelOf(t, imported)
			if to != from && lower >= level {
				t.Errorf("%s imports %s, which is not below it", p.ImportPath, imported)
			}
		}
	}
	if packages < 5 {
		t.Fatalf("go list found %d packages", packages)
	}
}

// The library is what most programs import: it must not pull in more than the driver.
func TestLibraryPullsInTheDriverOnly(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dep := range strings.Fields(string(out)) {
		first, _, _ := strings.Cut(dep, "/")
		allowed := dep == modulePath || dep == modulePath+"/internal/sqltext" ||
			dep == modulePath+"/internal/list" || dep == modulePath+"/internal/guard" ||
			dep == modulePath+"/internal/alive" ||
			strings.HasPrefix(dep, "github.com/jackc/") ||
			strings.HasPrefix(dep, "golang.org/x/text/") || strings.HasPrefix(dep, "golang.org/x/sync/")
		if strings.Contains(first, ".") && !allowed {
			t.Errorf("package moat depends on %s", dep)
		}
	}
}

// What the root module requires counts for everybody who imports package moat, used or not. It
// must build without the modules beside it, which have the rest.
func TestRootModuleRequiresNoExporters(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestImportsPointDown
	alone := exec.Command("go", "list", "-deps", "-test", "-f", "{{with .Module}}{{.Path}}{{end}}", "./...")
	alone.Env = append(alone.Environ(), "GOWORK=off")
	used, err := alone.Output()
	if err != nil {
		t.Fatal(err)
	}
	required, err := exec.Command("go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(required), "github.com/jackc/pgx/v5") {
		t.Errorf("it requires %s", required)
	}
	for _, heavy := range []string{"go.opentelemetry.io/", "github.com/prometheus/", "golang.org/x/tools",
		"google.golang.org/", modulePath + "/cmd/moat", modulePath + "/moatriver"} {
		if strings.Contains(string(used)+string(required), heavy) {
			t.Errorf("the root module needs %s", heavy)
		}
	}
}

// The command must not link the testing package: helpers for tests are packages of
// their own.
func TestCommandDoesNotLinkTesting(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestImportsPointDown
	out, err := exec.Command("go", "list", "-deps", "./cmd/moat").Output()
	if err != nil {
		t.Fatal(err)
	}
	if deps := strings.Fields(string(out)); len(deps) < 100 || slices.Contains(deps, "testing") {
		t.Errorf("%d packages, testing among them: %v", len(deps), slices.Contains(deps, "testing"))
	}
}

// levelOf finds the level of a package: its own, or that of the nearest parent.
func levelOf(t *testing.T, importPath string) (name string, level int) {
	t.Helper()
	name = strings.TrimPrefix(strings.TrimPrefix(importPath, modulePath), "/")
	for name != "" && name != "." {
		if level, ok := levels[name]; ok {
			return name, level
		}
		name = path.Dir(name)
	}
	leaf := strings.TrimPrefix(strings.TrimPrefix(importPath, modulePath), "/")
	if strings.HasPrefix(leaf, "internal/") {
		return leaf, 0
	}
	if leaf != "" {
		t.Fatalf("package %s has no level: add it to levels", importPath)
	}
	return "", levels[""]
}

// The rooms of a demonstration, break-in and signing in without a token, are wired in by
// the demo command and by nothing else, so that moat serve cannot reach them.
func TestDemoIsWiredInByItsCommandAlone(t *testing.T) {
	t.Parallel()
	const format = "{{$p := .ImportPath}}{{$d := .Dir}}{{range .GoFiles}}{{$p}} {{$d}}/{{.}}\n{{end}}"
	out, err := exec.Command("go", "list", "-f", format, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	wired := 0
	for line := range strings.Lines(string(out)) {
		name, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == modulePath+"/internal/cli" && strings.HasPrefix(path.Base(file), "demo") {
			wired++
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range parsed.Imports {
			if i.Path.Value == `"`+modulePath+`/portal/demo"` {
				t.Errorf("%s imports %s", file, i.Path.Value)
			}
		}
	}
	if wired == 0 {
		t.Error("the demo command has no file of its own")
	}
}
