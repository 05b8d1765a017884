package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
)

var ruleRLSPoliciesInert = Rule{
	ID: "rls-policies-inert", Severity: Critical, Holes: []string{"C02"}, Peer: "policy_exists_rls_disabled",
	Title: "A table has policies, but row-level security is not enabled",
	check: each(relations, func(f *facts, r *catalog.Relation, report reporter) {
		if r.RLS || len(r.Policies) == 0 || !r.IsTable() {
			return
		}
		report(onRelation(r,
			"Every tenant can read every other tenant's rows, as if the policies did not exist.",
			fmt.Sprintf("The table has %s, but no policy applies until ENABLE ROW LEVEL SECURITY is run, even with FORCE.",
				english.Count(len(r.Policies), "policy"))).
			with(enableSQL(r)...))
	}),
}
