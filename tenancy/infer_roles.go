package tenancy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/roles"
)

// roles finds the application roles: every login role that has any right on what
// belongs to tenants, however it came by it. An operator cannot be told from an
// application by the catalog, so all but superusers count; and those roles without
// login count that a login role may become, where grants or policies name them
// (PostgREST's anon and authenticated).
func (f *inference) roles() error {
	if len(f.o.Roles) > 0 {
		f.m.Roles = slices.Compact(slices.Sorted(slices.Values(f.o.Roles)))
		return nil
	}
	targets := f.targets()
	named := f.namedRoles(targets)
	for r := range catalog.Each(f.v.Snapshot.Roles) {
		if r.Super || strings.HasPrefix(r.Name, "pg_") || slices.Contains(f.operators(), r.Name) || f.reachesShards(r.Name) {
			continue
		}
		if r.Login && f.touches(r.Name, targets) || !r.Login && !r.BypassRLS && named[r.Name] && f.switchedTo(r.Name) {
			f.m.Roles = append(f.m.Roles, r.Name)
		}
	}
	f.leaveOutMaster()
	if len(f.m.Roles) == 0 {
		f.say("application roles: none; no login role but superusers has a privilege on a tenant table")
		return nil
	}
	f.say("application roles %s: those that can reach tenant tables", strings.Join(f.m.Roles, ", "))
	return nil
}

// leaveOutMaster takes the role out that a provider gives instead of a superuser: it owns
// the database and may create roles. Where it is the only one, the application is it.
func (f *inference) leaveOutMaster() {
	owner := f.v.Role(f.v.Snapshot.Database.Owner)
	i := slices.Index(f.m.Roles, f.v.Snapshot.Database.Owner)
	if owner == nil || i < 0 || !owner.CreateRole || len(f.m.Roles) == 1 {
		return
	}
	f.m.Roles = slices.Delete(f.m.Roles, i, i+1)
	f.say("%s is left out: it owns the database and may create roles, as a managed database's administrator", owner.Name)
}

func (f *inference) operators() []string {
	if f.o.Operators != nil {
		return f.o.Operators
	}
	return roles.NotApplications()
}

// reachesShards reports whether a role is the owner that Citus logs in as on other servers.
func (f *inference) reachesShards(role string) bool {
	return (f.v.Snapshot.Distribution.Spread() || f.o.Distribute) && role == cmp.Or(f.o.Owner, roles.Owner)
}

// targets are the relations that hold tenants' rows: tables by their class, and
// views of any kind in the schemas looked at.
func (f *inference) targets() []*catalog.Relation {
	var all []*catalog.Relation
	for r := range catalog.Each(f.v.Snapshot.Relations) {
		if entry := f.classes[r.QName()]; entry != nil {
			if entry.Class.HasTenants() {
				all = append(all, r)
			}
			continue
		}
		view := r.Kind == catalog.View || r.Kind == catalog.MaterializedView
		if view && r.Extension == "" && slices.Contains(f.m.Schemas, r.Schema) {
			all = append(all, r)
		}
	}
	return all
}

// touches reports whether a role has any privilege on any of the relations, as it is
// or as a role that it may become.
func (f *inference) touches(role string, targets []*catalog.Relation) bool {
	for _, acting := range f.v.RolesOf(role, catalog.Set) {
		for _, r := range targets {
			for _, privilege := range []string{"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"} {
				if f.v.HasTablePrivilege(acting, r, privilege) {
					return true
				}
			}
		}
	}
	return false
}

// namedRoles are the roles that grants or policies of the relations name.
func (f *inference) namedRoles(targets []*catalog.Relation) map[string]bool {
	named := map[string]bool{}
	for _, r := range targets {
		for _, p := range r.Privileges {
			if p.Grantee != r.Owner {
				named[p.Grantee] = true
			}
		}
		for _, c := range r.Columns {
			for _, p := range c.Privileges {
				named[p.Grantee] = true
			}
		}
		for _, p := range r.Policies {
			for _, role := range p.Roles {
				named[role] = true
			}
		}
	}
	return named
}

// switchedTo reports whether a login role that is no superuser may SET ROLE to a role
// whose privileges it does not have already.
func (f *inference) switchedTo(role string) bool {
	return slices.ContainsFunc(f.v.Snapshot.Roles, func(r catalog.Role) bool {
		return r.Login && !r.Super && !slices.Contains(f.operators(), r.Name) &&
			f.v.Joined(r.Name, role, catalog.Set) && !f.v.Joined(r.Name, role, catalog.Usage)
	})
}
