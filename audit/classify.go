package audit

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// class says in what way an expression fails to isolate.
type class string

const (
	isolating   class = ""
	absent      class = "absent"      // there is no expression: it lets nothing through
	alwaysTrue  class = "always true" // nothing but constants
	failOpen    class = "fail open"   // without a tenant, every row
	flagged     class = "flag"        // a setting opens every row
	nullShared  class = "null shared" // rows without a tenant too
	nullEqual   class = "null equal"  // IS NOT DISTINCT FROM
	negative    class = "negative"    // <>, NOT
	pattern     class = "pattern"     // LIKE, regular expressions, parts of strings
	byRole      class = "role"        // current_user and its like
	captured    class = "captured"    // a sub-query that never looks at the row's tenant
	literalID   class = "literal"     // one tenant's id
	alternative class = "alternative" // tenant AND a OR b
	ownRows     class = "own rows"    // the caller's rows, of whatever tenant
	unrelated   class = "unrelated"   // anything else
)

// verdictOf is what is known about one expression of a policy.
type verdictOf struct {
	policy.Judgement
	class class
	nulls bool // lets rows without a tenant through, and else isolates
}

func (f *facts) judgeExpr(r *catalog.Relation, e *catalog.Expr) verdictOf {
	if e == nil {
		return verdictOf{class: absent}
	}
	e, exact := uncollated(e)
	v := verdictOf{Judgement: f.look.Judge(e, r)}
	j := f.judge(r)
	v.nulls = j.sharesNull(e.Root)
	v.class = j.classify(e.Root, v)
	v.InexactEquality = v.InexactEquality && !exact
	return v
}

// classify names the first way in which an expression fails, the most telling first.
func (j judge) classify(n *catalog.Node, v verdictOf) class {
	switch {
	case v.Isolates:
		return isolating
	case v.AlwaysTrue, v.Constant && n != nil:
		return alwaysTrue
	case v.FailsOpen:
		return failOpen
	case len(v.BypassFlags) > 0:
		return flagged
	case v.nulls:
		return nullShared
	case v.NotDistinct:
		return nullEqual
	case v.Negated:
		return negative
	case v.ComparesPattern:
		return pattern
	case v.UsesRoleName:
		return byRole
	case v.ColumnCaptured, len(v.Subqueries) > 0 && !v.ReadsTenant && !v.OwnRows:
		return captured
	case v.OwnRows:
		return ownRows
	case contains(n, j.literal):
		return literalID
	case n != nil && n.Kind == catalog.NodeOr && slices.ContainsFunc(n.Args, j.isolates):
		return alternative
	case v.ImmutableHelper, v.InexactEquality && n != nil && n.Kind != catalog.NodeOr:
		return isolating // but for the plan that is kept, or the spelling: other rules speak
	}
	return unrelated
}

// sharesNull says whether an expression lets through the caller's rows, or none, and
// those without a tenant.
func (j judge) sharesNull(n *catalog.Node) bool {
	isNull := func(n *catalog.Node) bool {
		return n.Kind == catalog.NodeNullTest && n.Name == "is null" && len(n.Args) == 1 && j.own(n.Args[0])
	}
	if n == nil {
		return false
	}
	if slices.ContainsFunc(conjuncts(n), isNull) {
		return true
	}
	return n.Kind == catalog.NodeOr && slices.ContainsFunc(n.Args, isNull) &&
		!slices.ContainsFunc(n.Args, func(a *catalog.Node) bool { return !isNull(a) && !j.isolates(a) })
}

// uncollated returns an expression without COLLATE around columns, and whether there
// was one that compares byte by byte. Judge knows no collations but a column's own.
func uncollated(e *catalog.Expr) (*catalog.Expr, bool) {
	isCollate := func(n *catalog.Node) bool {
		return n.Kind == catalog.NodeOther && strings.HasPrefix(n.Name, "COLLATE") && len(n.Args) > 0
	}
	if !contains(e.Root, isCollate) {
		return e, false
	}
	var strip func(n *catalog.Node) *catalog.Node
	strip = func(n *catalog.Node) *catalog.Node {
		if isCollate(n) {
			return strip(n.Args[0])
		}
		c := *n
		c.Args = make([]*catalog.Node, len(n.Args))
		for i, a := range n.Args {
			c.Args[i] = strip(a)
		}
		return &c
	}
	exact := strings.Contains(e.Text, `COLLATE "C"`) || strings.Contains(e.Text, `COLLATE "POSIX"`)
	return &catalog.Expr{Text: e.Text, Root: strip(e.Root)}, exact
}
