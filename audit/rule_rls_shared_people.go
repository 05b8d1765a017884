package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

var ruleRLSSharedPeople = Rule{
	ID: "rls-shared-people", Severity: Medium, Holes: []string{"T02", "T09"},
	Title: "A table that counts as shared holds people or their credentials",
	check: each(relations, func(f *facts, r *catalog.Relation, report reporter) {
		if !r.IsTable() || r.Partition || f.look.Class(r.QName()) != catalog.SharedTable {
			return
		}
		through := ""
		if len(f.openCommands(r)) == 0 {
			if through = f.reachedThrough(r); through == "" {
				return
			}
			through = " " + through + " shows its rows with the rights of its owner."
		}
		if reason := f.peopleIn(r); reason != "" {
			report(onRelation(r,
				"Every tenant can read about the people of every other tenant.",
				fmt.Sprintf("The table counts as shared (%s), but %s.%s", f.look.Table(r.QName()).Why, reason,
					through)).
				decide("If each row belongs to one tenant, give the table the column %s. If people belong to several tenants, "+
					"show each tenant only the people that its memberships name. If the table is the same for everybody, accept "+
					"this finding.", f.m.Column))
		}
	}),
}

// peopleIn says why a table seems to list people, "" when nothing speaks for it.
func (f *facts) peopleIn(r *catalog.Relation) string {
	for i := range r.Columns {
		if policy.NamesPersonal(r.Columns[i].Name) {
			return "it has the column " + r.Columns[i].Name
		}
	}
	if link := f.membershipOf(r.QName()); link != nil && policy.NamesPeople(r.Name+" "+link.Name) {
		return "the memberships in " + link.QName().String() + " refer to it"
	}
	return ""
}

// membershipOf returns a tenant table whose rows say which tenant a row of name belongs
// to: a key over the tenant column and the reference to it.
func (f *facts) membershipOf(name catalog.QName) *catalog.Relation {
	for _, r := range f.keyedTables {
		tenant := f.tenantColumn(r.QName())
		for fk := range catalog.Each(r.Constraints) {
			if fk.Type != catalog.ForeignKey || fk.References != name {
				continue
			}
			isTenant := func(column string) bool { return column == tenant }
			others := slices.DeleteFunc(slices.Clone(fk.Columns), isTenant)
			if uniqueOn(r, append([]string{tenant}, others...)) {
				return r
			}
		}
	}
	return nil
}
