package api

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// veiled leaves out which row broke a constraint. PostgreSQL shows the values of all
// columns that the role may read, and clients do not see all of those.
func veiled(err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || len(pgErr.Code) != 5 || pgErr.Code[:2] != "23" && pgErr.Code[:2] != "44" {
		return err
	}
	short := *pgErr
	short.Detail = ""
	return &short
}
