package protect

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// Batches aim at this duration, unless their size is given: short enough that a
// writer who waits for a row of the batch hardly notices.
const batchTime = 60 * time.Millisecond

const (
	firstBatch = 500
	leastBatch = 50
	mostBatch  = 5_000
)

// batchSQL renders the UPDATE of one batch; where bounds it.
func (b *Backfill) batchSQL(part Part, where string) string {
	if b.Into.Name != "" {
		return b.copySQL(part, where)
	}
	col := sqltext.Ident(b.Column)
	return fmt.Sprintf("UPDATE ONLY %s c SET %s = %s\n  WHERE c.%s IS NULL AND %s", part.Table.SQL(), col, b.Set, col,
		where)
}

// copySQL renders one batch of a copy. Whoever writes to a row that is being copied waits:
// otherwise a deleted row would come back.
func (b *Backfill) copySQL(part Part, where string) string {
	return fmt.Sprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE\n  SELECT c.%s FROM ONLY %s c\n  WHERE %s FOR "+
		"SHARE\n  ON CONFLICT DO NOTHING", b.Into.SQL(), sqltext.Idents(b.Columns), strings.Join(quoted(b.Columns), ", c."),
		part.Table.SQL(), where)
}

// copyMark stands between the two tables of a copy in the journal's name of its place.
const copyMark = " to "

// place is the journal's name of where a part has come to.
func (b *Backfill) place(part Part) string {
	if b.Into.Name != "" {
		return key(b.Table) + copyMark + key(b.Into)
	}
	return key(part.Table)
}

// filler walks one physical table.
type filler struct {
	*runner
	step  Step
	part  Part
	size  int
	rows  int64
	total int64
	since time.Time
	super bool
}

// backfill fills every part. Its place in each is kept in the batch's own
// transaction.
func (r *runner) backfill(ctx context.Context, s Step) error {
	f := &filler{runner: r, step: s, size: r.opts.BatchSize, total: s.Estimate.Rows, since: time.Now()}
	if f.size == 0 {
		f.size = firstBatch
	}
	err := r.conn.QueryRow(ctx, "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user").Scan(&f.super)
	if err != nil {
		return err
	}
	for _, part := range s.Backfill.Parts {
		f.part = part
		walk := f.walkKeys
		if len(part.Key) == 0 {
			walk = f.walkPages
		}
		if err := walk(ctx); err != nil {
			return fmt.Errorf("fill %s: %w", part.Table, err)
		}
	}
	return pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error {
		for _, part := range s.Backfill.Parts {
			if _, err := tx.Exec(ctx, "DELETE FROM moat.backfills WHERE part = $1", s.Backfill.place(part)); err != nil {
				return err
			}
		}
		return record(ctx, tx, s, s.Undo, "done")
	})
}

// position returns where an earlier run has come to, nil for the beginning.
func (f *filler) position(ctx context.Context) ([]string, error) {
	var position []string
	err := f.conn.QueryRow(ctx, "SELECT position FROM moat.backfills WHERE part = $1",
		f.step.Backfill.place(f.part)).Scan(&position)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return position, err
}

// walkKeys goes through the table in the order of its primary key.
func (f *filler) walkKeys(ctx context.Context) error {
	low, err := f.position(ctx)
	if err != nil {
		return err
	}
	for {
		high, err := f.keyAfter(ctx, low)
		if err != nil {
			return err
		}
		where, args := f.between(low, high)
		if err := f.batch(ctx, where, args, high); err != nil {
			return err
		}
		if high == nil {
			return nil
		}
		low = high
	}
}

// keyAfter returns the last key of the batch that begins after low, nil when the
// table ends before the batch does.
func (f *filler) keyAfter(ctx context.Context, low []string) ([]string, error) {
	var shown, order []string
	for _, k := range f.part.Key {
		shown = append(shown, "c."+sqltext.Ident(k.Column)+"::text")
		order = append(order, "c."+sqltext.Ident(k.Column))
	}
	where, args := f.between(low, nil)
	q := fmt.Sprintf("SELECT ARRAY[%s] FROM ONLY %s c WHERE %s ORDER BY %s OFFSET %d LIMIT 1",
		strings.Join(shown, ", "), f.part.Table.SQL(), where, strings.Join(order, ", "), f.size-1)
	var high []string
	err := f.conn.QueryRow(ctx, q, args...).Scan(&high)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return high, err
}

// between renders low < key ≤ high; a nil bound is open. Keys travel as text.
func (f *filler) between(low, high []string) (string, []any) {
	conds, args := []string{"true"}, []any{}
	if only := f.step.Backfill.Where; only != "" {
		conds[0] = only
	}
	bound := func(op string, values []string) {
		if values == nil {
			return
		}
		var cols, params []string
		for i, k := range f.part.Key {
			args = append(args, values[i])
			cols = append(cols, "c."+sqltext.Ident(k.Column))
			params = append(params, fmt.Sprintf("$%d::text::%s", len(args), k.Type))
		}
		conds = append(conds, fmt.Sprintf("(%s) %s (%s)", strings.Join(cols, ", "), op, strings.Join(params, ", ")))
	}
	bound(">", low)
	bound("<=", high)
	return strings.Join(conds, " AND "), args
}

// walkPages goes through a table without a primary key page by page. Rows that are
// updated move behind the end and are met again, filled.
func (f *filler) walkPages(ctx context.Context) error {
	low := int64(0)
	if at, err := f.position(ctx); err != nil {
		return err
	} else if len(at) == 1 {
		_, _ = fmt.Sscan(at[0], &low)
	}
	pages := int64(max(f.size/50, 1))
	for {
		var end int64
		if err := f.conn.QueryRow(ctx, "SELECT pg_relation_size(pg_catalog.to_regclass($1)) / "+
			"current_setting('block_size')::bigint", f.part.Table.SQL()).Scan(&end); err != nil {
			return err
		}
		if low >= end {
			return nil
		}
		high := low + pages
		where := fmt.Sprintf("c.ctid >= '(%d,0)'::tid AND c.ctid < '(%d,0)'::tid", low, high)
		if err := f.batch(ctx, where, nil, []string{fmt.Sprint(high)}); err != nil {
			return err
		}
		low, pages = high, int64(max(f.size/50, 1))
	}
}

// batch runs one UPDATE and keeps the place. The table's own triggers are held back
// where the role may do that: filling a column is not an update of the application.
func (f *filler) batch(ctx context.Context, where string, args []any, position []string) error {
	begun := time.Now()
	var filled int64
	err := f.inTx(ctx, f.waiting(f.step), func(tx pgx.Tx) error {
		// A batch that waits for a row keeps those it has: it gives up sooner than DDL.
		if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true)",
			fmt.Sprintf("%dms", min(f.opts.LockTimeout, batchTime).Milliseconds())); err != nil {
			return err
		}
		if f.super {
			if _, err := tx.Exec(ctx, "SET LOCAL session_replication_role = replica"); err != nil {
				return err
			}
		}
		where, err := f.inOrder(ctx, tx, where)
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, f.step.Backfill.batchSQL(f.part, where), args...)
		if err != nil {
			return err
		}
		filled = tag.RowsAffected()
		if position == nil {
			return nil
		}
		_, err = tx.Exec(ctx, "INSERT INTO moat.backfills VALUES ($1, $2, $3) ON CONFLICT (part) DO UPDATE SET position "+
			"= $2, filled = moat.backfills.filled + $3, updated_at = clock_timestamp()",
			f.step.Backfill.place(f.part), position, filled)
		return err
	})
	if err != nil {
		return err
	}
	f.rows += filled
	f.progress()
	return f.pause(ctx, time.Since(begun), filled)
}

// inOrder has a batch of a copy read by the primary key: the planner takes the range for a large
// part of the table, and would read all rows of the tenant by another index for each batch.
func (f *filler) inOrder(ctx context.Context, tx pgx.Tx, where string) (string, error) {
	if f.step.Backfill.Into.Name == "" || len(f.part.Key) == 0 {
		return where, nil
	}
	order := list.Map(f.part.Key, func(k Key) string { return "c." + sqltext.Ident(k.Column) })
	_, err := tx.Exec(ctx, "SELECT set_config('enable_sort', 'off', true), set_config('enable_incremental_sort', 'off', "+
		"true)")
	return where + "\n  ORDER BY " + strings.Join(order, ", "), err
}

func (f *filler) progress() {
	p := Progress{State: Moving, Step: f.step, Rows: f.rows, Of: f.total}
	if elapsed := time.Since(f.since).Seconds(); elapsed > 0 {
		p.Rate = float64(f.rows) / elapsed
	}
	if p.Rate > 0 && f.total > f.rows {
		p.Left = time.Duration(float64(f.total-f.rows) / p.Rate * float64(time.Second))
	}
	f.report(p)
}

// pause lets others go first, and fits the next batch's size to the clock.
func (f *filler) pause(ctx context.Context, took time.Duration, filled int64) error {
	if f.opts.BatchSize == 0 {
		switch {
		case took > 2*batchTime:
			f.size = max(f.size/2, leastBatch)
		case took < batchTime/2:
			f.size = min(f.size*2, mostBatch)
		}
	}
	wait := took / 2
	if f.opts.Throttle > 0 {
		wait = time.Duration(float64(filled)/float64(f.opts.Throttle)*float64(time.Second)) - took
	}
	if wait <= 0 {
		return ctx.Err()
	}
	return sleep(ctx, wait)
}
