package seal_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

const factFunction = "moat.current_fact(text)"

// blind is a policy that closes the rows to whoever is a viewer, in the two forms that
// open when the role is missing, and that nobody but a viewer should miss.
const blind = `create policy blind on app.leads as restrictive to public
		using (coalesce((select moat.current_fact('role')), '') <> 'viewer');
	create policy blind_directly on app.notes as restrictive to public
		using (moat.current_fact('role') is distinct from 'viewer')`

// factAttacks are statements of a viewer of A's who wants A's rows. {seal} and {facts}
// are an administrator's of an earlier transaction of this connection, {enter} is an
// administrator's token that has not expired.
var factAttacks = []struct{ name, sql string }{
	{"nothing", "select name from app.leads"},
	{"nothing, where the policy is direct", "select body from app.notes"},
	{"facts emptied", factsAs("moat.sealed_facts", "''")},
	{"facts of garbage", factsAs("moat.sealed_facts", "'zz'")},
	{"facts without a role", factsAs("moat.sealed_facts", `'{"subject":"v"}'`)},
	{"facts of an administrator", factsAs("moat.sealed_facts", `'{facts}'`)},
	{"own facts with another role", factsAs("moat.sealed_facts",
		`replace(current_setting('moat.sealed_facts'), 'viewer', 'admin')`)},
	{"facts emptied, where the policy is direct", `with f as materialized (select set_config('moat.sealed_facts', '',
		true) x) select n.body from f cross join lateral (select body from app.notes where f.x is not null offset 0) n`},
	{"the whole seal emptied", factsAs("moat.sealed", "''")},
	{"the seal of an earlier transaction", factsAs("moat.sealed", "'{seal}'")},
	{"own MAC over no facts", factsAs("moat.sealed", "left(current_setting('moat.sealed'), 72) || "+
		"encode(sha256(''), 'hex') || substr(current_setting('moat.sealed'), 137) || "+
		"set_config('moat.sealed_facts', '', true)")},
	{"the seal emptied once the tenant is read", `select n.body from generate_series(1, 2) i cross join lateral (
		select i || case when i = 2 then set_config('moat.sealed', '', true) || set_config('moat.sealed_facts', '', true)
			else '' end x offset 0) e cross join lateral (select body from app.notes where e.x <> '' offset 0) n`},
	{"bound again as an administrator", "select {enter}::text union all select name from app.leads"},
	{"facts emptied by a DO block",
		"do $$ begin perform set_config('moat.sealed_facts', '', true); end $$;; select name from app.leads"},
	{"RESET ALL", "do $$ begin execute 'reset all'; end $$;; select name from app.leads"},
	{"facts emptied, and the change rolled back", "savepoint s;; set local moat.sealed_facts = '';; rollback to s;; " +
		"select name from app.leads"},
}

// factsAs sets a setting in an expression, ahead of a read of the rows.
func factsAs(setting, value string) string {
	return `with f as materialized (select set_config('` + setting + `', ` + value + `, true) x)
		select l.name from f cross join lateral (select name from app.leads where f.x is not null offset 0) l`
}

func scoped(role string) context.Context {
	return moat.WithScope(context.Background(),
		moat.Scope{Tenant: tenantA, Subject: "s", Role: role, Claims: json.RawMessage(`{"team": 1}`)})
}

// factTarget is a sealed database with what a viewer may have kept of an administrator.
type factTarget struct {
	*fixture
	db *moat.DB
}

func newFactTarget(t *testing.T) *factTarget {
	t.Helper()
	f := newSealed(t, pgtest.Shared(t))
	f.Exec(t, blind)
	o := moat.Options{Sealer: f.sealer(t, nil), SubjectSetting: "app.s", RoleSetting: "app.r", ClaimsSetting: "app.c"}
	return &factTarget{fixture: f, db: f.open(t, 1, o)}
}

// rows are how many rows of A an attack shows to a viewer, and with which error it ends.
func (f *factTarget) rows(t *testing.T, sql string) (n int, failed error) {
	t.Helper()
	var sealed, facts, enter string
	must(t, f.db.InTx(scoped("admin"), func(tx pgx.Tx) error {
		enter = f.enterOf(t, tx)
		return tx.QueryRow(t.Context(), "select current_setting('moat.sealed'), current_setting('moat.sealed_facts')").
			Scan(&sealed, &facts)
	}))
	sql = strings.NewReplacer("{seal}", sealed, "{facts}", facts, "{enter}", enter).Replace(sql)
	failed = f.db.InTx(scoped("viewer"), func(tx pgx.Tx) error {
		for one := range strings.SplitSeq(sql, ";;") {
			rows, err := tx.Query(t.Context(), one)
			if err != nil {
				return err
			}
			for rows.Next() {
				n++
			}
			if rows.Err() != nil {
				return rows.Err()
			}
		}
		return nil
	})
	return n, failed
}

// enterOf is a call of enter with an administrator's token for this connection.
func (f *factTarget) enterOf(t *testing.T, tx pgx.Tx) string {
	t.Helper()
	_, args, err := f.sealer(t, nil).Bind(scoped("admin"), tenantA, tx.Conn().PgConn().PID())
	must(t, err)
	return fmt.Sprintf(`moat.enter('%s', %d, '%s', '\x%x', '%s')`, args...)
}

func TestViewerCannotDropTheRole(t *testing.T) {
	t.Parallel()
	f := newFactTarget(t)
	for _, a := range factAttacks {
		n, err := f.rows(t, a.sql)
		if n != 0 {
			t.Errorf("%s: a viewer sees %d rows", a.name, n)
		}
		if err != nil && !refusedBySeal(err) {
			t.Errorf("%s: does not test what it is meant to: %v", a.name, err)
		}
	}
	if n := count(t, f.db, scoped("admin"), "select count(*) from app.leads, app.notes"); n != 400 {
		t.Errorf("an administrator sees %d rows", n)
	}
	if n := count(t, f.db, as(tenantA), "select count(*) from app.leads, app.notes"); n != 400 {
		t.Errorf("a scope without facts sees %d rows", n)
	}
}

func refusedBySeal(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == "28000" && strings.HasPrefix(pgErr.Message, "moat: ")
}

// Without the comparison with the tenant's seal the same attacks show rows.
func TestFactGuaranteesCarry(t *testing.T) {
	t.Parallel()
	for _, g := range []struct{ name, function, text, other, attack string }{
		{"missing facts raise", factFunction, "RAISE EXCEPTION", "RETURN NULL; RAISE EXCEPTION", "facts emptied"},
		{"facts are compared", factFunction, "OR left(opened, 64) <>", "OR '' =", "own facts with another role"},
		{"an unsealed transaction raises", factFunction, "opened IS NULL OR", "opened IS NOT NULL AND",
			"the seal emptied once the tenant is read"},
		{"facts are bound once", enterFunction, "substr(sealed, 73, 64) <> digest", "false",
			"bound again as an administrator"},
		{"facts are in the MAC", enterFunction, "key || digest || tenant, 'UTF8'", "key || tenant, 'UTF8'",
			"own MAC over no facts"},
	} {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			f := newFactTarget(t)
			a := &target{fixture: f.fixture}
			a.openOther(t)
			a.edit(t, [3]string{g.function, g.text, g.other})
			if g.function == enterFunction && g.other != "false" { // what verifies has to follow
				for _, verifies := range []string{tenantFunction, factFunction} {
					a.edit(t, [3]string{verifies, "'t' || substr(sealed, 65)", "'t' || substr(sealed, 65, 8) || substr(sealed, 137)"})
				}
			}
			sql := ""
			for _, one := range factAttacks {
				if one.name == g.attack {
					sql = one.sql
				}
			}
			if n, err := f.rows(t, sql); n == 0 {
				t.Errorf("%s shows nothing without it: %v", g.attack, err)
			}
		})
	}
}

// A transaction that nobody bound has no facts, which is not the same as a scope that
// has none.
func TestFactsOfAnUnboundTransaction(t *testing.T) {
	t.Parallel()
	f := newFactTarget(t)
	conn := f.Conn(t, f.App)
	var fact *string
	if err := conn.QueryRow(t.Context(), "select moat.current_fact('role')").Scan(&fact); !refusedBySeal(err) {
		t.Errorf("unbound: %v", err)
	}
	must(t, f.db.QueryRow(as(tenantA), "select moat.current_fact('role')").Scan(&fact))
	if fact != nil {
		t.Errorf("no facts: %q", *fact)
	}
}
