package policy

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

// Evidence is what a policy compares the tenant column with.
type Evidence struct {
	Setting    string
	Claim      []string
	Membership *catalog.ColumnRef
}

// Compared returns the columns of t that an expression compares with a setting, a claim
// or a membership, whatever the model will be.
func (v *View) Compared(e *catalog.Expr, t *catalog.Relation) []string {
	if e == nil || e.Root == nil {
		return nil
	}
	j := Judgement{}
	v.With(&catalog.Model{}).analyst(t, "", &j).facts(e.Root, 0)
	slices.Sort(j.Columns)
	return slices.DeleteFunc(slices.Compact(j.Columns), func(name string) bool {
		under := v.With(&catalog.Model{Column: name, Trusted: v.Model.Trusted})
		return !under.analyst(t, name, &Judgement{}).anywhere(e.Root).tenant
	})
}

// Evidence finds what a column of t is compared with in an expression, nil when it is
// not.
func (v *View) Evidence(e *catalog.Expr, t *catalog.Relation, column string) *Evidence {
	if e == nil || e.Root == nil || column == "" {
		return nil
	}
	j := Judgement{}
	a := v.analyst(t, column, &j)
	if !a.anywhere(e.Root).tenant {
		return nil
	}
	a.facts(e.Root, 0)
	found := a.compared
	// The settings of moat's own are those inside the sealed tenant.
	settings := slices.DeleteFunc(slices.Clone(j.Settings), func(name string) bool {
		return strings.HasPrefix(name, "moat.")
	})
	if found == nil && len(settings) > 0 {
		found = &Evidence{Setting: settings[0]}
		if slices.Contains(j.Claims, "sub") {
			found.Claim = []string{"sub"}
		}
	}
	if found == nil {
		return nil
	}
	if len(j.Memberships) > 0 {
		found.Membership = &j.Memberships[0]
	}
	// PostgREST's one setting for each claim is the old form of the one for all.
	if strings.HasPrefix(found.Setting, "request.jwt.claim") && slices.Contains(j.Settings, "request.jwt.claims") {
		found.Setting = "request.jwt.claims"
	}
	return found
}

// anywhere is predicate for an expression that may open up elsewhere: that "tenant OR
// flag" leaks does not make its column another's.
func (a *analyst) anywhere(n *catalog.Node) verdict {
	x := a.predicate(n, 0)
	if n.Kind == catalog.NodeOr || n.Kind == catalog.NodeAnd {
		for _, arg := range n.Args {
			x = x.and(a.anywhere(arg))
		}
	}
	return x
}
