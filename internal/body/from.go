package body

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

// from reads the tables of FROM and the joins between them.
func (r *reader) from(q *catalog.Query) {
	for {
		r.item(q, false)
		for r.join(q) {
		}
		if !r.accept(",") {
			return
		}
	}
}

// join reads one join. What an outer one is ON filters nothing.
func (r *reader) join(q *catalog.Query) bool {
	outer := false
	switch {
	case r.accept("cross", "join"):
		r.item(q, false)
		return true
	case r.accept("inner", "join"), r.accept("join"):
	case r.accept("left", "join"), r.accept("left", "outer", "join"):
		outer = true
	case r.next("right", "full", "natural"):
		r.refuse()
	default:
		return false
	}
	before := q.Where
	q.Where = nil
	r.item(q, outer)
	r.joinCondition(q)
	on := q.Where
	if outer {
		on = unknown("OUTER JOIN", on)
	}
	q.Where = before
	and(q, on)
	return true
}

func (r *reader) joinCondition(q *catalog.Query) {
	if r.accept("on") {
		r.filter(q)
		return
	}
	r.expect("using", "(")
	tables := r.scopes[len(r.scopes)-1].tables
	right := &tables[len(tables)-1]
	for {
		name := r.name()
		var x *catalog.Node
		for i := range tables[:len(tables)-1] {
			if n := tables[i].column(name); n != nil {
				x = n
				break
			}
		}
		y := right.column(name)
		if x == nil || y == nil {
			r.refuse()
		}
		and(q, operator("=", x, y))
		if r.accept(")") {
			return
		}
		r.expect(",")
	}
}

// item reads a table, a function or a subquery with its alias.
func (r *reader) item(q *catalog.Query, outer bool) {
	r.accept("lateral")
	var t table
	if r.next("(") {
		t = r.derived(q, outer)
	} else {
		path := r.path()
		t.alias = path[len(path)-1]
		c, known := r.with[t.alias]
		switch {
		case len(path) > 2:
			r.refuse()
		case r.next("("):
			r.functionItem(q, &t, path)
		case known && len(path) == 1:
			columns := r.common(q, c, outer)
			columns.alias = t.alias
			t = columns
		default:
			r.relationItem(q, &t, path)
		}
	}
	r.alias(&t)
	s := r.scopes[len(r.scopes)-1]
	s.tables = append(s.tables, t)
}

func (r *reader) relationItem(q *catalog.Query, t *table, path []string) {
	if t.relation = r.relation(path); t.relation == nil {
		r.refuse()
	}
	r.entry++
	t.entry = r.entry
	q.AddTable(t.relation.QName())
}

// relation resolves a table's name as the function would, then where only one has it.
func (r *reader) relation(path []string) *catalog.Relation {
	name := path[len(path)-1]
	if len(path) == 2 {
		return r.l.Relation(catalog.QName{Schema: path[0], Name: name})
	}
	for _, schema := range r.schemas() {
		if found := r.l.Relation(catalog.QName{Schema: schema, Name: name}); found != nil {
			return found
		}
	}
	var found *catalog.Relation
	for i := range r.l.Snapshot.Relations {
		if one := &r.l.Snapshot.Relations[i]; one.Name == name {
			if found != nil {
				return nil
			}
			found = one
		}
	}
	return found
}

// functionItem reads a function in FROM. Its one column is called as the function is,
// or as its alias; of several nothing is known.
func (r *reader) functionItem(q *catalog.Query, t *table, path []string) {
	call := r.call(path)
	q.Calls = append(q.Calls, call)
	if !r.givesOneColumn(call) {
		t.opaque = true
		return
	}
	t.columns = map[string]*catalog.Node{t.alias: call}
	if f := r.l.Function(call.OID); call.OID != 0 && f != nil {
		for _, p := range f.Params {
			if !p.IsInput() && p.Name != "" {
				t.columns[p.Name] = call
			}
		}
	}
}

func (r *reader) givesOneColumn(call *catalog.Node) bool {
	if f := r.l.Function(call.OID); call.OID != 0 && f != nil {
		table := strings.HasPrefix(f.Result, "TABLE(") && len(f.Params) == len(f.Inputs())+1
		return table || Exact(strings.TrimPrefix(f.Result, "SETOF "))
	}
	switch call.Name {
	case "pg_catalog.unnest", "pg_catalog.jsonb_array_elements_text", "pg_catalog.json_array_elements_text",
		"pg_catalog.jsonb_array_elements", "pg_catalog.json_array_elements":
		return len(call.Args) == 1
	}
	return false
}

// alias reads [AS] name [(columns)].
func (r *reader) alias(t *table) {
	if r.accept("as") || r.peek().IsName() && !r.ends() {
		old := t.alias
		t.alias = r.name()
		if n := t.columns[old]; n != nil && len(t.columns) == 1 {
			t.columns[t.alias] = n
		}
	}
	if !r.next("(") {
		return
	}
	if len(t.columns) == 1 && r.ahead(2).Is(")") {
		for _, n := range t.columns {
			t.columns = map[string]*catalog.Node{r.ahead(1).Name(): n}
		}
	} else {
		*t = table{alias: t.alias, opaque: true}
	}
	r.skipParentheses()
}

// derived reads a subquery of FROM. Where each of its rows is one of its own FROM's,
// that and its conditions become the query's. Of any other nothing is known.
func (r *reader) derived(q *catalog.Query, outer bool) table {
	r.deeper()
	start, top := r.at, len(r.scopes)-1
	own, inner := r.scopes[top], &scope{}
	r.scopes[top] = inner // what stands next to it is out of its sight
	var sub *catalog.Query
	var names []string
	flat := r.try(func() {
		r.expect("(")
		sub, names = r.selection()
		r.tail()
		r.expect(")")
		if sub.Aggregate {
			r.refuse()
		}
	})
	t := table{opaque: true}
	switch {
	case flat:
		t = spread(q, sub, names, inner.tables, outer)
	case r.ahead(1).Is("values"):
		r.skipParentheses()
	default:
		r.at, r.scopes[top] = start, &scope{}
		q.Add(r.parenthesised())
	}
	r.scopes[top] = own
	r.depth--
	return t
}

// spread makes a subquery a part of q, and returns its columns. On the outer side of
// a join they may be NULL in place of what they are: columns of tables alone stay.
func spread(q, sub *catalog.Query, names []string, tables []table, outer bool) table {
	and(q, sub.Where)
	q.Calls, q.From = append(q.Calls, sub.Calls...), append(q.From, sub.From...)
	for _, name := range sub.Tables {
		q.AddTable(name)
	}
	t := table{columns: map[string]*catalog.Node{}}
	for i, n := range sub.Select {
		switch plain := n.Kind == catalog.NodeColumn && n.Level == 0; {
		case names[i] == "*" && outer:
			t.opaque = true
		case names[i] == "*":
			t.within = tables
		case plain || !outer:
			t.columns[names[i]] = n
		default:
			t.columns[names[i]] = unknown("column")
		}
	}
	return t
}

// common reads a common table expression where it is named. What stands around the
// name and not around the expression is out of its sight.
func (r *reader) common(q *catalog.Query, c common, outer bool) table {
	at, scopes := r.at, r.scopes
	r.at, r.scopes = c.at, slices.Clone(scopes)
	for i := c.scopes; i < len(r.scopes); i++ {
		r.scopes[i] = &scope{}
	}
	t := r.derived(q, outer)
	r.at, r.scopes = at, scopes
	return t
}
