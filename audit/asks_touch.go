package audit

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

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
	if t := a.f.past(a.fn, &uses); t != nil && !a.bound(statement) {
		a.open = t.QName().String()
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
			if a.comparesItself(statement[i:]) {
				a.unset = true
				return false
			}
			said := a.says(statement[i:])
			caller := slices.ContainsFunc(statement[i:], func(t sqltext.Token) bool {
				return t.IsName() && a.f.identity[strings.ToLower(t.Name())]
			})
			return said.asks || t.Is("values") && caller
		}
	}
	return a.says(statement).error
}

// comparesItself reports whether a condition takes a column in the place of a caller who is not
// there, as coalesce(current_setting(…), tenant_id) does: then it holds for every row.
func (a *asking) comparesItself(condition []sqltext.Token) bool {
	for i, t := range condition {
		if !t.Is("coalesce") {
			continue
		}
		last, caller, level := i+2, false, 0
		for at := i + 1; at < len(condition); at++ {
			switch x := condition[at]; {
			case x.Is("("):
				level++
			case x.Is(")"):
				level--
			case x.Is(",") && level == 1:
				last = at + 1
			case x.Is("current_setting") || a.f.identity[strings.ToLower(x.Name())]:
				caller = true
			}
			if level == 0 {
				if end := condition[last:at]; caller && len(end) > 0 && len(a.names(end)) == 0 && isColumn(end) {
					return true
				}
				break
			}
		}
	}
	return false
}

// isColumn reports whether an expression is a name, qualified or not.
func isColumn(tokens []sqltext.Token) bool {
	return !slices.ContainsFunc(tokens, func(t sqltext.Token) bool { return !t.IsName() && !t.Is(".") || t.Is("null") })
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
