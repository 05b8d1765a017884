package moatvet

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

// program is what the checks know of a package.
type program struct {
	pass     *analysis.Pass
	serves   bool                        // it runs statements as tenants: it uses moat.DB or moatsql
	defined  map[types.Object][]ast.Expr // what is assigned to a variable or field
	unscoped map[string]*reason          // by file:line
}

// reason is a comment that lets a line run without a tenant.
type reason struct {
	pos  token.Pos
	text string
}

func newProgram(pass *analysis.Pass, in *inspector.Inspector) *program {
	p := &program{pass: pass, serves: serves(pass),
		defined: map[types.Object][]ast.Expr{}, unscoped: map[string]*reason{}}
	in.Preorder([]ast.Node{(*ast.AssignStmt)(nil), (*ast.ValueSpec)(nil), (*ast.KeyValueExpr)(nil)}, p.note)
	for _, file := range pass.Files {
		for _, group := range file.Comments {
			for _, comment := range group.List {
				p.noteReason(file, comment)
			}
		}
	}
	return p
}

// serves says whether a package uses a moat.DB or moatsql, and not only moat's words.
func serves(pass *analysis.Pass) bool {
	for _, used := range pass.TypesInfo.Uses {
		if used.Pkg() == nil {
			continue
		}
		if used.Pkg().Path() == moatsqlPath || used.Pkg().Path() == moatPath && used.Name() == "DB" {
			return true
		}
		if fn, ok := used.(*types.Func); ok {
			if receiver, _ := method(fn); receiver == "*"+moatPath+".DB" {
				return true
			}
			if name := function(fn); name == moatPath+".Open" || name == moatPath+".New" {
				return true
			}
		}
	}
	return false
}

const directive = "//moat:unscoped"

func (p *program) noteReason(file *ast.File, comment *ast.Comment) {
	text, ok := strings.CutPrefix(comment.Text, directive)
	if !ok {
		return
	}
	r := &reason{comment.Pos(), strings.TrimSpace(text)}
	at := p.pass.Fset.Position(comment.Pos())
	if p.afterCode(file, comment) {
		p.unscoped[line(at.Filename, at.Line)] = r
		return
	}
	p.unscoped[line(at.Filename, at.Line+1)] = r
}

// afterCode says whether a comment ends a line of code. It then speaks of that line, and
// must not let the next one pass.
func (p *program) afterCode(file *ast.File, comment *ast.Comment) bool {
	at, found := p.pass.Fset.Position(comment.Pos()).Line, false
	on := func(pos token.Pos) bool { return pos <= comment.Pos() && p.pass.Fset.Position(pos).Line == at }
	ast.Inspect(file, func(n ast.Node) bool {
		switch n.(type) {
		case nil, *ast.File, *ast.Comment, *ast.CommentGroup:
			return n != nil
		}
		found = found || on(n.Pos()) || on(n.End())
		return !found
	})
	return found
}

func line(file string, n int) string { return fmt.Sprintf("%s:%d", file, n) }

// reportReasons asks for what a comment without one leaves out.
func (p *program) reportReasons() {
	asked := map[*reason]bool{}
	for _, r := range p.unscoped {
		if r.text == "" && !asked[r] {
			asked[r] = true
			p.pass.Reportf(r.pos, "%s needs a reason", directive)
		}
	}
}

// call is a node that is a call, with the receiver and the name of the method; nil and "" otherwise.
func (p *program) call(n ast.Node) (call *ast.CallExpr, receiver, name string) {
	if call, _ = n.(*ast.CallExpr); call != nil {
		receiver, name = method(p.callee(call))
	}
	return call, receiver, name
}

// report reports a finding on a line that does not say it is meant.
func (p *program) report(at ast.Node, format string, args ...any) {
	where := p.pass.Fset.Position(at.Pos())
	if p.unscoped[line(where.Filename, where.Line)] == nil {
		p.pass.Reportf(at.Pos(), format, args...)
	}
}

// note remembers what an assignment, a declaration or a field of a literal assigns.
func (p *program) note(n ast.Node) {
	switch n := n.(type) {
	case *ast.AssignStmt:
		p.noteAll(n.Lhs, n.Rhs)
	case *ast.ValueSpec:
		names := make([]ast.Expr, len(n.Names))
		for i, name := range n.Names {
			names[i] = name
		}
		p.noteAll(names, n.Values)
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok {
			p.noteAll([]ast.Expr{key}, []ast.Expr{n.Value})
		}
	}
}

func (p *program) noteAll(to, from []ast.Expr) {
	for i, left := range to {
		object := p.object(left)
		switch {
		case object == nil || len(from) == 0:
		case len(from) == len(to):
			p.defined[object] = append(p.defined[object], from[i])
		case i == 0:
			p.defined[object] = append(p.defined[object], from[0]) // the first of a call's results
		}
	}
}

// object is the variable or field that an expression names; nil if it does not.
func (p *program) object(e ast.Expr) types.Object {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		return p.pass.TypesInfo.ObjectOf(e)
	case *ast.SelectorExpr:
		return p.pass.TypesInfo.ObjectOf(e.Sel)
	}
	return nil
}

// callee is the function or method that a call calls; nil if that is not known.
func (p *program) callee(call *ast.CallExpr) *types.Func {
	fn, _ := typeutil.Callee(p.pass.TypesInfo, call).(*types.Func)
	return fn
}

// method splits a method's full name: the type of its receiver, and its own name.
func method(fn *types.Func) (receiver, name string) {
	if fn == nil || fn.Signature().Recv() == nil {
		return "", ""
	}
	return types.TypeString(fn.Signature().Recv().Type(), nil), fn.Name()
}

// function is a function's full name, as in "context.Background"; "" for a method.
func function(fn *types.Func) string {
	if fn == nil || fn.Pkg() == nil || fn.Signature().Recv() != nil {
		return ""
	}
	return fn.Pkg().Path() + "." + fn.Name()
}

// comes follows an expression through variables and says whether it, or what all its
// variable's assignments assign, satisfies is.
func (p *program) comes(e ast.Expr, is func(ast.Expr) bool) bool {
	return p.follow(e, is, map[types.Object]bool{})
}

func (p *program) follow(e ast.Expr, is func(ast.Expr) bool, seen map[types.Object]bool) bool {
	if is(ast.Unparen(e)) {
		return true
	}
	object := p.object(e)
	if object == nil || seen[object] || len(p.defined[object]) == 0 {
		return false
	}
	seen[object] = true
	for _, from := range p.defined[object] {
		if !p.follow(from, is, seen) {
			return false
		}
	}
	return true
}
