package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/report"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
	"github.com/moat-db/moat/prove/rest"
)

// proveFlags are the flags of moat prove.
type proveFlags struct {
	node                         string
	schemas, settings            []string
	tenantA, tenantB             string
	strict, disposable, produced bool
	statement, lock              time.Duration
	format, output, script       string
	pool, proxy                  bool
	http                         string
	tokens                       []string
	tenantColumn                 string
	requests                     int
	baseline                     string
}

func (a *app) newProve() *cobra.Command {
	f := &proveFlags{}
	cmd := &cobra.Command{
		Use:   "prove [URL]",
		Short: "Attack the isolation as one tenant against another, and roll it all back",
		Long: "Act as tenant A and try everything against tenant B: reading, writing, locking,\nkeys, views, functions, " +
			"roles. URL is the operator's connection, which\n" +
			"chooses the tenants and compares; --app-url is the application's, which attacks.\nEvery statement runs in a " +
			"transaction that is rolled back.\n\n" +
			"Exit code 0: everything is isolated. 1: a leak. 2: a probe is undecided, or an error.",
		Example: "  moat prove postgres://postgres@localhost/app --app-url postgres://moat_app@localhost/app\n" +
			"  moat prove --format html --output isolation.html\n  moat prove --script read:app.leads\n" +
			"  moat prove --app-url postgres://app@localhost:6432/app --proxy --pool\n" +
			"  moat prove --http http://127.0.0.1:8080/rest/v1 --token $A --token $B",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.prove(cmd.Context(), args, f) },
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.schemas, "schema", nil, "check only this schema (repeatable)")
	flags.StringVar(&f.tenantA, "tenant-a", "", "the attacking tenant (default: one that has rows)")
	flags.StringVar(&f.tenantB, "tenant-b", "", "the attacked tenant (default: another)")
	flags.StringArrayVar(&f.settings, "set", nil, "a further setting that policies read, as name=value (repeatable)")
	flags.BoolVar(&f.strict, "strict", false, "also attack default privileges, sequences and definitions that reveal "+
		"other tenants")
	flags.StringVar(&f.node, "node", "", "host:port of another server of Citus to attack through, such as a worker")
	flags.BoolVar(&f.disposable, "disposable", false, "also run what cannot be rolled back; use a disposable database")
	flags.BoolVar(&f.produced, "yes-production", false, "continue although the database looks like production")
	flags.DurationVar(&f.statement, "statement-timeout", 0, "limit of each statement (default 5s)")
	flags.DurationVar(&f.lock, "lock-timeout", 0, "limit of each wait for a lock (default 1s)")
	formatFlag(cmd, &f.format, report.Names(report.ProveFormats()))
	flags.StringVar(&f.baseline, "baseline", "", "accepted exceptions, see moat accept (default: audit.baseline if it "+
		"exists)")
	flags.StringVarP(&f.output, "output", "o", "", "write the report to this file")
	flags.StringVar(&f.script, "script", "", "print what the probe with this id runs (\"forge\": the script at the "+
		"report's head)")
	flags.BoolVar(&f.pool, "pool", false, "attack the connection pool too: what one user of a connection leaves for "+
		"the next")
	flags.BoolVar(&f.proxy, "proxy", false, "--app-url leads to moat proxy: name each tenant by a token, signed as moat "+
		"token does")
	flags.StringVar(&f.http, "http", "", "attack this API instead of the database")
	cmd.MarkFlagsMutuallyExclusive("proxy", "node", "http")
	flags.StringArrayVar(&f.tokens, "token", nil, "bearer token for --http: first tenant A's, then tenant B's")
	flags.StringVar(&f.tenantColumn, "tenant-column", "",
		"the tenant column as the API shows it (default: tenant.column, else found)")
	flags.IntVar(&f.requests, "requests", 0, "how many generated requests --http sends (default 1000)")
	return cmd
}

func (a *app) prove(ctx context.Context, args []string, f *proveFlags) error {
	format, err := report.Named(report.ProveFormats(), f.format)
	if err != nil {
		return err
	}
	c, err := a.config()
	if err != nil {
		return err
	}
	var r *prove.Report
	if f.http != "" {
		r, err = proveAPI(ctx, c, f)
	} else {
		r, err = a.proveDatabase(ctx, args, c, f)
	}
	if err != nil {
		return err
	}
	if f.script != "" {
		return a.printScript(r, f.script)
	}
	if err := a.writeReport(r, format, f.output); err != nil {
		return err
	}
	switch r.Verdict {
	case prove.VerdictLeak:
		return errFound
	case prove.VerdictUndecided:
		return withHint(fmt.Errorf("%d of %d probes are undecided", r.Count(prove.VerdictUndecided), len(r.Probes)),
			"each says what would decide it")
	}
	return nil
}

// proveDatabase attacks the database and, when asked, the pool.
func (a *app) proveDatabase(ctx context.Context, args []string, c config.Config, f *proveFlags) (*prove.Report, error) {
	operatorURL, err := a.database(args)
	if err != nil {
		return nil, err
	}
	appURL, err := a.application()
	if err != nil {
		return nil, err
	}
	operator, err := pgx.ParseConfig(operatorURL)
	if err != nil {
		return nil, connectError(err)
	}
	application, err := pgx.ParseConfig(appURL)
	if err != nil {
		return nil, connectError(err)
	}
	if err := f.onNode(operator, application); err != nil {
		return nil, err
	}
	o, err := proveOptions(c, f)
	if err != nil {
		return nil, err
	}
	r, err := database.Attack(ctx, operator, application, o)
	var production *database.ProductionError
	switch {
	case errors.As(err, &production):
		return nil, withHint(err, "prove against staging, or add --yes-production")
	case errors.Is(err, database.ErrNoTenantTables):
		return nil, withHint(err, "name the tenant column in moat.yaml under tenant.column")
	case err != nil:
		return nil, err
	}
	if f.pool {
		return r, provePool(ctx, operatorURL, appURL, r, o)
	}
	return r, nil
}

// onNode has both connections go to another server of Citus.
func (f *proveFlags) onNode(configs ...*pgx.ConnConfig) error {
	if f.node == "" {
		return nil
	}
	host, text, err := net.SplitHostPort(f.node)
	if err != nil {
		return fmt.Errorf("--node %q: write it as host:port", f.node)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return fmt.Errorf("--node %q: write it as host:port", f.node)
	}
	for _, c := range configs {
		redirect(c, host, uint16(port))
	}
	return nil
}

// redirect has a connection go to another server, with TLS and without as before.
func redirect(c *pgx.ConnConfig, host string, port uint16) {
	first := pgconn.FallbackConfig{Host: c.Host, Port: c.Port, TLSConfig: c.TLSConfig}
	var ways []*pgconn.FallbackConfig
	for _, way := range append([]*pgconn.FallbackConfig{&first}, c.Fallbacks...) {
		if way.Host != c.Host || way.Port != c.Port {
			continue
		}
		way.Host, way.Port = host, port
		if way.TLSConfig != nil && way.TLSConfig.ServerName != "" {
			way.TLSConfig = way.TLSConfig.Clone()
			way.TLSConfig.ServerName = host
		}
		ways = append(ways, way)
	}
	c.Host, c.Port, c.TLSConfig, c.Fallbacks = host, port, first.TLSConfig, ways[1:]
}

func proveOptions(c config.Config, f *proveFlags) (database.Options, error) {
	o := database.Options{Model: c.Model(), A: moat.Tenant(f.tenantA), B: moat.Tenant(f.tenantB),
		Strict: f.strict, Disposable: f.disposable, Production: f.produced, StatementTimeout: f.statement,
		LockTimeout: f.lock, Today: time.Now()}
	// The role that attacks is the one that --app-url connects as, whatever its name.
	o.Model.Roles = nil
	if len(f.schemas) > 0 {
		o.Model.Schemas = f.schemas
	}
	var err error
	if o.Settings, err = settings(f.settings); err != nil {
		return o, err
	}
	if o.Accepted, err = exceptions(f.baseline, c); err != nil {
		return o, err
	}
	if f.proxy {
		if o.Token, err = proxyTokens(c); err != nil {
			return o, err
		}
	}
	o.Sealer, err = sealerOf(c)
	return o, err
}

func (a *app) printScript(r *prove.Report, id string) error {
	if id == "forge" {
		fmt.Fprintln(a.Out, r.Context.Script)
		return nil
	}
	p := r.Find(id)
	if p == nil {
		return withHint(fmt.Errorf("no probe has the id %q", id), "ids are attack:object, as the report prints them")
	}
	_, err := fmt.Fprintln(a.Out, p.Script)
	return err
}

// writeReport writes to the file, or to standard output.
func (a *app) writeReport(r *prove.Report, format report.Format[*prove.Report], output string) (err error) {
	if output == "" {
		return format.Write(a.Out, r, report.Options{Colour: a.color(a.Out)})
	}
	file, err := os.Create(output)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return format.Write(file, r, report.Options{})
}

// proveAPI attacks an API with two tokens.
func proveAPI(ctx context.Context, c config.Config, f *proveFlags) (*prove.Report, error) {
	if len(f.tokens) != 2 {
		return nil, withHint(errors.New("--http needs --token twice"),
			"first tenant A's, then tenant B's: moat token makes them")
	}
	column := f.tenantColumn
	if column == "" {
		column = c.Tenant.Column
	}
	return rest.Attack(ctx, rest.Options{URL: f.http, TokenA: f.tokens[0], TokenB: f.tokens[1], TenantColumn: column,
		Requests: f.requests, Disposable: f.disposable})
}
