package catalog

import "github.com/moat-db/moat/internal/list"

// Mode says what a membership is asked for.
type Mode int

// The modes of [Lookup.MemberOf].
const (
	// Usage: member has the privileges of role as it is (pg_has_role USAGE).
	Usage Mode = iota
	// Set: member may SET ROLE to role (pg_has_role SET; MEMBER before 16).
	Set
	// Member: member is a member by any chain, even of memberships that give
	// neither privileges nor SET ROLE (pg_has_role MEMBER).
	Member
	// Use: member has the privileges of role or may SET ROLE to it, by steps of either
	// kind: what its statements can run as or with.
	Use
	// Gain: as Use, or after using ADMIN OPTION to grant itself the rest.
	Gain
	// Reach: member can come to act as role, by SET ROLE or by first granting
	// itself the membership: with ADMIN OPTION, or with CREATEROLE before 16.
	Reach
)

// MemberOf reports whether member is a member of role in the sense of mode. Every role
// is a member of itself, and a superuser of all.
func (v *Lookup) MemberOf(member, role string, mode Mode) bool {
	if r := v.roles[member]; r != nil && r.Super {
		return true
	}
	return v.Joined(member, role, mode)
}

// Joined is [Lookup.MemberOf] without what a superuser may besides: whether role is
// among [Lookup.RolesOf].
func (v *Lookup) Joined(member, role string, mode Mode) bool {
	return v.closure(member, mode).has[role]
}

// RolesOf returns the roles that member is a member of in the sense of mode, itself
// first, without what a superuser may besides. It must not be changed.
func (v *Lookup) RolesOf(member string, mode Mode) []string { return v.closure(member, mode).roles }

// closure is the roles that one can be reached from, in the order of the steps.
type closure struct {
	roles []string
	has   map[string]bool
}

func (v *Lookup) closure(member string, mode Mode) closure {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.follow(member, mode)
}

func (v *Lookup) follow(member string, mode Mode) closure {
	key := closureKey{member, mode}
	if c, ok := v.closures[key]; ok {
		return c
	}
	c := closure{roles: []string{member}, has: map[string]bool{member: true}}
	for i := 0; i < len(c.roles); i++ {
		for _, role := range v.next(c.roles[i], mode) {
			if !c.has[role] {
				c.roles, c.has[role] = append(c.roles, role), true
			}
		}
	}
	v.closures[key] = c
	return c
}

// Follows reports whether one membership is a step in the sense of the mode. For [Reach]
// there are steps besides.
func (mode Mode) Follows(m Membership) bool {
	switch mode {
	case Usage:
		return m.Inherit
	case Set, Reach:
		return m.Set
	case Use:
		return m.Inherit || m.Set
	case Gain:
		return m.Inherit || m.Set || m.Admin
	}
	return true // Member
}

// next returns the roles one step from role.
func (v *Lookup) next(role string, mode Mode) []string {
	all := list.Pick(v.edges[role], func(m Membership) (string, bool) { return m.Role, mode.Follows(m) })
	if mode == Reach {
		all = append(all, v.grantable(role)...)
	}
	return all
}

// grantable returns the roles that role can make itself a member of: those on which
// it, or a role whose privileges it has, holds ADMIN OPTION. Before 16 CREATEROLE
// could grant any role but a superuser.
func (v *Lookup) grantable(role string) []string {
	var all []string
	if r := v.roles[role]; r != nil && r.CreateRole && v.Snapshot.Version < 160000 {
		for i := range v.Snapshot.Roles {
			if other := &v.Snapshot.Roles[i]; !other.Super && other.Name != "pg_database_owner" {
				all = append(all, other.Name)
			}
		}
	}
	for _, holder := range v.follow(role, Usage).roles {
		for _, m := range v.edges[holder] {
			if m.Admin {
				all = append(all, m.Role)
			}
		}
	}
	return all
}
