package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
	"github.com/moat-db/moat/portal/internal/text"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
)

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
	History     []run
}

// Took is how long the run took, in seconds.
func (v *proveView) Took() float64 { return float64(v.Report.Context.DurationMS) / 1000 }

type proveRow struct {
	Object string
	Cells  []proveCell
	// Schema is set where the row stands for all objects of a schema that held.
	Schema string
}

func (r *proveRow) held() bool {
	return !slices.ContainsFunc(r.Cells, func(c proveCell) bool {
		return c.Verdict != "" && c.Verdict != prove.VerdictIsolated
	})
}

// crowd is how many objects a page lists one by one.
const crowd = 40

// gather makes one row of the objects of each schema that held, where there are too many to
// look at, but for those of the schema that was asked for. What did not hold stands alone.
func (v *proveView) gather(open string) {
	if len(v.Rows) <= crowd {
		return
	}
	all := map[string]*proveRow{}
	count := map[string]int{}
	var rows []proveRow
	var order []string
	for i := range v.Rows {
		r := &v.Rows[i]
		schema, _, qualified := strings.Cut(r.Object, ".")
		if !qualified || !r.held() || schema == open {
			rows = append(rows, *r)
			continue
		}
		if all[schema] == nil {
			all[schema] = &proveRow{Schema: schema, Cells: make([]proveCell, len(r.Cells))}
			order = append(order, schema)
		}
		count[schema]++
		for j, c := range r.Cells {
			if c.Verdict != "" {
				all[schema].Cells[j] = proveCell{c.Verdict, v.Attacks[j] + ": held for all that it applies to"}
			}
		}
	}
	for _, schema := range order {
		all[schema].Object = fmt.Sprintf("%s: %s held", schema, text.Counted(count[schema], "object"))
		rows = append(rows, *all[schema])
	}
	v.Rows = rows
}

type proveCell struct {
	Verdict prove.Verdict // "" when it was not tried
	Title   string
}

func (p *Pages) proveView(ctx context.Context, tx pgx.Tx) (*proveView, error) {
	v := &proveView{CanRun: p.Application != nil}
	v.Running, v.Seconds, v.Failed = p.prover.state(p.Now())
	var last proof
	at, err := ledger.State(ctx, tx, "prove", &last)
	if err != nil || last.Report == nil {
		return v, err
	}
	v.At, v.Report, v.Fingerprint = at, last.Report, last.Fingerprint
	v.matrix()
	v.History, err = history(ctx, tx)
	return v, err
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

// proveOptions are what the prover works with: the model is the one that everything here is
// judged by, and the role that attacks is the one that Application connects as.
func (p *Pages) proveOptions() database.Options {
	o := p.Prove
	o.Model = p.Model
	o.Model.Roles = nil
	return o
}

// startProve begins a run, unless one is going on.
func (p *Pages) startProve(_ http.ResponseWriter, r *http.Request, s *frame.Session) error {
	if p.Application == nil {
		return &frame.Refusal{Status: http.StatusConflict, Title: "The proof cannot be run from here",
			Hint: "The console has no application connection for it. Run moat prove on the command line."}
	}
	if err := p.Ledger.Record(r.Context(), ledger.Entry{By: s, Action: "ran the proof"}); err != nil {
		return err
	}
	p.prover.start(r.Context(), p.Now(), func(ctx context.Context) string { return p.prove(ctx, s.Subject) })
	return frame.Elsewhere(base + "/isolation#prove")
}

// prove runs once, keeps what came of it, and says why nothing did.
func (p *Pages) prove(ctx context.Context, by string) (failed string) {
	err := p.proveOnce(ctx, by)
	if err == nil {
		return ""
	}
	p.Logger.Error("portal: prove", "error", serving.Cause(err))
	if production, ok := errors.AsType[*database.ProductionError](err); ok {
		return "The proof was not run: " + production.Error() + ". To run it all the same, use moat prove --yes-production."
	}
	return "The proof ended without a result. The server's log says why."
}

func (p *Pages) proveOnce(ctx context.Context, by string) (err error) {
	defer func() {
		if caught := recover(); caught != nil {
			err = fmt.Errorf("panic in prove: %v", caught)
		}
	}()
	l, err := p.look(ctx, true)
	if err != nil {
		return err
	}
	report, err := database.Attack(ctx, p.Ledger.AdminConfig(), p.Application.Copy(), p.proveOptions())
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, p.Ledger.Pool, func(tx pgx.Tx) error {
		return keepRun(ctx, tx, proof{l.fingerprint, report}, by, p.Now())
	})
}

// proveProgress answers the page that waits for a run: with the time gone by, or by
// asking for the whole page anew when it is over.
func (p *Pages) proveProgress(w http.ResponseWriter, _ *http.Request, _ *frame.Session) error {
	running, seconds, _ := p.prover.state(p.Now())
	if !running {
		w.Header().Set("HX-Refresh", "true")
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return p.Fragment(w, http.StatusOK, "progress", seconds)
}
