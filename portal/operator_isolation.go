package portal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/tenancy"
)

// look is what the console knows of the isolation at one moment.
type look struct {
	at          time.Time
	snapshot    *catalog.Snapshot
	model       *catalog.Model
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
func (c *console) look(ctx context.Context, again bool) (*look, error) {
	c.looks.mu.Lock()
	defer c.looks.mu.Unlock()
	now := c.p.config.Now()
	if l := c.looks.last; l != nil && !again && now.Sub(l.at) < lookFor {
		return l, nil
	}
	conn, err := c.adminConn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	l := &look{at: now}
	view, err := tenancy.Read(ctx, conn, c.config.Model)
	if err != nil {
		return nil, err
	}
	l.snapshot, l.model = view.Snapshot, view.Model
	l.report = audit.Run(view, c.config.Audit)
	l.fingerprint = catalog.Fingerprint(l.snapshot)
	c.looks.last = l
	return l, nil
}

// goodState is the schema as it was when it was found to be right.
type goodState struct {
	Fingerprint string            `json:"fingerprint"`
	By          string            `json:"by"`
	Parts       map[string]string `json:"parts"`
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
	Counts      []severityCount
	Accepted    int
	Unseen      []string
	Tables      []policyRow
	Prove       *proveView
	Drift       []change
	DriftMore   int
	Good        *goodState
	GoodAt      time.Time
	Same        bool
	Stale       bool // the proof is of another schema than the present one
	Fingerprint string
	CanProve    bool
}

func (c *console) isolationPage(w http.ResponseWriter, r *http.Request, s *session) error {
	data := &isolationPage{CanProve: c.config.Application != nil}
	err := c.use(r.Context(), entryOf{by: s, action: "looked at the isolation"}, func(tx pgx.Tx) error {
		l, err := c.look(r.Context(), false)
		if err != nil {
			return err
		}
		if data.Prove, err = c.proveView(r.Context(), tx); err != nil {
			return err
		}
		data.judge(l)
		return data.drift(r.Context(), tx, l)
	})
	if err != nil {
		return err
	}
	out := c.page(r, s, "Isolation", "Isolation")
	out.Data = data
	return c.p.render(w, http.StatusOK, "operator-isolation", out)
}

// judge sorts what the audit found, and says it in a sentence.
func (d *isolationPage) judge(l *look) {
	d.At, d.Fingerprint, d.Unseen, d.Accepted = l.at, l.fingerprint, l.report.Unseen, len(l.report.Accepted)
	counts := map[audit.Severity]int{}
	for _, f := range l.report.Findings {
		counts[f.Severity]++
		if f.Kind == audit.Leak && f.Severity.AtLeast(audit.Medium) {
			d.Findings = append(d.Findings, f)
			continue
		}
		d.Minor = append(d.Minor, f)
	}
	for _, s := range []audit.Severity{audit.Critical, audit.High, audit.Medium, audit.Low, audit.Info} {
		d.Counts = append(d.Counts, severityCount{string(s), counts[s]})
	}
	d.tables(l)
	proved := d.Prove.Report != nil && d.Prove.Report.Verdict == prove.VerdictIsolated
	d.Stale = d.Prove.Report != nil && d.Prove.Fingerprint != l.fingerprint
	leaked := d.Prove.Report != nil && d.Prove.Report.Verdict == prove.VerdictLeak
	switch {
	case leaked:
		d.Headline, d.Detail = "The moat leaks", "The last run of prove got across. See the matrix below."
	case len(d.Findings) > 0:
		d.Headline, d.Detail = plural(len(d.Findings), "hole")+" to close", "Each one below says what an attacker gets, and the SQL that closes it."
	case d.Prove.Report != nil && !proved:
		d.Headline, d.Detail = "No hole found, and the proof is open", plural(len(d.Prove.Unclear), "probe")+" of the last run could not be decided. See below why."
	case len(d.Unseen) > 0:
		d.Headline, d.Detail = "Not everything could be seen", "What was seen is in order, and that is not the whole."
	case !proved:
		d.Headline, d.Detail = "No hole found, not yet proved", "The audit found nothing to close. Run the proof to see it attacked."
	case d.Stale:
		d.Headline, d.Detail = "No hole found, and the proof is out of date", "The schema has changed since the last run. Run the proof again."
	default:
		d.Holds, d.Headline = true, "The moat holds"
		d.Detail = "The audit found nothing to close, and " + plural(len(d.Prove.Report.Probes), "attack") + " got nothing across."
	}
}

func (d *isolationPage) tables(l *look) {
	for _, m := range l.model.Tables {
		if m.Class == catalog.IgnoredTable {
			continue
		}
		i := slices.IndexFunc(l.snapshot.Relations, func(r catalog.Relation) bool { return r.QName() == m.Table })
		if i < 0 || l.snapshot.Relations[i].Partition {
			continue
		}
		rel := &l.snapshot.Relations[i]
		row := policyRow{Table: m.Table.String(), Class: string(m.Class), RLS: rel.RLS, Forced: rel.ForceRLS}
		for _, p := range rel.Policies {
			row.Policies = append(row.Policies, describe(p))
		}
		d.Tables = append(d.Tables, row)
	}
	slices.SortFunc(d.Tables, func(a, b policyRow) int { return cmp.Compare(a.Table, b.Table) })
}

func describe(p catalog.Policy) policyText {
	t := policyText{Name: p.Name, Kind: "restrictive", Command: p.Command}
	if p.Permissive {
		t.Kind = "permissive"
	}
	var roles []string
	for _, r := range p.Roles {
		roles = append(roles, cmp.Or(r, "PUBLIC"))
	}
	t.Roles = strings.Join(roles, ", ")
	if p.Using != nil {
		t.Using = p.Using.Text
	}
	if p.Check != nil {
		t.Check = p.Check.Text
	}
	return t
}

// drift compares with the last good state.
func (d *isolationPage) drift(ctx context.Context, tx pgx.Tx, l *look) error {
	var good goodState
	ok, err := readState(ctx, tx, "good", &d.GoodAt, &good)
	if err != nil || !ok {
		return err
	}
	d.Good, d.Same = &good, good.Fingerprint == l.fingerprint
	const most = 60
	if d.Drift = compare(good.Parts, flatten(l.snapshot)); len(d.Drift) > most {
		d.Drift, d.DriftMore = d.Drift[:most], len(d.Drift)-most
	}
	return nil
}

// lookAgain reads the catalog anew.
func (c *console) lookAgain(w http.ResponseWriter, r *http.Request, s *session) error {
	if err := c.record(r.Context(), entryOf{by: s, action: "looked at the isolation"}); err != nil {
		return err
	}
	if _, err := c.look(r.Context(), true); err != nil {
		return err
	}
	redirect(w, r, base+"/operator/isolation")
	return nil
}

// keepGood keeps the present state as the one that later ones are compared with.
func (c *console) keepGood(w http.ResponseWriter, r *http.Request, s *session) error {
	reason, err := reasonOf(r)
	if err != nil {
		return err
	}
	l, err := c.look(r.Context(), true)
	if err != nil {
		return err
	}
	err = c.use(r.Context(), entryOf{by: s, action: "kept the schema as good", reason: reason, details: l.fingerprint}, func(tx pgx.Tx) error {
		return writeState(r.Context(), tx, "good", goodState{l.fingerprint, s.subject, flatten(l.snapshot)})
	})
	if err != nil {
		return err
	}
	redirect(w, r, base+"/operator/isolation#drift")
	return nil
}

// readState reads one of the things the console keeps; false when it was never kept.
func readState(ctx context.Context, tx pgx.Tx, name string, at *time.Time, into any) (bool, error) {
	var text []byte
	err := tx.QueryRow(ctx, "select at, value from moat.console_state where name = $1", name).Scan(at, &text)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, json.Unmarshal(text, into)
}

func writeState(ctx context.Context, tx pgx.Tx, name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "insert into moat.console_state (name, at, value) values ($1, clock_timestamp(), $2) on conflict (name) do update set at = excluded.at, value = excluded.value", name, string(text))
	return err
}
