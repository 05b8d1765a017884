package cli

import (
	"bytes"
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
	after, kept      time.Duration
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
			"to print. Interrupted, the same command goes on; a certificate that is lost is written again.\n\n" +
			"Rows of others that refer to the tenant's stop it, with the list, before anything is deleted.\n\n" +
			"Exit code 0: done, or nothing to do. 1: a plan, or something stands in the way. 2: an error.",
		Example: "  moat tenant erase 3f2a… --reason 'contract ended'                       # the plan\n" +
			"  moat tenant erase 3f2a… --reason 'contract ended' --after 30d --apply   # in 30 days\n" +
			"  moat tenant erase 3f2a… --reason 'they stay' --cancel --apply\n" +
			"  moat tenant erase --due --reason 'nightly run' --apply                  # from cron\n" +
			"  moat tenant erase --again certificates/*.json --reason 'backup of Monday was restored' --apply",
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runErase(cmd.Context(), args, f) },
	}
	f.add(c, "erase, request or cancel it")
	flags := c.Flags()
	daysFlag(c, &f.after, "after", "grace period, such as 30d: suspend now, and erase with --due when it has ended")
	flags.BoolVar(&f.cancel, "cancel", false, "take a request back, and resume the tenant")
	flags.BoolVar(&f.due, "due", false, "list what is requested; with --apply erase all whose grace period has ended")
	flags.BoolVar(&f.now, "now", false, "do not wait for the end of an earlier grace period")
	flags.StringVar(&f.certificates, "certificates", ".", "folder for the certificates")
	flags.StringArrayVar(&f.again, "again", nil,
		"erase again what a certificate says was erased, after a backup was restored; more files may follow")
	daysFlag(c, &f.kept, "backups-kept",
		"how long backups are kept, such as 35d: the certificate says when the last one is gone")
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
		c, err := a.eraseOrFind(ctx, o, tenant, f)
		if err != nil {
			return err
		}
		return a.certificates(f, []*lifecycle.Certificate{c})
	}
	return a.planErasure(ctx, o, tenant, f)
}

func (a *app) eraseOptions(f eraseFlags) lifecycle.EraseOptions {
	opts := lifecycle.EraseOptions{Beyond: f.beyond, BackupsKept: f.kept, Now: f.now}
	if a.terminal() {
		opts.Progress = func(table string, rows int64) { fmt.Fprintf(a.Err, "\r\x1b[K  %s: %d", table, rows) }
	}
	return opts
}

// eraseOrFind erases a tenant, or finds the certificate of one that is gone: the command
// may have been killed before it wrote the file.
func (a *app) eraseOrFind(ctx context.Context, o *lifecycle.Operator, tenant string, f eraseFlags) (
	*lifecycle.Certificate, error,
) {
	c, err := o.Erase(ctx, tenant, a.eraseOptions(f))
	if !errors.As(err, new(*lifecycle.NoSuchTenantError)) {
		return c, err
	}
	stands, failed := o.CertificateOf(ctx, tenant)
	if stands == nil {
		return nil, errors.Join(err, failed)
	}
	fmt.Fprintf(a.Err, "moat: tenant %s was erased before; this is its certificate\n", tenant)
	return stands, failed
}

// eraseDue erases what is due, or lists what is requested.
func (a *app) eraseDue(ctx context.Context, o *lifecycle.Operator, f eraseFlags) error {
	if f.apply {
		done, err := o.EraseDue(ctx, a.eraseOptions(f))
		return errors.Join(a.certificates(f, done), err)
	}
	all, err := o.Requests(ctx)
	if err != nil {
		return err
	}
	if err := a.print(f.tenantFlags, all, func(w io.Writer) { requestsText(w, all) }); err != nil || len(all) == 0 {
		return err
	}
	return errFound
}

func requestsText(w io.Writer, all []lifecycle.Request) {
	if len(all) == 0 {
		fmt.Fprintln(w, "no erasure is requested")
		return
	}
	for _, r := range all {
		state := "waits until " + r.DueAt.UTC().Format("2 January 2006, 15:04 UTC")
		switch {
		case r.StartedAt != nil:
			state = "has begun, and was interrupted"
		case r.Due:
			state = "is due"
		}
		fmt.Fprintf(w, "tenant %s %s; requested on %s by %s: %s\n", r.Tenant, state,
			r.RequestedAt.UTC().Format("2 January 2006"), r.RequestedBy, r.Reason)
	}
	fmt.Fprintln(w, "\nNothing was changed. --apply erases what is due, and goes on with what has begun.")
}

// eraseAgain erases the tenants of certificates that exist again, or shows what it would.
func (a *app) eraseAgain(ctx context.Context, o *lifecycle.Operator, files []string, f eraseFlags) error {
	var done []*lifecycle.Certificate
	var back bool
	for _, name := range files {
		c, err := readCertificate(name)
		if err != nil {
			return errors.Join(err, a.certificates(f, done))
		}
		again, err := a.againOne(ctx, o, c, f)
		if again != nil {
			done = append(done, again)
		}
		if back = back || errors.Is(err, errFound); err != nil && !errors.Is(err, errFound) {
			return errors.Join(err, a.certificates(f, done))
		}
	}
	switch {
	case f.apply:
		return a.certificates(f, done)
	case back:
		return errFound
	}
	return nil
}

// againOne erases one tenant that exists again; of one that does not it says that nothing
// of it is found. One that was brought back on purpose stays.
func (a *app) againOne(ctx context.Context, o *lifecycle.Operator, was *lifecycle.Certificate, f eraseFlags) (
	c *lifecycle.Certificate, err error,
) {
	tenant := was.Tenant
	switch revoked, err := o.Revoked(ctx, was); {
	case err != nil:
		return nil, err
	case revoked != nil:
		fmt.Fprintf(a.Err, "moat: tenant %s stays: certificate %d was revoked on %s\n", tenant, was.Number,
			revoked.UTC().Format("2 January 2006"))
		return nil, nil
	}
	if f.apply {
		c, err = o.Erase(ctx, tenant, a.eraseOptions(f))
	} else {
		err = a.planErasure(ctx, o, tenant, f)
	}
	if !errors.As(err, new(*lifecycle.NoSuchTenantError)) {
		return c, err
	}
	searched, err := o.VerifyErased(ctx, tenant)
	if err == nil {
		fmt.Fprintf(a.Err, "moat: tenant %s is not back: %s searched, nothing found\n", tenant,
			english.Count(len(searched), "place"))
	}
	return nil, err
}

func readCertificate(name string) (*lifecycle.Certificate, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open the certificate: %w", err)
	}
	defer file.Close()
	c, err := lifecycle.ReadCertificate(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// planErasure shows what an erasure would do.
func (a *app) planErasure(ctx context.Context, o *lifecycle.Operator, tenant string, f eraseFlags) error {
	e, err := o.PlanErasure(ctx, tenant)
	if err != nil {
		return err
	}
	if err := a.print(f.tenantFlags, e, func(w io.Writer) { erasureText(w, e) }); err != nil {
		return err
	}
	return errFound
}

// certificates writes the files and says where they are.
func (a *app) certificates(f eraseFlags, all []*lifecycle.Certificate) error {
	if a.terminal() {
		fmt.Fprint(a.Err, "\r\x1b[K")
	}
	for _, c := range all {
		base, err := writeCertificate(f.certificates, c)
		if err != nil {
			return fmt.Errorf("write the certificate (it stands in moat.certificate as well): %w", err)
		}
		if f.format == "text" {
			certificateText(a.Out, c, base)
		}
	}
	if f.format == "json" {
		return a.print(f.tenantFlags, all, nil)
	}
	if len(all) == 0 {
		why := map[bool]string{true: "no tenant is due", false: "no tenant is back"}[f.due]
		fmt.Fprintln(a.Out, "nothing was erased: "+why)
	}
	return nil
}

// writeCertificate writes a certificate as JSON and as a page. One that is there already,
// of another database or of one that was restored, is never written over.
func writeCertificate(dir string, c *lifecycle.Certificate) (base string, err error) {
	var text, page bytes.Buffer
	if err := errors.Join(lifecycle.WriteCertificate(&text, c), lifecycle.PrintCertificate(&page, c)); err != nil {
		return "", err
	}
	base = filepath.Join(dir, fmt.Sprintf("erasure-%04d", c.Number))
	if old, err := os.ReadFile(base + ".json"); err == nil && !bytes.Equal(old, text.Bytes()) {
		base += "-" + c.Digest[:8]
	}
	return base, errors.Join(os.WriteFile(base+".json", text.Bytes(), 0o644),
		os.WriteFile(base+".html", page.Bytes(), 0o644))
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
	fmt.Fprintln(w, "\nNothing was changed. --apply erases it; --after 30d --apply suspends it now, and --due erases it "+
		"in 30 days.")
}
