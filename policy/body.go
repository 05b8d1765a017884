package policy

import (
	"slices"
	"strconv"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// body is what is understood of a function: the values it can return, with
// parameters where a call has its arguments. No results: it is not understood.
type body struct {
	results []*catalog.Node
	caught  bool // errors inside do not come out
}

// maxCalls bounds how deep helpers that call helpers are followed.
const maxCalls = 6

// bodyOf reads a function's body, once.
func (v *View) bodyOf(f *catalog.Function) *body {
	v.mu.Lock()
	b := v.bodies[f]
	v.mu.Unlock()
	if b != nil {
		return b
	}
	b = &body{}
	if parsed, err := v.parseBody(f); err == nil {
		b = parsed
	}
	v.mu.Lock()
	v.bodies[f] = b
	v.mu.Unlock()
	return b
}

func (v *View) parseBody(f *catalog.Function) (*body, error) {
	p := sqlParser{v: v, f: f, tokens: sqltext.Code(f.Body), vars: map[string]*catalog.Node{}}
	switch f.Language {
	case "sql":
		n, err := p.sqlBody()
		if err != nil {
			return nil, err
		}
		return &body{results: []*catalog.Node{n}}, nil
	case "plpgsql":
		pl := plpgsql{sqlParser: p, truth: f.Result == "boolean"}
		if err := pl.block(); err != nil {
			return nil, err
		}
		if pl.peek().Kind != sqltext.None {
			return nil, errSQL
		}
		return &body{results: pl.results, caught: pl.caught}, nil
	}
	return nil, errSQL
}

// sqlBody reads the one statement of a function in SQL, in any of its three forms.
func (p *sqlParser) sqlBody() (*catalog.Node, error) {
	if p.accept("return") {
		n, err := p.expr(0)
		if err == nil && p.peek().Kind != sqltext.None && !p.accept(";") {
			err = errSQL
		}
		return n, err
	}
	atomic := p.accept("begin", "atomic")
	q, err := p.query()
	if err != nil {
		return nil, err
	}
	p.accept(";")
	if atomic {
		if err := p.expect("end"); err != nil {
			return nil, err
		}
	}
	if p.peek().Kind != sqltext.None {
		return nil, errSQL
	}
	return &catalog.Node{Kind: catalog.NodeSubquery, Query: q}, nil
}

// enter looks into a call of a user's function and returns what it can be, with the
// call's arguments in place; nil when the function is not understood. What is
// entered must be left.
func (a *analyst) enter(n *catalog.Node, f *catalog.Function) []*catalog.Node {
	if f == nil || f.System || len(a.calls) >= maxCalls || slices.Contains(a.calls, f) {
		return nil
	}
	b := a.v.bodyOf(f)
	if len(b.results) == 0 {
		return nil
	}
	all := make([]*catalog.Node, len(b.results))
	for i, result := range b.results {
		all[i] = substitute(result, n.Args)
	}
	a.calls = append(a.calls, f)
	return all
}

func (a *analyst) leave() { a.calls = a.calls[:len(a.calls)-1] }

// substitute returns a copy of a body's expression with arguments for parameters.
func substitute(n *catalog.Node, args []*catalog.Node) *catalog.Node {
	if n == nil {
		return nil
	}
	if n.Kind == catalog.NodeParam {
		i, err := strconv.Atoi(n.Name[1:])
		if err != nil || i < 1 || i > len(args) || n.Level > 0 && args[i-1].HasQuery() {
			return &catalog.Node{Kind: catalog.NodeOther, Name: "parameter"}
		}
		return args[i-1].Raised(n.Level)
	}
	c := *n
	c.Args = substituteAll(n.Args, args)
	if n.Query != nil {
		c.Query = substituteQuery(n.Query, args)
	}
	return &c
}

func substituteAll(nodes, args []*catalog.Node) []*catalog.Node {
	if nodes == nil {
		return nil
	}
	all := make([]*catalog.Node, len(nodes))
	for i, n := range nodes {
		all[i] = substitute(n, args)
	}
	return all
}

func substituteQuery(q *catalog.Query, args []*catalog.Node) *catalog.Query {
	c := *q
	c.Select, c.Calls = substituteAll(q.Select, args), substituteAll(q.Calls, args)
	c.Where = substitute(q.Where, args)
	c.From = make([]*catalog.Query, len(q.From))
	for i, sub := range q.From {
		c.From[i] = substituteQuery(sub, args)
	}
	return &c
}

// lift returns a copy of what a variable holds as seen from inside queries: its
// parameters are so many levels further out.
func lift(n *catalog.Node, by int) *catalog.Node {
	if n == nil || by == 0 {
		return n
	}
	c := *n
	if c.Kind == catalog.NodeParam {
		c.Level += by
	}
	c.Args = liftAll(n.Args, by)
	if n.Query != nil {
		c.Query = liftQuery(n.Query, by)
	}
	return &c
}

func liftAll(nodes []*catalog.Node, by int) []*catalog.Node {
	all := make([]*catalog.Node, len(nodes))
	for i, n := range nodes {
		all[i] = lift(n, by)
	}
	return all
}

func liftQuery(q *catalog.Query, by int) *catalog.Query {
	c := *q
	c.Select, c.Calls = liftAll(q.Select, by), liftAll(q.Calls, by)
	c.Where = lift(q.Where, by)
	c.From = make([]*catalog.Query, len(q.From))
	for i, sub := range q.From {
		c.From[i] = liftQuery(sub, by)
	}
	return &c
}
