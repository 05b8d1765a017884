package body

import (
	"maps"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// scope is one SELECT's FROM.
type scope struct{ tables []table }

// table is one entry of a FROM: a relation, or what a subquery or a function gives.
type table struct {
	alias    string
	relation *catalog.Relation
	entry    int
	columns  map[string]*catalog.Node // of what is not a relation
	within   []table                  // where a subquery's * comes from
	opaque   bool                     // it may have columns besides
}

// column returns what a column of the table is, nil where it has none of the name.
func (t *table) column(name string) *catalog.Node {
	if t.relation != nil {
		c := t.relation.Column(name)
		if c == nil {
			return nil
		}
		return &catalog.Node{Kind: catalog.NodeColumn, Relation: t.relation.QName(), Column: name,
			Type: c.Type, Entry: t.entry}
	}
	if n := t.columns[name]; n != nil {
		return n
	}
	for i := range t.within {
		if n := t.within[i].column(name); n != nil {
			return n
		}
	}
	return nil
}

// common is a common table expression: where its SELECT stands, and in how many scopes.
// It is read again wherever it is named, as if it stood there.
type common struct{ at, scopes int }

// parenthesised reads (SELECT …).
func (r *reader) parenthesised() *catalog.Query {
	r.deeper()
	r.expect("(")
	q := r.query()
	r.expect(")")
	r.depth--
	return q
}

// query reads a SELECT, or several in a set operation.
func (r *reader) query() *catalog.Query {
	r.deeper()
	with := r.with
	if r.accept("with") {
		r.commons()
	}
	all := &catalog.Query{SetOperation: true}
	q := r.operand()
	all.Add(raised(q))
	for r.accept("union") || r.accept("intersect") || r.accept("except") {
		_ = r.accept("all") || r.accept("distinct")
		all.Add(raised(r.operand()))
	}
	r.tail()
	r.with = with
	r.depth--
	if len(all.From) > 1 {
		return all
	}
	return q
}

// raised is a query as a branch of a set operation: one level further in.
func raised(q *catalog.Query) *catalog.Query {
	return (&catalog.Node{Query: q}).Raised(1).Query
}

// operand reads what a set operation puts together.
func (r *reader) operand() *catalog.Query {
	if r.next("(") {
		return r.parenthesised()
	}
	r.scopes = append(r.scopes, &scope{})
	q, _ := r.selection()
	r.scopes = r.scopes[:len(r.scopes)-1]
	return q
}

// commons reads what follows WITH. One that refers to itself, or writes, is not read.
func (r *reader) commons() {
	with := map[string]common{}
	maps.Copy(with, r.with)
	r.with = with
	for {
		name := r.name()
		r.expect("as")
		_ = r.accept("not", "materialized") || r.accept("materialized")
		with[name] = common{r.at, len(r.scopes)}
		if !r.ahead(1).Is("select") {
			r.refuse()
		}
		r.skipParentheses()
		if !r.accept(",") {
			return
		}
	}
}

// tail passes over ORDER BY, LIMIT and the like, none of which adds a row.
func (r *reader) tail() {
	if r.next("order", "limit", "offset", "fetch", "for") {
		r.skipTo("union", "intersect", "except")
	}
}

// selection reads one SELECT in the innermost scope, and the names of its columns.
func (r *reader) selection() (*catalog.Query, []string) {
	if !r.accept("select") {
		r.expect("perform") // PL/pgSQL's SELECT of which nothing is kept
	}
	if r.accept("distinct") && r.next("on") {
		r.refuse()
	}
	// The target list stands before FROM and is read after it.
	targets := r.at
	r.skipTo("from", "where", "group", "having", "union", "intersect", "except", "order", "limit", "offset")
	end := r.at
	q := &catalog.Query{}
	r.clauses(q)
	after := r.at
	r.at = targets
	names := r.targets(q, end)
	r.at = after
	return q, names
}

// clauses reads what follows the target list.
func (r *reader) clauses(q *catalog.Query) {
	start := r.at
	if r.accept("from") {
		r.from(q)
	}
	if r.accept("where") {
		r.filter(q)
	}
	if r.next("group", "having") {
		// GROUP BY () and HAVING make a row of none.
		q.Aggregate = true
		r.skipTo("union", "intersect", "except", "order", "limit", "offset", "fetch", "for")
	}
	q.Simple = r.at == start
}

// filter reads a condition and ANDs it to the query's.
func (r *reader) filter(q *catalog.Query) { and(q, r.expr(0)) }

func and(q *catalog.Query, n *catalog.Node) {
	q.Where = catalog.Conjunction(append(q.Where.Conjuncts(), n.Conjuncts()...))
}

func (r *reader) targets(q *catalog.Query, end int) (names []string) {
	for r.at < end {
		n, name := unknown("*"), "*"
		if !r.accept("*") {
			n, name = r.target()
		}
		q.Select, names = append(q.Select, n), append(names, name)
		if r.at < end {
			r.expect(",")
		}
	}
	if r.at != end { // none at all is EXISTS (SELECT FROM …)
		r.refuse()
	}
	q.Aggregate = q.Aggregate || slices.ContainsFunc(q.Select, r.aggregates)
	q.Simple = q.Simple && len(q.Select) == 1
	return names
}

// target reads an expression of a target list with its name.
func (r *reader) target() (*catalog.Node, string) {
	at := r.at
	n := r.expr(0)
	if n.Kind == catalog.NodeOther && n.Name == "*" {
		return n, "*"
	}
	if r.accept("as") || r.peek().IsName() && !r.ends() {
		return n, r.name()
	}
	if last := r.tokens[r.at-1]; last.IsName() && (r.at == at+1 || r.tokens[r.at-2].Is(".")) {
		return n, last.Name()
	}
	if n.Kind == catalog.NodeFunction {
		return n, n.Name[strings.LastIndexByte(n.Name, '.')+1:]
	}
	return n, ""
}

// ends reports whether a word ends what an alias might follow.
func (r *reader) ends() bool {
	t := r.peek()
	return t.Kind == sqltext.Word && sqltext.IsKeyword(t.Name())
}

// aggregates reports whether an expression may make one row of all, even of none:
// whatever calls a function of PostgreSQL's that is not known not to.
func (r *reader) aggregates(n *catalog.Node) bool {
	for n := range n.All() {
		if n.Kind == catalog.NodeFunction && r.mayAggregate(n) {
			return true
		}
	}
	return false
}

func (r *reader) mayAggregate(n *catalog.Node) bool {
	if f := r.l.Function(n.OID); n.OID != 0 && f != nil {
		return f.Kind != "function"
	}
	name, builtin := strings.CutPrefix(n.Name, "pg_catalog.")
	return !builtin || !IsBuiltin(name) || isAggregate(name)
}
