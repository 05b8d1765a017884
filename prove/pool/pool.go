// Package pool attacks a program's pool of connections: what one borrower leaves behind, in a
// setting, a transaction, a cursor or a temporary table, must not reach the next.
//
// It changes no row. Its limit is the pool that it is given: connections that this pool hands out
// otherwise, to other code, are not tried.
package pool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/prove"
)

// Acquire borrows a connection of a program's pool, as the pool hands it to its next
// user, and returns what gives it back.
type Acquire func(ctx context.Context) (conn *pgx.Conn, release func(), err error)

// Query runs one statement for a tenant the way the program does it (borrow, bind,
// run, give back) and returns the rows as text; see [Texts].
type Query func(ctx context.Context, tenant moat.Tenant, sql string) ([][]string, error)

// Options configure an attack on a pool.
type Options struct {
	// Table is a tenant table that the application role reads, as SQL names it, and
	// Column its tenant column. Required.
	Table, Column string
	// Tenants are tenants that have rows in Table: at least two, hundreds are better.
	// Required.
	Tenants []moat.Tenant
	// Setting is the tenant setting. Zero means [moat.DefaultTenantSetting].
	Setting string
	// Hostile also lets the first borrower run whole statements of an attacker's
	// (SET, DECLARE … WITH HOLD, PREPARE, LISTEN, temporary tables). Zero means that
	// borrowers only fail, cancel and break.
	Hostile bool
	// Borrowings is how many interleaved borrowings are made. Zero means 2,000.
	Borrowings int
	// Workers is how many are made at once. Zero means 16.
	Workers int
}

func (o Options) withDefaults() (Options, error) {
	if o.Table == "" || o.Column == "" || len(o.Tenants) < 2 {
		return o, errors.New("prove a pool: Table, Column and two Tenants are required")
	}
	if o.Setting == "" {
		o.Setting = moat.DefaultTenantSetting
	}
	if o.Borrowings == 0 {
		o.Borrowings = 2000
	}
	if o.Workers == 0 {
		o.Workers = 16
	}
	return o, nil
}

// Attack attacks a program's pool: what one borrower leaves behind must not reach the
// next. It works on any pool over pgx connections, and runs no statement that changes
// a row.
func Attack(ctx context.Context, acquire Acquire, query Query, o Options) (*prove.Report, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	started := time.Now()
	a := &attack{Options: o, acquire: acquire, query: query, report: prove.NewReport()}
	a.report.Context = prove.Context{Mode: "plain", Target: "pool", Setting: o.Setting,
		Started: started.UTC().Truncate(time.Second),
		TenantA: string(o.Tenants[0]), TenantB: string(o.Tenants[1])}
	if err := a.control(ctx); err != nil {
		return nil, err
	}
	for _, step := range a.acts() {
		a.act(ctx, step)
	}
	if !o.Hostile {
		a.report.Skip("statements written by an attacker on a borrowed connection: only with Hostile")
	}
	a.report.Skip("failed COMMITs: the program tests its own transactions")
	a.interleave(ctx)
	a.report.Context.DurationMS = time.Since(started).Milliseconds()
	return a.report.Finish(), ctx.Err()
}

// Texts reads rows as text, as [Query] returns them. It takes what Query of pgx and
// of [moat.DB] return.
func Texts(rows pgx.Rows, err error) ([][]string, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out [][]string
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return nil, err
		}
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = fmt.Sprint(v)
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

type attack struct {
	Options
	acquire Acquire
	query   Query
	report  *prove.Report
	fresh   map[string]string // the state of an unused connection
}

func (a *attack) tenants() (moat.Tenant, moat.Tenant) { return a.Tenants[0], a.Tenants[1] }

func (a *attack) rowsSQL() string {
	return "SELECT " + sqltext.Ident(a.Column) + "::text FROM " + a.Table + " LIMIT 200"
}

// control asks whether the program's way shows a tenant its rows at all, and notes
// what an unused connection looks like.
func (a *attack) control(ctx context.Context) error {
	first, second := a.tenants()
	for _, tenant := range []moat.Tenant{first, second} {
		rows, err := a.query(ctx, tenant, a.rowsSQL())
		if err != nil {
			return fmt.Errorf("read %s as a tenant: %w", a.Table, err)
		}
		if len(rows) == 0 {
			return fmt.Errorf("tenant has no rows in %s: nothing could be told from seeing none", a.Table)
		}
	}
	states, err := a.states(ctx)
	if err != nil {
		return err
	}
	a.fresh = states[0]
	return nil
}

// act is something a borrower does, and the traces that it must not leave.
type act struct {
	name string
	do   func(ctx context.Context, tenant moat.Tenant) error
	// trace is the part of the state that the act could leave; "" means that only
	// the transaction, the setting and the rows are looked at.
	trace string
	text  string // what was done, for the report
}

// act lets A do it, then looks at every connection, and at what B reads.
func (a *attack) act(ctx context.Context, step act) {
	first, second := a.tenants()
	p := prove.Probe{Room: prove.Pool, Attack: step.name, Object: "pool", Verdict: prove.VerdictIsolated,
		Reason: "the next borrower found nothing of it", Script: step.text}
	done := step.do(ctx, first)
	states, err := a.states(ctx)
	switch {
	case err != nil:
		p.Verdict, p.Reason = prove.VerdictUndecided, "no connection could be borrowed afterwards: "+prove.Message(err)
	default:
		for _, state := range states {
			if why := a.trace(state, step.trace); why != "" {
				p.Verdict, p.Reason = prove.VerdictLeak, why
			}
		}
	}
	for range 4 {
		rows, err := a.query(ctx, second, a.rowsSQL())
		if n := foreignIn(rows, second); n > 0 {
			p.Verdict, p.Reason = prove.VerdictLeak, "tenant B then read "+english.Count(n, "row")+" of other tenants"
		} else if err != nil && p.Verdict == prove.VerdictIsolated {
			p.Verdict, p.Reason = prove.VerdictUndecided, "tenant B could not read afterwards: "+prove.Message(err)
		}
	}
	if p.Verdict == prove.VerdictIsolated && done != nil && step.trace != "" {
		p.Reason = "refused: " + prove.Message(done)
	}
	a.report.Add(p)
}

func foreignIn(rows [][]string, tenant moat.Tenant) int {
	n := 0
	for _, r := range rows {
		if len(r) > 0 && r[0] != string(tenant) {
			n++
		}
	}
	return n
}

// trace says what of an act is left in a state.
func (a *attack) trace(state map[string]string, trace string) string {
	if s := state["transaction"]; s != "I" {
		return "the connection came back inside a transaction (status " + s + ")"
	}
	if n := state["rows"]; n != "0" {
		return "a borrower that bound no tenant saw " + n + " rows"
	}
	if v := state["tenant"]; v != "" {
		return "the tenant setting was still set for a borrower that bound none"
	}
	if trace != "" && state[trace] != a.fresh[trace] {
		return fmt.Sprintf("left for the next borrower: %s is %q, was %q", trace, state[trace], a.fresh[trace])
	}
	return ""
}

// states borrows every connection that the pool gives within a moment, and looks.
func (a *attack) states(ctx context.Context) ([]map[string]string, error) {
	var out []map[string]string
	var releases []func()
	defer func() {
		for _, release := range releases {
			release()
		}
	}()
	for i := range 8 {
		wait := 10 * time.Second
		if i > 0 {
			wait = 150 * time.Millisecond
		}
		one, cancel := context.WithTimeout(ctx, wait)
		conn, release, err := a.acquire(one)
		cancel()
		if err != nil {
			if i == 0 {
				return nil, err
			}
			break
		}
		releases = append(releases, release)
		state, err := a.look(ctx, conn)
		if err != nil {
			return nil, err
		}
		out = append(out, state)
	}
	return out, nil
}

// look reads what a connection carries.
func (a *attack) look(ctx context.Context, conn *pgx.Conn) (map[string]string, error) {
	state := map[string]string{"transaction": string(rune(conn.PgConn().TxStatus())), "rows": "0"}
	if state["transaction"] == "E" {
		return state, nil // every query would fail, which is trace enough
	}
	parts := []struct{ name, sql string }{
		{"tenant", "coalesce(current_setting(" + sqltext.Literal(a.Setting) + ", true), '')"},
		{"role", "current_user::text || ' ' || session_user::text"},
		{"search path", "current_setting('search_path')"},
		{"statement timeout", "current_setting('statement_timeout')"},
		{"mailbox", "coalesce(current_setting('moat_probe.mailbox', true), '')"},
		{"held cursors", "(SELECT count(*) FROM pg_catalog.pg_cursors WHERE is_holdable)::text"},
		{"prepared statements made in SQL", "(SELECT count(*) FROM pg_catalog.pg_prepared_statements WHERE from_sql)::text"},
		{"temporary tables", "(SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = " +
			"pg_catalog.pg_my_temp_schema())::text"},
		{"advisory locks", "(SELECT count(*) FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND pid = " +
			"pg_catalog.pg_backend_pid())::text"},
		{"channels listened to", "(SELECT count(*) FROM pg_catalog.pg_listening_channels())::text"},
	}
	selects := make([]string, len(parts))
	for i, p := range parts {
		selects[i] = p.sql
	}
	rows, err := Texts(conn.Query(ctx, "SELECT "+strings.Join(selects, ", "), pgx.QueryExecModeSimpleProtocol))
	if err != nil || len(rows) == 0 {
		return nil, fmt.Errorf("look at a borrowed connection: %w", err)
	}
	for i, p := range parts {
		state[p.name] = rows[0][i]
	}
	if seen, err := Texts(conn.Query(ctx, "SELECT count(*) FROM (SELECT 1 FROM "+a.Table+" LIMIT 1000) x",
		pgx.QueryExecModeSimpleProtocol)); err == nil && len(seen) > 0 {
		state["rows"] = seen[0][0]
	}
	return state, nil
}

// interleave makes thousands of borrowings for many tenants at once, some of which
// are cancelled, time out or fail, and checks every row.
func (a *attack) interleave(ctx context.Context) {
	var mu sync.Mutex
	var rows, foreign, failed int
	jobs := make(chan int)
	var group sync.WaitGroup
	for range a.Workers {
		group.Go(func() {
			for i := range jobs {
				tenant := a.Tenants[rand.IntN(len(a.Tenants))]
				got, err := a.borrow(ctx, tenant, i)
				mu.Lock()
				rows += len(got)
				foreign += foreignIn(got, tenant)
				if err != nil {
					failed++
				}
				mu.Unlock()
			}
		})
	}
	for i := range a.Borrowings {
		jobs <- i
	}
	close(jobs)
	group.Wait()
	p := prove.Probe{Room: prove.Pool, Attack: "interleaved borrowings", Object: "pool", Verdict: prove.VerdictIsolated,
		Reason: fmt.Sprintf("%d borrowings by %d tenants, %d of them failed or cancelled: %d rows, each of its own tenant",
			a.Borrowings, len(a.Tenants), failed, rows),
		Script: "-- " + a.rowsSQL() + "\n-- for a tenant drawn at random, " + strconv.Itoa(a.Borrowings) + " times, " +
			strconv.Itoa(a.Workers) + " at once; every seventh is cancelled, times out or fails"}
	switch {
	case foreign > 0:
		p.Verdict, p.Reason = prove.VerdictLeak, fmt.Sprintf("%d of %s belonged to another tenant", foreign,
			english.Count(rows, "row"))
	case rows == 0:
		p.Verdict, p.Reason = prove.VerdictUndecided, "no borrowing returned a row"
	}
	a.report.Add(p)
}

// borrow is one borrowing; every seventh goes wrong in one of four ways first.
func (a *attack) borrow(ctx context.Context, tenant moat.Tenant, i int) ([][]string, error) {
	if i%7 == 0 {
		switch i / 7 % 4 {
		case 0:
			c, cancel := context.WithCancel(ctx)
			cancel()
			_, err := a.query(c, tenant, a.rowsSQL())
			return nil, err
		case 1:
			c, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(2000))*time.Microsecond)
			defer cancel()
			return a.query(c, tenant, a.rowsSQL())
		case 2:
			_, err := a.query(ctx, tenant, "SELECT 1/(random()*0)::int")
			return nil, err
		default:
			c, cancel := context.WithTimeout(ctx, 2*time.Millisecond)
			defer cancel()
			_, err := a.query(c, tenant, "SELECT pg_sleep(0.02)")
			return nil, err
		}
	}
	return a.query(ctx, tenant, a.rowsSQL())
}

// AcquireFrom borrows from a pgx pool, for [Attack].
func AcquireFrom(pool *pgxpool.Pool) Acquire {
	return func(ctx context.Context) (*pgx.Conn, func(), error) {
		c, err := pool.Acquire(ctx)
		if err != nil {
			return nil, nil, err
		}
		return c.Conn(), c.Release, nil
	}
}
