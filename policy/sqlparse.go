package policy

import (
	"errors"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// The bodies of helper functions are kept as text. What follows reads the small
// part of SQL and PL/pgSQL in which such helpers are written, into the same Nodes
// as policies. It refuses whatever it does not know: a function that is not
// understood does not isolate.

// errSQL is returned for a body outside the part of the language that is read.
var errSQL = errors.New("not read")

// sqlParser reads expressions and SELECTs of one function's body.
type sqlParser struct {
	v      *View
	f      *catalog.Function
	tokens []sqltext.Token
	at     int
	depth  int // of nesting, bounded
	scopes []*sqlScope
	// vars are what PL/pgSQL's variables may hold, by name; parameters besides.
	vars map[string]*catalog.Node
}

// sqlScope is one SELECT's FROM.
type sqlScope struct{ tables []sqlTable }

type sqlTable struct {
	alias    string
	relation *catalog.Relation // nil for anything but a table
	columns  []*catalog.Node   // of a function or sub-select, where known
}

const maxSQLDepth = 60

func (p *sqlParser) peek() sqltext.Token { return p.ahead(0) }

func (p *sqlParser) ahead(n int) sqltext.Token {
	if p.at+n >= len(p.tokens) {
		return sqltext.Token{}
	}
	return p.tokens[p.at+n]
}

// accept takes the next sqltext.Tokens if they are these.
func (p *sqlParser) accept(texts ...string) bool {
	for i, text := range texts {
		if !p.ahead(i).Is(text) {
			return false
		}
	}
	p.at += len(texts)
	return true
}

func (p *sqlParser) expect(texts ...string) error {
	if !p.accept(texts...) {
		return errSQL
	}
	return nil
}

// name takes an identifier.
func (p *sqlParser) name() (string, error) {
	t := p.peek()
	if !t.IsName() {
		return "", errSQL
	}
	p.at++
	return t.Name(), nil
}

// The binding strengths of PostgreSQL's operators, weakest first.
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
)

// expr reads an expression whose operators bind at least as strongly as min.
func (p *sqlParser) expr(min int) (*catalog.Node, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxSQLDepth {
		return nil, errSQL
	}
	left, err := p.prefix()
	for err == nil {
		strength := p.strength()
		if strength == 0 || strength < min {
			return left, nil
		}
		left, err = p.infix(left, strength)
	}
	return nil, err
}

// strength is that of the operator that comes next, 0 for none.
func (p *sqlParser) strength() int {
	t := p.peek()
	switch {
	case t.Is("or"):
		return bindOr
	case t.Is("and"):
		return bindAnd
	case t.Is("is"), t.Is("isnull"), t.Is("notnull"):
		return bindIs
	case t.Is("="), t.Is("<"), t.Is(">"), t.Is("<="), t.Is(">="), t.Is("<>"), t.Is("!="):
		return bindCompare
	case t.Is("in"), t.Is("like"), t.Is("ilike"), t.Is("between"):
		return bindIn
	case t.Is("not") && (p.ahead(1).Is("in") || p.ahead(1).Is("like") || p.ahead(1).Is("ilike") || p.ahead(1).Is("between")):
		return bindIn
	case t.Is("+"), t.Is("-"):
		return bindAdd
	case t.Is("*"), t.Is("/"), t.Is("%"):
		return bindMultiply
	case t.Is("^"):
		return bindPower
	case t.Kind == sqltext.Symbol && strings.Trim(t.Text, "+-*/<>=~!@#%^&|`?") == "":
		return bindOther
	}
	return 0
}

func (p *sqlParser) prefix() (*catalog.Node, error) {
	switch {
	case p.accept("not"):
		arg, err := p.expr(bindNot)
		if err != nil {
			return nil, err
		}
		return &catalog.Node{Kind: catalog.NodeNot, Type: "boolean", Args: []*catalog.Node{arg}}, nil
	case p.accept("-"), p.accept("+"):
		arg, err := p.expr(bindPower)
		if err != nil {
			return nil, err
		}
		return &catalog.Node{Kind: catalog.NodeOther, Name: "sign", Args: []*catalog.Node{arg}}, nil
	}
	n, err := p.primary()
	for err == nil && p.accept("::") {
		var name string
		if name, err = p.typeName(); err == nil {
			n = p.cast(n, name)
		}
	}
	if err == nil && (p.peek().Is("[") || p.peek().Is("collate") || p.peek().Is("at") || p.peek().Is("over") || p.peek().Is("filter")) {
		return nil, errSQL
	}
	return n, err
}

func (p *sqlParser) cast(n *catalog.Node, name string) *catalog.Node {
	return &catalog.Node{Kind: catalog.NodeCast, Name: "text form", Type: name, Args: []*catalog.Node{n}}
}

func (p *sqlParser) infix(left *catalog.Node, strength int) (*catalog.Node, error) {
	t := p.peek()
	p.at++
	switch strength {
	case bindOr, bindAnd:
		right, err := p.expr(strength + 1)
		if err != nil {
			return nil, err
		}
		kind := catalog.NodeOr
		if strength == bindAnd {
			kind = catalog.NodeAnd
		}
		return &catalog.Node{Kind: kind, Type: "boolean", Args: []*catalog.Node{left, right}}, nil
	case bindIs:
		return p.isTest(left, t)
	case bindIn:
		return p.inTest(left, t)
	}
	if strength == bindCompare || strength == bindOther {
		if p.peek().Is("any") || p.peek().Is("some") || p.peek().Is("all") {
			return p.anyTest(left, t)
		}
	}
	right, err := p.expr(strength + 1)
	if err != nil {
		return nil, err
	}
	return p.operator(t.Text, left, right), nil
}

func (p *sqlParser) operator(name string, args ...*catalog.Node) *catalog.Node {
	if name == "!=" {
		name = "<>"
	}
	return &catalog.Node{Kind: catalog.NodeOperator, Name: name, Args: args}
}

// isTest reads what follows IS.
func (p *sqlParser) isTest(left *catalog.Node, t sqltext.Token) (*catalog.Node, error) {
	test := func(kind catalog.NodeKind, name string) (*catalog.Node, error) {
		return &catalog.Node{Kind: kind, Name: name, Type: "boolean", Args: []*catalog.Node{left}}, nil
	}
	switch {
	case t.Is("isnull"):
		return test(catalog.NodeNullTest, "is null")
	case t.Is("notnull"):
		return test(catalog.NodeNullTest, "is not null")
	}
	negated := p.accept("not")
	switch {
	case p.accept("null") && negated:
		return test(catalog.NodeNullTest, "is not null")
	case p.tokens[p.at-1].Is("null"):
		return test(catalog.NodeNullTest, "is null")
	case p.accept("true") && !negated:
		return test(catalog.NodeBoolTest, "is true")
	case p.accept("distinct", "from"):
		right, err := p.expr(bindIs + 1)
		if err != nil {
			return nil, err
		}
		n := &catalog.Node{Kind: catalog.NodeDistinct, Name: "=", Type: "boolean", Args: []*catalog.Node{left, right}}
		if negated {
			n = &catalog.Node{Kind: catalog.NodeNot, Type: "boolean", Args: []*catalog.Node{n}}
		}
		return n, nil
	}
	return nil, errSQL
}

// inTest reads what follows IN; LIKE and BETWEEN are kept as something unknown.
func (p *sqlParser) inTest(left *catalog.Node, t sqltext.Token) (*catalog.Node, error) {
	negated := t.Is("not")
	if negated {
		t = p.peek()
		p.at++
	}
	if !t.Is("in") {
		right, err := p.expr(bindIn + 1)
		if err != nil {
			return nil, err
		}
		n := &catalog.Node{Kind: catalog.NodeOperator, Name: "~~", Type: "boolean", Args: []*catalog.Node{left, right}}
		if t.Is("between") {
			return nil, errSQL
		}
		if negated {
			n.Name = "!~~"
		}
		return n, nil
	}
	n, err := p.inList(left)
	if err == nil && negated {
		n = &catalog.Node{Kind: catalog.NodeNot, Type: "boolean", Args: []*catalog.Node{n}}
	}
	return n, err
}

func (p *sqlParser) inList(left *catalog.Node) (*catalog.Node, error) {
	if p.peek().Is("(") && p.isSelect(1) {
		q, err := p.parenthesised()
		if err != nil {
			return nil, err
		}
		return &catalog.Node{Kind: catalog.NodeAnyQuery, Name: "=", Type: "boolean", Args: []*catalog.Node{left}, Query: q}, nil
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	list, err := p.list()
	if err != nil {
		return nil, err
	}
	return &catalog.Node{Kind: catalog.NodeAny, Name: "=", Type: "boolean", Args: []*catalog.Node{left, {Kind: catalog.NodeArray, Args: list}}}, nil
}

// anyTest reads x op ANY (…).
func (p *sqlParser) anyTest(left *catalog.Node, op sqltext.Token) (*catalog.Node, error) {
	all := p.peek().Is("all")
	p.at++
	kinds := []catalog.NodeKind{catalog.NodeAny, catalog.NodeAnyQuery}
	if all {
		kinds = []catalog.NodeKind{catalog.NodeAll, catalog.NodeAllQuery}
	}
	if p.peek().Is("(") && p.isSelect(1) {
		q, err := p.parenthesised()
		if err != nil {
			return nil, err
		}
		return &catalog.Node{Kind: kinds[1], Name: op.Text, Type: "boolean", Args: []*catalog.Node{left}, Query: q}, nil
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	right, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	return &catalog.Node{Kind: kinds[0], Name: op.Text, Type: "boolean", Args: []*catalog.Node{left, right}}, p.expect(")")
}

// list reads expressions up to the closing parenthesis.
func (p *sqlParser) list() ([]*catalog.Node, error) {
	var all []*catalog.Node
	if p.accept(")") {
		return nil, nil
	}
	for {
		n, err := p.expr(0)
		if err != nil {
			return nil, err
		}
		all = append(all, n)
		if p.accept(")") {
			return all, nil
		}
		if err := p.expect(","); err != nil {
			return nil, err
		}
	}
}

// isSelect says whether a sub-select begins n tokens ahead.
func (p *sqlParser) isSelect(n int) bool {
	for p.ahead(n).Is("(") {
		n++
	}
	return p.ahead(n).Is("select")
}

// typeName reads a type's name into the form that format_type prints.
func (p *sqlParser) typeName() (string, error) {
	name, err := p.name()
	if err != nil {
		return "", err
	}
	if p.accept(".") {
		second, err := p.name()
		if err != nil {
			return "", err
		}
		if name = second; name != "text" && !exactType(canonicalType(name)) {
			name = "?" // a type of the user's, of which nothing is known
		}
	}
	if name == "character" && p.accept("varying") {
		name = "character varying"
	}
	if p.peek().Is("(") {
		return "", errSQL // a length cuts values off
	}
	name = canonicalType(name)
	for p.accept("[", "]") {
		name += "[]"
	}
	return name, nil
}

func canonicalType(name string) string {
	switch name {
	case "int", "int4":
		return "integer"
	case "int8":
		return "bigint"
	case "int2":
		return "smallint"
	case "bool":
		return "boolean"
	case "varchar":
		return "character varying"
	case "decimal":
		return "numeric"
	}
	return name
}

// table resolves a table's name as the function would: by its own search_path,
// then by its schema, then where only one has the name.
func (p *sqlParser) table(schema, name string) *catalog.Relation {
	if schema != "" {
		return p.v.Relation(catalog.QName{Schema: schema, Name: name})
	}
	for _, s := range p.path() {
		if r := p.v.Relation(catalog.QName{Schema: s, Name: name}); r != nil {
			return r
		}
	}
	var found *catalog.Relation
	for i := range p.v.Snapshot.Relations {
		if r := &p.v.Snapshot.Relations[i]; r.Name == name {
			if found != nil {
				return nil
			}
			found = r
		}
	}
	return found
}

// path is the function's search_path, as far as it is fixed, its schema and public.
func (p *sqlParser) path() []string {
	var path []string
	for _, setting := range p.f.Settings {
		if value, ok := strings.CutPrefix(setting, "search_path="); ok {
			for name := range strings.SplitSeq(value, ",") {
				path = append(path, strings.Trim(strings.TrimSpace(name), `"'`))
			}
		}
	}
	return append(path, p.f.Schema, "public")
}

// function resolves a call to one of the user's functions, nil for PostgreSQL's.
func (p *sqlParser) function(schema, name string, arguments int) *catalog.Function {
	schemas := []string{schema}
	if schema == "" {
		if slices.Contains(builtinNames(), name) {
			return nil
		}
		schemas = p.path()
	}
	for _, s := range schemas {
		for _, f := range p.v.Functions(catalog.QName{Schema: s, Name: name}) {
			if !f.System && f.Takes(arguments) {
				return f
			}
		}
	}
	return nil
}

// builtinNames are PostgreSQL's functions that helpers are made of: pg_catalog
// comes first in every search_path that does not name it.
func builtinNames() []string {
	return []string{"current_setting", "nullif", "coalesce", "to_jsonb", "jsonb_array_elements_text", "json_array_elements_text",
		"jsonb_extract_path_text", "json_extract_path_text", "unnest", "array_agg", "count", "max", "min", "lower", "upper",
		"btrim", "trim", "now", "current_user", "session_user", "pg_has_role", "string_to_array", "exists"}
}
