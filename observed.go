package moat

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// ErrObserved is matched by the error of everything that is to serve tenants while the
// database is only observed: group observe of moat protect stands, and row-level security
// notes what it would hide and hides nothing.
var ErrObserved = errors.New("row-level security is only observed here and hides nothing: end it with moat protect " +
	"--apply --until enforce, or moat protect --undo --apply")

// ObservePolicy begins the name of each policy of group observe. It sorts before what
// people call theirs: PostgreSQL asks permissive policies in the opposite order of their
// names, and this one has to be asked last.
const ObservePolicy = "!moat_observe"

// CheckObserved returns [ErrObserved], with a table's name, where a policy of group
// observe stands. Any role may ask.
func CheckObserved(ctx context.Context, conn *pgx.Conn) error {
	var table string
	err := conn.QueryRow(ctx, `select n.nspname || '.' || c.relname
		from pg_catalog.pg_policy p join pg_catalog.pg_class c on c.oid = p.polrelid
		join pg_catalog.pg_namespace n on n.oid = c.relnamespace
		where pg_catalog.starts_with(p.polname::text, $1) order by 1 limit 1`, ObservePolicy).Scan(&table)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("look whether the database is observed: %w", err)
	}
	return fmt.Errorf("table %s: %w", table, ErrObserved)
}
