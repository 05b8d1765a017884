package audit

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleGrantSystemTable = Rule{
	ID: "grant-system-table", Severity: Critical, Holes: []string{"P41"},
	Title: "The application role can read a system table that holds tenants' values or secrets",
	check: each(shownTables, func(f *facts, t catalog.SystemTable, report reporter) {
		x := f.onDatabase(systemTables(t.Name), "PostgreSQL shows pg_catalog."+t.Name+" to superusers only, unless SELECT "+
			"on it was granted.")
		x.Object = "pg_catalog." + t.Name
		for _, p := range f.grantsToApps(t.Privileges, "SELECT", "\x00") {
			x = x.with(fmt.Sprintf("REVOKE SELECT ON pg_catalog.%s FROM %s", t.Name, sqltext.Role(p.Grantee)))
		}
		if len(x.Fix) > 0 {
			report(x)
		}
	}),
}

// systemTables says what a system table gives away.
func systemTables(name string) string {
	switch name {
	case "pg_statistic", "pg_statistic_ext_data":
		return "The statistics hold values of every tenant's rows: the most common ones, and bounds of the others."
	case "pg_largeobject":
		return "Every large object can be read, whoever wrote it."
	case "pg_authid", "pg_shadow":
		return "The password hashes of all roles can be read, those of roles that bypass policies among them."
	case "pg_user_mapping", "pg_subscription":
		return "The passwords by which the server connects to others can be read."
	}
	return "The server's configuration can be read: how roles that bypass policies log in."
}
