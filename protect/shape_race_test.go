package protect

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// herd has two agencies, 1 and 2, and the tenants 10 to 29 below the first. A page holds two
// tenants: a server that has to look for another page for a tenant's new version may lose the
// FOR KEY SHARE that a writer took meanwhile.
const herd = `CREATE SCHEMA app;
	CREATE TABLE app.tenants (id int PRIMARY KEY, parent_id int REFERENCES app.tenants, name text);
	ALTER TABLE app.tenants ALTER name SET STORAGE PLAIN;
	CREATE TABLE app.leads (tenant_id int NOT NULL REFERENCES app.tenants, id int NOT NULL, name text,
		created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (tenant_id, id));
	INSERT INTO app.tenants VALUES (1, NULL, 'A'), (2, NULL, 'B');
	INSERT INTO app.tenants SELECT i, 1, repeat('T', 3500) FROM generate_series(10, 29) i;
	INSERT INTO app.leads SELECT id, 0, 'first' FROM app.tenants;`

// Tenants move between two agencies and below each other while their leads are written.
// In each snapshot an agency reads the leads of exactly the tenants that the parents say are
// below it: none that is not, and none is missing.
func TestTreeMovesUnderLoad(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) { t.Parallel(); treeMovesUnderLoad(t, c) })
}

func treeMovesUnderLoad(t *testing.T, c *pgtest.Cluster) {
	b := shapedBench(t, c, herd, catalog.Shapes{Tree: &catalog.Tree{Parent: "parent_id",
		Fast: []catalog.QName{in("leads")}}})
	b.apply(t, GroupEnforce)
	rounds := pgtest.Rounds(t, "MOAT_TEST_RACE", 1000, 25)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { b.moveAbout(ctx, t) })
		wg.Go(func() { b.writeLeads(ctx, t) })
	}
	app := b.Conn(t, b.As(t, b.cfg.Roles.Application))
	super := b.Conn(t, b.URL)
	rows := 0
	for i := range rounds {
		got, want, err := b.sameSnapshot(t.Context(), app, super, 1+i%2)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("round %d, agency %d (-below it, +read):\n%s", i, 1+i%2, diff)
		}
		rows += len(got)
	}
	stop()
	wg.Wait()
	if rows == 0 {
		t.Error("no agency read a row")
	}
}

// Whoever writes and whoever moves the tenant wait for each other by a lock that PostgreSQL does
// not lose: where they only met at the tenant's row, they would some time miss each other.
func TestMovesAndWritersShareALock(t *testing.T) {
	t.Parallel()
	b := shapedBench(t, pgtest.Shared(t), herd, catalog.Shapes{Tree: &catalog.Tree{Parent: "parent_id",
		Fast: []catalog.QName{in("leads")}}})
	b.apply(t, GroupEnforce)
	beside := b.value(t, "SELECT min(i) FROM generate_series(100, 99999) i WHERE hashtext(i::text) & 1023 = "+
		"hashtext('11') & 1023") // a new tenant that shares the lock of 11: nobody writes for it yet
	const move = "UPDATE app.tenants SET parent_id = 2 WHERE id = 10"
	const write = "INSERT INTO app.leads (tenant_id, id) VALUES (%d, %d)"
	for i, x := range []struct{ first, second, at string }{
		{fmt.Sprintf(write, 10, 1), move, "pg_advisory_xact_lock("},
		{move, fmt.Sprintf(write, 10, 2), "at assignment"}, // of the lock: see policy/sql/level.sql
		{fmt.Sprintf(write, 11, 3), fmt.Sprintf(write, 11, 4), ""},
		{"INSERT INTO app.tenants (id, parent_id) VALUES (" + beside + ", 1)", fmt.Sprintf(write, 11, 5), ""},
	} {
		open, other := b.Conn(t, b.URL), b.Conn(t, b.URL)
		if _, err := open.Exec(t.Context(), "BEGIN; "+x.first); err != nil {
			t.Fatal(err)
		}
		_, err := other.Exec(t.Context(), "SET lock_timeout = '300ms'; "+x.second)
		var e *pgconn.PgError
		if errors.As(err, &e); (e != nil) != (x.at != "") || e != nil && !strings.Contains(e.Where, x.at) {
			t.Errorf("%d: %v, waits where %+v, want %q", i, err, e, x.at)
		}
		if _, err := open.Exec(t.Context(), "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
	}
}

// moveAbout gives tenants other parents; what would be a cycle is refused.
func (b *bench) moveAbout(ctx context.Context, t *testing.T) {
	conn, err := pgx.Connect(ctx, b.URL)
	if err != nil {
		return
	}
	defer conn.Close(context.Background())
	// Two moves that wait for each other would spend most of the rounds waiting.
	if _, err := conn.Exec(ctx, "SET deadlock_timeout = '5ms'"); err != nil && ctx.Err() == nil {
		t.Error(err)
	}
	moved, refused := 0, 0
	for ctx.Err() == nil {
		child, parent := 10+rand.IntN(20), 1+rand.IntN(29)
		if parent > 2 && parent < 10 {
			parent = 1 + parent%2
		}
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { // the key's own lock comes after another change
			if _, err := tx.Exec(ctx, "UPDATE app.tenants SET name = name || '' WHERE id = $1", child); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "UPDATE app.tenants SET parent_id = $2 WHERE id = $1", child, parent)
			return err
		})
		switch {
		case ctx.Err() != nil:
		case err == nil:
			moved++
		case code(err) == "23514" || code(err) == "40P01": // a cycle, or two moves that wait for each other
			refused++
		case code(err) == "XX000" && strings.Contains(err.Error(), "more than one updating member"):
			refused++ // the server's own, of two changes of a row that needs another page: nothing is written
		default:
			t.Errorf("move %d below %d: %v", child, parent, err)
			return
		}
	}
	t.Logf("%d moves, %d refused", moved, refused)
}

// writeLeads writes as the tenants themselves, whoever is above them at the moment.
func (b *bench) writeLeads(ctx context.Context, t *testing.T) {
	conn, err := pgx.Connect(ctx, b.As(t, b.cfg.Roles.Application))
	if err != nil {
		return
	}
	defer conn.Close(context.Background())
	for n := 1; ctx.Err() == nil; n++ {
		tenant := 10 + rand.IntN(20)
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if err := current(ctx, tx, tenant); err != nil {
				return err
			}
			// Without the last ones: a move rewrites every lead below it, and many would leave time for few moves.
			if _, err := tx.Exec(ctx, "DELETE FROM app.leads WHERE id <> 0"); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "INSERT INTO app.leads (id, name) VALUES ($1, 'x')", 1+rand.IntN(1<<30))
			return err
		})
		if err != nil && ctx.Err() == nil && code(err) != "40P01" && code(err) != "23505" {
			t.Errorf("write a lead of %d: %v", tenant, err)
			return
		}
	}
}

func current(ctx context.Context, tx pgx.Tx, tenant int) error {
	_, err := tx.Exec(ctx, "SELECT set_config('app.current_tenant', $1, true)", fmt.Sprint(tenant))
	return err
}

// sameSnapshot counts leads by tenant: as the agency reads them, and by following the
// parents past all policies.
func (b *bench) sameSnapshot(ctx context.Context, app, super *pgx.Conn, agency int) (
	got, want map[int]int, err error,
) {
	repeatable := pgx.TxOptions{IsoLevel: pgx.RepeatableRead}
	err = pgx.BeginTxFunc(ctx, app, repeatable, func(tx pgx.Tx) error {
		var snapshot string
		if err := tx.QueryRow(ctx, "SELECT pg_export_snapshot()").Scan(&snapshot); err != nil {
			return err
		}
		const bind = "SELECT set_config('app.current_tenant', $1, true), set_config('role', $2, true)"
		if _, err := tx.Exec(ctx, bind, fmt.Sprint(agency), b.opts.Shapes.Tree.Role); err != nil {
			return err
		}
		if got, err = byTenant(ctx, tx, "SELECT tenant_id, count(*) FROM app.leads GROUP BY 1"); err != nil {
			return err
		}
		return pgx.BeginTxFunc(ctx, super, repeatable, func(past pgx.Tx) (err error) {
			if _, err = past.Exec(ctx, "SET TRANSACTION SNAPSHOT '"+snapshot+"'"); err != nil {
				return err
			}
			want, err = byTenant(ctx, past, fmt.Sprintf(`WITH RECURSIVE r AS (SELECT %d AS id UNION SELECT t.id FROM r
				JOIN app.tenants t ON t.parent_id = r.id) SELECT tenant_id, count(*) FROM app.leads
				WHERE tenant_id IN (SELECT id FROM r) GROUP BY 1`, agency))
			return err
		})
	})
	return got, want, err
}

func byTenant(ctx context.Context, tx pgx.Tx, sql string) (map[int]int, error) {
	rows, err := tx.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	all := map[int]int{}
	var tenant, n int
	_, err = pgx.ForEachRow(rows, []any{&tenant, &n}, func() error { all[tenant] = n; return nil })
	return all, err
}
