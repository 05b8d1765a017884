package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Unhurried lifts, for a session of the operator's, the timeouts that its database or role may set.
// It calls no function: the role may have the right to none. The application's connection is not for
// it: behind a pooler of transactions, the next client would have it without its timeouts.
func Unhurried(ctx context.Context, conn *pgx.Conn) error {
	for _, name := range []string{"statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"} {
		if err := lift(ctx, conn, name); err != nil {
			return err
		}
	}
	return nil
}

// lift sets a timeout to none. The statement that does so is under them itself, so it is tried
// more than once. Not every release has each of them.
func lift(ctx context.Context, conn *pgx.Conn, name string) error {
	for try := 0; ; try++ {
		_, err := conn.Exec(ctx, "SET "+name+" = 0", pgx.QueryExecModeSimpleProtocol)
		var pg *pgconn.PgError
		switch {
		case !errors.As(err, &pg):
			return err
		case pg.Code == "42704":
			return nil
		case pg.Code != "57014" || try == 5:
			return err
		}
	}
}
