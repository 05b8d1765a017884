package protect

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// Distribution is a statement that spreads the tables over the servers of Citus. protect
// plans and prints it, and runs none: it moves all rows.
type Distribution struct {
	SQL string `json:"sql"`
	// Undo brings the rows back; empty for a setting of the session, and for a table with an
	// identity column, which Citus does not undistribute.
	Undo   string `json:"undo,omitempty"`
	Reason string `json:"reason"`
}

// citus plans what the servers of Citus need besides policies: the function that binds, and an
// owner that reaches them.
func (p *planner) citus() {
	if !p.Citus() || len(p.tables) == 0 {
		return
	}
	p.ownersLogIn()
	p.setTenant()
	p.distribute()
}

// setTenant plans the function that binds a transaction.
func (p *planner) setTenant() {
	if p.SetsTenant(p.c.Facts) || !p.app {
		return
	}
	app, drop := sqltext.Ident(p.c.Roles.Application), "DROP FUNCTION IF EXISTS "+policy.SetTenantFunction
	grants := []string{"REVOKE ALL ON FUNCTION " + policy.SetTenantFunction + " FROM PUBLIC",
		"GRANT USAGE ON SCHEMA " + Schema + " TO " + app,
		"GRANT EXECUTE ON FUNCTION " + policy.SetTenantFunction + " TO " + app}
	p.add(Step{ID: "policies/set_tenant", Group: GroupPolicies, Title: "function moat.set_tenant, which binds the tenant",
		SQL:    append([]string{policy.SetTenant(p.c.Facts)}, grants...),
		Undo:   []string{drop, "REVOKE USAGE ON SCHEMA " + Schema + " FROM " + app},
		Reason: "Citus passes the tenant on to its other servers by SET LOCAL only, not by set_config"})
}

// ownersLogIn plans that the owners of tables may log in: Citus connects to its other servers
// as the owner to make the shards.
func (p *planner) ownersLogIn() {
	done := map[string]bool{}
	for _, t := range p.tables {
		name := p.ownerToBe(t.rel)
		r := p.Role(name)
		if r == nil || r.Login || done[name] {
			continue
		}
		done[name] = true
		step := Step{ID: "roles/login/" + name, Group: GroupRoles, Title: "let " + name + " log in",
			SQL:    []string{"ALTER ROLE " + sqltext.Ident(name) + " LOGIN"},
			Undo:   []string{"ALTER ROLE " + sqltext.Ident(name) + " NOLOGIN"},
			Reason: "Citus connects to its other servers as the owner of a table to make its shards"}
		if !p.user.Super && !p.user.CreateRole {
			p.leave(Left{Title: step.Title, Reason: p.user.Name + " has no CREATEROLE", SQL: step.SQL})
			continue
		}
		p.add(step)
	}
}

// soleWall plans the one policy of a table: that of its wall, permissive and in the direct
// form. Policies of an earlier plan go in the same step, in an order in which no rows show
// that did not; a team's own stay, and are asked about.
func (p *planner) soleWall(t *table) {
	q := t.rel.QName()
	kept := p.isolatingPolicy(t)
	var do, undo []string
	for old := range catalog.Each(t.rel.Policies) {
		switch {
		case old.Name == kept:
		case p.isOurs(old, nil):
			do, undo = append(do, policy.Drop(q, old.Name)), append([]string{policy.Again(q, old)}, undo...)
		default:
			p.askBeside(t, old)
		}
	}
	if kept == "" {
		expr := p.IsolatingCurrent(t.column, t.typ, policy.Direct)
		name := free(policy.Isolation, func(s string) bool { return p.theirsNamed(t.rel, s) })
		do, undo = append(do, p.Wall(q, name, expr)), append([]string{policy.Drop(q, name)}, undo...)
		p.wall(t, expr)
		wall := &catalog.Expr{Text: expr}
		p.walls[q] = catalog.Policy{Name: name, Permissive: true, Command: "ALL", Roles: []string{""},
			Using: wall, Check: wall}
	}
	if len(do) == 0 {
		p.note(key(q), "already isolated by policy "+kept)
		return
	}
	do = append(p.forget(q), do...)
	p.add(p.guarded(Step{ID: stepID(GroupPolicies, q, policy.Isolation), Group: p.policyGroup(t), Table: q,
		Title: "one policy, " + policy.Isolation, SQL: do, Undo: undo, Lock: AccessExclusive,
		Reason: "on the shards of Citus a restrictive policy is permissive, so that one policy has to say all"}))
}

// theirsNamed reports whether a policy of the team's own has a name.
func (p *planner) theirsNamed(rel *catalog.Relation, name string) bool {
	for i := range rel.Policies {
		if old := &rel.Policies[i]; old.Name == name && !p.isOurs(old, nil) {
			return true
		}
	}
	return false
}

// askBeside asks about a policy that would stand beside the wall on the shards.
func (p *planner) askBeside(t *table, old *catalog.Policy) {
	q := t.rel.QName()
	why := "Policies of one table are joined by OR there: it shows what the wall hides."
	if !old.Permissive {
		why = "It is permissive on the shards, whatever the coordinator says: it shows what the wall hides."
	}
	p.decide(Decision{ID: "beside/" + key(q) + "." + old.Name, Table: q, Object: old.Name,
		Question: fmt.Sprintf("May policy %s go, or should its condition be joined to the wall by AND?", old.Name),
		Why:      why, SQL: []string{policy.Drop(q, old.Name)}})
}

// distribute lists what spreads the tables that are not yet: reference tables first, then
// parents before children, all together with the first.
func (p *planner) distribute() {
	var all []Distribution
	for _, t := range p.tables {
		if t.class == catalog.TenantsTable {
			all = append(all, p.copied(t.rel, "each server has the tenants, for foreign keys and joins")...)
		}
	}
	for i := range p.s.Relations {
		if r := &p.s.Relations[i]; p.Class(r.QName()) == catalog.SharedTable {
			all = append(all, p.copied(r, "the same for all tenants: each server has it")...)
		}
	}
	first := p.shardedBy()
	for _, t := range p.tables {
		if t.class == catalog.TenantsTable || t.rel.Partition || p.Distributed(t.rel.QName()).Spread() {
			continue
		}
		name, together, why := sqltext.Literal(t.rel.QName().SQL()), "", "the first of its group"
		if first != "" {
			together, why = ", colocate_with => "+first, "a tenant's rows stay on one server, so that joins and keys do"
		} else {
			first = name
		}
		all = append(all, Distribution{"SELECT create_distributed_table(" + name + ", " + sqltext.Literal(t.column) +
			together + ")", undistribute(t.rel), why})
	}
	if len(all) == 0 {
		return
	}
	p.plan.Distribute = append([]Distribution{
		{"SET citus.multi_shard_modify_mode = 'sequential'", "", "tables tied by foreign keys change one shard after " +
			"another"},
		{"SET citus.enable_local_reference_table_foreign_keys = off", "", "else tables tied to a reference table are " +
			"taken into Citus' catalogue, where one with an identity column cannot be distributed"},
	}, all...)
}

// copied makes a table a reference table, if it is on this server only.
func (p *planner) copied(r *catalog.Relation, why string) []Distribution {
	if p.Distributed(r.QName()).Spread() || r.Partition || !r.IsTable() || r.Extension != "" {
		return nil
	}
	name := sqltext.Literal(r.QName().SQL())
	return []Distribution{{"SELECT create_reference_table(" + name + ")", undistribute(r), why}}
}

// undistribute brings the rows of a table back; Citus does so with none that has an identity
// column.
func undistribute(r *catalog.Relation) string {
	if slices.ContainsFunc(r.Columns, func(c catalog.Column) bool { return c.Identity != "" }) {
		return ""
	}
	return "SELECT undistribute_table(" + sqltext.Literal(r.QName().SQL()) + ", cascade_via_foreign_keys => true)"
}

// shardedBy is the name, as a literal, of a table that is spread by its tenant column already.
func (p *planner) shardedBy() string {
	for _, t := range p.tables {
		if d := p.Distributed(t.rel.QName()); d != nil && d.Kind == catalog.Sharded && d.Column == t.column {
			return sqltext.Literal(t.rel.QName().SQL())
		}
	}
	return ""
}

// fixedDefault reports whether a table's tenant column can no longer get a default: Citus refuses
// to alter the column that it distributes by.
func (p *planner) fixedDefault(t *table) bool {
	d := p.Distributed(t.rel.QName())
	if d == nil || d.Kind != catalog.Sharded || d.Column != t.column {
		return false
	}
	p.note(key(t.rel.QName()), "an INSERT has to name "+t.column+": the column that Citus distributes by takes no "+
		"default any more; undistribute_table, SET DEFAULT and create_distributed_table give it one")
	return true
}
