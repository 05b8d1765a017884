package cli

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
)

// statementTimeout is the one that the application role's statements have: the connection
// string's, else the configured one, which 0 leaves to the role and the server. 0 means none.
func statementTimeout(ctx context.Context, url string, configured time.Duration) (time.Duration, error) {
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return 0, connectError(err)
	}
	const name = "statement_timeout"
	own := c.RuntimeParams[name]
	if own == "" && configured > 0 && !strings.Contains(c.RuntimeParams["options"], name) {
		return configured, nil
	}
	conn, err := moat.Connect(ctx, url)
	if err != nil {
		return 0, connectError(err)
	}
	defer conn.Close(ctx)
	// A pooler drops what the connection string says, so it is set for the statement that asks.
	var ms int64
	err = conn.QueryRow(ctx, "select (1000 * extract(epoch from pg_catalog.set_config('statement_timeout', "+
		"coalesce(nullif($1, ''), pg_catalog.current_setting('statement_timeout')), true)::interval))::bigint", own).Scan(&ms)
	return time.Duration(ms) * time.Millisecond, err
}
