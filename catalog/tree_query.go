package catalog

import (
	"slices"

	"github.com/moat-db/moat/internal/list"
)

// The kinds of sub-link (PostgreSQL's SubLinkType).
const (
	linkExists = 0
	linkAll    = 1
	linkAny    = 2
	linkExpr   = 4
	linkArray  = 6
)

// The kinds of range table entry (RTEKind) that columns are looked up in.
const (
	entryRelation = 0
	entrySubquery = 1
	entryJoin     = 2
	entryFunction = 3
	entryGroup    = 9
)

// subLink maps a subquery of an expression.
func (m *treeMapper) subLink(n *treeNode) *Node {
	q := n.node("subselect")
	if q == nil || q.tag != "QUERY" {
		return m.other(n)
	}
	mapped := &Node{Query: m.query(q)}
	switch n.number("subLinkType") {
	case linkExists:
		mapped.Kind, mapped.Type = NodeExists, "boolean"
	case linkExpr:
		mapped.Kind, mapped.Type = NodeSubquery, firstType(mapped.Query)
	case linkArray:
		mapped.Kind = NodeArrayQuery
	case linkAny, linkAll:
		if !m.comparison(n, mapped) {
			return &Node{Kind: NodeOther, Name: n.tag, Args: m.args(n.node("testexpr")), Query: mapped.Query}
		}
	default:
		return &Node{Kind: NodeOther, Name: n.tag, Args: m.args(n.node("testexpr")), Query: mapped.Query}
	}
	return mapped
}

func firstType(q *Query) string {
	if len(q.Select) == 0 {
		return ""
	}
	return q.Select[0].Type
}

// comparison reads the test of x op ANY (SELECT …): one operator over x and a
// parameter, or for a row one such for each column, ANDed, in the columns' order.
func (m *treeMapper) comparison(n *treeNode, mapped *Node) bool {
	test := n.node("testexpr")
	if test == nil {
		return false
	}
	parts := []*treeNode{test}
	if test.tag == "BOOLEXPR" && test.get("boolop").token == "and" {
		parts = test.nodes("args")
	}
	mapped.Kind, mapped.Type = NodeAnyQuery, "boolean"
	if n.number("subLinkType") == linkAll {
		mapped.Kind = NodeAllQuery
	}
	for i, part := range parts {
		args := part.nodes("args")
		if part.tag != "OPEXPR" || len(args) != 2 || paramOf(args[1]) != i+1 {
			return false
		}
		op := m.operator(part)
		if i > 0 && op.Name != mapped.Name {
			return false
		}
		mapped.Name, mapped.OID = op.Name, op.OID
		mapped.Args = append(mapped.Args, op.Args[0])
	}
	return true
}

// paramOf returns the number of the subquery's column that a test compares with,
// through the casts that the parser put around it, 0 when it is something else.
func paramOf(n *treeNode) int {
	for n != nil && n.tag != "PARAM" {
		switch n.tag {
		case "RELABELTYPE":
			n = n.node("arg")
		default:
			return 0
		}
	}
	return n.number("paramid")
}

// query maps a subquery and everything below it.
func (m *treeMapper) query(n *treeNode) *Query {
	inner := treeMapper{l: m.l, scopes: append(slices.Clone(m.scopes), &scope{})}
	q := &Query{}
	for _, cte := range n.nodes("cteList") {
		if body := cte.node("ctequery"); body != nil && body.tag == "QUERY" {
			q.Add(inner.query(body))
		}
	}
	for _, entry := range n.nodes("rtable") {
		inner.entry(entry, q)
	}
	if tree := n.node("jointree"); tree != nil {
		q.Where = Conjunction(inner.quals(tree))
	}
	q.SetOperation = n.node("setOperations") != nil
	if !q.SetOperation {
		for _, target := range n.nodes("targetList") {
			if !target.flag("resjunk") {
				q.Select = append(q.Select, inner.node(target))
			}
		}
	}
	having := inner.node(n.node("havingQual"))
	if having != nil {
		q.Where = Conjunction(append(q.Where.Conjuncts(), having))
	}
	q.Simple = isSimple(n) && len(q.Select) == 1
	q.Aggregate = n.flag("hasAggs") || having != nil || len(n.nodes("groupingSets")) > 0
	return q
}

// entry reads one entry of the range table. An entry comes after those
// that it mentions.
func (m *treeMapper) entry(n *treeNode, q *Query) {
	at := m.scopes[len(m.scopes)-1]
	e := rangeEntry{columns: columnNames(n)}
	switch n.number("rtekind") {
	case entryRelation:
		e.relation = n.oid("relid")
		q.AddTable(m.l.relationName(e.relation))
	case entrySubquery:
		if body := n.node("subquery"); body != nil && n.oid("relid") == 0 {
			sub := m.query(body)
			q.Add(sub)
			e.exprs = plainColumns(sub, len(at.tables)+1)
		}
	case entryJoin:
		e.exprs = m.args(n.nodes("joinaliasvars")...)
	case entryGroup:
		e.exprs = m.args(n.nodes("groupexprs")...)
	case entryFunction:
		for _, f := range n.nodes("functions") {
			call := m.node(f.node("funcexpr"))
			if call == nil {
				continue
			}
			q.Calls = append(q.Calls, call)
			if f.number("funccolcount") == 1 && len(e.exprs) == 0 {
				e.exprs = []*Node{call}
			}
		}
	}
	at.tables = append(at.tables, e)
}

// plainColumns returns what a subquery's columns are where that is a column of a
// table at its own level, nil where it is anything else. entry is the subquery's
// place in the reader's FROM.
func plainColumns(q *Query, entry int) []*Node {
	exprs := make([]*Node, len(q.Select))
	for i, n := range q.Select {
		if n != nil && n.Kind == NodeColumn && n.Level == 0 && n.Relation != (QName{}) {
			c := *n
			c.Entry = entry
			exprs[i] = &c
		}
	}
	return exprs
}

func columnNames(entry *treeNode) []string {
	eref := entry.node("eref")
	if eref == nil {
		return nil
	}
	return list.Map(eref.get("colnames").list, func(v treeValue) string { return v.token })
}

// quals returns the conditions of a FROM clause: those of inner joins as they are,
// those of outer joins as something that no rule considers a filter.
func (m *treeMapper) quals(n *treeNode) []*Node {
	var all []*Node
	switch n.tag {
	case "FROMEXPR":
		for _, from := range n.nodes("fromlist") {
			all = append(all, m.quals(from)...)
		}
		all = append(all, m.node(n.node("quals")).Conjuncts()...)
	case "JOINEXPR":
		var below []*Node
		for _, side := range []string{"larg", "rarg"} {
			if from := n.node(side); from != nil {
				below = append(below, m.quals(from)...)
			}
		}
		on := append(below, m.node(n.node("quals")).Conjuncts()...)
		if n.number("jointype") != 0 && len(on) > 0 {
			on = []*Node{{Kind: NodeOther, Name: "OUTER JOIN", Args: on}}
		}
		all = append(all, on...)
	}
	return all
}

// isSimple reports whether a query is SELECT expr and nothing more.
func isSimple(n *treeNode) bool {
	if tree := n.node("jointree"); tree != nil && (len(tree.nodes("fromlist")) > 0 || tree.node("quals") != nil) {
		return false
	}
	if slices.ContainsFunc([]string{"hasAggs", "hasWindowFuncs", "hasTargetSRFs"}, n.flag) {
		return false
	}
	for _, field := range []string{"groupClause", "groupingSets", "havingQual", "limitCount", "limitOffset",
		"setOperations", "cteList"} {
		if v := n.get(field); v.node != nil || len(v.list) > 0 {
			return false
		}
	}
	return true
}
