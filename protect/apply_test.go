package protect

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/baseline"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

// bench is one database of a test with roles of its own.
type bench struct {
	*pgtest.Database
	url, suffix string
	cfg         Config
	opts        tenancy.Options
	reading     *pgx.Conn
	read        *catalog.Snapshot // for the last plan
	sealer      moat.Sealer       // set in sealed mode
	forged      string            // the subject that is forged there
}

// newBench makes a database with the schema and names roles that no other test
// uses: roles belong to the cluster.
func newBench(t *testing.T, schema string) *bench {
	t.Helper()
	return newBenchOn(t, pgtest.Shared(t), schema)
}

// newBenchOn makes it on a cluster of a given major version.
func newBenchOn(t *testing.T, c *pgtest.Cluster, schema string) *bench {
	t.Helper()
	var db *pgtest.Database
	if rest, ok := strings.CutPrefix(schema, simple); ok {
		schema = rest
		db = c.Template(t, "simple", func(t testing.TB, db *pgtest.Database) { db.Exec(t, simple) })
	} else {
		db = c.New(t)
	}
	if schema != "" {
		db.Exec(t, schema)
	}
	b := benchOf(db.URL, strings.ReplaceAll(db.Name, "moat_test", ""))
	b.Database = db
	for _, r := range []string{b.cfg.Roles.Owner, b.cfg.Roles.Application, b.cfg.Roles.Operator, b.cfg.Roles.Definer} {
		db.Adopt(r)
	}
	return b
}

// benchOf is the bench of a database that another process has made.
func benchOf(url, suffix string) *bench {
	return &bench{url: url, suffix: suffix, cfg: Config{Roles: Roles{Owner: "owner" + suffix, Application: "app" +
		suffix, Operator: "operator" + suffix, Definer: "definer" + suffix}}}
}

func (b *bench) open(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, b.url) }

// reader is a connection that only reads the catalog: the second time that costs half.
func (b *bench) reader(t *testing.T) *pgx.Conn {
	t.Helper()
	if b.reading == nil || b.reading.IsClosed() {
		conn, err := b.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		b.reading = conn
	}
	return b.reading
}

func (b *bench) plan(t *testing.T) *Plan {
	t.Helper()
	plan, s, unseen, err := Look(t.Context(), b.reader(t), b.opts, b.cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.read = s
	if unseen != nil {
		t.Fatal(unseen)
	}
	return plan
}

// apply goes on regardless of open questions, as a person does who has put them into the
// baseline.
func (b *bench) apply(t *testing.T, until Group) *Result {
	t.Helper()
	res, err := Apply(t.Context(), b.open, b.accepted(t), ApplyOptions{Until: until, Wait: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// accepted is the plan with every question accepted that would stop it.
func (b *bench) accepted(t *testing.T) *Plan {
	t.Helper()
	plan := b.plan(t)
	if len(plan.Open()) == 0 {
		return plan
	}
	b.accept(t, b.read, plan.Open())
	defer func() { b.cfg.Baseline = nil }()
	return b.plan(t)
}

// accept puts questions into the baseline as the database stood when they were asked.
func (b *bench) accept(t *testing.T, s *catalog.Snapshot, open []Decision) {
	t.Helper()
	b.cfg.Baseline, b.cfg.Today = nil, time.Now()
	for _, d := range open {
		b.cfg.Baseline = append(b.cfg.Baseline, baseline.Entry{Kind: QuestionKind(d.Kind()), Object: d.Subject(),
			Reason:      "looked at",
			Fingerprint: catalog.Definition(s, d.Subject()), Expires: "2999-12-31"})
	}
	for _, r := range baseline.Judge(b.cfg.Baseline, s, b.cfg.Today).Reopened {
		t.Errorf("a question cannot be accepted: %s", r)
	}
}

func (b *bench) undo(t *testing.T) {
	t.Helper()
	res, err := Undo(t.Context(), b.open, ApplyOptions{Wait: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Kept) > 0 {
		t.Errorf("undo kept %v", res.Kept)
	}
}

// snapshot is the database's Snapshot without what belongs to the cluster.
func (b *bench) snapshot(t *testing.T) *catalog.Snapshot {
	t.Helper()
	s, err := catalog.Load(t.Context(), b.reader(t))
	if err != nil {
		t.Fatal(err)
	}
	s.Roles, s.Memberships = nil, nil
	s.Stored = ofDatabase(s.Stored, func(x catalog.StoredSetting) bool { return strings.HasSuffix(x.Role, b.suffix) })
	return s
}

// text is a Snapshot as JSON: without OIDs and statistics.
func text(t *testing.T, s *catalog.Snapshot) string {
	t.Helper()
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func diff(a, b string) string { return cmp.Diff(strings.Split(a, "\n"), strings.Split(b, "\n")) }

const simple = `
CREATE SCHEMA app;
CREATE TABLE app.tenants (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
CREATE TABLE app.orders (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES app.tenants,
  status text NOT NULL DEFAULT 'new', search tsvector);
CREATE INDEX orders_status ON app.orders (status);
CREATE INDEX orders_search ON app.orders USING gin (search);
CREATE TABLE app.lines (id bigserial PRIMARY KEY, order_id bigint NOT NULL REFERENCES app.orders ON DELETE CASCADE,
  qty int NOT NULL);
CREATE TABLE app.notes (line_id bigint NOT NULL REFERENCES app.lines, body text);
CREATE VIEW app.open_orders AS SELECT * FROM app.orders WHERE status = 'new';
INSERT INTO app.tenants SELECT ('00000000-0000-0000-0000-00000000000' || i)::uuid, 'tenant ' || i FROM
  generate_series(1, 3) i;
INSERT INTO app.orders (tenant_id) SELECT ('00000000-0000-0000-0000-00000000000' || 1 + i % 3)::uuid FROM
  generate_series(1, 300) i;
INSERT INTO app.lines (order_id, qty) SELECT 1 + i % 300, i FROM generate_series(1, 2000) i;
INSERT INTO app.notes SELECT 1 + i % 2000, 'note ' || i FROM generate_series(1, 3000) i;
`

func TestApplyAndUndo(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) { t.Parallel(); applyAndUndo(t, c) })
}

func applyAndUndo(t *testing.T, c *pgtest.Cluster) {
	b := newBenchOn(t, c, simple)
	before := text(t, b.snapshot(t))
	b.apply(t, GroupGuards)
	if again := b.plan(t); !again.Empty() {
		t.Errorf("second plan: %s", show(again))
	}
	b.undo(t)
	if d := diff(before, text(t, b.snapshot(t))); d != "" {
		t.Errorf("undo left (- before, + after):\n%s", d)
	}
}

func show(p *Plan) string {
	var b strings.Builder
	for _, s := range p.Steps {
		b.WriteString(s.ID + "\n    " + strings.Join(s.SQL, ";\n    ") + "\n")
	}
	return b.String()
}
