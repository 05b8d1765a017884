package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

var ruleRLSUnknown = Rule{
	ID: "rls-unknown", Severity: Critical, Holes: []string{"T01"},
	Title: "Nothing says whose rows a table holds, and the application reaches it",
	Check: func(f *facts) []Finding {
		var out []Finding
		for i := range f.s.Relations {
			r := &f.s.Relations[i]
			if !isTable(r) || r.Partition || f.class(r.QName()) != catalog.UnknownTable {
				continue
			}
			if open := f.openCommands(r); len(open) > 0 {
				out = append(out, f.unknownTable(r, open))
			}
		}
		return out
	},
}

// openCommands returns the commands that some role of the application may run on r
// without a policy that isolates; all of them where no such role is known.
func (f *facts) openCommands(r *catalog.Relation) []string {
	if len(f.apps) == 0 {
		if r.RLS {
			return nil
		}
		return rowPrivileges
	}
	return slices.DeleteFunc(slices.Clone(rowPrivileges), func(command string) bool {
		return !slices.ContainsFunc(f.acting(), func(role string) bool {
			return f.look.HasSchemaPrivilege(role, r.Schema, "USAGE") && f.look.HasTablePrivilege(role, r, command) &&
				!f.look.Effective(r, role, command).Isolated()
		})
	})
}

func (f *facts) unknownTable(r *catalog.Relation, open []string) Finding {
	x := onRelation(r,
		fmt.Sprintf("Every tenant can run %s on the rows of every other, if the rows are tenants' at all.", strings.Join(open, ", ")),
		"It has no tenant column, no foreign key leads from it to a tenant, and no policy isolates it: moat cannot tell whose its rows are.")
	return x.decide("Say whose the rows are: add the column %s (moat protect plans the rest), "+
		"list the table in moat.yaml under tables.shared if its rows are the same for every tenant, "+
		"or take the application's privileges on it away.", f.m.Column)
}
