package watch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
)

// Watcher compares a database with accepted states, again and again. Its fields are not
// changed once it looks. Its methods may be called by several goroutines at once.
type Watcher struct {
	// Connect opens a connection of a role that sees the whole catalog; any role does, but
	// for what the Snapshot calls unseen.
	Connect func(context.Context) (*pgx.Conn, error)
	// States reads the accepted states before each look: the database may be as any of them
	// says, so that one can be accepted ahead of the migration that leads to it. A state that
	// did not change is best returned as the same pointer: then nothing is compared anew.
	States func() ([]*State, error)
	// Every is the time between two looks; zero means 30 s. Whole is how often the catalog
	// is read even where its stamp has not changed; zero means an hour.
	Every, Whole time.Duration
	// Report is told of what changed since the look before; nil means nobody is.
	Report func(context.Context, Event)
	// Now is the clock; nil means the real one.
	Now    func() time.Time
	Logger *slog.Logger

	mu    sync.Mutex
	conn  *pgx.Conn
	stamp string
	read  time.Time // when the catalog was read last
	facts Facts
	// drift is that of facts from states; nil when it has to be found out.
	drift  []Drift
	states []*State
	name   string // of the database
	last   Look
	told   map[Drift]bool // that were reported
	blind  bool           // the last look failed, which was reported
}

// Look is what one look found.
type Look struct {
	At time.Time `json:"at"`
	// Database is its name.
	Database string `json:"database"`
	// Drift is empty where the database is as accepted.
	Drift []Drift `json:"drift"`
	// Announced is the migration that explains it, nil where there is none: then drift is an
	// alarm.
	Announced *Announcement `json:"announced,omitempty"`
	// Error says why nothing could be seen; what was found before says nothing then.
	Error string `json:"error,omitempty"`
}

// Alarm reports whether somebody has to look: the isolation drifted unannounced, or cannot
// be seen.
func (l Look) Alarm() bool { return l.Error != "" || len(l.Drift) > 0 && l.Announced == nil }

// Event is what a look tells those who listen. Kind is drift, announced, mended, blind,
// seeing or proved.
type Event struct {
	Kind string `json:"event"`
	// Text is the event in words: a webhook of a chat shows it.
	Text string `json:"text"`
	Look
	// Mended are drifts that are gone.
	Mended []Drift `json:"mended,omitempty"`
}

// UnseenError says that the role could not look at everything.
type UnseenError struct{ Unseen []string }

func (e *UnseenError) Error() string {
	more := ""
	if n := len(e.Unseen) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more of its kind)", n)
	}
	return e.Unseen[0] + more + ": a role that sees the whole catalog must look"
}

// Run looks until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.close(ctx)
	}()
	tick := time.NewTicker(cmp.Or(w.Every, 30*time.Second))
	defer tick.Stop()
	for {
		w.Look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Last returns what the last look found; its At is zero before the first.
func (w *Watcher) Last() Look {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// Look looks once, and reports what changed since the look before.
func (w *Watcher) Look(ctx context.Context) Look {
	w.mu.Lock()
	now := time.Now
	if w.Now != nil {
		now = w.Now
	}
	look := Look{At: now(), Database: w.name, Drift: []Drift{}}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := w.compare(ctx, &look); err != nil {
		look.Error = err.Error()
	}
	if errors.Is(ctx.Err(), context.Canceled) { // the end, which is no blindness to tell of
		w.mu.Unlock()
		return look
	}
	w.last = look
	events := w.changes(look)
	w.mu.Unlock()
	for _, e := range events {
		if w.Report != nil {
			w.Report(ctx, e)
		}
	}
	return look
}

// compare finds the drift from the accepted state that is nearest.
func (w *Watcher) compare(ctx context.Context, look *Look) error {
	states, err := w.States()
	if err != nil {
		return err
	}
	if len(states) == 0 {
		return ErrNotAccepted
	}
	if err := w.refresh(ctx, look.At); err != nil {
		w.close(ctx)
		return err
	}
	look.Database = w.name
	if w.drift == nil || !slices.Equal(states, w.states) {
		w.states, w.drift = slices.Clone(states), nearest(states, w.facts)
	}
	look.Drift = w.drift
	for _, s := range states {
		if a := s.Expected(look.At); a != nil {
			look.Announced = a
		}
	}
	return nil
}

// nearest is the drift from the state that least differs.
func nearest(states []*State, facts Facts) []Drift {
	var least []Drift
	for _, s := range states {
		if drift := Compare(s.Facts, facts); least == nil || len(drift) < len(least) {
			least = append([]Drift{}, drift...)
		}
	}
	return least
}

// refresh reads the catalog again where its stamp has changed. The stamp is taken before: a
// change in between is read twice rather than never.
func (w *Watcher) refresh(ctx context.Context, now time.Time) (err error) {
	if w.conn == nil || w.conn.IsClosed() {
		if w.conn, err = w.Connect(ctx); err != nil {
			return fmt.Errorf("connect: %w", err)
		}
	}
	stamp, err := catalog.Stamp(ctx, w.conn)
	if err != nil {
		return err
	}
	if stamp == w.stamp && now.Sub(w.read) < cmp.Or(w.Whole, time.Hour) {
		return nil
	}
	s, err := catalog.Load(ctx, w.conn)
	if err != nil {
		return err
	}
	if len(s.Unseen) > 0 {
		return &UnseenError{s.Unseen}
	}
	w.facts, w.stamp, w.read, w.name = FactsOf(s), stamp, now, s.Database.Name
	w.drift = nil
	return nil
}

func (w *Watcher) close(ctx context.Context) {
	if w.conn != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = w.conn.Close(ctx) // it is not used any more
		w.conn = nil
	}
}

// changes are the events of a look: what is new since it was told last.
func (w *Watcher) changes(look Look) []Event {
	if look.Error != "" {
		if w.blind {
			return nil
		}
		w.blind = true
		return []Event{{Kind: "blind", Text: "moat cannot see the isolation: " + look.Error, Look: look}}
	}
	var all []Event
	if w.blind {
		all = append(all, Event{Kind: "seeing", Text: "moat sees the isolation of " + look.Database + " again", Look: look})
	}
	w.blind = false
	return append(all, w.drifted(look)...)
}

// drifted tells each drift once as announced, and once as an alarm when its time is over.
func (w *Watcher) drifted(look Look) []Event {
	kind := "drift"
	if look.Announced != nil {
		kind = "announced"
	}
	news, now := []Drift{}, map[Drift]bool{}
	for _, d := range look.Drift {
		alarmed, known := w.told[d]
		if !known || !alarmed && look.Announced == nil {
			news = append(news, d)
		}
		now[d] = alarmed || look.Announced == nil
	}
	var gone []Drift
	for d := range w.told {
		if _, still := now[d]; !still {
			gone = append(gone, d)
		}
	}
	slices.SortFunc(gone, func(a, b Drift) int { return cmp.Compare(a.Fact, b.Fact) })
	w.told = now
	var all []Event
	if len(news) > 0 {
		only := look
		only.Drift = news
		all = append(all, Event{Kind: kind, Text: text(kind, look, news), Look: only})
	}
	if len(gone) > 0 {
		all = append(all, Event{Kind: "mended", Text: text("mended", look, gone), Look: look, Mended: gone})
	}
	return all
}

// text says an event in a few lines.
func text(kind string, look Look, drift []Drift) string {
	heads := map[string]string{"drift": "The isolation of %s is not as accepted:",
		"announced": "The isolation of %s changes, as announced:", "mended": "The isolation of %s is as accepted again in:"}
	const most = 20
	out := fmt.Sprintf(heads[kind], look.Database)
	for i, d := range drift {
		if i == most {
			return out + fmt.Sprintf("\nand %d more", len(drift)-most)
		}
		out += "\n" + d.String()
	}
	return out
}
