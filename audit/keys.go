package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// uniqueOn says whether a table has a unique, unconditional index whose key columns
// are exactly these, in any order: what a foreign key can refer to.
func uniqueOn(r *catalog.Relation, columns []string) bool {
	want := slices.Sorted(slices.Values(columns))
	for i := range r.Indexes {
		x := &r.Indexes[i]
		if x.Unique && x.Valid && x.Predicate == "" && slices.Equal(slices.Sorted(slices.Values(x.Columns())), want) {
			return true
		}
	}
	return false
}

// tieSQL replaces a foreign key by one that carries the tenant on both sides, under
// the same name.
func (f *facts) tieSQL(r, parent *catalog.Relation, fk *catalog.Constraint, own, ref string) []string {
	refColumns := append([]string{ref}, fk.RefColumns...)
	sql := f.parentKeySQL(parent, refColumns)
	def := fmt.Sprintf("FOREIGN KEY (%s) REFERENCES %s (%s)", sqltext.Idents(append([]string{own}, fk.Columns...)),
		parent.QName().SQL(), sqltext.Idents(refColumns))
	if fk.OnUpdate != "" && fk.OnUpdate != "no action" {
		def += " ON UPDATE " + strings.ToUpper(fk.OnUpdate)
	}
	if fk.OnDelete != "" && fk.OnDelete != "no action" {
		def += " ON DELETE " + strings.ToUpper(fk.OnDelete)
		if fk.OnDelete == "set null" || fk.OnDelete == "set default" {
			def += " (" + sqltext.Idents(setColumns(fk)) + ")"
		}
	}
	if fk.Deferrable {
		def += " DEFERRABLE"
		if fk.Deferred {
			def += " INITIALLY DEFERRED"
		}
	}
	return append(sql,
		fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", r.QName().SQL(), sqltext.Ident(fk.Name)),
		fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s", r.QName().SQL(), sqltext.Ident(fk.Name), def))
}

func setColumns(fk *catalog.Constraint) []string {
	if len(fk.SetColumns) > 0 {
		return fk.SetColumns
	}
	return fk.Columns
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
