package body

import (
	"maps"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// plpgsql is what a reader of PL/pgSQL knows. Control flow is not followed: a value
// that some path returns is a value that the function can return, and a variable holds
// either of what several paths gave it. Loops are not read.
type plpgsql struct {
	vars    map[string]*catalog.Node
	inexact map[string]bool // variables of a type that may change what they are given
	results []*catalog.Node
	guards  []*catalog.Node // conditions that hold where the reader is
	inside  int             // branches of IFs and handlers around
	caught  bool            // an exception handler takes every error
}

// block reads [DECLARE …] BEGIN … [EXCEPTION …] END.
func (r *reader) block() {
	if r.accept("<<") {
		r.name()
		r.expect(">>")
	}
	var declared []string
	if r.accept("declare") {
		for r.accept("declare"); !r.next("begin"); r.accept("declare") {
			declared = append(declared, r.declaration())
		}
	}
	r.expect("begin")
	before, guards := maps.Clone(r.vars), len(r.guards)
	r.statements("end", "exception")
	if r.accept("exception") {
		// An error may have come before any of the assignments, or out of any branch.
		r.guards = r.guards[:guards]
		for name, held := range before {
			r.vars[name] = either(held, r.vars[name])
		}
		r.handlers()
	}
	r.expect("end")
	if r.peek().IsName() {
		r.at++
	}
	r.accept(";")
	for _, name := range declared {
		delete(r.vars, name)
	}
}

func either(x, y *catalog.Node) *catalog.Node {
	if x == y {
		return x
	}
	return node(catalog.NodeEither, "", x, y)
}

// declaration reads name [CONSTANT] type [NOT NULL] [:= value];
func (r *reader) declaration() string {
	name := r.name()
	if r.vars[name] != nil {
		r.refuse()
	}
	r.accept("constant")
	whole := r.declaredType()
	value := null()
	if r.accept(":=") || r.accept("=") || r.accept("default") {
		value = r.expr(0)
	}
	r.expect(";")
	r.vars[name], r.inexact[name] = value, !whole
	r.assign(name, value)
	return name
}

// declaredType passes over a variable's type, and reports whether a value comes out of it
// as it went in.
func (r *reader) declaredType() bool {
	start := r.at
	for !r.next(";", ":=", "=", "default", "not") {
		if r.next("alias", "cursor") || r.peek().Kind == sqltext.None {
			r.refuse()
		}
		r.at++
	}
	end := r.at
	r.at = start
	var name string
	known := r.try(func() { name = r.typeName() }) && r.at == end
	r.at = end
	if r.accept("not") {
		r.expect("null")
	}
	return known && (name == "boolean" || Exact(name))
}

// Exact reports whether a cast to a type keeps different values apart. One to any other
// might make two tenants one.
func Exact(typeName string) bool {
	switch strings.TrimSuffix(typeName, "[]") {
	case "uuid", "text", "character varying", "bigint", "integer", "smallint", "numeric", "json", "jsonb":
		return true
	}
	return false
}

// statements reads up to one of the words that end a list, and reports whether the last
// statement leaves the function.
func (r *reader) statements(ends ...string) (leaves bool) {
	r.deeper()
	for !r.next(ends...) {
		leaves = r.leaves()
		r.oneStatement()
	}
	r.depth--
	return leaves
}

// leaves reports whether the statement that comes next ends the function.
func (r *reader) leaves() bool {
	next := r.ahead(1)
	return r.next("return") && !next.Is("next") && !next.Is("query") ||
		r.next("raise") && (next.Is("exception") || next.Kind == sqltext.String)
}

func (r *reader) oneStatement() {
	switch {
	case r.accept("return"):
		r.result()
	case r.accept("raise"):
		r.skipTo()
		r.expect(";")
	case r.next("perform"):
		r.perform()
	case r.accept("null"):
		r.expect(";")
	case r.accept("if"):
		r.branches()
	case r.next("declare", "begin", "<<"):
		r.block()
	case r.next("select", "with"):
		r.selectInto()
	default:
		name := r.name()
		if !r.accept(":=") {
			r.expect("=")
		}
		r.assign(name, r.expr(0))
		r.expect(";")
	}
}

// perform is a SELECT of which FOUND alone is kept.
func (r *reader) perform() {
	found := unknown("found")
	if !r.try(func() { found = exists(r.query()); r.expect(";") }) {
		r.skipTo()
		r.expect(";")
	}
	r.assign("found", found)
}

func exists(q *catalog.Query) *catalog.Node {
	return &catalog.Node{Kind: catalog.NodeExists, Type: "boolean", Query: q}
}

// result is RETURN: what follows, where all the conditions around it hold.
func (r *reader) result() {
	if r.accept(";") {
		return
	}
	var n *catalog.Node
	if r.accept("query") {
		n = &catalog.Node{Kind: catalog.NodeSubquery, Query: r.query()}
		r.assign("found", unknown("found"))
	} else {
		r.accept("next")
		n = r.expr(0)
		if r.f.Result == "boolean" {
			n = catalog.Conjunction(append(slices.Clone(r.guards), n))
		}
	}
	r.results = append(r.results, n)
	r.expect(";")
}

// branches reads IF … THEN … [ELSIF …] [ELSE …] END IF, after the IF.
func (r *reader) branches() {
	condition := r.expr(0)
	r.expect("then")
	leaves := r.branch([]*catalog.Node{condition}, "elsif", "elseif", "else", "end")
	otherwise := refuted(condition)
	if r.accept("elsif") || r.accept("elseif") {
		guards := r.guards
		r.guards = slices.Concat(guards, otherwise)
		r.branches()
		r.guards = guards
		return
	}
	if r.accept("else") {
		r.branch(otherwise, "end")
	} else if leaves {
		r.guards = slices.Concat(r.guards, otherwise)
		if r.inside == 0 {
			r.excludeEmpty(condition)
		}
	}
	r.expect("end", "if", ";")
}

// branch reads the statements of one branch, where these conditions hold.
func (r *reader) branch(conditions []*catalog.Node, ends ...string) (leaves bool) {
	guards := r.guards
	r.guards = slices.Concat(guards, conditions)
	r.inside++
	leaves = r.statements(ends...)
	r.inside--
	r.guards = guards
	return leaves
}

// refuted is what must be true where a condition was not: after IF NOT EXISTS (…) THEN
// RETURN, something exists. Of what may be NULL nothing follows: NOT NULL is not true.
func refuted(n *catalog.Node) []*catalog.Node {
	switch {
	case n.Kind == catalog.NodeOr:
		return slices.Concat(refuted(n.Args[0]), refuted(n.Args[1]))
	case n.Kind == catalog.NodeNot && IsDecided(n.Args[0]), n.Kind == catalog.NodeBoolTest && n.Name == "is not true":
		return n.Args
	}
	return nil
}

// IsDecided reports whether a condition is never NULL.
func IsDecided(n *catalog.Node) bool {
	switch n.Kind {
	case catalog.NodeExists:
		return true
	case catalog.NodeConst:
		return !n.Null
	case catalog.NodeSubquery:
		return n.Query.Simple && IsDecided(n.Query.Select[0])
	case catalog.NodeCoalesce:
		return slices.ContainsFunc(n.Args, IsDecided)
	}
	return false
}

// excludeEmpty knows, after IF v = ” THEN RETURN …, that v is not empty any more.
func (r *reader) excludeEmpty(condition *catalog.Node) {
	parts := []*catalog.Node{condition}
	if condition.Kind == catalog.NodeOr {
		parts = condition.Args
	}
	for _, part := range parts {
		if part.Kind != catalog.NodeOperator || part.Name != "=" {
			continue
		}
		empty := part.Args[1].Kind == catalog.NodeConst && part.Args[1].Value == ""
		for name, held := range r.vars {
			if empty && held == part.Args[0] {
				r.vars[name] = node(catalog.NodeNullIf, "=", held, part.Args[1])
			}
		}
	}
}

// selectInto is SELECT … INTO v … FROM …: a query whose columns go to variables.
func (r *reader) selectInto() {
	start := r.at
	r.skipTo("into")
	into := r.at
	r.expect("into")
	r.accept("strict")
	var names []string
	for {
		names = append(names, r.name())
		if !r.accept(",") {
			break
		}
	}
	// The query is what remains without INTO and its names.
	r.tokens = slices.Concat(r.tokens[:into], r.tokens[r.at:])
	r.at = start
	q := r.query()
	r.expect(";")
	for i, name := range names {
		n := unknown("row")
		if len(names) == len(q.Select) && q.Select[i].Kind != catalog.NodeOther {
			one := *q
			one.Select = q.Select[i : i+1]
			n = &catalog.Node{Kind: catalog.NodeSubquery, Query: &one}
		}
		r.assign(name, n)
	}
	r.assign("found", exists(q))
}

// assign gives a variable a value; inside an IF it may keep the one it had.
func (r *reader) assign(name string, n *catalog.Node) {
	held := r.vars[name]
	if held == nil {
		r.refuse()
	}
	switch {
	case r.inexact[name]:
		n = unknown("variable")
	case r.inside > 0:
		n = either(held, n)
	}
	size := 0
	for range n.All() {
		if size++; size > maxNodes {
			r.refuse()
		}
	}
	r.vars[name] = n
}

// handlers reads WHEN … THEN … up to the block's END.
func (r *reader) handlers() {
	for r.accept("when") {
		for !r.accept("then") {
			if r.peek().Kind == sqltext.None {
				r.refuse()
			}
			r.caught = r.caught || r.next("others") || strings.HasPrefix(r.peek().Name(), "invalid_")
			r.at++
		}
		r.branch(nil, "when", "end")
	}
}
