package cli

import (
	"bufio"
	"cmp"
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
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// breakInTimeout limits one try.
const breakInTimeout = 5 * time.Second

func (a *app) newBreakIn() *cobra.Command {
	var tenant string
	c := &cobra.Command{
		Use:   "breakin [SQL]",
		Short: "Try any SQL as one tenant's connection, and see whether others' rows come back",
		Long: "Run any SQL, even several statements, on a connection of the application role that is\n" +
			"bound to --tenant, and say which tenant owns each row that comes back: PostgreSQL names\n" +
			"the table of each column, and that table's tenant column names the owner. Without SQL,\n" +
			"statements are read from standard input, one a line. Each runs on a fresh connection,\n" +
			"for at most 5 s, and is rolled back; a COMMIT in the SQL does take effect. If a table is\n" +
			"joined with itself, select the tenant column of both sides.\n\n" +
			"Exit code 0: no row of another tenant came back. 1: one did. 2: an error, or nothing\n" +
			"says whose a row is.",
		Example: "  moat breakin --tenant 0c5e8f2a-4b1d-4e7a-9a63-1f0b7d2c8e01 \\\n" +
			"    \"select set_config('app.current_tenant', 'b7…', true); select * from leads\"",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if tenant == "" {
				return errors.New("name the tenant to act as: --tenant")
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
	read, err := schemaLoader(url, c.Model())(ctx)
	if err != nil {
		return withHint(err, "what a row's tenant is comes from the model: say tenant.column in moat.yaml")
	}
	c.Tenant.Type = cmp.Or(c.Tenant.Type, tenantType(read.Model.Type))
	if read.Model.Claim == nil {
		c.Tenant.Setting = cmp.Or(c.Tenant.Setting, read.Model.Setting)
	}
	b := breakIn{url: url, out: a.Out, judge: judge{view: read, tenant: tenant}}
	if b.options, err = bindOptions(c); err != nil {
		return err
	}
	if len(args) == 1 {
		err = b.try(ctx, args[0])
	} else {
		err = b.lines(ctx, a.In, a.Err)
	}
	switch {
	case err != nil:
		return err
	case b.broken:
		return errFound
	case b.unclear:
		return errors.New("whose rows came back cannot be told")
	}
	return nil
}

// breakIn is one attacker.
type breakIn struct {
	judge
	url     string
	options *moat.Options
	out     io.Writer
	broken  bool
	unclear bool
}

// lines tries every line; what goes wrong with one does not end the others.
func (b *breakIn) lines(ctx context.Context, in io.Reader, prompt io.Writer) error {
	file, ok := in.(*os.File)
	ask := ok && term.IsTerminal(int(file.Fd()))
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, 1<<20)
	if ask {
		fmt.Fprintf(prompt, "One line is one try; Ctrl-D ends. For example:\n  %s\n", b.example())
	}
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

// example is a statement that forgets its tenant, on a table of theirs.
func (b *breakIn) example() string {
	for _, t := range b.view.Model.Tables {
		if t.Class == catalog.TenantTable && t.Column != "" {
			return "select * from " + t.Table.SQL() + " where true or " + sqltext.Ident(t.Column) + " is not null"
		}
	}
	return "select current_user"
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
	const timeout = "select pg_catalog.set_config('statement_timeout', $1, true)"
	if _, err := tx.Exec(ctx, timeout, fmt.Sprint(breakInTimeout.Milliseconds())); err != nil {
		return err
	}
	if err := moat.Bind(ctx, tx, moat.Scope{Tenant: b.tenant}, b.options); err != nil {
		return fmt.Errorf("bind the tenant: %w", err)
	}
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	b.conclude(sql, results, err)
	return nil
}

// conclude prints what came back, and what it says of the moat.
func (b *breakIn) conclude(sql string, results []*pgconn.Result, err error) {
	found := finding{}
	statements := sqltext.Split(sql)
	for i, r := range results {
		harmless := len(results) <= len(statements) && readsNothing(statements[i].Text)
		b.show(r, harmless, &found)
	}
	if err != nil {
		fmt.Fprintf(b.out, "refused: %s\n", strings.ReplaceAll(err.Error(), "\n", " "))
		found.refused(err)
	}
	switch {
	case found.others > 0:
		b.broken = true
		fmt.Fprintf(b.out, "BROKEN IN: %s of other tenants\n", english.Count(found.others, "row"))
	case len(found.doubts) > 0:
		b.unclear = true
		fmt.Fprintf(b.out, "cannot tell: %s\n", strings.Join(found.doubts, "; "))
	default:
		fmt.Fprintln(b.out, "held: no row of another tenant")
	}
}

// shownRows is how many rows of a result are printed; all are judged.
const shownRows = 20

// show prints one result, and whose each row is.
func (b *breakIn) show(r *pgconn.Result, harmless bool, found *finding) {
	if len(r.FieldDescriptions) == 0 {
		fmt.Fprintln(b.out, r.CommandTag)
		if r.CommandTag.RowsAffected() > 0 {
			found.doubt("the rows of " + r.CommandTag.String() + " were not shown: add RETURNING *")
		}
		return
	}
	out := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', 0)
	header := []string{"whose"}
	header = append(header, list.Map(r.FieldDescriptions, func(f pgconn.FieldDescription) string { return f.Name })...)
	fmt.Fprintln(out, strings.Join(header, "\t"))
	sources := b.sources(r.FieldDescriptions)
	for n, row := range r.Rows {
		whose := "-"
		if !harmless {
			whose = sources.whose(row, found)
		}
		if n < shownRows {
			fmt.Fprintln(out, whose+"\t"+strings.Join(plainCells(row), "\t"))
		}
	}
	out.Flush()
	fmt.Fprintf(b.out, "(%s)\n", english.Count(len(r.Rows), "row"))
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
