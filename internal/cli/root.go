// Package cli is the moat command: one file per subcommand, each of them flags →
// options → one call into a package → printing.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/moat-db/moat/internal/config"
)

// Exit codes, as in diff(1).
const (
	exitOK    = 0
	exitFound = 1 // something was found: a hole, a leak, a pending change
	exitError = 2 // could not look: usage, connection, internal
)

// IO is what a command reads and writes. Results go to Out, everything else to Err.
type IO struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
	Telemetry
}

// app is what every subcommand shares: its streams and the global flags.
type app struct {
	IO
	configFile  string
	databaseURL string
	appURL      string
	noColor     bool
}

// errFound ends a command with exit code 1 and prints nothing more: the report
// has said it.
var errFound = errors.New("found")

// hintError carries the line that tells a person what to do next.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }

// withHint adds a hint to an error; a nil error stays nil.
func withHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hintError{err: err, hint: fmt.Sprintf(format, args...)}
}

// Main runs the command line and returns the exit code.
func Main(ctx context.Context, args []string, io IO) int {
	root := newRoot(&app{IO: io})
	root.SetArgs(args)
	root.SetIn(io.In)
	root.SetOut(io.Out)
	root.SetErr(io.Err)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFound):
		return exitFound
	}
	fmt.Fprintf(io.Err, "moat: %s\n", err)
	if h, ok := errors.AsType[*hintError](err); ok {
		fmt.Fprintf(io.Err, "hint: %s\n", h.hint)
	}
	return exitError
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "moat",
		Short: "Tenant isolation that PostgreSQL itself enforces",
		Long: "moat keeps the rows of many tenants apart in the same tables with PostgreSQL's\nrow-level " +
			"security: it finds the holes, closes them, attacks the result, and\nserves it.",
		Example:       "  moat demo\n  moat audit postgres://localhost/app",
		Version:       Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.configFile, "config", "", "configuration file (default: moat.yaml if it exists)")
	flags.StringVar(&a.databaseURL, "database-url", "",
		"administrating connection (default: $MOAT_DATABASE_URL, else PG* variables)")
	flags.StringVar(&a.appURL, "app-url", "", "application role's connection (default: $MOAT_APP_URL)")
	flags.BoolVar(&a.noColor, "no-color", false, "plain text (also: NO_COLOR)")
	root.AddCommand(a.commands()...)
	root.SetUsageTemplate(examplesLast(root.UsageTemplate()))
	return root
}

// group makes a command that only holds others refuse a name it does not know; cobra
// alone would print its help and succeed.
func group(c *cobra.Command) *cobra.Command {
	c.Args = cobra.NoArgs
	c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return c
}

// examplesLast moves the examples of a usage template behind its flags: they are what a
// reader looks for, and the last lines stay on the screen.
func examplesLast(template string) string {
	const from, to = "{{if .HasExample}}", "{{end}}"
	start := strings.Index(template, from)
	end := start + strings.Index(template[start:], to) + len(to)
	examples := template[start:end]
	return strings.TrimRight(template[:start]+template[end:], "\n") + examples + "\n"
}

// commands lists the subcommands in the order --help shows them.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.newDemo(),
		a.newAudit(),
		a.newExplain(),
		a.newAccept(),
		a.newServe(),
		a.newProxy(),
		a.newProtect(),
		a.newObserve(),
		a.newToken(),
		a.newKey(),
		a.newProve(),
		a.newSQL(),
		a.newWhy(),
		a.newWatch(),
		a.newSeal(),
		a.newTenant(),
		a.newEvidence(),
		a.newBreakIn(),
		a.newVersion(),
	}
}

// config loads the configuration file that --config names.
func (a *app) config() (config.Config, error) {
	c, err := config.Load(a.configFile)
	return c, withHint(err, "docs/reference/configuration.md lists every key")
}

// database returns the administrating connection string: the positional URL, the
// flag, the environment; "" leaves the choice to libpq's PG* variables.
func (a *app) database(args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	if a.databaseURL != "" {
		return a.databaseURL, nil
	}
	if url := os.Getenv("MOAT_DATABASE_URL"); url != "" {
		return url, nil
	}
	for _, name := range []string{"PGHOST", "PGDATABASE", "PGSERVICE", "PGUSER"} {
		if os.Getenv(name) != "" {
			return "", nil
		}
	}
	return "", withHint(errors.New("no database named"),
		"give a URL, --database-url, MOAT_DATABASE_URL or the PG* variables")
}

// application returns the application role's connection string.
func (a *app) application() (string, error) {
	if a.appURL != "" {
		return a.appURL, nil
	}
	if url := os.Getenv("MOAT_APP_URL"); url != "" {
		return url, nil
	}
	return "", withHint(errors.New("no application connection named"),
		"give --app-url or MOAT_APP_URL: the role your application connects as")
}

// color says whether w is a terminal that wants colour.
func (a *app) color(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && !a.noColor && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(f.Fd()))
}

// terminal reports whether messages go to a terminal, where progress may be shown.
func (a *app) terminal() bool {
	f, ok := a.Err.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
