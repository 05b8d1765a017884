package protect

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

// TestNearestByPgvector closes the oracle of a shared HNSW index on a server that has
// pgvector: MOAT_PGVECTOR_URL names a database of it, as a superuser. `make bench-vector`
// measures the same in full.
func TestNearestByPgvector(t *testing.T) {
	t.Parallel()
	b := newBenchOn(t, pgtest.Pgvector(t), `CREATE EXTENSION vector; CREATE SCHEMA app;
		CREATE TABLE app.tenants (id int PRIMARY KEY);
		INSERT INTO app.tenants VALUES (1), (2);
		CREATE TABLE app.docs (tenant_id int NOT NULL REFERENCES app.tenants, id int, at vector(2),
		  PRIMARY KEY (tenant_id, id));
		INSERT INTO app.docs SELECT 1, i, format('[%s,0]', i)::vector FROM generate_series(1, 500) i;
		INSERT INTO app.docs SELECT 2, i, format('[%s,0.1]', 100 + i::float / 1000)::vector FROM generate_series(1, 500) i;
		CREATE INDEX docs_near ON app.docs USING hnsw (at vector_l2_ops); ANALYZE;`)
	b.opts.Column = "tenant_id"
	execute := func(conn *pgx.Conn, sql string) {
		t.Helper()
		if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	found := func() (names []string) {
		v, err := tenancy.Read(t.Context(), b.reader(t), b.opts)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range audit.Run(v, audit.Options{}).Findings {
			if f.Rule == "key-nearest-index" || f.Rule == "perf-leaky-index" {
				names = append(names, f.Rule+" "+string(f.Severity))
			}
		}
		return names
	}
	answers := func() int {
		app := b.Conn(t, b.As(t, b.cfg.Roles.Application))
		defer execute(app, "ROLLBACK")
		execute(app, "BEGIN; SET LOCAL app.current_tenant = '1'; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
		rows, _ := app.Query(t.Context(), "SELECT id FROM app.docs ORDER BY at <-> '[100.5,0]' LIMIT 10")
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int])
		if err != nil {
			t.Fatal(err)
		}
		return len(ids)
	}
	if got := fmt.Sprint(found()); got != "[key-nearest-index medium]" {
		t.Errorf("audit before: %s", got)
	}
	b.apply(t, GroupGuards)
	b.Exec(t, "ALTER ROLE "+b.cfg.Roles.Application+" SET hnsw.iterative_scan = 'off'")
	if got := answers(); got >= 10 {
		t.Errorf("by default the tenant gets %d of its 10 nearest rows: nothing is shown", got)
	}
	b.Exec(t, `INSERT INTO app.docs
		SELECT 2, 1000 + i, format('[%s,500]', i / 10000.0)::vector FROM generate_series(1, 60) i`)
	b.act(t, []scene{{tenant: "1", sql: "SELECT count(*) FROM app.docs_nearest_at('[0,500]')", want: "10"},
		{tenant: "1", sql: "SELECT id FROM app.docs_nearest_at('[3.1,0]', 2)", want: "3,4"}})
	b.apply(t, GroupGuards) // plans it again
	if got := answers(); got != 10 {
		t.Errorf("one index, scans that go on: %d answers", got)
	}
	plan, err := LookPartition(t.Context(), b.reader(t), b.opts, b.cfg, Partition{Table: in("docs"), Hash: 4})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Apply(t.Context(), b.open, plan, ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := answers(); got != 10 {
		t.Errorf("partitions: %d answers", got)
	}
	if got := found(); len(got) > 0 {
		t.Errorf("audit after: %v", got)
	}
}
