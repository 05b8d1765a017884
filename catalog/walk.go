package catalog

import (
	"iter"
	"slices"
)

// All returns every node of an expression, those of its sub-queries too, each before
// what stands below it; none for nil.
func (n *Node) All() iter.Seq[*Node] { return func(yield func(*Node) bool) { n.each(yield) } }

func (n *Node) each(yield func(*Node) bool) bool {
	if n == nil {
		return true
	}
	return yield(n) && eachOf(n.Args, yield) && n.Query.each(yield)
}

func (q *Query) each(yield func(*Node) bool) bool {
	if q == nil {
		return true
	}
	for _, sub := range q.From {
		if !sub.each(yield) {
			return false
		}
	}
	return eachOf(q.Select, yield) && eachOf(q.Calls, yield) && q.Where.each(yield)
}

func eachOf(nodes []*Node, yield func(*Node) bool) bool {
	return !slices.ContainsFunc(nodes, func(n *Node) bool { return !n.each(yield) })
}

// Has says whether a node of one of the kinds stands anywhere in an expression.
func (n *Node) Has(kinds ...NodeKind) bool {
	for at := range n.All() {
		if slices.Contains(kinds, at.Kind) {
			return true
		}
	}
	return false
}

// Exprs are the expressions that a policy has, USING before WITH CHECK.
func (p *Policy) Exprs() []*Expr {
	return slices.DeleteFunc([]*Expr{p.Using, p.Check}, func(e *Expr) bool { return e == nil })
}
