package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/lifecycle"
	"github.com/moat-db/moat/tenancy"
)

func (a *app) newTenantRestore() *cobra.Command {
	var f tenantFlags
	var from string
	var opts lifecycle.RestoreOptions
	c := &cobra.Command{
		Use:   "restore TENANT [URL]",
		Short: "Bring one tenant back to an export, or to a backup restored beside",
		Long: "Compare the tenant's rows with those of an export, or of a backup that was restored as a\n" +
			"database beside, and show which would be added, changed and removed. With --apply the tenant\n" +
			"is suspended and its rows are replaced in one transaction; other tenants' rows are never\n" +
			"touched. Rows that others refer to are kept. Tables that say who is a member, or whom rows are\n" +
			"shared with, are left as they are unless they are named with --include.\n\n" +
			"Exit code 0: nothing to do, or it was done. 1: a difference. 2: refused, or an error.",
		Example: "  moat tenant restore 3f2a… --from postgres://localhost:5433/last_night --reason 'bad import'\n" +
			"  moat tenant restore 3f2a… --from acme.tar.zst --without-triggers --reason 'bad import' --apply",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if from == "" {
				return withHint(errors.New("nothing to restore from"), "--from FILE, or the URL of a backup restored beside")
			}
			opts.Apply = f.apply
			return a.act(cmd.Context(), args[1:], f, func(o *lifecycle.Operator) error {
				return a.restore(cmd.Context(), o, args[0], from, f, opts)
			})
		},
	}
	f.add(c, "make the difference")
	flags := c.Flags()
	flags.StringVar(&from, "from", "", "an export, or the URL of a backup restored beside (required)")
	flags.StringSliceVar(&opts.Include, "include", nil, "restore a table that says who is a member, or whom rows\n"+
		"are shared with, as well; may be repeated")
	flags.BoolVar(&opts.WithoutTriggers, "without-triggers", false,
		"switch your triggers off meanwhile: needs the tables' owner,\n"+
			"and lets nobody write to the tables until the end (SHARE ROW EXCLUSIVE)")
	flags.BoolVar(&opts.RevokeCertificate, "revoke-certificate", false, "bring back a tenant whose erasure was certified")
	return c
}

func (a *app) restore(ctx context.Context, o *lifecycle.Operator, tenant, from string, f tenantFlags,
	opts lifecycle.RestoreOptions) error {
	file, end, err := a.fromBackup(ctx, tenant, from)
	if err != nil {
		return err
	}
	defer end()
	d, err := o.Restore(ctx, tenant, file, opts)
	if err != nil {
		return err
	}
	if err := a.print(f, d, func(w io.Writer) { differenceText(w, d) }); err != nil {
		return err
	}
	if !d.Applied && slices.ContainsFunc(d.Tables, func(c lifecycle.Changes) bool { return c.Any() }) {
		return errFound
	}
	return nil
}

// readBackup exports the tenant from a database beside, and writes nothing there.
func (a *app) readBackup(ctx context.Context, tenant, url string, w io.Writer) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	return a.onDatabase(ctx, []string{url}, func(conn *pgx.Conn) error {
		view, err := tenancy.Read(ctx, conn, c.Model())
		if err != nil {
			return err
		}
		_, err = lifecycle.ReadBackup(ctx, conn, view, tenant, w)
		return err
	})
}

func differenceText(w io.Writer, d *lifecycle.Difference) {
	verb := "would change"
	if d.Applied {
		verb = "changed"
	}
	fmt.Fprintf(w, "Tenant %s, as of %s. What %s:\n\n", d.Tenant, d.TakenAt.Format("2 January 2006, 15:04 MST"), verb)
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', tabwriter.AlignRight)
	same := 0
	for i, c := range d.Tables {
		if !c.Any() && c.Kept+c.Altered == 0 {
			same++
			continue
		}
		if same == i { // the first that differs
			fmt.Fprintln(t, "added\tchanged\tremoved\t  table")
		}
		fmt.Fprintf(t, "%d\t%d\t%d\t  %s%s\n", c.Add, c.Change, c.Remove, c.Table, remarks(c))
	}
	t.Flush()
	if same < len(d.Tables) {
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%s as in the export.\n", english.Count(same, "table is", "tables are"))
	for _, lines := range [][]string{d.Left, d.Mapped} {
		for _, line := range lines {
			fmt.Fprintln(w, "  "+line)
		}
	}
	if !d.Applied {
		fmt.Fprintln(w, "\nNothing was changed. --apply changes it, with the tenant suspended meanwhile.")
	}
}

func remarks(c lifecycle.Changes) string {
	text := ""
	if c.Kept > 0 {
		text += fmt.Sprintf(" (%d kept: others refer to them)", c.Kept)
	}
	if c.Altered > 0 {
		text += fmt.Sprintf(" (%d changed by a trigger)", c.Altered)
	}
	return text
}

func (a *app) newTenantClone() *cobra.Command {
	var f tenantFlags
	var as string
	var opts lifecycle.CloneOptions
	c := &cobra.Command{
		Use:   "clone TENANT [URL]",
		Short: "Copy a tenant under a new id",
		Long: "Copy all rows of a tenant as a new one, in one transaction. Keys that hold the tenant stay;\n" +
			"those that are unique over all tenants are made anew, and what refers to them follows. Who is\n" +
			"a member and whom rows are shared with is not copied, and rows of which another tenant is a\n" +
			"party are refused, unless their table is named with --include.",
		Example: "  moat tenant clone 3f2a… --as 9c1e… --set app.tenants.slug='{}-staging' --reason 'a trial' --apply",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case as == "":
				return withHint(errors.New("the copy has no id"), "--as NEW")
			case !f.apply:
				return withHint(errors.New("nothing was copied"), "--apply copies it")
			}
			return a.act(cmd.Context(), args[1:], f, func(o *lifecycle.Operator) error {
				made, err := o.Clone(cmd.Context(), args[0], as, opts)
				if err != nil {
					return err
				}
				return a.print(f, made, func(w io.Writer) {
					for _, m := range made {
						fmt.Fprintf(w, "%8d  %s\n", m.Rows, m.Table)
					}
				})
			})
		},
	}
	f.add(c, "copy it")
	c.Flags().StringVar(&as, "as", "", "the id of the copy (required)")
	c.Flags().StringToStringVar(&opts.Set, "set", nil, "give a column a text, in which {} is the old value: "+
		"schema.table.column=TEXT")
	c.Flags().StringSliceVar(&opts.Include, "include", nil, "copy a table as well that says who is a member or whom\n"+
		"rows are shared with, or whose copies other tenants would see; may be repeated")
	return c
}
