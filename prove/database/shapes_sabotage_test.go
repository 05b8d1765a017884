package database_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/tenancy"
)

// part is a part of a shape that is taken away or opened, and what says so: a finding of
// audit, a probe of prove that is not isolated. undo is "" where audit sees only what is in
// the catalog, and the part is not there.
type part struct{ name, do, undo, audit, prove string }

const (
	partA   = "a0000000-0000-4000-8000-000000000000"
	partC   = "c0000000-0000-4000-8000-000000000000"
	current = "(SELECT nullif(current_setting('app.current_tenant', true), '')::uuid)"
	gate    = "(SELECT pg_has_role('«app»', 'USAGE') OR pg_has_role('«tree»', 'USAGE') OR NULL::boolean) IS NOT NULL"
)

// parts are the shapes' parts, in rounds of which no part hides another from prove.
var parts = [][]part{{
	{"trigger of the tree off", "ALTER TABLE app.tenants DISABLE TRIGGER moat_tenant_tree",
		"ALTER TABLE app.tenants ENABLE TRIGGER moat_tenant_tree", "rls-shape app.tenants", ""},
	{"pair planted in the closure", "INSERT INTO moat.tenant_tree VALUES ('" + partA + "', '" + partC + "', 1)", "", "",
		"leak visible set app.board"},
	{"closure writable", "GRANT INSERT ON moat.tenant_tree TO «app»", "REVOKE INSERT ON moat.tenant_tree FROM «app»",
		"rls-shape app.tenants", ""},
	{"closure open", "CREATE POLICY more ON moat.tenant_tree USING (true)", "DROP POLICY more ON moat.tenant_tree",
		"rls-shape app.tenants", "leak pairs of the tree moat.tenant_tree"},
	{"the tree's wall opened", "ALTER POLICY tree_isolation ON app.document USING (true)",
		"", "rls-shape app.document", "leak visible set app.document"},
	{"people open", "ALTER POLICY members_isolation ON app.users USING (true)", "", "rls-shape app.users",
		"leak visible set app.users"},
	{"memberships of others", "ALTER POLICY caller_read ON app.memberships USING (true)", "", "rls-shape app.memberships",
		"leak visible set app.memberships"},
	{"shared rows writable", "DROP POLICY shared_update ON app.labels", "", "rls-shape app.labels",
		"leak update set app.labels"},
	{"rows from anywhere", "ALTER POLICY above_read ON app.templates USING (true)", "", "rls-shape app.templates",
		"leak visible set app.templates"},
	{"the buyer writes", "DROP POLICY parties_update ON app.orders", "", "rls-shape app.orders",
		"leak update set app.orders"},
	{"the receiver takes a share back", "DROP POLICY share_delete ON app.board_share", "", "rls-shape app.board_share",
		"leak delete set app.board_share"},
	{"a member reads all notes", "CREATE POLICY more ON app.notes FOR SELECT TO «app» USING (true)", "",
		"rls-shape app.notes.more", "leak visible set app.notes"},
	{"bytes of everybody", "DROP POLICY tenant_isolation ON app.document_data", "", "rls-shape app.document_data",
		"leak visible set app.document_data"},
	{"a pair may be added", "GRANT INSERT ON moat.tenant_tree TO «app»; CREATE POLICY adds ON moat.tenant_tree " +
		"FOR INSERT WITH CHECK (true)", "DROP POLICY adds ON moat.tenant_tree", "rls-shape app.tenants",
		"leak pairs of the tree moat.tenant_tree"},
	{"the buyer's member reads all offers", "ALTER POLICY parties_read ON app.offers USING (true)", "",
		"rls-shape app.offers", "leak visible set app.offers"},
	{"a member reads everybody's tags, wide", "CREATE POLICY more ON app.tags FOR SELECT TO «tree» USING (true)", "",
		"rls-shape app.tags.more", "leak visible set app.tags"},
	{"no gate", "DROP POLICY moat_roles ON app.tasks", "", "rls-shape app.tasks", ""},
}, {
	{"caller not asked", "ALTER POLICY tenant_isolation ON app.document USING (tenant_id = " + current + ")", "",
		"rls-shape app.document", "leak visible set app.document"},
	{"pairs missing", "DELETE FROM moat.tenant_tree WHERE depth = 1", "", "", "undecided visible set app.templates"},
	{"function of the tree without rights", "ALTER FUNCTION moat.tenant_tree_maintain() SECURITY INVOKER",
		"ALTER FUNCTION moat.tenant_tree_maintain() SECURITY DEFINER", "rls-shape app.tenants", ""},
	{"gate widened", "ALTER POLICY moat_roles ON app.tasks USING (true)", "ALTER POLICY moat_roles ON app.tasks USING (" +
		gate + ")", "rls-shape app.tasks", ""},
	{"a tenant moves itself", "GRANT UPDATE (parent_id) ON app.tenants TO «app»",
		"REVOKE UPDATE (parent_id) ON app.tenants FROM «app»", "rls-shape app.tenants.parent_id",
		"leak hand over app.tenants"},
	{"trigger of the level off", "ALTER TABLE app.tasks DISABLE TRIGGER moat_root",
		"ALTER TABLE app.tasks ENABLE TRIGGER moat_root", "rls-shape app.tasks", ""},
	{"level column wrong", "ALTER TABLE app.tasks DROP CONSTRAINT tasks_tenant_id_root_id_fkey; UPDATE app.tasks " +
		"SET root_id = '" + partC + "'", "", "rls-shape app.tasks", "undecided visible set app.tasks"},
	{"members joined by themselves", "GRANT INSERT ON app.memberships TO «app»; CREATE POLICY joins ON " +
		"app.memberships FOR INSERT TO «app» WITH CHECK (true); ALTER POLICY caller_insert ON " +
		"app.memberships WITH CHECK (true)",
		"", "policy-membership-writable app.memberships", "leak insert app.memberships"},
	{"a person writes others", "ALTER POLICY members_self ON app.users USING (true) WITH CHECK (true)", "",
		"rls-shape app.users.members_self",
		"leak update set app.users"},
	{"password readable", "GRANT SELECT (password_hash) ON app.users TO «app»",
		"REVOKE SELECT (password_hash) ON app.users FROM «app»", "rls-shape app.users.password_hash", ""},
	{"shared rows hidden", "ALTER POLICY shared_read ON app.labels USING (false)", "",
		"rls-shape app.labels", "undecided visible set app.labels"},
	{"another's label meant", "ALTER TABLE app.tasks DROP CONSTRAINT tasks_label_owner_own_or_shared, " +
		"DISABLE TRIGGER moat_label_owner", "",
		"key-foreign-key app.tasks.tasks_label_owner_fkey", "leak foreign key app.tasks"},
	{"a template of nobody above meant", "ALTER TABLE app.campaigns DROP CONSTRAINT campaigns_template_tenant_tree_fkey",
		"", "key-foreign-key app.campaigns.campaigns_template_tenant_template_id_fkey", "leak foreign key app.campaigns"},
	{"order handed over", "GRANT UPDATE ON app.orders TO «app»", "REVOKE UPDATE ON app.orders FROM «app»",
		"rls-shape app.orders.buyer_tenant", "leak hand over app.orders"},
	{"orders hidden from the buyer", "ALTER POLICY parties_read ON app.order_lines USING (false)",
		"", "rls-shape app.order_lines", "undecided visible set app.order_lines"},
	{"line of a stranger", "ALTER TABLE app.order_lines DROP CONSTRAINT order_lines_order_id_fkey, ADD CONSTRAINT " +
		"order_lines_order_id_fkey FOREIGN KEY (seller_tenant, order_id) REFERENCES app.orders (seller_tenant, id)", "",
		"key-foreign-key app.order_lines.order_lines_order_id_fkey", ""},
	{"board taken by its receiver", "GRANT UPDATE (tenant_id) ON app.board TO «app»",
		"REVOKE UPDATE (tenant_id) ON app.board FROM «app»", "rls-shape app.board.tenant_id", "leak hand over app.board"},
	{"anybody shares", "DROP POLICY share_insert ON app.board_share", "",
		"rls-shape app.board_share", "leak insert app.board_share"},
	{"bytes of another linked", "ALTER TABLE app.document DROP CONSTRAINT document_data_id_fkey, ADD CONSTRAINT " +
		"document_data_id_fkey FOREIGN KEY (data_id) REFERENCES app.document_data (id)", "",
		"key-foreign-key app.document.document_data_id_fkey", "leak cascade app.document"},
	{"pages shared with everybody", "ALTER POLICY shared_read ON app.pages USING (true)", "", "rls-shape app.pages",
		"leak visible set app.pages"},
	{"a member's offer of another", "ALTER POLICY member_insert ON app.offers WITH CHECK (true)", "",
		"rls-shape app.offers.member_insert", ""},
	{"members read wide", "CREATE POLICY more ON app.notes FOR SELECT TO «tree» USING (true)", "",
		"rls-shape app.notes.more",
		"leak visible set app.notes"},
}}

// found are the findings of audit, as "rule object".
func (s *shaped) found(t *testing.T) []string {
	t.Helper()
	o := s.options
	o.Roles = []string{s.app, s.tree}
	conn, err := pgx.Connect(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) // many open ones look like production
	v, err := tenancy.Read(t.Context(), conn, o)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, x := range audit.Run(v, audit.Options{Owner: s.owner}).Findings {
		all = append(all, x.Rule+" "+x.Object)
	}
	return all
}

// Every part is missed by audit or by prove when it is gone, most by both. The table is
// printed with -v.
func TestEveryPartIsMissed(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestSabotagesTogether
	n, both := 0, 0
	for _, round := range parts {
		s := newShaped(t, false)
		fill := strings.NewReplacer("«app»", s.app, "«tree»", s.tree)
		clean := s.found(t)
		said := make([]string, len(round))
		for i, p := range round {
			s.Exec(t, fill.Replace(p.do))
			now := s.found(t)
			said[i] = strings.Join(slices.DeleteFunc(now, func(x string) bool { return slices.Contains(clean, x) }), ", ")
			if p.undo == "" {
				clean = append(clean, now...)
				continue
			}
			s.Exec(t, fill.Replace(p.undo))
		}
		for _, p := range round {
			if p.undo != "" {
				s.Exec(t, fill.Replace(p.do))
			}
		}
		report := s.prove(t)
		var leaks []string
		for _, p := range report.Probes {
			if p.Verdict != prove.VerdictIsolated {
				leaks = append(leaks, string(p.Verdict)+" "+p.Attack+" "+p.Object)
			}
		}
		for i, p := range round {
			byAudit := p.audit != "" && strings.Contains(said[i], p.audit)
			byProve := p.prove != "" && slices.Contains(leaks, p.prove)
			if p.audit != "" && !byAudit || p.prove != "" && !byProve || p.audit+p.prove == "" {
				t.Errorf("%s: audit %q, prove %q", p.name, said[i], leaks)
			}
			n++
			if byAudit && byProve {
				both++
			}
			t.Logf("%-36s | audit: %-70s | prove: %s", p.name, said[i], p.prove)
		}
	}
	if n < 30 || 2*both < n {
		t.Errorf("%d of %d parts are missed by both", both, n)
	}
}
