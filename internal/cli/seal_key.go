package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/moat-db/moat/internal/english"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/seal"
)

// sealKeyFlags are the flags of moat seal key.
type sealKeyFlags struct {
	file       string
	roles      []string
	apply      bool
	anyBackend bool
	grace      time.Duration
}

func (a *app) newSealKey() *cobra.Command {
	var f sealKeyFlags
	c := group(&cobra.Command{
		Use:     "key",
		Short:   "Make, rotate and list the signing keys",
		Long:    "Make, rotate and list the keys whose signatures the database accepts.",
		Example: "  moat seal key new --apply\n  moat seal key rotate --grace 1h --apply\n  moat seal key status",
	})
	c.PersistentFlags().StringVar(&f.file, "key-file", "", "the key file (default: sealed.key_file)")
	created := &cobra.Command{
		Use:     "new [URL]",
		Short:   "Make the first key, and install sealed mode with it",
		Example: "  moat seal key new --apply",
		Long: "Write a new key to the key file, unless the file is there, and give the database the\n" +
			"functions and the key. Nothing reads them until moat seal on. Run again, it\n" +
			"updates the functions and adds the key of the file where the database lacks it.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.sealKeyNew(cmd.Context(), args, f) },
	}
	created.Flags().StringSliceVar(&f.roles, "role", nil, "further roles that may bind and read the tenant")
	rotate := &cobra.Command{
		Use:     "rotate [URL]",
		Short:   "Sign with a new key, and retire the others after a grace period",
		Example: "  moat seal key rotate --grace 1h --apply",
		Long: "Give the database a new key beside the others, put it first in the key file, and have\n" +
			"the database refuse the others after the grace period. Servers read the file again within a\n" +
			"second of its change; those on other machines need the new file within the grace.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.sealKeyRotate(cmd.Context(), args, f) },
	}
	rotate.Flags().DurationVar(&f.grace, "grace", time.Hour, "how long the old keys stay valid")
	for _, c := range []*cobra.Command{created, rotate} {
		c.Flags().BoolVar(&f.apply, "apply", false, "make the change")
		c.Flags().BoolVar(&f.anyBackend, "any-connection", false, "accept the key's signatures on every connection, for a "+
			"pooler that hides the server's (weaker; default: sealed.any_connection)")
	}
	status := &cobra.Command{
		Use:     "status [URL]",
		Short:   "List the database's keys, and what the policies read",
		Example: "  moat seal key status",
		Long: "Show which keys the database accepts, which of them the key file holds, and what the\n" +
			"policies read.\n\n" +
			"Exit code 0: all is well. 1: sealed policies without a valid key, policies of both\n" +
			"modes, or functions of another version. 2: an error.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.sealKeyStatus(cmd.Context(), args) },
	}
	c.AddCommand(created, rotate, status)
	return c
}

func (f sealKeyFlags) keyFile(c config.Config) string {
	if f.file != "" {
		return f.file
	}
	return c.Sealed.KeyFile
}

// preview ends a command that was told to change nothing.
func (a *app) preview(what ...string) error {
	for _, line := range what {
		fmt.Fprintln(a.Out, line)
	}
	fmt.Fprintln(a.Err, "moat: nothing has changed yet; --apply makes the change")
	return errFound
}

func (a *app) sealKeyNew(ctx context.Context, args []string, f sealKeyFlags) error {
	return a.withDatabase(ctx, args, func(c config.Config, conn *pgx.Conn) error {
		install, err := installOptions(ctx, conn, c, f.roles)
		if err != nil {
			return err
		}
		file := f.keyFile(c)
		if !f.apply {
			sql, err := seal.InstallSQL(install)
			if err != nil {
				return err
			}
			return a.preview(strings.TrimRight(sql, "\n"), "-- and the key of "+file+", made where the file is missing")
		}
		key, made, err := firstKey(file)
		if err != nil {
			return err
		}
		anywhere := f.anyBackend || c.Sealed.AnyConnection
		if err := installKey(ctx, conn, install, key, seal.KeyOptions{AnyBackend: anywhere}); err != nil {
			return err
		}
		verb := "is"
		if made {
			verb = "was made"
		}
		also := ""
		if anywhere {
			also = ", any_connection: true"
		}
		fmt.Fprintf(a.Out, "%s %s in %s, and known to the database. Next: sealed: {enabled: true, key_file: %s%s}\nin "+
			"moat.yaml of every server, then moat seal on --apply.\n", key, verb, file, file, also)
		return nil
	})
}

// installOptions are for the application role, the tree's role and the definer where they
// exist, and further roles.
func installOptions(ctx context.Context, conn *pgx.Conn, c config.Config, roles []string) (seal.InstallOptions, error) {
	o := seal.InstallOptions{Setting: tenantSetting(c), Applications: append([]string{c.Roles.Application}, roles...)}
	rows, _ := conn.Query(ctx, "select rolname::text from pg_catalog.pg_roles where rolname = any ($1) order by 1",
		[]string{c.Roles.Tree, c.Roles.Definer})
	own, err := pgx.CollectRows(rows, pgx.RowTo[string])
	o.Applications = append(o.Applications, own...)
	return o, err
}

// firstKey returns the key that the file signs with, and makes the file where it is
// missing.
func firstKey(file string) (key seal.Key, made bool, err error) {
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) && !strings.HasPrefix(file, "env:") {
		key = seal.NewKey()
		return key, true, seal.WriteKeys(file, key)
	}
	keys, err := seal.LoadKeys(file)
	if err != nil {
		return key, false, err
	}
	return keys[0], false, nil
}

// installKey installs sealed mode and adds the key where the database lacks it.
func installKey(ctx context.Context, conn *pgx.Conn, o seal.InstallOptions, key seal.Key, k seal.KeyOptions) error {
	if err := seal.Install(ctx, conn, o); err != nil {
		return err
	}
	known, err := seal.Keys(ctx, conn)
	if err != nil {
		return err
	}
	for _, other := range known {
		switch {
		case other.ID != key.ID():
		case k.AnyBackend && !other.AnyBackend:
			return withHint(fmt.Errorf("%s holds only on the connection that it signs for, and the database has it so", key),
				"moat seal key rotate --any-connection --apply makes one for any connection")
		default:
			return nil
		}
	}
	return seal.AddKey(ctx, conn, key, k)
}

// minGrace lets everything end that servers sign until they have read the new key.
const minGrace = seal.DefaultValidity + 5*time.Second

func (a *app) sealKeyRotate(ctx context.Context, args []string, f sealKeyFlags) error {
	return a.withDatabase(ctx, args, func(c config.Config, conn *pgx.Conn) error {
		if f.grace < minGrace {
			return withHint(fmt.Errorf("--grace %s: what was signed a moment ago would be refused", f.grace),
				"servers sign with the old key for a second more, and a signature holds for %s: %s is the least",
				seal.DefaultValidity, minGrace)
		}
		file := f.keyFile(c)
		old, err := seal.LoadKeys(file)
		if err != nil {
			return err
		}
		known, err := seal.Keys(ctx, conn)
		if err != nil {
			return withHint(err, "moat seal key new --apply installs sealed mode")
		}
		if !f.apply {
			return a.preview(fmt.Sprintf("a new key is added to the database and put first in %s; %s is refused after %s",
				file, old[0], f.grace))
		}
		o := seal.KeyOptions{AnyBackend: f.anyBackend || c.Sealed.AnyConnection}
		for _, k := range known {
			o.AnyBackend = o.AnyBackend || k.ID == old[0].ID() && k.AnyBackend
		}
		key := seal.NewKey()
		if err := seal.AddKey(ctx, conn, key, o); err != nil {
			return err
		}
		if err := seal.WriteKeys(file, key, old[0]); err != nil {
			return withHint(errors.Join(err, seal.DropKey(ctx, conn, key.ID())), "nothing has changed: the old key stays in use")
		}
		retired, err := seal.RetireOthers(ctx, conn, key.ID(), time.Now().Add(f.grace))
		if err != nil {
			return err
		}
		fmt.Fprintf(a.Out, "%s signs now. Refused after %s: %s.\n", key, f.grace, strings.Join(retired, ", "))
		return nil
	})
}

func (a *app) sealKeyStatus(ctx context.Context, args []string) error {
	return a.withDatabase(ctx, args, func(c config.Config, conn *pgx.Conn) error {
		s, err := seal.LoadStatus(ctx, conn, switchOptions(c))
		if err != nil {
			return err
		}
		if !s.Installed {
			fmt.Fprintf(a.Out, "Sealed mode is not installed; the plain setting is read by %s.\n",
				english.Count(len(s.Plain), "policy"))
			return nil
		}
		out := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(out, "key\tmade\tgood until\t")
		valid := 0
		for _, k := range s.Keys {
			until := "further notice"
			if k.ValidUntil != nil {
				until = k.ValidUntil.UTC().Format(time.RFC3339)
			}
			if !k.Valid {
				until += ", refused"
			} else {
				valid++
			}
			if k.AnyBackend {
				until += ", any connection"
			}
			fmt.Fprintf(out, "%s\t%s\t%s\t\n", k.ID, k.Created.UTC().Format(time.RFC3339), until)
		}
		out.Flush()
		fmt.Fprintf(a.Out, "Sealed: %s. Reading the plain setting: %d.\n", english.Count(len(s.Sealed), "policy"),
			len(s.Plain))
		for _, f := range s.Altered {
			fmt.Fprintf(a.Out, "%s is not the function that this version installs.\n", f)
		}
		if len(s.Altered) > 0 || (len(s.Sealed) > 0 && (valid == 0 || len(s.Plain) > 0)) {
			return errFound
		}
		return nil
	})
}
