package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/lifecycle"
)

func (a *app) newTenantExport() *cobra.Command {
	var f tenantFlags
	var to, kind string
	var leaveOut []string
	var mask map[string]string
	c := &cobra.Command{
		Use:   "export TENANT [URL]",
		Short: "Write all rows of a tenant to a file",
		Long: "Write all rows of a tenant, as they were at one moment, with its large objects and the\n" +
			"shared rows that they refer to. An archive (a compressed tar, docs/reference/export-format.md)\n" +
			"can be restored; json and csv are zip files for people. Memory does not grow with the rows.\n\n" +
			"An archive that was interrupted leaves FILE.part; the same command again goes on after its\n" +
			"last whole table, unless the tenant's rows in it have changed since. What is masked, json\n" +
			"and csv start again. export.leave_out and export.mask of moat.yaml name columns that json\n" +
			"and csv never hold.",
		Example: "  moat tenant export 3f2a… --to acme.tar.zst --reason 'before the migration'\n" +
			"  moat tenant export 3f2a… --as csv --to acme.zip --mask app.users.phone=null --reason 'GDPR art. 20'",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" {
				return withHint(errors.New("no file named"), "--to FILE")
			}
			if err := a.hideFromCustomer(kind, &leaveOut, &mask); err != nil {
				return err
			}
			opts := lifecycle.ExportOptions{Format: kind, LeaveOut: leaveOut, Mask: mask, Progress: a.exportProgress(),
				Kept: func(tables int) {
					fmt.Fprintf(a.Err, "going on after %s of an export that was interrupted\n", english.Count(tables, "table"))
				}}
			return a.act(cmd.Context(), args[1:], f, func(o *lifecycle.Operator) error {
				m, err := o.ExportFile(cmd.Context(), args[0], to, opts)
				if err != nil {
					return err
				}
				return a.print(f, m, func(w io.Writer) {
					fmt.Fprintf(w, "%s of %s in %s\n", english.Count(m.Rows(), "row"), english.Count(len(m.Tables), "table"), to)
				})
			})
		},
	}
	f.add(c, "")
	choiceFlag(c, &kind, "as", "archive", "what to write: ", []string{"archive", "json", "csv"})
	c.Flags().StringVar(&to, "to", "", "the file to write (required)")
	c.Flags().StringSliceVar(&leaveOut, "leave-out", nil, "leave out a column, as schema.table.column; may be repeated")
	c.Flags().StringToStringVar(&mask, "mask", nil, "mask a column: schema.table.column=null or =hash; may be repeated")
	return c
}

// hideFromCustomer adds the columns that moat.yaml keeps from a customer: to what people
// read, not to an archive, which has to restore.
func (a *app) hideFromCustomer(kind string, leaveOut *[]string, mask *map[string]string) error {
	c, err := a.config()
	if err != nil || kind == "archive" {
		return err
	}
	*leaveOut = append(*leaveOut, c.Export.LeaveOut...)
	all := map[string]string{}
	maps.Copy(all, c.Export.Mask)
	maps.Copy(all, *mask)
	*mask = all
	return nil
}

// exportProgress says on a terminal which table is under way.
func (a *app) exportProgress() func(table string, rows int64, done bool) {
	if !a.terminal() {
		return nil
	}
	return func(table string, rows int64, done bool) {
		if !done {
			fmt.Fprintf(a.Err, "\r\x1b[K  %s …", table)
			return
		}
		fmt.Fprint(a.Err, "\r\x1b[K")
	}
}

// fromBackup returns a file with the tenant's rows: the file itself, or what is read from a
// backup that was restored beside. end removes what was made.
func (a *app) fromBackup(ctx context.Context, tenant, from string) (file *os.File, end func(), err error) {
	if !strings.Contains(from, "://") {
		file, err = os.Open(from)
		if err != nil {
			return nil, nil, fmt.Errorf("open the export: %w", err)
		}
		return file, func() { file.Close() }, nil
	}
	if file, err = os.CreateTemp("", "moat-restore-"); err != nil {
		return nil, nil, err
	}
	end = func() { file.Close(); os.Remove(file.Name()) }
	if err = a.readBackup(ctx, tenant, from, file); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		end()
		return nil, nil, fmt.Errorf("read the backup: %w", err)
	}
	return file, end, nil
}
