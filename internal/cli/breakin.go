package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/config"
)

// breakInTimeout limits one try.
const breakInTimeout = 5 * time.Second

func (a *app) newBreakIn() *cobra.Command {
	var tenant string
	c := &cobra.Command{
		Use:   "breakin [SQL]",
		Short: "Try any SQL as one tenant's connection, and see whether others' rows come back",
		Long: "Run any SQL, several statements too, on a connection of the application role that is\n" +
			"bound to --tenant, and say of each row with a tenant column whose it is. Without SQL\n" +
			"read one line after the other. Each try has a connection of its own, ends after 5 s and is\n" +
			"rolled back; a COMMIT in the SQL takes effect.\n\n" +
			"Exit code 0: no row of another tenant came back. 1: one did. 2: an error.",
		Example: "  moat breakin --tenant 0c5e8f2a-4b1d-4e7a-9a63-1f0b7d2c8e01 \\\n" +
			"    \"select set_config('app.current_tenant', 'b7…', true); select * from leads\"",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if tenant == "" {
				return errors.New("--tenant says who tries")
			}
			return a.breakIn(cmd.Context(), moat.Tenant(tenant), args)
		},
	}
	c.Flags().StringVar(&tenant, "tenant", "", "the tenant that the connection is bound to")
	return c
}

func (a *app) breakIn(ctx context.Context, tenant moat.Tenant, args []string) error {
	url, err := a.application()
	if err != nil {
		return err
	}
	c, err := a.config()
	if err != nil {
		return err
	}
	b := breakIn{tenant: tenant, url: url, config: c, out: a.Out, column: c.Tenant.Column}
	if b.column == "" {
		b.column = "tenant_id"
	}
	if len(args) == 1 {
		err = b.try(ctx, args[0])
	} else {
		err = b.lines(ctx, a.In, a.Err)
	}
	if err == nil && b.foreign > 0 {
		return errFound
	}
	return err
}

// breakIn is one attacker.
type breakIn struct {
	tenant  moat.Tenant
	url     string
	config  config.Config
	column  string
	out     io.Writer
	foreign int
}

// lines tries every line; what goes wrong with one does not end the others.
func (b *breakIn) lines(ctx context.Context, in io.Reader, prompt io.Writer) error {
	file, ok := in.(*os.File)
	ask := ok && term.IsTerminal(int(file.Fd()))
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, 1<<20)
	for {
		if ask {
			fmt.Fprintf(prompt, "%s> ", b.tenant)
		}
		if !scanner.Scan() {
			return scanner.Err()
		}
		if strings.TrimSpace(scanner.Text()) == "" {
			continue
		}
		if err := b.try(ctx, scanner.Text()); err != nil {
			return err
		}
	}
}

// try runs the SQL on a connection of its own. What the server answers is a result;
// only what keeps from trying is an error.
func (b *breakIn) try(ctx context.Context, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*breakInTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, b.url)
	if err != nil {
		return connectError(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	if err := b.bind(ctx, tx); err != nil {
		return fmt.Errorf("bind the tenant: %w", err)
	}
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	foreign := 0
	for _, r := range results {
		foreign += b.show(r)
	}
	if err != nil {
		fmt.Fprintf(b.out, "refused: %s\n", strings.ReplaceAll(err.Error(), "\n", " "))
	}
	if foreign > 0 {
		fmt.Fprintf(b.out, "BROKEN IN: %d rows of other tenants\n", foreign)
	} else {
		fmt.Fprintln(b.out, "held: no row of another tenant")
	}
	b.foreign += foreign
	return nil
}

// bind ties the transaction to the tenant, as the library does.
func (b *breakIn) bind(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "select pg_catalog.set_config('statement_timeout', $1, true)", fmt.Sprint(breakInTimeout.Milliseconds())); err != nil {
		return err
	}
	sql, args, err := bindStatement(ctx, b.config, b.tenant, tx.Conn().PgConn().PID())
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, sql, args...)
	return err
}

// shownRows is how many rows of a result are printed; all are counted.
const shownRows = 20

// show prints one result, whose row is whose, and returns how many rows are others'.
func (b *breakIn) show(r *pgconn.Result) (foreign int) {
	if len(r.FieldDescriptions) == 0 {
		fmt.Fprintln(b.out, r.CommandTag)
		return 0
	}
	out := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
	owner, header := -1, []string{"whose"}
	for i, f := range r.FieldDescriptions {
		header = append(header, f.Name)
		if f.Name == b.column {
			owner = i
		}
	}
	fmt.Fprintln(out, strings.Join(header, "\t"))
	for n, row := range r.Rows {
		whose := "?"
		if owner >= 0 {
			whose = "own"
			if !strings.EqualFold(string(row[owner]), string(b.tenant)) {
				whose = "OTHER"
				foreign++
			}
		}
		if n < shownRows {
			fmt.Fprintln(out, whose+"\t"+strings.Join(plainCells(row), "\t"))
		}
	}
	out.Flush()
	fmt.Fprintf(b.out, "(%d rows)\n", len(r.Rows))
	if owner < 0 {
		fmt.Fprintf(b.out, "whose rows these are cannot be told: select %s too\n", b.column)
	}
	return foreign
}

// plainCells are a row's texts, which may not move the cursor of the terminal.
func plainCells(row [][]byte) []string {
	cells := make([]string, len(row))
	for i, v := range row {
		cells[i] = "NULL"
		if v != nil {
			cells[i] = withoutControl(string(v))
		}
	}
	return cells
}
