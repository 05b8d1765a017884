package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/english"
)

func (a *app) newSQL() *cobra.Command {
	var tenant string
	var descendants bool
	c := &cobra.Command{
		Use:   "sql STATEMENT",
		Short: "Run a statement as the application role, with or without a tenant",
		Long: "Run one statement over the application connection (--app-url) and print its rows:\n" +
			"what the application sees, where psql is not at hand. Without --tenant no setting\n" +
			"is made, and row-level security shows nothing. With --descendants the statement sees\n" +
			"the rows of the tenants below as well, and reads only.",
		Example: "  moat sql --app-url $MOAT_APP_URL 'SELECT count(*) FROM leads'\n" +
			"  moat sql --tenant 0c5e8f2a-4b1d-4e7a-9a63-1f0b7d2c8e01 'SELECT count(*) FROM leads'\n" +
			"  moat sql --tenant 0c5e8f2a-4b1d-4e7a-9a63-1f0b7d2c8e01 --descendants 'SELECT count(*) FROM leads'",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			scope := moat.Scope{Tenant: moat.Tenant(tenant)}
			if descendants {
				scope.Width = moat.Descendants
			}
			return a.runSQL(cmd.Context(), scope, args[0])
		},
	}
	c.Flags().StringVar(&tenant, "tenant", "", "tenant to set for the statement")
	c.Flags().BoolVar(&descendants, "descendants", false, "see the rows of the tenants below as well (with --tenant)")
	return c
}

// runSQL binds the tenant and runs the statement in one transaction, as the library
// does; the tenant may be left out here, to show what happens.
func (a *app) runSQL(ctx context.Context, scope moat.Scope, sql string) error {
	url, err := a.application()
	if err != nil {
		return err
	}
	c, err := a.config()
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return connectError(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if scope.Tenant == "" && scope.Width == moat.Own {
		return a.printQuery(ctx, conn, sql)
	}
	c.Tenant.Type = cmp.Or(c.Tenant.Type, string(moat.Text)) // the database judges what it is
	o, err := bindOptions(c)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := moat.Bind(ctx, tx, scope, o); err != nil {
			return err
		}
		return a.printQuery(ctx, tx, sql)
	})
}

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func (a *app) printQuery(ctx context.Context, on querier, sql string) error {
	rows, err := on.Query(ctx, sql)
	if err != nil {
		return err
	}
	defer rows.Close()
	return printRows(a.Out, rows)
}

// printRows prints rows as aligned columns and ends with their number.
func printRows(w io.Writer, rows pgx.Rows) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fields := rows.FieldDescriptions()
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	if len(fields) > 0 {
		fmt.Fprintln(out, strings.Join(names, "\t"))
	}
	n := 0
	for ; rows.Next(); n++ {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		cells := make([]string, len(values))
		for i, v := range values {
			cells[i] = cell(rows, fields[i].DataTypeOID, v)
		}
		fmt.Fprintln(out, strings.Join(cells, "\t"))
	}
	if err := rows.Err(); err != nil {
		return err
	}
	out.Flush()
	if len(fields) == 0 {
		fmt.Fprintln(w, rows.CommandTag())
		return nil
	}
	fmt.Fprintf(w, "(%s)\n", english.Count(n, "row"))
	return nil
}

// cell prints a value as PostgreSQL would, so that it cannot move the cursor of the
// terminal.
func cell(rows pgx.Rows, oid uint32, v any) string {
	if v == nil {
		return "NULL"
	}
	text, err := rows.Conn().TypeMap().Encode(oid, pgx.TextFormatCode, v, nil)
	if err != nil {
		text = fmt.Append(nil, v)
	}
	return withoutControl(string(text))
}

func withoutControl(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}
