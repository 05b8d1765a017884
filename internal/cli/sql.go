package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/config"
)

func (a *app) newSQL() *cobra.Command {
	var tenant string
	c := &cobra.Command{
		Use:   "sql STATEMENT",
		Short: "Run a statement as the application role, with or without a tenant",
		Long: "Run one statement over the application connection (--app-url) and print its rows:\n" +
			"what the application sees, where psql is not at hand. Without --tenant no setting\n" +
			"is made, and row-level security shows nothing.",
		Example: "  moat sql --app-url $MOAT_APP_URL 'SELECT count(*) FROM leads'\n" +
			"  moat sql --tenant 0c5e8f2a-4b1d-4e7a-9a63-1f0b7d2c8e01 'SELECT count(*) FROM leads'",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runSQL(cmd.Context(), moat.Tenant(tenant), args[0])
		},
	}
	c.Flags().StringVar(&tenant, "tenant", "", "tenant to set for the statement")
	return c
}

// runSQL binds the tenant and runs the statement in one implicit transaction, as the
// library does; the tenant may be left out here, to show what happens.
func (a *app) runSQL(ctx context.Context, tenant moat.Tenant, sql string) error {
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
	batch := &pgx.Batch{}
	if tenant != "" {
		bind, values, err := bindStatement(ctx, c, tenant, conn.PgConn().PID())
		if err != nil {
			return err
		}
		batch.Queue(bind, values...)
	}
	batch.Queue(sql)
	results := conn.SendBatch(ctx, batch)
	if tenant != "" {
		if _, err := results.Exec(); err != nil {
			return err
		}
	}
	rows, err := results.Query()
	if err == nil {
		err = printRows(a.Out, rows)
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	return err
}

// bindStatement is the statement that binds the tenant in the configured mode.
func bindStatement(ctx context.Context, c config.Config, tenant moat.Tenant, backend uint32) (string, []any, error) {
	sealer, err := sealerOf(c)
	if err != nil {
		return "", nil, err
	}
	if sealer != nil {
		return sealer.Bind(ctx, tenant, backend)
	}
	return "select pg_catalog.set_config($1, $2, true)", []any{tenantSetting(c), string(tenant)}, nil
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
	fmt.Fprintf(w, "(%d rows)\n", n)
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
