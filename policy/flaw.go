package policy

import (
	"slices"

	"github.com/moat-db/moat/catalog"
)

// Flaw is the way in which an expression fails to keep tenants apart. Of several it is
// the most telling one.
type Flaw string

// The flaws, the most significant first.
const (
	Sound       Flaw = ""            // it isolates
	Absent      Flaw = "absent"      // there is no expression: it lets nothing through
	AlwaysTrue  Flaw = "always true" // nothing but constants
	FailOpen    Flaw = "fail open"   // without a tenant, every row
	Flagged     Flaw = "flag"        // a setting opens every row
	NullShared  Flaw = "null shared" // rows without a tenant too
	NullEqual   Flaw = "null equal"  // IS NOT DISTINCT FROM
	Negative    Flaw = "negative"    // <>, NOT
	Pattern     Flaw = "pattern"     // LIKE, regular expressions, parts of strings
	ByRole      Flaw = "role"        // current_user and similar
	Captured    Flaw = "captured"    // a subquery that never looks at the row's tenant
	OwnRows     Flaw = "own rows"    // the caller's rows, of whatever tenant
	Literal     Flaw = "literal"     // one tenant's id
	Alternative Flaw = "alternative" // tenant AND a OR b
	Frozen      Flaw = "frozen"      // it isolates, but for a plan that keeps one tenant
	Inexact     Flaw = "inexact"     // it isolates, but for two spellings of one tenant
	Unrelated   Flaw = "unrelated"   // anything else
)

// flaw names what is wrong with an expression of which the other facts are known.
func (a *analyst) flaw(n *catalog.Node) Flaw {
	j := a.j
	switch {
	case j.Isolates:
		return Sound
	case j.AlwaysTrue, j.Constant:
		return AlwaysTrue
	case j.FailsOpen:
		return FailOpen
	case len(j.BypassFlags) > 0:
		return Flagged
	case j.NullMeansShared:
		return NullShared
	case j.NotDistinct:
		return NullEqual
	case j.Negated:
		return Negative
	case j.ComparesPattern:
		return Pattern
	case j.UsesRoleName:
		return ByRole
	case j.ColumnCaptured, len(j.Subqueries) > 0 && !j.ReadsTenant && !j.OwnRows:
		return Captured
	case j.OwnRows:
		return OwnRows
	case a.namesTenant(n):
		return Literal
	case n.Kind == catalog.NodeOr && slices.ContainsFunc(n.Args, a.isolates):
		return Alternative
	case j.ImmutableHelper:
		return Frozen
	case j.InexactEquality && n.Kind != catalog.NodeOr:
		return Inexact
	}
	return Unrelated
}

// isolates reports whether a part of the expression isolates by itself.
func (a *analyst) isolates(n *catalog.Node) bool { return a.v.weigh(n, a.t).Isolates }

// isOwn reports whether n is the tenant column of the policy's own table, cast or not.
func (a *analyst) isOwn(n *catalog.Node) bool {
	n = bare(n)
	return n.Kind == catalog.NodeColumn && n.Relation == a.t.QName() && n.Column == a.column && a.column != ""
}

// namesTenant reports whether the row's tenant is compared with a constant anywhere.
func (a *analyst) namesTenant(root *catalog.Node) bool {
	isConst := func(n *catalog.Node) bool { return bare(n).Kind == catalog.NodeConst }
	for n := range root.All() {
		if n.Kind == catalog.NodeOperator && n.Name == "=" && slices.ContainsFunc(n.Args, a.isOwn) &&
			slices.ContainsFunc(n.Args, isConst) {
			return true
		}
	}
	return false
}

// sharesNull reports whether an expression lets through the caller's rows, or none, and
// those without a tenant.
func (a *analyst) sharesNull(root *catalog.Node) bool {
	nobodys := func(n *catalog.Node) bool {
		return n.Kind == catalog.NodeNullTest && n.Name == "is null" && a.isOwn(n.Args[0])
	}
	if slices.ContainsFunc(root.Conjuncts(), nobodys) {
		return true
	}
	return root.Kind == catalog.NodeOr && slices.ContainsFunc(root.Args, nobodys) &&
		!slices.ContainsFunc(root.Args, func(n *catalog.Node) bool { return !nobodys(n) && !a.isolates(n) })
}
