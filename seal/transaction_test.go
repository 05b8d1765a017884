package seal_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// inTx runs fn as A in a transaction of a sealed DB.
func inTx(t *testing.T, f *fixture, fn func(tx pgx.Tx)) {
	t.Helper()
	err := f.openSealed(t, 1).InTx(as(tenantA), func(tx pgx.Tx) error { fn(tx); return nil })
	must(t, err)
}

func rowsIn(t *testing.T, tx pgx.Tx, sql string) int {
	t.Helper()
	var n int
	must(t, tx.QueryRow(context.Background(), sql).Scan(&n))
	return n
}

func TestSavepointsKeepTheTenant(t *testing.T) {
	t.Parallel()
	f := newSealed(t, pgtest.Shared(t))
	inTx(t, f, func(tx pgx.Tx) {
		ctx := context.Background()
		inner, err := tx.Begin(ctx)
		must(t, err)
		_, err = inner.Exec(ctx, "select set_config('moat.sealed', '', true)")
		must(t, err)
		if n := rowsIn(t, inner, "select count(*) from app.leads"); n != 0 {
			t.Errorf("%d rows after the binding was taken away", n)
		}
		must(t, inner.Rollback(ctx))
		if n := rowsIn(t, tx, "select count(*) from app.leads"); n != 20 {
			t.Errorf("%d rows after the rollback to the savepoint, want 20", n)
		}
	})
}

func TestCursorsPlansAndFunctions(t *testing.T) {
	t.Parallel()
	f := newSealed(t, pgtest.Shared(t))
	f.Exec(t, `create function app.invoker() returns bigint language sql stable set work_mem = '8MB' as
		'select count(*) from app.leads';
		create function app.inner() returns bigint language plpgsql set search_path = app as $$ begin return (select
			count(*) from leads); end $$`)
	db := f.openSealed(t, 1)
	for _, tenant := range []moat.Tenant{tenantA, tenantB, "cccccccc-0000-4000-8000-000000000003"} {
		want := map[moat.Tenant]int{tenantA: 20, tenantB: 20}[tenant]
		err := db.InTx(as(tenant), func(tx pgx.Tx) error {
			ctx := context.Background()
			// One prepared statement and one generic plan for all tenants of the connection.
			if n := rowsIn(t, tx, "select count(*) from app.leads"); n != want {
				t.Errorf("plan: %d rows, want %d", n, want)
			}
			for _, fn := range []string{"app.invoker()", "app.inner()"} {
				if n := rowsIn(t, tx, "select "+fn); n != want {
					t.Errorf("%s: %d rows, want %d", fn, n, want)
				}
			}
			_, err := tx.Exec(ctx, "declare c cursor for select id from app.leads")
			must(t, err)
			tag, err := tx.Exec(ctx, "move all from c")
			must(t, err)
			if int(tag.RowsAffected()) != want {
				t.Errorf("cursor: %d rows, want %d", tag.RowsAffected(), want)
			}
			return nil
		})
		must(t, err)
	}
}

// A procedure that commits ends the binding: what follows sees nothing.
func TestCommitInProcedureEndsTheBinding(t *testing.T) {
	t.Parallel()
	f := newSealed(t, pgtest.Shared(t))
	f.Exec(t, `create procedure app.work(inout before bigint, inout after bigint) language plpgsql as $$
		begin select count(*) into before from app.leads; commit; select count(*) into after from app.leads; end $$`)
	conn := f.Conn(t, f.App)
	// In the simple protocol both are one implicit transaction, in which CALL may not
	// commit; a DO block of one statement binds and commits.
	_, args, err := f.sealer(t, nil).Bind(t.Context(), tenantA, conn.PgConn().PID())
	must(t, err)
	call := strings.NewReplacer("{args}", literalArgs(args)).Replace(
		`do $$ declare b bigint; a bigint; begin perform moat.enter({args}); call app.work(b, a);
			perform set_config('test.seen', b || ' ' || a, false); end $$`)
	_, err = conn.Exec(t.Context(), call)
	must(t, err)
	var seen string
	must(t, conn.QueryRow(t.Context(), "select current_setting('test.seen')").Scan(&seen))
	if seen != "20 0" {
		t.Errorf("before and after COMMIT: %s rows, want 20 0", seen)
	}
}

// Parallel workers have other process ids than the leader that was bound.
func TestParallelWorkers(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: none; it is its 20,000 rows that take long
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		parallelEvents(t, newSealed(t, c))
	})
}

// parallelEvents counts A's events in workers only.
func parallelEvents(t *testing.T, f *fixture) {
	t.Helper()
	f.Exec(t, `insert into app.events select $1, i, 'x' from generate_series(100, 20000) i`, string(tenantA))
	f.Exec(t, "vacuum analyze app.events")
	inTx(t, f, func(tx pgx.Tx) {
		_, err := tx.Exec(context.Background(),
			`select set_config('parallel_setup_cost', '0', true), set_config('parallel_tuple_cost', '0', true),
			set_config('min_parallel_table_scan_size', '0', true), set_config('parallel_leader_participation', 'off', true),
			set_config('enable_indexscan', 'off', true),
			set_config('enable_bitmapscan', 'off', true), set_config('enable_indexonlyscan', 'off', true)`)
		must(t, err)
		const sql = "select count(kind) from app.events"
		if plan := explain(t, tx, "explain (analyze, costs off, timing off) "+sql); !strings.Contains(plan,
			"Workers Launched: ") || strings.Contains(plan, "Workers Launched: 0") {
			t.Errorf("no worker ran, so this shows nothing:\n%s", plan)
		}
		if n := rowsIn(t, tx, sql); n != 20+19901 {
			t.Errorf("%d rows through workers, want %d", n, 20+19901)
		}
	})
}

// Sealed policies use the same index as plain ones.
func TestIndexUseUnchanged(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		f := newFixture(t, c)
		f.Exec(t, `insert into app.leads select ('00000000-0000-4000-8000-' || lpad((i % 500)::text, 12, '0'))::uuid, i,
			'lead' from generate_series(1, 50000) i`)
		f.Exec(t, "analyze app.leads")
		shape := func() string {
			var plan string
			inTx(t, f, func(tx pgx.Tx) {
				plan = explain(t, tx, "explain (costs off) select name from app.leads where id = 7") +
					explain(t, tx, "explain (costs off) select name from app.leads order by id limit 50")
			})
			return strings.ReplaceAll(plan, "(InitPlan 1).col1", "$0")
		}
		plain := shape()
		f.switchTo(t, "sealed")
		sealed := shape()
		if plain != sealed {
			t.Errorf("plain:\n%s\nsealed:\n%s", plain, sealed)
		}
		if !strings.Contains(sealed, "Index Cond: ((tenant_id = ") {
			t.Errorf("the policy is no index condition:\n%s", sealed)
		}
	})
}

func TestFactsAreSealed(t *testing.T) {
	t.Parallel()
	f := newSealed(t, pgtest.Shared(t))
	ctx := moat.WithScope(context.Background(),
		moat.Scope{Tenant: tenantA, Subject: "ann", Role: "clerk", Claims: json.RawMessage(`{"plan":"gold"}`)})
	db := f.open(t, 1, moat.Options{Sealer: f.sealer(t, nil), SubjectSetting: "app.subject", RoleSetting: "app.role",
		ClaimsSetting: "app.claims"})
	const sql = `select moat.current_fact('subject'), moat.current_fact('role'), moat.current_fact('claims')::json ->>
		'plan',
		case when set_config('app.role', 'boss', true) <> '' then moat.current_fact('role') end`
	var subject, role, plan, forged string
	must(t, db.QueryRow(ctx, sql).Scan(&subject, &role, &plan, &forged))
	if subject != "ann" || role != "clerk" || plan != "gold" || forged != "clerk" {
		t.Errorf("got %q, %q, %q and after a forgery %q", subject, role, plan, forged)
	}
	var none *string
	must(t, db.QueryRow(as(tenantA), "select moat.current_fact('role')").Scan(&none))
	if none != nil {
		t.Errorf("a scope without facts has the role %q", *none)
	}
	if _, _, err := f.sealer(t, nil).Bind(ctx, tenantB, 1); !errors.Is(err, moat.ErrTenantMismatch) {
		t.Errorf("binding another tenant with these facts: %v", err)
	}
}

func explain(t *testing.T, tx pgx.Tx, sql string) string {
	t.Helper()
	rows, err := tx.Query(context.Background(), sql)
	must(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	return strings.Join(lines, "\n") + "\n"
}
