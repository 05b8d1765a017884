package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleKeyTenantNullable = Rule{
	ID: "key-tenant-nullable", Severity: Low, Holes: []string{"P19", "O06"},
	Title: "A tenant column can be NULL",
	check: each(keyedTables, func(f *facts, r *catalog.Relation, report reporter) {
		own := f.tenantColumn(r.QName())
		c := r.Column(own)
		if c == nil || c.NotNull || c.Generated != "" || r.Partition || f.look.Class(r.QName()) == catalog.TenantsTable {
			return
		}
		x := onRelation(r,
			"A row without a tenant belongs to nobody: foreign keys that include the tenant skip it, and policies that "+
				"treat NULLs as equal show it to everyone.",
			fmt.Sprintf("%s is nullable.", own))
		if f.sharesNulls(r) || f.look.Nobody(r) != "" {
			return // rows without a tenant are shared on purpose
		}
		report(x.decide("Find the rows whose %s is NULL and give them a tenant or delete them. Then run ALTER "+
			"TABLE %s ALTER COLUMN %s SET NOT NULL.", own, r.QName().SQL(), sqltext.Ident(own)))
	}),
}

// sharesNulls reports whether a policy shows rows without a tenant to everybody.
func (f *facts) sharesNulls(r *catalog.Relation) bool {
	return slices.ContainsFunc(f.policies[r.QName()], func(p *judgedPolicy) bool { return p.using.NullMeansShared })
}
