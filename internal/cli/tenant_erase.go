package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/lifecycle"
)

type eraseFlags struct {
	tenantFlags
	after            time.Duration
	cancel, due, now bool
	certificates     string
	again, beyond    []string
}

func (a *app) newTenantErase() *cobra.Command {
	var f eraseFlags
	c := &cobra.Command{
		Use:   "erase TENANT [URL]",
		Short: "Delete all rows of a tenant, and certify that none is left",
		Long: "Show what would be deleted, in which order, and what stands in the way. With --apply the\n" +
			"tenant is suspended, its rows are deleted in batches that hold no lock for long, the whole\n" +
			"database is searched for what is left, and a certificate is written, as JSON and as a page\n" +
			"to print. Interrupted, the same command goes on.\n\n" +
			"Rows of others that refer to the tenant's stop it, with the list, before anything is deleted.\n\n" +
			"Exit code 0: done, or nothing to do. 1: a plan, or something stands in the way. 2: an error.",
		Example: "  moat tenant erase 3f2a… --reason 'contract ended'                       # the plan\n" +
			"  moat tenant erase 3f2a… --reason 'contract ended' --after 720h --apply  # in 30 days\n" +
			"  moat tenant erase 3f2a… --reason 'they stay' --cancel --apply\n" +
			"  moat tenant erase --due --reason 'nightly run' --apply                  # from cron\n" +
			"  moat tenant erase --again certificates/*.json --reason 'backup of Monday was restored' --apply",
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runErase(cmd.Context(), args, f) },
	}
	f.add(c, "erase, request or cancel it")
	flags := c.Flags()
	flags.DurationVar(&f.after, "after", 0, "grace period, such as 720h: suspend now, and erase with --due when it "+
		"has ended")
	flags.BoolVar(&f.cancel, "cancel", false, "take a request back, and resume the tenant")
	flags.BoolVar(&f.due, "due", false, "erase all tenants whose grace period has ended")
	flags.BoolVar(&f.now, "now", false, "do not wait for the end of an earlier grace period")
	flags.StringVar(&f.certificates, "certificates", ".", "folder for the certificates")
	flags.StringArrayVar(&f.again, "again", nil,
		"erase again what a certificate says was erased, after a backup was restored; more files may follow")
	flags.StringArrayVar(&f.beyond, "beyond", nil, "name a place outside of the database in the certificate; may be "+
		"repeated")
	return c
}

func (a *app) runErase(ctx context.Context, args []string, f eraseFlags) error {
	switch {
	case f.due:
		return a.act(ctx, args, f.tenantFlags, func(o *lifecycle.Operator) error { return a.eraseDue(ctx, o, f) })
	case len(f.again) > 0:
		return a.act(ctx, nil, f.tenantFlags, func(o *lifecycle.Operator) error {
			return a.eraseAgain(ctx, o, append(f.again, args...), f)
		})
	case len(args) == 0:
		return errors.New("name the tenant, or --due, or --again FILE")
	}
	return a.act(ctx, args[1:], f.tenantFlags, func(o *lifecycle.Operator) error { return a.eraseOne(ctx, o, args[0], f) })
}

func (a *app) eraseOne(ctx context.Context, o *lifecycle.Operator, tenant string, f eraseFlags) error {
	switch {
	case f.cancel && f.apply:
		if err := o.CancelErasure(ctx, tenant); err != nil {
			return err
		}
		return a.print(f.tenantFlags, map[string]string{"tenant": tenant, "state": lifecycle.Active}, func(w io.Writer) {
			fmt.Fprintf(w, "the erasure of tenant %s is cancelled, and it is active again\n", tenant)
		})
	case f.after > 0 && f.apply:
		due, err := o.RequestErasure(ctx, tenant, f.after)
		if err != nil {
			return err
		}
		return a.print(f.tenantFlags, map[string]any{"tenant": tenant, "due_at": due}, func(w io.Writer) {
			fmt.Fprintf(w, "tenant %s is suspended, and due to be erased on %s by moat tenant erase --due --apply\n", tenant,
				due.UTC().Format("2 January 2006, 15:04 UTC"))
		})
	case f.apply:
		c, err := o.Erase(ctx, tenant, a.eraseOptions(f))
		if err != nil {
			return err
		}
		return a.certificates(f, []*lifecycle.Certificate{c})
	}
	e, err := o.PlanErasure(ctx, tenant)
	if err != nil {
		return err
	}
	if err := a.print(f.tenantFlags, e, func(w io.Writer) { erasureText(w, e) }); err != nil {
		return err
	}
	return errFound
}

func (a *app) eraseOptions(f eraseFlags) lifecycle.EraseOptions {
	opts := lifecycle.EraseOptions{Beyond: f.beyond, Now: f.now}
	if a.terminal() {
		opts.Progress = func(table string, rows int64) { fmt.Fprintf(a.Err, "\r\x1b[K  %s: %d", table, rows) }
	}
	return opts
}

func (a *app) eraseDue(ctx context.Context, o *lifecycle.Operator, f eraseFlags) error {
	if !f.apply {
		return withHint(errors.New("nothing was erased"), "--apply erases what is due")
	}
	done, err := o.EraseDue(ctx, a.eraseOptions(f))
	return errors.Join(a.certificates(f, done), err)
}

// eraseAgain erases the tenants of certificates that exist again.
func (a *app) eraseAgain(ctx context.Context, o *lifecycle.Operator, files []string, f eraseFlags) error {
	if !f.apply {
		return withHint(errors.New("nothing was erased"), "--apply erases again")
	}
	var done []*lifecycle.Certificate
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("open the certificate: %w", err)
		}
		c, err := lifecycle.ReadCertificate(file)
		file.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		again, err := o.Erase(ctx, c.Tenant, a.eraseOptions(f))
		var gone *lifecycle.NoSuchTenantError
		switch {
		case errors.As(err, &gone):
			fmt.Fprintf(a.Err, "moat: tenant %s has no rows: nothing to erase\n", c.Tenant)
		case err != nil:
			return errors.Join(err, a.certificates(f, done))
		default:
			done = append(done, again)
		}
	}
	return a.certificates(f, done)
}

// certificates writes the files and says where they are.
func (a *app) certificates(f eraseFlags, all []*lifecycle.Certificate) error {
	if a.terminal() {
		fmt.Fprint(a.Err, "\r\x1b[K")
	}
	for _, c := range all {
		base := filepath.Join(f.certificates, fmt.Sprintf("erasure-%04d", c.Number))
		if err := writeFile(base+".json", func(w io.Writer) error { return lifecycle.WriteCertificate(w, c) }); err != nil {
			return err
		}
		if err := writeFile(base+".html", func(w io.Writer) error { return lifecycle.PrintCertificate(w, c) }); err != nil {
			return err
		}
		if f.format == "text" {
			certificateText(a.Out, c, base)
		}
	}
	if f.format == "json" {
		return a.print(f.tenantFlags, all, nil)
	}
	if len(all) == 0 {
		fmt.Fprintln(a.Out, "nothing was erased: no tenant is due")
	}
	return nil
}

func writeFile(name string, fn func(w io.Writer) error) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("write the certificate (it stands in moat.certificate as well): %w", err)
	}
	return errors.Join(fn(file), file.Close())
}

func certificateText(w io.Writer, c *lifecycle.Certificate, base string) {
	var rows int64
	for _, r := range c.Removed {
		rows += r.Rows
	}
	fmt.Fprintf(w, "tenant %s is erased: %s deleted; %s searched, nothing found\ncertificate %d: %s.json, %[5]s.html\n",
		c.Tenant, english.Count(rows, "row"), english.Count(len(c.Searched), "place"), c.Number, base)
}

func erasureText(w io.Writer, e *lifecycle.Erasure) {
	fmt.Fprintf(w, "Tenant %s%s, %s. Erasing it deletes %s, in this order:\n\n", e.Tenant, inParens(e.Name), e.State,
		english.Count(e.Rows(), "row"))
	holdingsText(w, e.Tables)
	if len(e.Own) > 0 {
		fmt.Fprintln(w, "\nmoat's own rows:")
		holdingsText(w, e.Own)
	}
	if n := len(e.Objects); n > 0 {
		fmt.Fprintf(w, "\nand %s.\n", english.Count(n, "large object"))
	}
	for _, list := range []struct {
		title string
		lines []string
	}{{"These triggers run, and may write elsewhere:", e.Triggers},
		{"These materialized views are refreshed:", e.Views}} {
		if len(list.lines) > 0 {
			fmt.Fprintln(w, "\n"+list.title)
			for _, line := range list.lines {
				fmt.Fprintln(w, "  "+line)
			}
		}
	}
	if len(e.Blockers) > 0 {
		fmt.Fprintln(w, "\nIt cannot be erased: "+(&lifecycle.BlockedError{Blockers: e.Blockers}).Error())
		return
	}
	if e.Due != nil {
		fmt.Fprintf(w, "\nIts erasure was requested and falls due on %s.\n", e.Due.UTC().Format("2 January 2006, 15:04 UTC"))
	}
	fmt.Fprintln(w, "\nNothing was changed. --apply erases it; --after 720h --apply suspends it now and erases it "+
		"in 30 days.")
}
