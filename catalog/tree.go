package catalog

import "cmp"

// treeMapper turns PostgreSQL's parse tree into Nodes with every number resolved.
type treeMapper struct {
	l      *loader
	scopes []*scope // outermost first
}

// scope is one query level: what a VAR's varno counts in.
type scope struct {
	tables []rangeEntry
}

// rangeEntry is an entry of a range table, as far as columns need it.
type rangeEntry struct {
	relation OID      // of a table or view
	columns  []string // names at the time the tree was made
	// exprs are what the columns stand for: in a join, a grouping or a subquery.
	// They belong to this query level.
	exprs []*Node
}

// mapTree reads the stored form of an expression over one relation.
func (l *loader) mapTree(root *treeNode, relation OID) *Node {
	m := treeMapper{l: l, scopes: []*scope{{tables: []rangeEntry{{relation: relation}}}}}
	return m.node(root)
}

// node maps one node; a nil node stays nil. A node without the arguments that its
// kind has is one that this reader does not know.
func (m *treeMapper) node(n *treeNode) *Node {
	if n == nil {
		return nil
	}
	mapped := m.known(n)
	if len(mapped.Args) < mapped.Kind.arguments() {
		return m.other(n)
	}
	return mapped
}

// arguments is how many a node of a kind has at least.
func (k NodeKind) arguments() int {
	switch k {
	case NodeNot, NodeNullTest, NodeBoolTest, NodeCast, NodeCollate, NodeCoalesce, NodeAnd, NodeOr,
		NodeAnyQuery, NodeAllQuery:
		return 1
	case NodeAny, NodeAll, NodeDistinct, NodeNullIf:
		return 2
	}
	return 0
}

func (m *treeMapper) known(n *treeNode) *Node {
	switch n.tag {
	case "VAR":
		return m.column(n)
	case "CONST":
		return m.constant(n)
	case "OPEXPR", "DISTINCTEXPR", "NULLIFEXPR", "SCALARARRAYOPEXPR":
		return m.operator(n)
	case "FUNCEXPR":
		return m.function(n)
	case "AGGREF":
		return m.aggregate(n)
	case "BOOLEXPR":
		return m.boolean(n)
	case "RELABELTYPE", "COERCEVIAIO", "ARRAYCOERCEEXPR", "COERCETODOMAIN", "CONVERTROWTYPEEXPR":
		to := m.l.typeNames[n.oid("resulttype")]
		return &Node{Kind: NodeCast, Name: cmp.Or(castNames[n.tag], "row"), Type: to, Args: m.args(n.node("arg"))}
	case "COLLATEEXPR", "COLLATE":
		if m.l.exactly[n.oid("collOid")] {
			return &Node{Kind: NodeCollate, Args: m.args(n.node("arg"))}
		}
	case "NULLTEST":
		return m.test(n, NodeNullTest, "nulltesttype", "is null", "is not null")
	case "BOOLEANTEST":
		return m.test(n, NodeBoolTest, "booltesttype",
			"is true", "is not true", "is false", "is not false", "is unknown", "is not unknown")
	case "COALESCE", "COALESCEEXPR":
		return &Node{Kind: NodeCoalesce, Type: m.l.typeNames[n.oid("coalescetype")], Args: m.args(n.nodes("args")...)}
	case "CASE", "CASEEXPR":
		return m.switchNode(n)
	case "ARRAY", "ARRAYEXPR":
		return &Node{Kind: NodeArray, Type: m.l.typeNames[n.oid("array_typeid")], Args: m.args(n.nodes("elements")...)}
	case "SQLVALUEFUNCTION":
		return &Node{Kind: NodeValue, Name: valueName(n.number("op")), Type: m.l.typeNames[n.oid("type")]}
	case "SUBLINK":
		return m.subLink(n)
	case "TARGETENTRY":
		if expr := m.node(n.node("expr")); expr != nil {
			return expr
		}
	case "QUERY":
		return &Node{Kind: NodeOther, Name: n.tag, Query: m.query(n)}
	}
	return m.other(n)
}

// castNames names the casts that are no function: "relabel" changes the type and
// not a bit of the value, so that an index still serves.
var castNames = map[string]string{"RELABELTYPE": "relabel", "COERCEVIAIO": "text form",
	"ARRAYCOERCEEXPR": "each element", "COERCETODOMAIN": "domain"}

func (m *treeMapper) args(nodes ...*treeNode) []*Node {
	var all []*Node
	for _, n := range nodes {
		if mapped := m.node(n); mapped != nil {
			all = append(all, mapped)
		}
	}
	return all
}

// other keeps a node that no rule knows, with the expressions and queries below it,
// so that what it reads can still be told.
func (m *treeMapper) other(n *treeNode) *Node {
	o := &Node{Kind: NodeOther, Name: n.tag}
	for _, f := range n.fields {
		if f.value.node != nil {
			o.Args = append(o.Args, m.node(f.value.node))
		}
		for _, v := range f.value.list {
			if v.node != nil {
				o.Args = append(o.Args, m.node(v.node))
			}
		}
	}
	return o
}

func (m *treeMapper) operator(n *treeNode) *Node {
	op := m.l.operators[n.oid("opno")]
	mapped := &Node{Kind: NodeOperator, Name: op.Name, OID: op.OID,
		Type: m.l.typeNames[n.oid("opresulttype")], Args: m.args(n.nodes("args")...)}
	if op.Schema != "pg_catalog" {
		mapped.Name = op.Schema + "." + op.Name
	}
	switch {
	case n.tag == "DISTINCTEXPR":
		mapped.Kind = NodeDistinct
	case n.tag == "NULLIFEXPR":
		mapped.Kind = NodeNullIf
	case n.tag == "SCALARARRAYOPEXPR" && n.flag("useOr"):
		mapped.Kind, mapped.Type = NodeAny, "boolean"
	case n.tag == "SCALARARRAYOPEXPR":
		mapped.Kind, mapped.Type = NodeAll, "boolean"
	}
	return mapped
}

// function tells casts, which are functions too, from calls.
func (m *treeMapper) function(n *treeNode) *Node {
	const explicitCast, implicitCast = 1, 2
	oid := n.oid("funcid")
	mapped := &Node{Kind: NodeFunction, Name: m.l.functionsBy[oid].String(), OID: oid,
		Type: m.l.typeNames[n.oid("funcresulttype")], Args: m.args(n.nodes("args")...)}
	if format := n.number("funcformat"); format == explicitCast || format == implicitCast {
		mapped.Kind = NodeCast
		if len(mapped.Args) > 1 {
			// What follows is a length, which cuts values off: no such type is exact.
			mapped.Type += "(…)"
			mapped.Args = mapped.Args[:1]
		}
	}
	return mapped
}

func (m *treeMapper) aggregate(n *treeNode) *Node {
	oid := n.oid("aggfnoid")
	return &Node{Kind: NodeFunction, Name: m.l.functionsBy[oid].String(), OID: oid,
		Type: m.l.typeNames[n.oid("aggtype")], Args: m.args(n.nodes("args")...)}
}

func (m *treeMapper) boolean(n *treeNode) *Node {
	mapped := &Node{Type: "boolean", Args: m.args(n.nodes("args")...)}
	switch n.get("boolop").token {
	case "and":
		mapped.Kind = NodeAnd
	case "or":
		mapped.Kind = NodeOr
	case "not":
		mapped.Kind = NodeNot
	default:
		mapped.Kind, mapped.Name = NodeOther, n.tag
	}
	return mapped
}

func (m *treeMapper) test(n *treeNode, kind NodeKind, field string, names ...string) *Node {
	mapped := &Node{Kind: kind, Type: "boolean", Args: m.args(n.node("arg"))}
	i := n.number(field)
	if i < 0 || i >= len(names) {
		return m.other(n)
	}
	mapped.Name = names[i]
	return mapped
}

// switchNode flattens CASE; the form CASE x WHEN y is left unknown.
func (m *treeMapper) switchNode(n *treeNode) *Node {
	if n.node("arg") != nil {
		return m.other(n)
	}
	mapped := &Node{Kind: NodeCase, Type: m.l.typeNames[n.oid("casetype")]}
	for _, when := range n.nodes("args") {
		mapped.Args = append(mapped.Args, m.args(when.node("expr"), when.node("result"))...)
	}
	mapped.Args = append(mapped.Args, m.args(n.node("defresult"))...)
	return mapped
}

// valueName names an SQLValueFunctionOp.
func valueName(op int) string {
	names := []string{"current_date", "current_time", "current_time", "current_timestamp", "current_timestamp",
		"localtime", "localtime", "localtimestamp", "localtimestamp",
		"current_role", "current_user", "user", "session_user", "current_catalog", "current_schema"}
	if op < 0 || op >= len(names) {
		return ""
	}
	return names[op]
}

// column resolves a VAR through its query level's range table.
func (m *treeMapper) column(n *treeNode) *Node {
	level := n.number("varlevelsup")
	mapped := &Node{Kind: NodeColumn, Level: level, Type: m.l.typeNames[n.oid("vartype")]}
	at := len(m.scopes) - 1 - level
	if at < 0 {
		return m.other(n)
	}
	number := n.number("varno")
	if number < 1 || number > len(m.scopes[at].tables) {
		return m.other(n)
	}
	mapped.Entry = number
	entry, attribute := m.scopes[at].tables[number-1], n.number("varattno")
	switch {
	case entry.relation != 0:
		mapped.Relation = m.l.relationName(entry.relation)
		mapped.Column = m.l.attribute(entry, attribute)
	case attribute >= 1 && attribute <= len(entry.exprs) && entry.exprs[attribute-1] != nil:
		return entry.exprs[attribute-1].Raised(level)
	case attribute >= 1 && attribute <= len(entry.columns):
		mapped.Column = entry.columns[attribute-1]
	case attribute == 0:
		mapped.Column = "*"
	}
	return mapped
}

// attribute names an attribute: by the catalog, which knows renames, else by what
// the tree remembers.
func (l *loader) attribute(entry rangeEntry, number int) string {
	if number == 0 {
		return "*"
	}
	if number < 0 {
		names := []string{"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"}
		return names[min(-number, len(names))-1]
	}
	if name := l.columnNames[entry.relation][int16(number)]; name != "" {
		return name
	}
	if number <= len(entry.columns) {
		return entry.columns[number-1]
	}
	return ""
}
