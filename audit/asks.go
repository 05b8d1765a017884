package audit

import (
	"maps"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
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
	// checked are the parameters and variables that the last check names: what it says of one
	// tenant's it does not say of another's.
	checked []string
	of      map[string][]string // what a variable was computed of
	raises  bool                // a check at the top of the function ends it by an error
}

// answer is what a condition or a variable says of the caller.
type answer struct {
	asks    bool // who the caller is decides it
	decided bool // it is never NULL
	error   bool // to evaluate it is an error for a caller who may not
	caller  bool // it is who the caller is
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

// touch notes a statement that touches a tenant table without the caller having been asked.
func (a *asking) touch(statement []sqltext.Token, asked bool) {
	if a.open != "" || asked && !a.elsewhere(statement) {
		return
	}
	uses := body.UsesOf(a.fn, statement)
	for _, t := range a.f.tenantTables {
		if reads, _ := uses.Of(t.QName()); !reads || !a.f.bypassesPolicies(a.fn.Owner, t) || a.bound(statement) {
			continue
		}
		if column := a.bySecret(uses, statement); column != "" {
			a.secret = column // what is joined to it is its row's
			return
		}
		a.open = t.QName().String()
		return
	}
}

// names are the parameters and variables that stand in a text, in lower case.
func (a *asking) names(tokens []sqltext.Token) []string {
	var all []string
	for i, t := range tokens {
		name := strings.ToLower(t.Name())
		param := slices.ContainsFunc(a.fn.Params, func(p catalog.Param) bool { return strings.EqualFold(p.Name, name) })
		_, variable := a.vars[name]
		column := i > 0 && tokens[i-1].Is(".") && (i < 2 || !strings.EqualFold(tokens[i-2].Name(), a.fn.Name))
		if t.IsName() && (param || variable) && !column {
			all = append(all, name)
		}
	}
	return all
}

// elsewhere reports whether a statement looks for what its condition names, and the check
// before it was about something else.
func (a *asking) elsewhere(statement []sqltext.Token) bool {
	for i, t := range statement {
		if t.Is("where") || t.Is("values") {
			used := a.names(statement[i:])
			return len(a.checked) > 0 && len(used) > 0 && !slices.ContainsFunc(used, func(name string) bool {
				return slices.Contains(a.checked, name)
			})
		}
	}
	return false
}

// related leaves out every EXISTS (…) that names nothing from outside: it is true for all
// rows or for none.
func (a *asking) related(tokens []sqltext.Token) []sqltext.Token {
	var all []sqltext.Token
	for i := 0; i < len(tokens); i++ {
		if !tokens[i].Is("exists") || i+1 >= len(tokens) || !tokens[i+1].Is("(") {
			all = append(all, tokens[i])
			continue
		}
		end, level := i+1, 0
		for ; end < len(tokens); end++ {
			if tokens[end].Is("(") {
				level++
			} else if tokens[end].Is(")") {
				if level--; level == 0 {
					break
				}
			}
		}
		inner := tokens[i+1 : min(end+1, len(tokens))]
		if a.namesOuter(inner) {
			all = append(all, inner...)
		}
		i = end
	}
	return all
}

// namesOuter reports whether a subquery names a parameter, a variable, or a relation that is
// not in its own FROM.
func (a *asking) namesOuter(inner []sqltext.Token) bool {
	var own []string
	for i, t := range inner {
		if t.Is("from") || t.Is("join") || t.Is(",") {
			for n := i + 1; n < len(inner) && (inner[n].IsName() || inner[n].Is(".")) && !inner[n].Is("where"); n++ {
				own = append(own, strings.ToLower(inner[n].Name()))
			}
		}
	}
	if len(a.names(inner)) > 0 {
		return true
	}
	for i, t := range inner {
		qualifies := i+2 < len(inner) && inner[i+1].Is(".") && !(i+3 < len(inner) && inner[i+3].Is("("))
		if t.IsName() && qualifies && !slices.Contains(own, strings.ToLower(t.Name())) {
			return true
		}
	}
	return false
}

// bound reports whether a statement asks the caller by itself: in a condition, or in what it
// inserts.
func (a *asking) bound(statement []sqltext.Token) bool {
	statement = a.related(statement)
	if outside(statement, "or", "union") {
		return false
	}
	for i, t := range statement {
		if t.Is("where") || t.Is("on") || t.Is("values") || t.Is("having") {
			said := a.says(statement[i:])
			caller := slices.ContainsFunc(statement[i:], func(t sqltext.Token) bool {
				return t.IsName() && a.f.identity[strings.ToLower(t.Name())]
			})
			return said.asks || t.Is("values") && caller
		}
	}
	return a.says(statement).error
}

// bySecret is a column by which a statement finds its rows, where its name says that its
// values are secrets: whoever knows one may see what it opens.
func (a *asking) bySecret(uses body.Uses, statement []sqltext.Token) string {
	if slices.ContainsFunc(statement, func(t sqltext.Token) bool { return t.Is("or") || t.Is("union") }) {
		return ""
	}
	for i, x := range statement {
		if !x.Is("=") || i == 0 || i+1 >= len(statement) || !statement[i-1].IsName() || !statement[i+1].IsName() {
			continue
		}
		column, value := statement[i-1].Name(), statement[i+1].Name()
		param := value == "$1" || slices.ContainsFunc(a.fn.Params, func(p catalog.Param) bool { return p.Name == value })
		for _, t := range a.f.tenantTables {
			if reads, _ := uses.Of(t.QName()); param && reads && policy.NamesSecret(column) && t.Column(column) != nil {
				return t.QName().String() + "." + column
			}
		}
	}
	return ""
}

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
