package protect

import (
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// nearby has an index of nearest neighbours.
const nearby = `
CREATE SCHEMA app;
` + pgtest.Nearest + `
CREATE TABLE app.tenants (id int PRIMARY KEY);
INSERT INTO app.tenants SELECT generate_series(1, 3);
CREATE TABLE app.places (tenant_id int NOT NULL REFERENCES app.tenants, id int, at point, PRIMARY KEY (tenant_id, id));
INSERT INTO app.places SELECT 1 + i % 3, i, point(i, 0) FROM generate_series(1, 300) i;
CREATE INDEX places_near ON app.places USING hnsw (at app.nearest_ops);
ANALYZE;
`

// TestNearest plans scans that go on and a search function, takes both back, and brings the
// index along into partitions.
func TestNearest(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: prove/database's TestNearest
	b := newBenchOn(t, pgtest.Shared(t), nearby)
	b.opts.Column = "tenant_id"
	before := text(t, b.snapshot(t))
	scenes := []scene{
		{tenant: "1", sql: "SELECT id FROM app.places_nearest_at('(101,0)', 3)", want: "102,99,105"},
		{tenant: "2", sql: "SELECT id FROM app.places_nearest_at('(101,0)', 1)", want: "100"},
		{sql: "SELECT id FROM app.places_nearest_at('(101,0)')", want: ""},
		{tenant: "1", sql: "SHOW hnsw.iterative_scan", want: "relaxed_order"},
	}
	b.act(t, scenes)
	ways := []Partition{{Hash: 3}, {Tenant: "2"}}
	if testing.Short() {
		ways = ways[:1]
	}
	for _, way := range ways {
		way.Table = in("places")
		plan, err := LookPartition(t.Context(), b.reader(t), b.opts, b.cfg, way)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Apply(t.Context(), b.open, plan, ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
		b.act(t, scenes)
		var parts, valid int
		if err := b.Conn(t, b.URL).QueryRow(t.Context(), `SELECT count(*), count(*) FILTER (WHERE indisvalid) FROM pg_index x
			JOIN pg_class c ON c.oid = indexrelid JOIN pg_am a ON a.oid = c.relam WHERE amname = 'hnsw' AND
			c.relnamespace = 'app'::regnamespace AND
			(c.relname = 'places_near' OR c.relispartition)`).Scan(&parts, &valid); err != nil {
			t.Fatal(err)
		}
		if want := 1 + max(way.Hash, 2); parts != want || valid != want {
			t.Errorf("%+v: %d indexes, %d valid, want %d", way, parts, valid, want)
		}
		if _, err := Undo(t.Context(), b.open, ApplyOptions{Table: way.Table}); err != nil {
			t.Fatal(err)
		}
	}
	b.undo(t)
	if d := diff(before, text(t, b.snapshot(t))); d != "" {
		t.Errorf("undo left:\n%s", d)
	}
}
