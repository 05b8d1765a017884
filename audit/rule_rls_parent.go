package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
)

var ruleRLSParent = Rule{
	ID: "rls-parent", Severity: Critical, Holes: []string{"C12"},
	Title: "A parent table is not protected, although its partitions or children are",
	check: each(relations, func(f *facts, r *catalog.Relation, report reporter) {
		child := f.protectedChild(r)
		if r.RLS || len(r.Policies) > 0 || child == nil || !f.exposed(r) {
			return
		}
		x := onRelation(r,
			"A query through the parent returns every tenant's rows.",
			fmt.Sprintf("The policies of %s apply only to queries that name it. Through the parent, only the parent's "+
				"policies apply, and it has none.", child.QName()))
		if f.tenantColumn(r.QName()) == "" {
			x = x.with(enableSQL(r)...).decide("%s has no tenant column that a policy could compare. Say in moat.yaml what "+
				"the table holds, or leave it closed to everyone.", r.QName())
		} else {
			x = x.with(f.isolateSQL(r)...).with(enableSQL(r)...)
		}
		report(x)
	}),
}

func (f *facts) protectedChild(r *catalog.Relation) *catalog.Relation {
	if !r.IsTable() {
		return nil
	}
	for _, child := range f.look.Children(r) {
		if child.RLS && child.IsTable() {
			return child
		}
	}
	return nil
}
