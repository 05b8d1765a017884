package audit

import "fmt"

var ruleRLSNotForced = Rule{
	ID: "rls-not-forced", Severity: Low, Holes: []string{"C03", "C07"},
	Title: "Row-level security does not bind the table's owner",
	Check: func(f *facts) []Finding {
		var out []Finding
		for _, r := range f.tenantRelations() {
			if !r.RLS || r.ForceRLS {
				continue
			}
			x := onRelation(r,
				"A view or function that the owner writes, or a job that runs as it, sees every tenant's rows.",
				fmt.Sprintf("Without FORCE ROW LEVEL SECURITY the owner, %s, passes by the policies.", r.Owner)).
				with(forceSQL(r))
			for _, app := range f.apps {
				if f.roleIs(app, r.Owner) {
					x.Severity = Critical
					x.Message = fmt.Sprintf("%s reads and changes the rows of every tenant.", app)
					x.Why = fmt.Sprintf("%s has the rights of the owner, %s, whom the policies do not bind.", app, r.Owner)
				}
			}
			out = append(out, x)
		}
		return out
	},
}

// roleIs says whether role has another's rights as it is, without SET ROLE.
func (f *facts) roleIs(role, other string) bool {
	for _, r := range f.inherited(role) {
		if r == other {
			return true
		}
	}
	return false
}
