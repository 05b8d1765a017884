package audit

import (
	"fmt"
	"strings"

	"github.com/moat-db/moat/catalog"
)

var ruleRLSSharedWritable = Rule{
	ID: "rls-shared-writable", Severity: Medium,
	Title: "The application role can change a table that every tenant reads",
	check: each(relations, func(f *facts, r *catalog.Relation, report reporter) {
		if !r.IsTable() || r.Partition || r.RLS || f.look.Class(r.QName()) != catalog.SharedTable ||
			!f.appTouches(r, writes...) {
			return
		}
		x := onRelation(r, "What one tenant writes here, every other tenant reads; what it deletes, all have lost.",
			"The table is shared, has no row-level security, and the application role may change it.")
		if by := f.cascadesFrom(r); by != "" && f.appTouches(r, "DELETE") {
			x.Severity = High
			x.Message = fmt.Sprintf("One tenant deletes a row here, and with it the rows of every tenant that refer to "+
				"it (%s).", by)
		}
		report(x.with(f.revokeSQL(r, writes...)...))
	}),
}

var writes = []string{"INSERT", "UPDATE", "DELETE"}

// cascadesFrom names a foreign key by which a tenant table's rows go, or change, with those
// of a shared one.
func (f *facts) cascadesFrom(r *catalog.Relation) string {
	for _, ref := range f.look.References(r.QName()) {
		carried := ref.Key.OnDelete == "cascade" || strings.HasPrefix(ref.Key.OnDelete, "set ")
		if carried && f.holdsTenants(ref.From.QName()) {
			return ref.From.QName().String() + "." + ref.Key.Name
		}
	}
	return ""
}
