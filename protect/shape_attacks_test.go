package protect

import (
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// What somebody tries who knows the shapes: for each, beside what its own test plays, ways of
// writing that go round a plain INSERT and UPDATE, and ways of reading that go round a plain
// SELECT. Every answer is the same in plain and in sealed mode.

// attempts are statements of one caller; each line is a statement, " => ", and what it gives.
func attempts(caller scene, lines string) []scene {
	var all []scene
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		s := caller
		s.sql, s.want, _ = strings.Cut(strings.TrimSpace(line), " =>")
		s.want = strings.TrimSpace(s.want)
		all = append(all, s)
	}
	return all
}

func treeAttacks() []scene {
	a := scene{tenant: "1", tree: true}
	return slices.Concat(
		// The closure, what keeps it, and the roles.
		attempts(scene{tenant: "3"}, `
			UPDATE moat.tenant_tree SET ancestor = 3 => 42501
			DELETE FROM moat.tenant_tree => 42501
			TRUNCATE moat.tenant_tree => 42501
			SELECT moat.tenant_tree_maintain() => 42501
			CREATE TEMP TABLE tenant_tree (ancestor int, tenant int) => 42501
			CREATE TRIGGER x AFTER INSERT ON app.leads FOR EACH ROW EXECUTE FUNCTION moat.tenant_tree_maintain() => 42501
			ALTER TABLE app.tenants DISABLE TRIGGER moat_tenant_tree => 42501
			SET LOCAL session_replication_role = replica => 42501
			SELECT count(*) FROM moat.tenant_tree WHERE tenant = 1 OR ancestor = 1 => 0
			SELECT set_config('role', '«definer»', true) => 42501
			SET LOCAL SESSION AUTHORIZATION «definer» => 42501
			SELECT 1/0 => 22012`),
		// Writes under the tree's role, and as the agency under its own.
		attempts(a, `
			SELECT 1/0 => 22012
			SELECT name FROM app.leads FOR UPDATE => 42501
			SELECT name FROM app.leads FOR SHARE => 42501
			INSERT INTO app.leads SELECT tenant, 9 FROM moat.tenant_tree => 42501
			INSERT INTO app.leads VALUES (1, 1) ON CONFLICT (tenant_id, id) DO UPDATE SET name = 'x' => 42501
			COPY app.leads FROM STDIN => 42501
			UPDATE app.tenants SET name = 'x' => 42501
			DELETE FROM app.tenants => 42501
			TRUNCATE app.leads => 42501
			SELECT nextval(pg_get_serial_sequence('app.tenants', 'id')) => <nil>`),
		attempts(scene{tenant: "1"}, `
			INSERT INTO app.leads VALUES (2, 2) ON CONFLICT (tenant_id, id) DO UPDATE SET name = 'x' => 42501
			INSERT INTO app.leads VALUES (2, 2) ON CONFLICT DO NOTHING => 42501
			UPDATE app.leads SET tenant_id = 2 => 42501
			UPDATE app.leads l SET name = t.name FROM app.tenants t WHERE t.id <> 1 => 0
			DELETE FROM app.leads l USING app.leads m WHERE l.tenant_id = 2 => 0
			WITH d AS (DELETE FROM app.leads WHERE tenant_id = 2 RETURNING 1) SELECT count(*) FROM d => 0`),
		// Reads: the role changed within, every way of asking for more.
		attempts(a, `
			RESET ROLE; SELECT name FROM app.leads => lead A
			SET LOCAL ROLE «app»; SELECT name FROM app.leads => lead A
			SET LOCAL ROLE NONE; SELECT name FROM app.leads => lead A
			SELECT count(*) FROM app.leads WHERE tenant_id = 5 => 0
			SELECT count(*) FROM app.tenants t FULL JOIN app.leads l ON true WHERE l.tenant_id = 5 OR t.id = 5 => 0
			SELECT count(*) FROM app.leads TABLESAMPLE SYSTEM (100) => 4
			SELECT count(*) FROM app.leads WHERE ctid = ANY (ARRAY['(0,5)'::tid, '(0,10)']) => 0
			SELECT max(tenant) FROM moat.tenant_tree => 4
			COPY app.leads TO STDOUT => 4
			SELECT name FROM ONLY app.leads WHERE name LIKE '%Z' => `),
		attempts(scene{tenant: "4", tree: true}, `
			SELECT name FROM app.leads => lead A11
			SELECT name FROM app.tenants => A11
			SELECT count(*) FROM moat.tenant_tree => 1`),
		attempts(scene{tenant: "9", tree: true}, `
			SELECT count(*) FROM app.leads => 0
			SELECT count(*) FROM app.tenants => 0`))
}

// shapeAttacks are played on testdata/shapes.sql with every shape.
func shapeAttacks() []scene {
	return slices.Concat(peopleAttacks(), sharedAttacks(), aboveAttacks(), partyAttacks(), shareAttacks(),
		ownedAttacks(), insideAttacks())
}

func peopleAttacks() []scene {
	u2 := scene{tenant: agencyA, subject: person(2)}
	return slices.Concat(
		// Writing oneself into more.
		attempts(u2, `
			INSERT INTO app.users (id, name) VALUES (md5('u2')::uuid, 'x') ON CONFLICT (id) DO UPDATE SET name = 'y' => 42501
			UPDATE app.users u SET name = m.role FROM app.memberships m => 1
			UPDATE app.users SET name = 'x' WHERE id = md5('u1')::uuid => 0
			UPDATE app.users SET name = 'x' WHERE id = md5('u4')::uuid => 0
			UPDATE app.users SET id = md5('u4')::uuid => 42501
			UPDATE app.users SET password_hash = 'x' => 42501
			UPDATE app.users SET name = password_hash => 42501
			UPDATE app.users SET name = 'x' RETURNING password_hash => 42501
			INSERT INTO app.memberships SELECT id, md5('u2')::uuid FROM app.tenants ON CONFLICT DO NOTHING => 42501
			UPDATE app.memberships SET user_id = md5('u5')::uuid => 42501
			TRUNCATE app.memberships, app.users => 42501
			SELECT name FROM app.users FOR UPDATE => U2`),
		// Reading what is not shown, by whatever touches it.
		attempts(u2, `
			SELECT u FROM app.users u => 42501
			SELECT to_jsonb(u) FROM app.users u => 42501
			SELECT * FROM app.users => 42501
			SELECT count(*) FROM app.users WHERE password_hash LIKE 'h%' => 42501
			SELECT name FROM app.users ORDER BY password_hash => 42501
			SELECT count(password_hash) FROM app.users => 42501
			SELECT count(*) FROM app.users a JOIN app.users b USING (password_hash) => 42501
			SELECT count(*) FROM app.memberships m JOIN app.users u ON true WHERE m.tenant_id <> '`+agencyA+`' => 0
			SELECT count(*) FROM app.users WHERE id = md5('u4')::uuid => 0
			SELECT count(*) FROM pg_stats WHERE tablename = 'users' AND attname = 'password_hash' => 0
			COPY app.users TO STDOUT => 42501`),
		attempts(scene{tenant: agencyA, tree: true, subject: person(4)}, `
			UPDATE app.users SET name = 'x' => 42501
			SELECT to_jsonb(u) FROM app.users u => 42501
			SELECT count(*) FROM app.users WHERE id = md5('u5')::uuid => 0`))
}

func sharedAttacks() []scene {
	a := scene{tenant: agencyA}
	return slices.Concat(
		// Writing what is everybody's, or making it mine.
		attempts(a, `
			INSERT INTO app.labels (tenant_id, name) SELECT NULL, name FROM app.labels => 42501
			UPDATE app.labels SET tenant_id = '`+agencyA+`' WHERE tenant_id IS NULL => 0
			UPDATE app.labels SET name = 'x' WHERE name = 'label shared' RETURNING name => 
			INSERT INTO app.labels (id) VALUES (md5('lB')::uuid) ON CONFLICT (id) DO UPDATE SET name = 'x' => 42501
			INSERT INTO app.labels (id, tenant_id) VALUES (md5('lshared')::uuid, NULL) ON CONFLICT DO NOTHING => 42501
			SELECT name FROM app.labels WHERE tenant_id IS NULL FOR SHARE => 
			DELETE FROM app.labels l USING app.labels m WHERE l.tenant_id IS NULL AND m.tenant_id IS NOT NULL => 0
			UPDATE app.labels SET owner_key = '`+clientB+`' => 428C9`),
		// Meaning another's row.
		attempts(a, `
			INSERT INTO app.tasks (label_id) VALUES (md5('lC')::uuid) => 23503
			INSERT INTO app.tasks (label_id, label_owner) VALUES (md5('lC')::uuid, '`+agencyA+`') => 23503
			INSERT INTO app.tasks (label_owner) VALUES ('`+clientB+`') RETURNING label_owner::text => <nil>
			INSERT INTO app.tasks (label_id) VALUES (md5('lA')::uuid); UPDATE app.tasks SET label_id = md5('lB')::uuid => 23503
			INSERT INTO app.tasks (label_id) VALUES (md5('lA')::uuid); UPDATE app.tasks SET label_owner = '`+clientB+
			`' WHERE label_id IS NOT NULL RETURNING label_owner::text => `+agencyA+`
			INSERT INTO app.tasks (label_id) VALUES (md5('lA')::uuid); UPDATE app.tasks SET tenant_id = '`+clientB+
			`' => 42501
			INSERT INTO app.tasks (label_id) SELECT id FROM app.labels => 2`),
		attempts(scene{tenant: otherC}, `
			SELECT count(*) FROM app.labels WHERE tenant_id IS NOT NULL AND tenant_id <> '`+otherC+`' => 0
			SELECT count(*) FROM app.labels WHERE owner_key = '`+agencyA+`' => 0
			SELECT count(*) FROM app.labels WHERE id = md5('lA')::uuid => 0`),
		attempts(scene{tenant: agencyA, tree: true}, `
			UPDATE app.labels SET name = 'x' => 42501
			INSERT INTO app.labels (tenant_id, name) VALUES (NULL, 'x') => 42501`))
}

func aboveAttacks() []scene {
	b := scene{tenant: clientB}
	return slices.Concat(
		// Writing upwards.
		attempts(b, `
			UPDATE app.templates SET tenant_id = '`+agencyA+`' => 42501
			UPDATE app.templates SET name = 'x' WHERE tenant_id = '`+agencyA+`' => 0
			DELETE FROM app.templates WHERE tenant_id = '`+agencyA+`' => 0
			INSERT INTO app.templates SELECT * FROM app.templates WHERE tenant_id = '`+agencyA+
			`' ON CONFLICT (tenant_id, id) DO UPDATE SET name = 'x' => 42501
			SELECT name FROM app.templates FOR UPDATE => tpl B`),
		// Meaning a template of nobody above, or reading one.
		attempts(b, `
			INSERT INTO app.campaigns (template_tenant, template_id) VALUES ('`+clientB+`', md5('tA')::uuid) => 23503
			INSERT INTO app.campaigns (template_tenant, template_id) VALUES ('`+clientB+`', md5('tB')::uuid); UPDATE `+
			`app.campaigns SET template_tenant = '`+otherC+`', template_id = md5('tC')::uuid => 23503
			INSERT INTO app.campaigns (template_tenant) VALUES ('`+clientB+`') => 23514
			SELECT count(*) FROM app.templates WHERE tenant_id = '`+otherC+`' => 0
			SELECT count(*) FROM moat.tenant_tree WHERE tenant <> '`+clientB+`' AND ancestor <> '`+clientB+`' => 0`),
		attempts(scene{tenant: agencyA}, `
			SELECT count(*) FROM app.templates WHERE tenant_id = '`+clientB+`' => 0
			SELECT count(*) FROM app.campaigns WHERE tenant_id = '`+clientB+`' => 0`),
		attempts(scene{tenant: clientB, tree: true}, `
			SELECT count(*) FROM app.templates WHERE tenant_id = '`+otherC+`' => 0
			UPDATE app.templates SET name = 'x' => 42501`))
}

func partyAttacks() []scene {
	b := scene{tenant: clientB}
	const order = "md5('o1')::uuid"
	return slices.Concat(
		// Taking an order, or its lines.
		attempts(b, `
			UPDATE app.orders SET seller_tenant = '`+clientB+`' => 42501
			INSERT INTO app.orders VALUES (`+order+`, '`+clientB+`', '`+clientB+
			`') ON CONFLICT (id) DO UPDATE SET note = 'x' => 42501
			INSERT INTO app.orders (seller_tenant, buyer_tenant) VALUES ('`+otherC+`', '`+clientB+`') => 42501
			INSERT INTO app.orders (seller_tenant, buyer_tenant) VALUES (NULL, '`+clientB+`') => 42501
			UPDATE app.order_lines SET item = 'x' => 0
			DELETE FROM app.order_lines => 0
			INSERT INTO app.order_lines VALUES (`+order+`, '`+clientB+`', '`+clientB+`', 2, 'x') => 23503
			INSERT INTO app.order_lines VALUES (`+order+`, '`+agencyA+`', '`+clientB+`', 2, 'x') => 42501
			SELECT note FROM app.orders FOR UPDATE => `),
		attempts(scene{tenant: otherC}, `
			INSERT INTO app.order_lines VALUES (`+order+`, '`+otherC+`', '`+clientB+`', 2, 'x') => 23503
			INSERT INTO app.order_lines VALUES (`+order+`, '`+agencyA+`', '`+clientB+`', 2, 'x') => 42501`),
		attempts(scene{tenant: agencyA}, `
			INSERT INTO app.order_lines VALUES (`+order+`, '`+agencyA+`', '`+otherC+`', 2, 'x') => 23503
			INSERT INTO app.orders (seller_tenant, buyer_tenant, note) VALUES ('`+agencyA+`', '`+otherC+`', 'unasked') => 1
			UPDATE app.order_lines SET buyer_tenant = '`+otherC+`' => 42501
			UPDATE app.order_lines SET item = 'x' => 1`),
		// Reading as nobody's party.
		attempts(b, `
			SELECT item FROM app.order_lines => line`),
		attempts(scene{tenant: otherC}, `
			SELECT count(*) FROM app.order_lines => 0
			SELECT count(*) FROM app.orders WHERE id = `+order+` => 0
			SELECT count(*) FROM app.orders o FULL JOIN app.order_lines l ON l.order_id = o.id => 0`),
		attempts(scene{tenant: otherC, tree: true}, `
			SELECT count(*) FROM app.order_lines => 0`),
		attempts(scene{tenant: agencyA, tree: true}, `
			UPDATE app.orders SET note = 'x' => 42501
			SELECT count(*) FROM app.orders => 1`))
}

func shareAttacks() []scene {
	b := scene{tenant: clientB}
	const board = "md5('bA')::uuid"
	return slices.Concat(
		// Widening what was shared.
		attempts(b, `
			INSERT INTO app.board_share VALUES ('`+agencyA+`', `+board+`, '`+otherC+`', true) => 42501
			INSERT INTO app.board_share VALUES ('`+clientB+`', `+board+`, '`+clientB+`', true) ON CONFLICT (shared_with, `+
			`board_id) DO UPDATE SET can_edit = true => 42501
			UPDATE app.board_share SET shared_with = '`+otherC+`' => 42501
			UPDATE app.board_share SET tenant_id = '`+clientB+`' => 42501
			UPDATE app.board SET id = gen_random_uuid() => 42501
			UPDATE app.board SET title = 'x' WHERE tenant_id = '`+agencyA+`' => 1
			DELETE FROM app.board WHERE tenant_id = '`+agencyA+`' => 0
			INSERT INTO app.board VALUES ('`+clientB+`', `+board+`, 'x') => 23505
			INSERT INTO app.board VALUES ('`+agencyA+`', `+board+`, 'x') ON CONFLICT (id) DO UPDATE SET title = 'x' => 42501`),
		// Reading what was not.
		attempts(scene{tenant: otherC}, `
			SELECT count(*) FROM app.board_share => 0
			SELECT count(*) FROM app.board WHERE id = `+board+` => 0
			SELECT count(*) FROM app.board b JOIN app.board_share s ON s.board_id = b.id => 0
			UPDATE app.board SET title = 'x' WHERE id = `+board+` => 0
			SELECT title FROM app.board FOR UPDATE => board C`),
		attempts(scene{tenant: otherC, tree: true}, `
			SELECT count(*) FROM app.board_share => 0
			INSERT INTO app.board_share VALUES ('`+otherC+`', md5('bC')::uuid, '`+agencyA+`', true) => 42501`),
		attempts(scene{tenant: agencyA}, `
			DELETE FROM app.board_share; SELECT count(*) FROM app.board => 1
			UPDATE app.board_share SET can_edit = false => 1
			SELECT count(*) FROM app.board WHERE tenant_id = '`+clientB+`' => 0`))
}

func ownedAttacks() []scene {
	return slices.Concat(
		// Taking another's bytes.
		attempts(scene{tenant: clientB}, `
			INSERT INTO app.document (data_id) VALUES (md5('dA')::uuid) => 23505
			UPDATE app.document SET data_id = md5('dA')::uuid => 23505
			UPDATE app.document_data SET tenant_id = '`+agencyA+`' => 42501
			INSERT INTO app.document_data (tenant_id, bytes) VALUES ('`+agencyA+`', 'x') => 42501
			INSERT INTO app.document_data (tenant_id, bytes) VALUES (NULL, 'x') => 42501
			INSERT INTO app.document_data (id) VALUES (md5('dA')::uuid) ON CONFLICT (id) DO UPDATE SET bytes = 'x' => 42501
			DELETE FROM app.document; DELETE FROM app.document_data => 1`),
		// Reading them.
		attempts(scene{tenant: clientB}, `
			SELECT bytes FROM app.document_data => bytes of B
			SELECT count(*) FROM app.document_data WHERE id = md5('dA')::uuid => 0
			SELECT bytes FROM app.document_data FOR UPDATE => bytes of B
			SELECT count(*) FROM app.document d RIGHT JOIN app.document_data x ON x.id = d.data_id => 1`),
		attempts(scene{tenant: agencyA, tree: true}, `
			SELECT string_agg(bytes, ',' ORDER BY bytes) FROM app.document_data => bytes of A,bytes of B
			UPDATE app.document_data SET bytes = 'x' => 42501`),
		attempts(scene{}, `
			SELECT count(*) FROM app.document_data => 0
			INSERT INTO app.document_data (bytes) VALUES ('x') => 42501`))
}

func insideAttacks() []scene {
	member := scene{tenant: agencyA, subject: person(2), role: "member"}
	var all []scene
	// Roles that are none, and nobody with a role.
	for _, role := range []string{"ADMIN", "admin ", "admin,member", "{admin}", "'admin'", "owner", "*", "true"} {
		all = append(all, scene{tenant: agencyA, subject: person(2), role: role, sql: "SELECT count(*) FROM app.notes",
			want: "0"}, scene{tenant: agencyA, subject: person(2), role: role, tree: true,
			sql: "SELECT count(*) FROM app.notes", want: "0"})
	}
	return slices.Concat(all,
		attempts(scene{tenant: agencyA, role: "member"}, `
			SELECT count(*) FROM app.notes => 0
			DELETE FROM app.notes => 0`),
		// A member who goes round the policies of each command.
		attempts(member, `
			SELECT body FROM app.notes => note of u2
			SELECT count(*) FROM app.notes WHERE owner_id <> md5('u2')::uuid => 0
			SELECT body FROM app.notes FOR UPDATE => note of u2
			UPDATE app.notes SET body = 'x' WHERE owner_id = md5('u1')::uuid => 0
			UPDATE app.notes n SET body = 'x' FROM app.tenants t => 1
			INSERT INTO app.notes (tenant_id, owner_id) VALUES ('`+agencyA+`', md5('u1')::uuid) => 42501
			INSERT INTO app.notes (tenant_id, id) VALUES ('`+agencyA+`', md5('n1')::uuid) ON CONFLICT (tenant_id, id) `+
			`DO UPDATE SET body = 'x' => 42501
			UPDATE app.notes SET tenant_id = '`+clientB+`' => 42501
			DELETE FROM app.notes WHERE owner_id = md5('u2')::uuid => 0
			TRUNCATE app.notes => 42501`),
		attempts(scene{tenant: agencyA, subject: person(2), role: "member", tree: true}, `
			SELECT count(*) FROM app.notes WHERE owner_id <> md5('u2')::uuid => 0
			UPDATE app.notes SET body = 'x' => 42501
			DELETE FROM app.notes => 42501`))
}

// Roles and policies that come later, by mistake, open nothing.
func TestTreeUnderLaterMistakes(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) { t.Parallel(); treeUnderLaterMistakes(t, c) })
}

func treeUnderLaterMistakes(t *testing.T, c *pgtest.Cluster) {
	b := shapedBench(t, c, agency, treeOnly())
	b.apply(t, GroupEnforce)
	const z = "SELECT string_agg(name, ',' ORDER BY id) FROM app.leads"
	third, web, owner := "third"+b.suffix, "web"+b.suffix, b.cfg.Roles.Owner
	b.Adopt(third)
	b.Adopt(web)
	b.Exec(t, "CREATE POLICY oops ON app.leads USING (true); CREATE ROLE "+third+"; GRANT USAGE ON SCHEMA app, moat TO "+
		third+"; GRANT SELECT ON app.leads, moat.tenant_tree TO "+third+"; CREATE ROLE "+web+" INHERIT; GRANT "+
		b.cfg.Roles.Application+" TO "+web+"; CREATE ROLE "+owner+"; GRANT USAGE ON SCHEMA app, moat TO "+owner+
		"; ALTER TABLE app.leads OWNER TO "+owner)
	b.playAll(t, []scene{{tenant: "5", sql: z, want: "lead Z"}, {tenant: "2", sql: z, want: "lead A1"},
		{tenant: "2", tree: true, sql: z, want: "lead A1,lead A11"},
		{tenant: "1", sql: "SELECT set_config('role', '«owner»', true)", want: "42501"}})
	for role, want := range map[string]string{third: "<nil>", web: "lead Z", owner: "<nil>"} {
		conn := b.Conn(t, b.url)
		for _, sql := range []string{"BEGIN", "SET LOCAL app.current_tenant = '5'", "SET LOCAL ROLE " + role} {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		if got := result(t.Context(), conn, z); got != want {
			t.Errorf("%s sees %s, want %s", role, got, want)
		}
		if err := conn.Close(t.Context()); err != nil { // it holds a lock
			t.Fatal(err)
		}
	}
	inherit := "ALTER ROLE " + b.cfg.Roles.Application + " INHERIT"
	if c.Major >= 16 {
		inherit += "; GRANT " + b.opts.Shapes.Tree.Role + " TO " + b.cfg.Roles.Application + " WITH INHERIT TRUE"
	}
	b.Exec(t, "DROP POLICY oops ON app.leads; "+inherit)
	b.playAll(t, []scene{{tenant: "1", sql: z, want: "lead A"}, {tenant: "5", sql: z, want: "lead Z"}})
	b.Exec(t, "DELETE FROM app.leads WHERE tenant_id = 3; DELETE FROM app.tenants WHERE id = 3")
	if left := b.value(t, "SELECT count(*)::text FROM moat.tenant_tree WHERE 3 IN (ancestor, tenant)"); left != "0" {
		t.Errorf("%s pairs of a tenant that is gone", left)
	}
}

// Where the trigger is off the constraints alone keep a task to its own and shared labels.
func TestOwnerKeyWithoutItsTrigger(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) { t.Parallel(); ownerKeyWithoutItsTrigger(t, c) })
}

func ownerKeyWithoutItsTrigger(t *testing.T, c *pgtest.Cluster) {
	b := shapedBench(t, c, shapesSchema, everyShape())
	b.apply(t, GroupEnforce)
	const nobody = "00000000-0000-0000-0000-000000000000"
	task := func(label, owner string) string {
		return "INSERT INTO app.tasks (tenant_id, label_id, label_owner) VALUES ('" + agencyA + "', md5('" + label +
			"')::uuid, " + owner + ")"
	}
	b.Exec(t, "ALTER TABLE app.tasks DISABLE TRIGGER moat_label_owner; "+task("lshared", "'"+nobody+"'"))
	for sql, want := range map[string]string{
		task("lB", "'"+clientB+"'"): "23514", task("lB", "'"+nobody+"'"): "23503", task("lB", "NULL"): "23514",
		"UPDATE app.labels SET tenant_id = '" + clientB + "' WHERE tenant_id IS NULL": "23503",
	} {
		if err := b.try(t, sql); err == nil || code(err) != want {
			t.Errorf("%s: %v, want %s", sql, err, want)
		}
	}
}

// The guard knows walls for single roles and commands, and the gate; a shape that is declared
// later replaces them all the same.
func TestGuardKeepsWallsByRole(t *testing.T) {
	t.Parallel()
	b := shapedBench(t, pgtest.Shared(t), agency, treeOnly())
	b.apply(t, GroupGuards)
	for _, sql := range []string{"DROP POLICY moat_roles ON app.leads", "DROP POLICY tree_isolation ON app.leads",
		"ALTER POLICY tree_isolation ON app.leads USING (true)",
		"ALTER POLICY tenant_isolation ON app.leads WITH CHECK (true)",
		"ALTER POLICY tree_isolation ON app.leads TO pg_monitor", "ALTER POLICY moat_roles ON app.leads USING (true)"} {
		if err := b.try(t, sql); err == nil || code(err) != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
	}
	b.opts.Shapes.FromAbove = []catalog.QName{in("leads")}
	b.apply(t, GroupGuards)
	b.playAll(t, []scene{{tenant: "2", sql: allLeads, want: "lead A,lead A1"}})
	if err := b.try(t, "DROP POLICY above_read ON app.leads"); err == nil || code(err) != "42501" {
		t.Errorf("a wall of the shape declared later is dropped: %v", err)
	}
	b.undo(t)
}
