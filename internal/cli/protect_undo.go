package cli

import (
	"context"

	"github.com/moat-db/moat/internal/report"
	"github.com/moat-db/moat/protect"
)

// undoProtect shows what an undo would do, and does it with --apply.
func (a *app) undoProtect(ctx context.Context, open protect.Opener, f protectFlags) error {
	if !f.apply {
		return a.showUndo(ctx, open, f)
	}
	opts := f.options(a)
	if opts.Table = f.partition.name(); opts.Table.Name == "" {
		if err := a.unsealProtected(ctx, open); err != nil {
			return err
		}
	}
	res, err := protect.Undo(ctx, open, opts)
	if err != nil {
		return withHint(err, "run --undo --apply again to continue")
	}
	if f.format == "json" {
		err = report.UndoJSON(a.Out, res)
	} else {
		report.UndoText(a.Out, res)
	}
	if err == nil && len(res.Left) > 0 {
		return errFound
	}
	return err
}

func (a *app) showUndo(ctx context.Context, open protect.Opener, f protectFlags) error {
	conn, err := open(ctx)
	if err != nil {
		return connectError(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	steps, err := protect.PlanUndo(ctx, conn, f.partition.name())
	if err != nil {
		return err
	}
	if f.format == "json" {
		err = report.UndoPlanJSON(a.Out, steps)
	} else {
		report.UndoPlanText(a.Out, steps, f.sql)
	}
	if err == nil && len(steps) > 0 {
		return errFound
	}
	return err
}
