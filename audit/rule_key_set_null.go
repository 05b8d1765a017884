package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

var ruleKeySetNull = Rule{
	ID: "key-set-null", Severity: High, Holes: []string{"O06"},
	Title: "A foreign key's action changes the tenant column",
	check: each(keyedTables, func(f *facts, r *catalog.Relation, report reporter) {
		own := f.tenantColumn(r.QName())
		for fk := range catalog.Each(r.Constraints) {
			if fk.Type != catalog.ForeignKey || fk.Inherited || !slices.Contains(fk.Columns, own) {
				continue
			}
			if x, ok := f.movesTenant(r, fk, own); ok {
				report(x)
			}
		}
	}),
}

func (f *facts) movesTenant(r *catalog.Relation, fk *catalog.Constraint, own string) (Finding, bool) {
	clears := func(action string) bool { return action == "set null" || action == "set default" }
	deletes := clears(fk.OnDelete) && (len(fk.SetColumns) == 0 || slices.Contains(fk.SetColumns, own))
	// ON UPDATE CASCADE follows what the referenced row does. Where that is its tenant, its
	// own policies decide, as about the key of the tenants table.
	follows := f.pairs(fk, own, f.tenantColumn(fk.References))
	updates := clears(fk.OnUpdate) || fk.OnUpdate == "cascade" && !follows
	if !deletes && !updates {
		return Finding{}, false
	}
	x := onPart(r, fk.Name,
		"Deleting or updating the referenced row moves this row to another tenant or to none. Policies that share rows "+
			"without a tenant show it to everyone.",
		fmt.Sprintf("The key includes %s, and ON DELETE %s, ON UPDATE %s change all of its columns.",
			own, upper(fk.OnDelete), upper(fk.OnUpdate)))
	others := slices.DeleteFunc(slices.Clone(fk.Columns), func(c string) bool { return c == own })
	if deletes && (f.s.Version < 150000 || len(others) == 0) {
		return x.decide("Choose ON DELETE CASCADE or RESTRICT or, from PostgreSQL 15, ON DELETE SET " +
			"NULL of only the other columns."), true
	}
	moved := *fk
	moved.OnUpdate = ""
	if deletes {
		moved.SetColumns = others
	}
	return x.with(replaceConstraintSQL(r, fk.Name, moved.ForeignKeySQL())...), true
}

func upper(action string) string {
	if action == "" {
		action = "no action"
	}
	return strings.ToUpper(action)
}
