package cli

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// connectError says that a connection could not be made, without the connection
// string: pgx's own message names the user and the host, and those only.
func connectError(err error) error {
	var config *pgconn.ParseConfigError
	if errors.As(err, &config) {
		return withHint(errors.New("not a PostgreSQL connection string"), "for example postgres://user@host:5432/database")
	}
	return withHint(fmt.Errorf("connect: %w", err), "is the server running, and does it accept this role from here?")
}
