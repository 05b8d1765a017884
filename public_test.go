package moat_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// notPublic are folders whose packages nobody imports.
var notPublic = regexp.MustCompile(`^(\.[^/]+|bench|e2e|examples|release)(/|$)|(^|/)(internal|testdata)(/|$)`)

// Every package that others can import, of whichever module, says what it is and shows how it is
// used.
func TestPublicPackagesHaveExamples(t *testing.T) {
	t.Parallel()
	packages := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if notPublic.MatchString(path) {
			return fs.SkipDir
		}
		code, tests := goFiles(t, path)
		if len(code) == 0 || code[0].Name.Name == "main" {
			return nil
		}
		packages++
		text := ""
		for _, f := range code {
			text += f.Doc.Text()
		}
		if !strings.HasPrefix(text, "Package "+code[0].Name.Name+" ") {
			t.Errorf("%s has no package comment", path)
		}
		if len(doc.Examples(tests...)) == 0 {
			t.Errorf("%s has no example", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if packages < 25 {
		t.Errorf("found %d packages", packages)
	}
}

// goFiles reads the files of a folder: those of its package, and those of its tests.
func goFiles(t *testing.T, folder string) (code, tests []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			tests = append(tests, f)
		} else {
			code = append(code, f)
		}
	}
	return code, tests
}
