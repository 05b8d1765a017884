package protect

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Examine runs the plan's checks, read-only, and returns those that found rows, by
// ID: put them into Config.Stopped and plan again, so that no key is planned on rows
// that cross tenants. The connection needs to see every tenant's rows; where
// row-level security applies to its role that is an error.
//
// progress, where it is not nil, is told what is counted next, and how much there is.
func Examine(ctx context.Context, conn *pgx.Conn, plan *Plan, progress func(what string, n, of int)) (
	map[string]Found, error,
) {
	found := map[string]Found{}
	opts := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, conn, opts, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL row_security = off; SET LOCAL statement_timeout = 0"); err != nil {
			return err
		}
		all := plan.checks()
		for i, ck := range all {
			if progress != nil {
				progress(ck.What, i+1, len(all))
			}
			f, err := count(ctx, tx, ck, true)
			if err != nil {
				return err
			}
			if f.Count > 0 {
				found[ck.ID] = f
			}
		}
		return nil
	})
	return found, err
}

// checks are those of the steps, and those that no step depends on.
func (p *Plan) checks() []Check {
	var all []Check
	for _, s := range p.Steps {
		if s.Check != nil {
			all = append(all, *s.Check)
		}
	}
	return append(all, p.Strays...)
}

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// count runs a check; ahead asks it of columns that are yet to be added.
func count(ctx context.Context, db querier, c Check, ahead bool) (Found, error) {
	f := Found{Check: c, Sample: []string{}}
	countSQL, sampleSQL := c.Count, c.Sample
	if ahead && c.CountAhead != "" {
		countSQL, sampleSQL = c.CountAhead, c.SampleAhead
	}
	if err := db.QueryRow(ctx, countSQL).Scan(&f.Count); err != nil {
		return f, fmt.Errorf("count %s: %w", c.What, err)
	}
	if f.Count == 0 {
		return f, nil
	}
	rows, err := db.Query(ctx, sampleSQL)
	if err != nil {
		return f, fmt.Errorf("list %s: %w", c.What, err)
	}
	f.Sample, err = pgx.CollectRows(rows, pgx.RowTo[string])
	return f, err
}
