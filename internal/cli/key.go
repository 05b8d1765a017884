package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/apikey"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/tenancy"
)

func (a *app) newKey() *cobra.Command {
	c := group(&cobra.Command{
		Use:   "key",
		Short: "Make, list and revoke API keys of tenants",
		Long: "Make, list and revoke API keys, as the operator. A key is 256 random bits, of which the\n" +
			"database holds the SHA-256; it is shown once. It acts for one tenant as the subject\n" +
			"key:<id>, in moat serve (Authorization: Bearer, or apikey) and moat proxy (the password).\n" +
			"They accept keys when MOAT_KEYS_URL connects as " + apikey.Role + ", which moat key setup makes.",
		Example: "  moat key setup --apply\n" +
			"  moat key create --tenant 0c5e8f2a-4b1d-4e7a-9a63-1f0b7d2c8e01 --name ci --expires 90d --apply\n" +
			"  moat key list\n  moat key revoke 5f3c9a7e-1b2d-4c6f-8a90-3d4e5f607182 --apply",
	})
	c.AddCommand(a.newKeySetup(), a.newKeyCreate(), a.newKeyList(), a.newKeyRevoke())
	return c
}

// errNotApplied ends what would change a database and was not told to.
var errNotApplied = withHint(errors.New("nothing was changed"), "add --apply to do it")

func applyFlag(c *cobra.Command, apply *bool) {
	c.Flags().BoolVar(apply, "apply", false, "do it; without, nothing is changed")
}

func (a *app) newKeySetup() *cobra.Command {
	var apply bool
	c := &cobra.Command{
		Use:   "setup",
		Short: "Make the table of keys and the role that looks them up",
		Long: "Print the SQL that makes moat.api_key and the role " + apikey.Role + ", or run it with --apply.\n" +
			"The application role gets no right to the table. Set a password for the role afterwards.",
		Example: "  moat key setup --apply --database-url postgres://postgres@localhost/app",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !apply {
				fmt.Fprint(a.Out, apikey.Install(apikey.Role))
				return nil
			}
			return a.onDatabase(cmd.Context(), nil, func(conn *pgx.Conn) error {
				_, err := conn.PgConn().Exec(cmd.Context(), apikey.Install(apikey.Role)).ReadAll()
				return err
			})
		},
	}
	applyFlag(c, &apply)
	return c
}

func (a *app) newKeyCreate() *cobra.Command {
	var k apikey.Key
	var tenant string
	var expires time.Duration
	var apply bool
	c := &cobra.Command{
		Use:   "create --tenant ID --name NAME --apply",
		Short: "Make a key and print it, once",
		Long: "Make a key for one tenant and print it. Only its hash is kept: a key that is lost is\n" +
			"revoked, and another one made.",
		Example: "  moat key create --tenant 0c5e8f2a-4b1d-4e7a-9a63-1f0b7d2c8e01 --name ci --expires 90d --apply",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if k.Tenant = moat.Tenant(tenant); expires < 0 {
				return errors.New("--expires must be longer than nothing")
			}
			if expires > 0 {
				at := time.Now().Add(expires)
				k.Expires = &at
			}
			if !apply {
				return errNotApplied
			}
			return a.createKey(cmd.Context(), k)
		},
	}
	flags := c.Flags()
	flags.StringVar(&tenant, "tenant", "", "tenant that the key speaks for")
	flags.StringVar(&k.Name, "name", "", "what it is for")
	flags.StringVar(&k.Role, "role", "", "role inside the tenant")
	daysFlag(c, &expires, "expires", "how long it is valid, such as 90d (default: until it is revoked)")
	applyFlag(c, &apply)
	_ = c.MarkFlagRequired("tenant")
	_ = c.MarkFlagRequired("name")
	return c
}

func (a *app) createKey(ctx context.Context, k apikey.Key) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	return a.onDatabase(ctx, nil, func(conn *pgx.Conn) error {
		known, err := tenantKnown(ctx, conn, c, &k.Tenant)
		if err != nil {
			return err
		}
		if !known {
			return fmt.Errorf("there is no tenant %s", k.Tenant)
		}
		secret, made, err := apikey.Create(ctx, conn, k)
		if err != nil {
			return withHint(err, "moat key setup --apply makes the table")
		}
		fmt.Fprintln(a.Out, secret)
		fmt.Fprintf(a.Err, "key %s of tenant %s; it is not shown again\n", made.ID, made.Tenant)
		return nil
	})
}

func (a *app) newKeyList() *cobra.Command {
	var tenant string
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the keys in use, by the first characters of each",
		Long:    "List the keys that are neither revoked nor expired: whose, named what, made by whom and when.",
		Example: "  moat key list --tenant 0c5e8f2a-4b1d-4e7a-9a63-1f0b7d2c8e01",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.onDatabase(cmd.Context(), nil, func(conn *pgx.Conn) error {
				keys, err := apikey.List(cmd.Context(), conn, moat.Tenant(tenant), "", "")
				if err == nil {
					a.printKeys(keys)
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&tenant, "tenant", "", "only those of this tenant")
	return c
}

func (a *app) printKeys(keys []apikey.Key) {
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "id\tkey\ttenant\tname\trole\tmade by\tmade\texpires")
	for _, k := range keys {
		expires := "never"
		if k.Expires != nil {
			expires = k.Expires.UTC().Format(time.DateOnly)
		}
		fmt.Fprintf(w, "%s\t%s…\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Prefix, k.Tenant, k.Name, k.Role,
			cmp.Or(k.Maker, "the operator"), k.Created.UTC().Format(time.DateOnly), expires)
	}
	_ = w.Flush()
}

func (a *app) newKeyRevoke() *cobra.Command {
	var apply bool
	c := &cobra.Command{
		Use:     "revoke ID --apply",
		Short:   "End a key, for the next request on",
		Long:    "Revoke a key by its id. Requests under way end as they began; the next one is refused.",
		Example: "  moat key revoke 5f3c9a7e-1b2d-4c6f-8a90-3d4e5f607182 --apply",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !apply {
				return errNotApplied
			}
			return a.onDatabase(cmd.Context(), nil, func(conn *pgx.Conn) error {
				err := apikey.Revoke(cmd.Context(), conn, args[0], "", "", "")
				return withHint(err, "moat key list shows those in use")
			})
		},
	}
	applyFlag(c, &apply)
	return c
}

// tenantKnown reports whether a tenant is in the tenants table, and writes it as that has
// it. Without a tenants table every tenant is.
func tenantKnown(ctx context.Context, conn *pgx.Conn, c config.Config, t *moat.Tenant) (bool, error) {
	read, err := tenancy.Read(ctx, conn, c.Model())
	if err != nil || read.Model.Tenants.Name == "" {
		return err == nil, err
	}
	key := sqltext.Ident(read.Model.Key)
	err = conn.QueryRow(ctx, "select "+key+"::text from "+read.Model.Tenants.SQL()+" where "+key+"::text = lower($1) or "+
		key+"::text = $1", string(*t)).Scan((*string)(t))
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
