package why_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
)

// The reference page explains every cause.
func TestPageNamesEveryCause(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/reference/why.md")
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "answer.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	kinds := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if kind, isKind := specType(spec, ok); !isKind || kind != "Kind" {
			return true
		}
		kinds++
		name, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/reference/why.md does not name %s", name)
		}
		return true
	})
	if kinds < 30 {
		t.Errorf("found %d causes", kinds)
	}
}

func specType(spec *ast.ValueSpec, ok bool) (string, bool) {
	if !ok || len(spec.Values) != 1 {
		return "", false
	}
	name, isIdent := spec.Type.(*ast.Ident)
	if !isIdent {
		return "", false
	}
	return name.Name, true
}
