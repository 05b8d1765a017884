package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/moat-db/moat/baseline"
	"github.com/moat-db/moat/catalog"
)

type acceptFlags struct {
	reason, expires, file string
}

func (a *app) newAccept() *cobra.Command {
	var f acceptFlags
	c := &cobra.Command{
		Use:   "accept KIND OBJECT [URL]",
		Short: "Accept one finding, for a reason and a time",
		Long: "Write an exception into the baseline, which audit, protect and prove read. It holds\n" +
			"for one kind of finding on one object as it is defined now, until a day: a changed\n" +
			"definition and the end of that day reopen it.\n\n" +
			"That other tenants' rows can be read or changed cannot be accepted.",
		Example: "  moat accept key-unique app.users.users_email_key --reason 'people sign in by email'\n" +
			"  moat accept grant-sequence app.orders_id_seq --reason 'volumes are public' --expires 2027-01-31",
		Args: cobra.RangeArgs(2, 3),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return ruleIDs(), cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.accept(cmd.Context(), args, f) },
	}
	flags := c.Flags()
	flags.StringVar(&f.reason, "reason", "", "why this is safe here (required)")
	flags.StringVar(&f.expires, "expires", "", "last day, as 2027-01-31 (default: a year from now)")
	flags.StringVar(&f.file, "baseline", "", "the file to write to (default: audit.baseline)")
	return c
}

func (a *app) accept(ctx context.Context, args []string, f acceptFlags) error {
	kind, object := args[0], args[1]
	if err := mayBeAccepted(kind); err != nil {
		return err
	}
	if strings.TrimSpace(f.reason) == "" {
		return withHint(errors.New("an exception needs a reason"), "--reason 'why this is safe here'")
	}
	expires, err := lastDay(f.expires, time.Now())
	if err != nil {
		return err
	}
	c, err := a.config()
	if err != nil {
		return err
	}
	s, err := a.snapshot(ctx, args[2:])
	if err != nil {
		return err
	}
	e, err := exception(s, kind, object, f.reason, expires)
	if err != nil {
		return err
	}
	return a.addException(cmp.Or(f.file, c.Audit.Baseline), e)
}

// snapshot connects to the database and reads its catalog.
func (a *app) snapshot(ctx context.Context, args []string) (*catalog.Snapshot, error) {
	conn, err := a.connect(ctx, args)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	s, err := catalog.Load(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	return s, nil
}

func (a *app) addException(name string, e baseline.Entry) error {
	text, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the baseline: %w", err)
	}
	if text, err = baseline.Append(text, e); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := os.WriteFile(name, text, 0o644); err != nil {
		return fmt.Errorf("write the baseline: %w", err)
	}
	fmt.Fprintf(a.Err, "moat: %s on %s accepted until %s in %s\n", e.Kind, e.Object, e.Expires, name)
	return nil
}
