package proxy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/proxy"
)

// eachPool runs fn on a connection for all tenants, by both protocols, plain and sealed,
// on several majors.
func eachPool(t *testing.T, fn func(t *testing.T, f *fixture, conn *pgx.Conn)) {
	t.Helper()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		for name, f := range map[string]*fixture{"plain": newFixture(t, c.New(t), nil), "sealed": newSealed(t, c.New(t))} {
			f.Exec(t, "grant create on schema public to public; alter role "+f.role+" set search_path = public")
			for _, mode := range modes {
				t.Run(name+" "+mode.String(), func(t *testing.T) { fn(t, f, f.connect(t, "service", mode)) })
			}
		}
	})
}

// as runs statements in a transaction of a tenant and returns what each showed: a row's
// first column, or the command's tag, or the error's code.
func as(t testing.TB, conn *pgx.Conn, token string, statements ...string) string {
	t.Helper()
	if token != "" {
		statements = append([]string{"set local moat.tenant_token = '" + token + "'"}, statements...)
	}
	statements = append(append([]string{"begin"}, statements...), "commit")
	var out []string
	for i, sql := range statements {
		got := show(t, conn, sql)
		if last := i == len(statements)-1; i > 0 && got != "SET" && !last || last && got != "COMMIT" {
			out = append(out, got)
		}
	}
	return strings.Join(out, ", ")
}

// show is what one statement shows.
func show(t testing.TB, conn *pgx.Conn, sql string) string {
	t.Helper()
	if conn.Config().DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol {
		results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		if err != nil {
			return code(err)
		}
		r := results[len(results)-1]
		if len(r.Rows) == 0 && !r.CommandTag.Select() {
			return r.CommandTag.String()
		}
		var out []string
		for _, row := range r.Rows {
			out = append(out, string(row[0]))
		}
		return strings.Join(out, " ")
	}
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		return code(err)
	}
	var out []string
	described := len(rows.FieldDescriptions()) > 0
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprint(values[0]))
	}
	if rows.Err() != nil {
		return code(rows.Err())
	}
	if !described {
		return rows.CommandTag().String()
	}
	return strings.Join(out, " ")
}

func TestPoolForAllTenants(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestPoolSharesNothing
	eachPool(t, func(t *testing.T, _ *fixture, conn *pgx.Conn) {
		for range 3 {
			want(t, "A", as(t, conn, "A", allNames, allNames), "a1 a2, a1 a2")
			want(t, "A again", as(t, conn, "A", allNames), "a1 a2")
			want(t, "B", as(t, conn, "B", allNames), "b1 b2 b3")
			want(t, "none", as(t, conn, "", allNames), "")
			want(t, "none, without a transaction", show(t, conn, allNames), "")
			want(t, "a wrong token", as(t, conn, "C", allNames), "28P01, 25P02, ROLLBACK")
			want(t, "a service's token", as(t, conn, "service", allNames), "28000, 25P02, ROLLBACK")
		}
	})
}

// What the SQL of one tenant leaves behind is not met by the next, or by a statement
// without a tenant.
func TestPoolSharesNothing(t *testing.T) {
	t.Parallel()
	foreign := "set_config('app.current_tenant', '" + string(tenantB) + "', "
	type step struct{ token, sql, want string }
	eachPool(t, func(t *testing.T, f *fixture, conn *pgx.Conn) {
		for name, steps := range map[string][]step{
			"temporary table": {{"A", "create temp table leads (name text); insert into leads values ('of A')", "*"},
				{"B", "insert into leads (name) values ('secret'); " + allNames, "b1 b2 b3 secret"},
				{"A", allNames, "a1 a2"}, {"B", "delete from leads where name = 'secret'", "DELETE 1"}},
			"temporary table, met by none": {{"A", "create temp table mine as select name from leads", "*"},
				{"", "select name from mine", "42P01, ROLLBACK"}},
			"search_path": {{"A", "set search_path = pg_temp", ""}, {"B", allNames, "b1 b2 b3"}},
			"cursor with hold": {{"A", "declare h cursor with hold for select name from leads", "DECLARE CURSOR"},
				{"B", "fetch 1 from h", "34000, ROLLBACK"}},
			"prepared by SQL": {{"A", "prepare p as select name from leads; execute p", "*"},
				{"B", "execute p", "26000, ROLLBACK"}},
			"set_config for the session": {{"A", "select " + foreign + "false)", "*"}, {"A", allNames, "a1 a2"},
				{"", allNames, ""}, {"B", allNames, "b1 b2 b3"}},
			"row_security": {{"A", "set row_security = off", ""}, {"B", allNames, "b1 b2 b3"}},
			"advisory lock": {{"A", "select pg_advisory_lock(1)", ""},
				{"B", "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()", "0"}},
			"listen": {{"A", "listen c", "LISTEN"}, {"B", "select pg_listening_channels()", ""}},
			"lastval": {{"A", "insert into leads (name) values ('z'); delete from leads where name = 'z'", "*"},
				{"B", "select lastval()", "55000, ROLLBACK"}},
			"read only": {{"A", "set default_transaction_read_only = on", ""},
				{"B", "delete from leads where id > 1000", "DELETE 0"}},
			"a switch inside a transaction": {{"A", allNames + ";;set local moat.tenant_token = 'B';;" + allNames,
				"a1 a2, 25001, 25P02, ROLLBACK"}},
			"the token after another statement": {{"", "select 1;;set local moat.tenant_token = 'B';;" + allNames,
				"1, 25001, 25P02, ROLLBACK"}},
			"the token for the session": {{"", "set moat.tenant_token = 'B';;" + allNames, "25001, 25P02, ROLLBACK"}},
			"the token in a function call": {{"", "select set_config('moat.tenant_token', 'B', true);;" + allNames,
				"25001, 25P02, ROLLBACK"}},
			"the token, read back": {{"A", "select coalesce(current_setting('moat.tenant_token', true), '')", ""}},
			"a savepoint": {{"A", "savepoint s;;select 1 / 0;;rollback to s;;" + allNames,
				"SAVEPOINT, 22012, ROLLBACK, a1 a2"}},
			"a chained transaction has no tenant": {{"A", allNames + ";;commit and chain;;" + allNames,
				"a1 a2, COMMIT, 25001, ROLLBACK"}},
		} {
			for _, s := range steps {
				got := asStrings(t, conn, s.token, s.sql)
				if s.want != "*" && got != s.want {
					t.Errorf("%s: %s as %q: %q, want %q", name, s.sql, s.token, got, s.want)
				}
			}
		}
	})
}

// asStrings runs statements that ";;" separates; one with a ";" inside goes as a string
// where the protocol has strings, else one by one.
func asStrings(t testing.TB, conn *pgx.Conn, token, sql string) string {
	t.Helper()
	var statements []string
	for part := range strings.SplitSeq(sql, ";;") {
		if conn.Config().DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol {
			statements = append(statements, part)
			continue
		}
		statements = append(statements, strings.Split(part, "; ")...)
	}
	got := as(t, conn, token, statements...)
	if pieces := len(statements); pieces == 2 && strings.Contains(sql, "; ") && !strings.Contains(sql, ";;") {
		_, got, _ = strings.Cut(got, ", ") // what the first of them showed
	}
	return got
}

// In a string a COMMIT ends the token's transaction, and what follows has no tenant.
func TestPoolAfterCommitInAString(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.New(t), nil)
	conn := f.connect(t, "service", pgx.QueryExecModeSimpleProtocol)
	as(t, conn, "A", "select set_config('app.current_tenant', '"+string(tenantB)+"', false)")
	want(t, "behind COMMIT", as(t, conn, "B", "select 1; commit; "+allNames), "")
	want(t, "the next", as(t, conn, "A", allNames), "a1 a2")
}

// A token reaches neither the server's view of what runs nor its log.
func TestPoolForwardsNoToken(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestPoolSharesNothing
	eachPool(t, func(t *testing.T, f *fixture, conn *pgx.Conn) {
		other := f.connect(t, "service", pgx.QueryExecModeExec)
		const seen = "select count(*) from pg_stat_activity where query ~ 'token = ''[AB]'''" +
			" and pid <> pg_backend_pid() and usename = current_user"
		for _, last := range []string{"set local moat.tenant_token = 'A'", "SET LOCAL MOAT.TENANT_TOKEN TO 'B'"} {
			show(t, conn, "begin")
			show(t, conn, last)
			want(t, last, show(t, other, seen), "0")
			show(t, conn, "rollback")
		}
	})
}

// Statements that a driver has prepared are there in the next tenant's turn.
func TestPoolKeepsPreparedStatements(t *testing.T) {
	t.Parallel()
	eachPool(t, func(t *testing.T, _ *fixture, conn *pgx.Conn) {
		if _, err := conn.Prepare(t.Context(), "p", "select name from leads where id = $1"); err != nil {
			t.Fatal(err)
		}
		for token, own := range map[string]string{"A": "a2", "B": "b2", "": ""} {
			show(t, conn, "begin")
			if token != "" {
				show(t, conn, "set local moat.tenant_token = '"+token+"'")
			}
			r := conn.PgConn().ExecPrepared(t.Context(), "p", [][]byte{[]byte("2")}, nil, nil).Read()
			got := ""
			if len(r.Rows) > 0 {
				got = string(r.Rows[0][0])
			}
			want(t, fmt.Sprint(token, r.Err), got, own)
			show(t, conn, "commit")
		}
		as(t, conn, "A", "select 1")
		want(t, "DEALLOCATE of what another's turn has ended", show(t, conn, "deallocate p"), "DEALLOCATE")
		as(t, conn, "A", "select 1")
		if r := conn.PgConn().ExecPrepared(t.Context(), "p", [][]byte{[]byte("2")}, nil, nil).Read(); code(r.Err) != "26000" {
			t.Errorf("a statement that was deallocated: %v", r.Err)
		}
	})
}

// The texts that are kept are bounded.
func TestPoolBoundsPreparedStatements(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.New(t), nil)
	conn := f.connect(t, "service", pgx.QueryExecModeExec)
	long := "select '" + strings.Repeat("x", 300_000) + "'"
	var err error
	for i := range 4 {
		if _, err = conn.PgConn().Prepare(t.Context(), fmt.Sprint("p", i), long, nil); err != nil {
			break
		}
	}
	if code(err) != "53400" {
		t.Errorf("texts without a bound: %v", err)
	}
	want(t, "afterwards", as(t, conn, "A", allNames), "a1 a2")
}

// A connection with a tenant of its own takes no other's token, and a pool's connections
// are not bounded as those of one tenant.
func TestPoolBeside(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.New(t), func(c *proxy.Config) { c.Connections, c.TenantConnections = 4, 1 })
	pinned := f.connect(t, "A", pgx.QueryExecModeExec)
	want(t, "B's token on A's connection", as(t, pinned, "B", allNames), "25001, 25P02, ROLLBACK")
	want(t, "afterwards", show(t, pinned, allNames), "a1 a2")
	_ = pinned.Close(context.Background())
	var conn *pgx.Conn
	for range 3 {
		conn = f.connect(t, "service", pgx.QueryExecModeExec)
		want(t, "a pool's", as(t, conn, "B", allNames), "b1 b2 b3")
	}
	f.suspended.Store(true)
	want(t, "a suspended tenant", as(t, conn, "A", allNames), "08006, 25P02, ROLLBACK")
}

// A pipeline names its tenants with or without Sync between, and an error in it is where
// it belongs.
func TestPoolInPipelines(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		for mode, f := range map[string]*fixture{"plain": newFixture(t, c.New(t), nil), "sealed": newSealed(t, c.New(t))} {
			a, b := run("set local moat.tenant_token = 'A'"), run("set local moat.tenant_token to 'B'")
			begin, commit, wrong := run("begin"), run("commit"), run("set local moat.tenant_token = 'C'")
			one := func(parts ...[]pgproto3.FrontendMessage) []pgproto3.FrontendMessage {
				return append(join(parts...), syncs...)
			}
			each := func(parts ...[]pgproto3.FrontendMessage) (out []pgproto3.FrontendMessage) {
				for _, p := range parts {
					out = append(append(out, p...), syncs...)
				}
				return out
			}
			for _, x := range []struct {
				name, want string
				ready      int
				messages   []pgproto3.FrontendMessage
			}{
				{"a Sync each", "BEGIN ZT SET ZT D=2 SELECT 1 ZT COMMIT ZI BEGIN ZT SET ZT D=3 SELECT 1 ZT COMMIT ZI", 8,
					each(begin, a, run(count), commit, begin, b, run(count), commit)},
				{"a Sync for each transaction", "BEGIN SET D=2 SELECT 1 COMMIT ZI BEGIN SET D=3 SELECT 1 COMMIT ZI", 2,
					join(one(begin, a, run(count), commit), one(begin, b, run(count), commit))},
				{"no tenant behind a COMMIT in the same segment", "BEGIN SET D=2 SELECT 1 COMMIT E:25001 ZI D=0 SELECT 1 ZI", 2,
					join(one(begin, a, run(count), commit, run(count)), one(run(count)))},
				{"a write before BEGIN in the same segment is not lost", "INSERT 0 1 BEGIN E:25001 ZE ROLLBACK ZI", 2,
					join(one(run("insert into seen values (1)"), begin, a), one(run("rollback")))},
				{"a wrong token", "BEGIN ZT E:28P01 ZE E:25P02 ZE ROLLBACK ZI D=0 SELECT 1 ZI", 5,
					each(begin, wrong, run(count), commit, run(count))},
				{"a wrong token without Sync", "BEGIN E:28P01 ZE ROLLBACK ZI BEGIN SET D=3 SELECT 1 COMMIT ZI", 3,
					join(one(begin, wrong, run(count), commit), one(run("rollback")), one(begin, b, run(count), commit))},
				{"an error before the token", "E:22012 ZI E:25001 ZI", 2,
					join(one(run("select 1/0"), begin, a, run(count)), one(a))},
				{"by turns of the protocols",
					"BEGIN ZT SET ZT D=2 SELECT 1 ZT COMMIT ZI BEGIN ZT SET ZT D=3 SELECT 1 ZT COMMIT ZI", 8,
					join(simple("begin"), one(a), simple(count), one(commit), one(begin),
						simple("set local moat.tenant_token = 'B'"), one(run(count)), simple("commit"))},
				{"statements of one turn in the next", "ZI BEGIN SET D=2 SELECT 1 COMMIT ZI BEGIN SET D=3 SELECT 1 COMMIT ZI", 3,
					join([]pgproto3.FrontendMessage{&pgproto3.Parse{Name: "n", Query: count}}, syncs,
						one(begin, a, bound("n"), commit), one(begin, b, bound("n"), commit))},
				{"the token's own statement in the next turn", "ZI BEGIN SET D=2 SELECT 1 COMMIT ZI " +
					"BEGIN SET D=3 SELECT 1 COMMIT ZI BEGIN SET D=2 SELECT 1 COMMIT ZI", 4,
					join([]pgproto3.FrontendMessage{&pgproto3.Parse{Name: "t", Query: "set local moat.tenant_token = 'A'"}}, syncs,
						one(begin, bound("t"), run(count), commit), one(begin, b, run(count), commit),
						one(begin, bound("t"), run(count), commit))},
			} {
				f.Exec(t, "create table if not exists seen (n int); grant insert on seen to public")
				if got := raw(t, f, "service", x.ready, x.messages...); got != x.want {
					t.Errorf("%s, %s:\n got  %s\n want %s", mode, x.name, got, x.want)
				}
			}
		}
	})
}

// bound is a prepared statement, executed without Sync.
func bound(name string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{&pgproto3.Bind{PreparedStatement: name}, &pgproto3.Execute{}}
}
