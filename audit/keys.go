package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// uniqueOn reports whether a table has a unique, unconditional index whose key columns
// are exactly these, in any order: what a foreign key can refer to.
func uniqueOn(r *catalog.Relation, columns []string) bool {
	want := slices.Sorted(slices.Values(columns))
	for x := range catalog.Each(r.Indexes) {
		if x.Unique && x.Valid && x.Predicate == "" && slices.Equal(slices.Sorted(slices.Values(x.Columns())), want) {
			return true
		}
	}
	return false
}

// compositeKeySQL replaces a foreign key by one that carries the tenant on both sides, under
// the same name.
func (f *facts) compositeKeySQL(r, parent *catalog.Relation, fk *catalog.Constraint, own, ref string) []string {
	tied := *fk
	tied.Columns, tied.RefColumns = append([]string{own}, fk.Columns...), append([]string{ref}, fk.RefColumns...)
	if (fk.OnDelete == "set null" || fk.OnDelete == "set default") && len(fk.SetColumns) == 0 {
		tied.SetColumns = fk.Columns
	}
	return append(f.parentKeySQL(parent, tied.RefColumns), replaceConstraintSQL(r, fk.Name, tied.ForeignKeySQL())...)
}

// replaceConstraintSQL replaces a constraint of a table by one of the same name.
func replaceConstraintSQL(r *catalog.Relation, name, def string) []string {
	table, constraint := r.QName().SQL(), sqltext.Ident(name)
	return []string{
		"ALTER TABLE " + table + " DROP CONSTRAINT IF EXISTS " + constraint,
		"ALTER TABLE " + table + " ADD CONSTRAINT " + constraint + " " + def,
	}
}

// parentKeySQL makes the unique constraint that a composite foreign key refers to.
// It must not be dropped again by a second run once keys depend on it, so it is made
// only where it is missing.
func (f *facts) parentKeySQL(parent *catalog.Relation, columns []string) []string {
	if uniqueOn(parent, columns) {
		return nil
	}
	name := sqltext.Name(append(append([]string{parent.Name}, columns...), "key")...)
	add := fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s UNIQUE (%s)",
		parent.QName().SQL(), sqltext.Ident(name), sqltext.Idents(columns))
	return []string{unless("duplicate_table OR duplicate_object", add)}
}
