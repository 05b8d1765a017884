package protect

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// kinds are tables as an application of today has them: their owner connects as well.
const kinds = `
CREATE SCHEMA app;
CREATE TABLE app.tenants (id uuid PRIMARY KEY, name text);
CREATE TABLE app.leads (id bigint PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES app.tenants, name text, score int);
CREATE INDEX leads_tenant ON app.leads (tenant_id);
CREATE TABLE app.calls (id bigint PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES app.tenants,
  lead_id bigint NOT NULL REFERENCES app.leads ON DELETE CASCADE);
CREATE TABLE app.events (id bigint, tenant_id uuid NOT NULL REFERENCES app.tenants, at date NOT NULL,
  PRIMARY KEY (tenant_id, id, at)) PARTITION BY RANGE (at);
CREATE TABLE app.events_old PARTITION OF app.events FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE app.events_new PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
CREATE VIEW app.view_leads AS SELECT * FROM app.leads;
CREATE FUNCTION app.leads_of(text) RETURNS bigint LANGUAGE plpgsql AS
  'BEGIN RETURN (SELECT count(*) FROM app.leads WHERE name = $1); END';
CREATE FUNCTION app.leads_as_owner() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM app.leads';
INSERT INTO app.tenants SELECT ('00000000-0000-0000-0000-00000000000' || i)::uuid, 'tenant ' || i
  FROM generate_series(1, 3) i;
` + kindsRows + `
INSERT INTO app.events SELECT id, tenant_id, '2025-12-25'::date + id::int FROM app.leads;
ANALYZE;
`

const kindsRows = `
INSERT INTO app.leads SELECT i, ('00000000-0000-0000-0000-00000000000' || 1 + i % 3)::uuid, 'n' || i, i
  FROM generate_series(1, 30) i;
INSERT INTO app.calls SELECT id, tenant_id, id FROM app.leads;
`

// kind is what an application sends, and what it gets today. The statement that is noted
// is the last; none is where it is not.
type kind struct {
	name, sql, want string
	tenant          string // set first
	noted           string // table reason command, in order
	counted         bool   // only counted: it leaves no text
}

func kindsOf() []kind {
	const a, b = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"
	return []kind{
		{name: "select", sql: "SELECT count(*) FROM app.leads", want: "30", noted: "app.leads row SELECT"},
		{name: "view", sql: "SELECT count(*) FROM app.view_leads", want: "30", noted: "app.leads row SELECT"},
		{name: "function", sql: "SELECT app.leads_of('n1')", want: "1", noted: "app.leads row SELECT"},
		{name: "definer", sql: "SELECT app.leads_as_owner()", want: "30", noted: "app.leads row SELECT"},
		{name: "prepared", sql: "PREPARE p AS SELECT count(*) FROM app.leads WHERE score > $1; EXECUTE p(10)", want: "20",
			noted: "app.leads row SELECT"},
		{name: "cursor", sql: "BEGIN; DECLARE c CURSOR FOR SELECT id FROM app.leads ORDER BY id; FETCH 1 FROM c; COMMIT",
			want: "1", noted: "app.leads row SELECT"},
		{name: "copy to", sql: "COPY (SELECT count(*) FROM app.leads) TO STDOUT", want: "30",
			noted: "app.leads row COPY"},
		{name: "insert", sql: "INSERT INTO app.leads VALUES (100, '" + a + "', 'new') RETURNING id", want: "100",
			noted: "app.leads row INSERT, app.leads write INSERT"},
		{name: "upsert", sql: "INSERT INTO app.leads VALUES (1, '" + b + "', 'up') ON CONFLICT (id) DO UPDATE SET " +
			"name = excluded.name RETURNING name", want: "up", noted: "app.leads row INSERT, app.leads write INSERT"},
		{name: "update", sql: "UPDATE app.leads SET name = 'x' WHERE id = 2 RETURNING name", want: "x",
			noted: "app.leads row UPDATE, app.leads write UPDATE"},
		{name: "cascade", sql: "DELETE FROM app.leads WHERE id = 3; SELECT 30 - count(*) FROM app.calls", want: "1",
			noted: "app.calls row SELECT, app.leads row DELETE"},
		{name: "delete", sql: "DELETE FROM app.leads WHERE id = 4 RETURNING id", want: "4",
			noted: "app.leads row DELETE"},
		{name: "merge", sql: "MERGE INTO app.leads l USING (VALUES (7)) v (id) ON l.id = v.id WHEN MATCHED THEN UPDATE " +
			"SET name = 'm'", noted: "app.leads row MERGE, app.leads write MERGE"},
		{name: "with", sql: "WITH d AS (DELETE FROM app.leads WHERE id = 5 RETURNING id) SELECT id FROM d", want: "5",
			noted: "app.leads row DELETE"},
		{name: "for update", sql: "SELECT id FROM app.leads WHERE id = 6 FOR UPDATE", want: "6",
			noted: "app.leads row SELECT"},
		{name: "no row", sql: "DELETE FROM app.leads WHERE id = -1"},
		{name: "truncate", sql: "BEGIN; TRUNCATE app.leads CASCADE; ROLLBACK"},
		{name: "read only", sql: "BEGIN READ ONLY; SELECT count(*) FROM app.leads; COMMIT", want: "30",
			noted: "app.leads", counted: true},
		{name: "rolled back", sql: "BEGIN; SELECT count(*) FROM app.leads; ROLLBACK", want: "30",
			noted: "app.leads", counted: true},
		{name: "savepoint", sql: "BEGIN; SAVEPOINT s; SELECT count(*) FROM app.leads; ROLLBACK TO s; COMMIT", want: "30",
			noted: "app.leads", counted: true},
		{name: "serializable", sql: "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM app.leads; COMMIT",
			want: "30", noted: "app.leads row SELECT"},
		{name: "parent", sql: "SELECT count(*) FROM app.events", want: "30", noted: "app.events row SELECT"},
		{name: "partition", sql: "SELECT count(*) FROM app.events_old", want: "6",
			noted: "app.events_old partition SELECT"},
		{name: "no policy", tenant: a, sql: "SELECT count(*) FROM app.leads WHERE tenant_id = '" + a + "'",
			want: "10", noted: "app.leads role SELECT"},
	}
}

func TestObserveKinds(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) { t.Parallel(); observeKinds(t, c) })
}

func observeKinds(t *testing.T, c *pgtest.Cluster) {
	b := newBenchOn(t, c, kinds)
	owner, worker := b.Role(t, "today", "LOGIN"), b.Role(t, "worker", "LOGIN")
	b.Exec(t, "GRANT USAGE ON SCHEMA app TO "+worker+", "+owner)
	for _, table := range strings.Fields("tenants leads calls events events_old events_new") {
		b.Exec(t, "ALTER TABLE app."+table+" OWNER TO "+owner+"; GRANT ALL ON app."+table+" TO "+worker)
	}
	b.Exec(t, "ALTER VIEW app.view_leads OWNER TO "+owner+"; GRANT ALL ON app.view_leads TO "+worker+
		"; ALTER FUNCTION app.leads_as_owner() OWNER TO "+owner)
	b.cfg.Observe = true
	b.apply(t, GroupObserve)
	for _, role := range []string{worker, owner} {
		for i, k := range kindsOf() {
			if k.name == "merge" && c.Major < 15 {
				continue
			}
			t.Run(strings.ReplaceAll(k.name, " ", "_"), func(t *testing.T) {
				if role == owner {
					pgtest.OneOf(t, 6, i)
				}
				pgtest.OneOf(t, 2, i)
				b.check(t, role, k)
			})
		}
	}
}

// check sends a kind on a connection of its own, and takes back what it changed.
func (b *bench) check(t *testing.T, role string, k kind) {
	before := b.observation(t)
	conn := b.Conn(t, b.As(t, role)+"&application_name="+strings.ReplaceAll(k.name, " ", "%20"))
	if got := send(t, conn, k); got != k.want {
		t.Errorf("%s got %q, want %q", role, got, k.want)
	}
	b.Exec(t, "TRUNCATE app.leads CASCADE; "+kindsRows)
	_ = conn.Close(t.Context())
	table, _, _ := strings.Cut(k.noted, " ")
	o := b.observation(t)
	// PostgreSQL 14 counts in another process: its counts come later, but they come.
	for table != "" && o.times(table) == before.times(table) && t.Context().Err() == nil {
		time.Sleep(20 * time.Millisecond)
		o = b.observation(t)
	}
	var noted []string
	for _, s := range o.Statements {
		if s.Application == k.name && s.Role == role {
			noted = append(noted, s.Table.String()+" "+s.Reason+" "+s.Command)
		}
	}
	slices.Sort(noted)
	if want := k.noted; !k.counted && strings.Join(noted, ", ") != want {
		t.Errorf("%s: noted %v, want %s", role, noted, want)
	}
}

// send sends the statements one by one, as drivers do, and returns the first value.
func send(t *testing.T, conn *pgx.Conn, k kind) (got string) {
	t.Helper()
	if k.tenant != "" {
		if _, err := conn.Exec(t.Context(), "SELECT set_config('app.current_tenant', $1, false)", k.tenant); err != nil {
			t.Fatal(err)
		}
	}
	for sql := range strings.SplitSeq(k.sql, "; ") {
		if strings.HasPrefix(sql, "COPY") {
			var out strings.Builder
			if _, err := conn.PgConn().CopyTo(t.Context(), &out, sql); err != nil {
				t.Fatal(err)
			}
			return strings.TrimSpace(out.String())
		}
		results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		for _, r := range results {
			if len(r.Rows) > 0 {
				got = string(r.Rows[0][0])
			}
		}
	}
	return got
}
