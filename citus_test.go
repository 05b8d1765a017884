package moat_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/policy"
)

// newSpread is newLeads with the function that binds, and with Citus' catalogue imitated.
func newSpread(t testing.TB) *fixture {
	t.Helper()
	f := newLeads(t)
	f.Exec(t, pgtest.Citus)
	return newSpreadOn(t, f)
}

// newSpreadOn adds the function.
func newSpreadOn(t testing.TB, f *fixture) *fixture {
	t.Helper()
	f.Exec(t, "create schema moat; grant usage on schema moat to "+f.Role)
	f.Exec(t, policy.SetTenant(policy.Facts{Tenant: moat.DefaultTenantSetting, Subject: moat.DefaultSubjectSetting,
		Role: moat.DefaultRoleSetting, Claims: moat.DefaultClaimsSetting}))
	return f
}

// The binding that does not reach the shards is refused, wherever it was chosen, and the one
// that does without its function.
func TestCitusRefused(t *testing.T) {
	t.Parallel()
	f := newSpread(t)
	open := func(o moat.Options) error {
		db, err := moat.Open(t.Context(), f.App, &o)
		if err == nil {
			db.Close()
		}
		return err
	}
	if err := open(moat.Options{Citus: moat.CitusOff}); err != nil {
		t.Fatalf("before anything is distributed: %v", err)
	}
	before := f.open(t, 1, moat.Options{})
	f.Exec(t, "select create_distributed_table('leads', 'tenant_id')")
	if err := before.Check(t.Context()); !errors.Is(err, moat.ErrDistributed) {
		t.Errorf("a DB that was open before: %v", err)
	}
	if _, err := before.Exec(as(tenantA), "select 1"); !errors.Is(err, moat.ErrDistributed) {
		t.Errorf("its next statement: %v", err)
	}
	if err := open(moat.Options{Citus: moat.CitusOff}); !errors.Is(err, moat.ErrDistributed) {
		t.Errorf("off: %v", err)
	}
	db, err := moat.New(f.pool(t, 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(as(tenantA), "select 1"); !errors.Is(err, moat.ErrDistributed) {
		t.Errorf("New: %v", err)
	}
	if err := open(moat.Options{}); err != nil {
		t.Errorf("detected: %v", err)
	}
	if err := open(moat.Options{TenantSetting: "app.other"}); !errors.Is(err, moat.ErrNoSetTenant) {
		t.Errorf("a function for another setting: %v", err)
	}
	if err := open(moat.Options{Sealer: boundSealer{}}); !errors.Is(err, moat.ErrSealedDistributed) {
		t.Errorf("sealed: %v", err)
	}
	f.Exec(t, "revoke execute on function "+policy.SetTenantFunction+" from public")
	if err := open(moat.Options{}); !errors.Is(err, moat.ErrNoSetTenant) {
		t.Errorf("a function that may not be executed: %v", err)
	}
}

// Everything that a DB does works with the other binding, in one round trip each, and the
// connection is idle afterwards, also where the statement, the binding or the commit fails.
func TestCitusWire(t *testing.T) {
	t.Parallel()
	f := newSpread(t)
	f.Exec(t, "create table late (id int primary key deferrable initially deferred); insert into late values (1); "+
		"grant insert on late to "+f.Role)
	var trips pgtest.Trips
	db := f.open(t, 1, moat.Options{Citus: moat.CitusOn, ConfigurePool: func(c *pgxpool.Config) { trips.Install(c) }})
	statements := []struct{ sql, code string }{
		{"select name from leads order by id", ""}, {"select 1/(id-1) from leads", "22012"},
		{"select nothing from leads", "42703"}, {"insert into late values (1)", "23505"},
	}
	for _, args := range [][]any{nil, {pgx.QueryExecModeExec}} {
		for _, s := range statements {
			for try := range 3 {
				trips.Reset()
				rows, err := db.Query(as(tenantA), s.sql, args...)
				if err == nil {
					rows.Close()
					err = rows.Err()
				}
				if code := sqlState(err); code != s.code {
					t.Errorf("%s: %v", s.sql, err)
				}
				if n := trips.Count(); try > 0 && n != 1 && s.code != "42703" {
					t.Errorf("%s, %d args: %d round trips", s.sql, len(args), n)
				}
				idle(t, db)
			}
		}
	}
	got := names(t, as(tenantA), db, "select name from leads where id <= $1 order by id", 2)
	if !slices.Equal(got, []string{"a1", "a2"}) {
		t.Errorf("A sees %q", got)
	}
}

// idle looks at the connection of a pool of one.
func idle(t *testing.T, db *moat.DB) {
	t.Helper()
	conn, err := db.UnscopedPool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if s := conn.Conn().PgConn().TxStatus(); s != 'I' {
		t.Errorf("the connection is in state %c", s)
	}
}

// Bind finds out by itself.
func TestCitusBind(t *testing.T) {
	t.Parallel()
	f := newSpread(t)
	conn := f.Conn(t, f.App)
	bound := func() (by string) {
		err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			if err := moat.Bind(t.Context(), tx, moat.Scope{Tenant: tenantA}, nil); err != nil {
				return err
			}
			return tx.QueryRow(t.Context(), "select coalesce(current_setting('moat.test_bound', true), '')").Scan(&by)
		})
		if err != nil {
			t.Fatal(err)
		}
		return by
	}
	f.Exec(t, "drop function "+policy.SetTenantFunction)
	f.Exec(t, `create function moat.set_tenant(tenant text, subject text default '', role text default '',
		claims text default '') returns text language sql as $$ select set_config('moat.test_bound', tenant, true) $$`)
	if by := bound(); by != "" {
		t.Errorf("before anything is distributed: bound by the function")
	}
	f.Exec(t, "select create_distributed_table('leads', 'tenant_id')")
	if by := bound(); by != string(tenantA) {
		t.Errorf("distributed: bound by set_config")
	}
	err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		return moat.Bind(t.Context(), tx, moat.Scope{Tenant: tenantA}, &moat.Options{Citus: moat.CitusOff})
	})
	if !errors.Is(err, moat.ErrDistributed) {
		t.Errorf("distributed, and off: %v", err)
	}
}

// Batches, transactions, facts and bulk inserts.
func TestCitusUses(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: the same over one server
	f := newSpread(t)
	db := f.open(t, 1, moat.Options{Citus: moat.CitusOn})
	scope := moat.WithScope(t.Context(), moat.Scope{Tenant: tenantA, Subject: "ann", Role: "admin",
		Claims: []byte(`{"a":"$1"}`)})
	const facts = "select current_setting('app.subject') || current_setting('app.role') || " +
		"current_setting('request.jwt.claims')"
	if got := names(t, scope, db, facts); got[0] != `annadmin{"a":"$1"}` {
		t.Errorf("facts %q", got)
	}
	batch := &pgx.Batch{}
	batch.Queue("insert into leads (id, name) values ($1, 'batch')", 50)
	var n int
	batch.Queue("select count(*) from leads").QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
	if err := db.SendBatch(as(tenantA), batch).Close(); err != nil || n != 4 {
		t.Errorf("batch: %d leads, %v", n, err)
	}
	failing := &pgx.Batch{}
	failing.Queue("insert into leads (id, name) values (51, 'gone')")
	failing.Queue("select 1/0")
	if err := db.SendBatch(as(tenantA), failing).Close(); sqlState(err) != "22012" {
		t.Errorf("failing batch: %v", err)
	}
	if n, err := db.BulkInsert(as(tenantA), pgx.Identifier{"leads"}, []string{"id", "name"},
		pgx.CopyFromRows([][]any{{60, "x"}, {61, "y"}})); n != 2 || err != nil {
		t.Errorf("bulk: %d, %v", n, err)
	}
	err := db.InTx(as(tenantA), func(tx pgx.Tx) error {
		_, err := tx.Exec(as(tenantA), "select moat.set_tenant($1)", string(tenantB))
		return err
	})
	if sqlState(err) != "25001" {
		t.Errorf("a second tenant: %v", err)
	}
	if got := names(t, as(tenantB), db, "select name from leads order by name"); !slices.Equal(got, []string{"b1", "b2"}) {
		t.Errorf("B sees %q", got)
	}
	if _, err := db.Exec(moat.WithScope(t.Context(), moat.Scope{Tenant: tenantA, Width: moat.Descendants}),
		"select 1"); !errors.Is(err, moat.ErrNoTree) {
		t.Errorf("a wide scope: %v", err)
	}
	for range 600 { // more than are kept prepared
		sql := "select name from leads where id = 1 -- " + strings.Repeat("x", n)
		n++
		if got := names(t, as(tenantB), db, sql); len(got) != 1 {
			t.Fatalf("%s: %q", sql, got)
		}
	}
}

// Many tenants on few connections, with errors and cancels: every answer is the tenant's own.
func TestCitusUnderErrorsAndCancels(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestCitusUses
	underErrors(t, newSpread(t).open(t, 2, moat.Options{Citus: moat.CitusOn}), 60, 2*time.Millisecond)
}

// The same on a real cluster, each statement in one round trip, and without a tenant nothing.
func TestCitusReal(t *testing.T) {
	t.Parallel()
	f := newSpreadOn(t, leadsIn(t, pgtest.NewCitus(t)))
	f.Exec(t, "drop policy tenant_isolation on leads; drop policy tenant_access on leads; create policy tenant_isolation "+
		"on leads using (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid)")
	f.Exec(t, "select create_distributed_table('leads', 'tenant_id')")
	var trips pgtest.Trips
	db := f.open(t, 1, moat.Options{ConfigurePool: func(c *pgxpool.Config) { trips.Install(c) }})
	if !db.Spread() {
		t.Fatal("Open has not seen Citus")
	}
	for try, tenant := range []moat.Tenant{tenantA, tenantB, tenantA, tenantB} {
		trips.Reset()
		got := names(t, as(tenant), db, "select name from leads order by id")
		if want := [][]string{{"a1", "a2", "a3"}, {"b1", "b2"}}[try%2]; !slices.Equal(got, want) {
			t.Errorf("%s sees %q", tenant, got)
		}
		if n := trips.Count(); try > 0 && n != 1 {
			t.Errorf("%d round trips", n)
		}
	}
	var n int
	if err := f.pool(t, 1).QueryRow(t.Context(), "select count(*) from leads").Scan(&n); err != nil || n != 0 {
		t.Errorf("without a tenant: %d rows, %v", n, err)
	}
	underErrors(t, f.open(t, 4, moat.Options{}), pgtest.Rounds(t, "MOAT_TEST_REQUESTS", 150, 150), 20*time.Millisecond)
}

// underErrors has six callers of two tenants run statements that succeed, fail or take too long.
func underErrors(t *testing.T, db *moat.DB, times int, patience time.Duration) {
	var wg sync.WaitGroup
	var right, refused atomic.Int64
	for i := range 6 {
		wg.Go(func() {
			tenant, want := []moat.Tenant{tenantA, tenantB}[i%2], []int{3, 2}[i%2]
			for k := range times {
				ctx, cancel := context.WithTimeout(as(tenant), time.Hour)
				sql := "select count(*), count(*) filter (where tenant_id = $1) from leads"
				switch k % 4 {
				case 1:
					sql = "select 1/0, 0 where $1::uuid is not null"
				case 2:
					cancel()
					ctx, cancel = context.WithTimeout(as(tenant), patience)
					sql = "select count(*), count(*) filter (where tenant_id = $1) from leads, pg_sleep(0.01)"
				}
				var all, own int
				err := db.QueryRow(ctx, sql, string(tenant)).Scan(&all, &own)
				cancel()
				switch {
				case err != nil:
					refused.Add(1)
				case all != want || own != want:
					t.Errorf("%s sees %d rows, %d of them its own", tenant, all, own)
				default:
					right.Add(1)
				}
				if err != nil && k%4 != 1 && k%4 != 2 {
					t.Errorf("%s: %v", tenant, err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d right, %d refused or cancelled", right.Load(), refused.Load())
}
