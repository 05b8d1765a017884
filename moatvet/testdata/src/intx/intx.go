package intx

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
)

func vulnerable(ctx context.Context, db *moat.DB) {
	db.InTx(ctx, func(tx pgx.Tx) error {
		db.Query(ctx, "select 1")          // want `DB.Query inside InTx takes a second connection`
		func() { db.InReadTx(ctx, nil) }() // want `DB.InReadTx inside InTx`
		tx.Conn()                          // want `Conn takes the connection out of the transaction`
		return nil
	})
	tx, _ := db.Begin(ctx)
	tx.Conn().PgConn().Exec(ctx, "select 1") // want `Conn takes the connection out of the transaction`
	tx.Conn().Ping(ctx)                      // want `Conn takes the connection out of the transaction`
}

func fine(ctx context.Context, db *moat.DB, owner pgx.Tx) {
	db.InTx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "select 1")
		return err
	})
	db.Query(ctx, "select 1")
	owner.Conn()
	tx, _ := db.Begin(ctx)
	tx.Conn().PgConn().PID()
	tx.Conn().TypeMap()
}
