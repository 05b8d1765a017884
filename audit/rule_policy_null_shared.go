package audit

import (
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

var rulePolicyNullShared = Rule{
	ID: "policy-null-shared", Severity: High, Holes: []string{"P18"},
	Title: "A policy lets tenants write rows that everybody sees",
	check: func(f *facts) []Finding {
		return f.policyFindings(
			"A tenant can add, change and delete rows that all tenants see.",
			"Rows whose tenant is NULL are shared, and the policy is not limited to SELECT.",
			f.splitSharedSQL, policy.NullShared)
	},
}

// splitSharedSQL leaves the tenant predicate in the policy and shows rows without a
// tenant by one for reading only.
func (f *facts) splitSharedSQL(o openPolicy) []string {
	sql := f.replaceSQL(o)
	col := f.tenantColumn(o.r.QName())
	if len(sql) == 0 || col == "" {
		return sql
	}
	name := sqltext.Name(o.p.Name, "shared")
	return append(sql, recreateSQL(o.r, &catalog.Policy{Name: name, Permissive: true, Roles: o.p.Roles},
		"SELECT", sqltext.Ident(col)+" IS NULL")...)
}
