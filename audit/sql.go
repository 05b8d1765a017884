package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// functionSQL names a function with its argument types, for ALTER and REVOKE.
func functionSQL(fn *catalog.Function) string {
	if fn.Kind == "function" && len(fn.Params) > 0 {
		return functionName(fn).SQL() + "(" + strings.Join(inputTypes(fn), ", ") + ")"
	}
	return functionName(fn).SQL() + "(" + fn.Arguments + ")"
}

func inputTypes(fn *catalog.Function) []string {
	var types []string
	for _, p := range fn.Params {
		if p.Mode == "in" || p.Mode == "inout" || p.Mode == "variadic" {
			types = append(types, p.Type)
		}
	}
	return types
}

// functionObject names a function for people: schema.name(types).
func functionObject(fn *catalog.Function) string {
	return functionName(fn).String() + "(" + strings.Join(inputTypes(fn), ",") + ")"
}

// routine is the word that ALTER takes for this kind of function.
func routine(fn *catalog.Function) string {
	if fn.Kind == "procedure" {
		return "PROCEDURE"
	}
	return "FUNCTION"
}

// enableSQL turns row-level security on, for the owner too.
func enableSQL(r *catalog.Relation) []string {
	var out []string
	if !r.RLS {
		out = append(out, "ALTER TABLE "+r.QName().SQL()+" ENABLE ROW LEVEL SECURITY")
	}
	if !r.ForceRLS {
		out = append(out, forceSQL(r))
	}
	return out
}

func forceSQL(r *catalog.Relation) string {
	return "ALTER TABLE " + r.QName().SQL() + " FORCE ROW LEVEL SECURITY"
}

// predicate returns the expression that isolates rows of r: the one that other
// policies of this database use where there is one, else moat's own form.
func (f *facts) predicate(r *catalog.Relation) string {
	name := f.tenantColumn(r.QName())
	c := column(r, name)
	if c == nil {
		return "false"
	}
	if text := f.predicates[predicateKey(name, c.Type)]; text != "" {
		return text
	}
	return predicateSQL(name, c.Type, f.m.Setting, r.Kind == catalog.PartitionedTable)
}

// predicateSQL compares a tenant column with the setting. A partitioned parent gets
// the direct form, which is pruned at executor start; everything else the sub-select,
// which is evaluated once a statement.
func predicateSQL(col, typ, setting string, direct bool) string {
	value := "nullif(current_setting(" + sqltext.Literal(setting) + ", true), '')"
	if typ != "text" && !strings.HasPrefix(typ, "character varying") {
		value += "::" + typ
	}
	if direct {
		return sqltext.Ident(col) + " = " + value
	}
	return sqltext.Ident(col) + " = (SELECT " + value + ")"
}

func predicateKey(col, typ string) string { return col + "\x00" + typ }

// isolateSQL creates the policy that lets each tenant see its own rows, unless one by
// this name exists.
func (f *facts) isolateSQL(r *catalog.Relation) []string {
	table, expr := r.QName().SQL(), f.predicate(r)
	return []string{
		fmt.Sprintf("DROP POLICY IF EXISTS tenant_isolation ON %s", table),
		fmt.Sprintf("CREATE POLICY tenant_isolation ON %s AS RESTRICTIVE FOR ALL TO PUBLIC\n    USING      (%s)\n    WITH CHECK (%s)", table, expr, expr),
		fmt.Sprintf("DROP POLICY IF EXISTS tenant_access ON %s", table),
		fmt.Sprintf("CREATE POLICY tenant_access ON %s AS PERMISSIVE FOR ALL TO %s USING (true) WITH CHECK (true)", table, f.appList()),
	}
}

// appList names the application roles for a policy; PUBLIC when none is known.
func (f *facts) appList() string {
	if len(f.apps) == 0 {
		return "PUBLIC"
	}
	return sqltext.Idents(f.apps)
}

// alterPolicySQL gives a policy new expressions; "" leaves one as it is.
func alterPolicySQL(r *catalog.Relation, p *catalog.Policy, using, check string) string {
	sql := "ALTER POLICY " + sqltext.Ident(p.Name) + " ON " + r.QName().SQL()
	if using != "" {
		sql += "\n    USING (" + using + ")"
	}
	if check != "" {
		sql += "\n    WITH CHECK (" + check + ")"
	}
	return sql
}

// createPolicySQL replaces a policy by one for all commands with the same name.
func createPolicySQL(r *catalog.Relation, p *catalog.Policy, command, using string) []string {
	kind := "PERMISSIVE"
	if !p.Permissive {
		kind = "RESTRICTIVE"
	}
	var to []string
	for _, role := range p.Roles {
		to = append(to, sqltext.Role(role))
	}
	return []string{
		fmt.Sprintf("DROP POLICY IF EXISTS %s ON %s", sqltext.Ident(p.Name), r.QName().SQL()),
		fmt.Sprintf("CREATE POLICY %s ON %s AS %s FOR %s TO %s\n    USING (%s)", sqltext.Ident(p.Name), r.QName().SQL(),
			kind, command, strings.Join(to, ", "), using),
	}
}

// revokeSQL takes privileges from everyone an application role has them through.
func (f *facts) revokeSQL(r *catalog.Relation, names ...string) []string {
	var out []string
	add := func(list []catalog.Privilege, col string) {
		for _, name := range names {
			for _, p := range f.grantsToApps(list, name, r.Owner) {
				what := name
				if col != "" {
					what += " (" + sqltext.Ident(col) + ")"
				}
				sql := fmt.Sprintf("REVOKE %s ON %s%s FROM %s", what, onKind(r), r.QName().SQL(), sqltext.Role(p.Grantee))
				if p.Grantable {
					sql += " CASCADE" // what the grantee has granted on
				}
				if !slices.Contains(out, sql) {
					out = append(out, sql)
				}
			}
		}
	}
	add(r.Privileges, "")
	for i := range r.Columns {
		add(r.Columns[i].Privileges, r.Columns[i].Name)
	}
	return out
}

func onKind(r *catalog.Relation) string {
	if r.Kind == catalog.Sequence {
		return "SEQUENCE "
	}
	return ""
}

// revokeAllSQL takes every privilege on a relation from everyone an application role
// has one through, column privileges included.
func (f *facts) revokeAllSQL(r *catalog.Relation) []string {
	var who []string
	collect := func(list []catalog.Privilege) {
		for _, p := range list {
			if p.Grantee != r.Owner && f.grantedToApps(p.Grantee) && !slices.Contains(who, p.Grantee) {
				who = append(who, p.Grantee)
			}
		}
	}
	collect(r.Privileges)
	for i := range r.Columns {
		collect(r.Columns[i].Privileges)
	}
	var out []string
	for _, g := range who {
		// ALL on a table takes the column privileges with it.
		out = append(out, fmt.Sprintf("REVOKE ALL ON %s%s FROM %s CASCADE", onKind(r), r.QName().SQL(), sqltext.Role(g)))
	}
	return out
}

// newOwner is the role that takes over what an application role owns: the schema's
// owner, if that is not an application role too, else Options.Owner.
func (f *facts) newOwner(schema string) (name string, create []string) {
	for _, sch := range f.s.Schemas {
		if sch.Name == schema && f.ownedByApp(sch.Owner) == "" && !f.bypasses(sch.Owner) && f.look.Role(sch.Owner) != nil && sch.Owner != "pg_database_owner" {
			return sch.Owner, nil
		}
	}
	name = f.o.Owner
	if name == "" {
		name = "moat_owner"
	}
	if f.look.Role(name) == nil {
		create = []string{fmt.Sprintf("DO $$ BEGIN\n  CREATE ROLE %s NOLOGIN;\nEXCEPTION WHEN duplicate_object THEN NULL;\nEND $$", sqltext.Ident(name))}
	}
	return name, create
}
