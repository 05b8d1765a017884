package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleCitusLocalTable = Rule{
	ID: "citus-local-table", Severity: High, Kind: Outage, Holes: []string{"D02"},
	Title: "A table of tenants stayed on the coordinator beside distributed ones",
	check: each(tenantTables, func(f *facts, r *catalog.Relation, report reporter) {
		if f.alone(r) {
			report(f.distribute(r))
		}
	}),
}

// distribute says that a table should follow the others.
func (f *facts) distribute(r *catalog.Relation) Finding {
	x := onRelation(r,
		"A query that joins the table with a distributed one can end the server process of every tenant.",
		"Under row-level security on both, Citus 13.2 crashes the coordinator.")
	name, column := sqltext.Literal(r.QName().SQL()), f.tenantColumn(r.QName())
	beside := f.beside()
	if f.look.Class(r.QName()) == catalog.TenantsTable {
		return x.with(fmt.Sprintf("SELECT create_reference_table(%s)", name))
	}
	if column == "" || beside == nil {
		return x.decide("Give the table the tenant column and distribute it by that, or keep it out of the application's " +
			"reach.")
	}
	return x.with(fmt.Sprintf("SELECT create_distributed_table(%s, %s, colocate_with => %s)", name,
		sqltext.Literal(column), sqltext.Literal(beside.QName().SQL())))
}
