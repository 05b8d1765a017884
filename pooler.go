package moat

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/internal/alive"
)

// ErrPoolerHidesProcess is returned by [Open] for a [Sealer] whose signatures hold on one
// server process, behind a pooler that hides which one that is.
var ErrPoolerHidesProcess = errors.New("a pooler hides the server process that signatures are made for: " +
	"seal for any connection (seal.Options.AnyBackend, sealed.any_connection)")

// Connect opens one connection to url as [Open] opens those of its pool: behind a pooler it
// does without what the pooler does not carry. It binds no tenant.
func Connect(ctx context.Context, url string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse connection string: %w", errConnString)
	}
	alive.Conn(&config.Config)
	pooled, err := behindPooler(ctx, config)
	if err != nil {
		return nil, err
	}
	if pooled {
		if _, err := withoutSession(config); err != nil {
			return nil, err
		}
	}
	return pgx.ConnectConfig(ctx, config)
}

// behindPooler reports whether something stands between the program and the server that
// gives each transaction another server process, as PgBouncer does: it refuses start-up
// parameters that it does not know, or says another process id than the server.
func behindPooler(ctx context.Context, config *pgx.ConnConfig) (bool, error) {
	conn, err := pgx.ConnectConfig(ctx, config.Copy())
	if refusesParameters(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer conn.Close(ctx)
	var backend uint32
	if err := conn.QueryRow(ctx, "select pg_catalog.pg_backend_pid()", pgx.QueryExecModeExec).Scan(&backend); err != nil {
		return false, err
	}
	return backend != conn.PgConn().PID(), nil
}

// refusesParameters recognises a protocol violation at the start of a connection: the
// server itself refuses a parameter by other codes.
func refusesParameters(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == "08P01"
}

var parameterName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

// withoutSession makes a configuration rely on nothing that lasts longer than a transaction:
// no named statement, and no start-up parameter but the name of the application. It returns
// the parameters, to be set in each transaction.
func withoutSession(c *pgx.ConnConfig) ([]setting, error) {
	if c.DefaultQueryExecMode != pgx.QueryExecModeExec {
		c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	var moved []setting
	for _, name := range slices.Sorted(maps.Keys(c.RuntimeParams)) {
		if name == "application_name" {
			continue
		}
		if !parameterName.MatchString(name) || name == "options" {
			return nil, fmt.Errorf("a pooler does not carry the start-up parameter %q: set it for the role", name)
		}
		value := c.RuntimeParams[name]
		delete(c.RuntimeParams, name)
		moved = append(moved, setting{name, func(*Scope) string { return value }})
	}
	return moved, nil
}

// anyBackend reports whether a Sealer's signatures hold on every connection.
func anyBackend(s Sealer) bool {
	any, ok := s.(interface{ AnyBackend() bool })
	return ok && any.AnyBackend()
}
