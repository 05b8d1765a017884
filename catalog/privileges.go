package catalog

import "slices"

// HasTablePrivilege reports whether role has a privilege on a relation or on any of
// its columns, as it is: by name, by PUBLIC, by inherited membership, as owner, as
// superuser, or by a predefined role. Policies do not count here.
func (v *Lookup) HasTablePrivilege(role string, r *Relation, privilege string) bool {
	if v.hasRelationWide(role, r, privilege) {
		return true
	}
	for i := range r.Columns {
		if v.granted(role, r.Columns[i].Privileges, privilege) {
			return true
		}
	}
	return false
}

// HasColumnPrivilege reports whether role has a privilege on one column.
func (v *Lookup) HasColumnPrivilege(role string, r *Relation, column, privilege string) bool {
	if v.hasRelationWide(role, r, privilege) {
		return true
	}
	c := r.Column(column)
	return c != nil && v.granted(role, c.Privileges, privilege)
}

// hasRelationWide reports whether role has a privilege on all of a relation. An owner
// who gave up a right can take it back at any time, so ownership counts as having.
func (v *Lookup) hasRelationWide(role string, r *Relation, privilege string) bool {
	return v.owns(role, r.Owner) || v.granted(role, r.Privileges, privilege) || v.predefined(role, privilege)
}

// predefined reports whether a role of PostgreSQL's own gives a privilege on every table.
func (v *Lookup) predefined(role, privilege string) bool {
	switch privilege {
	case "SELECT":
		return v.MemberOf(role, "pg_read_all_data", Usage)
	case "INSERT", "UPDATE", "DELETE":
		return v.MemberOf(role, "pg_write_all_data", Usage)
	case "MAINTAIN":
		return v.MemberOf(role, "pg_maintain", Usage)
	}
	return false
}

// HasSchemaPrivilege reports whether role has USAGE or CREATE on a schema.
func (v *Lookup) HasSchemaPrivilege(role, schema, privilege string) bool {
	s := v.schemas[schema]
	if s == nil {
		return false
	}
	all := v.MemberOf(role, "pg_read_all_data", Usage) || v.MemberOf(role, "pg_write_all_data", Usage)
	return all && privilege == "USAGE" || v.owns(role, s.Owner) || v.granted(role, s.Privileges, privilege)
}

// HasDatabasePrivilege reports whether role has CREATE, CONNECT or TEMPORARY on the
// connected database.
func (v *Lookup) HasDatabasePrivilege(role, privilege string) bool {
	d := v.Snapshot.Database
	return v.owns(role, d.Owner) || v.granted(role, d.Privileges, privilege)
}

// HasFunctionPrivilege reports whether role may execute a function.
func (v *Lookup) HasFunctionPrivilege(role string, f *Function) bool {
	return v.owns(role, f.Owner) || v.granted(role, f.Privileges, "EXECUTE")
}

// owns reports whether role is owner, or has the owner's privileges.
func (v *Lookup) owns(role, owner string) bool { return v.MemberOf(role, owner, Usage) }

// granted reports whether an access list gives role a privilege.
func (v *Lookup) granted(role string, list []Privilege, privilege string) bool {
	return slices.ContainsFunc(list, func(p Privilege) bool {
		return p.Name == privilege && (p.Grantee == "" || v.Joined(role, p.Grantee, Usage))
	})
}

// Bypasses says, in words, why no policy of r binds role: it is a superuser, has
// BYPASSRLS, or owns a table on which row-level security is not forced. It returns
// "" when policies bind it, and also when row-level security is not enabled, which
// is another question.
func (v *Lookup) Bypasses(role string, r *Relation) string {
	info := v.roles[role]
	switch {
	case info != nil && info.Super:
		return "superuser"
	case info != nil && info.BypassRLS:
		return "BYPASSRLS"
	case r != nil && !r.ForceRLS && v.owns(role, r.Owner):
		return "owner of a table without FORCE ROW LEVEL SECURITY"
	}
	return ""
}
