package audit

import (
	"fmt"

	"github.com/moat-db/moat/policy"
)

var ruleSessionTenantRole = Rule{
	ID: "session-tenant-role", Severity: Critical, Holes: []string{"S15"},
	Title: "The application role can become the role of one tenant",
	check: func(f *facts) []Finding {
		return f.membershipGaps(func(g gap) bool { return g.flaw == policy.Literal }, func(g gap, app, via string) Finding {
			return onRole(app,
				fmt.Sprintf("A SET ROLE %s that is injected, or left on a pooled connection, shows one tenant's rows to another.",
					via),
				fmt.Sprintf("The policy %s of %s names one tenant for %s, and %s is a member of that role.",
					g.p.Name, g.r.QName(), via, app))
		})
	},
}
