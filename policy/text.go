package policy

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// The names of the two policies of a tenant table: the wall, and what is allowed
// behind it.
const (
	Isolation = "tenant_isolation"
	Access    = "tenant_access"
)

// Form says how a policy reads the tenant.
type Form int

const (
	// Wrapped reads it in a subquery, once per statement; its plan is the same for
	// every tenant.
	Wrapped Form = iota
	// Direct compares with the function itself: partitions are pruned when the
	// executor starts, which a subquery prevents, and Citus' shards accept it.
	Direct
)

// Tenant writes the expression that is the current tenant, as a value of type typ. It
// is NULL when no tenant is set: missing_ok for a fresh connection, nullif for one on
// which an earlier transaction has ended.
//
// Policies, column defaults and generated functions all get their tenant from here, so
// that another source of it is one change.
func Tenant(setting, typ string) string {
	return cast(fmt.Sprintf("nullif(current_setting(%s, true), '')", sqltext.Literal(setting)), typ)
}

// cast gives a text a type. A length would cut the value, and text needs no cast.
func cast(value, typ string) string {
	if typ == "text" || strings.HasPrefix(typ, "character varying") {
		return value
	}
	return value + "::" + typ
}

// TenantPattern is a regular expression, for Go and the server alike, that matches the
// current tenant as a person or pg_get_expr writes it, without the cast.
func TenantPattern(setting string) string {
	read := `(pg_catalog\.)?current_setting\(\s*'` + regexp.QuoteMeta(setting) + `'(::text)?\s*(,\s*(true|false)\s*)?\)`
	return `(pg_catalog\.)?nullif\(\s*` + read + `\s*,\s*''(::text)?\s*\)|` + read
}

// Isolating writes the expression that holds for the rows of one tenant.
func Isolating(column, setting, typ string, form Form) string {
	return Equals(sqltext.Ident(column), Tenant(setting, typ), form)
}

// Equals compares a column, as SQL, with an expression that is the current tenant.
func Equals(column, tenant string, form Form) string {
	if form == Wrapped {
		tenant = "(SELECT " + tenant + ")"
	}
	return column + " = " + tenant
}

// FormOf is the form for a table: the direct one where partitions have to be pruned,
// and on Citus, whose shards refuse subqueries.
func (v *View) FormOf(r *catalog.Relation) Form {
	if r.Kind == catalog.PartitionedTable || v.Citus() {
		return Direct
	}
	return Wrapped
}

// Citus reports whether the extension is installed, or the model says that tables are to be
// distributed. There a restrictive policy reaches the shards as a permissive one, so that the
// wall has to be the only policy.
func (v *View) Citus() bool { return v.Snapshot.Distribution != nil || v.Model.Distribute }

// Comparable reports whether a tenant column of type typ can be isolated: its equality is
// exact and leakproof. Those of numeric, citext and character(n) are not.
func Comparable(typ string) bool {
	switch typ {
	case "uuid", "bigint", "integer", "smallint", "text":
		return true
	}
	return strings.HasPrefix(typ, "character varying")
}

// Create writes a policy; an empty using or check is left out.
func Create(
	table catalog.QName, name string, permissive bool, command string, roles []string, using, check string,
) string {
	as := "RESTRICTIVE"
	if permissive {
		as = "PERMISSIVE"
	}
	return fmt.Sprintf("CREATE POLICY %s ON %s AS %s FOR %s TO %s", sqltext.Ident(name), table.SQL(), as, command,
		list.Join(roles, ", ", sqltext.Role)) + conditions(using, check)
}

// Alter gives a policy new expressions; an empty one stays as it is.
func Alter(table catalog.QName, name, using, check string) string {
	return "ALTER POLICY " + sqltext.Ident(name) + " ON " + table.SQL() + conditions(using, check)
}

// Again writes a policy as it is.
func Again(table catalog.QName, p *catalog.Policy) string {
	text := func(e *catalog.Expr) string {
		if e == nil {
			return ""
		}
		return e.Text
	}
	return Create(table, p.Name, p.Permissive, p.Command, p.Roles, text(p.Using), text(p.Check))
}

// Drop removes a policy that may be there.
func Drop(table catalog.QName, name string) string {
	return fmt.Sprintf("DROP POLICY IF EXISTS %s ON %s", sqltext.Ident(name), table.SQL())
}

func conditions(using, check string) (sql string) {
	if using != "" {
		sql += "\n  USING (" + using + ")"
	}
	if check != "" {
		sql += "\n  WITH CHECK (" + check + ")"
	}
	return sql
}

// Wall writes the policy that isolates a table by an expression, whoever adds policies
// later.
func (v *View) Wall(table catalog.QName, name, expr string) string {
	return Create(table, name, v.Citus(), "ALL", []string{""}, expr, expr)
}

// Pair writes both policies of a table again: the wall, and access to all that is behind
// it for the roles; none means everybody.
func (v *View) Pair(table catalog.QName, expr string, roles []string) []string {
	sql := []string{Drop(table, Isolation), v.Wall(table, Isolation, expr)}
	if v.Citus() {
		return sql
	}
	if len(roles) == 0 {
		roles = []string{""}
	}
	return append(sql, Drop(table, Access), Create(table, Access, true, "ALL", roles, "true", "true"))
}

// Enable turns row-level security on, for the owner too.
func Enable(table catalog.QName) []string {
	return []string{"ALTER TABLE " + table.SQL() + " ENABLE ROW LEVEL SECURITY", Force(table)}
}

// Force makes row-level security bind the owner.
func Force(table catalog.QName) string {
	return "ALTER TABLE " + table.SQL() + " FORCE ROW LEVEL SECURITY"
}

// BaseType looks through domains.
func (v *View) BaseType(typ string) string {
	for d := range catalog.Each(v.Snapshot.Types) {
		q := catalog.QName{Schema: d.Schema, Name: d.Name}
		if d.Kind == "domain" && (typ == q.SQL() || typ == q.String() || typ == d.Name) {
			return v.BaseType(d.Base)
		}
	}
	return typ
}
