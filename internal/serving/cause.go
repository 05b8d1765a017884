package serving

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// Cause is what a log may hold of an error: of PostgreSQL's only the code and where it
// arose, because its texts quote row values, and a trigger's say what it likes.
func Cause(err error) string {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return "SQLSTATE " + pgErr.Code + " in " + pgErr.Routine
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return "connect"
	}
	return err.Error()
}
