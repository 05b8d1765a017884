package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

var ruleRLSUnknown = Rule{
	ID: "rls-unknown", Severity: Critical, Holes: []string{"T01", "T08"},
	Title: "Nothing says whose rows a table holds, and the application can reach it",
	check: each(relations, func(f *facts, r *catalog.Relation, report reporter) {
		unknown := f.look.Class(r.QName()) == catalog.UnknownTable
		assumed := f.look.Table(r.QName()) != nil && f.look.Table(r.QName()).Assumed && len(f.openCommands(r)) == 0
		if !r.IsTable() || r.Partition || !unknown && !assumed {
			return
		}
		if open := f.openCommands(r); len(open) > 0 {
			report(f.unknownTable(r, open))
		} else if through := f.reachedThrough(r); through != "" {
			x := f.unknownTable(r, []string{"SELECT"})
			x.Why += fmt.Sprintf(" %s shows them with the rights of its owner.", through)
			if assumed {
				x.Severity = Medium
			}
			report(x)
		}
	}),
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

// shownBy returns a view that shows a table's rows with its owner's rights, and that an
// application role may query; nil where there is none, or where policies hold the owner.
func (f *facts) shownBy(r *catalog.Relation) *catalog.Relation {
	for _, v := range f.readers(r.QName()) {
		if (v.Kind == catalog.MaterializedView || !v.SecurityInvoker) && f.viewExposed(v) && f.bypassesPolicies(v.Owner, r) {
			return v
		}
	}
	return nil
}

func (f *facts) unknownTable(r *catalog.Relation, open []string) Finding {
	x := onRelation(r,
		fmt.Sprintf("Every tenant can run %s on every other tenant's rows, if the rows belong to tenants at all.",
			strings.Join(open, ", ")),
		"The table has no tenant column, no foreign key that leads to a tenant and no isolating policy, so moat cannot "+
			"tell whose rows it holds.")
	return x.decide("Say whose rows they are: add the column %s (moat protect plans the rest), "+
		"list the table under tables.shared in moat.yaml if its rows are the same for every tenant, "+
		"or revoke the application's privileges on it.", f.m.Column)
}
