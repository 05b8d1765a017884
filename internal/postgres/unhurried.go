package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Unhurried lifts, for a session, the timeouts that its database or role may set. The statement
// that does so is under them itself, so it is tried more than once.
func Unhurried(ctx context.Context, conn *pgx.Conn) error {
	var canceled *pgconn.PgError
	for try := 0; ; try++ {
		_, err := conn.Exec(ctx, "SET statement_timeout = 0")
		if err == nil {
			break
		}
		if try == 5 || !errors.As(err, &canceled) || canceled.Code != "57014" {
			return err
		}
	}
	// Not every release has the latter.
	_, err := conn.Exec(ctx, "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings "+
		"WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')", pgx.QueryExecModeSimpleProtocol)
	return err
}
