package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleGrantDefaultPrivileges = Rule{
	ID: "grant-default-privileges", Severity: Low, Holes: []string{"C13"},
	Title: "New tables are granted to the application role before they have policies",
	check: func(f *facts) []Finding {
		if f.guarded() {
			return nil // a new table is empty to everyone until it is protected
		}
		var out []Finding
		for _, d := range f.s.Defaults {
			if d.Object != "tables" || d.Privilege.Grantee == d.Role || !f.grantedToApps(d.Privilege.Grantee) {
				continue
			}
			if !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"}, d.Privilege.Name) {
				continue
			}
			out = append(out, f.defaultPrivilege(d))
		}
		return out
	},
}

func (f *facts) defaultPrivilege(d catalog.DefaultPrivilege) Finding {
	where, scope := "", "every schema"
	if d.Schema != "" {
		where, scope = " IN SCHEMA "+sqltext.Ident(d.Schema), "schema "+d.Schema
	}
	x := onSchema(d.Schema,
		fmt.Sprintf("The next table or partition that %s creates in %s is immediately open to every tenant.", d.Role, scope),
		"Default privileges apply at CREATE TABLE. Row-level security and policies do not, and "+
			"partitions do not inherit them.")
	if d.Schema == "" {
		x.Object, x.Group = d.Role, "roles"
	}
	for _, r := range f.keyedTables {
		if r.Kind == catalog.PartitionedTable && r.Owner == d.Role && (d.Schema == "" || d.Schema == r.Schema) {
			x.Severity = High // its next partition holds rows of every tenant
		}
	}
	return x.with(fmt.Sprintf("ALTER DEFAULT PRIVILEGES FOR ROLE %s%s REVOKE ALL ON TABLES FROM %s",
		sqltext.Ident(d.Role), where, sqltext.Role(d.Privilege.Grantee)))
}
