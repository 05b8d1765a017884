package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// policies plans the pair of policies of every table that lacks them. They do
// nothing until row-level security is enabled; where it is enabled already they
// act at once, and so belong to group enforce.
func (p *planner) policies() {
	for _, t := range p.tables {
		if p.keepsOwn(t.rel) {
			p.noteOwn(t.rel)
			p.askOwnWrites(t)
			continue
		}
		if p.Shaped(t.rel) && !p.Citus() {
			p.shapeWalls(t.rel)
			continue
		}
		if p.Citus() {
			p.soleWall(t)
			continue
		}
		p.isolation(t)
		p.access(t)
	}
	p.people()
	p.parties()
}

func (p *planner) policyGroup(t *table) Group {
	if t.rel.RLS {
		return GroupEnforce
	}
	return GroupPolicies
}

// isolation plans the restrictive policy, unless one that isolates is there.
func (p *planner) isolation(t *table) {
	q := t.rel.QName()
	if found := p.isolatingPolicy(t); found != "" {
		if found != policy.Isolation {
			p.note(key(q), "already isolated by policy "+found)
		}
		return
	}
	expr := p.IsolatingCurrent(t.column, t.typ, p.FormOf(t.rel))
	p.wall(t, expr)
	name := freePolicy(t.rel, policy.Isolation)
	wall := &catalog.Expr{Text: expr}
	p.walls[q] = catalog.Policy{Name: name, Command: "ALL", Roles: []string{""}, Using: wall, Check: wall}
	p.add(p.guarded(Step{ID: stepID(GroupPolicies, q, policy.Isolation), Group: p.policyGroup(t), Table: q,
		Title: "policy " + name,
		SQL:   []string{p.Wall(q, name, expr)}, Undo: []string{policy.Drop(q, name)}, Lock: AccessExclusive,
		Reason: "restrictive: no permissive policy added later can widen it"}))
}

// isolatingPolicy returns the name of a restrictive policy that isolates every
// command for every role, empty when there is none. What isolates is decided by the
// expression's tree, never by its text.
func (p *planner) isolatingPolicy(t *table) string {
	for _, pol := range t.rel.Policies {
		forAll := !pol.Permissive && pol.Command == "ALL" && slices.Contains(pol.Roles, "")
		if p.Citus() { // where shards take no subquery
			forAll = pol.Permissive && pol.Command == "ALL" && slices.Contains(pol.Roles, "") &&
				!p.Judge(pol.Using, t.rel).Wrapped && !p.Judge(pol.Check, t.rel).Wrapped
		}
		if forAll && p.Judge(pol.Using, t.rel).Isolates && p.Judge(pol.WriteExpr(), t.rel).Isolates {
			return pol.Name
		}
	}
	return ""
}

// freePolicy returns the name, or the next that is free: a team's own policies are
// never dropped, whatever they are called.
func freePolicy(rel *catalog.Relation, name string) string {
	return free(name, func(s string) bool {
		return slices.ContainsFunc(rel.Policies, func(p catalog.Policy) bool { return p.Name == s })
	})
}

// access plans the permissive policy of the application role. Without one no row is
// visible; a team's own permissive policies take its place.
func (p *planner) access(t *table) {
	if !p.app {
		return
	}
	if p.shut(t.rel) {
		p.askShut(t.rel)
		return
	}
	roles := p.accessRoles()
	theirs := p.permissiveFor(t.rel, p.c.Roles.Application)
	if len(theirs) > 0 {
		p.askCommands(t)
		if !slices.Equal(theirs, []string{policy.Access}) {
			p.note(key(t.rel.QName()), "keeps its own permissive policies instead of "+policy.Access+": "+strings.Join(theirs,
				", "))
		}
		return
	}
	q := t.rel.QName()
	name := freePolicy(t.rel, policy.Access)
	p.add(p.guarded(Step{ID: stepID(GroupPolicies, q, policy.Access), Group: p.policyGroup(t), Table: q,
		Title: "policy " + name,
		SQL:   []string{policy.Create(q, name, true, "ALL", roles, "true", "true")}, Undo: []string{policy.Drop(q, name)},
		Lock:   AccessExclusive,
		Reason: "within its tenant the application sees every row; replace this policy with rules of your own"}))
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
			return pol.Permissive && (pol.Using != nil || pol.Check != nil) && p.Applies(&pol, app, command)
		})
		if !allowed {
			denied = append(denied, command)
		}
	}
	if len(denied) == 0 {
		return
	}
	q := t.rel.QName()
	d := Decision{ID: "access/" + key(q), Table: q, Question: "Should the application be allowed to " +
		strings.Join(denied, ", ") + " here?",
		Why: "The table's own policies do not allow it, so from group enforce on it affects no rows. The restrictive " +
			"policy keeps it within the tenant either way."}
	opened := slices.Contains(p.c.Opened, key(q))
	for _, command := range denied {
		name := sqltext.Name(policy.Access, strings.ToLower(command))
		sql := accessFor(q, name, command, app)
		d.SQL = append(d.SQL, sql)
		if opened {
			p.add(p.guarded(Step{ID: stepID(GroupPolicies, q, name), Group: p.policyGroup(t), Table: q, Title: "policy " + name,
				SQL: []string{sql}, Undo: []string{policy.Drop(q, name)}, Lock: AccessExclusive,
				Reason: "protect.opened lists the table: its own policies do not allow " + command}))
		}
	}
	if !opened {
		d.Config = fmt.Sprintf("protect: {opened: [%s]}", key(q))
		p.decide(d)
	}
}

// accessFor is the policy that lets the application run one command within its tenant.
func accessFor(q catalog.QName, name, command, app string) string {
	using, check := "true", "true"
	switch command {
	case "INSERT":
		using = ""
	case "SELECT", "DELETE":
		check = ""
	}
	return policy.Create(q, name, true, command, []string{app}, using, check)
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
	return list.Pick(rel.Policies, func(pol catalog.Policy) (string, bool) {
		return pol.Name, pol.Permissive && (pol.Using != nil || pol.Check != nil) && p.Applies(&pol, role, pol.Command)
	})
}
