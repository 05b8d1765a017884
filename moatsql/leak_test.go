package moatsql_test

import (
	"context"
	"database/sql"
	"os"
	"strconv"
)

// operations is how much the leak test does: MOAT_TEST_LEAK, or enough for each run.
func operations() int {
	if n, err := strconv.Atoi(os.Getenv("MOAT_TEST_LEAK")); err == nil {
		return n
	}
	return 4_000
}

// operation does one of the things that programs do, and returns the names it read.
func operation(ctx context.Context, db *sql.DB, i int) []string {
	switch i % 7 {
	case 0:
		return read(db.QueryContext(ctx, "select name from leads"))
	case 1: // gives up in between
		ctx, cancel := context.WithCancel(ctx)
		rows, err := db.QueryContext(ctx, "select name from leads, generate_series(1, 300)")
		cancel()
		return read(rows, err)
	case 2:
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return nil
		}
		defer tx.Rollback()
		_, _ = tx.Exec("update leads set name = name")
		return read(tx.Query("select name from leads"))
	case 3: // fails
		_, _ = db.ExecContext(ctx, "select 1 / 0 from leads")
		return nil
	case 4:
		stmt, err := db.PrepareContext(ctx, "select name from leads where id = $1")
		if err != nil {
			return nil
		}
		defer stmt.Close()
		return read(stmt.QueryContext(ctx, 1))
	case 5: // an injected change of the tenant, for the session
		_, _ = db.ExecContext(ctx, "select set_config('app.current_tenant', $1, false)", string(tenantB))
		return nil
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil
	}
	defer conn.Close()
	return read(conn.QueryContext(ctx, "update leads set name = name returning name"))
}

func read(rows *sql.Rows, err error) []string {
	if err != nil {
		return nil
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var name string
		if rows.Scan(&name) == nil {
			out = append(out, name)
		}
	}
	return out
}
