package moatvet

import (
	"go/ast"
	"go/types"
)

// transactions are the methods of moat.DB that call a function in a transaction.
var transactions = map[string]bool{"InTx": true, "InReadTx": true, "InTxWith": true}

// inTx finds uses of the DB where its transaction is at hand.
func inTx(p *program, n ast.Node, stack []ast.Node) {
	call, receiver, name := p.call(n)
	if receiver == "*"+moatPath+".DB" && scoped[name] && p.transaction(stack) != nil {
		p.report(call, "DB.%s inside InTx takes a second connection and does not see the transaction: use tx", name)
	}
}

// conn finds connections that leave their transaction.
func conn(p *program, n ast.Node, stack []ast.Node) {
	call, receiver, name := p.call(n)
	if receiver != "github.com/jackc/pgx/v5.Tx" || name != "Conn" || asks(stack) {
		return
	}
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return
	}
	given := p.transaction(stack)
	if p.comes(selector.X, p.begins) || given != nil && p.object(selector.X) == given {
		p.report(call, "Conn takes the connection out of the transaction: nothing checks the tenant of its statements")
	}
}

// facts are methods of a connection, and of what is beneath it, that send nothing.
var facts = map[string]bool{"TypeMap": true, "Config": true, "PID": true, "TxStatus": true, "Frontend": true,
	"ParameterStatus": true}

// asks says whether the connection, which ends stack, is only asked for a fact.
func asks(stack []ast.Node) bool {
	names := [2]string{} // the methods that are called on it in turn
	for i := range names {
		if at := len(stack) - 2 - 2*i; at > 0 {
			if selector, ok := stack[at].(*ast.SelectorExpr); ok {
				names[i] = selector.Sel.Name
			}
		}
	}
	return facts[names[0]] || names[0] == "PgConn" && facts[names[1]]
}

// begins says whether an expression is a transaction of moat.DB.
func (p *program) begins(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	receiver, name := method(p.callee(call))
	return receiver == "*"+moatPath+".DB" && (name == "Begin" || name == "BeginTx")
}

// transaction is the transaction that the innermost function of InTx around a node gets;
// nil where there is none.
func (p *program) transaction(stack []ast.Node) types.Object {
	for i := len(stack) - 1; i > 0; i-- {
		literal, ok := stack[i].(*ast.FuncLit)
		if !ok {
			continue
		}
		call, ok := stack[i-1].(*ast.CallExpr)
		if !ok {
			continue
		}
		receiver, name := method(p.callee(call))
		if receiver != "*"+moatPath+".DB" || !transactions[name] {
			continue
		}
		if names := literal.Type.Params.List[0].Names; len(names) == 1 {
			return p.pass.TypesInfo.ObjectOf(names[0])
		}
	}
	return nil
}
