package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
)

// prover runs prove in the background, one run at a time.
type prover struct {
	mu      sync.Mutex
	running bool
	started time.Time
	failed  string // why the last run gave no report
	end     func() // cuts the run short
	closed  bool
	runs    sync.WaitGroup
}

// close cuts a run short and waits until it has ended; no other one begins.
func (p *prover) close() {
	p.mu.Lock()
	p.closed = true
	if p.end != nil {
		p.end()
	}
	p.mu.Unlock()
	p.runs.Wait()
}

// proveTime bounds a run.
const proveTime = 10 * time.Minute

// proof is a run with the schema that it was made on.
type proof struct {
	Fingerprint string        `json:"fingerprint"`
	Report      *prove.Report `json:"report"`
}

// proveView is the last run, as a matrix of objects and attacks.
type proveView struct {
	Running  bool
	Seconds  int
	Failed   string
	Report   *prove.Report
	At       time.Time
	Attacks  []string
	Rows     []proveRow
	Leaks    []prove.Probe
	Unclear  []prove.Probe
	Isolated int
	CanRun   bool
	// Fingerprint is that of the schema the run was made on.
	Fingerprint string
}

type proveRow struct {
	Object string
	Cells  []proveCell
}

type proveCell struct {
	Verdict prove.Verdict // "" when it was not tried
	Title   string
}

func (c *console) proveView(ctx context.Context, tx pgx.Tx) (*proveView, error) {
	v := &proveView{CanRun: c.config.Application != nil}
	c.prover.mu.Lock()
	v.Running, v.Failed = c.prover.running, c.prover.failed
	v.Seconds = int(c.p.config.Now().Sub(c.prover.started).Seconds())
	c.prover.mu.Unlock()
	var last proof
	ok, err := readState(ctx, tx, "prove", &v.At, &last)
	if err != nil || !ok || last.Report == nil {
		return v, err
	}
	v.Report, v.Fingerprint = last.Report, last.Fingerprint
	v.matrix()
	return v, nil
}

// matrix lays the probes out: a row for each object, a column for each attack, and the
// worst verdict where there are several.
func (v *proveView) matrix() {
	v.Attacks = v.Report.Attacks()
	v.Isolated = v.Report.Count(prove.VerdictIsolated)
	column := map[string]int{}
	for i, a := range v.Attacks {
		column[a] = i
	}
	rows := map[string]int{}
	for _, p := range v.Report.Probes {
		i, ok := rows[p.Object]
		if !ok {
			i = len(v.Rows)
			rows[p.Object] = i
			v.Rows = append(v.Rows, proveRow{Object: p.Object, Cells: make([]proveCell, len(v.Attacks))})
		}
		cell := &v.Rows[i].Cells[column[p.Attack]]
		if cell.Verdict == "" || prove.Worst(cell.Verdict, p.Verdict) != cell.Verdict {
			cell.Verdict, cell.Title = p.Verdict, fmt.Sprintf("%s on %s: %s. %s", p.Attack, p.Object, p.Verdict, p.Reason)
		}
		switch p.Verdict {
		case prove.VerdictLeak:
			v.Leaks = append(v.Leaks, p)
		case prove.VerdictUndecided:
			v.Unclear = append(v.Unclear, p)
		}
	}
}

// startProve begins a run, unless one is going on.
func (c *console) startProve(w http.ResponseWriter, r *http.Request, s *session) error {
	if c.config.Application == nil {
		return &refusal{http.StatusConflict, "Prove cannot be run from here", "The console has no application connection to attack from. Run moat prove on the command line."}
	}
	if err := c.record(r.Context(), entryOf{by: s, action: "ran the proof"}); err != nil {
		return err
	}
	c.prover.mu.Lock()
	defer c.prover.mu.Unlock()
	if !c.prover.running && !c.prover.closed {
		c.prover.running, c.prover.started, c.prover.failed = true, c.p.config.Now(), ""
		// It outlives the request: it runs to its end whoever is still looking.
		ctx, end := context.WithTimeout(context.WithoutCancel(r.Context()), proveTime)
		c.prover.end = end
		c.prover.runs.Go(func() { defer end(); c.prove(ctx) })
	}
	redirect(w, r, base+"/operator/isolation#prove")
	return nil
}

// prove runs once and keeps what came of it.
func (c *console) prove(ctx context.Context) {
	failed := ""
	if err := c.proveOnce(ctx); err != nil {
		c.p.config.Logger.Error("portal: prove", "error", err.Error())
		failed = "The run ended without a result. The server's log says why."
		var production *database.ProductionError
		if errors.As(err, &production) {
			failed = production.Error() + ". Run moat prove on the command line, and tell it that this is meant."
		}
	}
	c.prover.mu.Lock()
	defer c.prover.mu.Unlock()
	c.prover.running, c.prover.failed = false, failed
}

func (c *console) proveOnce(ctx context.Context) (err error) {
	defer func() {
		if caught := recover(); caught != nil {
			err = fmt.Errorf("panic in prove: %v", caught)
		}
	}()
	operator := c.config.Admin
	if operator == nil {
		operator = c.pool.Config().ConnConfig
	}
	l, err := c.look(ctx, true)
	if err != nil {
		return err
	}
	report, err := database.Attack(ctx, operator.Copy(), c.config.Application.Copy(), c.config.Prove)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error { return writeState(ctx, tx, "prove", proof{l.fingerprint, report}) })
}

// proveProgress answers the page that waits for a run: with the time gone by, or by
// asking for the whole page anew when it is over.
func (c *console) proveProgress(w http.ResponseWriter, r *http.Request, _ *session) error {
	c.prover.mu.Lock()
	running, seconds := c.prover.running, int(c.p.config.Now().Sub(c.prover.started).Seconds())
	c.prover.mu.Unlock()
	if !running {
		w.Header().Set("HX-Refresh", "true")
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return c.p.fragment(w, http.StatusOK, "progress", seconds)
}
