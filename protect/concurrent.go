package protect

import (
	"context"
	"time"

	"github.com/moat-db/moat/catalog"
)

// concurrent runs statements that cannot be in a transaction. The journal's row is
// written first: a process killed half-way leaves an index that is not valid, which
// the next plan drops and the undo knows.
func (r *runner) concurrent(ctx context.Context, s Step) error {
	undo := append([]string{}, s.Undo...)
	for _, q := range s.Remember {
		more, err := remember(ctx, r.conn, q)
		if err != nil {
			return err
		}
		undo = append(undo, more...)
	}
	if err := record(ctx, r.conn, s, undo, "started"); err != nil {
		return err
	}
	if err := r.concurrently(ctx, r.waiting(s), s.Index, s.SQL); err != nil {
		return err
	}
	return record(ctx, r.conn, s, undo, "done")
}

// concurrently tries again after a deadlock or a lock timeout, each time without the
// invalid index that the last attempt has left.
func (s *session) concurrently(ctx context.Context, waiting func(attempt int), index catalog.QName,
	sql []string) error {
	deadline := time.Now().Add(s.opts.Patience)
	for attempt := 1; ; attempt++ {
		said := func() {
			if waiting != nil {
				waiting(attempt)
			}
		}
		// It waits for older transactions without a timeout: those are named meanwhile.
		err := s.watch(ctx, said, func() error {
			if err := s.clear(ctx, index); err != nil {
				return err
			}
			return execute(ctx, s.conn, sql)
		})
		if err == nil || !isBusy(err) || time.Now().After(deadline) {
			return s.busy(err)
		}
		if waiting != nil {
			waiting(attempt)
		}
		if err := sleep(ctx, backoff(attempt)); err != nil {
			return err
		}
	}
}

// clear drops the leftover of an earlier attempt to build an index.
func (s *session) clear(ctx context.Context, index catalog.QName) error {
	if index.Name == "" {
		return nil
	}
	var left bool
	err := s.conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_index WHERE indexrelid = "+
		"pg_catalog.to_regclass($1) AND NOT indisvalid)", index.SQL()).Scan(&left)
	if err != nil || !left {
		return err
	}
	return execute(ctx, s.conn, []string{"DROP INDEX CONCURRENTLY IF EXISTS " + index.SQL()})
}
