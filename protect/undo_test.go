package protect

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// undoable has a table of every kind that a team drops, renames or changes.
const undoable = `CREATE SCHEMA app; CREATE SCHEMA archive; SET search_path = app;` + twoTenants + `
CREATE TABLE orders (id int PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants, code text UNIQUE);
CREATE TABLE lines (id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders);
CREATE TABLE labels (order_id int NOT NULL REFERENCES orders, name text NOT NULL, PRIMARY KEY (order_id, name));
CREATE TABLE notes (id int PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants, body text);
CREATE INDEX notes_body ON notes (body);
CREATE TABLE events (id int NOT NULL, tenant_id uuid NOT NULL REFERENCES tenants, at date NOT NULL, order_id int
  REFERENCES orders, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE INDEX events_at ON events (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
`

// TestUndoAfterChanges changes what was protected as a team does, and undoes: the schema
// is that of the same changes without moat.
func TestUndoAfterChanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ change, gone string }{
		"a partition dropped": {"DROP TABLE app.events_1", "events_1"},
		"a partition detached": {"ALTER TABLE app.events DETACH PARTITION app.events_1; DROP TABLE app.events_1",
			"events_1"},
		"a partition renamed":   {"ALTER TABLE app.events_1 RENAME TO events_january", ""},
		"a table dropped":       {"DROP TABLE app.lines", "lines"},
		"a table renamed":       {"ALTER TABLE app.lines RENAME TO order_lines; ALTER TABLE app.orders RENAME TO sales", ""},
		"a table moved":         {"ALTER TABLE app.notes SET SCHEMA archive", ""},
		"a schema renamed":      {`ALTER SCHEMA app RENAME TO "App 2"`, ""},
		"a name taken by other": {"ALTER TABLE app.notes RENAME TO old_notes; CREATE TABLE app.notes (x int)", ""},
		"an index dropped":      {"DROP INDEX app.notes_body", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pgtest.Full(t, "a table dropped")
			plain, b := newBench(t, undoable), newBench(t, undoable)
			b.cfg.TenantLedUniques = []string{"app.orders.orders_code_key"}
			b.apply(t, GroupEnforce) // the guard would close the new table
			plain.Exec(t, c.change)
			b.Exec(t, c.change)
			res := b.undone(t)
			if len(res.Left) > 0 {
				t.Errorf("left: %+v", res.Left)
			}
			if said := strings.Join(res.Gone, "\n"); !strings.Contains(said, c.gone) || (c.gone == "") != (said == "") {
				t.Errorf("said to be gone: %q, want %q", said, c.gone)
			}
			if d := diff(plain.neutral(t), b.neutral(t)); d != "" {
				t.Errorf("undo left (- without moat, + after):\n%s", d)
			}
		})
	}
}

func (b *bench) undone(t *testing.T) *UndoResult {
	t.Helper()
	res, err := Undo(t.Context(), b.open, ApplyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestUndoLeaves undoes what a team has built upon: moat takes nothing of theirs along,
// says what it left, and finishes once that is out of the way.
func TestUndoLeaves(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestUndoAfterChanges
	for name, c := range map[string]struct{ change, left, amend string }{
		"a key with the tenant, as the plan's question says": {
			"ALTER TABLE app.labels DROP CONSTRAINT labels_pkey, ADD PRIMARY KEY (tenant_id, order_id, name)",
			"column tenant_id is also in constraint labels_pkey",
			"ALTER TABLE app.labels DROP CONSTRAINT labels_pkey, ADD PRIMARY KEY (order_id, name)"},
		"an index on the new column": {"CREATE INDEX mine ON app.lines (tenant_id, id)",
			"column tenant_id is also in index", "DROP INDEX app.mine"},
		"a foreign key to a key of ours": {"CREATE TABLE app.theirs (tenant_id uuid, \"order\" bigint, " +
			"FOREIGN KEY (tenant_id, \"order\") REFERENCES app.orders (tenant_id, id))", "depend", "DROP TABLE app.theirs"},
		"a view of the new column": {"CREATE VIEW app.theirs AS SELECT tenant_id FROM app.lines", "depend",
			"DROP VIEW app.theirs"},
		"values that are no longer unique": {
			"INSERT INTO app.orders SELECT row_number() OVER (), id, 'same' FROM app.tenants",
			"could not create unique index", "DELETE FROM app.orders WHERE id > 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pgtest.Full(t, "a foreign key to a key of ours")
			b := newBench(t, undoable)
			b.cfg.TenantLedUniques = []string{"app.orders.orders_code_key"}
			before := text(t, b.snapshot(t))
			b.apply(t, GroupEnforce)
			b.Exec(t, c.change)
			res := b.undone(t)
			var said []string
			for _, l := range res.Left {
				said = append(said, l.Title+": "+l.Reason)
			}
			if !strings.Contains(strings.Join(said, "\n"), c.left) {
				t.Errorf("left %v, want %q", said, c.left)
			}
			if r := relation(b.snapshot(t), "notes"); r.RLS || len(r.Policies) > 0 {
				t.Error("what stands in nobody's way was not undone")
			}
			b.Exec(t, c.amend)
			b.undo(t)
			b.Exec(t, "DELETE FROM app.orders")
			if d := diff(before, text(t, b.snapshot(t))); d != "" {
				t.Errorf("undo left (- before, + after):\n%s", d)
			}
		})
	}
}

// TestUndoCancelled cancels an index that an undo builds again: the next undo takes the
// invalid half of it for none.
func TestUndoCancelled(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestUndoAfterKill
	b := newBench(t, undoable)
	b.cfg.DropIndexes = true
	before := text(t, b.snapshot(t))
	b.apply(t, GroupEnforce)
	holder := b.Conn(t, b.URL)
	tx, err := holder.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	// A snapshot: building an index waits for it, no other step does.
	if _, err := tx.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Fatal(err)
	}
	go b.cancelBuild(t.Context())
	if _, err := Undo(t.Context(), b.open, ApplyOptions{}); !hasCode(err, "57014") {
		t.Fatalf("undo: %v, want it cancelled", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	notes := relation(b.snapshot(t), "notes")
	if !slices.ContainsFunc(notes.Indexes, func(x catalog.Index) bool { return !x.Valid }) {
		t.Error("the build was not cancelled half-way")
	}
	b.undo(t)
	if d := diff(before, text(t, b.snapshot(t))); d != "" {
		t.Errorf("undo left (- before, + after):\n%s", d)
	}
}

// cancelBuild cancels the next CREATE INDEX CONCURRENTLY that waits for somebody.
func (b *bench) cancelBuild(ctx context.Context) {
	conn, err := pgx.Connect(ctx, b.URL)
	if err != nil {
		return
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for done := false; !done && ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		_ = conn.QueryRow(ctx, `SELECT coalesce(bool_or(pg_cancel_backend(pid)), false) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'CREATE INDEX CONCURRENTLY%'`).
			Scan(&done)
	}
}
