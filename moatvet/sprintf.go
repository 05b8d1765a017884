package moatvet

import (
	"go/ast"
	"go/constant"
	"go/token"
	"regexp"
)

// sqlText recognises what begins as a statement, or as a part of one. Other texts, a line
// for the shell among them, may quote one.
var sqlText = regexp.MustCompile(`(?is)^\s*(select\s|insert\s+into\s|update\s.*\sset\s|delete\s+from\s|` +
	`with\s.*\sas\s|where\s|and\s.*=|set\s+(local\s+|session\s+)?[\w.]+\s*(=|to\s))`)

// sprintf finds tenants in the text of statements.
func sprintf(p *program, n ast.Node, stack []ast.Node) {
	switch n := n.(type) {
	case *ast.CallExpr:
		name := function(p.callee(n))
		if (name == "fmt.Sprintf" || name == "fmt.Sprint") && len(n.Args) > 0 && p.beginsSQL(n.Args) && p.anyTenant(n.Args) {
			p.report(n, "a tenant is written into a statement: pass it as a parameter, or leave it to the scope")
		}
	case *ast.BinaryExpr:
		if outer, ok := stack[len(stack)-2].(*ast.BinaryExpr); ok && outer.Op == token.ADD || n.Op != token.ADD {
			return
		}
		parts := operands(n)
		if p.beginsSQL(parts) && p.anyTenant(parts) {
			p.report(n, "a tenant is written into a statement: pass it as a parameter, or leave it to the scope")
		}
	}
}

func operands(e ast.Expr) []ast.Expr {
	if sum, ok := ast.Unparen(e).(*ast.BinaryExpr); ok && sum.Op == token.ADD {
		return append(operands(sum.X), operands(sum.Y)...)
	}
	return []ast.Expr{e}
}

// beginsSQL says whether the first part is the text of a statement.
func (p *program) beginsSQL(parts []ast.Expr) bool {
	v := p.pass.TypesInfo.Types[parts[0]].Value
	return v != nil && v.Kind() == constant.String && sqlText.MatchString(constant.StringVal(v))
}

// anyTenant says whether one of the parts is a tenant, or a string made of one.
func (p *program) anyTenant(parts []ast.Expr) bool {
	for _, e := range parts {
		if p.comes(e, func(e ast.Expr) bool {
			if call, ok := e.(*ast.CallExpr); ok && len(call.Args) == 1 && p.pass.TypesInfo.Types[call.Fun].IsType() {
				return p.isTenant(call.Args[0])
			}
			return p.isTenant(e)
		}) {
			return true
		}
	}
	return false
}
