package serving

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// watched is a watch that counts.
type watched struct {
	Watch
	reloads, flushes atomic.Int32
}

func newWatched(db *pgtest.Database) *watched {
	w := &watched{}
	w.Watch = Watch{
		Connect: func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, db.URL) },
		Reload:  func(context.Context) error { w.reloads.Add(1); return nil },
		Flush:   func() { w.flushes.Add(1) },
		Every:   time.Hour, Logger: slog.New(slog.DiscardHandler), Cause: Cause,
	}
	return w
}

// run watches until the test ends, and returns when this has begun and what was notified so far is handled.
func (w *watched) run(t *testing.T, db *pgtest.Database) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	// It flushes as it begins, and once more when it has handled what came before this.
	for w.flushes.Load() < 2 {
		db.Exec(t, "NOTIFY moat_tenants")
		time.Sleep(10 * time.Millisecond)
	}
}

// What was read after Begin is not read again, unless the catalog changed or somebody asked for it since.
func TestWatchBegins(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]string{
		"nothing changed":    "",
		"a table was made":   "CREATE TABLE made (id int)",
		"a reload was asked": "NOTIFY moat, 'reload schema'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			w := newWatched(db)
			w.Begin(t.Context())
			db.Exec(t, meanwhile)
			w.run(t, db)
			now, err := stamp(t.Context(), db.Conn(t, db.URL))
			if err != nil {
				t.Fatal(err)
			}
			// Another test may have made a role, which all databases see.
			changed := meanwhile != "" || now != w.stamp
			if again := w.reloads.Load() > 0; again != changed {
				t.Errorf("read again: %t, want %t", again, changed)
			}
		})
	}
}

// A watch that did not begin cannot know what changed.
func TestWatchWithoutBegin(t *testing.T) {
	t.Parallel()
	w := newWatched(pgtest.New(t))
	ctx, stop := context.WithCancel(t.Context())
	w.Reload = func(context.Context) error { stop(); w.reloads.Add(1); return nil }
	w.Run(ctx)
	if w.reloads.Load() != 1 {
		t.Error("the schema was not read")
	}
}

// End leaves no connection behind.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	w := newWatched(pgtest.New(t))
	w.Begin(t.Context())
	conn := w.conn
	w.End(t.Context())
	if conn == nil || !conn.IsClosed() {
		t.Error("the connection of Begin is open")
	}
}
