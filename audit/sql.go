package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/roles"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// functionSQL names a function with its argument types, for ALTER and REVOKE.
func functionSQL(fn *catalog.Function) string {
	if fn.Kind == "function" && len(fn.Params) > 0 {
		return fn.QName().SQL() + "(" + strings.Join(fn.InputTypes(), ", ") + ")"
	}
	return fn.QName().SQL() + "(" + fn.Arguments + ")"
}

// routine is the word that ALTER takes for this kind of function.
func routine(fn *catalog.Function) string {
	if fn.Kind == "procedure" {
		return "PROCEDURE"
	}
	return "FUNCTION"
}

// enableSQL turns row-level security on, for the owner too, where it is not.
func enableSQL(r *catalog.Relation) []string {
	sql := policy.Enable(r.QName())
	if r.ForceRLS {
		sql = sql[:1]
	}
	if r.RLS {
		sql = sql[1:]
	}
	return sql
}

// noPredicate stands in SQL where the tenant would have to be compared with something that
// nobody can tell. A finding whose SQL has it gets a decision in its place.
const noPredicate = "\x00"

// predicate returns the expression that isolates rows of r: the one that other
// policies of this database use where there is one, else moat's own form.
func (f *facts) predicate(r *catalog.Relation) string {
	name := f.tenantColumn(r.QName())
	c := r.Column(name)
	if c == nil {
		return "false"
	}
	return f.predicateOn(r, c)
}

// predicateOn is predicate by a column that r has or gets.
func (f *facts) predicateOn(r *catalog.Relation, c *catalog.Column) string {
	used, ok := f.predicates[predicateKey(c.Name, c.Type)]
	switch {
	case ok && slices.Contains(used.reads, r.QName()):
		return noPredicate // a policy that reads its own table fails in every query
	case ok:
		return used.text
	}
	return cmp.Or(f.look.IsolatingCurrent(c.Name, f.look.BaseType(c.Type), f.look.FormOf(r)), noPredicate)
}

func predicateKey(col, typ string) string { return col + "\x00" + typ }

// isolateSQL creates the policies that let each tenant see its own rows.
func (f *facts) isolateSQL(r *catalog.Relation) []string {
	return f.look.Pair(r.QName(), f.predicate(r), f.apps)
}

// appRoles are the application roles, PUBLIC when none is known.
func (f *facts) appRoles() []string {
	if len(f.apps) == 0 {
		return []string{""}
	}
	return f.apps
}

// recreateSQL replaces a policy by one of the same name for one command.
func recreateSQL(r *catalog.Relation, p *catalog.Policy, command, using string) []string {
	create := policy.Create(r.QName(), p.Name, p.Permissive, command, p.Roles, using, "")
	return []string{policy.Drop(r.QName(), p.Name), create}
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
	var out []string
	for p := range r.Grants() {
		// ALL on a table takes the column privileges with it.
		sql := fmt.Sprintf("REVOKE ALL ON %s%s FROM %s CASCADE", onKind(r), r.QName().SQL(), sqltext.Role(p.Grantee))
		if p.Grantee != r.Owner && f.grantedToApps(p.Grantee) && !slices.Contains(out, sql) {
			out = append(out, sql)
		}
	}
	return out
}

// newOwner is the role that takes over what an application role owns: the schema's
// owner, if that is not an application role too, else Options.Owner.
func (f *facts) newOwner(schema string) (name string, create []string) {
	if s := f.look.Schema(schema); s != nil && s.Owner != "pg_database_owner" && f.look.Role(s.Owner) != nil &&
		f.ownedByApp(s.Owner) == "" && !f.bypasses(s.Owner) {
		return s.Owner, nil
	}
	name = cmp.Or(f.o.Owner, roles.Owner)
	if f.look.Role(name) == nil {
		create = []string{unless("duplicate_object OR unique_violation", "CREATE ROLE "+sqltext.Ident(name)+" NOLOGIN")}
	}
	return name, create
}

// unless makes a statement harmless where what it creates is there.
func unless(condition, sql string) string {
	return "DO $$ BEGIN\n  " + sql + ";\nEXCEPTION WHEN " + condition + " THEN NULL;\nEND $$"
}
