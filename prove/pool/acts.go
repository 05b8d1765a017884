package pool

import (
	"context"
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/sqltext"
)

// acts lists what a borrower does: what goes wrong by itself, and, where whole
// statements may be foreign, what an attacker leaves behind.
func (a *attack) acts() []act {
	out := a.accidents()
	if !a.Hostile {
		return out
	}
	run := func(sql string) func(context.Context, moat.Tenant) error {
		return func(ctx context.Context, tenant moat.Tenant) error {
			_, err := a.query(ctx, tenant, sql)
			return err
		}
	}
	first, _ := a.tenants()
	for _, h := range []struct{ name, sql, trace string }{
		{"session-level tenant", "SELECT set_config(" + sqltext.Literal(a.Setting) + ", " + sqltext.Literal(string(first)) +
			", false)", "tenant"},
		{"session-level tenant by SET", "SET " + sqltext.Setting(a.Setting) + " = " + sqltext.Literal(string(first)),
			"tenant"},
		{"held cursor", "DECLARE moat_held CURSOR WITH HOLD FOR SELECT * FROM " + a.Table, "held cursors"},
		{"temporary table", "CREATE TEMPORARY TABLE moat_shadow (x int)", "temporary tables"},
		{"prepared statement", "PREPARE moat_planted AS SELECT 1", "prepared statements made in SQL"},
		{"mailbox", "SELECT set_config('moat_probe.mailbox', 'from tenant A', false)", "mailbox"},
		{"advisory lock", "SELECT pg_advisory_lock(7700771)", "advisory locks"},
		{"listen", "LISTEN moat_probe", "channels listened to"},
		{"search path", "SELECT set_config('search_path', 'pg_temp, pg_catalog', false)", "search path"},
		{"statement timeout", "SELECT set_config('statement_timeout', '123456', false)", "statement timeout"},
	} {
		out = append(out, act{name: h.name, do: run(h.sql), trace: h.trace,
			text: "-- As tenant A, on a borrowed connection:\n" + h.sql + ";"})
	}
	return append(out, a.openTransaction())
}

// accidents need no attacker.
func (a *attack) accidents() []act {
	sleep := "SELECT pg_sleep(0.5)"
	failing := func(sql string) func(context.Context, moat.Tenant) error {
		return func(ctx context.Context, tenant moat.Tenant) error {
			_, err := a.query(ctx, tenant, sql)
			return err
		}
	}
	return []act{
		{name: "nothing", do: func(context.Context, moat.Tenant) error { return nil }, text: "-- a pool at rest"},
		{name: "query", do: failing(a.rowsSQL()), text: a.rowsSQL() + ";"},
		{name: "cancel", text: "-- cancelled after 30 ms:\n" + sleep + ";",
			do: func(ctx context.Context, tenant moat.Tenant) error {
				c, cancel := context.WithCancel(ctx)
				time.AfterFunc(30*time.Millisecond, cancel)
				_, err := a.query(c, tenant, sleep)
				cancel()
				return err
			}},
		{name: "deadline", text: "-- with a deadline of 30 ms:\n" + sleep + ";",
			do: func(ctx context.Context, tenant moat.Tenant) error {
				c, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
				defer cancel()
				_, err := a.query(c, tenant, sleep)
				return err
			}},
		{name: "cancelled before", text: "-- cancelled before it starts",
			do: func(ctx context.Context, tenant moat.Tenant) error {
				c, cancel := context.WithCancel(ctx)
				cancel()
				_, err := a.query(c, tenant, a.rowsSQL())
				return err
			}},
		{name: "failing statement", do: failing("SELECT 1/(random()*0)::int"), text: "SELECT 1/(random()*0)::int;"},
		{name: "syntax error", do: failing("SELEC 1"), text: "SELEC 1;"},
		{name: "broken connection", do: failing("SELECT pg_terminate_backend(pg_backend_pid())"),
			text: "SELECT pg_terminate_backend(pg_backend_pid());"},
		{name: "panic", text: "-- the borrower panics and gives the connection back in a defer",
			do: func(ctx context.Context, tenant moat.Tenant) (err error) {
				conn, release, err := a.acquire(ctx)
				if err != nil {
					return err
				}
				defer func() { _ = recover() }()
				defer release()
				if _, err := conn.Exec(ctx, "SELECT 1"); err != nil {
					return err
				}
				panic("a borrower's bug")
			}},
	}
}

// openTransaction gives a connection back inside a transaction that is bound to A.
func (a *attack) openTransaction() act {
	first, _ := a.tenants()
	bind := "SELECT set_config(" + sqltext.Literal(a.Setting) + ", " + sqltext.Literal(string(first)) + ", true)"
	return act{name: "open transaction", trace: "transaction", text: "BEGIN;\n" + bind + ";\n-- and given back",
		do: func(ctx context.Context, _ moat.Tenant) error {
			conn, release, err := a.acquire(ctx)
			if err != nil {
				return err
			}
			defer release()
			if _, err := conn.Exec(ctx, "BEGIN"); err != nil {
				return err
			}
			_, err = conn.Exec(ctx, bind)
			return err
		}}
}
