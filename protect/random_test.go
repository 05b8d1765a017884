package protect

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/sqltext"
)

// schemaGen writes a random schema: the forms that tables of real products come in,
// in combinations nobody thought of.
type schemaGen struct {
	*rand.Rand
	major   int
	sql     strings.Builder
	tables  []genTable
	uniques []string // of which the configuration may list some
}

type genTable struct {
	name   string // quoted
	id     string // type of its single id column, empty when it has none
	tenant bool
}

func (g *schemaGen) pick(choices ...string) string { return choices[g.IntN(len(choices))] }

func (g *schemaGen) chance(percent int) bool { return g.IntN(100) < percent }

func (g *schemaGen) line(format string, args ...any) {
	fmt.Fprintf(&g.sql, format+";\n", args...)
}

func generate(seed uint64, major int) *schemaGen {
	g := &schemaGen{Rand: rand.New(rand.NewPCG(seed, 4)), major: major}
	g.line("CREATE SCHEMA app")
	g.line("CREATE SCHEMA \"Other Schema\"")
	g.line("CREATE TYPE app.state AS ENUM ('a', 'b')")
	g.line("CREATE TABLE app.tenants (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL)")
	for i := range 6 + g.IntN(9) {
		g.table(i)
	}
	g.views()
	if g.chance(50) {
		g.line("ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT ALL ON TABLES TO PUBLIC")
	}
	return g
}

func (g *schemaGen) table(i int) {
	name := fmt.Sprintf("t%d", i)
	if g.chance(25) {
		name = sqltext.Ident(fmt.Sprintf(`Table "%d" of %s`, i, strings.Repeat("long ", g.IntN(9))))
	}
	full := g.pick("app", "app", "app", `"Other Schema"`) + "." + name
	t := genTable{name: full}
	var cols, keys []string
	partitioned := g.chance(15)
	switch g.IntN(5) {
	case 0:
		t.id = "uuid"
		cols = append(cols, "id uuid NOT NULL DEFAULT gen_random_uuid()")
	case 1:
		t.id = "bigint"
		cols = append(cols, "id bigint GENERATED "+g.pick("ALWAYS", "BY DEFAULT")+" AS IDENTITY")
	case 2:
		t.id = "integer"
		cols = append(cols, "id serial NOT NULL")
	case 3:
		cols = append(cols, "a bigint NOT NULL", "b text NOT NULL")
	}
	cols = append(cols, `"order" int`, "state app.state", "body text DEFAULT 'x'",
		"at date NOT NULL DEFAULT current_date", "doc jsonb")
	t.tenant = g.chance(60)
	if t.tenant {
		cols = append(cols, "tenant_id uuid"+g.pick(" NOT NULL", " NOT NULL", " NOT NULL REFERENCES app.tenants", "",
			" NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'"))
	}
	cols, linked := g.foreignKeys(cols, t)
	keys = g.primaryKey(t, cols, partitioned)
	if !t.tenant && !linked {
		t.id = "" // nothing leads to it: a question
	}
	suffix := ""
	if partitioned {
		suffix = " PARTITION BY RANGE (at)"
	}
	g.line("CREATE TABLE %s (%s)%s", full, strings.Join(append(cols, keys...), ", "), suffix)
	if partitioned {
		t.id = ""
		g.partitions(full, i)
	}
	g.extras(t, i, partitioned)
	g.tables = append(g.tables, t)
}

func (g *schemaGen) primaryKey(t genTable, cols []string, partitioned bool) []string {
	id := "id"
	if strings.HasPrefix(cols[0], "a ") {
		id = "a, b"
	} else if t.id == "" {
		return nil
	}
	if partitioned {
		id += ", at"
	}
	if t.tenant && g.chance(20) && strings.Contains(strings.Join(cols, ","), "tenant_id uuid NOT NULL") && t.id == "" {
		id = "tenant_id, " + id
	}
	return []string{"PRIMARY KEY (" + id + ")"}
}

func (g *schemaGen) foreignKeys(cols []string, t genTable) ([]string, bool) {
	linked := false
	for i, parent := range g.tables {
		if parent.id == "" || !g.chance(35) {
			continue
		}
		null, action := " NOT NULL", g.pick("", " ON DELETE CASCADE", " ON DELETE RESTRICT", " ON UPDATE CASCADE")
		if g.chance(40) {
			null, action = "", g.pick("", " ON DELETE SET NULL", " ON DELETE SET NULL ON UPDATE CASCADE")
		} else {
			linked = true
		}
		cols = append(cols, fmt.Sprintf("ref_%d %s%s REFERENCES %s%s%s", i, parent.id, null, parent.name, action,
			g.pick("", "", " DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED")))
	}
	return cols, linked
}

func (g *schemaGen) partitions(full string, i int) {
	g.line("CREATE TABLE app.part_%d_1 PARTITION OF %s FOR VALUES FROM (MINVALUE) TO ('2026-01-01')", i, full)
	if g.chance(40) {
		g.line("CREATE TABLE app.part_%d_2 PARTITION OF %s FOR VALUES FROM ('2026-01-01') TO (MAXVALUE) PARTITION BY "+
			"LIST (at)", i, full)
		g.line("CREATE TABLE app.part_%d_3 PARTITION OF app.part_%d_2 DEFAULT", i, i)
	}
}

// extras puts on a table what hangs on tables.
func (g *schemaGen) extras(t genTable, i int, partitioned bool) {
	for j, def := range []string{"(body)", `("order" DESC NULLS LAST, body)`, "(lower(body))", "(at) WHERE state = 'a'",
		"USING gin (doc)", "USING hash (body)", "(state, at)", "USING brin (at)", `("order") INCLUDE (body)`} {
		if g.chance(20) {
			g.line("CREATE INDEX i%d_%d ON %s %s", i, j, t.name, def)
			if g.chance(30) {
				g.line("COMMENT ON INDEX %s.i%d_%d IS 'it''s %d'", strings.Split(t.name, ".")[0], i, j, j)
			}
		}
	}
	if g.chance(25) && !partitioned {
		g.line("ALTER TABLE %s ADD CONSTRAINT u%d UNIQUE (body)", t.name, i)
		g.uniques = append(g.uniques, fmt.Sprintf("%s.u%d",
			strings.ReplaceAll(strings.ReplaceAll(strings.Trim(t.name, `"`), `."`, "."), `".`, "."), i))
	}
	if g.chance(20) {
		g.line("GRANT %s ON %s TO PUBLIC", g.pick("ALL", "SELECT, TRUNCATE", "SELECT (body)", "REFERENCES (body)"), t.name)
	}
	if g.chance(15) {
		g.line("ALTER TABLE %s ENABLE ROW LEVEL SECURITY", t.name)
		g.line("CREATE POLICY mine ON %s %s USING (%s)", t.name,
			g.pick("FOR SELECT", "", "FOR ALL TO PUBLIC", "AS RESTRICTIVE FOR UPDATE"),
			g.pick("true", "body <> 'hidden'", "at > '2020-01-01'"))
	}
	if g.chance(10) {
		g.line("CREATE POLICY tenant_isolation ON %s FOR SELECT USING (true)", t.name)
		g.line("COMMENT ON POLICY tenant_isolation ON %s IS 'the ''old'' one'", t.name)
	}
	if g.chance(15) && !partitioned {
		g.line("CREATE TABLE app.child_%d (more text) INHERITS (%s)", i, t.name)
	}
}

func (g *schemaGen) views() {
	for i, t := range g.tables {
		if g.chance(30) {
			g.line("CREATE VIEW app.v%d %s AS SELECT body, at FROM %s", i,
				g.pick("", "WITH (security_barrier = true)", "WITH (security_barrier = false)"), t.name)
		}
		if g.chance(10) {
			g.line("CREATE MATERIALIZED VIEW app.m%d AS SELECT * FROM %s", i, t.name)
		}
	}
}

// TestRandomSchemas: whatever the schema, a plan applied in two runs leaves nothing
// to plan, and undo returns the Snapshot and the dump of before. MOAT_TEST_SEEDS is
// the number of schemas, a few without it.
func TestRandomSchemas(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestApplyAndUndo
	seeds := pgtest.Rounds(t, "MOAT_TEST_SEEDS", 6, 1)
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		for seed := range seeds {
			t.Run(strconv.Itoa(seed), func(t *testing.T) { t.Parallel(); randomSchema(t, c, uint64(seed)) })
		}
	})
}

func randomSchema(t *testing.T, c *pgtest.Cluster, seed uint64) {
	g := generate(seed, c.Major)
	b := newBenchOn(t, c, g.sql.String())
	b.opts.Column, b.opts.Tenants = "tenant_id", catalog.QName{Schema: "app", Name: "tenants"}
	b.cfg.KeepForeignKeys, b.cfg.DropIndexes = g.chance(30), g.chance(50)
	if g.chance(50) {
		b.cfg.TenantLedUniques = g.uniques
	}
	defer func() {
		if t.Failed() {
			t.Logf("schema:\n%s", g.sql.String())
		}
	}()
	before, dumpBefore := text(t, b.snapshot(t)), dump(t, b)
	b.apply(t, Groups()[g.IntN(len(Groups()))])
	b.apply(t, GroupGuards)
	if again := b.plan(t); !again.Empty() {
		t.Errorf("second plan:\n%s", show(again))
	}
	b.undo(t)
	if d := diff(before, text(t, b.snapshot(t))); d != "" {
		t.Errorf("undo left (- before, + after):\n%s", d)
	}
	if d := diff(dumpBefore, dump(t, b)); d != "" {
		t.Errorf("undo left in the dump (- before, + after):\n%s", d)
	}
}
