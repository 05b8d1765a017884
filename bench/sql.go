package main

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/moatsql"
)

// sqlSides ask the same question through database/sql.
type sqlSides struct {
	link        string
	plain, moat *sql.DB
}

func connectSQL(ctx context.Context, link string, url func(role string) string) (sqlSides, error) {
	config, err := pgx.ParseConfig(url("plain"))
	if err != nil {
		return sqlSides{}, err
	}
	config.RuntimeParams["plan_cache_mode"] = generic
	plain := stdlib.OpenDB(*config) //moat:unscoped what moat is compared with
	plain.SetMaxIdleConns(8)
	bound, err := openSQL(ctx, url("app"), moat.Options{})
	return sqlSides{link, plain, bound}, err
}

const generic = "force_generic_plan"

func openSQL(ctx context.Context, url string, o moat.Options) (*sql.DB, error) {
	o.MaxConns = 8
	o.ConfigurePool = func(c *pgxpool.Config) { c.ConnConfig.RuntimeParams["plan_cache_mode"] = generic }
	return moatsql.Open(ctx, url, &o)
}

// sqlShape is a statement with the tenant written out, and without.
type sqlShape struct {
	name        string
	plain, moat string
	ids         bool // takes the row's id too
	rows        int  // none: a write
}

func sqlShapes() []sqlShape {
	const columns = "select tenant_id, id, name, status, created_at from leads "
	return []sqlShape{
		{"point", columns + "where tenant_id = $1 and id = $2", columns + "where id = $1", true, 1},
		{"list of 50", columns + "where tenant_id = $1 order by created_at desc limit 50",
			columns + "order by created_at desc limit 50", false, 50},
		{"insert", "insert into leads (tenant_id, id, name, status, created_at) values ($1, $2, 'x', 'new', " +
			"timestamptz '2000-01-01')", "insert into leads (id, name, status, created_at) values ($1, 'x', 'new', " +
			"timestamptz '2000-01-01')", true, 0},
	}
}

func (sh sqlShape) run(ctx context.Context, db *sql.DB, query string, args ...any) error {
	if sh.rows == 0 {
		_, err := db.ExecContext(ctx, query, args...)
		return err
	}
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var tenant, name, status string
		var id int64
		var created time.Time
		if err := rows.Scan(&tenant, &id, &name, &status, &created); err != nil {
			return err
		}
		n++
	}
	if err := rows.Err(); err != nil || n != sh.rows {
		return fmt.Errorf("%d rows, want %d: %w", n, sh.rows, err)
	}
	return rows.Close()
}

// scoped runs the shape for a random tenant and row, bound to that tenant.
func (sh sqlShape) scoped(ctx context.Context, db *sql.DB, tenants, perTenant int) error {
	return sh.run(scoped(ctx, rand.IntN(tenants)), db, sh.moat, sh.args(perTenant)...)
}

// named runs it with the tenant written out.
func (sh sqlShape) named(ctx context.Context, db *sql.DB, tenants, perTenant int) error {
	return sh.run(ctx, db, sh.plain, append([]any{tenantID(rand.IntN(tenants))}, sh.args(perTenant)...)...)
}

func (sh sqlShape) args(perTenant int) []any {
	switch {
	case sh.rows == 0:
		return []any{-nextID.Add(1)}
	case sh.ids:
		return []any{rand.Int64N(int64(perTenant))}
	}
	return nil
}

// latenciesSQL alternates plain database/sql and moatsql statement by statement.
func (b *bench) latenciesSQL(ctx context.Context, out *tabwriter.Writer, window time.Duration) error {
	for _, sh := range sqlShapes() {
		for _, s := range b.sql {
			took, err := alternate(window, func(side int) error {
				if side == 1 {
					return sh.scoped(ctx, s.moat, b.tenants, b.perTenant)
				}
				return sh.named(ctx, s.plain, b.tenants, b.perTenant)
			})
			if err != nil {
				return fmt.Errorf("%s: %w", sh.name, err)
			}
			printLatencies(out, b.tenants, "sql: "+sh.name, s.link, took)
		}
	}
	return nil
}
