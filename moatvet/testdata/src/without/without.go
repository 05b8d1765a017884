// Package without does not use moat: what it does is its own business.
package without

import (
	"context"
	"database/sql"

	"github.com/jackc/pgx/v5/pgxpool"
)

func fine(ctx context.Context, pool *pgxpool.Pool) {
	pool.Query(ctx, "select 1")
	sql.Open("pgx", "")
}
