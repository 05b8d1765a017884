package client

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/portal/internal/frame"
)

// How long a page spends on what it can do without. Under row-level security no index helps
// to look inside a text, so a search takes as long as the tenant is large.
const (
	rowsTime   = 2 * time.Second
	countTime  = 250 * time.Millisecond
	searchTime = 250 * time.Millisecond // in one table
	searchAll  = 1500 * time.Millisecond
)

// within runs fn, and cuts its statements short that take longer than d; what fn has read
// until then stays. The transaction goes on either way.
func within(ctx context.Context, tx pgx.Tx, d time.Duration, fn func(tx pgx.Tx) error) (cut bool, err error) {
	inner, err := tx.Begin(ctx)
	if err != nil {
		return false, err
	}
	if err = frame.Limit(ctx, inner, d); err == nil {
		err = fn(inner)
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "57014" && ctx.Err() == nil {
		cut, err = true, nil
	}
	// Rolling back takes the limit away with it; nothing was written.
	if back := inner.Rollback(ctx); err == nil {
		err = back
	}
	return cut, err
}
