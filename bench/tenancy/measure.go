package main

import (
	"context"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
)

// querier is what both sides have in common.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// statement is one side of a comparison.
type statement struct {
	on   querier
	ctx  context.Context // with the scope, where there is one
	sql  string
	args []any
}

// run returns how long the statement took and how many rows came.
func (s statement) run() (time.Duration, int, error) {
	start := time.Now()
	rows, err := s.on.Query(s.ctx, s.sql, s.args...)
	if err != nil {
		return 0, 0, err
	}
	n := 0
	for rows.Next() {
		n++
	}
	return time.Since(start), n, rows.Err()
}

// comparison is one line of the table.
type comparison struct {
	who, what  string
	base, moat statement
	atMost     float64 // the ratio that is promised; 0 for none
}

// backends is how many server processes a side has in turn: of two that run the same statements,
// one may be 3 % slower for as long as it lives.
const backends = 8

// measure compares the two sides, and reports whether the ratio is what is promised. fresh gives
// both new connections.
func (c comparison) measure(ctx context.Context, out *tabwriter.Writer, window time.Duration, fresh func()) (
	bool, error,
) {
	var took [2][]time.Duration
	for range backends {
		fresh()
		if err := c.alternate(ctx, window/backends, &took); err != nil {
			return false, err
		}
	}
	var p50 [2]time.Duration
	for side := range took {
		slices.Sort(took[side])
		p50[side] = took[side][len(took[side])/2]
	}
	promised := ""
	if c.atMost > 0 {
		promised = fmt.Sprintf("%.2f", c.atMost)
	}
	ratio, mark := float64(p50[1])/float64(p50[0]), ""
	kept := c.atMost == 0 || ratio <= c.atMost
	if !kept {
		mark = "missed"
	}
	fmt.Fprintf(out, "%s\t%s\t%d µs\t%d µs\t%.2f\t%s\t%s\t\n", c.who, c.what, p50[0].Microseconds(),
		p50[1].Microseconds(), ratio, promised, mark)
	return kept, nil
}

// alternate runs the two sides in turn, and each of them first in turn, so that whatever else the
// machine does hits both alike.
func (c comparison) alternate(ctx context.Context, window time.Duration, took *[2][]time.Duration) error {
	sides, until := [2]statement{c.base, c.moat}, time.Now().Add(window)
	for i := 0; i < 20 || time.Now().Before(until); i++ {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var rows [2]int
		for _, side := range [2]int{i % 2, 1 - i%2} {
			d, n, err := sides[side].run()
			if err != nil {
				return err
			}
			rows[side] = n
			if i > 8 { // the first ones prepare the statements and warm the caches
				took[side] = append(took[side], d)
			}
		}
		if rows[0] != rows[1] || rows[0] == 0 {
			return fmt.Errorf("%d rows, and %d by the other statement", rows[1], rows[0])
		}
	}
	return nil
}
