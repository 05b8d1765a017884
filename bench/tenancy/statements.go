package main

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"strings"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres"
)

// tenant is the id of the n-th tenant of schema.sql.
func tenant(n int) moat.Tenant {
	h := md5.Sum(fmt.Appendf(nil, "t%d", n))
	return moat.Tenant(fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:]))
}

func own(ctx context.Context, n int) context.Context {
	return moat.WithScope(ctx, moat.Scope{Tenant: tenant(n)})
}

func wide(ctx context.Context, n int) context.Context {
	return moat.WithScope(ctx, moat.Scope{Tenant: tenant(n), Width: moat.Descendants})
}

const (
	list      = "select id, status, amount, created_at from app.leads order by created_at desc limit 50"
	aggregate = "select count(*), sum(amount) from app.leads"
	filtered  = "select id, status, amount, created_at from app.leads where status = 'new' " +
		"order by created_at desc limit 50"
	point  = "select status, amount from app.leads where id = $1"
	insert = "insert into app.leads (tenant_id, id, status, amount, created_at) values " +
		"($1, gen_random_uuid(), 'old', 0, timestamptz '2000-01-01') returning id"
	below = " where tenant_id in (select tenant from moat.tenant_tree where ancestor = $1)"
)

// agencies are those of 2, 41 and 5,051 tenants.
var agencies = []struct {
	name string
	n    int
}{{"tree of 2", 70}, {"tree of 41", 1}, {"tree of 5,051", 60}}

// compareWithPlain sets a leaf beside a database without a tree, and everything else beside
// hand-written predicates.
func compareWithPlain(ctx context.Context, server *postgres.Server) (*set, error) {
	s := &set{baseline: "other"}
	flat, err := s.open(ctx, server.URL("flat", "moat_app"), moat.Options{})
	if err != nil {
		return s, err
	}
	tree, err := s.open(ctx, server.URL("tree", "moat_app"), moat.Options{})
	if err != nil {
		return s, err
	}
	plain, err := s.pool(ctx, server.URL("tree", "plain"))
	if err != nil {
		return s, err
	}
	const leaf = 1001
	args := []any{string(tenant(leaf))}
	lead, err := s.value(ctx, server, "select id::text from app.leads where tenant_id = $1 limit 1", args...)
	if err != nil {
		return s, err
	}
	// The gate is asked once a statement. That it let the caller through is a filter on each row, about 20 ns,
	// which an aggregate over 17,000 dense rows shows.
	for _, l := range []struct {
		what, sql string
		args      []any
		atMost    float64
	}{{"point", point, []any{lead}, 1.06}, {"list of 50", list, nil, 1.06}, {"filtered list", filtered, nil, 1.06},
		{"aggregate", aggregate, nil, 1.2}, {"insert", insert, args, 1.06}} {
		sql := strings.ReplaceAll(l.sql, "app.leads", "app.calls")
		s.compare("leaf", l.what, statement{flat, own(ctx, leaf), sql, l.args},
			statement{tree, own(ctx, leaf), sql, l.args}, l.atMost)
	}
	// The level column of a hot table is filled and checked when a row is written.
	s.compare("leaf", "insert, hot table", statement{flat, own(ctx, leaf), insert, args},
		statement{tree, own(ctx, leaf), insert, args}, 0)
	byHand := func(who string, scope context.Context, n int, what, moatSQL, sql string, atMost float64,
		args ...any) {
		s.compare(who, what, statement{plain, ctx, sql, append([]any{string(tenant(n))}, args...)},
			statement{tree, scope, moatSQL, args}, atMost)
	}
	for _, a := range agencies {
		byHand(a.name, wide(ctx, a.n), a.n, "list of 50", list,
			"select id, status, amount, created_at from app.leads"+
				below+" order by created_at desc limit 50", 1.2)
		byHand(a.name, wide(ctx, a.n), a.n, "aggregate", aggregate, aggregate+below, 1.2)
		calls := strings.ReplaceAll(aggregate, "app.leads", "app.calls")
		byHand(a.name, wide(ctx, a.n), a.n, "aggregate, no level", calls, calls+below, 1.2)
	}
	s.parties(ctx, byHand)
	return s, errors.Join(s.people(ctx, server, byHand), s.shares(ctx, server, byHand))
}

// value reads what a statement asks for by key.
func (s *set) value(ctx context.Context, server *postgres.Server, sql string, args ...any) (value string,
	err error) {
	pool, err := s.pool(ctx, server.URL("tree", postgres.Superuser))
	if err != nil {
		return "", err
	}
	err = pool.QueryRow(ctx, sql, args...).Scan(&value) //moat:unscoped prepares the measurement
	return value, err
}

func (s *set) compare(who, what string, base, moat statement, atMost float64) {
	s.comparisons = append(s.comparisons, comparison{who, what, base, moat, atMost})
}

// compared adds a comparison with a statement by hand, whose first parameter is the tenant;
// args come behind it there, and are all that the other has.
type compared func(who string, scope context.Context, n int, what, moat, byHand string, atMost float64,
	args ...any)

// people may cost 1.5 times what their form cost when it was chosen, as parties and shares.
func (s *set) people(ctx context.Context, server *postgres.Server, add compared) error {
	const (
		people = "select id, email, name from app.users u"
		member = " join app.memberships m on m.user_id = u.id where m.tenant_id = $1"
		byName = " order by name limit 50"
	)
	for _, p := range []struct {
		name        string
		n           int
		point, list float64
	}{{"20 people", 1001, 1.29, 1.29}, {"500 people", 1002, 2.9, 0.89}} {
		one, err := s.value(ctx, server, "select user_id::text from app.memberships where tenant_id = $1 limit 1",
			string(tenant(p.n)))
		if err != nil {
			return err
		}
		add(p.name, own(ctx, p.n), p.n, "point", people+" where id = $1::uuid",
			people+member+" and u.id = $2::uuid", 1.5*p.point, one)
		add(p.name, own(ctx, p.n), p.n, "list of 50", people+byName, people+member+byName, 1.5*p.list)
	}
	return nil
}

func (s *set) parties(ctx context.Context, add compared) {
	const (
		orders = "select id, amount from app.orders"
		total  = "select count(*), sum(amount) from app.orders"
		either = " where (seller = $1 or buyer = $1)"
		latest = " order by created_at desc limit 50"
	)
	for _, p := range []struct {
		name string
		n    int
	}{{"seller and buyer", 1050}, {"buyer", 2900}} {
		add(p.name, own(ctx, p.n), p.n, "list of 50", orders+latest, orders+either+latest, 1.5*1.11)
		add(p.name, own(ctx, p.n), p.n, "aggregate", total, total+either, 1.5*1.11)
	}
}

func (s *set) shares(ctx context.Context, server *postgres.Server, add compared) error {
	const (
		boards = "select id, title from app.board"
		total  = "select count(*), max(title) from app.board"
		latest = " order by created_at desc limit 50"
		shared = " where (tenant_id = $1 or id in (select board_id from app.board_share where shared_with = $1))"
		n      = 1005
	)
	one, err := s.value(ctx, server, "select board_id::text from app.board_share where shared_with = $1 limit 1",
		string(tenant(n)))
	if err != nil {
		return err
	}
	add("shares", own(ctx, n), n, "point", boards+" where id = $1::uuid", boards+shared+" and id = $2::uuid",
		1.5*1.3, one)
	add("shares", own(ctx, n), n, "list of 50", boards+latest, boards+shared+latest, 1.5)
	add("shares", own(ctx, n), n, "aggregate", total, total+shared, 1.5)
	return nil
}

// compareWithSealed sets each shape beside itself in sealed mode. What is promised is that
// of sealed mode in general: about a tenth of a millisecond for each verification.
func compareWithSealed(ctx context.Context, server *postgres.Server, sealer moat.Sealer) (*set, error) {
	s := &set{baseline: "plain"}
	plain, err := s.open(ctx, server.URL("tree", "moat_app"), moat.Options{})
	if err != nil {
		return s, err
	}
	sealed, err := s.open(ctx, server.URL("sealed", "moat_app"), moat.Options{Sealer: sealer})
	if err != nil {
		return s, err
	}
	for _, c := range []struct {
		who, what string
		scope     context.Context
		sql       string
	}{
		{"leaf", "list of 50", own(ctx, 1001), list},
		{"tree of 41", "list of 50", wide(ctx, 1), list}, {"tree of 41", "aggregate", wide(ctx, 1), aggregate},
		{"tree of 5,051", "list of 50", wide(ctx, 60), list},
		{"20 people", "list", own(ctx, 1001), "select id, name from app.users order by name limit 50"},
		{"two parties", "aggregate", own(ctx, 1050), "select count(*) from app.orders"},
		{"shares", "aggregate", own(ctx, 1005), "select count(*) from app.board"},
	} {
		s.compare(c.who, c.what, statement{on: plain, ctx: c.scope, sql: c.sql},
			statement{on: sealed, ctx: c.scope, sql: c.sql}, 0)
	}
	return s, nil
}
