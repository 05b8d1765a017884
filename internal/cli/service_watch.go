package cli

import (
	"cmp"
	"context"
	"log/slog"

	"github.com/moat-db/moat/watch"
)

// openWatch begins to compare the isolation with the accepted state that moat.yaml names,
// over the operator's connection, or else the application's. What drifts is logged, and
// shown by the metrics; requests go on.
func (s *service) openWatch(ctx context.Context) {
	if len(s.config.Watch.State) == 0 || s.check {
		return
	}
	s.watcher = newWatcher(cmp.Or(s.operatorURL, s.appURL), s.config.Watch.State, s.config)
	s.watcher.Report = func(ctx context.Context, e watch.Event) { tellLog(ctx, s.log, e) }
	s.watcher.Measure(s.meter)
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.watcher.Run(ctx)
	}()
	s.onClose(func() { stop(); <-ended })
}

// tellLog logs an event and sends it to the webhook where there is one.
func tellLog(ctx context.Context, log *slog.Logger, e watch.Event) {
	level := slog.LevelInfo
	if e.Kind == "drift" || e.Kind == "blind" {
		level = slog.LevelError
	}
	log.Log(ctx, level, "isolation watched", "event", e.Kind, "text", e.Text)
	if err := sendHook(ctx, e); err != nil {
		log.Warn("event not sent", "error", err)
	}
}
