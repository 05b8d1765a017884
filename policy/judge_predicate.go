package policy

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

// verdict is what a condition does to the rows: bind them to the current tenant,
// or to the caller's own.
type verdict struct {
	tenant bool
	own    bool
	// within are the sets of rows, wider than the tenant's own, that the model gives.
	within within
}

func (x verdict) any() bool { return x.tenant || x.own }

// known reports whether the condition does anything that the model knows.
func (x verdict) known() bool { return x.any() || x.sets() != 0 }

// sets are all sets that the rows are within.
func (x verdict) sets() within {
	if x.tenant {
		return everySet
	}
	return x.within.implied()
}

// readable are the sets that the rows are within beside others of those sets: the caller's
// own may be read like what is visible.
func (x verdict) readable() within {
	if x.own {
		return x.sets() | visible.implied()
	}
	return x.sets()
}

// and is what two conditions do that both hold.
func (x verdict) and(y verdict) verdict {
	return verdict{x.tenant || y.tenant, x.own || y.own, x.sets() | y.sets()}
}

// predicate says what a condition does when it must be true.
func (a *analyst) predicate(n *catalog.Node, depth int) verdict {
	switch n.Kind {
	case catalog.NodeAnd:
		var result verdict
		for _, arg := range n.Args {
			result = result.and(a.predicate(arg, depth))
		}
		return result.and(a.nobodys(n, depth))
	case catalog.NodeOr, catalog.NodeEither:
		return a.alternatives(n.Args, depth, a.openBranch)
	case catalog.NodeOperator:
		return a.comparison(n, depth)
	case catalog.NodeAny:
		if n.Name == "=" && len(n.Args) == 2 {
			return a.equality(n.Args[0], n.Args[1], depth)
		}
	case catalog.NodeAnyQuery:
		return a.inQuery(n, depth)
	case catalog.NodeExists:
		return a.exists(n.Query, depth)
	case catalog.NodeSubquery:
		if n.Query.Simple {
			return a.predicate(n.Query.Select[0], depth+1)
		}
		return a.existsSelecting(n.Query, depth)
	case catalog.NodeNot:
		return a.negation(n.Args[0], depth)
	case catalog.NodeBoolTest:
		if n.Name == "is true" {
			return a.predicate(n.Args[0], depth)
		}
	case catalog.NodeCoalesce:
		return a.coalescedTruth(n, depth)
	case catalog.NodeCase:
		return a.alternatives(branches(n), depth, a.openBranch)
	case catalog.NodeFunction:
		return a.helperPredicate(n, depth)
	}
	return verdict{}
}

// alternatives is OR: each branch that can be true must bind the rows. open is told
// of those that do not.
func (a *analyst) alternatives(branches []*catalog.Node, depth int, open func(*catalog.Node, int)) verdict {
	result := verdict{tenant: true, own: true, within: everySet}
	for _, branch := range branches {
		if a.truth(branch, depth) == impossible {
			continue
		}
		x := a.predicate(branch, depth)
		if !x.known() {
			open(branch, depth)
		}
		result = verdict{result.tenant && x.tenant, result.own && x.any(), result.within & x.readable()}
	}
	return result
}

// branches are the conditions of which one holds where a CASE is true.
func branches(n *catalog.Node) []*catalog.Node {
	var all []*catalog.Node
	for pair := range slices.Chunk(n.Args, 2) {
		all = append(all, catalog.Conjunction(pair))
	}
	return all
}

// openBranch notes how a branch of an OR lets rows of others through.
func (a *analyst) openBranch(n *catalog.Node, depth int) {
	for _, part := range n.Conjuncts() {
		if part.Kind == catalog.NodeNullTest && part.Name == "is null" {
			a.j.FailsOpen = a.j.FailsOpen || a.value(part.Args[0], depth).isContext()
		}
		if part.Kind == catalog.NodeOperator && part.Name == "=" && len(part.Args) == 2 {
			x, y := a.value(part.Args[0], depth), a.value(part.Args[1], depth)
			if x.isContext() && y.kind == valueNothing || y.isContext() && x.kind == valueNothing {
				a.j.FailsOpen = true
			}
		}
	}
	below := a.v.analyst(a.t, a.column, &Judgement{})
	below.calls = a.calls
	below.facts(n, depth)
	for _, name := range below.j.Settings {
		if !strings.EqualFold(name, a.m.Setting) || strings.HasPrefix(name, "request.") {
			a.j.BypassFlags = append(a.j.BypassFlags, name)
		}
	}
}

// comparison is an operator that gives a truth value.
func (a *analyst) comparison(n *catalog.Node, depth int) verdict {
	if len(n.Args) != 2 {
		return verdict{}
	}
	switch n.Name {
	case "=":
		for i, arg := range n.Args {
			if arg.Type == "boolean" && a.truth(arg, depth) == certain {
				return a.predicate(n.Args[1-i], depth) // condition = true
			}
		}
		return a.equality(n.Args[0], n.Args[1], depth)
	case "?": // a JSON array holds the tenant
		if x := a.value(n.Args[0], depth); x.kind == valueClaim || x.kind == valueTenant {
			return a.bind(a.value(n.Args[1], depth), x)
		}
	case "<>":
		if a.touchesTenant(n, depth) {
			a.j.Negated = true
		}
	}
	return verdict{}
}

// touchesTenant reports whether an expression mentions the tenant column or of what
// names the caller.
func (a *analyst) touchesTenant(n *catalog.Node, depth int) bool {
	if x := a.value(n, depth); x.isContext() || x.kind == valueOwn && x.node.Column == a.column && a.column != "" {
		return true
	}
	return slices.ContainsFunc(n.Args, func(arg *catalog.Node) bool { return a.touchesTenant(arg, depth) })
}

// equality compares two values, or a row of them, either way round.
func (a *analyst) equality(left, right *catalog.Node, depth int) verdict {
	x, y := a.value(left, depth), a.value(right, depth)
	if y.kind == valueOwn {
		x, y = y, x
	}
	return a.bind(x, y)
}

// bind says what own = y does, own being a column of the policy's table.
func (a *analyst) bind(own, y value) verdict {
	if own.kind != valueOwn {
		return verdict{}
	}
	tenant := a.column != "" && own.node.Column == a.column
	result := verdict{}
	switch y.kind {
	case valueTenant:
		result.tenant = tenant
		result.within = a.party(own, false)
	case valueClaim:
		result.tenant = tenant && namesTenant(y.path)
		result.own = isSubject(y)
	case valueSetting:
		result.own = NamesCaller(y.setting) && NamesCaller("."+own.node.Column)
	case valueMember:
		result = a.bindMember(own, y, tenant)
	}
	if (tenant && result.tenant || result.within != 0) && !a.exact(own) {
		a.j.InexactEquality = true
		return verdict{}
	}
	if result.tenant && tenant && a.compared == nil && y.setting != "" {
		a.compared = &Evidence{Setting: y.setting, Claim: y.path}
	}
	if result.known() {
		a.j.Wrapped = a.j.Wrapped || y.wrapped
		a.j.ColumnWrapped = a.j.ColumnWrapped || own.changed
		a.j.RaisesWhenUnset = a.j.RaisesWhenUnset || y.raises
	}
	if a.column == "" {
		// A table without a tenant column is bound as well as it can be.
		result.tenant = result.tenant || result.own
	}
	return result
}

// namesTenant reports whether a claim can be a tenant: those that tell the caller's
// role or the token's own data are not.
func namesTenant(path []string) bool {
	if len(path) == 0 {
		return true
	}
	switch path[len(path)-1] {
	case "role", "aud", "iss", "exp", "iat", "nbf", "jti", "email", "phone", "aal", "amr", "is_anonymous", "session_id":
		return false
	}
	return true
}

// isSubject reports whether a claim is the caller's own id.
func isSubject(x value) bool {
	if x.kind != valueClaim || len(x.path) == 0 {
		return false
	}
	switch x.path[len(x.path)-1] {
	case "sub", "user_id", "uid", "email":
		return true
	}
	return false
}

// negation is NOT; NOT (x IS DISTINCT FROM y) is how IS NOT DISTINCT FROM is kept.
func (a *analyst) negation(n *catalog.Node, depth int) verdict {
	if n.Kind != catalog.NodeDistinct || len(n.Args) != 2 {
		if a.touchesTenant(n, depth) {
			a.j.Negated = true
		}
		return verdict{}
	}
	result := a.equality(n.Args[0], n.Args[1], depth)
	if !result.any() {
		return result
	}
	a.j.NotDistinct = true
	// Where the column can be NULL, no tenant at all equals the rows of nobody.
	for _, arg := range n.Args {
		if x := a.value(arg, depth); x.kind == valueOwn {
			if c := a.t.Column(x.node.Column); c == nil || !c.NotNull {
				return verdict{}
			}
		}
	}
	return result
}

// coalescedTruth is coalesce(condition, false).
func (a *analyst) coalescedTruth(n *catalog.Node, depth int) verdict {
	for _, arg := range n.Args[1:] {
		if a.truth(arg, depth) != impossible {
			return verdict{}
		}
	}
	return a.predicate(n.Args[0], depth)
}

// helperPredicate is a user's function of type boolean: every way out of it must
// bind the rows.
func (a *analyst) helperPredicate(n *catalog.Node, depth int) verdict {
	f := a.v.Function(n.OID)
	ways := a.enter(n, f)
	if ways == nil {
		return verdict{}
	}
	defer a.leave()
	result := a.alternatives(ways, depth, func(*catalog.Node, int) {})
	if result.any() && f.Volatile == "immutable" {
		a.j.ImmutableHelper = true
	}
	return result
}
