package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleKeyTenantReference = Rule{
	ID: "key-tenant-reference", Severity: Low, Holes: []string{"T06"},
	Title: "Nothing ties the tenant column to the tenants that exist",
	check: each((*facts).untied, func(f *facts, r *catalog.Relation, report reporter) {
		own := f.tenantColumn(r.QName())
		rows := f.orphans(r)
		x := onRelation(r,
			"Rows stay behind when a tenant is deleted, and whoever gets its id again sees them.",
			fmt.Sprintf("No foreign key leads from %s to %s (%s).", own, f.m.Tenants, f.m.Key))
		if rows > 0 {
			x.Severity = Medium
			x.Message = fmt.Sprintf("%s to tenants that do not exist: whoever gets such an id sees them.",
				english.Count(int(rows), "row belongs", "rows belong"))
			report(x.decide("Delete these rows or give them to a tenant that exists; then add the foreign key."))
			return
		}
		if r.Kind == catalog.PartitionedTable {
			report(x.decide("Add the foreign key; on a partitioned table PostgreSQL checks all rows at once."))
			return
		}
		name := sqltext.Name(r.Name, own, "fkey")
		report(x.with(unless("duplicate_object", fmt.Sprintf(
			"ALTER TABLE %s ADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s (%s) NOT VALID", r.QName().SQL(),
			sqltext.Ident(name), sqltext.Ident(own), f.m.Tenants.SQL(), sqltext.Ident(f.m.Key)))))
	}),
}

// untied returns the tenant tables whose tenant column refers to no tenant, neither
// itself nor with the key of a parent.
func (f *facts) untied() []*catalog.Relation {
	tenants := f.look.Relation(f.m.Tenants)
	if tenants == nil || tenants.Column(f.m.Key) == nil || !uniqueOn(tenants, []string{f.m.Key}) {
		return nil
	}
	var out []*catalog.Relation
	for _, r := range f.keyedTables {
		own := f.tenantColumn(r.QName())
		c := r.Column(own)
		tied := slices.ContainsFunc(r.Constraints, func(fk catalog.Constraint) bool {
			return fk.Type == catalog.ForeignKey && slices.Contains(fk.Columns, own)
		})
		if f.look.Class(r.QName()) == catalog.TenantTable && !tied && !r.Partition && len(r.ParentNames) == 0 &&
			c != nil && c.Type == tenants.Column(f.m.Key).Type {
			out = append(out, r)
		}
	}
	return out
}

// orphans is the number of rows of tenants that do not exist, 0 where they were not counted.
func (f *facts) orphans(r *catalog.Relation) int64 { return f.o.Evidence.Orphans[r.QName()] }

// orphansSQL counts them.
func (f *facts) orphansSQL(r *catalog.Relation) string {
	own := sqltext.Ident(f.tenantColumn(r.QName()))
	return fmt.Sprintf("SELECT count(*) FROM %s c WHERE c.%s IS NOT NULL AND NOT EXISTS ("+
		"SELECT FROM %s p WHERE p.%s = c.%s)",
		r.QName().SQL(), own, f.m.Tenants.SQL(), sqltext.Ident(f.m.Key), own)
}
