package protect

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/policy"
)

// askConnections asks about the roles that reach tenants' rows today: the policy of
// the application role is not for them.
func (p *planner) askConnections() {
	app := p.c.Roles.Application
	for _, role := range p.m.Roles {
		r := p.Role(role)
		if role == app || r == nil || r.Super || slices.Contains(p.c.Retired, role) || p.Joined(role, app, catalog.Usage) ||
			p.m.Shapes.Tree != nil && role == p.m.Shapes.Tree.Role ||
			slices.Contains([]string{p.c.Roles.Owner, p.c.Roles.Operator, p.c.Roles.Definer}, role) {
			continue
		}
		if p.switches(r) {
			p.noteSwitching(role)
			continue
		}
		p.askConnection(r)
	}
}

func (p *planner) askConnection(r *catalog.Role) {
	app, role := p.c.Roles.Application, r.Name
	why := "It has privileges on tenants' tables, but " + policy.Access +
		" does not apply to it: from group enforce on it sees no rows there."
	if r.BypassRLS {
		why = "It has privileges on tenants' tables, and no policy applies to it."
	}
	question, instead := "Does the application connect as %s today?", "Connect as"
	keep := "it connects no more"
	if !r.Login {
		question, instead = "Does the application become %s today, with SET ROLE?", "Become"
		keep = "nothing reads tenants' rows as it any more"
	}
	// An owner runs migrations, and what PUBLIC may every role of the cluster may; who was
	// granted rights on rows reads and writes them.
	p.decide(Decision{ID: "connect/" + role, Object: role, Blocks: p.entitled(role),
		Question: fmt.Sprintf(question, role),
		Why: why + fmt.Sprintf(" %s %s instead, or keep the role and name it in moat.yaml. A job that needs "+
			"every tenant's rows can use %s.", instead, app, p.c.Roles.Operator),
		Config: fmt.Sprintf("roles: {application: %s}   # keep it\nprotect: {retired_roles: [%s]}   # or: %s", role, role,
			keep)})
}

// switches reports whether a role reaches tenants' rows only as a role that it becomes, and
// may become the application role: a login such as PostgREST's authenticator, which every
// request leaves by SET ROLE.
func (p *planner) switches(r *catalog.Role) bool {
	return r.Login && !r.BypassRLS && p.Joined(r.Name, p.c.Roles.Application, catalog.Set) &&
		p.SwitchOnly(r.Name, list.Map(p.tables, func(t *table) *catalog.Relation { return t.rel }))
}

// noteSwitching says why nothing is asked about such a login, and what else it may become.
func (p *planner) noteSwitching(role string) {
	reason := fmt.Sprintf("has no rights on tenants' rows: it becomes %s with SET ROLE, and the policies apply then",
		p.c.Roles.Application)
	past := list.Pick(p.RolesOf(role, catalog.Set), func(other string) (string, bool) {
		r := p.Role(other)
		return other, r != nil && (r.Super || r.BypassRLS)
	})
	if len(past) > 0 {
		reason += fmt.Sprintf(". It may also become %s, to whom no policy applies: let no request choose the role but by a "+
			"signed token", english.Or(past))
	}
	p.note(role, reason)
}

// entitled reports whether somebody has given a role rights on rows of tenants.
func (p *planner) entitled(role string) bool {
	roles := p.RolesOf(role, catalog.Usage)
	return slices.ContainsFunc(p.tables, func(t *table) bool {
		for h := range t.rel.Grants() {
			if h.Grantee != "" && h.Grantee != t.rel.Owner && slices.Contains(roles, h.Grantee) {
				return true
			}
		}
		return false
	})
}
