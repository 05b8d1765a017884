package catalog

import (
	"slices"
	"strconv"
)

// primary reads a literal, a name, a call, or something in parentheses.
func (p *sqlParser) primary() (*Node, error) {
	t := p.peek()
	switch t.kind {
	case tokenString:
		p.at++
		return &Node{Kind: NodeConst, Type: "text", Value: t.text}, nil
	case tokenNumber:
		p.at++
		return &Node{Kind: NodeConst, Type: "integer", Value: t.text}, nil
	case tokenParam:
		p.at++
		return &Node{Kind: NodeParam, Name: "$" + t.text, Level: len(p.scopes)}, nil
	case tokenSign:
		if t.text != "(" {
			return nil, errSQL
		}
		return p.inParentheses()
	case tokenWord, tokenQuoted:
		if n, err, known := p.keyword(t); known {
			return n, err
		}
		return p.named()
	}
	return nil, errSQL
}

func (p *sqlParser) inParentheses() (*Node, error) {
	if p.isSelect(1) {
		q, err := p.parenthesised()
		if err != nil {
			return nil, err
		}
		return &Node{Kind: NodeSubquery, Query: q}, nil
	}
	p.at++
	n, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	return n, p.expect(")") // a row, (a, b), is not read
}

// keyword reads what begins with a word of the language.
func (p *sqlParser) keyword(t token) (n *Node, err error, known bool) {
	if t.kind != tokenWord {
		return nil, nil, false
	}
	switch t.text {
	case "true", "false":
		p.at++
		return &Node{Kind: NodeConst, Type: "boolean", Value: t.text}, nil, true
	case "null":
		p.at++
		return &Node{Kind: NodeConst, Null: true}, nil, true
	case "current_user", "session_user", "current_role", "user":
		p.at++
		return &Node{Kind: NodeValue, Name: t.text}, nil, true
	case "exists":
		p.at++
		q, err := p.parenthesised()
		return &Node{Kind: NodeExists, Type: "boolean", Query: q}, err, true
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
		n, err := p.coalesce(t.text)
		return n, err, true
	case "case":
		p.at++
		n, err := p.switchCase()
		return n, err, true
	case "uuid", "text", "bigint", "int", "integer", "jsonb", "json":
		if p.ahead(1).kind == tokenString {
			p.at += 2
			return p.cast(&Node{Kind: NodeConst, Type: "text", Value: p.tokens[p.at-1].text}, canonicalType(t.text)), nil, true
		}
	case "select", "from", "where", "order", "group", "having", "limit", "union", "row", "interval", "into", "when", "then", "end":
		return nil, errSQL, true
	}
	return nil, nil, false
}

func (p *sqlParser) castCall() (*Node, error) {
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

func (p *sqlParser) array() (*Node, error) {
	if p.peek().is("(") {
		q, err := p.parenthesised()
		return &Node{Kind: NodeArrayQuery, Query: q}, err
	}
	if err := p.expect("["); err != nil {
		return nil, err
	}
	n := &Node{Kind: NodeArray}
	for !p.accept("]") {
		arg, err := p.expr(0)
		if err != nil {
			return nil, err
		}
		n.Args = append(n.Args, arg)
		if !p.accept(",") && !p.peek().is("]") {
			return nil, errSQL
		}
	}
	return n, nil
}

func (p *sqlParser) coalesce(word string) (*Node, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	args, err := p.list()
	if err != nil || len(args) == 0 {
		return nil, errSQL
	}
	n := &Node{Kind: NodeCoalesce, Args: args}
	if word == "nullif" {
		n.Kind, n.Name = NodeNullIf, "="
		if len(args) != 2 {
			return nil, errSQL
		}
	}
	return n, nil
}

// switchCase reads CASE WHEN … THEN … ELSE … END.
func (p *sqlParser) switchCase() (*Node, error) {
	n := &Node{Kind: NodeCase}
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
	otherwise := &Node{Kind: NodeConst, Null: true}
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
func (p *sqlParser) named() (*Node, error) {
	parts := []string{}
	for {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		parts = append(parts, name)
		if p.peek().is(".") && p.ahead(1).is("*") {
			p.at += 2
			return &Node{Kind: NodeOther, Name: "*"}, nil
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

func (p *sqlParser) call(parts []string) (*Node, error) {
	if p.accept("*", ")") {
		return &Node{Kind: NodeFunction, Name: "pg_catalog." + parts[len(parts)-1]}, nil
	}
	args, err := p.list()
	if err != nil || len(parts) > 2 {
		return nil, errSQL
	}
	schema, name := "", parts[len(parts)-1]
	if len(parts) == 2 {
		schema = parts[0]
	}
	n := &Node{Kind: NodeFunction, Name: "pg_catalog." + name, Args: args}
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
func (p *sqlParser) column(parts []string) *Node {
	name := parts[len(parts)-1]
	for up := range len(p.scopes) {
		scope := p.scopes[len(p.scopes)-1-up]
		for i, t := range scope.tables {
			if len(parts) > 1 && t.alias != parts[len(parts)-2] {
				continue
			}
			switch {
			case t.relation != nil && t.relation.column(name) != nil:
				return &Node{Kind: NodeColumn, Relation: t.relation.QName(), Column: name,
					Type: t.relation.column(name).Type, Level: up, Entry: i + 1}
			case len(t.columns) == 1 && t.columns[0] != nil && (name == t.alias || len(parts) > 1):
				return raised(t.columns[0], up)
			}
		}
	}
	if len(parts) == 2 && parts[0] != p.f.Name || len(parts) > 2 {
		return nil
	}
	if n := p.vars[name]; n != nil {
		return lift(n, len(p.scopes))
	}
	i := slices.IndexFunc(p.f.inputs(), func(param Param) bool { return param.Name == name })
	if i < 0 {
		return nil
	}
	return &Node{Kind: NodeParam, Name: "$" + strconv.Itoa(i+1), Level: len(p.scopes)}
}

// inputs are the parameters that a call gives arguments for.
func (f *Function) inputs() []Param {
	var all []Param
	for _, param := range f.Params {
		if param.isInput() {
			all = append(all, param)
		}
	}
	return all
}
