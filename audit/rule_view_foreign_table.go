package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleViewForeignTable = Rule{
	ID: "view-foreign-table", Severity: Critical, Holes: []string{"V15", "V16"}, Peer: "foreign_table_in_api",
	Title: "The application role can read a foreign table",
	check: each(relations, func(f *facts, r *catalog.Relation, report reporter) {
		if class := f.look.Class(r.QName()); r.Kind != catalog.ForeignTable || class == catalog.SharedTable ||
			class == catalog.IgnoredTable || !f.appTouches(r, rowPrivileges...) {
			return
		}
		x := onRelation(r,
			"Every tenant can see every row that the remote user can see.",
			"Row-level security cannot be enabled on a foreign table, and the tenant setting does "+
				"not reach the remote session.").
			with(f.revokeAllSQL(r)...).with(f.dropMappings(r.Server)...)
		if r.Partition {
			x.Severity = High
			x.Why += " The table is a partition, and the parent's policies do not apply when it is named directly."
		}
		report(x)
	}),
}

// dropMappings removes the user mappings of application roles on a server.
func (f *facts) dropMappings(server string) []string {
	var out []string
	for _, s := range f.s.Servers {
		if s.Name != server {
			continue
		}
		for _, role := range s.Mappings {
			if slices.Contains(f.apps, role) {
				out = append(out, fmt.Sprintf("DROP USER MAPPING IF EXISTS FOR %s SERVER %s",
					sqltext.Ident(role), sqltext.Ident(server)))
			}
		}
	}
	return out
}
