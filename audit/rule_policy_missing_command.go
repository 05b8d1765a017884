package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

var rulePolicyMissingCommand = Rule{
	ID: "policy-missing-command", Severity: Low, Kind: Outage, Holes: []string{"P34"},
	Title: "The application role has a privilege that no policy lets it use",
	check: each(judgedTables, func(f *facts, r *catalog.Relation, report reporter) {
		for _, app := range f.apps {
			if r.Partition || f.bypasses(app) || !f.admits(r, app, "SELECT") {
				continue // policy-no-role
			}
			missing := list.Filter(commands[1:], func(command string) bool {
				return f.touches(app, r, command) && !f.admits(r, app, command)
			})
			if len(missing) == 0 {
				continue
			}
			x := onRelation(r,
				fmt.Sprintf("When %[2]s runs %[1]s, the command fails or silently changes nothing.",
					strings.Join(missing, ", "), app),
				"A command without a permissive policy finds no rows, and an UPDATE or DELETE of 0 rows is not an error.")
			report(x.with(f.permitSQL(r, missing)...))
		}
	}),
}

// permitSQL adds a policy for each command that has none, with the tenant predicate.
func (f *facts) permitSQL(r *catalog.Relation, missing []string) []string {
	if f.tenantColumn(r.QName()) == "" {
		return nil
	}
	expr := f.predicate(r)
	var out []string
	for _, command := range missing {
		name := sqltext.Name("tenant", strings.ToLower(command))
		using, check := expr, ""
		if command == "INSERT" {
			using, check = "", expr
		}
		out = append(out, policy.Drop(r.QName(), name),
			policy.Create(r.QName(), name, true, command, f.appRoles(), using, check))
	}
	return slices.Clip(out)
}
