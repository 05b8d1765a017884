package cli

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/telemetry"
	"github.com/moat-db/moat/watch"
)

// nightly runs moat prove once a day.
type nightly struct {
	at       time.Duration // after midnight, local time
	prove    func(context.Context) (*prove.Report, error)
	database func() string // its name, once it was seen
	tell     func(context.Context, watch.Event)

	mu    sync.Mutex
	last  time.Time
	leaks float64
	done  bool // the last run came to an end
}

// nightly begins the daily run, where one is asked for; the metrics are of none otherwise.
func (a *app) nightly(ctx context.Context, args []string, c config.Config, f watchFlags,
	w *watch.Watcher) (*nightly, error) {
	n := &nightly{tell: w.Report, database: func() string { return w.Last().Database }}
	if f.proveAt == "" {
		return n, nil
	}
	at, err := time.Parse("15:04", f.proveAt)
	if err != nil {
		return nil, withHint(fmt.Errorf("--prove-at %q is no time of day", f.proveAt), "write it as 03:00")
	}
	if _, err := a.application(); err != nil {
		return nil, err
	}
	n.at = time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
	n.prove = func(ctx context.Context) (*prove.Report, error) {
		return a.proveDatabase(ctx, args, c, &proveFlags{produced: true})
	}
	go n.run(ctx)
	return n, nil
}

func (n *nightly) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(nextDaily(time.Now(), n.at)):
			n.once(ctx)
		}
	}
}

// nextDaily is the time to the next moment of a day that is so long after midnight.
func nextDaily(now time.Time, after time.Duration) time.Duration {
	hour, minute := int(after.Hours()), int(after.Minutes())%60
	next := time.Date(now.Year(), now.Month(), now.Day(), hour, minute, 0, 0, now.Location())
	if !next.After(now) {
		next = time.Date(now.Year(), now.Month(), now.Day()+1, hour, minute, 0, 0, now.Location())
	}
	return next.Sub(now)
}

// once proves and tells the verdict.
func (n *nightly) once(ctx context.Context) {
	r, err := n.prove(ctx)
	e := watch.Event{Kind: "proved", Look: watch.Look{At: time.Now(), Database: n.database(), Drift: []watch.Drift{}}}
	n.mu.Lock()
	n.last, n.done = e.At, err == nil
	if err == nil {
		n.leaks = float64(r.Count(prove.VerdictLeak))
	}
	n.mu.Unlock()
	if err != nil {
		e.Error, e.Text = err.Error(), "moat prove of "+e.Database+" could not run: "+err.Error()
	} else {
		e.Text = "moat prove of " + e.Database + ": " + r.Sentence()
	}
	n.tell(ctx, e)
}

// measure makes the metrics of the last run; there are none before the first.
func (n *nightly) measure(m telemetry.Meter) {
	gauge := func(name, help string, read func() float64) {
		m.Gauge("moat_prove_"+name, help, func() (float64, bool) {
			n.mu.Lock()
			defer n.mu.Unlock()
			return read(), !n.last.IsZero()
		})
	}
	gauge("last_run_timestamp_seconds", "When moat prove ran last.",
		func() float64 { return float64(n.last.UnixMilli()) / 1000 })
	gauge("leaks", "Probes of moat prove's last run that succeeded.", func() float64 { return n.leaks })
	gauge("up", "1 when moat prove's last run came to an end, 0 otherwise.", func() float64 {
		if n.done {
			return 1
		}
		return 0
	})
}
