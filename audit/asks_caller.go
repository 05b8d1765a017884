package audit

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/sqltext"
)

// answer is what a condition or a variable says of the caller.
type answer struct {
	asks    bool // who the caller is decides it
	decided bool // it is never NULL
	error   bool // to evaluate it is an error for a caller who may not
	caller  bool // it is who the caller is
}

// conditional reports whether parts of a statement may not be evaluated.
func conditional(statement []sqltext.Token) bool {
	return slices.ContainsFunc(statement, func(t sqltext.Token) bool {
		return slices.ContainsFunc([]string{"case", "and", "or", "coalesce", "where", "from"}, t.Is)
	})
}

// outside reports whether a word stands outside of all parentheses.
func outside(tokens []sqltext.Token, words ...string) bool {
	level := 0
	return slices.ContainsFunc(tokens, func(t sqltext.Token) bool {
		switch {
		case t.Is("("):
			level++
		case t.Is(")"):
			level--
		}
		return level == 0 && slices.ContainsFunc(words, t.Is)
	})
}

// says is what an expression or a query tells of the caller: it compares who they are, asks
// a function that does, or takes a variable that holds the answer.
func (a *asking) says(tokens []sqltext.Token) answer {
	var all answer
	for i, t := range tokens {
		if !t.IsName() {
			continue
		}
		name := strings.ToLower(t.Name())
		switch fn := a.asker(name); {
		case name == "current_setting" || a.f.identity[name] || a.vars[name].caller:
			all.caller = true
			all.asks = all.asks || compared(tokens, i)
		case fn != nil && i+1 < len(tokens) && tokens[i+1].Is("("):
			all.asks, all.error = true, all.error || a.f.follow(fn).raises
		default:
			all.asks = all.asks || a.vars[name].asks
		}
	}
	all.decided = all.asks && a.decided(tokens)
	return all
}

// compared reports whether the condition around a token compares it: that somebody is logged
// in says nothing.
func compared(tokens []sqltext.Token, at int) bool {
	ends := func(t sqltext.Token) bool {
		return slices.ContainsFunc([]string{"and", "or", "where", "on", "having", "if", "then", "when", "values"}, t.Is)
	}
	start, end := at, at
	for ; start > 0 && !ends(tokens[start-1]); start-- {
	}
	for ; end < len(tokens) && !ends(tokens[end]); end++ {
	}
	return slices.ContainsFunc(tokens[start:end], func(t sqltext.Token) bool {
		return slices.ContainsFunc([]string{"=", "<>", "!=", "in", "any", "distinct", "?"}, t.Is)
	})
}

// decided reports whether a condition is never NULL: it is EXISTS, coalesce, or the answer of
// a function or a variable that is.
func (a *asking) decided(tokens []sqltext.Token) bool {
	if outside(tokens, "and", "or") {
		return false
	}
	for i, t := range tokens {
		name := strings.ToLower(t.Name())
		next := sqltext.Token{}
		if i+1 < len(tokens) {
			next = tokens[i+1]
		}
		switch {
		case slices.ContainsFunc([]string{"select", "perform", "not", "(", ":=", "="}, t.Is), next.Is("."), t.Is("."):
		case t.Is("exists"), t.Is("coalesce"):
			return true
		case next.Is(":=") || i == 0 && next.Is("="): // what is assigned
		case next.Is("("):
			fn := a.asker(name)
			return fn != nil && a.f.decides(fn)
		default:
			return a.vars[name].decided
		}
	}
	return false
}

// asker is a function with arguments that asks who the caller is, nil for another name.
func (a *asking) asker(name string) *catalog.Function {
	for _, fn := range a.f.asking[name] {
		if fn != a.fn {
			return fn
		}
	}
	return nil
}

// condition says what follows for the caller where an IF's condition holds, and where it
// does not. Of what may be NULL nothing follows where it does not hold.
func (a *asking) condition(tokens []sqltext.Token) (yes, no bool) {
	said := a.says(tokens)
	if said.error && !conditional(tokens) {
		return true, true // the function itself has asked
	}
	if !said.asks {
		return false, false
	}
	is := func(text string) bool {
		return slices.ContainsFunc(tokens, func(t sqltext.Token) bool { return t.Is(text) })
	}
	denies := is("not") && !isNotNull(tokens) || is("<>") || is("!=") || is("distinct") || isNull(tokens)
	if !denies {
		return !outside(tokens, "or"), false
	}
	safe := said.decided || is("distinct") || isNull(tokens) || isNotTrue(tokens)
	if !safe {
		a.null = true
	}
	return false, safe && !outside(tokens, "and")
}

// follows reports whether these words stand somewhere one after the other.
func follows(tokens []sqltext.Token, words ...string) bool {
	for i := range tokens {
		at := i
		for _, word := range words {
			if at >= len(tokens) || !tokens[at].Is(word) {
				at = -1
				break
			}
			at++
		}
		if at > 0 {
			return true
		}
	}
	return false
}

func isNull(tokens []sqltext.Token) bool    { return follows(tokens, "is", "null") }
func isNotNull(tokens []sqltext.Token) bool { return follows(tokens, "is", "not", "null") }
func isNotTrue(tokens []sqltext.Token) bool { return follows(tokens, "is", "not", "true") }

// collectAsking records the functions with arguments, by name, that ask who is calling.
func (f *facts) collectAsking() {
	for _, fn := range f.userFunctions {
		if len(fn.Params) > 0 && fn.Result != "trigger" && f.readsCaller(f.body(fn)) {
			name := strings.ToLower(fn.Name)
			f.asking[name] = append(f.asking[name], fn)
		}
	}
}

// decides reports whether a function's answer is never NULL: all that it can return is
// EXISTS.
func (f *facts) decides(fn *catalog.Function) bool {
	results := f.look.Body(fn).Results
	return len(results) > 0 && !slices.ContainsFunc(results, func(n *catalog.Node) bool { return !body.IsDecided(n) })
}
