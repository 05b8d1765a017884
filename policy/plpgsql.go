package policy

import (
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// plpgsql reads a PL/pgSQL body into the values it can return. Control flow is not
// followed: a value that some path returns is a value it can return, and a variable
// holds whatever was ever assigned to it.
type plpgsql struct {
	sqlParser
	results []*catalog.Node
	guards  []*catalog.Node // conditions of the IFs around
	truth   bool            // the function returns a boolean
	caught  bool            // an exception handler takes every error
}

// block reads [DECLARE …] BEGIN … [EXCEPTION …] END.
func (p *plpgsql) block() error {
	if p.accept("<<") {
		p.at += 2 // a label
	}
	if p.accept("declare") {
		for !p.peek().Is("begin") {
			if err := p.declaration(); err != nil {
				return err
			}
		}
	}
	if err := p.expect("begin"); err != nil {
		return err
	}
	if _, err := p.statements("end", "exception"); err != nil {
		return err
	}
	if p.accept("exception") {
		if err := p.handlers(); err != nil {
			return err
		}
	}
	if err := p.expect("end"); err != nil {
		return err
	}
	if p.peek().Kind == sqltext.Word {
		p.at++
	}
	p.accept(";")
	return nil
}

// declaration reads name [CONSTANT] type [NOT NULL] [:= value];
func (p *plpgsql) declaration() error {
	name, err := p.name()
	if err != nil {
		return err
	}
	for !p.peek().Is(";") && !p.peek().Is(":=") && !p.peek().Is("=") && !p.peek().Is("default") {
		if p.peek().Kind == sqltext.None || p.peek().Is("%") || p.peek().Is("alias") || p.peek().Is("cursor") {
			return errSQL
		}
		p.at++
	}
	p.vars[name] = &catalog.Node{Kind: catalog.NodeConst, Null: true}
	if p.accept(";") {
		return nil
	}
	p.at++
	value, err := p.expr(0)
	if err != nil {
		return err
	}
	p.vars[name] = value
	return p.expect(";")
}

// statements reads up to one of the words that end a list, and says whether the
// last statement leaves the function.
func (p *plpgsql) statements(ends ...string) (leaves bool, err error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxSQLDepth {
		return false, errSQL
	}
	for {
		for _, end := range ends {
			if p.peek().Is(end) {
				return leaves, nil
			}
		}
		leaves = p.peek().Is("return") || p.peek().Is("raise")
		if err := p.statement(); err != nil {
			return false, err
		}
	}
}

func (p *plpgsql) statement() error {
	switch {
	case p.accept("return"):
		return p.result()
	case p.accept("raise"), p.accept("perform"):
		return p.skipStatement()
	case p.accept("null"):
		return p.expect(";")
	case p.accept("if"):
		return p.branch()
	case p.peek().Is("declare"), p.peek().Is("begin"), p.peek().Is("<<"):
		return p.block()
	case p.peek().Is("select"):
		return p.selectInto()
	}
	return p.assignment()
}

func (p *plpgsql) skipStatement() error {
	for !p.accept(";") {
		if p.peek().Kind == sqltext.None {
			return errSQL
		}
		p.at++
	}
	return nil
}

// result is RETURN: what follows, where all the conditions around it hold.
func (p *plpgsql) result() error {
	if p.accept(";") {
		return nil
	}
	if p.accept("query") {
		q, err := p.query()
		if err != nil {
			return err
		}
		p.results = append(p.results, &catalog.Node{Kind: catalog.NodeSubquery, Query: q})
		return p.expect(";")
	}
	n, err := p.expr(0)
	if err != nil {
		return err
	}
	if p.truth {
		n = catalog.Conjunction(append(append([]*catalog.Node{}, p.guards...), n))
	}
	p.results = append(p.results, n)
	return p.expect(";")
}

// branch is IF … THEN … [ELSIF …] [ELSE …] END IF.
func (p *plpgsql) branch() error {
	condition, err := p.expr(0)
	if err != nil {
		return err
	}
	if err := p.expect("then"); err != nil {
		return err
	}
	p.guards = append(p.guards, condition)
	leaves, err := p.statements("elsif", "elseif", "else", "end")
	p.guards = p.guards[:len(p.guards)-1]
	if err != nil {
		return err
	}
	if leaves && p.peek().Is("end") && len(p.guards) == 0 {
		p.excludeEmpty(condition)
	}
	switch {
	case p.accept("elsif"), p.accept("elseif"):
		return p.branch()
	case p.accept("else"):
		// An assignment in here is one of several too.
		p.guards = append(p.guards, &catalog.Node{Kind: catalog.NodeConst, Type: "boolean", Value: "true"})
		_, err := p.statements("end")
		p.guards = p.guards[:len(p.guards)-1]
		if err != nil {
			return err
		}
	}
	return p.expect("end", "if", ";")
}

// excludeEmpty knows, after IF v = ” THEN RETURN …, that v is not empty any more.
func (p *plpgsql) excludeEmpty(condition *catalog.Node) {
	parts := []*catalog.Node{condition}
	if condition.Kind == catalog.NodeOr {
		parts = condition.Args
	}
	for _, part := range parts {
		if part.Kind != catalog.NodeOperator || part.Name != "=" || part.Args[1].Kind != catalog.NodeConst || part.Args[1].Value != "" {
			continue
		}
		for name, held := range p.vars {
			if held == part.Args[0] {
				p.vars[name] = &catalog.Node{Kind: catalog.NodeNullIf, Name: "=", Args: []*catalog.Node{held, part.Args[1]}}
			}
		}
	}
}

// selectInto is SELECT … INTO v … FROM …: a query whose columns go to variables.
func (p *plpgsql) selectInto() error {
	start := p.at
	p.skipTo("into")
	if !p.peek().Is("into") {
		return errSQL
	}
	into := p.at
	p.at++
	p.accept("strict")
	var names []string
	for {
		name, err := p.name()
		if err != nil {
			return err
		}
		names = append(names, name)
		if !p.accept(",") {
			break
		}
	}
	// The query is what remains without INTO and its names.
	rest := p.at
	inner := p.sqlParser
	inner.tokens = append(append([]sqltext.Token{}, p.tokens[start:into]...), p.tokens[rest:]...)
	inner.at = 0
	q, err := inner.query()
	if err != nil || len(q.Select) != len(names) {
		return errSQL
	}
	p.at = rest + inner.at - (into - start)
	for i, name := range names {
		one := *q
		one.Select = q.Select[i : i+1]
		one.Simple = q.Simple || one.Where == nil && len(one.Tables)+len(one.Calls)+len(one.From) == 0
		if err := p.assign(name, &catalog.Node{Kind: catalog.NodeSubquery, Query: &one}); err != nil {
			return err
		}
	}
	return p.expect(";")
}

func (p *plpgsql) assignment() error {
	name, err := p.name()
	if err != nil {
		return err
	}
	if !p.accept(":=") && !p.accept("=") {
		return errSQL
	}
	n, err := p.expr(0)
	if err != nil {
		return err
	}
	if err := p.assign(name, n); err != nil {
		return err
	}
	return p.expect(";")
}

// assign gives a variable a value; inside an IF it may keep the one it had.
func (p *plpgsql) assign(name string, n *catalog.Node) error {
	held := p.vars[name]
	if held == nil {
		return errSQL
	}
	if len(p.guards) > 0 {
		n = &catalog.Node{Kind: catalog.NodeEither, Args: []*catalog.Node{held, n}}
	}
	p.vars[name] = n
	return nil
}

// handlers reads WHEN … THEN … up to the block's END.
func (p *plpgsql) handlers() error {
	for p.accept("when") {
		for !p.accept("then") {
			if p.peek().Kind == sqltext.None {
				return errSQL
			}
			p.caught = p.caught || p.peek().Is("others") || strings.HasPrefix(p.peek().Name(), "invalid_")
			p.at++
		}
		if _, err := p.statements("when", "end"); err != nil {
			return err
		}
	}
	return nil
}
