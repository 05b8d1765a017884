package protect

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// callerTenants plans the function by which policies find the caller's tenants where they cannot
// read the memberships, before any policy asks it.
func (p *planner) callerTenants() {
	h := p.CallerTenants()
	if h == nil || p.Relation(h.Table) == nil || p.m.Shapes.Tree == nil && p.keepsOwn(p.Relation(h.Table)) {
		return
	}
	do, undo := p.callerGrants(*h)
	if p.Missing(*h) != "" {
		p.definerRole()
		made, gone := p.callerFunction(*h)
		do, undo = append(made, do...), append(gone, undo...)
	}
	if len(do) == 0 {
		return
	}
	p.superuserStep(Step{ID: callerStep(*h), Group: GroupColumns, Table: h.Table,
		Title: "tell policies the caller's tenants in " + h.Function.String(), SQL: do, Undo: undo,
		Hazards: []string{"the function bypasses the policies and checks the caller itself: read it before you apply"},
		Reason: "policies show people who share a tenant with the caller, and what is below the caller's tenants: those of " +
			"the memberships themselves cannot read them"})
}

func callerStep(h policy.Helper) string { return stepID(GroupColumns, h.Table, "caller") }

func (p *planner) callerFunction(h policy.Helper) (do, undo []string) {
	q, definer, c := h.Table, sqltext.Ident(p.c.Roles.Definer), p.m.Shapes.Caller
	read := []string{c.Subject, c.Tenant}
	if c.Issuer != "" {
		read = append(read, c.Issuer)
	}
	columns := sqltext.Idents(read)
	do = []string{fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", sqltext.Ident(q.Schema), definer),
		fmt.Sprintf("GRANT SELECT (%s) ON %s TO %s", columns, q.SQL(), definer)}
	undo = append(h.Drop(), fmt.Sprintf("REVOKE SELECT (%s) ON %s FROM %s", columns, q.SQL(), definer))
	// Sealed mode gave the use of moat's schema.
	return append(do, h.Create(p.c.Roles.Definer)...), slices.Concat(undo, p.usageOf(q.Schema), p.usageOf(Schema))
}

// callerGrants let those whom the policies are for ask the function.
func (p *planner) callerGrants(h policy.Helper) (do, undo []string) {
	if !p.app {
		return nil, nil
	}
	roles := p.accessRoles()
	if tree := p.m.Shapes.Tree; tree != nil {
		roles = append(roles, tree.Role)
	}
	there, schema := p.Functions(h.Function), p.Schema(Schema)
	for _, role := range roles {
		ident, uses := sqltext.Ident(role), schema != nil && p.holds(schema.Privileges, role, "USAGE")
		if uses && len(there) == 1 && p.holds(there[0].Privileges, role, "EXECUTE") {
			continue
		}
		do = append(do, fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", Schema, ident),
			fmt.Sprintf("GRANT EXECUTE ON FUNCTION %s() TO %s", h.Function.SQL(), ident))
		if !uses {
			undo = append(undo, fmt.Sprintf("REVOKE USAGE ON SCHEMA %s FROM %s", Schema, ident))
		}
	}
	return do, undo
}
