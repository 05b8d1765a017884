package console

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
	"github.com/moat-db/moat/portal/internal/text"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/tenancy"
)

// look is what the console knows of the isolation at one moment.
type look struct {
	at          time.Time
	view        *policy.View
	report      audit.Report
	fingerprint string
}

// looks keeps the last look for a while: it reads the whole catalog.
type looks struct {
	mu   sync.Mutex
	last *look
}

const lookFor = 30 * time.Second

// look reads the catalog as the admin, and judges it.
func (p *Pages) look(ctx context.Context, again bool) (*look, error) {
	p.looks.mu.Lock()
	defer p.looks.mu.Unlock()
	now := p.Now()
	if l := p.looks.last; l != nil && !again && now.Sub(l.at) < lookFor {
		return l, nil
	}
	conn, err := p.Ledger.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	view, err := tenancy.Read(ctx, conn, p.Model)
	if err != nil {
		return nil, err
	}
	p.looks.last = &look{now, view, audit.Run(view, p.Audit), catalog.Fingerprint(view.Snapshot)}
	return p.looks.last, nil
}

type severityCount struct {
	Name  string
	Count int
}

// policyRow is one protected table with its policies.
type policyRow struct {
	Table    string
	Class    string
	RLS      bool
	Forced   bool
	Policies []policyText
}

type policyText struct{ Name, Kind, Command, Roles, Using, Check string }

type isolationPage struct {
	At          time.Time
	Holds       bool
	Headline    string
	Detail      string
	Findings    []audit.Finding
	Minor       []audit.Finding
	Harmless    int             // of the minor findings, those that are no leaks
	Counts      []severityCount // of leaks
	Accepted    int
	Unseen      []string
	Tables      []policyRow
	Prove       *proveView
	Drift       *driftView
	Stale       bool // the proof is of another schema than the present one
	Fingerprint string
}

func (p *Pages) isolationPage(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	ctx, data := r.Context(), &isolationPage{}
	err := p.Ledger.Use(ctx, ledger.Entry{By: s, Action: ledger.LookedAtIsolation}, func(tx pgx.Tx) error {
		l, err := p.look(ctx, false)
		if err != nil {
			return err
		}
		if data.Prove, err = p.proveView(ctx, tx); err != nil {
			return err
		}
		data.Prove.gather(r.URL.Query().Get("schema"))
		data.judge(l)
		data.Drift, err = p.drift(ctx, tx, l)
		return err
	})
	if err != nil {
		return err
	}
	return p.show(w, r, s, "isolation", "Isolation", "Isolation", data)
}

// judge sorts what the audit found, and says it in a sentence.
func (d *isolationPage) judge(l *look) {
	d.At, d.Fingerprint, d.Unseen, d.Accepted = l.at, l.fingerprint, l.report.Unseen, len(l.report.Accepted)
	counts := map[audit.Severity]int{} // of leaks: they are to agree with what is said beside them
	for _, f := range l.report.Findings {
		if f.Kind == audit.Leak {
			counts[f.Severity]++
		}
		if f.Kind == audit.Leak && f.Severity.AtLeast(audit.Medium) {
			d.Findings = append(d.Findings, f)
			continue
		}
		d.Minor = append(d.Minor, f)
		if f.Kind != audit.Leak {
			d.Harmless++
		}
	}
	for _, s := range []audit.Severity{audit.Critical, audit.High, audit.Medium, audit.Low, audit.Info} {
		d.Counts = append(d.Counts, severityCount{string(s), counts[s]})
	}
	d.tables(l.view)
	d.Stale = d.Prove.Report != nil && d.Prove.Fingerprint != l.fingerprint
	d.conclude()
}

// conclude says the worst that is known, and that the moat holds only when nothing is.
func (d *isolationPage) conclude() {
	verdict := prove.Verdict("") // not run yet
	if d.Prove.Report != nil {
		verdict = d.Prove.Report.Verdict
	}
	switch {
	case verdict == prove.VerdictLeak:
		d.Headline, d.Detail = "The moat leaks", "The last run of the proof found a leak. See the table below."
	case len(d.Findings) > 0:
		d.Headline = text.Counted(len(d.Findings), "finding") + " to fix"
		d.Detail = "Each one says what can happen, and gives the SQL that fixes it."
	case verdict == prove.VerdictUndecided:
		d.Headline = "No leak found, but the proof is incomplete"
		d.Detail = text.Counted(len(d.Prove.Unclear), "probe") + " of the last run stayed undecided. See below why."
	case len(d.Unseen) > 0:
		d.Headline, d.Detail = "Some of the database could not be read", "What could be read is in order."
	case verdict == "":
		d.Headline, d.Detail = "No finding to fix, but no proof yet", "Run the proof to see whether any probe gets across."
	case d.Stale:
		d.Headline = "No finding to fix, but the proof is out of date"
		d.Detail = "The schema has changed since the last run. Run the proof again."
	default:
		d.Holds, d.Headline = true, "The moat holds"
		d.Detail = "The audit found nothing to fix, and none of " + text.Counted(len(d.Prove.Report.Probes), "probe") +
			" got across."
	}
}

func (d *isolationPage) tables(v *policy.View) {
	for _, m := range v.Model.Tables {
		r := v.Relation(m.Table)
		if m.Class == catalog.IgnoredTable || r == nil || r.Partition {
			continue
		}
		row := policyRow{Table: m.Table.String(), Class: string(m.Class), RLS: r.RLS, Forced: r.ForceRLS}
		row.Policies = append(row.Policies, list.Map(r.Policies, describe)...)
		d.Tables = append(d.Tables, row)
	}
	slices.SortFunc(d.Tables, func(a, b policyRow) int { return cmp.Compare(a.Table, b.Table) })
}

func describe(p catalog.Policy) policyText {
	t := policyText{Name: p.Name, Kind: "restrictive", Command: p.Command}
	if p.Permissive {
		t.Kind = "permissive"
	}
	t.Roles = list.Join(p.Roles, ", ", func(r string) string { return cmp.Or(r, "PUBLIC") })
	if p.Using != nil {
		t.Using = p.Using.Text
	}
	if p.Check != nil {
		t.Check = p.Check.Text
	}
	return t
}

// lookAgain reads the catalog anew.
func (p *Pages) lookAgain(_ http.ResponseWriter, r *http.Request, s *frame.Session) error {
	if err := p.Ledger.Record(r.Context(), ledger.Entry{By: s, Action: ledger.LookedAtIsolation}); err != nil {
		return err
	}
	if _, err := p.look(r.Context(), true); err != nil {
		return err
	}
	return frame.Elsewhere(base + "/isolation")
}
