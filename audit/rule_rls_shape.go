package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

var ruleRLSShape = Rule{
	ID: "rls-shape", Severity: High,
	Title: "The database does not do what a declared shape says",
	check: func(f *facts) []Finding {
		if f.look.Citus() {
			return nil
		}
		out := f.namesKept()
		if !f.m.Shapes.Any() {
			return out
		}
		out = append(append(out, f.treeKept()...), f.callerTold()...)
		for _, r := range f.tenantTables {
			if r.RLS && !r.Partition {
				out = append(out, f.shapeOf(r)...)
			}
		}
		return out
	},
}

const planAgain = "Run moat protect: it plans what is missing."

// namesKept says where a tenant can get a name that was another's.
func (f *facts) namesKept() []Finding {
	var out []Finding
	for _, freed := range f.look.FreedNames() {
		x := onPart(f.look.Relation(f.m.Tenants), freed.Column,
			"A tenant that gets a value which another has had gets that one's tokens too.",
			"Tokens name their tenant by the column, and nothing keeps freed values from others: "+freed.Reason+".").
			decide(planAgain)
		x.Severity = Medium
		out = append(out, x)
	}
	return out
}

// treeKept says what is wrong with the closure of a tree and what keeps it.
func (f *facts) treeKept() []Finding {
	tree, tenants := f.m.Shapes.Tree, f.look.Relation(f.m.Tenants)
	if tree == nil || tenants == nil {
		return nil
	}
	var out []Finding
	say := func(message, why string) {
		x := onRelation(tenants, message, why).decide(planAgain)
		x.Severity = Critical
		out = append(out, x)
	}
	const stale = "A tenant goes on seeing those that are no longer below it, and not those that are."
	if why := f.look.Missing(f.look.TreeHelper()); why != "" {
		say(stale, fmt.Sprintf("Nothing keeps %s: %s.", tree.Closure(), why))
	}
	closure := f.look.Relation(tree.Closure())
	switch {
	case closure == nil:
		return out
	case !closure.RLS || !closure.ForceRLS || !f.look.Has(closure, f.look.ClosureWall()) || len(closure.Policies) != 1:
		say("A tenant sees which tenants stand below others.",
			fmt.Sprintf("The policy of %s is not the one that shows a tenant its own pairs only.", closure.QName()))
	}
	for _, verb := range []string{"INSERT", "UPDATE", "DELETE", "TRUNCATE"} {
		if f.appTouches(closure, verb) {
			say("A tenant can put any other below itself and see its rows.",
				fmt.Sprintf("The application role may %s on %s.", verb, closure.QName()))
		}
	}
	return append(out, f.inheritsTree(tree, tenants)...)
}

// callerTold says what is wrong with the function that tells the policies of the memberships
// which are the caller's tenants.
func (f *facts) callerTold() []Finding {
	h := f.look.CallerTenants()
	if h == nil || f.look.Relation(h.Table) == nil {
		return nil
	}
	why := f.look.Missing(*h)
	if why == "" || f.m.Shapes.Tree == nil && f.look.KeepsOwn(f.look.Relation(h.Table)) {
		return nil
	}
	x := onRelation(f.look.Relation(h.Table), "A caller may see who belongs to tenants that are not theirs, or nobody.",
		"Policies ask "+h.Function.String()+", and "+why+".").decide(planAgain)
	x.Severity = Critical
	return []Finding{x}
}

// inheritsTree reports application roles under whose own statements the tree's policies
// apply.
func (f *facts) inheritsTree(tree *catalog.Tree, tenants *catalog.Relation) []Finding {
	var out []Finding
	for _, role := range f.apps {
		if role == tree.Role || !f.has(role, tree.Role) {
			continue
		}
		x := onRelation(tenants,
			"Statements of one tenant are bound by both walls, and opened by both roles' permissive policies.",
			fmt.Sprintf("%s inherits from %s, which it should only become.", role, tree.Role)).
			decide("Run ALTER ROLE %s NOINHERIT, or from PostgreSQL 16 grant %s WITH INHERIT FALSE, SET TRUE.",
				sqltext.Ident(role), sqltext.Ident(tree.Role))
		x.Severity = Medium
		out = append(out, x)
	}
	return out
}

// shapeOf says which walls of a table's shape are missing, and which columns that decide
// whose a row is may be changed.
func (f *facts) shapeOf(r *catalog.Relation) []Finding {
	var out []Finding
	missing := list.Pick(f.look.Walls(r, []string{""}), func(w policy.Spec) (string, bool) {
		return w.Name, w.Name != policy.Gate && !f.look.HasText(r, w)
	})
	// A table without a shape of its own, and without a tree, is for the other rules.
	if len(missing) > 0 && f.look.Shaped(r) && !f.look.KeepsOwn(r) {
		out = append(out, onRelation(r, "A tenant sees more or fewer rows than the shape gives.",
			"No policy says the same as "+strings.Join(missing, ", ")+".").decide(planAgain))
	}
	if f.m.Shapes.Tree != nil && !f.look.KeepsOwn(r) {
		out = append(out, f.gateOf(r)...)
	}
	out = slices.Concat(out, f.levelKept(r), f.peopleShown(r), f.doorsBeside(r))
	for _, name := range f.look.Fixed(r) {
		if f.updatable(r, name) {
			x := onPart(r, name, "A tenant can take a row that it only sees, or hand its own to another.",
				"A policy cannot compare a row before and after: the column that says whose it is must not be updated.").
				with(f.revokeUpdate(r, name)...)
			x.Severity = Critical
			out = append(out, x)
		}
	}
	return out
}

// gateOf compares the roles that a gate lets through with those that have a wall.
func (f *facts) gateOf(r *catalog.Relation) []Finding {
	gated, ok := f.look.Gated(r)
	var walled []string
	for _, p := range r.Policies {
		if !p.Permissive && (bounds(f.look.Judge(p.Using, r)) || bounds(f.look.Judge(p.WriteExpr(), r))) {
			walled = append(walled, p.Roles...)
		}
	}
	if slices.Contains(walled, "") {
		return nil // a wall for everybody
	}
	for _, role := range gated {
		ok = ok && slices.Contains(walled, role)
	}
	if ok {
		return nil
	}
	return []Finding{onRelation(r, "A role that gets a permissive policy later sees every tenant's rows.",
		fmt.Sprintf("Walls are for %s, and no gate TO PUBLIC lets through these roles alone.",
			strings.Join(slices.Compact(slices.Sorted(slices.Values(walled))), ", "))).decide(planAgain)}
}

// bounds reports whether an expression keeps rows within any set that the model gives.
func bounds(j policy.Judgement) bool {
	return j.Isolates || j.OwnRows || j.Visible || j.Below || j.Wide || j.Adopted
}

func (f *facts) updatable(r *catalog.Relation, column string) bool {
	return r.Column(column) != nil && slices.ContainsFunc(f.acting(), func(role string) bool {
		return f.look.HasColumnPrivilege(role, r, column, "UPDATE")
	})
}

// revokeUpdate takes UPDATE of one column from whoever acts for the application, whether it
// was granted on the column or on the table; then the others that it had are granted again.
func (f *facts) revokeUpdate(r *catalog.Relation, column string) []string {
	var sql []string
	for _, role := range f.acting() {
		if !f.look.HasColumnPrivilege(role, r, column, "UPDATE") {
			continue
		}
		sql = append(sql, fmt.Sprintf("REVOKE UPDATE ON %s FROM %s", r.QName().SQL(), sqltext.Role(role)))
		if others := f.otherUpdates(r, role); len(others) > 0 {
			sql = append(sql, fmt.Sprintf("GRANT UPDATE (%s) ON %s TO %s", sqltext.Idents(others), r.QName().SQL(),
				sqltext.Role(role)))
		}
	}
	return sql
}

// otherUpdates are the columns that a role updates, but for those that say whose a row is.
func (f *facts) otherUpdates(r *catalog.Relation, role string) []string {
	return list.Pick(r.Columns, func(c catalog.Column) (string, bool) {
		return c.Name, !slices.Contains(f.look.Fixed(r), c.Name) && c.Generated == "" && c.Identity != "always" &&
			f.look.HasColumnPrivilege(role, r, c.Name, "UPDATE")
	})
}
