package prove

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// Message shortens an error for a reason: what the server said, and its SQLSTATE.
func Message(err error) string {
	var pg *pgconn.PgError
	switch {
	case err == nil, errors.As(err, &pg) && pg == nil:
		return "no error was given"
	case pg != nil:
		return pg.Message + " (SQLSTATE " + pg.Code + ")"
	}
	return err.Error()
}
