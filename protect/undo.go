package protect

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
)

// UndoResult is what an undo did.
type UndoResult struct {
	Undone []string `json:"undone"` // step IDs, in the order they were undone
	// Gone says what was dropped, renamed or changed since, so that nothing is left of it
	// to undo.
	Gone []string `json:"gone"`
	// Left is what could not be undone, with the statements: they stay in the journal, and
	// the next undo tries them again.
	Left []Left `json:"left"`
	// Kept are things that something else depends on.
	Kept []string `json:"kept"`
}

// UndoStep is one entry of the journal, as an undo would reverse it.
type UndoStep struct {
	ID    string   `json:"id"`
	Group Group    `json:"group"`
	Title string   `json:"title"`
	SQL   []string `json:"sql"`
}

// PlanUndo lists what [Undo] would do, in its order, and changes nothing. A database
// without a journal has nothing to undo. A table limits it, see [ApplyOptions].Table.
func PlanUndo(ctx context.Context, conn *pgx.Conn, table catalog.QName) ([]UndoStep, error) {
	steps := []UndoStep{}
	there, err := journalExists(ctx, conn)
	if err != nil || !there {
		return steps, err
	}
	rows, err := conn.Query(ctx, "SELECT id, step_group, trim(title), undo"+undoOrder)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	steps, err = pgx.AppendRows(steps, rows, pgx.RowToStructByPos[UndoStep])
	return slices.DeleteFunc(steps, func(s UndoStep) bool { return !ofTable(s.ID, table) }), err
}

// ofTable reports whether a step is to be undone where an undo is limited to a table.
func ofTable(id string, table catalog.QName) bool {
	return table.Name == "" || strings.HasPrefix(id, stepID(GroupPartition, table, ""))
}

// Undo returns the schema to where it was before the first [Apply]: it runs the
// journal backwards, the guard first, and then removes the journal. Values that a
// backfill put into a column that was there before stay. It can be run again after
// it was stopped at any moment. A database without a journal has nothing to undo.
//
// Tables that were renamed are undone under their new names. What was dropped or changed
// by hand stops nothing else: the result says what was gone, and what is left.
func Undo(ctx context.Context, open Opener, opts ApplyOptions) (*UndoResult, error) {
	s, err := openSession(ctx, open, opts)
	if err != nil {
		return nil, err
	}
	defer s.close()
	res := &UndoResult{Undone: []string{}, Gone: []string{}, Left: []Left{}, Kept: []string{}}
	there, err := journalExists(ctx, s.conn)
	if err != nil || !there {
		return res, err
	}
	all, err := entries(ctx, s.conn)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(e entry) bool { return !ofTable(e.id, opts.Table) })
	var moved *moved
	for i, e := range all {
		// A table that was partitioned has its name again once that is undone.
		if moved == nil && !slices.ContainsFunc(all[i:], ofPartition) {
			if moved, err = s.movedTables(ctx, all); err != nil {
				return res, err
			}
		}
		step := Step{ID: e.id, Group: e.group, Title: "undo: " + e.title}
		s.report(Progress{State: Started, Step: step, Number: i + 1, Total: len(all)})
		if err := s.reverse(ctx, moved.entry(e), res); err != nil {
			return res, &ApplyError{Applied: len(res.Undone), Failed: e.id, Err: err}
		}
		s.report(Progress{State: Done, Step: step, Number: i + 1, Total: len(all)})
	}
	if len(res.Left) > 0 || opts.Table.Name != "" {
		return res, nil
	}
	return res, s.removeJournal(ctx, res, all)
}

func ofPartition(e entry) bool { return e.group == GroupPartition }

func (s *session) report(p Progress) {
	if s.opts.Progress != nil {
		s.opts.Progress(p)
	}
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
