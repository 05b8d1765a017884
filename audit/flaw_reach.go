package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
)

// upsertReach names the unique keys that let a tenant meet other tenants' rows. Where
// all of them are uuids, an attacker must know one first.
func (f *facts) upsertReach() (string, Severity) {
	var keys []string
	severity := High
	for _, r := range f.tenantTables {
		for x := range catalog.Each(r.Indexes) {
			if !f.upsertMeets(r, x) {
				continue
			}
			keys = append(keys, r.QName().String()+"."+x.Name)
			if c := r.Column(x.Keys[0].Column); c == nil || c.Type != "uuid" {
				severity = Critical
			}
		}
	}
	return few(keys, "unique key", "does not include the tenant", "do not include the tenant"), severity
}

// upsertMeets says whether an INSERT … ON CONFLICT of one tenant can meet another's row
// in an index: the row proposed passes the tenant's own policy and has the other's key.
func (f *facts) upsertMeets(r *catalog.Relation, x *catalog.Index) bool {
	if !r.RLS || !x.Unique || !x.Valid || x.Inherited || slices.ContainsFunc(x.Columns(), f.tiesToTenant(r)) {
		return false
	}
	if c := r.Constraint(x.Name); c != nil && c.Deferrable {
		return false // no arbiter of ON CONFLICT
	}
	return f.appTouches(r, "INSERT") && f.appTouches(r, "UPDATE") && f.appTouches(r, "SELECT")
}

// tiesToTenant tells the columns whose value a tenant's own policy checks: the tenant
// column, and in a child table the reference to its parent.
func (f *facts) tiesToTenant(r *catalog.Relation) func(column string) bool {
	own := []string{f.tenantColumn(r.QName())}
	if own[0] == "" {
		for _, c := range r.Constraints {
			if c.Type == catalog.ForeignKey && f.holdsTenants(c.References) {
				own = append(own, c.Columns...)
			}
		}
	}
	return func(column string) bool { return column != "" && slices.Contains(own, column) }
}

// leaveReach names the restrictive policies that a role can be taken out of.
func (f *facts) leaveReach() (string, Severity) {
	var out []string
	for _, r := range f.judgedTables {
		for _, p := range f.policies[r.QName()] {
			if !p.Permissive && !slices.Contains(p.Roles, "") && slices.ContainsFunc(p.Roles, f.grantedToApps) {
				out = append(out, r.QName().String()+"."+p.Name)
			}
		}
	}
	return few(out, "restrictive policy", "names the application role, not PUBLIC",
		"name the application role, not PUBLIC"), Critical
}

// castReach says what of the attacker's own gets a hidden value: an operator, where it
// may create one; a cast to a temporary type, where a column is an array.
func (f *facts) castReach() (string, Severity) {
	if len(f.judgedTables) == 0 {
		return "", ""
	}
	for _, s := range f.s.Schemas {
		if f.appMay(s.Privileges, "CREATE") {
			return fmt.Sprintf("The application role may create operators in schema %s.", s.Name), Critical
		}
	}
	if f.appMay(f.s.Database.Privileges, "CREATE") {
		return "The application role may create a schema, and operators in it.", Critical
	}
	if !f.appMay(f.s.Database.Privileges, "TEMPORARY") {
		return "", ""
	}
	var arrays []string
	for _, r := range f.judgedTables {
		for _, c := range r.Columns {
			if strings.HasSuffix(c.Type, "[]") && f.appTouches(r, "SELECT") {
				arrays = append(arrays, r.QName().String()+"."+c.Name)
			}
		}
	}
	return few(arrays, "array column", "can be cast to a temporary type", "can be cast to a temporary type"), Critical
}

// viewUpsertReach names the views that are all that keeps tenants apart, over a table
// with a key that tenants share.
func (f *facts) viewUpsertReach() (string, Severity) {
	out := list.Pick(relations(f), func(v *catalog.Relation) (string, bool) {
		return v.QName().String(), v.Insertable && v.Updatable && f.appTouches(v, "INSERT") && f.appTouches(v, "UPDATE") &&
			f.isolatingView(v) && f.readsSharedKey(v)
	})
	return few(out, "view", "can be written to this way", "can be written to this way"), High
}

func (f *facts) readsSharedKey(v *catalog.Relation) bool {
	return slices.ContainsFunc(f.look.Beneath(v.QName()), func(name catalog.QName) bool {
		r := f.look.Relation(name)
		return r != nil && f.holdsTenants(name) && slices.ContainsFunc(r.Indexes, func(x catalog.Index) bool {
			return x.Unique && !slices.ContainsFunc(x.Columns(), f.tiesToTenant(r))
		})
	})
}

// memberReach names the policies that an application role is under as a member of
// another role, which a REVOKE or a change of the owner is meant to end.
func (f *facts) memberReach() (string, Severity) {
	var out []string
	for _, r := range f.judgedTables {
		for _, p := range f.policies[r.QName()] {
			if f.byMembership(p) {
				out = append(out, r.QName().String()+"."+p.Name)
			}
		}
	}
	return few(out, "policy", "depends on a membership", "depend on a membership"), Medium
}

func (f *facts) byMembership(p *judgedPolicy) bool {
	for _, e := range []*catalog.Expr{p.Using, p.Check} {
		if e != nil && strings.Contains(e.Text, "pg_has_role(") {
			return true
		}
	}
	return len(f.apps) > 0 && !slices.Contains(p.Roles, "") && slices.ContainsFunc(p.Roles, func(role string) bool {
		return f.granted[role] && !slices.Contains(f.apps, role)
	})
}

// few says of objects what they do, naming the first three; "" for none.
func few(objects []string, noun, does, do string) string {
	switch n := len(objects); {
	case n == 0:
		return ""
	case n == 1:
		return fmt.Sprintf("The %s %s %s.", noun, objects[0], does)
	case n <= 3:
		return fmt.Sprintf("%s %s: %s.", english.Count(n, noun), do, strings.Join(objects, ", "))
	default:
		return fmt.Sprintf("%s %s: %s and %d more.", english.Count(n, noun), do, strings.Join(objects[:3], ", "), n-3)
	}
}
