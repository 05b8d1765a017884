package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/moat-db/moat/internal/english"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/seal"
	"github.com/moat-db/moat/tenancy"
)

// sealerOf returns what binds tenants by signature; nil in plain mode.
func sealerOf(c config.Config) (moat.Sealer, error) {
	if !c.Sealed.Enabled {
		return nil, nil
	}
	sealer, err := seal.Open(c.Sealed.KeyFile, &seal.Options{AnyBackend: c.Sealed.AnyConnection})
	if err != nil {
		return nil, withHint(err, "sealed.key_file in moat.yaml names the key: moat seal key new makes one")
	}
	return sealer, nil
}

// tenantSetting is the plain tenant setting.
func tenantSetting(c config.Config) string {
	if c.Tenant.Setting != "" {
		return c.Tenant.Setting
	}
	return moat.DefaultTenantSetting
}

func switchOptions(c config.Config) *seal.SwitchOptions {
	return &seal.SwitchOptions{Setting: tenantSetting(c), Subject: c.Tenant.SubjectSetting, Issuer: c.Issuer(),
		Role: c.Tenant.RoleSetting}
}

func (a *app) newSeal() *cobra.Command {
	c := group(&cobra.Command{
		Use:   "seal",
		Short: "Bind tenants by signature, so that injected SQL cannot change them",
		Long: "In sealed mode the policies read the tenant from a function that answers only with\n" +
			"what a signature has bound. Switch it on in this order; nothing stops meanwhile:\n\n" +
			"  1. moat seal key new --apply    a key file, the functions, the key in the database\n" +
			"  2. sealed: {enabled: true}      in moat.yaml of every server; programs set Sealer\n" +
			"  3. moat seal on --apply         the policies change in one transaction\n\n" +
			"docs/how-to/seal-the-tenant.md explains each step, docs/explanation/threat-model.md\n" +
			"says what sealed mode does not prevent.",
		Example: "  moat seal key new --apply\n  moat seal on --apply\n  moat seal key status",
	})
	c.AddCommand(a.newSealSwitch(seal.Sealed), a.newSealSwitch(seal.Plain), a.newSealKey(), a.newSealHarden())
	return c
}

func (a *app) newSealSwitch(mode seal.Mode) *cobra.Command {
	var apply bool
	c := &cobra.Command{
		Use:     "on [URL]",
		Example: "  moat seal on --apply",
		Short:   "Have the policies read the sealed tenant",
		Long: "Change every policy that reads the tenant setting, in one transaction. Servers and\nprograms must sign " +
			"already; what they send satisfies the policies of either mode.\n\nExit code 0: nothing to change, or it was " +
			"changed. " +
			"1: a change is planned. 2: an error.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.sealSwitch(cmd.Context(), args, mode, apply) },
	}
	if mode == seal.Plain {
		c.Use, c.Short = "off [URL]", "Have the policies read the plain setting again"
		c.Example = "  moat seal off --apply"
		c.Long = "Change every sealed policy back, in one transaction. Servers and programs may stop\nsigning " +
			"afterwards, not before.\n\nExit code 0: nothing to change, or it was changed. 1: a change is planned. 2: an error."
	}
	c.Flags().BoolVar(&apply, "apply", false, "change the policies")
	return c
}

func (a *app) sealSwitch(ctx context.Context, args []string, mode seal.Mode, apply bool) error {
	return a.withDatabase(ctx, args, func(c config.Config, conn *pgx.Conn) error {
		o := switchOptions(c)
		if mode == seal.Sealed {
			a.warnOfRelease(conn)
		}
		act := seal.PlanSwitch
		if apply {
			act = seal.Switch
		}
		switched, err := act(ctx, conn, mode, o)
		if err != nil {
			return sealHint(err)
		}
		if len(switched.SQL) == 0 {
			return a.nothingToSwitch(ctx, conn, mode, o)
		}
		printSwitch(a.Out, switched, mode, apply)
		if !apply {
			return errFound
		}
		return nil
	})
}

// warnOfRelease says in one line that PostgreSQL itself has holes that no seal closes.
func (a *app) warnOfRelease(conn *pgx.Conn) {
	version, err := catalog.ServerVersion(conn)
	if err != nil {
		fmt.Fprintf(a.Err, "moat: %s\n", err)
	}
	if warning := audit.ReleaseWarning(version); warning != "" {
		fmt.Fprintln(a.Err, "moat: "+warning)
	}
}

// nothingToSwitch tells policies that are switched already from policies that read
// their tenant from somewhere else, which no switch helps.
func (a *app) nothingToSwitch(ctx context.Context, conn *pgx.Conn, mode seal.Mode, o *seal.SwitchOptions) error {
	status, err := seal.LoadStatus(ctx, conn, o)
	if err != nil {
		return err
	}
	if len(status.Sealed)+len(status.Plain) == 0 {
		return withHint(fmt.Errorf("no policy reads the setting %s", o.Setting),
			"tenant.setting in moat.yaml names it; policies that read a token's claims are not switched: write "+
				"moat.current_tenant() into them")
	}
	fmt.Fprintf(a.Out, "Every policy that reads the tenant is already %s.\n", mode)
	return nil
}

// printSwitch shows the statements of a planned switch, or what a switch did.
func printSwitch(w io.Writer, s seal.Switched, mode seal.Mode, applied bool) {
	if !applied {
		fmt.Fprintf(w, "-- %s and %s become %s, in one transaction:\n", english.Count(len(s.Policies), "policy"),
			english.Count(len(s.Functions), "function"), mode)
		for _, sql := range s.SQL {
			fmt.Fprintln(w, strings.TrimRight(sql, "\n")+";")
		}
		return
	}
	fmt.Fprintf(w, "Now %s: %s and %s.\n", mode, english.Count(len(s.Policies), "policy"),
		english.Count(len(s.Functions), "function"))
	for _, f := range s.Left {
		fmt.Fprintf(w, "unchanged: %s reads the plain setting, but no policy calls it\n", f)
	}
}

// sealHint says what to do about the errors that a person can mend.
func sealHint(err error) error {
	var roles *seal.RolesError
	switch {
	case errors.Is(err, seal.ErrNotInstalled), errors.Is(err, seal.ErrNoKey):
		return withHint(err, "moat seal key new --apply installs it and makes a key")
	case errors.As(err, &roles):
		return withHint(err, "moat seal key new --role %s --apply lets them, or revoke their privileges on the tables",
			strings.Join(roles.Roles, ","))
	}
	return err
}

// withDatabase runs fn with the configuration and the administrating connection.
func (a *app) withDatabase(ctx context.Context, args []string, fn func(c config.Config, conn *pgx.Conn) error) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	return a.onDatabase(ctx, args, func(conn *pgx.Conn) error { return fn(withSetting(ctx, conn, c), conn) })
}

// withSetting fills in the tenant setting that the database's policies read, where
// moat.yaml does not name one.
func withSetting(ctx context.Context, conn *pgx.Conn, c config.Config) config.Config {
	if c.Tenant.Setting != "" {
		return c
	}
	s, err := catalog.Load(ctx, conn)
	if err != nil {
		return c
	}
	if v, err := tenancy.Infer(s, c.Model()); err == nil && v.Model.Claim == nil && v.Model.Setting != "" {
		c.Tenant.Setting = v.Model.Setting
	}
	return c
}

func (a *app) newSealHarden() *cobra.Command {
	var apply, undo bool
	var only []string
	c := &cobra.Command{
		Use:     "harden [URL]",
		Short:   "Revoke rights that let the application role reach other tenants without reading rows",
		Example: "  moat seal harden\n  moat seal harden --only temp,create --apply",
		Long: "List what else SQL on the application's connection can do, and how to prevent it:\n" +
			"see other sessions' statements, cancel them, shadow tables, fill the disk. A measure\n" +
			"can break a program that relies on the right it takes away; --only selects some.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.harden(cmd.Context(), args, only, apply, undo) },
	}
	c.Flags().BoolVar(&apply, "apply", false, "run the measures")
	c.Flags().BoolVar(&undo, "undo", false, "restore PostgreSQL's defaults")
	c.Flags().StringSliceVar(&only, "only", nil, "only the measures with these ids")
	return c
}

func (a *app) harden(ctx context.Context, args []string, only []string, apply, undo bool) error {
	return a.withDatabase(ctx, args, func(c config.Config, conn *pgx.Conn) error {
		measures, err := chosenMeasures(seal.Hardening(seal.HardeningOptions{Database: conn.Config().Database,
			Application: c.Roles.Application}), only)
		if err != nil {
			return err
		}
		for _, m := range measures {
			sql := m.SQL
			if undo {
				sql = m.Undo
			}
			fmt.Fprintf(a.Out, "-- %s: %s. %s. Breaks: %s.\n%s;\n\n", m.ID, m.Title, m.Why, m.Breaks, strings.Join(sql, ";\n"))
			if !apply {
				continue
			}
			err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
				for _, statement := range sql {
					if _, err := tx.Exec(ctx, statement); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("%s: %w", m.ID, err)
			}
		}
		return nil
	})
}

func chosenMeasures(all []seal.Measure, only []string) ([]seal.Measure, error) {
	if len(only) == 0 {
		return all, nil
	}
	var chosen []seal.Measure
	for _, id := range only {
		i := slices.IndexFunc(all, func(m seal.Measure) bool { return m.ID == id })
		if i < 0 {
			return nil, fmt.Errorf("no measure has the id %q", id)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}
