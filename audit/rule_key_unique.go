package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/releases"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

var ruleKeyUnique = Rule{
	ID: "key-unique", Severity: High, Holes: []string{"O01", "O07", "O19", "O21"},
	Title: "A unique key compares rows of different tenants",
	check: each(keyedTables, func(f *facts, r *catalog.Relation, report reporter) {
		own := f.tenantColumn(r.QName())
		for x := range catalog.Each(r.Indexes) {
			if !x.Unique || x.Inherited || x.Method != "btree" || slices.Contains(x.Columns(), own) || f.look.Surrogate(r, x) ||
				f.look.KeepsApart(r, x) {
				continue
			}
			if f.look.Class(r.QName()) == catalog.TenantsTable {
				continue // a tenant's slug must be unique among tenants
			}
			found := f.worsen(f.globalUnique(r, x, own), r, x)
			ties := func(fk *catalog.Constraint) bool { return f.pairs(fk, own, f.tenantColumn(fk.References)) }
			if policy.Tied(r, x, own, ties) {
				found = lessened(found)
			}
			report(found)
		}
	}),
}

// lessened is a finding about a unique key whose values only those can meet who know the
// key of another tenant's row.
func lessened(found Finding) Finding {
	if found.Severity == Critical {
		found.Severity = High
	} else {
		found.Severity = Low
	}
	found.Why += " A foreign key ties the row to a parent of its own tenant, so an attacker must first know the key of " +
		"another tenant's parent."
	return found
}

// worsen makes a finding about a key critical where the release hands whoever meets a
// row by it all of the row.
func (f *facts) worsen(found Finding, r *catalog.Relation, x *catalog.Index) Finding {
	if !releases.UpsertFixed().Open(f.release()) || !f.upsertMeets(r, x) {
		return found
	}
	found.Severity = Critical
	found.Message = "An INSERT … ON CONFLICT DO UPDATE with another tenant's value of this key reads that tenant's row."
	found.Why += fmt.Sprintf(" PostgreSQL %s evaluates the WHERE of ON CONFLICT before it checks the policies (%s).",
		releases.Name(f.s.Version), releases.UpsertFlaw)
	return found
}

func (f *facts) globalUnique(r *catalog.Relation, x *catalog.Index, own string) Finding {
	found := onPart(r, x.Name,
		"An INSERT that fails, waits or does nothing reveals that another tenant has this value, and "+
			"anyone can claim a value first.",
		fmt.Sprintf("The index compares rows of all tenants, because its key does not include %s.", own))
	for _, other := range f.referrers(r, x) {
		if !f.becomesComposite(other, r, own) {
			return found.decide("A foreign key of %s refers to this key. Give that table the tenant column first, then put "+
				"%s first in the key. If the value must be unique among all tenants, accept the finding.", other, own)
		}
	}
	if x.Predicate != "" || slices.Contains(x.Columns(), "") {
		return found.with(f.leadIndexSQL(r, x, own)...)
	}
	columns := append([]string{own}, x.Columns()...)
	kind := "UNIQUE"
	if x.NullsNotDistinct {
		kind += " NULLS NOT DISTINCT"
	}
	if x.Primary {
		kind = "PRIMARY KEY"
	}
	if !x.Constraint {
		return found.with(f.leadIndexSQL(r, x, own)...)
	}
	name := sqltext.Name(append(append([]string{r.Name}, columns...), "key")...)
	if x.Primary {
		name = x.Name
	}
	sql := []string{fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", r.QName().SQL(), sqltext.Ident(x.Name))}
	if name == x.Name || !uniqueOn(r, columns) || x.Primary {
		if name != x.Name {
			sql = append(sql, fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", r.QName().SQL(), sqltext.Ident(name)))
		}
		sql = append(sql, fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s (%s)",
			r.QName().SQL(), sqltext.Ident(name), kind, sqltext.Idents(columns)))
	}
	return found.with(sql...)
}

// referrers returns the tables whose foreign keys rest on an index's columns.
func (f *facts) referrers(r *catalog.Relation, x *catalog.Index) []catalog.QName {
	key := slices.Sorted(slices.Values(x.Columns()))
	return list.Pick(f.look.References(r.QName()), func(ref catalog.Reference) (catalog.QName, bool) {
		return ref.From.QName(), slices.Equal(slices.Sorted(slices.Values(ref.Key.RefColumns)), key)
	})
}

// becomesComposite reports whether every foreign key from another table to r is one that
// key-foreign-key replaces by SQL of its own.
func (f *facts) becomesComposite(from catalog.QName, r *catalog.Relation, ref string) bool {
	other := f.look.Relation(from)
	own := f.tenantColumn(from)
	for fk := range catalog.Each(other.Constraints) {
		if fk.Type != catalog.ForeignKey || fk.References != r.QName() || fk.Inherited {
			continue
		}
		if own == "" || !f.pairs(fk, own, ref) && f.compositeProblem(other, r, fk, own, ref) != "" {
			return false
		}
	}
	return own != ""
}

// leadIndexSQL replaces an index by one that the tenant column leads.
func (f *facts) leadIndexSQL(r *catalog.Relation, x *catalog.Index, own string) []string {
	name := sqltext.Name("tenant", x.Name)
	def := x.Definition
	at := strings.Index(def, "(")
	if at < 0 {
		return nil
	}
	unique := ""
	if x.Unique {
		unique = "UNIQUE "
	}
	return []string{
		fmt.Sprintf("CREATE %sINDEX IF NOT EXISTS %s ON %s USING btree (%s, %s",
			unique, sqltext.Ident(name), r.QName().SQL(), sqltext.Ident(own), def[at+1:]),
		fmt.Sprintf("DROP INDEX IF EXISTS %s", catalog.QName{Schema: r.Schema, Name: x.Name}.SQL()),
	}
}
