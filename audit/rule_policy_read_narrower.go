package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
)

var rulePolicyReadNarrower = Rule{
	ID: "policy-read-narrower", Severity: Medium, Kind: Outage, Holes: []string{"T07"},
	Title: "A policy for reading hides rows that the policies for writing let through",
	check: each(judgedTables, func(f *facts, r *catalog.Relation, report reporter) {
		for _, p := range f.policies[r.QName()] {
			if p.Command != "SELECT" || p.Using == nil || p.Using.Root == nil {
				continue
			}
			column := f.hiddenBy(r, p)
			if column == "" || !f.writesBeyond(r, p, column) {
				continue
			}
			report(onPart(r, p.Name,
				fmt.Sprintf("An UPDATE that hides a row fails: \"new row violates row-level security policy\". A DELETE or "+
					"UPDATE without WHERE changes hidden rows too, by %s.", column),
				fmt.Sprintf("A row that an UPDATE leaves behind must satisfy the policies for reading as soon as the statement "+
					"reads a column, and this one asks for %s; the policies for writing do not.", column)).
				decide("Leave %s out of the policy and hide such rows in a view or in the queries. Or hide them by a "+
					"SECURITY DEFINER function that compares the tenant itself.", column))
		}
	}),
}

// hiddenBy returns the column, not the tenant's, by whose value a policy hides rows; ""
// when there is none.
func (f *facts) hiddenBy(r *catalog.Relation, p *judgedPolicy) string {
	for _, part := range p.Using.Root.Conjuncts() {
		for part.Kind == catalog.NodeNot || part.Kind == catalog.NodeBoolTest {
			part = part.Args[0]
		}
		column := part
		switch {
		case part.Kind == catalog.NodeNullTest:
			column = part.Args[0]
		case part.Kind == catalog.NodeOperator && len(part.Args) == 2 && part.Args[1].Kind == catalog.NodeConst:
			column = part.Args[0]
		}
		if column.Kind == catalog.NodeColumn && column.Relation == r.QName() && column.Level == 0 &&
			column.Column != f.tenantColumn(r.QName()) {
			return column.Column
		}
	}
	return ""
}

// writesBeyond reports whether the application may write rows of a table by a policy that
// does not ask for the column.
func (f *facts) writesBeyond(r *catalog.Relation, read *judgedPolicy, column string) bool {
	return slices.ContainsFunc([]string{"UPDATE", "DELETE"}, func(command string) bool {
		return f.appTouches(r, command) && slices.ContainsFunc(f.policies[r.QName()], func(p *judgedPolicy) bool {
			return p != read && p.Permissive && p.covers(command) && p.Using != nil && !slices.Contains(p.using.Columns, column)
		})
	})
}
