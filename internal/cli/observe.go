package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/moat-db/moat/internal/report"
	"github.com/moat-db/moat/protect"
)

// observeFlags are the flags of moat observe.
type observeFlags struct {
	format, after string
	atLeast       time.Duration
	once          bool
}

func (a *app) newObserve() *cobra.Command {
	var f observeFlags
	c := &cobra.Command{
		Use:   "observe [URL]",
		Short: "Show which statements would break if row-level security were enforced",
		Long: "Show what group observe has noted since moat protect --apply --until observe: the\n" +
			"statements that succeed today, and would see fewer rows or be refused once group\n" +
			"enforce is applied. On a terminal the screen is refreshed until you interrupt it.\n" +
			"This command only reads; it needs no superuser and no server logs.\n\n" +
			"Statements are shown without their literals. Those of transactions that were\n" +
			"read-only or rolled back are counted by table, without text and application.\n" +
			"Not observed: superusers, roles with BYPASSRLS, and TRUNCATE.\n\n" +
			"Exit code 0: nothing was noted. 1: something was, or not for long enough (--for).\n" +
			"2: the database is not observed, or another error.",
		Example: "  moat observe postgres://moat_operator@localhost/app\n" +
			"  moat observe --once --for 7d                  # in CI: a week is clean\n" +
			"  moat observe --format json > monday.json\n" +
			"  moat observe --once --after monday.json       # only what came since",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runObserve(cmd.Context(), args, f) },
	}
	formatFlag(c, &f.format, report.TextOrJSON())
	flags := c.Flags()
	flags.BoolVar(&f.once, "once", false, "show it once, also on a terminal")
	daysFlag(c, &f.atLeast, "for", "exit with 1 unless it was observed for at least this long, such as 7d")
	flags.StringVar(&f.after, "after", "", "show only what came after this report, a file of --format json")
	return c
}

func (a *app) runObserve(ctx context.Context, args []string, f observeFlags) error {
	earlier, err := readObservation(f.after)
	if err != nil {
		return err
	}
	conn, err := a.connect(ctx, args)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	file, ok := a.Out.(*os.File)
	if f.once || f.format == "json" || !ok || !term.IsTerminal(int(file.Fd())) {
		o, err := a.look(ctx, conn, earlier)
		if err != nil {
			return err
		}
		return a.showObservation(o, f)
	}
	return a.watchObservation(ctx, conn, earlier, file, f)
}

func readObservation(name string) (*protect.Observation, error) {
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the earlier report: %w", err)
	}
	var o protect.Observation
	if err := json.Unmarshal(text, &o); err != nil || o.Version != 1 {
		return nil, fmt.Errorf("%s is not a report of moat observe --format json", name)
	}
	return &o, nil
}

func (a *app) look(ctx context.Context, conn *pgx.Conn, earlier *protect.Observation) (*protect.Observation, error) {
	o, err := protect.Observe(ctx, conn)
	if errors.Is(err, protect.ErrNotObserved) {
		return nil, withHint(err, "moat protect --apply --until observe begins it")
	}
	if err != nil || earlier == nil {
		return o, err
	}
	return o.After(earlier)
}

func (a *app) showObservation(o *protect.Observation, f observeFlags) error {
	if f.format == "json" {
		if err := report.JSON(a.Out, o); err != nil {
			return err
		}
	} else {
		report.ObserveText(a.Out, o, 0)
	}
	if seen := o.At.Sub(o.CountedSince); seen < f.atLeast {
		fmt.Fprintf(a.Err, "moat: observed for %s of %s\n", seen.Round(time.Second), (*days)(&f.atLeast))
		return errFound
	}
	if !o.Clean() {
		return errFound
	}
	return nil
}

// watchObservation refreshes one screen every second until ctx ends.
func (a *app) watchObservation(ctx context.Context, conn *pgx.Conn, earlier *protect.Observation, screen *os.File,
	f observeFlags) error {
	for {
		o, err := a.look(ctx, conn, earlier)
		if err != nil {
			return err
		}
		_, height, err := term.GetSize(int(screen.Fd()))
		if err != nil {
			return fmt.Errorf("size of the terminal: %w", err)
		}
		var b bytes.Buffer
		report.ObserveText(&b, o, height-1)
		fmt.Fprintf(screen, "\x1b[H\x1b[2J%s", b.String())
		select {
		case <-ctx.Done():
			return a.showObservation(o, f)
		case <-time.After(time.Second):
		}
	}
}
