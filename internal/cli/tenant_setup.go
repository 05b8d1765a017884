package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/moat-db/moat/lifecycle"
	"github.com/moat-db/moat/portal"
	"github.com/moat-db/moat/tenancy"
)

func (a *app) newTenantSetup() *cobra.Command {
	var operator, sessions string
	var apply bool
	c := &cobra.Command{
		Use:   "setup [URL]",
		Short: "Let a role act as operator",
		Long: "Create the tables that moat tenant, the console and the portal's sessions keep in the schema\n" +
			"moat, and grant the operator role what it needs on the tables of tenants. Where moat.yaml has\n" +
			"portal.people, also what changes members. URL connects as the owner or as a superuser. Without\n" +
			"--apply the SQL is printed. The role itself must see all rows: it has BYPASSRLS, or is a superuser.",
		Example: "  moat tenant setup postgres://postgres@localhost/app --operator moat_operator --apply",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.tenantSetup(cmd.Context(), args, operator, sessions, apply)
		},
	}
	c.Flags().StringVar(&operator, "operator", "", "the role (default: roles.operator of moat.yaml)")
	c.Flags().StringVar(&sessions, "sessions", "", "the role of MOAT_SESSION_URL (default: the operator)")
	c.Flags().BoolVar(&apply, "apply", false, "run it")
	return c
}

func (a *app) tenantSetup(ctx context.Context, args []string, operator, sessions string, apply bool) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	conn, err := a.connect(ctx, args)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	role := cmp.Or(operator, c.Roles.Operator)
	c.Roles.Operator = role
	view, err := tenancy.Read(ctx, conn, c.Model())
	if err != nil {
		return err
	}
	r := view.Role(role)
	if r == nil {
		return withHint(fmt.Errorf("no role %s", role), "CREATE ROLE %s LOGIN BYPASSRLS, or --operator ROLE", role)
	}
	if !r.Super && !r.BypassRLS {
		return withHint(fmt.Errorf("the role %s does not see all rows", role), "ALTER ROLE %s BYPASSRLS, as a superuser",
			role)
	}
	keeper := cmp.Or(sessions, role)
	if view.Role(keeper) == nil {
		return withHint(fmt.Errorf("no role %s", keeper), "CREATE ROLE %s LOGIN", keeper)
	}
	if slices.Contains(view.Model.Roles, keeper) {
		return fmt.Errorf("the role %s is the application's, and must not keep sessions", keeper)
	}
	sql := lifecycle.SetupSQL(view, role) + portal.SessionsSQL(view.Model.Roles, keeper)
	if p := c.Portal.People; p != nil {
		people, err := portal.PeopleSQL(view, portal.People{Admins: p.Admins}, view.Model.Roles, keeper)
		if err != nil {
			return err
		}
		sql += people
	}
	if !apply {
		fmt.Fprint(a.Out, sql)
		return errFound
	}
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		err = fmt.Errorf("set up the operator: %w", err)
		if pg := new(pgconn.PgError); errors.As(err, &pg) && pg.Code == "42501" {
			return withHint(err, "connect as a superuser, or as who owns the schema moat and the tables in it")
		}
		return err
	}
	fmt.Fprintf(a.Out, "%s can act as operator\n", role)
	return nil
}
