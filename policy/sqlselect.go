package policy

import (
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// parenthesised reads (SELECT …).
func (p *sqlParser) parenthesised() (*catalog.Query, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var q *catalog.Query
	var err error
	if p.peek().Is("(") {
		q, err = p.parenthesised()
	} else {
		q, err = p.query()
	}
	if err != nil {
		return nil, err
	}
	return q, p.expect(")")
}

// query reads a SELECT, or several in a set operation.
func (p *sqlParser) query() (*catalog.Query, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxSQLDepth {
		return nil, errSQL
	}
	q, err := p.selectOne()
	if err != nil {
		return nil, err
	}
	all := &catalog.Query{SetOperation: true}
	all.Add(q)
	for p.accept("union") || p.accept("intersect") || p.accept("except") {
		if !p.accept("all") {
			p.accept("distinct")
		}
		next, err := p.selectOne()
		if err != nil {
			return nil, err
		}
		all.Add(next)
	}
	if err := p.tail(); err != nil {
		return nil, err
	}
	if len(all.From) > 1 {
		return all, nil
	}
	return q, nil
}

// tail passes over ORDER BY, LIMIT and OFFSET, none of which adds a row.
func (p *sqlParser) tail() error {
	for {
		switch {
		case p.accept("order", "by"):
			for {
				if _, err := p.expr(0); err != nil {
					return err
				}
				_ = p.accept("asc") || p.accept("desc")
				if p.accept("nulls") && !p.accept("first") && !p.accept("last") {
					return errSQL
				}
				if !p.accept(",") {
					break
				}
			}
		case p.accept("limit"), p.accept("offset"):
			if _, err := p.expr(0); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (p *sqlParser) selectOne() (*catalog.Query, error) {
	if err := p.expect("select"); err != nil {
		return nil, err
	}
	if p.accept("distinct") && p.peek().Is("on") {
		return nil, errSQL
	}
	// The target list stands before FROM and is read after it.
	targets := p.at
	p.skipTo("from", "where", "group", "having", "union", "intersect", "except", "order", "limit", "offset", "into")
	end := p.at
	p.scopes = append(p.scopes, &sqlScope{})
	defer func() { p.scopes = p.scopes[:len(p.scopes)-1] }()
	q := &catalog.Query{}
	if err := p.clauses(q); err != nil {
		return nil, err
	}
	after := p.at
	p.at = targets
	if err := p.targets(q, end); err != nil {
		return nil, err
	}
	p.at = after
	return q, nil
}

// clauses reads FROM, WHERE, GROUP BY and HAVING.
func (p *sqlParser) clauses(q *catalog.Query) error {
	plain := true
	if p.accept("from") {
		plain = false
		if err := p.from(q); err != nil {
			return err
		}
	}
	if p.accept("where") {
		plain = false
		if err := p.filter(q); err != nil {
			return err
		}
	}
	if p.peek().Is("having") || p.peek().Is("into") {
		return errSQL
	}
	if p.accept("group", "by") {
		plain = false
		for {
			if _, err := p.expr(0); err != nil {
				return err
			}
			if !p.accept(",") {
				break
			}
		}
	}
	q.Simple = plain
	return nil
}

// filter reads a condition and ANDs it to the query's.
func (p *sqlParser) filter(q *catalog.Query) error {
	n, err := p.expr(0)
	if err != nil {
		return err
	}
	q.Where = catalog.Conjunction(append(q.Where.Conjuncts(), n.Conjuncts()...))
	return nil
}

func (p *sqlParser) targets(q *catalog.Query, end int) error {
	for p.at < end {
		if p.accept("*") {
			q.Select = append(q.Select, &catalog.Node{Kind: catalog.NodeOther, Name: "*"})
		} else {
			n, err := p.expr(0)
			if err != nil {
				return err
			}
			q.Select = append(q.Select, n)
			if aggregates(n) {
				q.Aggregate, q.Simple = true, false
			}
		}
		if p.accept("as") || p.at < end && !p.peek().Is(",") {
			if _, err := p.name(); err != nil {
				return err
			}
		}
		if p.at < end {
			if err := p.expect(","); err != nil {
				return err
			}
		}
	}
	if p.at != end || len(q.Select) == 0 {
		return errSQL
	}
	q.Simple = q.Simple && len(q.Select) == 1
	return nil
}

func aggregates(n *catalog.Node) bool {
	if n.Kind == catalog.NodeFunction {
		switch n.Name {
		case "pg_catalog.count", "pg_catalog.max", "pg_catalog.min", "pg_catalog.sum", "pg_catalog.array_agg", "pg_catalog.bool_or",
			"pg_catalog.bool_and", "pg_catalog.every", "pg_catalog.string_agg", "pg_catalog.json_agg", "pg_catalog.jsonb_agg":
			return true
		}
	}
	for _, arg := range n.Args {
		if aggregates(arg) {
			return true
		}
	}
	return false
}

// skipTo moves on to one of these words at the same level of parentheses.
func (p *sqlParser) skipTo(words ...string) {
	for level := 0; p.at < len(p.tokens); p.at++ {
		t := p.peek()
		switch {
		case t.Is("("):
			level++
		case t.Is(")") && level == 0, t.Is(";") && level == 0:
			return
		case t.Is(")"):
			level--
		case level == 0:
			for i, word := range words {
				// IS DISTINCT FROM is no FROM.
				if t.Is(word) && !(i == 0 && p.at > 0 && p.tokens[p.at-1].Is("distinct")) {
					return
				}
			}
		}
	}
}

// from reads the tables of FROM and the joins between them.
func (p *sqlParser) from(q *catalog.Query) error {
	for {
		if err := p.fromItem(q); err != nil {
			return err
		}
		if err := p.joins(q); err != nil {
			return err
		}
		if !p.accept(",") {
			return nil
		}
	}
}

func (p *sqlParser) joins(q *catalog.Query) error {
	for {
		switch {
		case p.accept("cross", "join"):
			if err := p.fromItem(q); err != nil {
				return err
			}
			continue
		case p.accept("inner", "join"), p.accept("join"):
		default:
			if p.peek().Is("left") || p.peek().Is("right") || p.peek().Is("full") || p.peek().Is("natural") {
				return errSQL
			}
			return nil
		}
		if err := p.fromItem(q); err != nil {
			return err
		}
		if err := p.joinCondition(q); err != nil {
			return err
		}
	}
}

func (p *sqlParser) joinCondition(q *catalog.Query) error {
	if p.accept("on") {
		return p.filter(q)
	}
	if err := p.expect("using", "("); err != nil {
		return err
	}
	tables := p.scopes[len(p.scopes)-1].tables
	for {
		name, err := p.name()
		if err != nil {
			return err
		}
		if len(tables) != 2 || tables[0].relation == nil || tables[1].relation == nil {
			return errSQL
		}
		left := &catalog.Node{Kind: catalog.NodeColumn, Relation: tables[0].relation.QName(), Column: name, Entry: 1}
		right := &catalog.Node{Kind: catalog.NodeColumn, Relation: tables[1].relation.QName(), Column: name, Entry: 2}
		q.Where = catalog.Conjunction(append(q.Where.Conjuncts(), p.operator("=", left, right)))
		if p.accept(")") {
			return nil
		}
		if err := p.expect(","); err != nil {
			return err
		}
	}
}

// fromItem reads a table or a function with its alias; a sub-select is not read.
func (p *sqlParser) fromItem(q *catalog.Query) error {
	schema := ""
	name, err := p.name()
	if err != nil {
		return err
	}
	if p.accept(".") {
		schema = name
		if name, err = p.name(); err != nil {
			return err
		}
	}
	scope := p.scopes[len(p.scopes)-1]
	entry := sqlTable{alias: name}
	if p.accept("(") {
		parts := []string{name}
		if schema != "" {
			parts = []string{schema, name}
		}
		call, err := p.call(parts)
		if err != nil {
			return err
		}
		q.Calls = append(q.Calls, call)
		entry.columns = []*catalog.Node{call}
	} else {
		entry.relation = p.table(schema, name)
		if entry.relation == nil {
			return errSQL
		}
		q.AddTable(entry.relation.QName())
	}
	if err := p.alias(&entry); err != nil {
		return err
	}
	scope.tables = append(scope.tables, entry)
	return nil
}

func (p *sqlParser) alias(entry *sqlTable) error {
	as := p.accept("as")
	t := p.peek()
	if t.Kind == sqltext.Quoted || t.Kind == sqltext.Word && (as || !isClauseWord(t.Name())) {
		p.at++
		entry.alias = t.Name()
	} else if as {
		return errSQL
	}
	if p.peek().Is("(") {
		return errSQL // names for the columns
	}
	return nil
}

func isClauseWord(word string) bool {
	switch word {
	case "where", "join", "inner", "left", "right", "full", "cross", "natural", "on", "using", "group", "order", "having",
		"limit", "offset", "union", "intersect", "except", "into", "for", "loop", "then", "window", "fetch":
		return true
	}
	return false
}
