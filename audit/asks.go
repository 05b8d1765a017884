package audit

import (
	"maps"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// asking follows the statements of a function whose owner no policy binds, and notes which
// of them touch a tenant table without the caller having been asked: neither by a condition
// of their own, nor by a check before them that ends the function. It does not compute what
// a check compares; prove calls the function with another tenant's ids.
type asking struct {
	f      *facts
	fn     *catalog.Function
	tokens []sqltext.Token
	at     int
	vars   map[string]answer
	// open is the first table that is touched unasked; secret is a column by which rows are
	// found instead; null is a check that NULL passes.
	open, secret string
	null         bool
	unset        bool // a condition that holds for every row where no tenant is set
	// checked are the parameters and variables that the last check names: what it says of one
	// tenant's it does not say of another's.
	checked []string
	of      map[string][]string // what a variable was computed of
	raises  bool                // a check at the top of the function ends it by an error
}

// follow reads a function's body.
func (f *facts) follow(fn *catalog.Function) *asking {
	if a := f.followed[fn]; a != nil {
		return a
	}
	a := &asking{f: f, fn: fn, tokens: f.body(fn).Tokens, vars: map[string]answer{}, of: map[string][]string{}}
	f.followed[fn] = a // one that calls itself asks nobody
	if fn.Language == "plpgsql" {
		a.list(false, 0)
	}
	for a.at < len(a.tokens) { // SQL, and what was not understood
		a.touch(a.statement(), false)
	}
	return a
}

func (a *asking) peek(n int) sqltext.Token {
	if a.at+n >= len(a.tokens) {
		return sqltext.Token{}
	}
	return a.tokens[a.at+n]
}

func (a *asking) next(texts ...string) bool { return slices.ContainsFunc(texts, a.peek(0).Is) }

// upTo takes the tokens before one of these that stands outside of parentheses, and it.
func (a *asking) upTo(texts ...string) []sqltext.Token {
	start, level := a.at, 0
	for ; a.at < len(a.tokens); a.at++ {
		switch {
		case a.next("(", "["):
			level++
		case a.next(")", "]"):
			level--
		case level <= 0 && a.next("case") && !slices.Contains(texts, "end"):
			level++ // its THEN and ELSE are the expression's
		case level > 0 && a.next("end"):
			level--
		case level <= 0 && a.next(texts...):
			taken := a.tokens[start:a.at]
			a.at++
			return taken
		}
	}
	return a.tokens[start:]
}

func (a *asking) statement() []sqltext.Token { return a.upTo(";") }

// ending is how a list of statements ends: whether the last of them leaves the function,
// and by an error, and whether the caller has been asked.
type ending struct{ leaves, raises, asked bool }

// list reads statements up to a word that ends a block or a branch.
func (a *asking) list(asked bool, depth int) (e ending) {
	for a.at < len(a.tokens) && !a.next("end", "elsif", "elseif", "else", "exception", "when") {
		e.leaves, e.raises = false, false
		switch {
		case a.next("declare", "begin"):
			asked = a.block(asked, depth)
		case a.next("if"):
			a.at++
			asked = a.branches(asked, depth) || asked
		case a.next("for", "foreach", "while", "loop"):
			a.touch(a.upTo("loop"), asked)
			a.list(asked, depth+1)
			a.statement()
		case a.next("case"):
			a.at++
			a.cases(asked, depth)
		default:
			e.raises = a.next("raise") && !slices.ContainsFunc([]string{"notice", "warning", "info", "log", "debug"},
				a.peek(1).Is)
			e.leaves = e.raises || a.next("return") && !a.peek(1).Is("next") && !a.peek(1).Is("query")
			asked = a.one(a.statement(), asked) || asked
		}
	}
	e.asked = asked
	return e
}

// block reads [DECLARE …] BEGIN … [EXCEPTION …] END. A handler may come after any of the
// statements, or none, and so does what stands behind the block.
func (a *asking) block(asked bool, depth int) bool {
	for !a.next("begin") && a.at < len(a.tokens) {
		a.one(a.statement(), asked)
	}
	a.at++
	inner := a.list(asked, depth).asked
	if a.next("exception") {
		a.at++
		for a.next("when") {
			a.upTo("then")
			e := a.list(asked, depth+1)
			inner = inner && (e.leaves || asked)
		}
	}
	a.statement()
	return inner
}

func (a *asking) cases(asked bool, depth int) {
	a.touch(a.upTo("when"), asked)
	for {
		a.upTo("then")
		a.list(asked, depth+1)
		if a.next("when") {
			a.at++
			continue
		}
		if a.next("else") {
			a.at++
			a.list(asked, depth+1)
		}
		break
	}
	a.statement()
}

// branches reads IF … END IF after the IF, and reports whether whoever comes out of it has
// been asked.
func (a *asking) branches(asked bool, depth int) bool {
	condition := a.upTo("then")
	yes, no := a.condition(condition)
	before := maps.Clone(a.vars)
	then := a.list(asked || yes, depth+1)
	if a.next("elsif", "elseif") {
		a.at++
		rest := a.branches(asked || no, depth)
		return then.leaves && (no || rest) || yes && rest
	}
	through := then.leaves && no
	if through {
		a.checked = a.names(condition)
		for _, name := range slices.Clone(a.checked) {
			a.checked = append(a.checked, a.of[name]...)
		}
	}
	if a.next("else") {
		a.at++
		otherwise := a.list(asked || no, depth+1)
		through = through || otherwise.leaves && yes
	}
	a.vars = both(before, a.vars)
	a.statement()
	a.raises = a.raises || depth == 0 && then.leaves && then.raises && no
	return through
}

// both keeps what is known of variables whichever branch was taken.
func both(x, y map[string]answer) map[string]answer {
	for name, held := range y {
		if x[name] != held {
			delete(y, name)
		}
	}
	return y
}

// one reads a statement without statements in it, and reports whether it asks the caller by
// itself, by a function that is an error for whoever may not.
func (a *asking) one(statement []sqltext.Token, asked bool) bool {
	if len(statement) == 0 {
		return false
	}
	a.touch(statement, asked)
	into, value := target(statement)
	said := a.says(value)
	said.caller = said.caller && !said.asks && !outside(value, "from")
	for _, name := range into {
		a.of[name] = a.names(value)
		// A row that is not there leaves NULL.
		a.vars[name] = answer{asks: said.asks, decided: said.decided && !outside(value, "from"), caller: said.caller}
	}
	runs := len(into) > 0 || statement[0].Is("perform") || statement[0].Is("select")
	return runs && said.error && !conditional(value)
}

// target splits a statement into the variables that it sets, and what they become.
func target(statement []sqltext.Token) (into []string, value []sqltext.Token) {
	for i, t := range statement {
		switch {
		case t.Is(":=") || t.Is("=") && i == 1 || t.Is("default"):
			return []string{strings.ToLower(statement[0].Name())}, statement[i+1:]
		case t.Is("into") && i > 0 && !statement[i-1].Is("insert") && !statement[i-1].Is("merge"):
			end := i + 1
			for ; end < len(statement) && statement[end].IsName() && !statement[end].Is("from"); end++ {
				if statement[end].Is("strict") {
					continue
				}
				into = append(into, strings.ToLower(statement[end].Name()))
				if end+1 >= len(statement) || !statement[end+1].Is(",") {
					end++
					break
				}
				end++
			}
			return into, slices.Concat(statement[:i], statement[end:])
		}
	}
	return nil, statement
}
