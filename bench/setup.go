package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/bench/relay"
	"github.com/moat-db/moat/internal/postgres"
)

// schema is the policy of the documentation on one table; %d is the number of
// tenants, %d the number of rows. Rows of a tenant lie apart, as they come in.
const schema = `
create table leads (
	tenant_id uuid not null default (nullif(current_setting('app.current_tenant', true), '')::uuid),
	id bigint not null,
	name text not null,
	status text not null,
	created_at timestamptz not null,
	primary key (tenant_id, id)
);
insert into leads
select ('00000000-0000-4000-8000-' || lpad((i %% %[1]d)::text, 12, '0'))::uuid, i / %[1]d, 'Lead number ' || i, 'new',
	timestamptz '2026-01-01' + i * interval '1 second'
from generate_series(0, %[2]d - 1) i;
create index on leads (tenant_id, created_at desc);
create policy tenant_isolation on leads as restrictive for all to public
	using      (tenant_id = (select nullif(current_setting('app.current_tenant', true), '')::uuid))
	with check (tenant_id = (select nullif(current_setting('app.current_tenant', true), '')::uuid));
create policy tenant_access on leads as permissive for all to app using (true) with check (true);
alter table leads enable row level security;
alter table leads force row level security;
grant select, insert, update, delete on leads to app, plain;
`

const roles = `do $$ begin
	if not exists (select from pg_roles where rolname = 'app') then
		create role app login;
		create role plain login bypassrls;
	end if;
end $$`

// bench is one database: both sides, over the socket and over the slow link.
type bench struct {
	tenants, perTenant int
	direct, delayed    sides
	sql                []sqlSides // the same two through database/sql
}

// sides are the two ways to ask the same question.
type sides struct {
	link  string
	plain *pgxpool.Pool
	moat  *moat.DB
	pool  *pgxpool.Pool // the moat side's
}

func setUp(ctx context.Context, server *postgres.Server, slow *relay.Delay, tenants, rows int) (*bench, error) {
	name := fmt.Sprintf("bench_%d", tenants)
	if err := exec(ctx, server.URL("postgres", postgres.Superuser), roles, "create database "+name); err != nil {
		return nil, err
	}
	if err := exec(ctx, server.URL(name, postgres.Superuser), fmt.Sprintf(schema, tenants, rows),
		"vacuum (analyze, freeze)", "checkpoint"); err != nil {
		return nil, err
	}
	b := &bench{tenants: tenants, perTenant: rows / tenants}
	var err error
	if b.direct, err = connect(ctx, "socket", func(role string) string { return server.URL(name, role) }); err != nil {
		return nil, err
	}
	if b.delayed, err = connect(ctx, "+1 ms", func(role string) string { return slow.URL(name, role) }); err != nil {
		return nil, err
	}
	for link, url := range map[string]func(string) string{
		"socket": func(role string) string { return server.URL(name, role) },
		"+1 ms":  func(role string) string { return slow.URL(name, role) },
	} {
		s, err := connectSQL(ctx, link, url)
		if err != nil {
			return nil, err
		}
		b.sql = append(b.sql, s)
	}
	return b, nil
}

func exec(ctx context.Context, url string, statements ...string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			return err
		}
	}
	return nil
}

func connect(ctx context.Context, link string, url func(role string) string) (sides, error) {
	s := sides{link: link}
	var err error
	if s.plain, err = newPool(ctx, url("plain")); err != nil {
		return s, err
	}
	if s.pool, err = newPool(ctx, url("app")); err != nil {
		return s, err
	}
	s.moat, err = moat.New(s.pool, nil)
	return s, err
}

func newPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = 8
	config.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	return pgxpool.NewWithConfig(ctx, config)
}

func (b *bench) close() {
	for _, s := range b.sql {
		_ = errors.Join(s.plain.Close(), s.moat.Close())
	}
	for _, s := range []sides{b.direct, b.delayed} {
		s.plain.Close()
		s.pool.Close()
	}
}
