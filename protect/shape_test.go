package protect

import (
	"context"
	"crypto/md5"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/seal"
)

// scene is one statement of a caller, and what it gives: the rows' first column joined, a
// number of rows changed, or the SQLSTATE of its error.
type scene struct {
	tenant, subject, role string
	issuer                string // who vouches for the subject
	tree                  bool   // under the tree's role
	sql, want             string
}

// play runs a statement as the application, in a transaction that is rolled back and leaves
// no role behind. What stands before "; " is run first.
func (b *bench) play(t *testing.T, s scene) string {
	t.Helper()
	app := b.cfg.Roles.Application
	conn, err := pgx.Connect(t.Context(), strings.Replace(b.url, "postgres@", app+"@", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.enter(t.Context(), tx, s); err != nil {
		return code(err)
	}
	all := strings.Split(b.fill(s.sql), "; ")
	got := ""
	for _, sql := range all {
		if got = result(t.Context(), tx, sql); sqlState.MatchString(got) {
			break
		}
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := result(t.Context(), conn, "SELECT current_user"); left != app {
		t.Errorf("%s left the role %s", s.sql, left)
	}
	return got
}

var sqlState = regexp.MustCompile("^[0-9A-Z]{5}$")

// fill puts the names of this bench's roles into a statement.
func (b *bench) fill(sql string) string {
	tree := ""
	if b.opts.Shapes.Tree != nil {
		tree = b.opts.Shapes.Tree.Role
	}
	r := b.cfg.Roles
	return strings.NewReplacer("«app»", r.Application, "«owner»", r.Owner, "«definer»", r.Definer, "«tree»", tree).
		Replace(sql)
}

// enter binds the caller: by settings, or by a signature where the bench is sealed. Then the
// settings are forged beside it.
func (b *bench) enter(ctx context.Context, tx pgx.Tx, s scene) error {
	bind := "SELECT set_config('app.current_tenant', $1, true), set_config('app.subject', $2, true), " +
		"set_config('app.role', $3, true), set_config('app.issuer', $4, true)"
	args := []any{s.tenant, s.subject, s.role, s.issuer}
	if b.sealer != nil && s.tenant != "" {
		scope := moat.Scope{Tenant: moat.Tenant(s.tenant), Subject: s.subject, Issuer: s.issuer, Role: s.role}
		var err error
		bind, args, err = b.sealer.Bind(moat.WithScope(ctx, scope), scope.Tenant, tx.Conn().PgConn().PID())
		if err != nil {
			return err
		}
		forged := "SELECT set_config('app.subject', $1, true), set_config('app.role', 'admin', true), " +
			"set_config('app.issuer', 'https://one.test', true)"
		if _, err := tx.Exec(ctx, forged, b.forged); err != nil {
			return err
		}
	}
	if s.tree {
		args = append(args, b.opts.Shapes.Tree.Role)
		bind += fmt.Sprintf(", set_config('role', $%d, true)", len(args))
	}
	_, err := tx.Exec(ctx, bind, args...)
	return err
}

// seal puts the bench into sealed mode, and returns what takes it back.
func (b *bench) seal(t *testing.T) (unseal func()) {
	t.Helper()
	conn := b.Conn(t, b.url)
	key, owner := seal.NewKey(), "sealer"+b.suffix
	b.Adopt(owner)
	apps := []string{b.cfg.Roles.Application}
	if b.opts.Shapes.Tree != nil {
		apps = append(apps, b.opts.Shapes.Tree.Role)
	}
	sealer, err := seal.New(key.Signer(), nil)
	if err != nil {
		t.Fatal(err)
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(seal.Install(t.Context(), conn, seal.InstallOptions{Owner: owner, Applications: apps}))
	do(seal.AddKey(t.Context(), conn, key, seal.KeyOptions{}))
	_, err = seal.Switch(t.Context(), conn, seal.Sealed, nil)
	do(err)
	b.sealer = sealer
	return func() {
		b.sealer = nil
		_, err := seal.Switch(t.Context(), conn, seal.Plain, nil)
		do(err)
		do(seal.Uninstall(t.Context(), conn, seal.InstallOptions{Owner: owner, Applications: apps}))
	}
}

func result(ctx context.Context, q querier, sql string) string {
	rows, err := q.Query(ctx, sql)
	if err != nil {
		return code(err)
	}
	var all []string
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err.Error()
		}
		all = append(all, fmt.Sprint(values[0]))
	}
	if rows.Err() != nil {
		return code(rows.Err())
	}
	if len(rows.FieldDescriptions()) == 0 {
		return fmt.Sprint(rows.CommandTag().RowsAffected())
	}
	return strings.Join(all, ",")
}

func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return err.Error()
}

// act applies the plan, wants a second one to be empty, and plays the scenes.
func (b *bench) act(t *testing.T, scenes []scene) {
	t.Helper()
	b.apply(t, GroupGuards)
	if again := b.plan(t); !again.Empty() {
		t.Fatalf("second plan: %s", show(again))
	}
	b.playAll(t, scenes)
}

func (b *bench) playAll(t *testing.T, scenes []scene) {
	t.Helper()
	for _, s := range scenes {
		// A sealed fact that nobody bound is an error, and not nobody.
		got := b.play(t, s)
		if b.sealer != nil && s.tenant == "" && got == "28000" {
			continue
		}
		if got != s.want {
			t.Errorf("%s as %s %s %s, tree %v, sealed %v: %s, want %s", s.sql, s.tenant, s.subject, s.role, s.tree,
				b.sealer != nil, got, s.want)
		}
	}
}

// bothModes plays the scenes in plain mode and in sealed mode, and wants undo to leave nothing.
func (b *bench) bothModes(t *testing.T, scenes []scene) {
	t.Helper()
	before := text(t, b.snapshot(t))
	b.act(t, scenes)
	unseal := b.seal(t)
	if testing.Short() { // the same walls: each third scene
		scenes = slices.Collect(func(yield func(scene) bool) {
			for i := 0; i < len(scenes) && yield(scenes[i]); i += 3 {
			}
		})
	}
	b.playAll(t, scenes)
	unseal()
	b.undo(t)
	if d := diff(before, text(t, b.snapshot(t))); d != "" {
		t.Errorf("undo left (- before, + after):\n%s", d)
	}
}

// shapedBench is a bench with a role of its own for the tree.
func shapedBench(t *testing.T, c *pgtest.Cluster, schema string, s catalog.Shapes) *bench {
	t.Helper()
	b := newBenchOn(t, c, schema)
	b.opts.Column, b.opts.Shapes = "tenant_id", s
	if s.Tree != nil {
		s.Tree.Role = "tree" + b.suffix
		b.Adopt(s.Tree.Role)
	}
	return b
}

func in(name string) catalog.QName { return catalog.QName{Schema: "app", Name: name} }

// agency has A with A1, A2 and, under A1, A11; and Z, all with ids 1, 2, …
const agency = `CREATE SCHEMA app;
	CREATE TABLE app.tenants (id int PRIMARY KEY, parent_id int REFERENCES app.tenants, name text);
	CREATE TABLE app.leads (tenant_id int NOT NULL REFERENCES app.tenants, id int NOT NULL, name text,
		created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (tenant_id, id));
	INSERT INTO app.tenants VALUES (1, NULL, 'A'), (2, 1, 'A1'), (3, 1, 'A2'), (4, 2, 'A11'), (5, NULL, 'Z');
	INSERT INTO app.leads SELECT id, id, 'lead ' || name FROM app.tenants;`

func treeOnly() catalog.Shapes { return catalog.Shapes{Tree: &catalog.Tree{Parent: "parent_id"}} }

const allLeads = "SELECT name FROM app.leads ORDER BY id"

func TestTree(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestShapesTogether
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		t.Parallel()
		b := shapedBench(t, c, agency, treeOnly())
		b.bothModes(t, append(treeAttacks(), []scene{
			{tenant: "1", sql: allLeads, want: "lead A"},
			{tenant: "1", tree: true, sql: allLeads, want: "lead A,lead A1,lead A2,lead A11"},
			{tenant: "2", tree: true, sql: allLeads, want: "lead A1,lead A11"},
			{tenant: "3", tree: true, sql: allLeads, want: "lead A2"},
			{tree: true, sql: allLeads},
			{tenant: "1", tree: true, sql: "SELECT name FROM app.tenants ORDER BY id", want: "A,A1,A2,A11"},
			{tenant: "2", sql: "SELECT name FROM app.tenants", want: "A1"},
			{tenant: "1", tree: true, sql: "INSERT INTO app.leads VALUES (2, 9)", want: "42501"},
			{tenant: "1", tree: true, sql: "UPDATE app.leads SET name = ''", want: "42501"},
			{tenant: "1", tree: true, sql: "DELETE FROM app.leads", want: "42501"},
			{tenant: "1", sql: "DELETE FROM app.leads", want: "1"},
			{tenant: "1", sql: "INSERT INTO app.leads VALUES (2, 9)", want: "42501"},
			{tenant: "2", sql: "UPDATE app.tenants SET parent_id = NULL", want: "42501"},
			{tenant: "3", sql: "INSERT INTO moat.tenant_tree VALUES (3, 5, 1)", want: "42501"},
			{tenant: "2", sql: "SELECT tenant FROM moat.tenant_tree ORDER BY 1", want: "2,4"},
		}...))
	})
}

// What the closure says is what the parents say, after moves as well.
func TestTreeMoves(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) { t.Parallel(); treeMoves(t, c) })
}

func treeMoves(t *testing.T, c *pgtest.Cluster) {
	b := shapedBench(t, c, agency, catalog.Shapes{Tree: &catalog.Tree{Parent: "parent_id",
		Fast: []catalog.QName{in("leads")}}})
	b.act(t, []scene{
		{tenant: "1", tree: true, sql: allLeads, want: "lead A,lead A1,lead A2,lead A11"},
		{tenant: "4", sql: "INSERT INTO app.leads (tenant_id, id, root_id) VALUES (4, 9, 5) RETURNING root_id", want: "1"},
		{tenant: "4", sql: "UPDATE app.leads SET root_id = 5", want: "23503"},
	})
	const old = "BEGIN ISOLATION LEVEL REPEATABLE READ; "
	for bad, want := range map[string]string{
		"UPDATE app.tenants SET parent_id = 4 WHERE id = 1":                                      "23514",
		"UPDATE app.tenants SET parent_id = id WHERE id = 1":                                     "23514",
		"INSERT INTO app.tenants VALUES (9, 9, 'self')":                                          "23514",
		"UPDATE app.tenants SET parent_id = CASE id WHEN 2 THEN 3 ELSE 2 END WHERE id IN (2, 3)": "23514",
		// An old snapshot does not see what another move has just changed.
		old + "UPDATE app.tenants SET parent_id = 5 WHERE id = 2": "25001",
		old + "INSERT INTO app.tenants VALUES (9, 2, 'new')":      "25001",
	} {
		if err := b.try(t, bad); err == nil || code(err) != want {
			t.Errorf("%s: %v, want %s", bad, err, want)
		}
	}
	b.Exec(t, "UPDATE app.tenants SET parent_id = 5 WHERE id = 2; INSERT INTO app.tenants VALUES (6, 4, 'A111')")
	differ := b.value(t, `WITH RECURSIVE r AS (SELECT id a, id t, 0 d FROM app.tenants UNION ALL
		SELECT r.a, c.id, d + 1 FROM r JOIN app.tenants c ON c.parent_id = r.t), w AS (SELECT * FROM moat.tenant_tree)
		SELECT count(*)::text FROM ((TABLE r EXCEPT TABLE w) UNION ALL (TABLE w EXCEPT TABLE r)) x`)
	levels := b.value(t, "SELECT string_agg(tenant_id || ':' || root_id, ' ' ORDER BY tenant_id) FROM app.leads")
	if diff := cmp.Diff([]string{"0", "1:1 2:5 3:1 4:5 5:5"}, []string{differ, levels}); diff != "" {
		t.Errorf("closure and levels (-want +got):\n%s", diff)
	}
	for _, s := range []scene{{tenant: "5", tree: true, sql: allLeads, want: "lead A1,lead A11,lead Z"},
		{tenant: "1", tree: true, sql: allLeads, want: "lead A,lead A2"}} {
		if got := b.play(t, s); got != s.want {
			t.Errorf("after the move, %s: %s, want %s", s.tenant, got, s.want)
		}
	}
	if again := b.plan(t); !again.Empty() {
		t.Errorf("plan after moves: %s", show(again))
	}
}

// An agency that may write below itself writes nowhere else.
func TestTreeWrites(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) { t.Parallel(); treeWrites(t, c) })
}

func treeWrites(t *testing.T, c *pgtest.Cluster) {
	b := shapedBench(t, c, agency, catalog.Shapes{Tree: &catalog.Tree{Parent: "parent_id", Writes: true}})
	b.bothModes(t, []scene{
		{tenant: "1", tree: true, sql: "INSERT INTO app.leads VALUES (2, 9)", want: "1"},
		{tenant: "1", tree: true, sql: "INSERT INTO app.leads VALUES (5, 9)", want: "42501"},
		{tenant: "1", tree: true, sql: "UPDATE app.leads SET tenant_id = 5", want: "42501"},
		{tenant: "1", tree: true, sql: "UPDATE app.leads SET name = 'x'", want: "4"},
		{tenant: "1", tree: true, sql: "DELETE FROM app.leads", want: "4"},
		{tenant: "1", tree: true, sql: "INSERT INTO app.tenants VALUES (9, 2, 'new')", want: "1"},
		// Its row is not below the agency yet when the policy of SELECT is asked.
		{tenant: "1", tree: true, sql: "INSERT INTO app.tenants VALUES (9, 2, 'new') RETURNING id", want: "42501"},
		{tenant: "1", tree: true, sql: "INSERT INTO app.tenants VALUES (9, 5, 'new')", want: "42501"},
		{tenant: "1", tree: true, sql: "INSERT INTO app.tenants VALUES (9, NULL, 'new')", want: "42501"},
		{tenant: "2", tree: true, sql: "INSERT INTO app.leads VALUES (1, 9)", want: "42501"},
		{tenant: "2", tree: true, sql: "UPDATE app.tenants SET parent_id = 5", want: "42501"},
		{tenant: "1", sql: "DELETE FROM app.leads", want: "1"},
	})
}

// In sealed mode the walls stand as they did.
func TestSealedTreeIsPlanned(t *testing.T) {
	t.Parallel()
	b := shapedBench(t, pgtest.Shared(t), agency, treeOnly())
	b.apply(t, GroupEnforce)
	b.seal(t)
	for _, s := range b.plan(t).Steps {
		if strings.Contains(s.ID, "walls") || strings.Contains(s.ID, "tree") {
			t.Errorf("planned on a sealed tree: %s", s.ID)
		}
	}
}

// try runs a statement as the superuser and returns its error.
func (b *bench) try(t *testing.T, sql string) error {
	t.Helper()
	conn, err := b.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), sql)
	return err
}

func (b *bench) value(t *testing.T, sql string) (value string) {
	t.Helper()
	conn, err := b.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), sql).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

const (
	agencyA = "a0000000-0000-4000-8000-000000000000"
	clientB = "b0000000-0000-4000-8000-000000000000" // below A
	otherC  = "c0000000-0000-4000-8000-000000000000"
)

//go:embed testdata/shapes.sql
var shapesSchema string

// person is the id of one of the people of testdata/shapes.sql.
func person(n int) string {
	sum := md5.Sum([]byte(fmt.Sprintf("u%d", n)))
	return hex.EncodeToString(sum[:])
}

// everyShape declares all shapes of testdata/shapes.sql.
func everyShape() catalog.Shapes {
	return catalog.Shapes{
		Tree:       &catalog.Tree{Parent: "parent_id"},
		SharedRows: []catalog.SharedRows{{Table: in("labels")}},
		FromAbove:  []catalog.QName{in("templates")},
		Members: []catalog.Members{{Table: in("users"), Through: in("memberships"), Person: "user_id",
			Columns: []string{"id", "name", "email"}}},
		Parties: []catalog.Parties{{Table: in("orders"), Owner: "seller_tenant", Reads: []string{"buyer_tenant"}},
			{Table: in("order_lines"), Owner: "seller_tenant", Reads: []string{"buyer_tenant"}}},
		Shares: []catalog.Shares{{Table: in("board"), Through: in("board_share"), With: "shared_with",
			Edits: "can_edit"}},
		OwnedBy: []catalog.OwnedBy{{Table: in("document_data"), By: catalog.ColumnRef{Relation: in("document"),
			Column: "data_id"}}},
		Inside: []catalog.Inside{{Table: in("notes"), Owner: "owner_id", All: []string{"admin"}, Own: []string{"member"},
			ReadOwn: []string{"viewer"}}},
	}
}

func TestShapesTogether(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) { t.Parallel(); shapesTogether(t, c) })
}

func shapesTogether(t *testing.T, c *pgtest.Cluster) {
	b := shapedBench(t, c, shapesSchema, everyShape())
	b.forged = person(4)
	b.bothModes(t, slices.Concat(peopleScenes(), sharedScenes(),
		aboveScenes(), partyScenes(), shareScenes(), insideScenes(), ownedScenes(), shapeAttacks()))
}

// What the application was granted before on whole tables is narrowed to columns, in one
// plan.
func TestTableGrantsBecomeColumns(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: the scenes of TestShapesTogether
	b := shapedBench(t, pgtest.Shared(t), shapesSchema, everyShape())
	app := b.cfg.Roles.Application
	b.Exec(t, "CREATE ROLE "+app+" LOGIN; GRANT USAGE ON SCHEMA app TO "+app+
		"; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA app TO "+app)
	b.act(t, slices.Concat(peopleScenes(), partyScenes(), shareScenes()))
}

func peopleScenes() []scene {
	const users = "SELECT string_agg(name, ',' ORDER BY name) FROM app.users"
	return []scene{
		{tenant: agencyA, sql: users, want: "U1,U2,U3"},
		{tenant: clientB, sql: users, want: "U3,U4"},
		{tenant: otherC, sql: users, want: "<nil>"},
		{sql: users, want: "<nil>"},
		{tenant: agencyA, tree: true, sql: users, want: "U1,U2,U3,U4"},
		{tenant: clientB, tree: true, sql: users, want: "U3,U4"},
		{tenant: agencyA, sql: "SELECT password_hash FROM app.users", want: "42501"},
		{tenant: agencyA, tree: true, sql: "SELECT password_hash FROM app.users", want: "42501"},
		{tenant: agencyA, subject: person(2), sql: "UPDATE app.users SET name = 'x'", want: "1"},
		{tenant: agencyA, sql: "UPDATE app.users SET name = 'x'", want: "0"},
		{tenant: agencyA, subject: person(4), sql: "UPDATE app.users SET name = 'x'", want: "0"},
		{tenant: agencyA, subject: person(2), sql: "UPDATE app.users SET email = 'x'", want: "42501"},
		{tenant: agencyA, sql: "INSERT INTO app.users (email) VALUES ('x')", want: "42501"},
		{tenant: agencyA, sql: "DELETE FROM app.users", want: "42501"},
		{tenant: agencyA, sql: "UPDATE app.memberships SET role = 'admin'", want: "42501"},
		{tenant: agencyA, sql: "DELETE FROM app.memberships", want: "42501"},
		{tenant: clientB, tree: true, sql: "DELETE FROM app.memberships", want: "42501"},
		{tenant: agencyA, sql: "INSERT INTO app.memberships VALUES ('" + agencyA + "', '" + person(5) + "')", want: "42501"},
		{tenant: agencyA, sql: "SELECT count(*) FROM app.memberships", want: "3"},
	}
}

func sharedScenes() []scene {
	const labels = "SELECT string_agg(name, ',' ORDER BY name) FROM app.labels"
	const task = "INSERT INTO app.tasks (label_id) SELECT md5('%s')::uuid RETURNING title"
	return []scene{
		{tenant: agencyA, sql: labels, want: "label A,label shared"},
		{tenant: clientB, tree: true, sql: labels, want: "label B,label shared"},
		{tenant: agencyA, tree: true, sql: labels, want: "label A,label B,label shared"},
		{sql: labels, want: "<nil>"},
		{tree: true, sql: labels, want: "<nil>"},
		{tenant: agencyA, sql: "INSERT INTO app.labels (tenant_id, name) VALUES (NULL, 'x')", want: "42501"},
		{tenant: agencyA, sql: "UPDATE app.labels SET tenant_id = NULL", want: "42501"},
		{tenant: agencyA, sql: "UPDATE app.labels SET name = 'x'", want: "1"},
		{tenant: agencyA, sql: "DELETE FROM app.labels WHERE tenant_id IS NULL", want: "0"},
		{tenant: agencyA, sql: "DELETE FROM app.labels", want: "1"},
		{tenant: agencyA, sql: "INSERT INTO app.labels (id) VALUES (md5('lshared')::uuid) ON CONFLICT (id) DO UPDATE " +
			"SET name = 'x'", want: "42501"},
		{tenant: agencyA, sql: "SELECT name FROM app.labels FOR UPDATE", want: "label A"},
		{tenant: agencyA, sql: fmt.Sprintf(task, "lA"), want: "<nil>"},
		{tenant: agencyA, sql: fmt.Sprintf(task, "lshared"), want: "<nil>"},
		{tenant: agencyA, sql: fmt.Sprintf(task, "lB"), want: "23503"},
		{tenant: agencyA, sql: "INSERT INTO app.tasks (label_id, label_owner) VALUES (md5('lB')::uuid, '" + clientB + "')",
			want: "23503"},
	}
}

func aboveScenes() []scene {
	const templates = "SELECT string_agg(name, ',' ORDER BY name) FROM app.templates"
	const campaign = "INSERT INTO app.campaigns (template_tenant, template_id) VALUES ('%s', md5('t%s')::uuid)"
	return []scene{
		{tenant: clientB, sql: templates, want: "tpl A,tpl B"},
		{tenant: agencyA, sql: templates, want: "tpl A"},
		{tenant: otherC, sql: templates, want: "tpl C"},
		{sql: templates, want: "<nil>"},
		{tenant: agencyA, tree: true, sql: templates, want: "tpl A,tpl B"},
		{tenant: clientB, tree: true, sql: templates, want: "tpl A,tpl B"},
		{tenant: clientB, sql: fmt.Sprintf(campaign, agencyA, "A"), want: "1"},
		{tenant: clientB, sql: fmt.Sprintf(campaign, otherC, "C"), want: "23503"},
		{tenant: agencyA, sql: fmt.Sprintf(campaign, clientB, "B"), want: "23503"},
		{tenant: clientB, sql: "UPDATE app.templates SET name = 'x'", want: "1"},
		{tenant: clientB, sql: "DELETE FROM app.templates", want: "1"},
		{tenant: clientB, sql: "INSERT INTO app.templates (tenant_id) VALUES ('" + agencyA + "')", want: "42501"},
	}
}

func partyScenes() []scene {
	const orders = "SELECT count(*) FROM app.orders"
	return []scene{
		{tenant: agencyA, sql: orders, want: "1"}, {tenant: clientB, sql: orders, want: "1"},
		{tenant: otherC, sql: orders, want: "0"}, {sql: orders, want: "0"},
		{tenant: otherC, tree: true, sql: orders, want: "0"},
		{tenant: agencyA, sql: "UPDATE app.orders SET buyer_tenant = '" + otherC + "'", want: "42501"},
		{tenant: agencyA, sql: "UPDATE app.orders SET note = 'x'", want: "1"},
		{tenant: clientB, sql: "UPDATE app.orders SET note = 'x'", want: "0"},
		{tenant: clientB, sql: "DELETE FROM app.orders", want: "0"},
		{tenant: clientB, sql: "INSERT INTO app.orders (seller_tenant, buyer_tenant) VALUES ('" + agencyA + "', '" +
			clientB + "')", want: "42501"},
	}
}

func shareScenes() []scene {
	const boards = "SELECT string_agg(title, ',' ORDER BY title) FROM app.board"
	const share = "INSERT INTO app.board_share VALUES ('%s', md5('bA')::uuid, '" + otherC + "', true)"
	return []scene{
		{tenant: agencyA, sql: boards, want: "board A"}, {tenant: clientB, sql: boards, want: "board A,board B"},
		{tenant: otherC, sql: boards, want: "board C"}, {sql: boards, want: "<nil>"},
		{tenant: otherC, tree: true, sql: boards, want: "board C"},
		{tenant: otherC, sql: fmt.Sprintf(share, agencyA), want: "42501"},
		{tenant: otherC, sql: fmt.Sprintf(share, otherC), want: "23503"},
		{tenant: clientB, sql: fmt.Sprintf(share, clientB), want: "23503"},
		{tenant: agencyA, sql: fmt.Sprintf(share, agencyA), want: "1"},
		{tenant: clientB, sql: "UPDATE app.board_share SET can_edit = true", want: "0"},
		{tenant: clientB, sql: "DELETE FROM app.board_share", want: "0"},
		{tenant: clientB, sql: "UPDATE app.board SET tenant_id = '" + clientB + "'", want: "42501"},
		{tenant: clientB, sql: "UPDATE app.board SET title = 'x'", want: "2"},
		{tenant: clientB, sql: "DELETE FROM app.board", want: "1"},
		{tenant: agencyA, sql: "UPDATE app.board_share SET shared_with = '" + otherC + "'", want: "42501"},
	}
}

// A caller limited to their own rows is limited so under the tree's role too.
func insideScenes() []scene {
	const notes = "SELECT count(*) FROM app.notes"
	return []scene{
		{tenant: agencyA, subject: person(2), role: "admin", sql: notes, want: "3"},
		{tenant: agencyA, subject: person(2), role: "member", sql: notes, want: "1"},
		{tenant: agencyA, subject: person(2), role: "viewer", sql: notes, want: "1"},
		{tenant: agencyA, subject: person(2), sql: notes, want: "0"},
		{tenant: clientB, subject: person(2), role: "admin", sql: notes, want: "0"},
		{tenant: agencyA, subject: person(2), role: "member", tree: true, sql: notes, want: "1"},
		{tenant: agencyA, subject: person(2), tree: true, sql: notes, want: "0"},
		{tenant: agencyA, subject: person(2), role: "admin", tree: true, sql: notes, want: "3"},
		{tenant: agencyA, subject: person(2), role: "viewer", sql: "INSERT INTO app.notes (body) VALUES ('x')",
			want: "42501"},
		{tenant: agencyA, subject: person(2), role: "viewer", sql: "UPDATE app.notes SET body = 'x'", want: "0"},
		{tenant: agencyA, subject: person(2), role: "member", sql: "UPDATE app.notes SET body = 'x'", want: "1"},
		{tenant: agencyA, subject: person(2), role: "member", sql: "UPDATE app.notes SET owner_id = '" + person(1) + "'",
			want: "42501"},
		{tenant: agencyA, subject: person(2), role: "member", sql: "DELETE FROM app.notes", want: "0"},
		{tenant: agencyA, subject: person(2), role: "admin", sql: "DELETE FROM app.notes", want: "3"},
	}
}

// A table that another links to tenants is asked about as people, without what nobody else
// should read.
func TestPeopleAreAskedAbout(t *testing.T) {
	t.Parallel()
	b := newBench(t, shapesSchema)
	b.opts.Column = "tenant_id"
	const want = "members: {app.users: {through: app.memberships, person: user_id, columns: [id, email, name]}}"
	for _, d := range b.plan(t).Decisions {
		if d.ID == "class/app.users" && strings.Contains(d.Config, want) {
			return
		}
	}
	t.Error("app.users is not asked about as people")
}
