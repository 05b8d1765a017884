package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/report"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/internal/standing"
	"github.com/moat-db/moat/lifecycle"
	"github.com/moat-db/moat/tenancy"
)

// tenantFlags are those that every act on a tenant has.
type tenantFlags struct {
	reason, by, format string
	apply              bool
}

func (a *app) newTenant() *cobra.Command {
	c := group(&cobra.Command{
		Use:   "tenant",
		Short: "Create, suspend, export, erase, restore or clone one tenant",
		Long: "Work on one tenant as a whole. Which rows are its own is derived from the keys and\n" +
			"columns of the database and from moat.yaml, so that no table is forgotten.\n\n" +
			"The connection is the operator's: a role that sees all rows. Each use needs a reason,\n" +
			"and stands in moat.operator_log, where the tenant sees the lines about itself.",
		Example: "  moat tenant list --reason 'capacity planning'\n" +
			"  moat tenant export 3f2a… --to acme.tar.zst --reason 'the customer asked for its data'\n" +
			"  moat tenant erase 3f2a… --reason 'contract ended' --after 30d --apply\n" +
			"  moat tenant restore 3f2a… --from postgres://localhost:5433/last_night --reason 'bad import'",
	})
	c.AddCommand(a.newTenantSetup(), a.newTenantList(), a.newTenantShow(), a.newTenantCreate(),
		a.newTenantState("suspend", "Lock a tenant out of everything that serves",
			(*lifecycle.Operator).Suspend, "is suspended"),
		a.newTenantState("resume", "Let a suspended tenant in again", (*lifecycle.Operator).Resume, "is active"),
		a.newTenantLimit(),
		a.newTenantExport(), a.newTenantErase(), a.newTenantRestore(), a.newTenantClone())
	return c
}

func (f *tenantFlags) add(c *cobra.Command, change string) {
	formatFlag(c, &f.format, report.TextOrJSON())
	c.Flags().StringVar(&f.reason, "reason", "", "why; it is logged, and the tenant sees it (required)")
	c.Flags().StringVar(&f.by, "by", "", "who acts (default: the role of the connection)")
	if change != "" {
		c.Flags().BoolVar(&f.apply, "apply", false, change)
	}
}

// operator makes the operator of a connection, by the database's model.
func (a *app) operator(ctx context.Context, conn *pgx.Conn, f tenantFlags) (*lifecycle.Operator, error) {
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	c.Roles.Operator = conn.Config().User
	view, err := tenancy.Read(ctx, conn, c.Model())
	if err != nil {
		return nil, err
	}
	gate, err := serving.NewTenantState(view, c.Tenant.SuspendedColumn)
	if err != nil {
		return nil, err
	}
	gate.By, gate.Reason = f.by, f.reason
	return lifecycle.NewOperator(ctx, conn, view, lifecycle.Options{Name: f.by, Reason: f.reason, Gate: gate})
}

// tenantError adds what to do next.
func tenantError(err error) error {
	var undecided *lifecycle.UndecidedError
	var unprepared *lifecycle.NotPreparedError
	var unmade *standing.NotPreparedError
	var blocked *lifecycle.BlockedError
	var missing *lifecycle.MissingRightsError
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &undecided):
		return withHint(err, "say in moat.yaml what they are: tables.shared, tables.ignore or tables.columns")
	case errors.As(err, &missing): // it names the statements
		return err
	case errors.As(err, &unprepared), errors.As(err, &pg) && pg.Code == "42501":
		return withHint(err, "once, as an administrator: moat tenant setup URL --operator ROLE --apply")
	case errors.As(err, &unmade):
		return withHint(err, "once, as an administrator: moat tenant setup URL --operator ROLE --apply")
	case errors.As(err, &blocked):
		return withHint(err, "change or delete those rows first; nothing was erased")
	case errors.Is(err, lifecycle.ErrCertified):
		return withHint(err, "--revoke-certificate, if the tenant is to exist again")
	case errors.Is(err, lifecycle.ErrNotDue):
		return withHint(err, "--now erases before, --cancel takes the request back")
	}
	return err
}

// act runs one act and prints its result.
func (a *app) act(ctx context.Context, urls []string, f tenantFlags, fn func(*lifecycle.Operator) error) error {
	if strings.TrimSpace(f.reason) == "" {
		return withHint(lifecycle.ErrNoReason, "--reason 'why you do this'")
	}
	return tenantError(a.onDatabase(ctx, urls, func(conn *pgx.Conn) error {
		o, err := a.operator(ctx, conn, f)
		if err != nil {
			return err
		}
		return fn(o)
	}))
}

// print writes v as JSON, or as text by fn.
func (a *app) print(f tenantFlags, v any, text func(w io.Writer)) error {
	if f.format == "json" {
		e := json.NewEncoder(a.Out)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	text(a.Out)
	return nil
}

func (a *app) newTenantList() *cobra.Command {
	var f tenantFlags
	c := &cobra.Command{
		Use:   "list [URL]",
		Short: "List the tenants with their rows and sizes",
		Long: "List the tenants with their state, rows, the size of their values, and the newest time in\n" +
			"a column that usually tells of a write. Every tenant table is read once for each tenant.",
		Example: "  moat tenant list --reason 'capacity planning'",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.act(cmd.Context(), args, f, func(o *lifecycle.Operator) error {
				all, err := o.List(cmd.Context())
				if err != nil {
					return err
				}
				return a.print(f, all, func(w io.Writer) { listText(w, all) })
			})
		},
	}
	f.add(c, "")
	return c
}

func listText(w io.Writer, all []*lifecycle.Census) {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "TENANT\tNAME\tSTATE\tROWS\tSIZE\tLAST WRITE")
	for _, c := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", c.Tenant, c.Name, stateText(c), c.Rows(), size(c.Bytes()), lastWrite(c))
	}
	t.Flush()
}

func lastWrite(c *lifecycle.Census) string {
	if last := c.LastWrite(); last != nil {
		return last.UTC().Format("2006-01-02 15:04")
	}
	return "–"
}

func size(bytes int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	n, i := float64(bytes), 0
	for n >= 1000 && i < len(units)-1 {
		n, i = n/1000, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", n, units[i])
}

func (a *app) newTenantShow() *cobra.Command {
	var f tenantFlags
	c := &cobra.Command{
		Use:     "show TENANT [URL]",
		Short:   "Show what a tenant has, table by table",
		Long:    "Count a tenant's rows in each table, and say what makes them its own.",
		Example: "  moat tenant show 3f2a… --reason 'a question of the customer'",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.act(cmd.Context(), args[1:], f, func(o *lifecycle.Operator) error {
				c, err := o.Show(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return a.print(f, c, func(w io.Writer) { censusText(w, c) })
			})
		},
	}
	f.add(c, "")
	return c
}

func censusText(w io.Writer, c *lifecycle.Census) {
	fmt.Fprintf(w, "Tenant %s%s, %s: %s, %s, last write %s\n\n", c.Tenant, inParens(c.Name), stateText(c),
		english.Count(c.Rows(), "row"), size(c.Bytes()), lastWrite(c))
	holdingsText(w, c.Tables)
	if c.People > 0 {
		fmt.Fprintf(w, "\n%s linked to the tenant; they may belong to others as well.\n", english.Count(c.People,
			"person is", "people are"))
	}
}

func inParens(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

func holdingsText(w io.Writer, all []lifecycle.Holding) {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, h := range all {
		fmt.Fprintf(t, "  %s\t%d\t%s\t%s\n", h.Table, h.Rows, size(h.Bytes), h.How)
	}
	t.Flush()
}

func (a *app) newTenantCreate() *cobra.Command {
	var f tenantFlags
	var set map[string]string
	c := &cobra.Command{
		Use:     "create [URL]",
		Short:   "Add a tenant to the tenants table",
		Long:    "Add one row to the table that lists the tenants, and print its id.",
		Example: "  moat tenant create --set name=Acme --set slug=acme --reason 'new customer' --apply",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !f.apply {
				return withHint(errors.New("nothing was created"), "--apply creates it")
			}
			return a.act(cmd.Context(), args, f, func(o *lifecycle.Operator) error {
				id, err := o.Create(cmd.Context(), set)
				if err != nil {
					return err
				}
				return a.print(f, map[string]string{"tenant": id}, func(w io.Writer) { fmt.Fprintln(w, id) })
			})
		},
	}
	f.add(c, "create it")
	c.Flags().StringToStringVar(&set, "set", nil, "a column's value, as COLUMN=VALUE; may be repeated")
	return c
}

// stateText is a tenant's state, and from when on it is to be erased.
func stateText(c *lifecycle.Census) string {
	if c.Due == nil {
		return c.State
	}
	return c.State + ", to be erased " + c.Due.Format(time.DateOnly)
}

func (a *app) newTenantState(name, short string, fn func(*lifecycle.Operator, context.Context, string) error,
	done string) *cobra.Command {
	var f tenantFlags
	c := &cobra.Command{
		Use:     name + " TENANT [URL]",
		Short:   short,
		Long:    short + ". The API, the portal and\nthe proxy act on it within a second.",
		Example: "  moat tenant " + name + " 3f2a… --reason 'invoice 4711' --apply",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !f.apply {
				return withHint(errors.New("nothing was changed"), "--apply changes it")
			}
			return a.act(cmd.Context(), args[1:], f, func(o *lifecycle.Operator) error {
				if err := fn(o, cmd.Context(), args[0]); err != nil {
					return err
				}
				return a.print(f, map[string]string{"tenant": args[0], "state": strings.TrimPrefix(done, "is ")},
					func(w io.Writer) {
						fmt.Fprintf(w, "tenant %s %s\n", args[0], done)
					})
			})
		},
	}
	f.add(c, "change it")
	return c
}
