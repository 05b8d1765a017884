package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// The names of the two policies.
const (
	IsolationPolicy = "tenant_isolation"
	AccessPolicy    = "tenant_access"
)

// policies plans the pair of policies of every table that lacks them. They do
// nothing until row-level security is enabled; where it is enabled already they
// act at once, and so belong to group enforce.
func (p *planner) policies() {
	for _, t := range p.tables {
		p.isolation(t)
		p.access(t)
	}
}

func (p *planner) policyGroup(t *table) Group {
	if t.rel.RLS {
		return GroupEnforce
	}
	return GroupPolicies
}

// form is the direct one where partitions have to be pruned, and on Citus, whose
// shards refuse sub-selects.
func (p *planner) form(t *table) Form {
	if t.rel.Kind == catalog.PartitionedTable || p.citus() {
		return Direct
	}
	return Wrapped
}

func (p *planner) citus() bool {
	return slices.ContainsFunc(p.s.Extensions, func(e catalog.Extension) bool { return e.Name == "citus" })
}

// isolation plans the restrictive policy, unless one that isolates is there.
func (p *planner) isolation(t *table) {
	q := t.rel.QName()
	if found := p.isolatingPolicy(t); found != "" {
		if found != IsolationPolicy {
			p.note(key(q), "policy "+found+" isolates it")
		}
		return
	}
	expr := Isolating(t.column, p.m.Setting, t.typ, p.form(t))
	policy := freePolicy(t.rel, IsolationPolicy)
	p.add(p.guarded(Step{ID: stepID(GroupPolicies, q, IsolationPolicy), Group: p.policyGroup(t), Table: q, Title: "policy " + policy,
		SQL: []string{createPolicy(q, policy, p.citus(), "PUBLIC", expr)}, Undo: []string{dropPolicy(q, policy)}, Lock: AccessExclusive,
		Reason: "restrictive: no permissive policy that is added later can widen it"}))
}

// freePolicy returns the name, or the next that is free: a team's own policies are
// never dropped, whatever they are called.
func freePolicy(rel *catalog.Relation, policy string) string {
	return free(policy, func(s string) bool {
		return slices.ContainsFunc(rel.Policies, func(p catalog.Policy) bool { return p.Name == s })
	})
}

// access plans the permissive policy of the application role. Without one no row is
// visible; a team's own permissive policies take its place.
func (p *planner) access(t *table) {
	if p.citus() || !p.app {
		return
	}
	roles := p.accessRoles()
	theirs := p.permissiveFor(t.rel, p.c.Roles.Application)
	if len(theirs) > 0 {
		p.askCommands(t)
		if !slices.Equal(theirs, []string{AccessPolicy}) {
			p.note(key(t.rel.QName()), "its own permissive policies stay in the place of "+AccessPolicy+": "+strings.Join(theirs, ", "))
		}
		return
	}
	q := t.rel.QName()
	policy := freePolicy(t.rel, AccessPolicy)
	p.add(p.guarded(Step{ID: stepID(GroupPolicies, q, AccessPolicy), Group: p.policyGroup(t), Table: q, Title: "policy " + policy,
		SQL: []string{createPolicy(q, policy, true, sqltext.Idents(roles), "true")}, Undo: []string{dropPolicy(q, policy)}, Lock: AccessExclusive,
		Reason: "inside its tenant the application sees every row; replace it by rules of your own"}))
}

// askCommands asks about commands that the application may run but no permissive
// policy of the team lets through: once row-level security is on they do nothing.
func (p *planner) askCommands(t *table) {
	if t.rel.RLS {
		return // that is how it is today
	}
	app := p.c.Roles.Application
	var denied []string
	for _, command := range p.applicationMay(t.rel) {
		allowed := slices.ContainsFunc(t.rel.Policies, func(pol catalog.Policy) bool {
			return pol.Permissive && (pol.Using != nil || pol.Check != nil) && (pol.Command == "ALL" || pol.Command == command) && p.applies(pol, app)
		})
		if !allowed {
			denied = append(denied, command)
		}
	}
	if len(denied) == 0 {
		return
	}
	q := t.rel.QName()
	d := Decision{ID: "access/" + key(q), Table: q, Question: "May the application " + strings.Join(denied, ", ") + " here?",
		Why: "The table's own policies say nothing of it, so from enforce on it touches no row. The restrictive policy keeps it within the tenant either way."}
	for _, command := range denied {
		using, check := "USING (true)", " WITH CHECK (true)"
		switch command {
		case "INSERT":
			using, check = "", "WITH CHECK (true)"
		case "SELECT", "DELETE":
			check = ""
		}
		d.SQL = append(d.SQL, fmt.Sprintf("CREATE POLICY %s ON %s FOR %s TO %s %s%s", sqltext.Ident(sqltext.Name(AccessPolicy, strings.ToLower(command))), q.SQL(), command, sqltext.Ident(app), using, check))
	}
	p.decide(d)
}

// accessRoles are the roles that tenant_access is for. Before PostgreSQL 15 a view
// reads with the rights of its owner, so that role needs the policy as well.
func (p *planner) accessRoles() []string {
	roles := []string{p.c.Roles.Application}
	if p.major() < 15 && len(p.tenantViews()) > 0 {
		roles = append(roles, p.c.Roles.Owner)
	}
	return roles
}

// permissiveFor returns the permissive policies that apply to a role and let
// anything through.
func (p *planner) permissiveFor(rel *catalog.Relation, role string) []string {
	var names []string
	for _, pol := range rel.Policies {
		if !pol.Permissive || (pol.Using == nil && pol.Check == nil) {
			continue
		}
		if p.applies(pol, role) {
			names = append(names, pol.Name)
		}
	}
	return names
}

func (p *planner) applies(pol catalog.Policy, role string) bool {
	return slices.ContainsFunc(pol.Roles, func(r string) bool { return r == "" || r == role || p.inherits(role, r) })
}

// inherits reports whether member has the rights of role without SET ROLE.
func (p *planner) inherits(member, role string) bool {
	for _, m := range p.s.Memberships {
		if m.Member == member && m.Inherit && (m.Role == role || p.inherits(m.Role, role)) {
			return true
		}
	}
	return false
}

func createPolicy(q catalog.QName, policy string, permissive bool, roles, expr string) string {
	as := "RESTRICTIVE"
	if permissive {
		as = "PERMISSIVE"
	}
	return fmt.Sprintf("CREATE POLICY %s ON %s AS %s FOR ALL TO %s\n  USING (%s)\n  WITH CHECK (%s)", sqltext.Ident(policy), q.SQL(), as, roles, expr, expr)
}

func dropPolicy(q catalog.QName, policy string) string {
	return fmt.Sprintf("DROP POLICY IF EXISTS %s ON %s", sqltext.Ident(policy), q.SQL())
}

// grantee quotes a role; PUBLIC is a keyword.
func grantee(role string) string { return sqltext.Role(role) }
