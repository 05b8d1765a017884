package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

var ruleKeyForeignKey = Rule{
	ID: "key-foreign-key", Severity: High, Holes: []string{"O03", "O04", "O05", "O12"},
	Title: "A foreign key between tenant tables omits the tenant",
	check: each(keyedTables, func(f *facts, r *catalog.Relation, report reporter) {
		for fk := range catalog.Each(r.Constraints) {
			if f.crosses(r, fk) {
				report(f.crossingForeignKey(r, fk))
			} else if left, _ := f.look.Unpaired(r, fk); fk.Type == catalog.ForeignKey && len(left) > 0 {
				report(onPart(r, fk.Name, "A row can name a party that has no part in the row it refers to.",
					"The key does not compare "+strings.Join(left, ", ")+".").decide(planAgain))
			}
		}
	}),
}

// crosses reports whether a foreign key lets a row refer to another tenant's: both
// tables have a tenant column, and the key does not pair the two.
func (f *facts) crosses(r *catalog.Relation, fk *catalog.Constraint) bool {
	if fk.Type != catalog.ForeignKey || fk.Inherited {
		return false
	}
	own, ref := f.tenantColumn(r.QName()), f.tenantColumn(fk.References)
	if own == "" || ref == "" {
		return false
	}
	// A key to the tenants themselves names a tenant: a parent, a partner. No row of
	// another tenant's but that one is behind it.
	if f.look.Class(fk.References) == catalog.TenantsTable && slices.Equal(fk.RefColumns, []string{ref}) {
		return false
	}
	return !f.pairs(fk, own, ref) && !f.look.NamesOthers(r, fk) && !f.look.Bounded(r, fk)
}

// pairs reports whether a foreign key refers from one column to the other.
func (f *facts) pairs(fk *catalog.Constraint, own, ref string) bool {
	for i := range fk.Columns {
		if fk.Columns[i] == own && fk.RefColumns[i] == ref {
			return true
		}
	}
	return false
}

func (f *facts) crossingForeignKey(r *catalog.Relation, fk *catalog.Constraint) Finding {
	x := onPart(r, fk.Name,
		fmt.Sprintf("A tenant can point its row at another tenant's row of %s. It learns which keys "+
			"exist, and blocks their deletion.", fk.References),
		"Foreign key checks run as the table's owner and bypass policies.")
	if fk.OnDelete != "no action" && fk.OnDelete != "restrict" && fk.OnDelete != "" {
		x.Severity = Critical
		x.Message = fmt.Sprintf("ON DELETE %s extends a tenant's delete to other tenants' rows, or prints them in the error.",
			upper(fk.OnDelete))
		x.Why = "A foreign key's action runs as the table's owner and bypasses policies, even with FORCE."
	}
	parent := f.look.Relation(fk.References)
	own, ref := f.tenantColumn(r.QName()), f.tenantColumn(fk.References)
	if reason := f.compositeProblem(r, parent, fk, own, ref); reason != "" {
		return x.decide("%s", reason)
	}
	return x.with(f.compositeKeySQL(r, parent, fk, own, ref)...)
}

// compositeProblem says what a person must decide before the foreign key can carry the
// tenant; "" when nothing.
func (f *facts) compositeProblem(r, parent *catalog.Relation, fk *catalog.Constraint, own, ref string) string {
	sets := fk.OnDelete == "set null" || fk.OnDelete == "set default"
	switch {
	case parent == nil:
		return fmt.Sprintf("moat could not read %s.", fk.References)
	case r.Column(own) == nil || parent.Column(ref) == nil || r.Column(own).Type != parent.Column(ref).Type:
		return "The two tenant columns have different types. Give them the same type first."
	case slices.Contains(fk.Columns, own):
		return "The tenant column refers to something other than the tenant. Say which column is meant."
	case sets && f.s.Version < 150000:
		return fmt.Sprintf("PostgreSQL %d cannot set only the referencing column to null. Choose ON DELETE CASCADE, "+
			"RESTRICT or a trigger, and put %s first in the key.", f.s.Version/10000, own)
	case fk.OnUpdate == "set null" || fk.OnUpdate == "set default":
		return "ON UPDATE " + upper(fk.OnUpdate) + " would change the tenant column too. Choose another action."
	case parent.Kind == catalog.PartitionedTable && !uniqueOn(parent, append([]string{ref}, fk.RefColumns...)):
		return fmt.Sprintf("%s is partitioned, so its unique key must include the partition key. moat protect plans this.",
			parent.QName())
	}
	return ""
}
