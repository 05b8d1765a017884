package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/migrations/tools"
	"github.com/moat-db/moat/internal/report"
	"github.com/moat-db/moat/protect"
)

// protectFlags are the flags of moat protect.
type protectFlags struct {
	apply, undo, sql  bool
	sealed, full      bool
	until, why        string
	emit, dir, format string
	lockTimeout       time.Duration
	batchSize         int
	throttle          int
	partition         partitionFlags
}

func (a *app) newProtect() *cobra.Command {
	var f protectFlags
	c := &cobra.Command{
		Use:   "protect [URL]",
		Short: "Plan, and run, the change to isolated tables without downtime",
		Long: "Show what the database still needs to keep its tenants apart. --apply makes the\n" +
			"changes, one small step at a time, up to group policies. From group enforce on, a\n" +
			"connection that sets no tenant sees no rows: that takes --until guards. --until\n" +
			"observe stops before: everything still succeeds, and moat observe shows what\n" +
			"enforce would break. --undo shows how the changes are reversed, --undo --apply\n" +
			"reverses them. If a run is interrupted, run it again to continue.\n\n" +
			"Exit code 0: nothing to do, or everything was applied. 1: steps are planned, or\n" +
			"rows must be corrected first. 2: an error.",
		Example: "  moat protect postgres://localhost/app\n" +
			"  moat protect --apply --until observe\n" +
			"  moat protect --apply --until guards\n" +
			"  moat protect --why app.invoices\n" +
			"  moat protect --emit goose --dir migrations\n" +
			"  moat protect --undo --apply\n" +
			"  moat protect --table app.events --partition 42 --apply\n" +
			"  moat protect --table app.events --by hash:16 --apply\n" +
			"  moat protect --table app.events --undo --apply",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runProtect(cmd.Context(), args, f) },
	}
	flags := c.Flags()
	flags.BoolVar(&f.apply, "apply", false, "run the plan")
	flags.BoolVar(&f.undo, "undo", false, "show how the schema is restored as it was before the first "+
		"--apply; with --apply, restore it")
	flags.BoolVar(&f.sealed, "sealed", false, "with --apply: install sealed mode too, and have the policies read the "+
		"sealed tenant")
	flags.BoolVar(&f.full, "full", false, "show each step and each question, not only the first page")
	flags.BoolVar(&f.sql, "sql", false, "show each step's statements, with --full")
	flags.StringVar(&f.until, "until", "", "last group to run or write: "+groupNames()+" (default: policies, guards "+
		"with --emit)")
	flags.StringVar(&f.why, "why", "", "explain one table")
	choiceFlag(c, &f.emit, "emit", "", "write the plan as migration files: ", tools.Writers())
	flags.StringVar(&f.dir, "dir", "", "folder of the migration files")
	formatFlag(c, &f.format, report.TextOrJSON())
	flags.DurationVar(&f.lockTimeout, "lock-timeout", 0,
		"how long a statement waits for a lock before it tries again (default 400ms)")
	flags.IntVar(&f.batchSize, "batch-size", 0, "rows in each batch of a backfill (default: as many as take about 0.1 s)")
	flags.IntVar(&f.throttle, "throttle", 0, "most rows a backfill fills in a second (default: no limit)")
	f.partition.add(c)
	c.MarkFlagsMutuallyExclusive("undo", "why", "emit")
	c.MarkFlagsMutuallyExclusive("apply", "why", "emit")
	return c
}

func groupNames() string {
	return list.Join(protect.Groups(), ", ", func(g protect.Group) string { return string(g) })
}

func (f protectFlags) check() error {
	if f.until != "" && !slices.Contains(protect.Groups(), protect.Group(f.until)) {
		return withHint(fmt.Errorf("unknown group %q", f.until), "groups, in order: %s", groupNames())
	}
	if f.emit != "" && !slices.Contains(tools.Writers(), f.emit) {
		return withHint(fmt.Errorf("unknown migration tool %q", f.emit), "use %s", english.Or(tools.Writers()))
	}
	if f.sealed && (!f.apply || f.undo) {
		return errors.New("--sealed needs --apply")
	}
	if (f.emit == "") != (f.dir == "") {
		return errors.New("--emit and --dir must be used together")
	}
	if f.batchSize < 0 || f.throttle < 0 || f.lockTimeout < 0 {
		return errors.New("--batch-size, --throttle and --lock-timeout cannot be negative")
	}
	return f.partition.check(f)
}

func (a *app) runProtect(ctx context.Context, args []string, f protectFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	url, err := a.database(args)
	if err != nil {
		return err
	}
	open := func(ctx context.Context) (*pgx.Conn, error) { return administer(ctx, url) }
	if f.undo {
		return a.undoProtect(ctx, open, f)
	}
	c, err := a.config()
	if err != nil {
		return err
	}
	if f.partition.table != "" {
		return a.partitionTable(ctx, open, c, f)
	}
	plan, err := a.planProtect(ctx, open, c, f)
	if err != nil {
		return err
	}
	switch {
	case f.apply:
		if err := a.applyProtect(ctx, open, plan, f); err != nil {
			return err
		}
		return a.sealProtected(ctx, open, c, f.sealed)
	case f.emit != "":
		return a.emitProtect(plan, f)
	case f.why != "":
		return a.whyProtect(plan, f)
	}
	switch {
	case f.format == "json":
		err = report.JSON(a.Out, plan)
	case f.full || f.sql:
		report.PlanText(a.Out, plan, f.sql)
	default:
		report.PlanPage(a.Out, plan)
	}
	return planned(plan, err)
}

// planned is the error of a command that has shown a plan.
func planned(plan *protect.Plan, err error) error {
	if err == nil && (!plan.Empty() || len(plan.Open()) > 0) {
		return errFound
	}
	return err
}

func (a *app) planProtect(ctx context.Context, open protect.Opener, c config.Config,
	f protectFlags) (*protect.Plan, error) {
	conn, err := open(ctx)
	if err != nil {
		return nil, connectError(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if f.apply {
		if err := protect.Running(ctx, conn); err != nil {
			return nil, err
		}
	}
	decided := protectConfig(c)
	decided.Observe = protect.Group(f.until) == protect.GroupObserve
	if decided.Baseline, err = exceptions("", c); err != nil {
		return nil, err
	}
	decided.Today, decided.Looking = time.Now(), report.Looking(a.Err, time.Now())
	plan, s, unseen, err := protect.Look(ctx, conn, c.Model(), decided)
	if _, ok := errors.AsType[*protect.PersonError](err); ok {
		return nil, withHint(err, "name the table that says who belongs to which tenant: caller in moat.yaml; or, if the "+
			"application sends one current tenant, its setting: tenant.setting. Rows of a person's other tenants are then "+
			"hidden")
	}
	if err != nil {
		return nil, err
	}
	for _, sentence := range s.Unseen {
		fmt.Fprintf(a.Err, "moat: not checked: %s\n", sentence)
	}
	for _, r := range plan.Reopened {
		fmt.Fprintf(a.Err, "moat: reopened: %s\n", r)
	}
	if unseen != nil {
		fmt.Fprintf(a.Err, "moat: could not look for rows that cross tenants: %v\n", unseen)
	}
	return plan, nil
}

func (f protectFlags) options(a *app) protect.ApplyOptions {
	terminal := false
	if file, ok := a.Err.(*os.File); ok {
		terminal = term.IsTerminal(int(file.Fd()))
	}
	return protect.ApplyOptions{Until: protect.Group(f.until), LockTimeout: f.lockTimeout, BatchSize: f.batchSize,
		Throttle: f.throttle,
		Progress: report.PlanProgress(a.Err, terminal)}
}

func (a *app) applyProtect(ctx context.Context, open protect.Opener, plan *protect.Plan, f protectFlags) error {
	opts := f.options(a)
	res, err := protect.Apply(ctx, open, plan, opts)
	if open := new(protect.OpenError); errors.As(err, &open) {
		return a.refuse(open, f)
	}
	if err != nil {
		return withHint(err, "finished steps stay: run the same command again to continue, or --undo --apply to reverse them")
	}
	if f.format == "json" {
		err = report.ApplyJSON(a.Out, res)
	} else {
		until := opts.Until
		if until == "" {
			until = protect.DefaultUntil
		}
		report.ApplyText(a.Out, plan, res, until)
	}
	if err == nil && len(res.Stopped) > 0 {
		return errFound
	}
	return err
}

// refuse lists the questions that group enforce waits for. Nothing has changed.
func (a *app) refuse(e *protect.OpenError, f protectFlags) error {
	if f.format == "json" {
		if err := report.OpenJSON(a.Out, e); err != nil {
			return err
		}
		return errFound
	}
	report.OpenText(a.Out, e)
	return errFound
}

func (a *app) whyProtect(plan *protect.Plan, f protectFlags) error {
	e, err := plan.Why(f.why)
	if err != nil {
		return err
	}
	if f.format == "json" {
		return report.WhyJSON(a.Out, e)
	}
	report.WhyText(a.Out, e)
	return nil
}
