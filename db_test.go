package moat_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// querier is what the tests ask of a DB, a transaction or a plain pool.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func names(t testing.TB, ctx context.Context, q querier, sql string, args ...any) []string {
	t.Helper()
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func sqlState(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

func TestForgottenWhereSeesOwnRowsOnly(t *testing.T) {
	t.Parallel()
	db := newLeads(t).open(t, 1, moat.Options{})
	for tenant, want := range map[moat.Tenant][]string{tenantA: {"a1", "a2", "a3"}, tenantB: {"b1", "b2"}} {
		got := names(t, as(tenant), db, "select name from leads order by id")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("tenant %s (-want +got):\n%s", tenant, diff)
		}
	}
}

func TestUnsetTenantSeesNothing(t *testing.T) {
	t.Parallel()
	f := newLeads(t)
	pool := f.pool(t, 1)
	if got := names(t, context.Background(), pool, "select name from leads"); len(got) != 0 {
		t.Fatalf("fresh connection without a tenant sees %q", got)
	}
	db, err := moat.New(pool, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(t, as(tenantA), db, "select name from leads"); len(got) != 3 {
		t.Fatalf("A sees %q", got)
	}
	// The same connection again: the setting is '' now, not NULL.
	if got := names(t, context.Background(), pool, "select name from leads"); len(got) != 0 {
		t.Fatalf("used connection without a tenant sees %q", got)
	}
	for _, sql := range []string{"update leads set name = 'x'", "delete from leads"} {
		tag, err := pool.Exec(context.Background(), sql)
		if err != nil || tag.RowsAffected() != 0 {
			t.Errorf("%s without a tenant: %v, %v", sql, tag, err)
		}
	}
	if _, err := pool.Exec(context.Background(), "insert into leads (tenant_id, name) values ($1, 'x')",
		string(tenantA)); sqlState(err) != "42501" {
		t.Errorf("insert without a tenant: %v, want a policy error", err)
	}
}

func TestWritesStayInTenant(t *testing.T) {
	t.Parallel()
	f := newLeads(t)
	db := f.open(t, 1, moat.Options{})
	for what, sql := range map[string]string{
		"insert for B":  "insert into leads (tenant_id, name) values ('" + string(tenantB) + "', 'planted')",
		"move row to B": "update leads set tenant_id = '" + string(tenantB) + "' where id = 3",
	} {
		if _, err := db.Exec(as(tenantA), sql); sqlState(err) != "42501" {
			t.Errorf("%s: %v, want a policy error", what, err)
		}
	}
	tag, err := db.Exec(as(tenantA), "update leads set name = name || '!'")
	if err != nil || tag.RowsAffected() != 3 {
		t.Errorf("update without WHERE: %v, %v", tag, err)
	}
	tag, err = db.Exec(as(tenantA), "delete from leads where tenant_id = $1", string(tenantB))
	if err != nil || tag.RowsAffected() != 0 {
		t.Errorf("delete of B's rows: %v, %v", tag, err)
	}
	if got := names(t, as(tenantB), db, "select name from leads order by id"); !cmp.Equal(got, []string{"b1", "b2"}) {
		t.Errorf("B has %q afterwards", got)
	}
}

// The database is the wall: without the restrictive policy the permissive one shows
// every row, and these tests must then see foreign rows.
func TestIsolationComesFromThePolicy(t *testing.T) {
	t.Parallel()
	f := newLeads(t)
	f.Exec(t, "drop policy tenant_isolation on leads")
	db := f.open(t, 1, moat.Options{})
	if got := names(t, as(tenantA), db, "select name from leads"); len(got) != 5 {
		t.Fatalf("without the policy A sees %d rows: the isolation tests prove nothing", len(got))
	}
}

func TestNoTenantIsRefusedBeforeAnyRoundTrip(t *testing.T) {
	t.Parallel()
	f := newLeads(t)
	var trips pgtest.Trips
	db := f.open(t, 1, moat.Options{ConfigurePool: trips.Install, SubjectSetting: moat.NotSent})
	trips.Reset()
	for what, ctx := range map[string]context.Context{
		"no scope":     context.Background(),
		"empty tenant": as(""),
		"not a uuid":   as("1' or '1'='1"),
		"other fact":   moat.WithScope(context.Background(), moat.Scope{Tenant: tenantA, Subject: "u1"}),
	} {
		_, err := db.Query(ctx, "select 1")
		if err == nil {
			t.Errorf("%s: Query was not refused", what)
		}
		if err := db.QueryRow(ctx, "select 1").Scan(new(int)); err == nil {
			t.Errorf("%s: QueryRow was not refused", what)
		}
		if _, err := db.Exec(ctx, "select 1"); err == nil {
			t.Errorf("%s: Exec was not refused", what)
		}
		if err := db.SendBatch(ctx, &pgx.Batch{}).Close(); err == nil {
			t.Errorf("%s: SendBatch was not refused", what)
		}
		if err := db.InTx(ctx, func(pgx.Tx) error { return nil }); err == nil {
			t.Errorf("%s: InTx was not refused", what)
		}
	}
	if n := trips.Count(); n != 0 {
		t.Errorf("refused statements made %d round trips", n)
	}
	if _, err := db.Exec(context.Background(), "select 1"); !errors.Is(err, moat.ErrNoTenant) {
		t.Errorf("no scope: %v, want ErrNoTenant", err)
	}
}

func TestOneRoundTripOncePrepared(t *testing.T) {
	t.Parallel()
	f := newLeads(t)
	var trips pgtest.Trips
	db := f.open(t, 1, moat.Options{ConfigurePool: trips.Install, SubjectSetting: "app.subject",
		ClaimsSetting: "request.jwt.claims"})
	count := func(what string, run func()) {
		t.Helper()
		run() // prepares the statements on the only connection
		trips.Reset()
		run()
		if n := trips.Count(); n != 1 {
			t.Errorf("%s took %d round trips, want 1", what, n)
		}
	}
	count("Query", func() {
		if got := names(t, as(tenantA), db, "select name from leads"); len(got) != 3 {
			t.Fatalf("got %q", got)
		}
	})
	count("QueryRow", func() {
		var n int
		if err := db.QueryRow(as(tenantA), "select count(*) from leads where id > $1", 0).Scan(&n); err != nil || n != 3 {
			t.Fatalf("count %d, %v", n, err)
		}
	})
	count("Exec", func() {
		if _, err := db.Exec(as(tenantA), "update leads set name = name where id = $1", 1); err != nil {
			t.Fatal(err)
		}
	})
	count("SendBatch", func() {
		b := &pgx.Batch{}
		b.Queue("select count(*) from leads")
		b.Queue("update leads set name = name")
		if err := db.SendBatch(as(tenantA), b).Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestInTxBeginsInOneRoundTrip(t *testing.T) {
	t.Parallel()
	f := newLeads(t)
	var trips pgtest.Trips
	db := f.open(t, 1, moat.Options{ConfigurePool: trips.Install})
	for range 2 { // the first prepares
		trips.Reset()
		if err := db.InTx(as(tenantA), func(pgx.Tx) error {
			if n := trips.Count(); n > 2 {
				t.Errorf("begin took %d round trips", n)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if n := trips.Count(); n != 2 {
		t.Errorf("an empty transaction took %d round trips, want 2: begin with settings, commit", n)
	}
}

func TestSettingsTravelTogether(t *testing.T) {
	t.Parallel()
	db := newLeads(t).open(t, 1,
		moat.Options{SubjectSetting: "app.subject", RoleSetting: "app.role", ClaimsSetting: "request.jwt.claims"})
	const q = `select concat_ws('|', current_setting('app.current_tenant'), current_setting('app.subject'),
		current_setting('app.role'), current_setting('request.jwt.claims'))`
	full := moat.WithScope(context.Background(),
		moat.Scope{Tenant: tenantA, Subject: "u'1", Role: "admin", Claims: json.RawMessage(`{"a":1}`)})
	if got := names(t, full, db, q); got[0] != string(tenantA)+`|u'1|admin|{"a":1}` {
		t.Errorf("full scope set %q", got)
	}
	// A poorer scope on the same connection must not inherit the richer one's facts,
	// not even from a session-level setting that a statement left behind.
	if _, err := db.Exec(full, "select set_config('app.role', 'superadmin', false)"); err != nil {
		t.Fatal(err)
	}
	if got := names(t, as(tenantB), db, q); got[0] != string(tenantB)+"|||" {
		t.Errorf("poor scope set %q", got)
	}
}

func TestTenantTypes(t *testing.T) {
	t.Parallel()
	for typ, ids := range map[moat.TenantType][2]moat.Tenant{
		moat.BigInt: {"9007199254740993", "2"}, moat.Integer: {"1", "-2"}, moat.Text: {"acme 'ltd'", "b"},
	} {
		f := newFixture(t, typ)
		db := f.open(t, 2, moat.Options{TenantType: typ})
		for _, id := range ids {
			if _, err := db.Exec(as(id), "insert into leads (name) values ($1)", "of "+string(id)); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range ids {
			if got := names(t, as(id), db, "select name from leads"); !cmp.Equal(got, []string{"of " + string(id)}) {
				t.Errorf("%s: tenant %s sees %q", typ, id, got)
			}
		}
	}
}

func TestCommitErrorsSurface(t *testing.T) {
	t.Parallel()
	f := newLeads(t)
	f.Exec(t, "alter table leads add constraint one_name unique (tenant_id, name) deferrable initially deferred")
	db := f.open(t, 1, moat.Options{})
	const sql = "insert into leads (name) values ('a1') returning id"
	if _, err := db.Exec(as(tenantA), sql); sqlState(err) != "23505" {
		t.Errorf("Exec: %v", err)
	}
	if err := db.QueryRow(as(tenantA), sql).Scan(new(int64)); sqlState(err) != "23505" {
		t.Errorf("QueryRow: %v", err)
	}
	rows, err := db.Query(as(tenantA), sql)
	if err == nil {
		rows.Close()
		err = rows.Err()
	}
	if sqlState(err) != "23505" {
		t.Errorf("Query: %v", err)
	}
	if err := db.InTx(as(tenantA), func(tx pgx.Tx) error {
		_, err := tx.Exec(as(tenantA), sql)
		return err
	}); sqlState(err) != "23505" {
		t.Errorf("InTx: %v", err)
	}
}

func TestStatementThatOpensATransaction(t *testing.T) {
	t.Parallel()
	db := newLeads(t).open(t, 1, moat.Options{})
	if _, err := db.Exec(as(tenantA), "begin"); !errors.Is(err, moat.ErrTransactionControl) {
		t.Errorf("begin: %v", err)
	}
	b := &pgx.Batch{}
	b.Queue("begin")
	b.Queue("insert into leads (id, name) values (99, 'lost')")
	if err := db.SendBatch(as(tenantA), b).Close(); !errors.Is(err, moat.ErrTransactionControl) {
		t.Errorf("batch with begin: %v", err)
	}
	if _, err := db.Exec(as(tenantA), "select 1; select 2"); sqlState(err) != "42601" {
		t.Errorf("two statements in one string: %v", err)
	}
}
