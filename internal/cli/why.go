package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/report"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/why"
)

// whyFlags are the flags of moat why.
type whyFlags struct {
	tenant, subject, issuer, role, claims string
	settings, args                        []string
	timeout                               time.Duration
	format                                string
}

func (a *app) newWhy() *cobra.Command {
	var f whyFlags
	c := &cobra.Command{
		Use:   "why STATEMENT [URL]",
		Short: "Say why a statement shows nothing, or is refused",
		Long: "Run one statement as the application (--app-url), bound to a tenant, in a transaction\n" +
			"that is rolled back, and look as the operator (URL) at what it met: which policy took\n" +
			"how many rows of which table away, or which grant, key, trigger or setting refused it.\n" +
			"Rows are counted, never shown. A cause is named where no other is left.\n\n" +
			"URL is the operator's connection: a superuser, or a role with BYPASSRLS. A rollback\n" +
			"does not take back numbers drawn from sequences. A statement that names functions,\n" +
			"operators or views of your own is not run as the operator, and its rows not counted.\n\n" +
			"Exit code 0: the cause is named, or nothing is wrong. 1: it cannot be told.\n" +
			"2: an error.",
		Example: "  moat why --tenant 3f2a… 'SELECT * FROM leads WHERE id = 7'\n" +
			"  moat why --tenant 3f2a… --subject ada --arg 7 'UPDATE leads SET status = 1 WHERE id = $1'\n" +
			"  moat why --set app.tenant=3f2a… 'SELECT count(*) FROM leads' --format json",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error { return a.why(cmd.Context(), args, f) },
	}
	flags := c.Flags()
	flags.StringVar(&f.tenant, "tenant", "", "tenant to bind, as moat serve and the library do (default: none)")
	flags.StringVar(&f.subject, "subject", "", "the caller's id, for policies that read it")
	flags.StringVar(&f.issuer, "issuer", "", "who vouches for the caller, for policies that read it")
	flags.StringVar(&f.role, "role", "", "the caller's role inside the tenant, for policies that read it")
	flags.StringVar(&f.claims, "claims", "", "the caller's claims as a JSON object, for policies that read them")
	flags.StringArrayVar(&f.settings, "set", nil, "a setting as your application makes it, name=value (repeatable)")
	flags.StringArrayVar(&f.args, "arg", nil, "the value of the next parameter, $1 first (repeatable)")
	flags.DurationVar(&f.timeout, "timeout", 0, "limit of each look, and of the statement where the role has none "+
		"(default 10s)")
	formatFlag(c, &f.format, report.TextOrJSON())
	return c
}

func (a *app) why(ctx context.Context, args []string, f whyFlags) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	q, err := whyQuestion(c, args[0], f)
	if err != nil {
		return err
	}
	operator, application, end, err := a.bothConnections(ctx, args[1:])
	if err != nil {
		return err
	}
	defer end()
	answer, err := why.Ask(ctx, operator, application, q)
	if err != nil {
		return whyError(err)
	}
	if f.format == "json" {
		err = report.JSON(a.Out, answer)
	} else {
		report.WhyAnswerText(a.Out, answer)
	}
	if err == nil && answer.Cause.Kind == why.CannotTell {
		return errFound
	}
	return err
}

func whyQuestion(c config.Config, sql string, f whyFlags) (why.Question, error) {
	bind, err := bindOptions(c)
	if err != nil {
		return why.Question{}, err
	}
	q := why.Question{SQL: sql, Args: f.args, Bind: bind, Model: c.Model(), Timeout: f.timeout,
		Scope: moat.Scope{Tenant: moat.Tenant(f.tenant), Subject: f.subject, Issuer: f.issuer, Role: f.role}}
	q.Standing = func(v *policy.View) (why.Standing, error) {
		return serving.NewTenantState(v, c.Tenant.SuspendedColumn)
	}
	if f.claims != "" {
		if !json.Valid([]byte(f.claims)) {
			return q, errors.New("--claims is no JSON")
		}
		q.Scope.Claims = json.RawMessage(f.claims)
	}
	q.Settings, err = settings(f.settings)
	return q, err
}

// settings reads what was given as name=value.
func settings(given []string) (map[string]string, error) {
	all := map[string]string{}
	for _, s := range given {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return nil, fmt.Errorf("--set %q: write it as name=value", s)
		}
		all[name] = value
	}
	return all, nil
}

// bothConnections connects as the operator and as the application.
func (a *app) bothConnections(ctx context.Context, args []string) (operator, application *pgx.Conn, end func(),
	err error) {
	operatorURL, err := a.database(args)
	if err != nil {
		return nil, nil, nil, err
	}
	appURL, err := a.application()
	if err != nil {
		return nil, nil, nil, err
	}
	if operator, err = administer(ctx, operatorURL); err != nil {
		return nil, nil, nil, connectError(err)
	}
	if application, err = pgx.Connect(ctx, appURL); err != nil {
		operator.Close(context.WithoutCancel(ctx))
		return nil, nil, nil, connectError(err)
	}
	return operator, application, func() {
		application.Close(context.WithoutCancel(ctx))
		operator.Close(context.WithoutCancel(ctx))
	}, nil
}

func whyError(err error) error {
	var args *why.ArgsError
	switch {
	case errors.Is(err, why.ErrNotOperator):
		return withHint(err, "URL must be a superuser's, or that of a role with BYPASSRLS: moat_operator")
	case errors.As(err, &args):
		return withHint(err, "--arg gives a value, once for each parameter")
	}
	return err
}
