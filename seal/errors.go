package seal

import (
	"errors"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATEs that decide what happens next.
const (
	codePrivilege     = "42501"
	codeLockTimeout   = "55P03"
	codeDeadlock      = "40P01"
	codeAuthorization = "28000"
)

func hasCode(err error, codes ...string) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains(codes, pg.Code)
}

// Refused reports whether err says that the database did not accept a signature: the
// key is unknown to it, retired or wrong, or the clocks are too far apart.
func Refused(err error) bool { return hasCode(err, codeAuthorization) }
