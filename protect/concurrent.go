package protect

import (
	"context"
	"time"
)

// concurrent runs statements that cannot be in a transaction. The journal's row is
// written first: a process killed half-way leaves an index that is not valid, which
// the next plan drops and the undo knows.
func (r *runner) concurrent(ctx context.Context, s Step) error {
	undo := append([]string{}, s.Undo...)
	for _, q := range s.Remember {
		rows, err := r.conn.Query(ctx, q)
		if err != nil {
			return err
		}
		var text string
		for rows.Next() {
			if err := rows.Scan(&text); err != nil {
				return err
			}
			undo = append(undo, text)
		}
		if err := rows.Err(); err != nil {
			return err
		}
	}
	if _, err := record(ctx, r.conn, s, undo, "started"); err != nil {
		return err
	}
	if err := r.persist(ctx, s); err != nil {
		return err
	}
	_, err := record(ctx, r.conn, s, undo, "done")
	return err
}

// persist tries again after a deadlock or a lock timeout, each time without the
// invalid index that the last attempt has left.
func (r *runner) persist(ctx context.Context, s Step) error {
	deadline := time.Now().Add(r.opts.Patience)
	for attempt := 1; ; attempt++ {
		err := r.clear(ctx, s)
		if err == nil {
			err = execute(ctx, r.conn, s.SQL)
		}
		if err == nil || !isBusy(err) || time.Now().After(deadline) {
			return err
		}
		r.waiting(s)(attempt)
		if err := sleep(ctx, backoff(attempt)); err != nil {
			return err
		}
	}
}

// clear drops the leftover of an earlier attempt to build the step's index.
func (r *runner) clear(ctx context.Context, s Step) error {
	if s.Index.Name == "" {
		return nil
	}
	var left bool
	err := r.conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_index WHERE indexrelid = "+
		"pg_catalog.to_regclass($1) AND NOT indisvalid)", s.Index.SQL()).Scan(&left)
	if err != nil || !left {
		return err
	}
	return execute(ctx, r.conn, []string{"DROP INDEX CONCURRENTLY IF EXISTS " + s.Index.SQL()})
}
