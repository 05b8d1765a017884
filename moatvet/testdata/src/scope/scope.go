package scope

import (
	"context"
	"database/sql"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/moatsql"
)

func nothing(pgx.Tx) error { return nil }

type service struct{ store *sql.DB }

func vulnerable(db *moat.DB, url string) {
	db.Query(context.Background(), "select 1") // want `the context of Query has no tenant: it fails with moat.ErrNoTenant`
	db.InTx(context.TODO(), nothing)           // want `the context of InTx has no tenant`
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	db.Exec(ctx, "select 1") // want `the context of Exec has no tenant`
	std, _ := moatsql.Open(ctx, url, nil)
	std.ExecContext(context.Background(), "select 1") // want `the context of ExecContext has no tenant`
	std.Query("select 1")                             // want `sql.DB.Query has no context, so no tenant`
	s := service{store: std}
	s.store.Exec("select 1") // want `sql.DB.Exec has no context`
}

func fine(db *moat.DB, plain *sql.DB, r *http.Request, tenant moat.Tenant) {
	db.Query(r.Context(), "select 1")
	db.Query(moat.WithScope(context.Background(), moat.Scope{Tenant: tenant}), "select 1")
	ctx := context.Background()
	ctx = moat.WithScope(ctx, moat.Scope{Tenant: tenant})
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	db.Exec(ctx, "select 1")
	db.Check(context.Background())
	plain.Query("select 1")
	std, _ := moatsql.Open(context.Background(), "", nil)
	std.QueryContext(ctx, "select 1")
	std.Ping()
}
