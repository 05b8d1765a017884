package moatvet_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golangci/plugin-module-register/register"
	"golang.org/x/tools/go/analysis/analysistest"

	"github.com/moat-db/moat/moatvet"
	_ "github.com/moat-db/moat/moatvet/golangci"
)

func TestFindings(t *testing.T) {
	t.Parallel()
	for _, pkg := range []string{"pool", "scope", "unverified", "intx", "sprintf", "without"} {
		t.Run(pkg, func(t *testing.T) {
			t.Parallel()
			analysistest.Run(t, analysistest.TestData(), moatvet.Analyzer, pkg)
		})
	}
}

// As go vet runs it, over moat itself: no finding, and one in a package that has it.
func TestVetTool(t *testing.T) {
	t.Parallel()
	tool := filepath.Join(t.TempDir(), "moatvet")
	if out, err := exec.Command("go", "build", "-o", tool, "./cmd/moatvet").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	vet := func(dir string, packages ...string) (string, error) {
		cmd := exec.Command("go", append([]string{"vet", "-vettool=" + tool}, packages...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := vet("..", "./...", "./cmd/moat/...", "./moatriver/..."); err != nil {
		t.Errorf("moat itself: %v\n%s", err, out)
	}
	if out, err := vet(filepath.Join("testdata", "program"), "./..."); err == nil ||
		!strings.Contains(out, "program.go:12:12: the context of Exec has no tenant") {
		t.Errorf("a program with a finding: %v\n%s", err, out)
	}
}

func TestPlugin(t *testing.T) {
	t.Parallel()
	build, err := register.GetPlugin("moatvet")
	if err != nil {
		t.Fatal(err)
	}
	plugin, err := build(nil)
	if err != nil {
		t.Fatal(err)
	}
	analyzers, err := plugin.BuildAnalyzers()
	if err != nil || len(analyzers) != 1 || plugin.GetLoadMode() != register.LoadModeTypesInfo {
		t.Errorf("%d analyzers, load mode %s: %v", len(analyzers), plugin.GetLoadMode(), err)
	}
}
