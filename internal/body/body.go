// Package body reads the bodies of functions in SQL and PL/pgSQL, which the server
// keeps as text: what a function can return, in the Nodes that policies are made of,
// and what it uses.
//
// What is returned is an allow-list: a body in which anything stands that is not known
// has no results. What is used is told by the tokens alone, of any body.
package body

import (
	"slices"
	"strconv"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// Body is what a function's text says.
type Body struct {
	// Results are the values that the function can return, with a NodeParam where a
	// call has an argument. None: the body is not understood.
	Results []*catalog.Node
	// Caught is true when errors inside do not come out.
	Caught bool
	Uses
}

// Read reads a function's body. Names are resolved as the function would resolve them:
// by its own search_path, then its schema and public.
func Read(l *catalog.Lookup, f *catalog.Function) *Body {
	tokens := sqltext.Code(f.Body)
	r := reader{l: l, f: f, tokens: tokens, plpgsql: plpgsql{vars: map[string]*catalog.Node{}, inexact: map[string]bool{}}}
	b := &Body{Uses: scan(f, tokens)}
	// What is read after a setting was changed is not what the caller set.
	if !b.Mentions("set_config") && r.try(r.body) {
		b.Results, b.Caught = r.results, r.caught
	}
	return b
}

// Call returns a result with a call's arguments in place of the parameters.
func Call(result *catalog.Node, args []*catalog.Node) *catalog.Node {
	return result.Map(func(n *catalog.Node, _ int) *catalog.Node {
		if n.Kind != catalog.NodeParam {
			return nil
		}
		i, err := strconv.Atoi(n.Name[1:])
		if err != nil || i < 1 || i > len(args) {
			return unknown("parameter")
		}
		return args[i-1].Raised(n.Level)
	})
}

// reader reads one body, from the front to the back. It stops at the first thing that
// it does not know: refuse panics, and try recovers.
type reader struct {
	l      *catalog.Lookup
	f      *catalog.Function
	tokens []sqltext.Token
	at     int
	depth  int // of nesting
	steps  int // in all: what is named once can be read many times
	scopes []*scope
	with   map[string]common
	entry  int // the last number that a table of a FROM got
	plpgsql
}

const (
	maxDepth = 60
	maxSteps = 20_000
	maxNodes = 5_000 // in what a variable holds
)

type refusal struct{}

func (r *reader) refuse() { panic(refusal{}) }

// try reports whether read got through. Where it did not, everything is as before but for
// the steps taken.
func (r *reader) try(read func()) (ok bool) {
	at, depth, scopes, with := r.at, r.depth, r.scopes, r.with
	defer func() {
		switch x := recover().(type) {
		case nil:
		case refusal:
			r.at, r.depth, r.scopes, r.with = at, depth, scopes, with
		default:
			panic(x)
		}
	}()
	read()
	return true
}

// deeper bounds nesting and work. The caller undoes the first by r.depth--.
func (r *reader) deeper() {
	r.depth++
	r.steps++
	if r.depth > maxDepth || r.steps > maxSteps {
		r.refuse()
	}
}

// body reads the whole of it.
func (r *reader) body() {
	switch r.f.Language {
	case "sql":
		r.results = []*catalog.Node{r.statement()}
	case "plpgsql":
		r.vars["found"] = constant("boolean", "false")
		r.block()
	}
	if len(r.results) == 0 || r.at < len(r.tokens) {
		r.refuse()
	}
}

// statement reads the one statement of a function in SQL, in any of its three forms.
func (r *reader) statement() (n *catalog.Node) {
	if r.accept("return") {
		n = r.expr(0)
		r.accept(";")
		return n
	}
	atomic := r.accept("begin", "atomic")
	n = &catalog.Node{Kind: catalog.NodeSubquery, Query: r.query()}
	r.accept(";")
	if atomic {
		r.expect("end")
	}
	return n
}

func (r *reader) peek() sqltext.Token { return r.ahead(0) }

func (r *reader) ahead(n int) sqltext.Token {
	if r.at+n >= len(r.tokens) {
		return sqltext.Token{}
	}
	return r.tokens[r.at+n]
}

func (r *reader) take() sqltext.Token {
	t := r.peek()
	r.at++
	return t
}

// accept takes the next tokens if they are these.
func (r *reader) accept(texts ...string) bool {
	for i, text := range texts {
		if !r.ahead(i).Is(text) {
			return false
		}
	}
	r.at += len(texts)
	return true
}

func (r *reader) expect(texts ...string) {
	if !r.accept(texts...) {
		r.refuse()
	}
}

// next reports whether one of these comes next.
func (r *reader) next(texts ...string) bool { return slices.ContainsFunc(texts, r.peek().Is) }

// name takes an identifier.
func (r *reader) name() string {
	if !r.peek().IsName() {
		r.refuse()
	}
	return r.take().Name()
}

// skipTo moves on to one of these at the same level of parentheses, or to where the
// statement or the parenthesis ends.
func (r *reader) skipTo(texts ...string) {
	for level := 0; r.at < len(r.tokens); r.at++ {
		switch {
		case r.next("("):
			level++
		case level == 0 && r.next(")", ";"):
			return
		case r.next(")"):
			level--
		case level == 0 && r.next(texts...) && !r.distinctFrom():
			return
		}
	}
}

// distinctFrom reports whether FROM belongs to IS DISTINCT FROM.
func (r *reader) distinctFrom() bool {
	return r.next("from") && r.at > 0 && r.tokens[r.at-1].Is("distinct")
}

func node(kind catalog.NodeKind, name string, args ...*catalog.Node) *catalog.Node {
	return &catalog.Node{Kind: kind, Name: name, Args: args}
}

// condition is a node that gives a truth value.
func condition(kind catalog.NodeKind, name string, args ...*catalog.Node) *catalog.Node {
	return &catalog.Node{Kind: kind, Name: name, Type: "boolean", Args: args}
}

// unknown is a value of which nothing is known but that it is there.
func unknown(name string, args ...*catalog.Node) *catalog.Node {
	return node(catalog.NodeOther, name, args...)
}

func constant(typeName, value string) *catalog.Node {
	return &catalog.Node{Kind: catalog.NodeConst, Type: typeName, Value: value}
}

func null() *catalog.Node { return &catalog.Node{Kind: catalog.NodeConst, Null: true} }
