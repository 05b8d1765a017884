package protect

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// UndoResult is what an undo did.
type UndoResult struct {
	Undone []string `json:"undone"` // step IDs, in the order they were undone
	// Kept are things that something else depends on.
	Kept []string `json:"kept"`
}

// Undo returns the schema to where it was before the first [Apply]: it runs the
// journal backwards, the guard first, and then removes the journal. Values that a
// backfill put into a column that was there before stay. It can be run again after
// it was stopped at any moment. A database without a journal has nothing to undo.
func Undo(ctx context.Context, open Opener, opts ApplyOptions) (*UndoResult, error) {
	s, err := openSession(ctx, open, opts)
	if err != nil {
		return nil, err
	}
	defer s.close()
	res := &UndoResult{Undone: []string{}, Kept: []string{}}
	there, err := journalExists(ctx, s.conn)
	if err != nil || !there {
		return res, err
	}
	all, err := entries(ctx, s.conn)
	if err != nil {
		return nil, err
	}
	for i, e := range all {
		step := Step{ID: e.id, Group: e.group, Title: "undo: " + e.title}
		s.report(Progress{State: Started, Step: step, Number: i + 1, Total: len(all)})
		if err := s.undo(ctx, e); err != nil {
			return res, &ApplyError{Applied: len(res.Undone), Failed: e.id, Err: err}
		}
		res.Undone = append(res.Undone, e.id)
		s.report(Progress{State: Done, Step: step, Number: i + 1, Total: len(all)})
	}
	return res, s.removeJournal(ctx, res, all)
}

func (s *session) report(p Progress) {
	if s.opts.Progress != nil {
		s.opts.Progress(p)
	}
}

// undo reverses one entry. Where a statement scans a table or may not be in a
// transaction, each runs by itself, and one that has run before is passed over.
func (s *session) undo(ctx context.Context, e entry) error {
	if oneByOne(e.undo) {
		for _, q := range e.undo {
			if err := s.undoStatement(ctx, q); err != nil {
				return err
			}
		}
		return s.forget(ctx, e)
	}
	return s.inTx(ctx, nil, func(tx pgx.Tx) error {
		if err := execute(ctx, tx.Conn(), e.undo); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "DELETE FROM moat.steps WHERE seq = $1", e.seq)
		return err
	})
}

func oneByOne(undo []string) bool {
	for _, q := range undo {
		if strings.Contains(q, " VALIDATE CONSTRAINT ") || strings.Contains(q, " CONCURRENTLY ") {
			return true
		}
	}
	return false
}

func (s *session) undoStatement(ctx context.Context, q string) error {
	if strings.Contains(q, " CONCURRENTLY ") {
		return execute(ctx, s.conn, []string{q})
	}
	err := s.inTx(ctx, nil, func(tx pgx.Tx) error { return execute(ctx, tx.Conn(), []string{q}) })
	if hasCode(err, "42710") && strings.Contains(q, " ADD CONSTRAINT ") {
		return nil
	}
	return err
}

func (s *session) forget(ctx context.Context, e entry) error {
	_, err := s.conn.Exec(ctx, "DELETE FROM moat.steps WHERE seq = $1", e.seq)
	return err
}

// removeJournal drops the journal, and the schema if it was made for it and nothing
// of somebody else's is in it.
func (s *session) removeJournal(ctx context.Context, res *UndoResult, all []entry) error {
	for _, e := range all {
		role, ok := strings.CutPrefix(e.id, "roles/role/")
		if !ok {
			continue
		}
		var there bool
		if err := s.conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $1)",
			role).Scan(&there); err != nil {
			return err
		}
		if there {
			res.Kept = append(res.Kept, "role "+role+": another database still uses it")
		}
	}
	return s.inTx(ctx, nil, func(tx pgx.Tx) error {
		var created, others bool
		err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM moat.state WHERE name = 'created_schema'), EXISTS (SELECT "+
			"FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "+
			"WHERE n.nspname = 'moat' AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname NOT IN ('steps', "+
			"'backfills', 'chosen', 'state')) "+
			"OR EXISTS (SELECT FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace WHERE "+
			"n.nspname = 'moat')").Scan(&created, &others)
		if err != nil {
			return fmt.Errorf("inspect schema moat: %w", err)
		}
		drop := []string{"DROP TABLE moat.steps, moat.backfills, moat.chosen, moat.state"}
		switch {
		case created && !others:
			drop = append(drop, "DROP SCHEMA moat")
		case created:
			res.Kept = append(res.Kept, "schema moat: it holds objects that moat protect did not create")
		}
		return execute(ctx, tx.Conn(), drop)
	})
}
