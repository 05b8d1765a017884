package moat_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
)

// pgx's own helpers work with a DB.
func TestBegin(t *testing.T) {
	t.Parallel()
	db := newLeads(t).open(t, 1, moat.Options{})
	err := pgx.BeginTxFunc(as(tenantA), db, pgx.TxOptions{IsoLevel: pgx.Serializable}, func(tx pgx.Tx) error {
		if got := names(t, as(tenantA), tx, "select current_setting('transaction_isolation')"); got[0] != "serializable" {
			t.Errorf("isolation level %q", got[0])
		}
		_, err := tx.Exec(as(tenantA), "insert into leads (id, name) values (60, 'begun')")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	if err := pgx.BeginFunc(as(tenantA), db, func(pgx.Tx) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("BeginFunc returned %v", err)
	}
	if _, err := db.Begin(context.Background()); !errors.Is(err, moat.ErrNoTenant) {
		t.Errorf("Begin without a tenant: %v", err)
	}
	// The pool has one connection: what was not given back would end here.
	if got := names(t, as(tenantA), db, "select name from leads where id = 60"); len(got) != 1 {
		t.Errorf("A sees %q", got)
	}
}

// A context for somebody else of the same tenant would be judged by the wrong facts.
func TestInTxRefusesOtherFacts(t *testing.T) {
	t.Parallel()
	db := newLeads(t).open(t, 1, moat.Options{})
	ann := moat.Scope{Tenant: tenantA, Subject: "ann", Role: "admin"}
	_ = db.InTx(moat.WithScope(context.Background(), ann), func(tx pgx.Tx) error {
		for _, s := range []moat.Scope{{Tenant: tenantA, Subject: "ann", Role: "viewer"}, {Tenant: tenantA, Role: "admin"},
			{Tenant: tenantA, Subject: "bob", Role: "admin"}} {
			if _, err := tx.Exec(moat.WithScope(context.Background(), s), "select 1"); !errors.Is(err, moat.ErrScopeMismatch) {
				t.Errorf("%+v: %v", s, err)
			}
		}
		return nil
	})
}

// Who vouches for the caller goes where an option says, and nowhere else; what a session had
// set before is no caller's.
func TestIssuer(t *testing.T) {
	t.Parallel()
	f := newLeads(t)
	of := func(issuer string) context.Context {
		return moat.WithScope(context.Background(), moat.Scope{Tenant: tenantA, Issuer: issuer})
	}
	const sql = "select coalesce(current_setting('app.issuer', true), '')"
	session := func(c *pgxpool.Config) { c.ConnConfig.RuntimeParams["app.issuer"] = "the session's" }
	sent := f.open(t, 1, moat.Options{IssuerSetting: moat.DefaultIssuerSetting, ConfigurePool: session})
	for _, issuer := range []string{"https://one.test", ""} {
		if got := names(t, of(issuer), sent, sql); got[0] != issuer {
			t.Errorf("bound to %q: %q", issuer, got)
		}
	}
	if got := names(t, of("https://one.test"), f.open(t, 1, moat.Options{}), sql); got[0] != "" {
		t.Errorf("no option sends it, and yet: %q", got)
	}
	_ = sent.InTx(of("https://one.test"), func(tx pgx.Tx) error {
		if _, err := tx.Exec(of("https://two.test"), "select 1"); !errors.Is(err, moat.ErrScopeMismatch) {
			t.Errorf("another issuer's caller: %v", err)
		}
		return nil
	})
}

func TestRetries(t *testing.T) {
	t.Parallel()
	db := newLeads(t).open(t, 1, moat.Options{})
	run := func(retries, failures int, code string) (tries int, err error) {
		err = db.InTxWith(as(tenantA), moat.TxOptions{Retries: retries}, func(pgx.Tx) error {
			if tries++; tries <= failures {
				return fmt.Errorf("statement: %w", &pgconn.PgError{Code: code})
			}
			return nil
		})
		return tries, err
	}
	if tries, err := run(3, 2, "40001"); tries != 3 || err != nil {
		t.Errorf("two serialization failures: %d tries, %v", tries, err)
	}
	if tries, err := run(1, 9, "40P01"); tries != 2 || sqlState(err) != "40P01" {
		t.Errorf("deadlocks without end: %d tries, %v", tries, err)
	}
	if tries, _ := run(3, 1, "23505"); tries != 1 {
		t.Errorf("a unique violation is tried %d times", tries)
	}
}

// Two transactions that cannot both be serialized: with retries both are.
func TestRetriesOfARealConflict(t *testing.T) {
	t.Parallel()
	db := newLeads(t).open(t, 2, moat.Options{})
	o := moat.TxOptions{TxOptions: pgx.TxOptions{IsoLevel: pgx.Serializable}, Retries: 5}
	var read sync.WaitGroup // both have read before either writes
	read.Add(2)
	errs := make(chan error, 2)
	for i := range 2 {
		go func() {
			first := true
			errs <- db.InTxWith(as(tenantA), o, func(tx pgx.Tx) error {
				var n int
				if err := tx.QueryRow(as(tenantA), "select count(*) from leads").Scan(&n); err != nil {
					return err
				}
				if first {
					first = false
					read.Done()
					read.Wait()
				}
				_, err := tx.Exec(as(tenantA), "insert into leads (id, name) values ($1, $2)", 70+i, fmt.Sprint(n))
				return err
			})
		}()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := names(t, as(tenantA), db, "select name from leads where id >= 70 order by name"); got[0] == got[1] {
		t.Errorf("both counted %q leads", got)
	}
}
