package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/report"
	"github.com/moat-db/moat/watch"
)

// defaultState is the file of the accepted state where nothing else is configured.
const defaultState = "moat-state.json"

// webhookVariable holds the webhook's URL, which is a secret with most chats.
const webhookVariable = "MOAT_WATCH_WEBHOOK"

// watchFlags are the flags of moat watch.
type watchFlags struct {
	states          []string
	once            bool
	every           time.Duration
	format, metrics string
	proveAt         string
	reason, by      string
	length          time.Duration
}

func (a *app) newWatch() *cobra.Command {
	var f watchFlags
	c := &cobra.Command{
		Use:   "watch [URL]",
		Short: "Tell when the isolation is no longer as it was accepted",
		Long: "Compare policies, grants, roles, functions, tables, columns, keys, triggers, guards,\n" +
			"extensions, publications, settings and the release with an accepted state, a file of\n" +
			"moat watch accept, and tell what drifted: a line for each event, metrics for\n" +
			"Prometheus (--metrics), and a POST to the URL in " + webhookVariable + ".\n\n" +
			"While nothing changes a look is one small statement. The role must see the whole\n" +
			"catalog. Announce a migration with moat watch announce, and accept what it made with\n" +
			"moat watch accept; several --state are accepted at once.\n\n" +
			"Exit code of --once: 0 as accepted, or announced. 1: drift. 2: an error.",
		Example: "  moat watch postgres://moat_operator@localhost/app --metrics 127.0.0.1:9188\n" +
			"  moat watch --once                             # in cron\n" +
			"  moat watch --prove-at 03:00 --format json",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.watch(cmd.Context(), args, f) },
	}
	flags := c.Flags()
	stateFlag(c, &f)
	flags.BoolVar(&f.once, "once", false, "look once and exit")
	flags.DurationVar(&f.every, "every", 0, "time between two looks (default: watch.every, else 30s)")
	flags.StringVar(&f.metrics, "metrics", "", "address on which to serve /metrics")
	flags.StringVar(&f.proveAt, "prove-at", "", "time of day (15:04) at which to run moat prove each day; needs --app-url")
	formatFlag(c, &f.format, report.TextOrJSON())
	c.AddCommand(a.newWatchAccept(), a.newWatchAnnounce())
	return c
}

func stateFlag(c *cobra.Command, f *watchFlags) {
	c.Flags().StringArrayVar(&f.states, "state", nil, "accepted state (default: watch.state, else "+defaultState+")")
}

func (a *app) newWatchAccept() *cobra.Command {
	var f watchFlags
	c := &cobra.Command{
		Use:   "accept [URL]",
		Short: "Accept the isolation as it is now",
		Long: "Write the facts that moat watch compares with to the state's file, and say what is\n" +
			"accepted that was not. Keep the file where changes are reviewed. Announcements end.",
		Example: "  moat watch accept --reason 'release 42'",
		Args:    cobra.MaximumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.acceptState(cmd.Context(), args, f) },
	}
	stateFlag(c, &f)
	whoFlags(c, &f)
	return c
}

func (a *app) newWatchAnnounce() *cobra.Command {
	var f watchFlags
	c := &cobra.Command{
		Use:   "announce",
		Short: "Say that a migration is about to change the isolation",
		Long: "Write to the state's file that drift is expected from now on for a while: moat watch\n" +
			"tells of it, and raises no alarm. What is not accepted by then is an alarm.",
		Example: "  moat watch announce --for 30m --reason 'release 42'",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return a.announce(f) },
	}
	stateFlag(c, &f)
	whoFlags(c, &f)
	c.Flags().DurationVar(&f.length, "for", 0, "how long (required)")
	return c
}

func whoFlags(c *cobra.Command, f *watchFlags) {
	c.Flags().StringVar(&f.reason, "reason", "", "why; it stands in the file (required)")
	c.Flags().StringVar(&f.by, "by", os.Getenv("USER"), "who")
}

// stateFiles are those of the flag, else of moat.yaml, else the usual one.
func stateFiles(f watchFlags, c config.Config) []string {
	switch {
	case len(f.states) > 0:
		return f.states
	case len(c.Watch.State) > 0:
		return c.Watch.State
	}
	return []string{defaultState}
}

// stateReader reads accepted states from their files, each again only once it has changed.
func stateReader(names []string) func() ([]*watch.State, error) {
	read, as := make([]*watch.State, len(names)), make([]os.FileInfo, len(names))
	return func() ([]*watch.State, error) {
		for i, name := range names {
			info, _ := os.Stat(name) // Read says what is wrong with it
			if read[i] != nil && same(info, as[i]) {
				continue
			}
			s, err := watch.Read(name)
			if err != nil {
				return nil, err
			}
			read[i], as[i] = s, info
		}
		return slices.Clone(read), nil
	}
}

func same(a, b os.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

func (a *app) watch(ctx context.Context, args []string, f watchFlags) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	url, err := a.database(args)
	if err != nil {
		return err
	}
	w := newWatcher(url, stateFiles(f, c), c)
	if f.every > 0 {
		w.Every = f.every
	}
	if f.once {
		return a.watchOnce(ctx, w, f)
	}
	w.Report = a.teller(f)
	nightly, err := a.nightly(ctx, args, c, f, w)
	if err != nil {
		return err
	}
	if f.metrics == "" {
		w.Run(ctx)
		return nil
	}
	l, err := listen(f.metrics, false)
	if err != nil {
		return err
	}
	go w.Run(ctx)
	log := slog.New(slog.NewJSONHandler(a.Err, nil))
	meter, metrics := a.meter()
	w.Measure(meter)
	nightly.measure(meter)
	return serveEach(ctx, endpoint{newHTTPServer(metricsOnly(metrics), log), l})
}

// newWatcher watches the database at url.
func newWatcher(url string, states []string, c config.Config) *watch.Watcher {
	return &watch.Watcher{Every: c.Watch.Every,
		Connect: func(ctx context.Context) (*pgx.Conn, error) {
			conn, err := administer(ctx, url)
			if err != nil {
				err = connectError(err)
			}
			return conn, err
		},
		States: stateReader(states)}
}

// watchOnce looks once, for cron: what is wrong goes to standard output.
func (a *app) watchOnce(ctx context.Context, w *watch.Watcher, f watchFlags) error {
	var events []watch.Event
	w.Report = func(_ context.Context, e watch.Event) { events = append(events, e) }
	look := w.Look(ctx)
	if look.Error != "" {
		return withHint(errors.New(look.Error), "moat watch accept --reason '…' accepts the database as it is")
	}
	for _, e := range events {
		a.teller(f)(ctx, e)
	}
	if look.Alarm() {
		return errFound
	}
	return nil
}

// teller prints events, and sends them to the webhook where there is one.
func (a *app) teller(f watchFlags) func(context.Context, watch.Event) {
	return func(ctx context.Context, e watch.Event) {
		if f.format == "json" {
			_ = json.NewEncoder(a.Out).Encode(e) // plain values; a closed pipe ends the program
		} else {
			fmt.Fprintf(a.Out, "%s %s\n", e.At.UTC().Format(time.RFC3339), e.Text)
		}
		if err := sendHook(ctx, e); err != nil {
			fmt.Fprintf(a.Err, "moat: %s\n", err)
		}
	}
}

// sendHook sends an event to the webhook where there is one.
func sendHook(ctx context.Context, e watch.Event) error {
	if hook := os.Getenv(webhookVariable); hook != "" {
		return (&watch.Webhook{URL: hook}).Send(ctx, e)
	}
	return nil
}

func (a *app) acceptState(ctx context.Context, args []string, f watchFlags) error {
	name, err := a.oneState(f)
	if err != nil {
		return err
	}
	s, err := a.snapshot(ctx, args)
	if err != nil {
		return err
	}
	if len(s.Unseen) > 0 {
		return withHint(&watch.UnseenError{Unseen: s.Unseen}, "accept as a superuser, or the role that watches")
	}
	accepted := &watch.State{Version: 1, Database: s.Database.Name, At: time.Now().UTC(), By: f.by, Reason: f.reason,
		Facts: watch.FactsOf(s)}
	before, err := watch.Read(name)
	switch {
	case errors.Is(err, watch.ErrNotAccepted):
		before = &watch.State{}
	case err != nil:
		return err
	default:
		for _, d := range watch.Compare(before.Facts, accepted.Facts) {
			fmt.Fprintln(a.Out, d)
		}
	}
	if err := accepted.Write(name); err != nil {
		return err
	}
	fmt.Fprintf(a.Err, "moat: %d facts of %s accepted in %s\n", len(accepted.Facts), accepted.Database, name)
	return nil
}

func (a *app) announce(f watchFlags) error {
	if f.length <= 0 {
		return withHint(errors.New("an announcement has an end"), "--for 30m")
	}
	name, err := a.oneState(f)
	if err != nil {
		return err
	}
	s, err := watch.Read(name)
	if err != nil {
		return withHint(err, "moat watch accept comes first")
	}
	now := time.Now().UTC()
	s.Announced = []watch.Announcement{{From: now, Until: now.Add(f.length), By: f.by, Reason: f.reason}}
	if err := s.Write(name); err != nil {
		return err
	}
	fmt.Fprintf(a.Err, "moat: drift is expected until %s\n", s.Announced[0].Until.Format(time.RFC3339))
	return nil
}

// oneState is the file to write.
func (a *app) oneState(f watchFlags) (string, error) {
	c, err := a.config()
	if err != nil {
		return "", err
	}
	if f.reason == "" {
		return "", withHint(errors.New("what is accepted needs a reason"), "--reason 'release 42'")
	}
	names := stateFiles(f, c)
	if len(names) != 1 {
		return "", withHint(errors.New("several states are configured"), "--state names the one to write")
	}
	return names[0], nil
}
