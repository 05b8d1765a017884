package protect

import (
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

// audited are the findings about a shape, as "severity object".
func (b *bench) audited(t *testing.T) []string {
	t.Helper()
	conn, err := b.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	o := b.opts
	o.Roles = []string{b.cfg.Roles.Application}
	if tree := b.opts.Shapes.Tree; tree != nil {
		o.Roles = append(o.Roles, tree.Role)
	}
	v, err := tenancy.Read(t.Context(), conn, o)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, x := range audit.Run(v, audit.Options{Owner: b.cfg.Roles.Owner}).Findings {
		group, _, _ := strings.Cut(x.Rule, "-")
		if slices.Contains([]string{"rls", "policy", "key"}, group) {
			all = append(all, string(x.Severity)+" "+x.Rule+" "+x.Object)
		}
	}
	return all
}

// What protect makes of the shapes is no finding, and what is taken from it is one.
func TestShapesAreAudited(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestShapesTogether
	shapes := everyShape()
	shapes.Names = []string{"name"}
	b := shapedBench(t, pgtest.Shared(t), shapesSchema, shapes)
	b.apply(t, GroupEnforce)
	if found := b.audited(t); len(found) > 0 {
		t.Fatalf("findings of a sound database: %q", found)
	}
	unseal := b.seal(t)
	if found := b.audited(t); len(found) > 0 {
		t.Errorf("findings of a sound sealed database: %q", found)
	}
	unseal()
	for _, x := range []struct{ do, undo, want string }{
		{"ALTER TABLE app.tenants DISABLE TRIGGER moat_tenant_tree",
			"ALTER TABLE app.tenants ENABLE TRIGGER moat_tenant_tree",
			"critical rls-shape app.tenants"},
		{"ALTER FUNCTION moat.tenant_tree_maintain() SECURITY INVOKER",
			"ALTER FUNCTION moat.tenant_tree_maintain() SECURITY DEFINER", "critical rls-shape app.tenants"},
		{"GRANT INSERT ON moat.tenant_tree TO «app»", "REVOKE INSERT ON moat.tenant_tree FROM «app»",
			"critical rls-shape app.tenants"},
		{"CREATE POLICY more ON moat.tenant_tree USING (true)", "DROP POLICY more ON moat.tenant_tree",
			"critical rls-shape app.tenants"},
		{"GRANT UPDATE ON app.orders TO «app»", "REVOKE UPDATE ON app.orders FROM «app»",
			"critical rls-shape app.orders.buyer_tenant"},
		{"GRANT UPDATE (tenant_id) ON app.board TO «app»", "REVOKE UPDATE (tenant_id) ON app.board FROM «app»",
			"critical rls-shape app.board.tenant_id"},
		{"GRANT UPDATE (parent_id) ON app.tenants TO «tree»", "REVOKE UPDATE (parent_id) ON app.tenants FROM «tree»",
			"critical rls-shape app.tenants.parent_id"},
		{"GRANT INSERT ON app.memberships TO «app»", "REVOKE INSERT ON app.memberships FROM «app»",
			"critical policy-membership-writable app.memberships"},
		{"ALTER POLICY moat_roles ON app.tasks USING (true)", `ALTER POLICY moat_roles ON app.tasks
			USING ((SELECT pg_has_role('«app»', 'USAGE') OR pg_has_role('«tree»', 'USAGE') OR NULL::boolean)
			IS NOT NULL)`, "high rls-shape app.tasks"},
		{"ALTER POLICY moat_roles ON app.tasks USING (pg_has_role('«app»', 'USAGE') OR " +
			"pg_has_role('pg_monitor', 'USAGE'))",
			`ALTER POLICY moat_roles ON app.tasks USING ((SELECT pg_has_role('«app»', 'USAGE') OR
			pg_has_role('«tree»', 'USAGE') OR NULL::boolean) IS NOT NULL)`, "high rls-shape app.tasks"},
		{"DROP POLICY shared_update ON app.labels", "SELECT 1", "high rls-shape app.labels"},
		{"ALTER POLICY above_read ON app.templates USING (true)", "SELECT 1", "high rls-shape app.templates"},
		{"DROP POLICY members_isolation ON app.users", "SELECT 1", "high rls-shape app.users"},
		{"ALTER TABLE app.tasks DROP CONSTRAINT tasks_label_owner_own_or_shared", "SELECT 1",
			"high key-foreign-key app.tasks.tasks_label_owner_fkey"},
		{"ALTER TABLE app.campaigns DROP CONSTRAINT campaigns_template_tenant_tree_fkey", "SELECT 1",
			"high key-foreign-key app.campaigns.campaigns_template_tenant_template_id_fkey"},
		{"DROP TRIGGER moat_tenant_name_name ON app.tenants", "SELECT 1", "medium rls-shape app.tenants.name"},
	} {
		fill := strings.NewReplacer("«app»", b.cfg.Roles.Application, "«tree»", b.opts.Shapes.Tree.Role)
		b.Exec(t, fill.Replace(x.do))
		if found := b.audited(t); !slices.Contains(found, x.want) {
			t.Errorf("%s: no %q in %q", x.do, x.want, found)
		}
		b.Exec(t, fill.Replace(x.undo))
	}
}
