package moatvet

import (
	"go/ast"
	"go/types"
)

// requests are the types whose methods return what a client sent.
var requests = map[string]bool{"*net/http.Request": true, "net/http.Header": true, "net/url.Values": true}

// unverified finds scopes of tenants that a client may choose.
func unverified(p *program, n ast.Node, _ []ast.Node) {
	var tenant ast.Expr
	switch n := n.(type) {
	case *ast.CompositeLit:
		tenant = p.tenantOf(n)
	case *ast.AssignStmt:
		if selector, ok := n.Lhs[0].(*ast.SelectorExpr); ok && len(n.Lhs) == len(n.Rhs) && selector.Sel.Name == "Tenant" &&
			p.isScope(selector.X) {
			tenant = n.Rhs[0]
		}
	}
	if tenant != nil && p.comes(tenant, p.isRequest) {
		p.report(tenant, "the scope's tenant comes from a request: only a verified token may say it (see package auth)")
	}
}

// tenantOf is what a literal of moat.Scope has for its tenant; nil where there is none.
func (p *program) tenantOf(literal *ast.CompositeLit) ast.Expr {
	if !p.isScope(literal) || len(literal.Elts) == 0 {
		return nil
	}
	for _, e := range literal.Elts {
		pair, ok := e.(*ast.KeyValueExpr)
		if !ok {
			return literal.Elts[0]
		}
		if key, ok := pair.Key.(*ast.Ident); ok && key.Name == "Tenant" {
			return pair.Value
		}
	}
	return nil
}

func (p *program) isScope(e ast.Expr) bool {
	t := p.pass.TypesInfo.TypeOf(e)
	return t != nil && types.TypeString(t, nil) == moatPath+".Scope"
}

// isTenant says whether an expression is the type moat.Tenant, or one of it.
func (p *program) isTenant(e ast.Expr) bool {
	t := p.pass.TypesInfo.TypeOf(e)
	return t != nil && types.TypeString(t, nil) == moatPath+".Tenant"
}

// isRequest says whether an expression reads what a client sent.
func (p *program) isRequest(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.CallExpr:
		if len(e.Args) == 1 && p.pass.TypesInfo.Types[e.Fun].IsType() {
			return p.comes(e.Args[0], p.isRequest)
		}
		receiver, name := method(p.callee(e))
		return requests[receiver] && name != "Context"
	case *ast.IndexExpr:
		t := p.pass.TypesInfo.TypeOf(e.X)
		return t != nil && requests[types.TypeString(t, nil)] || p.comes(e.X, p.isRequest)
	}
	return false
}
