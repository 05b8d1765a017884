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

// verbs are the rights of the application role on a table by its shape; on one that says
// who belongs to a tenant only to read, unless a person wants more. Whoever may write there
// has what it opens.
func (p *planner) verbs(r *catalog.Relation) []string {
	t := p.byName[r.QName()]
	switch {
	case t == nil || !p.linksPeople(t):
		return p.granted(r)
	case slices.Contains(p.c.WritableMembers, key(r.QName())):
		return dml()
	}
	return []string{"SELECT"}
}

// linksPeople reports whether a table says who belongs to which tenant: by what is
// declared, or a column that names a person and, by name or key, one row a person.
func (p *planner) linksPeople(t *table) bool {
	q, m := t.rel.QName(), p.m
	if m.Shapes.LinkOf(q) != nil || m.Membership != nil && m.Membership.Relation == q ||
		m.Shapes.Caller != nil && m.Shapes.Caller.Table == q {
		return true
	}
	if t.class == catalog.TenantTable && policy.ListsMembers(t.rel, t.column) {
		return true
	}
	if t.class != catalog.TenantTable || t.missing {
		return false
	}
	called := strings.Contains(strings.ToLower(q.Name), "member")
	return slices.ContainsFunc(t.rel.Columns, func(c catalog.Column) bool {
		name := strings.ToLower(c.Name)
		if c.Name == t.column || !policy.NamesCaller("."+name) || !strings.HasSuffix(name, "id") {
			return false
		}
		return called || slices.ContainsFunc(existingUniques(t.rel), func(key []string) bool {
			return sameSet(key, []string{t.column, c.Name})
		})
	})
}

// askMembers says what the application may no longer write.
func (p *planner) askMembers() {
	for _, t := range p.tables {
		q := t.rel.QName()
		if !p.linksPeople(t) || slices.Contains(p.c.WritableMembers, key(q)) {
			continue
		}
		why := "It says who belongs to which tenant, and whoever may write there can let anybody in, or raise a role. "
		sql := p.takeWrites(t.rel)
		if len(sql) > 0 {
			why += fmt.Sprintf("%s may write there today, and the plan takes nothing from it. Say yes, or take the right away "+
				"and add people through a function of %s.", p.c.Roles.Application, p.c.Roles.Definer)
		} else {
			why += fmt.Sprintf("So %s gets no more than SELECT. Add people through a function of %s, or say yes.",
				p.c.Roles.Application, p.c.Roles.Definer)
		}
		p.decide(Decision{ID: "members/" + key(q), Table: q,
			Question: fmt.Sprintf("May the application write to %s?", key(q)), Why: why, SQL: sql,
			Config: fmt.Sprintf("protect: {writable_memberships: [%s]}", key(q))})
	}
}

// takeWrites are the statements that take from the application role what it may write on a
// table today, and would go on to; none where it may not.
func (p *planner) takeWrites(r *catalog.Relation) []string {
	app := p.c.Roles.Application
	if p.Role(app) == nil {
		return nil
	}
	return list.Pick(p.RolesOf(app, catalog.Usage), func(role string) (string, bool) {
		held := list.Pick([]string{"INSERT", "UPDATE", "DELETE"}, func(verb string) (string, bool) {
			return verb, slices.ContainsFunc(heldOn(r), func(h catalog.Privilege) bool {
				return h.Grantee == role && (h.Name == verb || strings.HasPrefix(h.Name, verb+" (")) && !p.beyond(r, h.Name)
			})
		})
		return fmt.Sprintf("REVOKE %s ON %s FROM %s", strings.Join(held, ", "), r.QName().SQL(), sqltext.Ident(role)),
			len(held) > 0 && role != r.Owner
	})
}
