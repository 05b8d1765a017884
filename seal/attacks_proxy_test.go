package seal_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/proxy"
	"github.com/moat-db/moat/seal"
)

// door is moat proxy over a target, and whether all tenants share its connections.
type door struct {
	*target
	address, database string
	shared            bool
}

// TestAttacksThroughProxy runs every attack through moat proxy, with a connection for each
// tenant and with one for all by turns. In sealed mode nothing gets at B's rows but a token
// of B's that the attack is given. In plain mode nothing outlives its transaction.
func TestAttacksThroughProxy(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestAttacks
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		f := newFixture(t, c)
		f.prepare(t)
		for _, w := range ways(t, f)[:2] {
			a := newTarget(t, f, w)
			for _, shared := range []bool{false, true} {
				d := newDoor(t, a, shared)
				worked := 0
				for _, at := range attacks() {
					now, later := d.run(t, at)
					if now {
						worked++
					}
					if now && w.mode == seal.Sealed && !at.remains {
						t.Errorf("%s, shared %v: %s got B's rows", w.name, shared, at.name)
					}
					if later {
						t.Errorf("%s, shared %v: %s got B's rows in a later transaction", w.name, shared, at.name)
					}
				}
				t.Logf("%s, shared %v: %d of %d attacks work", w.name, shared, worked, len(attacks()))
				if w.mode == seal.Plain && worked < 15 {
					t.Errorf("%d attacks work in plain mode: that proves nothing", worked)
				}
			}
			a.other.Close(t.Context())
			must(t, seal.DropKey(t.Context(), f.admin, a.retired.ID()))
		}
	})
}

func newDoor(t *testing.T, a *target, shared bool) *door {
	t.Helper()
	server, err := pgconn.ParseConfig(a.App)
	must(t, err)
	o := a.way.Options
	p, err := proxy.New(proxy.Config{Server: server, Options: &o, Connections: 4, Verify: doorVerify})
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	served := make(chan error, 1)
	go func() { served <- p.Serve(l) }()
	t.Cleanup(func() {
		p.Close()
		must(t, <-served)
	})
	return &door{target: a, address: l.Addr().String(), database: server.Database, shared: shared}
}

func doorVerify(_ context.Context, token, _ string) (proxy.Caller, error) {
	scope, known := map[string]moat.Scope{"A": {Tenant: tenantA, Subject: string(tenantB)}, "B": {Tenant: tenantB}}[token]
	if !known && token != "service" {
		return proxy.Caller{}, errors.New("no such token")
	}
	return proxy.Caller{Scope: scope, Pool: token == "service",
		Admit: func(_ context.Context, s moat.Scope) (moat.Scope, error) { return s, nil }}, nil
}

// run reports whether an attack got at B's rows or a secret at once, and whether it did in
// a later transaction.
func (d *door) run(t *testing.T, at attack) (now, later bool) {
	t.Helper()
	first, second := &transcript{}, &transcript{}
	before := d.rowsOfB(t)
	d.stolen = ""
	a := d.dial(t, "A", first)
	defer a.Close(context.Background())
	b := a // a pool's connection is B's before and after
	if !d.shared {
		b = d.dial(t, "B", first)
		defer b.Close(context.Background())
	}
	_ = d.as(b, "B", d.victimOf)
	d.attack(t, first, a, at.kind, at.sql)
	changed := d.rowsOfB(t) != before
	_ = d.as(b, "B", d.victimOf) // which the attack may have broken: what counts is what A sees
	if a.IsClosed() {
		a = d.dial(t, "A", second)
		defer a.Close(context.Background())
	}
	d.attack(t, second, a, expression, "")
	d.attack(t, second, a, at.kind, at.later)
	now = changed || slices.ContainsFunc(d.secrets, first.contains)
	later = slices.ContainsFunc(d.secrets, second.contains) || !changed && d.rowsOfB(t) != before
	d.restore(t)
	return now, later
}

func (d *door) dial(t *testing.T, who string, e *transcript) *pgx.Conn {
	t.Helper()
	if d.shared {
		who = "service"
	}
	c, err := pgx.ParseConfig(fmt.Sprintf("postgres://app:%s@%s/%s?sslmode=disable", who, d.address, d.database))
	must(t, err)
	c.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { e.add(n.Message, n.Detail, n.Hint) }
	conn, err := pgx.ConnectConfig(t.Context(), c)
	must(t, err)
	return conn
}

// as runs fn in a transaction of a tenant.
func (d *door) as(conn *pgx.Conn, who string, fn func(tx pgx.Tx) error) error {
	ctx := context.Background()
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if d.shared {
			if _, err := tx.Exec(ctx, "set local moat.tenant_token = '"+who+"'"); err != nil {
				return err
			}
		}
		return fn(tx)
	})
}

// victimOf is a request of B's.
func (d *door) victimOf(tx pgx.Tx) error {
	var name string
	if err := tx.QueryRow(context.Background(), "select name from leads where id = $1", 1).Scan(&name); err != nil {
		return err
	}
	_, err := tx.Exec(context.Background(), "insert into leads (id, name) select max(id) + 100, $1 from leads",
		secretB+"-new")
	return err
}

// attack runs one part of an attack as A and keeps all that comes back.
func (d *door) attack(t *testing.T, e *transcript, conn *pgx.Conn, k kind, sql string) {
	t.Helper()
	ctx := context.Background()
	if k == connection {
		d.attackByOptions(e, d.fill(t, sql, 0))
		return
	}
	e.addError(d.as(conn, "A", func(tx pgx.Tx) error {
		var pid uint32
		if err := tx.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
			return err
		}
		text := d.fill(t, sql, pid)
		if k == expression {
			rows, err := tx.Query(ctx, programStatement+text)
			if err != nil {
				return err
			}
			return e.addRows(rows)
		}
		for part := range strings.SplitSeq(text, ";;") {
			results, err := conn.PgConn().Exec(ctx, part).ReadAll()
			e.addResults(results)
			e.addError(err)
		}
		return nil
	}))
}

func (d *door) attackByOptions(e *transcript, options string) {
	ctx := context.Background()
	c, err := pgx.ParseConfig(fmt.Sprintf("postgres://app:A@%s/%s?sslmode=disable", d.address, d.database))
	if err != nil {
		return
	}
	c.RuntimeParams["options"] = options
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		e.addError(err)
		return
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "select name from app.leads")
	e.addError(err)
	e.addError(e.addRows(rows))
}
