package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// PersonError is returned by [New] for a database whose policies ask who the caller is,
// and from which nobody can tell which tenants are the caller's: no table says who belongs
// to which. A wall by one tenant would hide from people what those policies show them, so
// nothing is planned.
type PersonError struct {
	Setting    string
	Claim      []string
	Membership *catalog.ColumnRef
}

func (e *PersonError) Error() string {
	source := strings.Join(append([]string{e.Setting}, e.Claim...), " → ")
	if e.Membership != nil {
		return fmt.Sprintf("the policies of this database find a caller's tenants in %s, by %s, and no column of it is "+
			"known to name the caller", e.Membership.Relation, source)
	}
	return fmt.Sprintf("the policies of this database read who the caller is (%s), and not which tenant is current",
		source)
}

// keepsOwn reports whether a table keeps its own policies, and gets no wall. One that is closed to
// everybody stays so where memberships were inferred: a door of ours would open it.
func (p *planner) keepsOwn(rel *catalog.Relation) bool {
	return p.KeepsOwn(p.grown(rel)) || p.inferred && rel.RLS && !rel.Partition && len(rel.Policies) == 0
}

// askOwnWrites asks about policies that let a caller write rows of their own, whichever
// tenant those name: into a tenant that they are no member of.
func (p *planner) askOwnWrites(t *table) {
	q := t.rel.QName()
	for pol := range catalog.Each(t.rel.Policies) {
		writes := pol.Permissive && pol.Command != "SELECT" && pol.Command != "DELETE" && pol.WriteExpr() != nil
		if !writes || t.class != catalog.TenantTable || t.missing || !p.Judge(pol.WriteExpr(), t.rel).OwnRows {
			continue
		}
		member := p.Rows(t.rel, p.Bound(p.FormOf(t.rel))).Insert
		p.decide(Decision{ID: "writes/" + key(q) + "." + pol.Name, Table: q, Object: pol.Name,
			Question: fmt.Sprintf("May a caller write rows of %s into a tenant that they are no member of?", key(q)),
			Why: "The policy compares the row with the caller, and not its " + t.column + " with the caller's tenants. The " +
				"statement adds that.",
			SQL: []string{policy.Alter(q, pol.Name, "", "("+pol.WriteExpr().Text+") AND "+member)}})
	}
}

// noteOwn says why nothing is planned for the policies of a table.
func (p *planner) noteOwn(rel *catalog.Relation) {
	var names []string
	for i := range rel.Policies {
		names = append(names, rel.Policies[i].Name)
	}
	slices.Sort(names)
	p.note(key(rel.QName()), "keeps its own policies, which isolate by the caller's memberships: "+
		strings.Join(names, ", "))
}
