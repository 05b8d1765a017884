package serving

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// Cause is what a log may hold of an error: of PostgreSQL's only the code and where it
// arose, because its texts quote row values, and a trigger's say what it likes.
func Cause(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return "SQLSTATE " + pgErr.Code + " in " + pgErr.Routine
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return "connect"
	}
	return err.Error()
}
