package audit

import "fmt"

var ruleRLSUnreachable = Rule{
	ID: "rls-unreachable", Severity: Medium, Holes: []string{"T04"},
	Title: "A tenant table has no row-level security, and only missing privileges protect it",
	check: func(f *facts) []Finding {
		var out []Finding
		for _, r := range f.keyedTables {
			if !f.unprotected(r) || f.exposed(r) {
				continue
			}
			x := onRelation(r,
				"The next grant, or a default privilege, opens the table to every tenant.",
				fmt.Sprintf("The table has the tenant column %s, but no policy. No application role has a privilege on it "+
					"today.", f.tenantColumn(r.QName())))
			out = append(out, x.with(f.isolateSQL(r)...).with(enableSQL(r)...))
		}
		return out
	},
}
