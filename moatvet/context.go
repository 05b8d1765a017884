package moatvet

import (
	"go/ast"
	"path"
)

// scoped are the methods of moat.DB that need a tenant.
var scoped = map[string]bool{
	"Query": true, "QueryRow": true, "Exec": true, "SendBatch": true, "InTx": true, "InReadTx": true, "InTxWith": true,
	"Begin": true, "BeginTx": true, "BulkInsert": true, "CopyFrom": true,
}

// scopedSQL are those of moatsql's *sql.DB; true where the method takes a context.
var scopedSQL = map[string]bool{
	"QueryContext": true, "QueryRowContext": true, "ExecContext": true, "BeginTx": true,
	"Query": false, "QueryRow": false, "Exec": false, "Begin": false,
}

// background finds scoped calls that can have no tenant.
func background(p *program, n ast.Node, _ []ast.Node) {
	call, receiver, name := p.call(n)
	switch {
	case receiver == "*"+moatPath+".DB" && scoped[name]:
	case receiver == "*database/sql.DB" && p.ofMoatsql(call):
		takes, known := scopedSQL[name]
		if known && !takes {
			p.report(call, "sql.DB.%s has no context, so no tenant: it fails with moat.ErrNoTenant", name)
		}
		if !takes {
			return
		}
	default:
		return
	}
	if len(call.Args) > 0 && p.comes(call.Args[0], p.isBackground) {
		p.report(call, "the context of %s has no tenant: it fails with moat.ErrNoTenant", name)
	}
}

// ofMoatsql says whether a method is called on a *sql.DB that moatsql opened.
func (p *program) ofMoatsql(call *ast.CallExpr) bool {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	return ok && p.comes(selector.X, func(e ast.Expr) bool {
		opened, ok := e.(*ast.CallExpr)
		if !ok {
			return false
		}
		name := function(p.callee(opened))
		return name == moatsqlPath+".Open" ||
			name == "database/sql.OpenDB" && len(opened.Args) == 1 && p.comes(opened.Args[0], p.isConnector)
	})
}

// isBackground says whether a context is context.Background's, perhaps with a deadline.
func (p *program) isBackground(e ast.Expr) bool { return p.background(e, map[ast.Expr]bool{}) }

// background remembers the calls it has been at: ctx, cancel = context.WithTimeout(ctx, t)
// makes a context of itself.
func (p *program) background(e ast.Expr, seen map[ast.Expr]bool) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok || seen[call] {
		return false
	}
	seen[call] = true
	switch function(p.callee(call)) {
	case "context.Background", "context.TODO":
		return true
	case "context.WithCancel", "context.WithTimeout", "context.WithDeadline", "context.WithoutCancel":
		return p.comes(call.Args[0], func(e ast.Expr) bool { return p.background(e, seen) })
	}
	return false
}

// short is a function's name as a program writes it.
func short(name string) string { return path.Base(name) }
