package api

import (
	"errors"
	"net/http"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/api/internal/problem"
)

// readOnly recognises a write that the database did not take.
func readOnly(err error) bool {
	if err == nil {
		return false
	}
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == "25006"
}

// errStandby says why a write that the request may ask for is not taken.
func errStandby(cause error) error {
	e := problem.New(http.StatusMethodNotAllowed, "25006", "the database takes no writes").
		WithHint("This server reads from a standby, or from a database that is set to read only: send writes to one " +
			"over the primary.")
	e.Cause = cause
	return e
}
