package protect

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moat-db/moat/internal/english"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
)

// ApplyOptions say how a plan runs. The zero value stops before group enforce.
type ApplyOptions struct {
	// Until is the last group to run; zero means [DefaultUntil].
	Until Group
	// LockTimeout is how long a statement waits for a lock before it steps back and
	// tries again: as long as others may have to wait behind it. Zero means 400 ms.
	LockTimeout time.Duration
	// Patience is how long one step keeps trying. Zero means 10 minutes.
	Patience time.Duration
	// BatchSize is the number of rows of one batch of a backfill. Zero means that it
	// follows the clock: as many as fit into about a tenth of a second.
	BatchSize int
	// Throttle is the number of rows a second that a backfill may not exceed. Zero
	// means none, but a pause of half its time after each batch.
	Throttle int
	// Wait is how long to wait for another apply, which may be the last statement of
	// a process that was killed. Zero means not at all.
	Wait time.Duration
	// Table limits an undo to what [LookPartition] planned for one table. Zero means that
	// everything is undone.
	Table catalog.QName
	// Progress is called before, during and after each step; nil means not at all.
	Progress func(Progress)
}

func (o ApplyOptions) withDefaults() ApplyOptions {
	if o.Until == "" {
		o.Until = DefaultUntil
	}
	if o.LockTimeout == 0 {
		o.LockTimeout = 400 * time.Millisecond
	}
	if o.Patience == 0 {
		o.Patience = 10 * time.Minute
	}
	return o
}

// State says what a [Progress] reports.
type State string

// The states of a step.
const (
	Started State = "started"
	Waiting State = "waiting" // for a lock that others hold
	Moving  State = "moving"  // a backfill, Rows of Of filled
	Done    State = "done"
	Stopped State = "stopped" // its check found rows
)

// Progress is one report of a run.
type Progress struct {
	State State
	Step  Step
	// Number counts steps from 1 to Total.
	Number, Total int
	// Rows of about Of are filled, at Rate a second; Left is the time left.
	Rows, Of int64
	Rate     float64
	Left     time.Duration
	Attempt  int
	// Held is how long a [KindSwap] that is done kept readers and writers out.
	Held time.Duration
	// Holders are those who hold the lock that the step waits for, where they are known.
	Holders []Holder
}

// Result is what a run did.
type Result struct {
	Applied []string `json:"applied"` // step IDs
	Stopped []Found  `json:"stopped"` // checks that found rows
	Skipped []string `json:"skipped"` // steps behind those
	Later   int      `json:"later"`   // steps of groups after Until
}

// ApplyError says how far a run came. What was applied stays; the next run goes on
// from there.
type ApplyError struct {
	Applied int
	Failed  string // the step
	Err     error
}

func (e *ApplyError) Error() string {
	return fmt.Sprintf("step %s failed after %s: %v", e.Failed, english.Count(e.Applied, "finished step"), e.Err)
}

func (e *ApplyError) Unwrap() error { return e.Err }

// StaleError is returned by [Apply] for a plan made from another state of the
// database. Plan again.
type StaleError struct{}

func (*StaleError) Error() string { return "the database has changed since the plan was made" }

// SubjectError is returned when a step that reads or writes rows of all tenants is
// run by a role to which row-level security of Table applies: it would miss rows
// without an error.
type SubjectError struct {
	Role  string
	Table catalog.QName
}

func (e *SubjectError) Error() string {
	return fmt.Sprintf("row-level security of %[2]s applies to role %[1]s: this step needs a superuser or a role with "+
		"BYPASSRLS", e.Role, e.Table)
}

// Apply runs the plan, one step at a time, to the end of group opts.Until.
//
// Each step that needs more than a weak lock gives up early and tries again. The
// journal in schema moat holds what was done and how to undo it; a process that was
// killed at any moment leaves nothing behind that planning and applying again does not
// finish. A
// step whose check finds rows is left out, and those that need it; all others run, but
// none from group enforce on.
//
// Errors: [*OpenError], before anything has run, [*RunningError], [*StaleError], and
// [*ApplyError] for the step that failed.
func Apply(ctx context.Context, open Opener, plan *Plan, opts ApplyOptions) (*Result, error) {
	if err := plan.settled(opts.withDefaults().Until); err != nil {
		return nil, err
	}
	s, err := openSession(ctx, open, opts)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.fresh(ctx, plan); err != nil {
		return nil, err
	}
	r := &runner{session: s, plan: plan, result: &Result{Applied: []string{}, Stopped: []Found{}, Skipped: []string{}},
		stopped: map[string]bool{}}
	if plan.Empty() {
		return r.result, nil
	}
	if err := openJournal(ctx, s.conn, plan); err != nil {
		return nil, err
	}
	return r.run(ctx)
}

// fresh refuses a plan of another state. Only under the lock does the answer last.
func (s *session) fresh(ctx context.Context, plan *Plan) error {
	now, err := catalog.Load(ctx, s.conn)
	if err != nil {
		return fmt.Errorf("read the catalog again: %w", err)
	}
	if fingerprint(now) != plan.Fingerprint {
		return &StaleError{}
	}
	// Loading may have set the session's search_path.
	return s.prepare(ctx)
}

// runner applies one plan.
type runner struct {
	*session
	plan    *Plan
	result  *Result
	stopped map[string]bool // steps that did not run, by ID
	number  int
	total   int
	locked  time.Time // when a swap got its locks
}

func (r *runner) run(ctx context.Context) (*Result, error) {
	var steps []Step
	for _, s := range r.plan.Steps {
		if r.opts.Until.Includes(s.Group) {
			steps = append(steps, s)
		} else {
			r.result.Later++
		}
	}
	r.total = len(steps)
	for i, s := range steps {
		r.number = i + 1
		if len(r.result.Stopped) > 0 && s.Group.Includes(GroupEnforce) {
			r.result.Later++ // rows came up meanwhile that nobody has been asked about
			continue
		}
		if s.needsAny(r.stopped) {
			r.stopped[s.ID] = true
			r.result.Skipped = append(r.result.Skipped, s.ID)
			continue
		}
		if err := r.step(ctx, s); err != nil {
			return r.result, &ApplyError{Applied: len(r.result.Applied), Failed: s.ID, Err: err}
		}
	}
	return r.result, nil
}

func (r *runner) reportState(state State, s Step) {
	r.report(Progress{State: state, Step: s})
}

func (r *runner) report(p Progress) {
	if r.opts.Progress == nil {
		return
	}
	p.Number, p.Total = r.number, r.total
	r.opts.Progress(p)
}

func (r *runner) step(ctx context.Context, s Step) error {
	r.reportState(Started, s)
	if s.Data {
		if err := r.mayReadAll(ctx, s); err != nil {
			return err
		}
	}
	if s.Check != nil {
		found, err := count(ctx, r.conn, *s.Check, false)
		if err != nil {
			return err
		}
		if found.Count > 0 {
			r.stop(s, found)
			return nil
		}
	}
	if err := r.kind(ctx, s); err != nil {
		return err
	}
	if !r.stopped[s.ID] {
		r.result.Applied = append(r.result.Applied, s.ID)
		p := Progress{State: Done, Step: s}
		if s.Kind == KindSwap {
			p.Held = time.Since(r.locked)
		}
		r.report(p)
	}
	return nil
}

func (r *runner) stop(s Step, f Found) {
	r.stopped[s.ID] = true
	r.result.Stopped = append(r.result.Stopped, f)
	r.reportState(Stopped, s)
}

func (r *runner) kind(ctx context.Context, s Step) error {
	switch s.Kind {
	case KindSchema:
		return nil // the journal made it
	case KindBackfill:
		return r.backfill(ctx, s)
	case KindConcurrent:
		return r.concurrent(ctx, s)
	case KindValidate:
		return r.validate(ctx, s)
	}
	return r.statements(ctx, s)
}

func (r *runner) statements(ctx context.Context, s Step) error {
	r.locked = time.Time{}
	return r.inTx(ctx, r.waiting(s), func(tx pgx.Tx) error {
		undo := append([]string{}, s.Undo...)
		for _, q := range s.Remember {
			more, err := remember(ctx, tx, q)
			if err != nil {
				return fmt.Errorf("save what the step removes: %w", err)
			}
			undo = append(undo, more...)
		}
		statements := s.SQL
		if s.Kind == KindSwap {
			if err := execute(ctx, tx.Conn(), s.SQL[:1]); err != nil {
				return err
			}
			r.locked, statements = time.Now(), []string{strings.Join(s.SQL[1:], ";\n")}
		}
		if err := execute(ctx, tx.Conn(), statements); err != nil {
			return err
		}
		return record(ctx, tx, s, undo, "done")
	})
}

func (r *runner) waiting(s Step) func(int) {
	return func(attempt int) { r.report(Progress{State: Waiting, Step: s, Attempt: attempt, Holders: r.holders}) }
}

func remember(ctx context.Context, db querier, query string) ([]string, error) {
	rows, _ := db.Query(ctx, query)
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// validate runs VALIDATE CONSTRAINT. Rows that came after the check and violate the
// constraint stop it like those before.
func (r *runner) validate(ctx context.Context, s Step) error {
	err := r.inTx(ctx, r.waiting(s), func(tx pgx.Tx) error {
		if err := execute(ctx, tx.Conn(), s.SQL); err != nil {
			return err
		}
		return record(ctx, tx, s, s.Undo, "done")
	})
	if !hasCode(err, "23503", "23514") {
		return err
	}
	for _, other := range r.plan.Steps {
		if slices.Contains(s.Needs, other.ID) && other.Check != nil {
			found, errCount := count(ctx, r.conn, *other.Check, false)
			if errCount != nil {
				return errCount
			}
			r.stop(s, found)
			return nil
		}
	}
	return err
}

// mayReadAll refuses a role to which row-level security of the step's tables
// applies.
func (r *runner) mayReadAll(ctx context.Context, s Step) error {
	tables := []catalog.QName{s.Table}
	for _, k := range r.plan.Model.Tables {
		// The parents that a key or a backfill reads are tenant tables as well.
		if k.Class == catalog.TenantTable || k.Class == catalog.TenantsTable {
			tables = append(tables, k.Table)
		}
	}
	for _, q := range tables {
		var subject bool
		err := r.conn.QueryRow(ctx,
			"SELECT coalesce(pg_catalog.row_security_active(pg_catalog.to_regclass($1)::oid), false)",
			q.SQL()).Scan(&subject)
		if err != nil {
			return fmt.Errorf("ask whether row-level security applies: %w", err)
		}
		if subject {
			return &SubjectError{Role: r.plan.User, Table: q}
		}
	}
	return nil
}
