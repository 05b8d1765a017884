package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// loadSchema has one of everything that a Snapshot holds; ROLE is a role's name.
const loadSchema = `
CREATE SCHEMA app; COMMENT ON SCHEMA app IS 'the app';
CREATE TYPE app.mood AS ENUM ('good', 'bad');
CREATE DOMAIN app.email AS text CHECK (VALUE LIKE '%@%');
CREATE TYPE app.pair AS (a int, b text);
CREATE TABLE app.tenants (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
CREATE TABLE app.leads (
	id bigint GENERATED ALWAYS AS IDENTITY, tenant_id uuid NOT NULL REFERENCES app.tenants ON DELETE CASCADE,
	email app.email, mood app.mood DEFAULT 'good', tags text[], code varchar(20) COLLATE "C", gone int,
	shout text GENERATED ALWAYS AS (upper(code)) STORED,
	PRIMARY KEY (tenant_id, id), CONSTRAINT leads_email UNIQUE (tenant_id, email) INCLUDE (mood) DEFERRABLE,
	EXCLUDE USING btree (code WITH =));
ALTER TABLE app.leads DROP COLUMN gone;
COMMENT ON COLUMN app.leads.email IS 'where to';
CREATE INDEX leads_tags ON app.leads USING gin (tags);
CREATE INDEX leads_lower ON app.leads (lower(email) DESC NULLS LAST) WHERE mood = 'good';
ALTER TABLE app.leads ENABLE ROW LEVEL SECURITY; ALTER TABLE app.leads FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON app.leads AS RESTRICTIVE FOR UPDATE TO ROLE USING (tenant_id IS NULL) WITH CHECK (true);
CREATE TABLE app.notes (id serial PRIMARY KEY, tenant_id uuid, lead_id bigint);
ALTER TABLE app.notes ADD CONSTRAINT notes_lead FOREIGN KEY (tenant_id, lead_id) REFERENCES app.leads MATCH FULL ON
	UPDATE CASCADE NOT VALID;
CREATE TABLE app.ev (tenant_id uuid, at date) PARTITION BY RANGE (at);
CREATE TABLE app.ev_1 PARTITION OF app.ev FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE app.base (a int); CREATE TABLE app.derived (b int) INHERITS (app.base);
CREATE VIEW app.v WITH (security_barrier, check_option = local) AS SELECT id, tenant_id FROM app.leads;
CREATE MATERIALIZED VIEW app.mv AS SELECT * FROM app.v;
CREATE FUNCTION app.f(a int, b text DEFAULT 'x', OUT c int) LANGUAGE sql STABLE SECURITY DEFINER SET search_path =
	pg_catalog, pg_temp AS 'SELECT 1';
CREATE FUNCTION app.g() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT max(id) FROM app.leads; END;
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touch BEFORE INSERT ON app.ev FOR EACH ROW EXECUTE FUNCTION app.touch();
CREATE RULE copy AS ON INSERT TO app.notes DO ALSO INSERT INTO app.base VALUES (new.id);
GRANT SELECT ON app.leads TO ROLE WITH GRANT OPTION; GRANT UPDATE (email) ON app.leads TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO ROLE;
ALTER ROLE ROLE IN DATABASE DATABASE SET app.current_tenant = 'x';
CREATE PUBLICATION pub FOR TABLE app.leads;
SELECT lo_create(0);
`

func TestLoad(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		t.Parallel()
		db := c.New(t)
		role := db.Role(t, "app", "LOGIN")
		db.Exec(t, strings.NewReplacer("ROLE ROLE", "ROLE "+role, "TO ROLE", "TO "+role, "DATABASE DATABASE",
			"DATABASE "+db.Name).Replace(loadSchema))
		s := load(t, db.Conn(t, db.URL))
		v := catalog.NewLookup(s, nil)
		if s.Version/10000 != c.Major || s.Database.Name != db.Name || len(s.Unseen) > 0 {
			t.Errorf("version %d, database %s, unseen %q", s.Version, s.Database.Name, s.Unseen)
		}
		checkTable(t, v, role)
		checkOthers(t, s, v, role)
		again := load(t, db.Conn(t, db.URL))
		again.Roles, again.Memberships = s.Roles, s.Memberships // other tests make roles
		if diff := cmp.Diff(s, again); diff != "" {
			t.Errorf("a second Load differs:\n%s", diff)
		}
	})
}

func app(name string) catalog.QName { return catalog.QName{Schema: "app", Name: name} }

func checkTable(t *testing.T, v *catalog.Lookup, role string) {
	t.Helper()
	r := v.Relation(app("leads"))
	if !r.RLS || !r.ForceRLS || r.Kind != catalog.Table {
		t.Errorf("leads: %+v", r)
	}
	var columns []string
	for _, c := range r.Columns {
		columns = append(columns, strings.TrimSpace(
			fmt.Sprintf("%s %s %s%s %v", c.Name, c.Type, c.Identity, c.Generated, c.NotNull)))
	}
	want := []string{"id bigint always true", "tenant_id uuid  true", "email app.email  false", "mood app.mood  false",
		"tags text[]  false", "code character varying(20)  false", "shout text stored false"}
	if diff := cmp.Diff(want, columns); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	if c := r.Column("email"); c.Comment != "where to" ||
		!slices.ContainsFunc(c.Privileges, func(p catalog.Privilege) bool {
			return p.Grantee == "" && p.Name == "UPDATE"
		}) {
		t.Errorf("column email: %+v", c)
	}
	if c := r.Column("code"); c.Collation != "pg_catalog.C" {
		t.Errorf("collation of code: %q", c.Collation)
	}
	if !slices.Contains(r.Privileges,
		catalog.Privilege{Grantee: role, Grantor: r.Owner, Name: "SELECT", Grantable: true}) {
		t.Errorf("privileges: %+v", r.Privileges)
	}
	wantKeys := map[string][]catalog.IndexKey{
		"leads_tags": {{Column: "tags", OpClass: "array_ops"}},
		// The operators are leakproof, lower is not.
		"leads_lower": {{Expression: "lower((email)::text)", OpClass: "text_ops", Descending: true}},
		"leads_email": {{Column: "tenant_id", OpClass: "uuid_ops", Leakproof: true},
			{Column: "email", OpClass: "text_ops", Leakproof: true}},
	}
	for _, ix := range r.Indexes {
		if keys, ok := wantKeys[ix.Name]; ok {
			if diff := cmp.Diff(keys, ix.Keys); diff != "" {
				t.Errorf("keys of %s (-want +got):\n%s", ix.Name, diff)
			}
		}
	}
	if p := r.Policies[0]; p.Permissive || p.Command != "UPDATE" || !slices.Equal(p.Roles, []string{role}) ||
		p.Using.Root == nil || p.Check.Text != "true" {
		t.Errorf("policy: %+v", p)
	}
	for _, c := range v.Relation(app("notes")).Constraints {
		if c.Name == "notes_lead" && (c.Validated || !c.MatchFull || c.OnUpdate != "cascade" || c.OnDelete != "no action" ||
			!slices.Equal(c.RefColumns, []string{"tenant_id", "id"}) || c.References != app("leads")) {
			t.Errorf("foreign key: %+v", c)
		}
	}
}

func checkOthers(t *testing.T, s *catalog.Snapshot, v *catalog.Lookup, role string) {
	t.Helper()
	view := v.Relation(app("v"))
	if !view.SecurityBarrier || view.CheckOption != "local" || !view.Insertable || !view.Updatable || !view.Deletable ||
		!strings.Contains(view.Definition, "app.leads") {
		t.Errorf("view: %+v", view)
	}
	ev := v.Relation(app("ev_1"))
	if !ev.Partition || !slices.Equal(ev.ParentNames, []catalog.QName{app("ev")}) || len(ev.Triggers) != 1 ||
		!ev.Triggers[0].Inherited {
		t.Errorf("partition: %+v", ev)
	}
	if diff := cmp.Diff(catalog.PartKey{Strategy: "range", Columns: []string{"at"}, Text: "RANGE (at)"},
		v.Relation(app("ev")).PartitionKey); diff != "" {
		t.Errorf("partition key (-want +got):\n%s", diff)
	}
	if owned := v.Relation(app("notes_id_seq")).OwnedBy; owned == nil || owned.Column != "id" {
		t.Errorf("owned by: %v", owned)
	}
	f := v.Functions(app("f"))[0]
	wantParams := []catalog.Param{{Name: "a", Type: "integer", Mode: "in"},
		{Name: "b", Type: "text", Mode: "in", HasDefault: true}, {Name: "c", Type: "integer", Mode: "out"}}
	if diff := cmp.Diff(wantParams, f.Params); diff != "" || !f.Definer || f.Volatile != "stable" ||
		!slices.Equal(f.Settings, []string{"search_path=pg_catalog, pg_temp"}) {
		t.Errorf("function: %+v\n%s", f, diff)
	}
	if g := v.Functions(app("g"))[0]; !g.BodyParsed || !strings.Contains(g.Body, "app.leads") {
		t.Errorf("body: %+v", g)
	}
	depends := func(d catalog.RelationDependency) bool {
		return slices.ContainsFunc(s.Dependencies, func(o catalog.RelationDependency) bool { return cmp.Equal(o, d) })
	}
	for _, d := range []catalog.RelationDependency{
		{From: app("v"), Rule: "_RETURN", On: app("leads"), Columns: []string{"id", "tenant_id"}},
		{From: app("mv"), Rule: "_RETURN", On: app("v"), Columns: []string{"id", "tenant_id"}},
		{From: app("notes"), Rule: "copy", On: app("base"), Columns: nil},
		{From: app("g"), Function: true, On: app("leads"), Columns: []string{"id"}},
	} {
		if !depends(d) && !depends(catalog.RelationDependency{From: d.From, Rule: d.Rule, On: d.On, Columns: []string{"a"}}) {
			t.Errorf("no dependency %+v in %+v", d, s.Dependencies)
		}
	}
	if !slices.Contains(s.Stored,
		catalog.StoredSetting{Role: role, Database: s.Database.Name, Name: "app.current_tenant", Value: "x"}) {
		t.Errorf("stored settings: %+v", s.Stored)
	}
	if !slices.ContainsFunc(s.Defaults, func(d catalog.DefaultPrivilege) bool {
		return d.Schema == "app" && d.Object == "tables" && d.Privilege.Grantee == role
	}) {
		t.Errorf("default privileges: %+v", s.Defaults)
	}
	if s.LargeObjects != 1 || len(s.Publications) != 1 ||
		!slices.Equal(s.Publications[0].Tables, []catalog.QName{app("leads")}) {
		t.Errorf("large objects %d, publications %+v", s.LargeObjects, s.Publications)
	}
	var kinds []string
	for _, typ := range s.Types {
		kinds = append(kinds, typ.Name+" "+typ.Kind)
	}
	if diff := cmp.Diff([]string{"email domain", "mood enum", "pair composite"}, kinds); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
	for _, f := range s.Functions {
		if f.System && f.Leakproof != f.LeakproofByDefault {
			t.Errorf("%s(%s): leakproof %v, shipped as %v", f.Name, f.Arguments, f.Leakproof, f.LeakproofByDefault)
		}
	}
}

// A built-in function that somebody marked leakproof is in the Snapshot though no
// rule asks for it by name.
// The server's own objects are named where something of the user's mentions them: in a
// policy, a trigger, a constraint.
func TestLoadNamesWhatIsMentioned(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, `CREATE TABLE a (x text, y int4range, EXCLUDE USING gist (y WITH &&));
		CREATE POLICY p ON a USING (lower(x) = current_setting('app.x')::name::text COLLATE "C");
		CREATE TRIGGER quiet BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`)
	a := catalog.NewLookup(load(t, db.Conn(t, db.URL)), nil).Relation(catalog.QName{Schema: "public", Name: "a"})
	equal := a.Policies[0].Using.Root
	got := []string{equal.Name, equal.Type, equal.Args[0].Name, string(equal.Args[1].Kind),
		a.Triggers[0].Function.String()}
	for _, c := range a.Constraints {
		got = append(got, c.Operators...)
	}
	want := []string{"=", "boolean", "pg_catalog.lower", "collate", "pg_catalog.suppress_redundant_updates_trigger", "&&"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestLoadSeesLeakproofDeviations(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		t.Parallel()
		db := c.New(t)
		db.Exec(t, `ALTER FUNCTION pg_catalog.texticlike(text, text) LEAKPROOF;
			ALTER FUNCTION pg_catalog.uuid_eq(uuid, uuid) NOT LEAKPROOF`)
		v := catalog.NewLookup(load(t, db.Conn(t, db.URL)), nil)
		if f := v.Functions(catalog.QName{Schema: "pg_catalog", Name: "texticlike"}); len(f) != 1 || !f[0].Leakproof ||
			f[0].LeakproofByDefault {
			t.Errorf("texticlike: %+v", f)
		}
		if f := v.Functions(catalog.QName{Schema: "pg_catalog", Name: "uuid_eq"}); len(f) != 1 || f[0].Leakproof ||
			!f[0].LeakproofByDefault {
			t.Errorf("uuid_eq: %+v", f)
		}
	})
}

func TestLoadAsOrdinaryRole(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		t.Parallel()
		db := c.New(t)
		role := db.AppRole(t)
		db.Exec(t, `CREATE SCHEMA app; CREATE SCHEMA closed; CREATE TABLE app.a (x int); CREATE TABLE app.b (x int);
			CREATE TABLE closed.c (x int);
			ALTER TABLE closed.c ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON closed.c USING (x = 1);
			CREATE VIEW closed.v AS SELECT * FROM closed.c; CREATE VIEW app.v AS SELECT * FROM app.a;
			GRANT USAGE ON SCHEMA app TO `+role+`; GRANT SELECT ON app.a TO `+role)
		conn := db.Conn(t, db.As(t, role))
		s := load(t, conn)
		want := []string{
			"schema app: role " + role +
				" may not read 1 of its tables, so that they cannot be probed and their statistics are hidden",
			"schema closed: role " + role +
				" has no USAGE on it, so that its tables cannot be probed and their statistics are hidden",
		}
		if diff := cmp.Diff(want, s.Unseen); diff != "" {
			t.Errorf("unseen (-want +got):\n%s", diff)
		}
		// What it sees of the catalog is what a superuser sees.
		full := load(t, db.Conn(t, db.URL))
		full.User, full.Unseen, full.Schemas, full.Roles, full.Memberships = s.User, s.Unseen, s.Schemas, s.Roles,
			s.Memberships
		if diff := cmp.Diff(full, s); diff != "" {
			t.Errorf("superuser and ordinary role differ:\n%s", diff)
		}
		db.Exec(t, `GRANT USAGE ON SCHEMA closed TO `+role+`; GRANT SELECT ON closed.c, app.b TO `+role)
		if s := load(t, conn); len(s.Unseen) > 0 {
			t.Errorf("unseen after the grants: %q", s.Unseen)
		}
	})
}

// A role from which part of the catalog was taken learns what it could not see.
func TestLoadWithoutPartOfTheCatalog(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	role := db.AppRole(t)
	db.Exec(t, `REVOKE SELECT ON pg_catalog.pg_event_trigger, pg_catalog.pg_publication FROM PUBLIC`)
	conn := db.Conn(t, db.As(t, role))
	s := load(t, conn)
	if all := strings.Join(s.Unseen, "\n"); !strings.Contains(all, "event triggers could not be read") ||
		!strings.Contains(all, "publications could not be read") {
		t.Errorf("unseen: %q", s.Unseen)
	}
	db.Exec(t, `REVOKE SELECT ON pg_catalog.pg_policy FROM PUBLIC`)
	if _, err := catalog.Load(context.Background(), conn); err == nil || !strings.Contains(err.Error(), "pg_policy") {
		t.Errorf("without pg_policy: %v", err)
	}
}

// Load leaves the session as it found it, inside a transaction and outside, and
// takes nothing stronger than ACCESS SHARE.
func TestLoadLeavesNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := pgtest.New(t)
	db.Exec(t, `CREATE TABLE a (x int PRIMARY KEY); CREATE VIEW v AS SELECT * FROM a`)
	conn := db.Conn(t, db.URL)
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, `SET LOCAL search_path = public; CREATE TABLE made (x int)`); err != nil {
		t.Fatal(err)
	}
	s := load(t, conn)
	if catalog.NewLookup(s, nil).Relation(catalog.QName{Schema: "public", Name: "made"}) == nil {
		t.Error("the transaction's own table is not seen")
	}
	var path, lockTimeout string
	if err := tx.QueryRow(ctx, `SELECT current_setting('search_path'), current_setting('lock_timeout')`).
		Scan(&path, &lockTimeout); err != nil {
		t.Fatal(err)
	}
	if path != "public" || lockTimeout != "0" {
		t.Errorf("search_path %q, lock_timeout %q", path, lockTimeout)
	}
	var strong int
	if err := tx.QueryRow(ctx,
		`SELECT count(*) FROM pg_catalog.pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'
		AND mode <> 'AccessShareLock' AND relation IN ('a'::regclass, 'v'::regclass)`).
		Scan(&strong); err != nil || strong > 0 {
		t.Errorf("%d strong locks, %v", strong, err)
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	load(t, conn)
	if status := conn.PgConn().TxStatus(); status != 'I' {
		t.Errorf("transaction status %c after Load", status)
	}
}

func TestLoadErrors(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := catalog.Load(ctx, db.Conn(t, db.URL)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	conn := db.Conn(t, db.URL)
	if _, err := conn.Exec(context.Background(), "BEGIN; "+"SELECT 1"); err != nil {
		t.Fatal(err)
	}
	_, _ = conn.Exec(context.Background(), "SELECT 1/0")
	if _, err := catalog.Load(context.Background(), conn); err == nil {
		t.Error("no error inside a failed transaction")
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	role := db.AppRole(t)
	db.Exec(t, `CREATE TABLE a (x int); GRANT SELECT ON a TO `+role)
	own := func(conn *pgx.Conn) string {
		s := load(t, conn)
		s.Roles, s.Memberships = nil, nil // other tests make roles
		return catalog.Fingerprint(s)
	}
	conn := db.Conn(t, db.URL)
	before := own(conn)
	if other := own(db.Conn(t, db.As(t, role))); other != before {
		t.Error("the fingerprint depends on who looks")
	}
	db.Exec(t, `INSERT INTO a SELECT generate_series(1, 1000); ANALYZE a`)
	if own(conn) != before {
		t.Error("the fingerprint depends on rows")
	}
	db.Exec(t, `GRANT INSERT ON a TO `+role)
	if own(conn) == before {
		t.Error("a grant does not change the fingerprint")
	}
	db.Exec(t, `REVOKE INSERT ON a FROM `+role)
	if own(conn) != before {
		t.Error("undoing the grant does not bring the fingerprint back")
	}
}

func load(t testing.TB, conn *pgx.Conn) *catalog.Snapshot {
	t.Helper()
	s, err := catalog.Load(context.Background(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
