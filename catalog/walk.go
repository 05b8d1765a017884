package catalog

import (
	"iter"
	"slices"

	"github.com/moat-db/moat/internal/list"
)

// All returns every node of an expression, those of its subqueries too, each before
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

// Has reports whether a node of one of the kinds stands anywhere in an expression.
func (n *Node) Has(kinds ...NodeKind) bool {
	for at := range n.All() {
		if slices.Contains(kinds, at.Kind) {
			return true
		}
	}
	return false
}

// Map returns a copy of an expression, subqueries included, with what put returns in
// the place of each node for which that is not nil. depth counts the query levels
// between the expression and the node.
func (n *Node) Map(put func(n *Node, depth int) *Node) *Node { return n.mapped(put, 0) }

func (n *Node) mapped(put func(*Node, int) *Node, depth int) *Node {
	if n == nil {
		return nil
	}
	if other := put(n, depth); other != nil {
		return other
	}
	c := *n
	c.Args = mapAll(n.Args, put, depth)
	c.Query = n.Query.mapped(put, depth+1)
	return &c
}

func (q *Query) mapped(put func(*Node, int) *Node, depth int) *Query {
	if q == nil {
		return nil
	}
	c := *q
	c.Select, c.Calls, c.Where = mapAll(q.Select, put, depth), mapAll(q.Calls, put, depth), q.Where.mapped(put, depth)
	c.From = list.Map(q.From, func(sub *Query) *Query { return sub.mapped(put, depth+1) })
	return &c
}

func mapAll(nodes []*Node, put func(*Node, int) *Node, depth int) []*Node {
	if nodes == nil {
		return nil
	}
	return list.Map(nodes, func(n *Node) *Node { return n.mapped(put, depth) })
}

// Raised returns a copy of an expression of one query level as seen from so many levels
// further in: what it reads of its own level, or of those around it, is further out.
func (n *Node) Raised(by int) *Node {
	if by == 0 {
		return n
	}
	return n.Map(func(n *Node, depth int) *Node {
		if n.Kind != NodeColumn && n.Kind != NodeParam || n.Level < depth {
			return nil
		}
		c := *n
		c.Level += by
		return &c
	})
}

// Exprs are the expressions that a policy has, USING before WITH CHECK.
func (p *Policy) Exprs() []*Expr {
	return slices.DeleteFunc([]*Expr{p.Using, p.Check}, func(e *Expr) bool { return e == nil })
}
