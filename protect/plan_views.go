package protect

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// readsTenants reports whether a view reads rows of tenants, also through a
// materialized view or a partition.
func (p *planner) readsTenants(view catalog.QName) bool {
	return slices.ContainsFunc(p.Beneath(view), func(q catalog.QName) bool {
		rel := p.Relation(q)
		return rel != nil && p.ofTenant(rel)
	})
}

// ofTenant reports whether a table, or the one that it is a partition of, is a tenant
// table.
func (p *planner) ofTenant(rel *catalog.Relation) bool {
	return p.byName[rel.QName()] != nil || rel.Partition && slices.ContainsFunc(p.Parents(rel), p.ofTenant)
}

// tenantViews returns the views that read tenants' rows, in name order.
func (p *planner) tenantViews() []*catalog.Relation { return p.tenantReaders(catalog.View) }

func (p *planner) tenantReaders(kind catalog.Kind) []*catalog.Relation {
	return list.Filter(slices.Collect(catalog.Each(p.s.Relations)), func(r *catalog.Relation) bool {
		return r.Kind == kind && p.hasSchema(r.Schema) && r.Schema != Schema && r.Extension == "" &&
			p.readsTenants(r.QName())
	})
}

// viewGrants are the rights of the application role on a view: SELECT, where all
// that the view reads is open to the application as well, and what an application
// role of today may write through it.
func (p *planner) viewGrants(view *catalog.Relation) []string {
	base := p.Beneath(view.QName())
	if len(base) == 0 {
		return nil
	}
	for _, q := range base {
		rel := p.Relation(q)
		if rel == nil || rel.Kind == catalog.MaterializedView || rel.Kind == catalog.ForeignTable {
			return nil
		}
		if rel.Kind != catalog.View && len(p.applicationMay(rel)) == 0 {
			return nil
		}
	}
	privileges := []string{"SELECT"}
	for _, name := range dml()[1:] {
		held := slices.ContainsFunc(view.Privileges, func(h catalog.Privilege) bool {
			return h.Name == name && slices.Contains(p.m.Roles, h.Grantee) && h.Grantee != view.Owner
		})
		if held {
			privileges = append(privileges, name)
		}
	}
	return privileges
}

// views makes views read with the caller's rights, so that the caller's policies
// apply. Before PostgreSQL 15 that needs an owner whom policies apply to.
func (p *planner) views() {
	for _, v := range p.tenantViews() {
		if p.major() >= 15 {
			p.invoker(v)
			continue
		}
		p.viewOwner(v)
	}
	for _, mv := range p.tenantReaders(catalog.MaterializedView) {
		p.askMaterialized(mv)
	}
}

func (p *planner) invoker(v *catalog.Relation) {
	if v.SecurityInvoker {
		return
	}
	q := v.QName()
	p.add(Step{ID: stepID(GroupEnforce, q, "invoker"), Group: GroupEnforce, Table: q,
		Title:    "make the view read with its caller's privileges",
		SQL:      []string{fmt.Sprintf("ALTER VIEW %s SET (security_invoker = true)", q.SQL())},
		Undo:     []string{fmt.Sprintf("ALTER VIEW IF EXISTS %s RESET (security_invoker)", q.SQL())},
		Remember: []string{optionOfView(q)}, Lock: AccessExclusive,
		Hazards: []string{"whoever reads the view needs privileges on the tables beneath it"},
		Reason:  "otherwise the policies that apply to the view's owner count, not those for the reader"})
}

// optionOfView finds a security_invoker that was set to false: a Snapshot does not
// tell it from one that was not set.
func optionOfView(q catalog.QName) string {
	return fmt.Sprintf("SELECT format('ALTER VIEW %%s SET (security_invoker = %%s)', c.oid::regclass, o.option_value) "+
		"FROM pg_catalog.pg_class c, "+
		"pg_catalog.pg_options_to_table(c.reloptions) o WHERE c.oid = %s::regclass AND o.option_name = 'security_invoker'",
		sqltext.Literal(q.SQL()))
}

// viewOwner gives a view to the owner role, on servers without security_invoker.
func (p *planner) viewOwner(v *catalog.Relation) {
	owner := p.c.Roles.Owner
	if v.Owner == owner || !p.ownerRole() {
		return
	}
	q := v.QName()
	var give, take []string
	wants := p.schemaUsage(q.Schema)
	for _, base := range p.Beneath(q) {
		if rel := p.Relation(base); rel != nil {
			wants = append(append(wants, p.schemaUsage(base.Schema)...),
				want{"TABLE " + base.SQL(), rel.Owner, []string{"SELECT"}, rel.Privileges})
		}
	}
	for _, w := range wants {
		if missing := lacking(w, owner); len(missing) > 0 && w.owner != owner {
			give = append(give, fmt.Sprintf("GRANT %s ON %s TO %s", missing[0], w.object, sqltext.Ident(owner)))
			take = append(take, fmt.Sprintf("REVOKE %s ON %s FROM %s", missing[0], w.object, sqltext.Ident(owner)))
		}
	}
	p.add(Step{ID: stepID(GroupEnforce, q, "owner"), Group: GroupEnforce, Table: q, Title: "make " + owner +
		" the view's owner",
		SQL:     append(give, fmt.Sprintf("ALTER VIEW %s OWNER TO %s", q.SQL(), sqltext.Ident(owner))),
		Undo:    append([]string{fmt.Sprintf("ALTER VIEW %s OWNER TO %s", q.SQL(), sqltext.Ident(v.Owner))}, take...),
		Lock:    AccessExclusive,
		Hazards: []string{"from here on only the new owner can run CREATE OR REPLACE VIEW"},
		Reason:  "a view reads with its owner's privileges, and the tenants' policies do not apply to " + v.Owner})
}

// ownerRole plans the owner role once; false means that it cannot be made.
func (p *planner) ownerRole() bool {
	if p.planned("roles/role/" + p.c.Roles.Owner) {
		return true
	}
	return p.role(p.c.Roles.Owner, "NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS",
		"owns tables and views; nobody logs in as it")
}

// askMaterialized proposes a view in front of a materialized view: row-level
// security cannot be enabled on one.
func (p *planner) askMaterialized(mv *catalog.Relation) {
	q := mv.QName()
	d := Decision{ID: "materialized/" + key(q), Table: q, Object: mv.Name,
		Question: "Who may read this materialized view?",
		Why: "It holds every tenant's rows, and policies do not apply to it. The application role gets no " +
			"privileges on it."}
	col := p.tenantColumnOf(mv)
	if col == nil {
		d.Why += " It has no tenant column, so a view cannot filter it."
		d.SQL = []string{fmt.Sprintf("REVOKE ALL ON %s FROM PUBLIC, %s", q.SQL(), sqltext.Ident(p.c.Roles.Application))}
		p.decide(d)
		return
	}
	safe := catalog.QName{Schema: mv.Schema, Name: sqltext.Name(mv.Name, "of_tenant")}
	d.SQL = []string{
		fmt.Sprintf("REVOKE ALL ON %s FROM PUBLIC, %s", q.SQL(), sqltext.Ident(p.c.Roles.Application)),
		fmt.Sprintf("CREATE VIEW %s WITH (security_barrier = true) AS\n  SELECT * FROM %s WHERE %s", safe.SQL(), q.SQL(),
			sqltext.Ident(col.Name)+" "+p.Bound(policy.Wrapped).Verified(col.Type)),
		fmt.Sprintf("GRANT SELECT ON %s TO %s", safe.SQL(), sqltext.Ident(p.c.Roles.Application)),
	}
	p.decide(d)
}

func (p *planner) tenantColumnOf(rel *catalog.Relation) *catalog.Column {
	if c := rel.Column(p.m.Column); c != nil && policy.Comparable(p.BaseType(c.Type)) {
		return c
	}
	return nil
}

// definers asks about functions that run with the rights of a role that policies do
// not apply to, or that, under FORCE, will see no rows.
func (p *planner) definers() {
	for _, f := range p.s.Functions {
		if !f.Definer || f.System || f.Extension != "" || f.Schema == Schema || !p.hasSchema(f.Schema) {
			continue
		}
		q := catalog.QName{Schema: f.Schema, Name: f.Name}
		signature := fmt.Sprintf("%s(%s)", q.SQL(), f.Arguments)
		why := "It runs with the privileges of " + f.Owner +
			". Once policies are forced they apply to that role, and none lets it " +
			"see rows: the function will see none."
		if r := p.Role(f.Owner); r != nil && (r.Super || r.BypassRLS) {
			why = "It runs with the privileges of " + f.Owner +
				", to whom no policy applies: it reads and writes every tenant's rows."
		}
		p.decide(Decision{ID: "definer/" + signature, Object: signature,
			Question: "Should this SECURITY DEFINER function run with its caller's privileges?", Why: why,
			SQL: []string{
				fmt.Sprintf("ALTER %s %s SECURITY INVOKER", routine(f), signature),
				fmt.Sprintf("-- or, where it has to see more: carry the tenant in its own WHERE, and\nREVOKE EXECUTE ON %s %s "+
					"FROM PUBLIC;\nALTER %s %s SET search_path = pg_catalog, pg_temp",
					routine(f), signature, routine(f), signature),
			}})
	}
}

func routine(f catalog.Function) string {
	if f.Kind == "procedure" {
		return "PROCEDURE"
	}
	return "FUNCTION"
}
