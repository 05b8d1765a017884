package moat_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
)

// settingNow is what an unscoped statement on the pool's only connection reads.
func settingNow(t testing.TB, q querier) string {
	t.Helper()
	return names(t, context.Background(), q, "select coalesce(current_setting('app.current_tenant', true), '')")[0]
}

func TestInTxCommitsAndRollsBack(t *testing.T) {
	t.Parallel()
	f := newLeads(t)
	pool := f.pool(t, 1)
	db, err := moat.New(pool, nil)
	if err != nil {
		t.Fatal(err)
	}
	insert := func(name string, end error) error {
		return db.InTx(as(tenantA), func(tx pgx.Tx) error {
			if _, err := tx.Exec(as(tenantA), "insert into leads (id, name) values (10 + length($1), $1)", name); err != nil {
				return err
			}
			return end
		})
	}
	if err := insert("kept", nil); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	if err := insert("dropped", stop); err != stop {
		t.Fatalf("InTx returned %v, want the callback's own error", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = db.InTx(as(tenantA), func(tx pgx.Tx) error {
			_, _ = tx.Exec(as(tenantA), "insert into leads (id, name) values (99, 'panicked')")
			panic("callback")
		})
	}()
	if got := settingNow(t, pool); got != "" {
		t.Errorf("setting left behind: %q", got)
	}
	want := []string{"a1", "a2", "a3", "kept"}
	if got := names(t, as(tenantA), db, "select name from leads order by id"); !cmp.Equal(got, want) {
		t.Errorf("A has %q", got)
	}
}

func TestInTxRefusesAnotherTenant(t *testing.T) {
	t.Parallel()
	db := newLeads(t).open(t, 1, moat.Options{})
	err := db.InTx(as(tenantA), func(tx pgx.Tx) error {
		other := as(tenantB)
		_, execErr := tx.Exec(other, "delete from leads")
		_, queryErr := tx.Query(other, "select 1")
		rowErr := tx.QueryRow(other, "select 1").Scan(new(int))
		batchErr := tx.SendBatch(other, &pgx.Batch{}).Close()
		_, beginErr := tx.Begin(other)
		_, copyErr := tx.CopyFrom(other, pgx.Identifier{"leads"}, []string{"name"}, pgx.CopyFromRows(nil))
		for what, err := range map[string]error{"Exec": execErr, "Query": queryErr, "QueryRow": rowErr, "SendBatch": batchErr,
			"Begin": beginErr, "CopyFrom": copyErr} {
			if !errors.Is(err, moat.ErrTenantMismatch) {
				t.Errorf("%s as B inside A's transaction: %v", what, err)
			}
		}
		inner, err := tx.Begin(as(tenantA))
		if err != nil {
			return err
		}
		if _, err := inner.Exec(other, "select 1"); !errors.Is(err, moat.ErrTenantMismatch) {
			t.Errorf("Exec as B inside A's savepoint: %v", err)
		}
		return inner.Rollback(as(tenantA))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestInReadTxRefusesWrites(t *testing.T) {
	t.Parallel()
	db := newLeads(t).open(t, 1, moat.Options{})
	err := db.InReadTx(as(tenantA), func(tx pgx.Tx) error {
		if got := names(t, as(tenantA), tx, "select name from leads"); len(got) != 3 {
			t.Errorf("A reads %q", got)
		}
		_, err := tx.Exec(as(tenantA), "delete from leads")
		return err
	})
	if sqlState(err) != "25006" {
		t.Fatalf("write in a read-only transaction: %v", err)
	}
}

func TestInTxKeepsToOneStatementAString(t *testing.T) {
	t.Parallel()
	db := newLeads(t).open(t, 1, moat.Options{})
	err := db.InTx(as(tenantA), func(tx pgx.Tx) error {
		_, err := tx.Exec(as(tenantA), "select 1; select 2")
		return err
	})
	if sqlState(err) != "42601" {
		t.Fatalf("two statements in one string: %v", err)
	}
}

func TestCancelLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	f := newLeads(t)
	pool := f.pool(t, 1)
	db, err := moat.New(pool, nil)
	if err != nil {
		t.Fatal(err)
	}
	for what, run := range map[string]func(ctx context.Context) error{
		"Exec": func(ctx context.Context) error {
			_, err := db.Exec(ctx, "select pg_sleep(5)")
			return err
		},
		"QueryRow": func(ctx context.Context) error { return db.QueryRow(ctx, "select pg_sleep(5)::text").Scan(new(string)) },
		"InTx": func(ctx context.Context) error {
			return db.InTx(ctx, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "select pg_sleep(5)")
				return err
			})
		},
	} {
		ctx, cancel := context.WithTimeout(as(tenantA), 30*time.Millisecond)
		err := run(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want the deadline", what, err)
		}
		if got := settingNow(t, pool); got != "" {
			t.Errorf("%s left the setting %q", what, got)
		}
	}
}

func TestBrokenConnection(t *testing.T) {
	t.Parallel()
	f := newLeads(t)
	db := f.open(t, 1, moat.Options{})
	var pid int
	if err := db.QueryRow(as(tenantA), "select pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	err := db.InTx(as(tenantA), func(tx pgx.Tx) error {
		if _, err := tx.Exec(as(tenantA), "insert into leads (id, name) values (50, 'unacknowledged')"); err != nil {
			return err
		}
		f.Exec(t, "select pg_terminate_backend($1)", pid)
		return nil
	})
	if err == nil {
		t.Fatal("a commit over a broken connection was acknowledged")
	}
	if got := names(t, as(tenantA), db, "select name from leads where id = 50"); len(got) != 0 {
		t.Errorf("the unacknowledged row is there: %q", got)
	}
}

// A transaction that no DB handed out is bound as a DB's is, and not bound without a
// tenant or with a fact that has no setting.
func TestBindTiesATransaction(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	pool := newLeads(t).pool(t, 1)
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		s := moat.Scope{Tenant: tenantB, Subject: "ann"}
		if err := moat.Bind(ctx, tx, s, &moat.Options{SubjectSetting: "app.subject"}); err != nil {
			return err
		}
		const sql = "select name || ' ' || current_setting('app.subject') from leads order by id"
		if got := names(t, ctx, tx, sql); !slices.Equal(got, []string{"b1 ann", "b2 ann"}) {
			t.Errorf("bound to B: %q", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(t, ctx, pool, "select name from leads"); len(got) != 0 {
		t.Errorf("the next transaction of the connection sees %q", got)
	}
	only := &moat.Options{SubjectSetting: moat.NotSent}
	for _, s := range []moat.Scope{{}, {Tenant: "x"}, {Tenant: tenantA, Subject: "ann"}} {
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return moat.Bind(ctx, tx, s, only) })
		if err == nil {
			t.Errorf("%+v is bound", s)
		}
	}
}
