package moatvet

import "go/ast"

// raw are pgx's types whose statements have no tenant. A single pgx.Conn is not among
// them: who opens one does so on purpose, for a migration or an operator's work.
var raw = map[string]string{
	"*github.com/jackc/pgx/v5/pgxpool.Pool": "pgxpool.Pool", "*github.com/jackc/pgx/v5/pgxpool.Conn": "pgxpool.Conn",
}

// statements are the methods by which such a type sends one, or hands out what sends one.
var statements = map[string]bool{
	"Query": true, "QueryRow": true, "Exec": true, "SendBatch": true, "CopyFrom": true, "Begin": true, "BeginTx": true,
}

// openers make a *sql.DB that is not moatsql's.
var openers = map[string]bool{
	"database/sql.Open": true, "github.com/jackc/pgx/v5/stdlib.OpenDB": true,
	"github.com/jackc/pgx/v5/stdlib.OpenDBFromPool": true,
}

// pool finds statements of raw pools, and raw pools behind database/sql.
func pool(p *program, n ast.Node, _ []ast.Node) {
	call, ok := n.(*ast.CallExpr)
	if !ok || !p.serves {
		return
	}
	fn := p.callee(call)
	if receiver, name := method(fn); raw[receiver] != "" && statements[name] && !p.unscopedPool(call) {
		p.report(call, "%s.%s runs without a tenant: use moat.DB", raw[receiver], name)
	}
	switch name := function(fn); {
	case openers[name]:
		p.report(call, "%s opens a database without tenants beside moat: use moatsql.Open", short(name))
	case name == "database/sql.OpenDB" && len(call.Args) == 1 && !p.comes(call.Args[0], p.isConnector):
		p.report(call, "sql.OpenDB opens a database without tenants beside moat: use moatsql.Open")
	}
}

// isConnector says whether an expression is moatsql's connector.
func (p *program) isConnector(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	return ok && function(p.callee(call)) == moatsqlPath+".NewConnector"
}

// unscopedPool says whether a statement is sent through DB.UnscopedPool, which says enough.
func (p *program) unscopedPool(call *ast.CallExpr) bool {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	inner, ok := selector.X.(*ast.CallExpr)
	return ok && p.callee(inner) != nil && p.callee(inner).Name() == "UnscopedPool"
}
