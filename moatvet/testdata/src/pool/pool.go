package pool

import (
	"context"
	"database/sql"
	"database/sql/driver"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/moatsql"
)

func vulnerable(ctx context.Context, db *moat.DB, pool *pgxpool.Pool, other driver.Connector) {
	pool.Query(ctx, "select 1") // want `pgxpool.Pool.Query runs without a tenant: use moat.DB`
	conn, _ := pool.Acquire(ctx)
	conn.Exec(ctx, "select 1")  // want `pgxpool.Conn.Exec runs without a tenant`
	sql.Open("pgx", "")         // want `sql.Open opens a database without tenants beside moat`
	stdlib.OpenDBFromPool(pool) // want `stdlib.OpenDBFromPool opens a database`
	sql.OpenDB(other)           // want `sql.OpenDB opens a database`
	/* want `//moat:unscoped needs a reason` */ //moat:unscoped
	pool.Query(ctx, "select 1")
}

func fine(ctx context.Context, url string) {
	pool, _ := pgxpool.New(ctx, url)
	defer pool.Close()
	db, _ := moat.New(pool, nil)
	db.Query(ctx, "select 1")
	sql.OpenDB(moatsql.NewConnector(db))
	connector := moatsql.NewConnector(db)
	sql.OpenDB(connector)
	moatsql.Open(ctx, url, nil)
	db.UnscopedPool().Query(ctx, "select 1")
	//moat:unscoped the health check reads no table
	pool.Query(ctx, "select 1")
	sql.Open("pgx", url)        //moat:unscoped the owner migrates
	pool.Query(ctx, "select 1") // want `runs without a tenant`
}
