// Package moatvet finds, in programs that use package moat, statements that run past the
// tenant's scope. It looks only at packages that import moat or moatsql, and not at tests.
//
//   - pool: a statement on a pgx pool, or a *sql.DB that another driver opens
//   - context: a scoped call whose context comes from context.Background and has no tenant
//   - unverified: a scope whose tenant comes from a request and not from a verified token
//   - intx: a DB that is used inside InTx, where it takes a second connection
//   - conn: a connection taken out of a transaction, whose statements nobody checks
//   - sprintf: a tenant written into the text of a statement
//
// What is meant to run without a tenant says so, at the end of its line or on the line above:
//
//	//moat:unscoped the owner migrates the schema
//
// It is an aid, not a wall: it follows a value through the variables of one function and
// no further. The wall is the policies.
package moatvet

import (
	"go/ast"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
)

// Analyzer reports each of the findings above.
var Analyzer = &analysis.Analyzer{
	Name:     "moatvet",
	Doc:      "find statements that run past the tenant's scope",
	URL:      "https://pkg.go.dev/github.com/moat-db/moat/moatvet",
	Requires: []*analysis.Analyzer{inspect.Analyzer},
	Run:      run,
}

const (
	moatPath    = "github.com/moat-db/moat"
	moatsqlPath = moatPath + "/moatsql"
)

// checks look at one node each; stack ends with it.
var checks = []func(p *program, n ast.Node, stack []ast.Node){pool, background, unverified, inTx, conn, sprintf}

func run(pass *analysis.Pass) (any, error) {
	if !usesMoat(pass) || pass.Pkg.Path() == moatsqlPath {
		return nil, nil
	}
	in := pass.ResultOf[inspect.Analyzer].(*inspector.Inspector)
	p := newProgram(pass, in)
	nodes := []ast.Node{(*ast.CallExpr)(nil), (*ast.BinaryExpr)(nil), (*ast.CompositeLit)(nil), (*ast.AssignStmt)(nil)}
	in.WithStack(nodes, func(n ast.Node, push bool, stack []ast.Node) bool {
		if !push || strings.HasSuffix(pass.Fset.Position(n.Pos()).Filename, "_test.go") {
			return false
		}
		for _, check := range checks {
			check(p, n, stack)
		}
		return true
	})
	p.reportReasons()
	return nil, nil
}

func usesMoat(pass *analysis.Pass) bool {
	for _, imported := range pass.Pkg.Imports() {
		if imported.Path() == moatPath || imported.Path() == moatsqlPath {
			return true
		}
	}
	return false
}
