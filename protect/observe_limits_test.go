package protect

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/seal"
	"github.com/moat-db/moat/tenancy"
)

// What observe leaves undone: it loosens nothing, shows its notes to nobody, and notes no
// statement that will go on as it does.

// one asks for one value, as a role or with the connection's own.
func one[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) (v T) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// A table on which row-level security binds all but the owner is observed for the owner
// only: nobody else sees a row more than before.
func TestObserveLoosensNothing(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) { t.Parallel(); observeLoosensNothing(t, c) })
}

func observeLoosensNothing(t *testing.T, c *pgtest.Cluster) {
	b := newBenchOn(t, c, kinds)
	owner, worker := b.Role(t, "today", "LOGIN"), b.Role(t, "worker", "LOGIN")
	b.Exec(t, "GRANT USAGE ON SCHEMA app TO "+worker+", "+owner+"; GRANT ALL ON app.leads, app.calls, app.tenants TO "+
		worker+"; ALTER TABLE app.leads OWNER TO "+owner+"; ALTER TABLE app.leads ENABLE ROW LEVEL SECURITY;"+
		"CREATE POLICY few ON app.leads USING (id <= 7); CREATE ROLE "+b.cfg.Roles.Owner+"; ALTER TABLE app.tenants ENABLE "+
		"ROW LEVEL SECURITY; ALTER TABLE app.tenants FORCE ROW LEVEL SECURITY")
	b.cfg.Observe = true
	b.apply(t, GroupObserve)
	conn := b.Conn(t, b.As(t, worker))
	if n := one[int](t, conn, "SELECT count(*) FROM app.leads"); n != 7 {
		t.Errorf("the worker sees %d rows of a table that showed 7", n)
	}
	if n := one[int](t, conn, "SELECT count(*) FROM app.tenants"); n != 0 {
		t.Errorf("the worker sees %d rows of a table that is enforced", n)
	}
	if o := b.observation(t); !o.Clean() {
		t.Errorf("noted: %+v", o.Statements)
	}
	conn = b.Conn(t, b.As(t, owner))
	if n := one[int](t, conn, "SELECT count(*) FROM app.leads"); n != 30 {
		t.Errorf("the owner sees %d rows", n)
	}
	if o := b.observation(t); len(o.Statements) != 1 || o.Statements[0].Role != owner {
		t.Errorf("of the owner was noted: %+v", o.Statements)
	}
	b.cfg.Observe, b.cfg.Narrowed = false, []string{"app.leads"}
	b.apply(t, GroupEnforce)
	if n := one[int](t, conn, "SELECT count(*) FROM app.leads"); n != 0 {
		t.Errorf("after enforce the owner sees %d rows", n)
	}
	if left := traces(t, b); left != "" {
		t.Errorf("enforce left %s", left)
	}
}

// TestObserveCleanStatements sends what enforce will not change, by scans that pass other
// tenants' rows.
func TestObserveCleanStatements(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestObserveNeverBreaks
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) { t.Parallel(); observeCleanStatements(t, c) })
}

func observeCleanStatements(t *testing.T, c *pgtest.Cluster) {
	b := newBenchOn(t, c, kinds+`CREATE POLICY "Zz last" ON app.leads USING (id > 0);
		CREATE POLICY " first" ON app.calls USING (id > 0); CREATE POLICY mine ON app.calls USING (id > 0)`)
	b.cfg.Observe = true
	b.apply(t, GroupObserve)
	conn := b.Conn(t, b.As(t, b.cfg.Roles.Application))
	for _, q := range []string{
		"SET enable_indexscan = off; SET enable_bitmapscan = off",
		"SELECT set_config('app.current_tenant', '" + tenantA + "', false)",
		"SELECT count(*) FROM app.leads WHERE tenant_id = '" + tenantA + "'",
		"SELECT count(*) FROM app.leads WHERE tenant_id = '" + tenantA + "' AND score BETWEEN 1 AND 20 AND lower(name) <> ''",
		"SELECT count(*) FROM app.leads l JOIN app.calls c USING (tenant_id) WHERE l.tenant_id = '" + tenantA + "'",
		"INSERT INTO app.leads VALUES (500, '" + tenantA + "', 'new')",
		"UPDATE app.leads SET score = 1 WHERE tenant_id = '" + tenantA + "' AND score = 2",
		"DELETE FROM app.leads WHERE id = 500 AND tenant_id = '" + tenantA + "'",
	} {
		if _, err := conn.Exec(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	if o := b.observation(t); !o.Clean() {
		t.Errorf("noted: %+v %+v", o.Statements, o.Tables)
	}
	const other = "INSERT INTO app.leads VALUES (501, '00000000-0000-0000-0000-000000000002', 'other')"
	if _, err := conn.Exec(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	o := b.observation(t)
	if len(o.Statements) != 1 || o.Statements[0].Reason != "write" || !o.Statements[0].Tenant {
		t.Errorf("another tenant's row: %+v", o.Statements)
	}
}

// TestObserveTellsNobody goes for the notes as an application.
func TestObserveTellsNobody(t *testing.T) {
	t.Parallel()
	b, worker := observed(t, pgtest.Shared(t), simple)
	conn := b.Conn(t, b.As(t, worker))
	one[int](t, conn, "SELECT count(*) FROM app.orders")
	const noted = "SELECT moat.noted('app.orders', 'app.orders', 'row', true, 1, 1)"
	for _, q := range []string{"SELECT * FROM moat.notes", noted, "SELECT moat.note('app.orders', 'row', true, 'x')",
		"TABLE moat.seen_app_orders", "DELETE FROM moat.notes"} {
		if _, err := conn.Exec(t.Context(), q); err == nil {
			t.Errorf("%s succeeds", q)
		}
	}
	refused(t, conn)
	// With the right to name it, the function tells nothing of anybody's rows.
	b.Exec(t, "GRANT USAGE ON SCHEMA moat TO "+worker)
	if n := one[int](t, conn, noted); n != 1 {
		t.Errorf("the function returns %d", n)
	}
	// Nor does it run, in its owner's name, what whoever calls it has made.
	b.Exec(t, "GRANT CREATE ON SCHEMA app TO "+worker)
	for _, q := range []string{
		"CREATE FUNCTION app.evil() RETURNS int LANGUAGE plpgsql AS 'BEGIN RAISE ''%'', current_user; END'",
		"CREATE VIEW app.trap AS SELECT app.evil()", strings.Replace(noted, "'app.orders', 'row'", "'app.trap', 'row'", 1)} {
		if _, err := conn.Exec(t.Context(), q); err != nil {
			t.Errorf("%s: %v", q, err)
		}
	}
	if _, err := conn.Exec(t.Context(), "SELECT * FROM moat.notes"); err == nil {
		t.Error("the notes can be read")
	}
	operator := b.Conn(t, b.As(t, b.cfg.Roles.Operator))
	if o, err := Observe(t.Context(), operator); err != nil || len(o.Statements) == 0 {
		t.Errorf("the operator reads %+v, %v", o, err)
	}
	refused(t, conn)
}

func refused(t *testing.T, application *pgx.Conn) {
	t.Helper()
	_, err := Observe(t.Context(), application)
	if err == nil || !strings.Contains(err.Error(), "may not read moat.notes") {
		t.Errorf("the application observes: %v", err)
	}
}

// TestObserveOnceASecond sends the same again and again: a busy session notes it, and has it
// counted, once a second, but each transaction that rolls back is counted.
func TestObserveOnceASecond(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestObserveTellsNobody
	b, worker := observed(t, pgtest.Shared(t), simple)
	conn, begun := b.Conn(t, b.As(t, worker)), time.Now()
	for range 300 {
		one[int](t, conn, "SELECT count(*) FROM app.orders")
	}
	seconds := int64(time.Since(begun).Seconds()) + 2
	if n := b.observation(t).times("app.orders"); n < 1 || n > seconds {
		t.Errorf("counted %d times in %d seconds", n, seconds)
	}
	const rolledBack = 20
	for range rolledBack {
		if _, err := conn.Exec(t.Context(), "BEGIN; SELECT count(*) FROM app.lines; ROLLBACK"); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.observation(t).times("app.lines"); n != rolledBack {
		t.Errorf("of %d transactions that were rolled back, %d were counted", rolledBack, n)
	}
}

// TestObserveNeverBreaks takes away what the note needs: the statement goes on.
func TestObserveNeverBreaks(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestObserveTellsNobody
	b, worker := observed(t, pgtest.Shared(t), simple)
	conn := b.Conn(t, b.As(t, worker))
	b.Exec(t, "INSERT INTO moat.notes SELECT now(), 'app.orders'::regclass, 'row', false, 'r', 'a', 'c', "+
		"repeat('x', 990), 1 FROM generate_series(1, 20000)")
	one[int](t, conn, "SELECT count(*) FROM app.orders")
	o := b.observation(t)
	full := strings.Contains(strings.Join(o.Unseen, " "), "is full")
	if o.times("app.orders") == 0 || len(o.find("SELECT")) > 0 || !full {
		t.Errorf("notes that are full: %+v", o)
	}
	b.Exec(t, "ALTER TABLE moat.notes RENAME TO gone")
	one[int](t, conn, "SELECT count(*) FROM app.lines")
	// A session that has locked the notes keeps nobody waiting who has a limit.
	b.Exec(t, "ALTER TABLE moat.gone RENAME TO notes; TRUNCATE moat.notes")
	holder, err := b.Conn(t, b.URL).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Exec(t.Context(), "LOCK moat.notes"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "SET lock_timeout = '50ms'"); err != nil {
		t.Fatal(err)
	}
	one[int](t, conn, "SELECT count(*) FROM app.notes")
	_ = holder.Rollback(t.Context())
}

// TestWithoutLiterals keeps secrets out of notes, whatever way they are written in.
func TestWithoutLiterals(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestApplyAndUndo
	b, worker := observed(t, pgtest.Shared(t), simple)
	conn := b.Conn(t, b.URL)
	for in, want := range map[string]string{
		`select * from t where a = 'secret' and b = 42`:             "select * from t where a = ? and b = ?",
		`select 'it''s secret', E'it\'s secret', U&'secret\0061'`:   "select ?, ?, ?",
		`select "a'b" from t where x = 'secret'`:                    `select "a'b" from t where x = ?`,
		`select b'101', X'5ec4e7', N'secret', 1.5e10, .5, 0x5ec4e7`: "select ?, ?, ?, ?, .?, ?",
		"select 1 -- secret 'x\n, 2":                                "select ? , ?",
		"select /* secret ' */ 1":                                   "select ?",
		"select /* a /* secret */ 'x' */ 1":                         "",
		"select $$secret$$":                                         "",
		"select $tag$secret$tag$":                                   "",
		"select 'secret that does not end":                          "select ?",
		"insert into t values (1, 'secret'), (2, 'secret') ;":       "insert into t values (?, …), …",
		"select a1, $1, t.größe2 from t1 where id in (1, 2)": "select a1, $1, " +
			"t.größe2 from t1 where id in (?, …)",
		"select '" + strings.Repeat("secret ", 900) + "' from later": "select ?",
	} {
		got := one[*string](t, conn, "SELECT moat.without_literals(left($1, 4000))", in)
		if got == nil {
			got = new(string)
		}
		if *got != want {
			t.Errorf("%q: %q, want %q", in, *got, want)
		}
	}
	// Where a backslash escapes in every string, no text is kept at all.
	session := b.Conn(t, b.As(t, worker))
	for _, q := range []string{"SET standard_conforming_strings = off",
		`SELECT count(*) FROM app.orders WHERE status <> 'a\'secret'`} {
		if _, err := session.Exec(t.Context(), q, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
	}
	if o := b.observation(t); len(o.Statements) > 0 || o.times("app.orders") == 0 {
		t.Errorf("where backslashes escape: %+v", o)
	}
}

// TestObserveIsSaid asks everybody who must not take an observed database for a safe one.
func TestObserveIsSaid(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestObserveTellsNobody
	b, _ := observed(t, pgtest.Shared(t), simple)
	if _, err := moat.Open(t.Context(), b.As(t, b.cfg.Roles.Application), nil); !errors.Is(err, moat.ErrObserved) {
		t.Errorf("moat.Open: %v", err)
	}
	conn := b.Conn(t, b.URL)
	err := seal.Install(t.Context(), conn, seal.InstallOptions{Applications: []string{b.cfg.Roles.Application}})
	if !errors.Is(err, moat.ErrObserved) {
		t.Errorf("seal.Install: %v", err)
	}
	v, err := tenancy.Read(t.Context(), conn, b.opts)
	if err != nil {
		t.Fatal(err)
	}
	r := audit.Run(v, audit.Options{Today: time.Now().AddDate(0, 0, 9)})
	i := slices.IndexFunc(r.Findings, func(x audit.Finding) bool { return x.Rule == "rls-observed" })
	if i < 0 {
		t.Fatalf("audit finds %v", r.Verdict)
	}
	if slices.ContainsFunc(r.Findings, func(x audit.Finding) bool { return x.Rule == "policy-restrictive-role" }) {
		t.Error("audit advises to enforce a policy that is put aside")
	}
	if x := r.Findings[i]; x.Severity != audit.Critical || x.Acceptable() || !strings.Contains(x.Why, "for 9 days") ||
		!strings.Contains(x.Message, "4 tables") {
		t.Errorf("audit says %+v", x)
	}
}
