package moat_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
)

// What ends the transaction, or outlives it, is refused wherever it is typed.
func TestStatementsThatAreRefused(t *testing.T) {
	t.Parallel()
	f := newLeads(t)
	db := f.open(t, 2, moat.Options{})
	for sql, want := range map[string]error{
		"commit":                          moat.ErrTransactionControl,
		"  -- done\n END":                 moat.ErrTransactionControl,
		"/* /* x */ */ ;commit and chain": moat.ErrTransactionControl,
		"abort":                           moat.ErrTransactionControl,
		"rollback":                        moat.ErrTransactionControl,
		"rollback and chain":              moat.ErrTransactionControl,
		"ROLLBACK WORK":                   moat.ErrTransactionControl,
		"prepare transaction 'x'":         moat.ErrTransactionControl,
		"start transaction":               moat.ErrTransactionControl,
		"set app.current_tenant = 'x'":    moat.ErrSessionState,
		"SET SESSION search_path = x":     moat.ErrSessionState,
		"set role postgres":               moat.ErrSessionState,
		"reset all":                       moat.ErrSessionState,
		"discard plans":                   moat.ErrSessionState,
		"listen x":                        moat.ErrSessionState,
		"prepare p as select 1":           moat.ErrSessionState,
		"declare c cursor /* */ WITH\nHOLD for select": moat.ErrSessionState,
	} {
		if _, err := db.Exec(as(tenantA), sql); !errors.Is(err, want) {
			t.Errorf("Exec %q: %v", sql, err)
		}
		err := db.InTx(as(tenantA), func(tx pgx.Tx) error {
			if _, err := tx.Exec(as(tenantA), "insert into leads (id, name) values (50, 'half')"); err != nil {
				return err
			}
			b := &pgx.Batch{}
			b.Queue(sql)
			if err := tx.SendBatch(as(tenantA), b).Close(); !errors.Is(err, want) {
				t.Errorf("batch %q: %v", sql, err)
			}
			return tx.QueryRow(as(tenantA), sql).Scan()
		})
		if !errors.Is(err, want) {
			t.Errorf("InTx %q: %v", sql, err)
		}
	}
	if got := names(t, as(tenantA), db, "select name from leads where id = 50"); len(got) != 0 {
		t.Errorf("half a transaction was committed: %q", got)
	}
}

func TestStatementsThatArePermitted(t *testing.T) {
	t.Parallel()
	db := newLeads(t).open(t, 1, moat.Options{})
	err := db.InTx(as(tenantA), func(tx pgx.Tx) error {
		for _, sql := range []string{"set local work_mem = '1MB'", "savepoint s", "rollback to s", "rollback work to s",
			"release s", "set constraints all deferred", "declare c cursor for select 'with hold'", "close c"} {
			if _, err := tx.Exec(as(tenantA), sql); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// rewriter is SQL that the check does not see.
type rewriter string

func (r rewriter) RewriteQuery(context.Context, *pgx.Conn, string, []any) (string, []any, error) {
	return string(r), nil, nil
}

func TestTransactionThatEndedUnseen(t *testing.T) {
	t.Parallel()
	db := newLeads(t).open(t, 1, moat.Options{})
	err := db.InTx(as(tenantA), func(tx pgx.Tx) error {
		_, err := tx.Exec(as(tenantA), "select 1", rewriter("commit"))
		return err
	})
	if !errors.Is(err, moat.ErrTransactionControl) {
		t.Errorf("a commit by a rewriter: %v", err)
	}
	if _, err := db.Exec(as(tenantA), "select 1", rewriter("begin")); !errors.Is(err, moat.ErrOpenTransaction) {
		t.Errorf("a begin by a rewriter: %v", err)
	}
	if got := names(t, as(tenantB), db, "select name from leads order by id"); len(got) != 2 {
		t.Errorf("afterwards B sees %q", got)
	}
}

// Programs put pgx's options in front of the arguments.
func TestOptionsBeforeArguments(t *testing.T) {
	t.Parallel()
	db := newLeads(t).open(t, 1, moat.Options{})
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec,
		pgx.QueryExecModeCacheDescribe} {
		args := []any{mode, pgx.NamedArgs{"n": "a1"}}
		const sql = "select name from leads where name = @n"
		if got := names(t, as(tenantA), db, sql, args...); len(got) != 1 {
			t.Errorf("mode %v: %q", mode, got)
		}
		_ = db.InTx(as(tenantA), func(tx pgx.Tx) error {
			if got := names(t, as(tenantA), tx, sql, args...); len(got) != 1 {
				t.Errorf("mode %v in a transaction: %q", mode, got)
			}
			if _, err := tx.Exec(as(tenantA), "select 1; commit", mode); sqlState(err) != "42601" {
				t.Errorf("mode %v runs two statements: %v", mode, err)
			}
			return nil
		})
	}
	if _, err := db.Query(as(tenantA), "select 1", pgx.QueryResultFormats{pgx.TextFormatCode}); err == nil {
		t.Error("result formats are ignored")
	}
}

func TestErrorsAreTyped(t *testing.T) {
	t.Parallel()
	f := newLeads(t)
	db := f.open(t, 1, moat.Options{})
	foreign := "insert into leads (tenant_id, id, name) values ('" + string(tenantB) + "', 77, 'x') returning name"
	check := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) || sqlState(err) == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := db.Exec(as(tenantA), foreign)
	check("Exec", err, moat.ErrPolicyViolation)
	check("QueryRow", db.QueryRow(as(tenantA), foreign).Scan(new(string)), moat.ErrPolicyViolation)
	b := &pgx.Batch{}
	b.Queue(foreign)
	check("SendBatch", db.SendBatch(as(tenantA), b).Close(), moat.ErrPolicyViolation)
	check("InTx", db.InTx(as(tenantA), func(tx pgx.Tx) error {
		return tx.QueryRow(as(tenantA), foreign).Scan(new(string))
	}), moat.ErrPolicyViolation)
	check("InReadTx", db.InReadTx(as(tenantA), func(tx pgx.Tx) error {
		_, err := tx.Exec(as(tenantA), "delete from leads")
		return err
	}), moat.ErrReadOnly)
	f.Exec(t, "create table closed (id int)")
	if _, err := db.Exec(as(tenantA), "select * from closed"); errors.Is(err, moat.ErrPolicyViolation) {
		t.Errorf("a missing grant passes for a policy: %v", err)
	}
	_, err = db.Exec(moat.WithScope(context.Background(), moat.Scope{Tenant: tenantA, Role: "x"}), "select 1")
	if err != nil {
		t.Errorf("facts are sent without options: %v", err)
	}
}
