package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/migrations"
	"github.com/moat-db/moat/internal/migrations/tools"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/report"
	"github.com/moat-db/moat/tenancy"
)

type auditFlags struct {
	schemas, roles []string
	format         string
	failOn         string
	baseline       string
	writeBaseline  string
	reason         string
	expires        string
	migrations     string
	noProbe        bool
	full           bool
}

func (a *app) newAudit() *cobra.Command {
	var f auditFlags
	c := &cobra.Command{
		Use:   "audit [URL]",
		Short: "Find every hole in a database's tenant isolation",
		Long: "Read the system catalog and report everything that lets one tenant see or touch\n" +
			"another's rows, worst first: one line a rule, with --full the SQL that closes each\n" +
			"hole. Nothing is changed.\n\n" +
			"With --migrations no database is needed: a private PostgreSQL runs the folder's\n" +
			"files, and findings point at file and line.\n\n" +
			"Exit status: 0 nothing at or above --fail-on, 1 something, 2 could not look, or\n" +
			"not at everything.",
		Example: "  moat audit postgres://localhost/app\n" +
			"  moat audit --full --schema app | less\n" +
			"  moat audit --schema app --role app_user --format sarif > moat.sarif\n" +
			"  moat audit --migrations db/migrations --format github\n" +
			"  moat audit --write-baseline moat-baseline.yaml --reason 'known since March' --expires 2027-03-31",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runAudit(cmd.Context(), args, f) },
	}
	flags := c.Flags()
	flags.StringSliceVar(&f.schemas, "schema", nil, "report on these schemas only (default: tables.schemas, else all)")
	flags.StringSliceVar(&f.roles, "role", nil, "the application's roles (default: logins with privileges on tenant "+
		"tables)")
	formatFlag(c, &f.format, report.Names(report.AuditFormats()))
	flags.StringVar(&f.failOn, "fail-on", "", "lowest severity that exits 1: critical, high, medium, low or info "+
		"(default: audit.fail_on)")
	flags.StringVar(&f.baseline, "baseline", "", "accepted findings, each with a reason (default: audit.baseline if "+
		"it exists)")
	flags.StringVar(&f.writeBaseline, "write-baseline", "",
		"accept every finding that may be: write them to this file (needs --reason)")
	flags.StringVar(&f.reason, "reason", "", "why the findings written by --write-baseline are accepted")
	flags.StringVar(&f.expires, "expires", "", "last day of what --write-baseline accepts (default: a year from now)")
	flags.StringVar(&f.migrations, "migrations", "",
		"audit what the migrations in this folder make: "+english.Or(tools.Readers()))
	flags.BoolVar(&f.full, "full", false, "text: show each finding with its reason and its SQL, not one line a rule")
	flags.BoolVar(&f.noProbe, "no-probe", false, "read the catalog only: do not count crossing rows or ask for plans")
	return c
}

// audited is what one audit looked at.
type audited struct {
	report   audit.Report
	snapshot *catalog.Snapshot
	locator  *migrations.Locator // nil without --migrations
}

func (a *app) runAudit(ctx context.Context, args []string, f auditFlags) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	failOn, err := audit.ParseSeverity(cmp.Or(f.failOn, c.Audit.FailOn, "medium"))
	if err != nil {
		return err
	}
	format, err := report.Named(report.AuditFormats(), f.format)
	if err != nil {
		return err
	}
	if f.writeBaseline != "" && strings.TrimSpace(f.reason) == "" {
		return withHint(errors.New("a baseline needs a reason"), "--reason 'why these findings are accepted'")
	}
	o := audit.Options{Schemas: f.schemas, Owner: c.Roles.Owner, Membership: config.Named(c.Caller.Table),
		Today: time.Now()}
	if f.writeBaseline == "" { // else everything is accepted anew
		if o.Accepted, err = exceptions(f.baseline, c); err != nil {
			return err
		}
	}
	var got audited
	if f.migrations != "" {
		got, err = a.auditMigrations(ctx, c, f, o)
	} else {
		got, err = a.auditDatabase(ctx, args, c, f, o)
	}
	if err != nil {
		return err
	}
	got.locate()
	if f.writeBaseline != "" {
		return a.writeBaseline(f, got)
	}
	if err := format.Write(a.Out, &got.report, report.Options{Colour: a.color(a.Out), Full: f.full, FailOn: failOn,
		Version: Version(), Now: time.Now()}); err != nil {
		return err
	}
	return auditOutcome(got.report, failOn)
}

// auditOutcome is the exit status: a report that did not see everything is never
// called clean.
func auditOutcome(r audit.Report, failOn audit.Severity) error {
	if r.Worst().AtLeast(failOn) {
		return errFound
	}
	if n := len(r.Unseen); n > 0 {
		return withHint(fmt.Errorf("the report is incomplete: see what was not checked"),
			"run it as a role that may read everything, such as the owner or a superuser")
	}
	return nil
}

func (a *app) auditDatabase(ctx context.Context, args []string, c config.Config, f auditFlags,
	o audit.Options) (audited, error) {
	conn, err := a.connect(ctx, args)
	if err != nil {
		return audited{}, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return look(ctx, conn, c, f, o, nil)
}

// look loads the catalog, infers the model and applies the rules.
func look(ctx context.Context, conn *pgx.Conn, c config.Config, f auditFlags, o audit.Options,
	leaveOut []string) (audited, error) {
	s, err := catalog.Load(ctx, conn)
	if err != nil {
		return audited{}, fmt.Errorf("read the catalog: %w", err)
	}
	model := c.Model()
	model.Roles = f.roles
	if len(f.schemas) > 0 {
		model.Schemas = f.schemas
	}
	if len(model.Schemas) == 0 && len(leaveOut) > 0 {
		for _, sch := range s.Schemas {
			if !slices.Contains(leaveOut, sch.Name) {
				model.Schemas = append(model.Schemas, sch.Name)
			}
		}
	}
	v, err := tenancy.Infer(s, model)
	if err != nil {
		return audited{}, withHint(fmt.Errorf("find the tenant model: %w", err), "%s", modelHint(err))
	}
	if !f.noProbe {
		if o.Evidence, err = audit.Probe(ctx, conn, v); err != nil {
			return audited{}, err
		}
	}
	return audited{report: audit.Run(v, o), snapshot: s}, nil
}

// modelHint says what helps where no model of the tenants could be made.
func modelHint(err error) string {
	if _, ok := errors.AsType[*tenancy.NoSuchObjectError](err); ok {
		return "correct the name in moat.yaml or in the flag, or take it out"
	}
	return "set tenant.column in moat.yaml, or choose the schemas with --schema"
}

// auditMigrations runs the files on a private server and audits the result.
func (a *app) auditMigrations(ctx context.Context, c config.Config, f auditFlags, o audit.Options) (audited, error) {
	folder, err := migrations.Read(f.migrations)
	if err != nil {
		return audited{}, err
	}
	server, err := postgres.Start(ctx, postgres.Options{})
	if err != nil {
		return audited{}, withHint(err, "--migrations needs PostgreSQL's programs on this machine")
	}
	defer server.Stop()
	conn, err := pgx.Connect(ctx, server.URL("postgres", postgres.Superuser))
	if err != nil {
		return audited{}, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	applied, err := migrations.Apply(ctx, conn, folder, c.Roles.Migrator == c.Roles.Operator)
	for _, n := range applied.Notes {
		fmt.Fprintf(a.Err, "moat: %s\n", n)
	}
	if err != nil {
		return audited{}, err
	}
	f.noProbe, o.Elsewhere = true, true // the tables are empty, and the server is not theirs
	for _, h := range applied.Hidden {
		o.Evidence.Hidden = append(o.Evidence.Hidden, audit.HiddenRows{
			Table: catalog.QName{Schema: h.Schema, Name: h.Table}, File: h.File, Line: h.Line})
	}
	got, err := look(ctx, conn, c, f, o, folder.Tool.Schemas)
	got.report.Database, got.locator = f.migrations, migrations.NewLocator(folder)
	return got, err
}

// locate gives findings the file and line that made their object.
func (g *audited) locate() {
	if g.locator == nil {
		return
	}
	for x := range catalog.Each(g.report.Findings) {
		if p, ok := g.locator.Find(x.Rule, x.Object); ok && x.File == "" {
			x.File, x.Line = p.File, p.Line
		}
	}
}
