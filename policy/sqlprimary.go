package policy

import (
	"slices"
	"strconv"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// primary reads a literal, a name, a call, or something in parentheses.
func (p *sqlParser) primary() (*catalog.Node, error) {
	t := p.peek()
	switch t.Kind {
	case sqltext.String:
		if !t.Plain() {
			return nil, errSQL
		}
		p.at++
		return &catalog.Node{Kind: catalog.NodeConst, Type: "text", Value: t.Value()}, nil
	case sqltext.Number:
		p.at++
		return &catalog.Node{Kind: catalog.NodeConst, Type: "integer", Value: t.Text}, nil
	case sqltext.Param:
		p.at++
		return &catalog.Node{Kind: catalog.NodeParam, Name: t.Text, Level: len(p.scopes)}, nil
	case sqltext.Symbol:
		if t.Text != "(" {
			return nil, errSQL
		}
		return p.inParentheses()
	case sqltext.Word, sqltext.Quoted:
		if n, err, known := p.keyword(t); known {
			return n, err
		}
		return p.named()
	}
	return nil, errSQL
}

func (p *sqlParser) inParentheses() (*catalog.Node, error) {
	if p.isSelect(1) {
		q, err := p.parenthesised()
		if err != nil {
			return nil, err
		}
		return &catalog.Node{Kind: catalog.NodeSubquery, Query: q}, nil
	}
	p.at++
	n, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	return n, p.expect(")") // a row, (a, b), is not read
}

// keyword reads what begins with a word of the language.
func (p *sqlParser) keyword(t sqltext.Token) (n *catalog.Node, err error, known bool) {
	if t.Kind != sqltext.Word {
		return nil, nil, false
	}
	switch t.Name() {
	case "true", "false":
		p.at++
		return &catalog.Node{Kind: catalog.NodeConst, Type: "boolean", Value: t.Name()}, nil, true
	case "null":
		p.at++
		return &catalog.Node{Kind: catalog.NodeConst, Null: true}, nil, true
	case "current_user", "session_user", "current_role", "user":
		p.at++
		return &catalog.Node{Kind: catalog.NodeValue, Name: t.Name()}, nil, true
	case "exists":
		p.at++
		q, err := p.parenthesised()
		return &catalog.Node{Kind: catalog.NodeExists, Type: "boolean", Query: q}, err, true
	case "cast":
		p.at++
		n, err := p.castCall()
		return n, err, true
	case "array":
		p.at++
		n, err := p.array()
		return n, err, true
	case "coalesce", "nullif":
		p.at++
		n, err := p.coalesce(t.Name())
		return n, err, true
	case "case":
		p.at++
		n, err := p.switchCase()
		return n, err, true
	case "uuid", "text", "bigint", "int", "integer", "jsonb", "json":
		if p.ahead(1).Plain() {
			p.at += 2
			return p.cast(&catalog.Node{Kind: catalog.NodeConst, Type: "text", Value: p.tokens[p.at-1].Value()}, canonicalType(t.Name())), nil, true
		}
	case "select", "from", "where", "order", "group", "having", "limit", "union", "row", "interval", "into", "when", "then", "end":
		return nil, errSQL, true
	}
	return nil, nil, false
}

func (p *sqlParser) castCall() (*catalog.Node, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	n, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	if err := p.expect("as"); err != nil {
		return nil, err
	}
	name, err := p.typeName()
	if err != nil {
		return nil, err
	}
	return p.cast(n, name), p.expect(")")
}

func (p *sqlParser) array() (*catalog.Node, error) {
	if p.peek().Is("(") {
		q, err := p.parenthesised()
		return &catalog.Node{Kind: catalog.NodeArrayQuery, Query: q}, err
	}
	if err := p.expect("["); err != nil {
		return nil, err
	}
	n := &catalog.Node{Kind: catalog.NodeArray}
	for !p.accept("]") {
		arg, err := p.expr(0)
		if err != nil {
			return nil, err
		}
		n.Args = append(n.Args, arg)
		if !p.accept(",") && !p.peek().Is("]") {
			return nil, errSQL
		}
	}
	return n, nil
}

func (p *sqlParser) coalesce(word string) (*catalog.Node, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	args, err := p.list()
	if err != nil || len(args) == 0 {
		return nil, errSQL
	}
	n := &catalog.Node{Kind: catalog.NodeCoalesce, Args: args}
	if word == "nullif" {
		n.Kind, n.Name = catalog.NodeNullIf, "="
		if len(args) != 2 {
			return nil, errSQL
		}
	}
	return n, nil
}

// switchCase reads CASE WHEN … THEN … ELSE … END.
func (p *sqlParser) switchCase() (*catalog.Node, error) {
	n := &catalog.Node{Kind: catalog.NodeCase}
	for p.accept("when") {
		when, err := p.expr(0)
		if err != nil {
			return nil, err
		}
		if err := p.expect("then"); err != nil {
			return nil, err
		}
		then, err := p.expr(0)
		if err != nil {
			return nil, err
		}
		n.Args = append(n.Args, when, then)
	}
	if len(n.Args) == 0 {
		return nil, errSQL
	}
	otherwise := &catalog.Node{Kind: catalog.NodeConst, Null: true}
	if p.accept("else") {
		var err error
		if otherwise, err = p.expr(0); err != nil {
			return nil, err
		}
	}
	n.Args = append(n.Args, otherwise)
	return n, p.expect("end")
}

// named reads a column, a variable, a parameter or a call.
func (p *sqlParser) named() (*catalog.Node, error) {
	parts := []string{}
	for {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		parts = append(parts, name)
		if p.peek().Is(".") && p.ahead(1).Is("*") {
			p.at += 2
			return &catalog.Node{Kind: catalog.NodeOther, Name: "*"}, nil
		}
		if !p.accept(".") {
			break
		}
	}
	if p.accept("(") {
		return p.call(parts)
	}
	if n := p.column(parts); n != nil {
		return n, nil
	}
	return nil, errSQL
}

func (p *sqlParser) call(parts []string) (*catalog.Node, error) {
	if p.accept("*", ")") {
		return &catalog.Node{Kind: catalog.NodeFunction, Name: "pg_catalog." + parts[len(parts)-1]}, nil
	}
	args, err := p.list()
	if err != nil || len(parts) > 2 {
		return nil, errSQL
	}
	schema, name := "", parts[len(parts)-1]
	if len(parts) == 2 {
		schema = parts[0]
	}
	n := &catalog.Node{Kind: catalog.NodeFunction, Name: "pg_catalog." + name, Args: args}
	if schema == "pg_catalog" {
		return n, nil
	}
	if f := p.function(schema, name, len(args)); f != nil {
		n.Name, n.OID = f.QName().String(), f.OID
		return n, nil
	}
	if schema != "" {
		n.Name = schema + "." + name
	}
	return n, nil
}

// column resolves a name: a column of the tables in sight, innermost first, as SQL
// prefers them, then a variable or a parameter.
func (p *sqlParser) column(parts []string) *catalog.Node {
	name := parts[len(parts)-1]
	for up := range len(p.scopes) {
		scope := p.scopes[len(p.scopes)-1-up]
		for i, t := range scope.tables {
			if len(parts) > 1 && t.alias != parts[len(parts)-2] {
				continue
			}
			switch {
			case t.relation != nil && t.relation.Column(name) != nil:
				return &catalog.Node{Kind: catalog.NodeColumn, Relation: t.relation.QName(), Column: name,
					Type: t.relation.Column(name).Type, Level: up, Entry: i + 1}
			case len(t.columns) == 1 && t.columns[0] != nil && (name == t.alias || len(parts) > 1):
				return t.columns[0].Raised(up)
			}
		}
	}
	if len(parts) == 2 && parts[0] != p.f.Name || len(parts) > 2 {
		return nil
	}
	if n := p.vars[name]; n != nil {
		return lift(n, len(p.scopes))
	}
	i := slices.IndexFunc(p.f.Inputs(), func(param catalog.Param) bool { return param.Name == name })
	if i < 0 {
		return nil
	}
	return &catalog.Node{Kind: catalog.NodeParam, Name: "$" + strconv.Itoa(i+1), Level: len(p.scopes)}
}
