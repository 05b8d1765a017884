package protect

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// loaded has one large table without a tenant column; %d are its rows.
const loaded = `
CREATE SCHEMA app;
CREATE TABLE app.tenants (id uuid PRIMARY KEY, name text NOT NULL);
CREATE TABLE app.orders (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES app.tenants);
CREATE TABLE app.lines (id bigserial PRIMARY KEY, order_id bigint NOT NULL REFERENCES app.orders ON DELETE CASCADE,
  qty int NOT NULL, note text NOT NULL DEFAULT repeat('x', 80));
CREATE INDEX lines_order ON app.lines (order_id);
CREATE INDEX lines_qty ON app.lines (qty);
INSERT INTO app.tenants SELECT ('00000000-0000-0000-0000-00000000000' || i)::uuid, 'tenant ' || i FROM
  generate_series(1, 3) i;
INSERT INTO app.orders (tenant_id) SELECT ('00000000-0000-0000-0000-00000000000' || 1 + i %% 3)::uuid FROM
  generate_series(1, 3000) i;
INSERT INTO app.lines (order_id, qty) SELECT 1 + i %% 3000, i FROM generate_series(1, %d) i;
ANALYZE;
`

// load is what one client saw.
type load struct {
	statements int
	before     time.Duration // the longest while nothing was applied
	longest    time.Duration
	slowest    string
	errs       []error
}

// TestUnderLoad lets writers and readers who know nothing of the new column go on
// while everything is applied. MOAT_TEST_LOAD is the number of rows (1000000 for the
// measurement of docs/explanation/protect.md); it is small otherwise. Nothing is
// asserted of the time, only that no statement fails.
func TestUnderLoad(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestTreeMovesUnderLoad
	rows := pgtest.Rounds(t, "MOAT_TEST_LOAD", 20_000, 4_000)
	b := newBench(t, fmt.Sprintf(loaded, rows))
	// The application keeps its role, which sets its tenant already.
	app := b.Role(t, "shop", "LOGIN")
	b.cfg.Roles.Application = app
	b.Exec(t, "GRANT USAGE ON SCHEMA app TO "+app+
		"; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA app TO "+app+
		"; GRANT USAGE ON ALL SEQUENCES IN SCHEMA app TO "+app)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	clients := make([]load, 4)
	var step atomic.Pointer[string] // the one that is running
	step.Store(new(string))
	for i := range clients {
		conn := b.Conn(t, b.As(t, app))
		wg.Go(func() { clients[i].run(ctx, conn, i, &step) })
	}
	var blocked time.Duration
	watcher := b.Conn(t, b.URL)
	wg.Go(func() { blocked = longestWait(ctx, watcher, app) })
	time.Sleep(300 * time.Millisecond)
	begun := time.Now()
	res, err := Apply(t.Context(), b.open, b.plan(t),
		ApplyOptions{Until: GroupGuards, Progress: func(p Progress) { step.Store(&p.Step.ID) }})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(begun)
	stop()
	wg.Wait()
	statements, longest, slowest := 0, time.Duration(0), ""
	for i, c := range clients {
		t.Logf("client %d: longest %v before, %v (%s)", i, c.before.Round(time.Millisecond),
			c.longest.Round(time.Millisecond), c.slowest)
		statements += c.statements
		if c.longest > longest {
			longest, slowest = c.longest, c.slowest
		}
		for _, err := range c.errs {
			t.Errorf("client %d: %v", i, err)
		}
	}
	t.Logf("%d rows, %d steps in %v; %d statements meanwhile, the longest %v (%s), the longest wait for a lock %v", rows,
		len(res.Applied), took.Round(time.Millisecond), statements, longest.Round(time.Millisecond), slowest,
		blocked.Round(time.Millisecond))
	if len(res.Stopped) > 0 {
		t.Errorf("stopped: %+v", res.Stopped)
	}
	var wrong int
	if err := b.Conn(t, b.URL).QueryRow(t.Context(),
		"SELECT count(*) FROM app.lines l JOIN app.orders o ON o.id = l.order_id WHERE l.tenant_id IS DISTINCT FROM "+
			"o.tenant_id").Scan(&wrong); err != nil {
		t.Fatal(err)
	}
	if wrong != 0 {
		t.Errorf("%d lines have not the tenant of their order", wrong)
	}
}

// longestWait samples how long the application's statements wait for locks: what
// applying costs them, whatever else keeps the machine busy.
func longestWait(ctx context.Context, conn *pgx.Conn, role string) time.Duration {
	var longest time.Duration
	for ctx.Err() == nil {
		var seconds float64
		err := conn.QueryRow(context.WithoutCancel(ctx),
			"SELECT coalesce(max(extract(epoch FROM clock_timestamp() - l.waitstart)), 0)::float8 "+
				"FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE NOT l.granted AND a.usename = $1",
			role).Scan(&seconds)
		if err != nil {
			return longest
		}
		longest = max(longest, time.Duration(seconds*float64(time.Second)))
		time.Sleep(10 * time.Millisecond)
	}
	return longest
}

// run sends statements of one tenant until ctx ends, each with its tenant set, none
// with the tenant column.
func (l *load) run(ctx context.Context, conn *pgx.Conn, client int, step *atomic.Pointer[string]) {
	random := rand.New(rand.NewPCG(7, uint64(client)))
	statements := []string{
		"SELECT count(*) FROM app.lines WHERE order_id = $1",
		"INSERT INTO app.lines (order_id, qty) VALUES ($1, 1)",
		"UPDATE app.lines SET qty = qty + 1 WHERE id = (SELECT id FROM app.lines WHERE order_id = $1 LIMIT 1)",
		"SELECT id, qty FROM app.lines WHERE order_id = $1 ORDER BY id DESC LIMIT 5",
	}
	for ctx.Err() == nil {
		q := statements[random.IntN(len(statements))]
		// Orders of tenant 1 have the numbers 3, 6, 9 …
		order := 3 * (1 + random.IntN(1000))
		begun := time.Now()
		batch := &pgx.Batch{}
		batch.Queue("SELECT set_config('app.current_tenant', $1, true)", tenantA)
		batch.Queue(q, order)
		err := conn.SendBatch(context.WithoutCancel(ctx), batch).Close()
		took := time.Since(begun)
		l.statements++
		at := *step.Load()
		switch {
		case at == "":
			l.before = max(l.before, took)
		case took > l.longest:
			l.longest, l.slowest = took, q+" at "+at
		}
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Code == "0A000" {
			continue // a plan prepared before the column came: drivers prepare it again
		}
		if err != nil {
			l.errs = append(l.errs, fmt.Errorf("%s: %w", q, err))
			return
		}
		time.Sleep(time.Millisecond)
	}
}
