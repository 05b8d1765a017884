package body

import (
	"cmp"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// The binding strengths of PostgreSQL's operators, weakest first (manual, 4.1.6).
const (
	bindOr = iota + 1
	bindAnd
	bindNot
	bindIs
	bindCompare
	bindIn
	bindOther
	bindAdd
	bindMultiply
	bindPower
	bindAt
	bindCollate
	bindSign
	bindSubscript
	bindCast
)

// strength is that of the operator that comes next, 0 for none.
func (r *reader) strength() int {
	t := r.peek()
	if t.Kind != sqltext.Word && t.Kind != sqltext.Symbol {
		return 0
	}
	switch strings.ToLower(t.Text) {
	case "or":
		return bindOr
	case "and":
		return bindAnd
	case "is", "isnull", "notnull":
		return bindIs
	case "=", "<", ">", "<=", ">=", "<>", "!=":
		return bindCompare
	case "in", "like", "ilike", "between", "similar":
		return bindIn
	case "not":
		if slices.ContainsFunc([]string{"in", "like", "ilike", "between", "similar"}, r.ahead(1).Is) {
			return bindIn
		}
		return 0
	case "+", "-":
		return bindAdd
	case "*", "/", "%":
		return bindMultiply
	case "^":
		return bindPower
	case "at":
		return bindAt
	case "collate":
		return bindCollate
	case "[":
		return bindSubscript
	case "::":
		return bindCast
	case "=>", ":=": // of a call's arguments and of PL/pgSQL
		return 0
	}
	if t.Kind == sqltext.Symbol && strings.Trim(t.Text, "+-*/<>=~!@#%^&|`?") == "" {
		return bindOther
	}
	return 0
}

// expr reads an expression whose operators bind at least as strongly as min.
func (r *reader) expr(min int) *catalog.Node {
	r.deeper()
	left := r.prefix()
	for {
		strength := r.strength()
		if strength == 0 || strength < min {
			r.depth--
			return left
		}
		left = r.infix(left, r.take(), strength)
	}
}

func (r *reader) prefix() *catalog.Node {
	switch {
	case r.accept("not"):
		return condition(catalog.NodeNot, "", r.expr(bindNot))
	case r.accept("-"):
		arg := r.expr(bindSign)
		if arg.Kind == catalog.NodeConst && arg.Type == "integer" {
			return constant(arg.Type, "-"+arg.Value)
		}
		return unknown("sign", arg)
	case r.accept("+"):
		return r.expr(bindSign)
	}
	return r.primary()
}

func (r *reader) infix(left *catalog.Node, t sqltext.Token, strength int) *catalog.Node {
	switch strength {
	case bindOr:
		return condition(catalog.NodeOr, "", left, r.expr(strength+1))
	case bindAnd:
		return condition(catalog.NodeAnd, "", left, r.expr(strength+1))
	case bindIs:
		return r.isTest(left, t)
	case bindIn:
		return r.inTest(left, t)
	case bindAt:
		r.expect("time", "zone")
		return unknown("at time zone", left, r.expr(strength+1))
	case bindCollate:
		r.path()
		return unknown("COLLATE", left)
	case bindSubscript:
		return r.subscript(left)
	case bindCast:
		return cast(left, r.typeName())
	case bindCompare, bindOther:
		if r.next("any", "some", "all") {
			return r.anyTest(left, t)
		}
	}
	return operator(t.Text, left, r.expr(strength+1))
}

func operator(name string, args ...*catalog.Node) *catalog.Node {
	if name == "!=" {
		name = "<>"
	}
	return node(catalog.NodeOperator, name, args...)
}

func cast(n *catalog.Node, typeName string) *catalog.Node {
	return &catalog.Node{Kind: catalog.NodeCast, Name: "text form", Type: typeName, Args: []*catalog.Node{n}}
}

// isTest reads what follows IS.
func (r *reader) isTest(left *catalog.Node, t sqltext.Token) *catalog.Node {
	not := t.Is("notnull") || r.accept("not")
	word := "null"
	if t.Is("is") {
		word = r.name()
	}
	name := "is " + word
	if not {
		name = "is not " + word
	}
	switch word {
	case "null":
		return condition(catalog.NodeNullTest, name, left)
	case "true", "false", "unknown":
		return condition(catalog.NodeBoolTest, name, left)
	case "distinct":
		r.expect("from")
		return negated(not, condition(catalog.NodeDistinct, "=", left, r.expr(bindIs+1)))
	}
	r.refuse()
	return nil
}

func negated(not bool, n *catalog.Node) *catalog.Node {
	if !not {
		return n
	}
	return condition(catalog.NodeNot, "", n)
}

// inTest reads what follows IN, LIKE and BETWEEN, NOT before them or not.
func (r *reader) inTest(left *catalog.Node, t sqltext.Token) *catalog.Node {
	not := t.Is("not")
	if not {
		t = r.take()
	}
	var n *catalog.Node
	switch {
	case t.Is("in"):
		n = r.inList(left)
	case t.Is("between"):
		r.accept("symmetric")
		low := r.expr(bindIn + 1)
		r.expect("and")
		n = unknown("between", left, low, r.expr(bindIn+1))
	default:
		if t.Is("similar") {
			r.expect("to")
		}
		n = operator("~~", left, r.expr(bindIn+1))
		if r.accept("escape") {
			n.Args = append(n.Args, r.expr(bindIn+1))
		}
	}
	return negated(not, n)
}

func (r *reader) inList(left *catalog.Node) *catalog.Node {
	if q := r.subselect(); q != nil {
		n := condition(catalog.NodeAnyQuery, "=", left)
		n.Query = q
		return n
	}
	r.expect("(")
	return condition(catalog.NodeAny, "=", left, node(catalog.NodeArray, "", r.list(")")...))
}

// anyTest reads what follows x op: ANY (…) or ALL (…).
func (r *reader) anyTest(left *catalog.Node, op sqltext.Token) *catalog.Node {
	kind, queryKind := catalog.NodeAny, catalog.NodeAnyQuery
	if r.take().Is("all") {
		kind, queryKind = catalog.NodeAll, catalog.NodeAllQuery
	}
	n := operator(op.Text, left)
	n.Kind, n.Type = kind, "boolean"
	if q := r.subselect(); q != nil {
		n.Kind, n.Query = queryKind, q
		return n
	}
	r.expect("(")
	n.Args = append(n.Args, r.expr(0))
	r.expect(")")
	return n
}

// subscript reads what follows "[". The node is PostgreSQL's: the subscripts stand
// before what they are taken of.
func (r *reader) subscript(left *catalog.Node) *catalog.Node {
	n := node(catalog.NodeOther, "SUBSCRIPTINGREF")
	for !r.accept("]") {
		if r.accept(":") {
			n.Name = "slice"
			continue
		}
		n.Args = append(n.Args, r.expr(0))
	}
	n.Args = append(n.Args, left)
	return n
}

// list reads expressions up to what closes them.
func (r *reader) list(end string) []*catalog.Node {
	var all []*catalog.Node
	for !r.accept(end) {
		all = append(all, r.expr(0))
		if !r.next(end) {
			r.expect(",")
		}
	}
	return all
}

// subselect reads (SELECT …), nil where something else stands in the parenthesis.
func (r *reader) subselect() (q *catalog.Query) {
	n := 0
	for r.ahead(n).Is("(") {
		n++
	}
	if next := r.ahead(n); n > 0 && (next.Is("select") || next.Is("with")) {
		r.try(func() { q = r.parenthesised() })
	}
	return q
}

// path reads a name with what qualifies it.
func (r *reader) path() []string {
	parts := []string{r.name()}
	for r.accept(".") {
		parts = append(parts, r.name())
	}
	return parts
}

// typeName reads a type's name into the form that format_type prints. What is
// shortened to fit, or is a type of the user's, is none that values keep apart in.
func (r *reader) typeName() string {
	parts := r.path()
	name := canonicalType(parts[len(parts)-1])
	switch {
	case len(parts) > 1 && parts[0] != "pg_catalog":
		name = "?"
	case name == "character" && r.accept("varying"):
		name = "character varying"
	case name == "double":
		r.expect("precision")
	}
	if r.accept("(") {
		r.list(")")
		name += "(…)"
	}
	if (r.next("with") || r.next("without")) && r.ahead(1).Is("time") {
		r.at++
		r.expect("time", "zone")
	}
	for r.accept("[") {
		if !r.next("]") {
			r.at++ // a size, which PostgreSQL ignores
		}
		r.expect("]")
		name = strings.TrimSuffix(name, "[]") + "[]"
	}
	return name
}

func canonicalType(name string) string {
	return cmp.Or(map[string]string{"int": "integer", "int4": "integer", "int8": "bigint", "int2": "smallint",
		"bool": "boolean", "varchar": "character varying", "decimal": "numeric"}[name], name)
}
