package audit

import (
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
)

// has reports whether role has the privileges of another, or is it, without SET ROLE.
func (f *facts) has(role, other string) bool { return f.look.Joined(role, other, catalog.Usage) }

func (f *facts) bypasses(role string) bool { return f.look.Bypasses(role, nil) != "" }

// actsAs returns the roles that an application role's statements can run as or with:
// it has the privileges of them or can become them by SET ROLE. The bypassing ones are
// left out: role-reaches-bypass reports them, as role-admin-option does ADMIN OPTION.
func (f *facts) actsAs(app string) []string {
	roles, ok := f.acts[app]
	if !ok {
		bypassing := func(r string) bool { return r != app && f.bypasses(r) }
		roles = slices.DeleteFunc(slices.Clone(f.look.RolesOf(app, catalog.Use)), bypassing)
		f.acts[app] = roles
	}
	return roles
}

// owns reports whether role owns something of owner's, directly or as a member.
func (f *facts) owns(role, owner string) bool { return slices.Contains(f.actsAs(role), owner) }

// ownedByApp returns the first application role that owns or can become owner.
func (f *facts) ownedByApp(owner string) string {
	i := slices.IndexFunc(f.apps, func(app string) bool { return f.owns(app, owner) })
	if i < 0 {
		return ""
	}
	return f.apps[i]
}

// grantsToApps returns the entries of an access list that give privilege name to an
// application role: by name, through a role it is a member of, or through PUBLIC.
// Where no application role is known, every entry that is not the owner's counts.
func (f *facts) grantsToApps(all []catalog.Privilege, name, owner string) []catalog.Privilege {
	return list.Filter(all, func(p catalog.Privilege) bool {
		return p.Name == name && p.Grantee != owner && f.grantedToApps(p.Grantee)
	})
}

func (f *facts) grantedToApps(grantee string) bool {
	if grantee == "" {
		return true
	}
	if len(f.apps) == 0 {
		return !f.bypasses(grantee)
	}
	return f.granted[grantee]
}

// appMay reports whether an application role has a privilege, the owner's own included.
func (f *facts) appMay(list []catalog.Privilege, name string) bool {
	return len(f.grantsToApps(list, name, "\x00")) > 0
}

// touches reports whether a role, as it is, was given one of the privileges on the
// relation or on a column of it.
func (f *facts) touches(role string, r *catalog.Relation, names ...string) bool {
	for p := range r.Grants() {
		if slices.Contains(names, p.Name) && (p.Grantee == "" || f.has(role, p.Grantee)) {
			return true
		}
	}
	return false
}

// appTouches reports whether any application role, or a role it can become, has one of
// the privileges on the relation or a column; any grantee's when none is known.
func (f *facts) appTouches(r *catalog.Relation, names ...string) bool {
	for p := range r.Grants() {
		if slices.Contains(names, p.Name) && f.grantedToApps(p.Grantee) {
			return true
		}
	}
	return false
}

var rowPrivileges = []string{"SELECT", "INSERT", "UPDATE", "DELETE"}

// exposed reports whether the rows of a relation can be reached by an application role.
// Where none is known every table counts: somebody's program reads it.
func (f *facts) exposed(r *catalog.Relation) bool {
	return len(f.apps) == 0 || f.appTouches(r, rowPrivileges...)
}

// acting returns every role that an application role's statements can run as, each
// once: the subjects that policies are judged for.
func (f *facts) acting() []string {
	var out []string
	for _, app := range f.apps {
		for _, r := range f.actsAs(app) {
			if !slices.Contains(out, r) && !f.bypasses(r) {
				out = append(out, r)
			}
		}
	}
	return out
}

// grantees returns the other roles named in a relation's access list that policies
// bind: neither the owner nor a bypassing role.
func (f *facts) grantees(r *catalog.Relation) []string {
	var out []string
	for p := range r.Grants() {
		if p.Grantee != "" && p.Grantee != r.Owner && !f.bypasses(p.Grantee) && !slices.Contains(out, p.Grantee) {
			out = append(out, p.Grantee)
		}
	}
	return out
}

// bypassesPolicies reports whether queries that run as role bypass the policies of r.
func (f *facts) bypassesPolicies(role string, r *catalog.Relation) bool {
	return !r.RLS || f.look.Bypasses(role, r) != ""
}

// membershipsTo returns the memberships granted to app itself that lead to role in the sense
// of mode, in the order of the Snapshot.
func (f *facts) membershipsTo(app, role string, mode catalog.Mode) []catalog.Membership {
	return list.Filter(f.s.Memberships, func(m catalog.Membership) bool {
		return m.Member == app && mode.Follows(m) && f.look.Joined(m.Role, role, mode)
	})
}
