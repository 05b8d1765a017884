package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// operatorRights plans what the operator needs to migrate and to dump: the rights of the
// tables' owners, and to read what moat keeps.
func (p *planner) operatorRights() {
	var owners []string
	for _, t := range p.tables {
		if owner := p.ownerToBe(t.rel); !slices.Contains(owners, owner) {
			owners = append(owners, owner)
		}
	}
	slices.Sort(owners)
	for _, owner := range owners {
		p.operatorJoins(owner)
	}
	p.operatorReads()
}

// ownerToBe is a table's owner once the plan has run.
func (p *planner) ownerToBe(r *catalog.Relation) string {
	if r.Owner == p.c.Roles.Application && p.c.ChangeOwner && p.ownerRole() {
		return p.c.Roles.Owner
	}
	return r.Owner
}

// operatorJoins makes the operator a member of an owner, so that it may alter tables and,
// as no policy applies to itself, change their rows. Never of a superuser: it could become
// one. Tables of a superuser are migrated by the superuser.
func (p *planner) operatorJoins(owner string) {
	operator, r := p.c.Roles.Operator, p.Role(owner)
	if r == nil && owner != p.c.Roles.Owner || r != nil && r.Super || owner == operator ||
		owner == p.c.Roles.Application || p.Joined(operator, owner, catalog.Usage) {
		return
	}
	step := Step{ID: "roles/member/" + operator + "/" + owner, Group: GroupRoles, Superuser: true,
		Title: fmt.Sprintf("let %s alter the tables of %s", operator, owner),
		SQL:   []string{fmt.Sprintf("GRANT %s TO %s", sqltext.Ident(owner), sqltext.Ident(operator))},
		Undo:  []string{fmt.Sprintf("REVOKE %s FROM %s", sqltext.Ident(owner), sqltext.Ident(operator))},
		Reason: "migrations run as " + operator + " once policies are forced: an owner is bound by them, so that its " +
			"UPDATE changes no rows"}
	if !p.mayGrant(owner) {
		p.leave(Left{Title: step.Title, Reason: p.user.Name + " may not grant " + owner, SQL: step.SQL})
		return
	}
	p.add(step)
}

// mayGrant reports whether the connected role may make others members of a role.
func (p *planner) mayGrant(role string) bool {
	return p.user.Super || p.user.CreateRole && p.major() < 16 ||
		slices.ContainsFunc(p.s.Memberships, func(m catalog.Membership) bool {
			return m.Role == role && m.Member == p.user.Name && m.Admin
		})
}

// kept are moat's own relations that pg_dump reads.
func kept() []string {
	return []string{"steps", "steps_seq_seq", "backfills", "chosen", "state", "protected", "tenant_tree", "tenant_name"}
}

// operatorReads lets pg_dump run as the operator.
func (p *planner) operatorReads() {
	operator := sqltext.Ident(p.c.Roles.Operator)
	schema := p.Schema(Schema)
	lacks := schema == nil || len(lacking(want{privileges: []string{"USAGE"}, held: schema.Privileges},
		p.c.Roles.Operator)) > 0
	for _, name := range kept() {
		if r := p.Relation(own(name)); r != nil && !lacks {
			lacks = len(lacking(want{privileges: []string{"SELECT"}, held: r.Privileges}, p.c.Roles.Operator)) > 0
		}
	}
	if !lacks || schema != nil && !p.may(schema.Owner) {
		return
	}
	p.add(Step{ID: "roles/grant/operator/" + Schema, Group: GroupRoles, Superuser: true,
		Title: "let " + p.c.Roles.Operator + " read what moat keeps",
		SQL:   []string{"GRANT USAGE ON SCHEMA moat TO " + operator, eachKept("GRANT SELECT ON moat.%I TO " + operator)},
		Undo: []string{eachKept("REVOKE SELECT ON moat.%I FROM " + operator),
			"REVOKE USAGE ON SCHEMA moat FROM " + operator},
		Reason: "pg_dump reads every table; the owners' pg_dump fails once policies are forced"})
}

// operatorReadsTable lets the operator's pg_dump read one more table of moat's.
func (p *planner) operatorReadsTable(table string) []string {
	operator := p.c.Roles.Operator
	if p.Role(operator) == nil && !p.planned("roles/role/"+operator) {
		return nil
	}
	return []string{fmt.Sprintf("GRANT SELECT ON %s TO %s", table, sqltext.Ident(operator))}
}

// eachKept runs a statement for those of moat's relations that are there.
func eachKept(statement string) string {
	names := make([]string, 0, len(kept()))
	names = append(names, list.Map(kept(), sqltext.Literal)...)
	return "DO " + sqltext.Dollar(fmt.Sprintf("DECLARE\n  kept text;\nBEGIN\n  FOREACH kept IN ARRAY ARRAY[%s] LOOP\n"+
		"    IF pg_catalog.to_regclass('moat.' || kept) IS NOT NULL THEN\n      EXECUTE pg_catalog.format(%s, kept);\n"+
		"    END IF;\n  END LOOP;\nEND", strings.Join(names, ", "), sqltext.Literal(statement)))
}
