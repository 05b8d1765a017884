package report

import (
	"cmp"
	_ "embed"
	"html/template"
	"io"
	"slices"

	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/prove"
)

//go:embed prove.html.tmpl
var provePage string

// proveView is the report arranged for the page.
type proveView struct {
	*prove.Report
	Parts  []provePart
	Counts map[string]int
}

// provePart is one of the four things that OWASP's cheat sheet on multi-tenant security
// asks to be verified, with the matrices that belong to it.
type provePart struct {
	Title  string
	Says   string
	Groups []proveGroup
	None   string // what to run where there is no matrix
	// Coverage lists every relation with how often it was attacked.
	Coverage []proveCovered
}

// proveCovered is one line of the coverage.
type proveCovered struct{ Object, What, Reason string }

// proveGroup is a matrix of objects that the same attacks were made on.
type proveGroup struct {
	Title   string
	Attacks []string
	Rows    []proveRow
}

type proveRow struct {
	Object string
	Cells  []*proveCell
}

type proveCell struct {
	*prove.Probe
	Anchor int
}

// ProveHTML writes a report as one page that needs nothing else: no script, no
// font, no picture from elsewhere. It prints on paper.
func ProveHTML(w io.Writer, r *prove.Report) error {
	page, err := template.New("prove").Funcs(template.FuncMap{
		"sign": func(v prove.Verdict) string {
			return map[prove.Verdict]string{prove.VerdictIsolated: "✓", prove.VerdictLeak: "✗", prove.VerdictUndecided: "?"}[v]
		},
		"add": func(a, b int) int { return a + b },
	}).Parse(provePage)
	if err != nil {
		return err
	}
	v := proveView{Report: r, Counts: map[string]int{}}
	for _, verdict := range []prove.Verdict{prove.VerdictIsolated, prove.VerdictLeak, prove.VerdictUndecided} {
		v.Counts[string(verdict)] = r.Count(verdict)
	}
	v.Parts = proveParts(r)
	return page.Execute(w, v)
}

// proveParts arranges the probes under the four headings, by the registry's families.
func proveParts(r *prove.Report) []provePart {
	about := map[string][]prove.Family{"role": {prove.Rights, prove.Role, prove.Sealed}, "reuse": {prove.Reuse}}
	rest := slices.DeleteFunc(prove.Families(), func(f prove.Family) bool {
		return slices.Contains(about["role"], f) || slices.Contains(about["reuse"], f)
	})
	return []provePart{
		{Title: "Coverage, derived from the catalogue", Coverage: proveCoverage(r),
			Says: "Every relation that the catalogue lists, and what was done with it."},
		{Title: "The deployed role", Groups: proveGroups(r, about["role"]), None: "No probe was made of the role.",
			Says: "What " + cmp.Or(r.Context.Role, "the application's role") + " may do beside reading and writing rows."},
		{Title: "Connection reuse", Groups: proveGroups(r, about["reuse"]),
			None: "Not tried: moat prove --pool attacks the pool.",
			Says: "What one user of a connection leaves for the next."},
		{Title: "The authorization matrix", Groups: proveGroups(r, rest), None: "Nothing was attacked.",
			Says: "Each object, by each attack of tenant A on tenant B."},
	}
}

// proveCoverage lists what was attacked, then what does not count as isolated.
func proveCoverage(r *prove.Report) []proveCovered {
	var out []proveCovered
	for _, object := range r.Objects() {
		n, worst := 0, prove.VerdictIsolated
		for _, p := range r.Probes {
			if p.Object == object {
				n, worst = n+1, prove.Worst(worst, p.Verdict)
			}
		}
		out = append(out, proveCovered{object, string(worst), english.Count(n, "probe")})
	}
	for _, n := range r.Notes() {
		for _, x := range n.List {
			out = append(out, proveCovered{x.Object, n.Short, x.Reason})
		}
	}
	return out
}

// proveGroups makes a matrix for each family of attacks, so that each is full.
func proveGroups(r *prove.Report, families []prove.Family) []proveGroup {
	var out []proveGroup
	for _, f := range families {
		var order []string
		for _, a := range prove.Attacks() {
			if a.Family == f && !slices.Contains(order, a.ID) {
				order = append(order, a.ID)
			}
		}
		in := func(p prove.Probe) bool { return prove.FamilyOf(p) == f }
		if g := proveMatrix(r, string(f), in, order); len(g.Rows) > 0 {
			out = append(out, g)
		}
	}
	return out
}

func proveMatrix(r *prove.Report, title string, in func(prove.Probe) bool, order []string) proveGroup {
	g := proveGroup{Title: title}
	cells := map[string]map[string]*proveCell{}
	var objects []string
	used := map[string]bool{}
	for i := range r.Probes {
		p := &r.Probes[i]
		if !in(*p) {
			continue
		}
		if cells[p.Object] == nil {
			cells[p.Object] = map[string]*proveCell{}
			objects = append(objects, p.Object)
		}
		if c := cells[p.Object][p.Attack]; c == nil || prove.Worst(c.Verdict, p.Verdict) != c.Verdict {
			cells[p.Object][p.Attack] = &proveCell{p, i}
		}
		used[p.Attack] = true
	}
	for _, a := range order {
		if used[a] {
			g.Attacks = append(g.Attacks, a)
		}
	}
	for _, o := range objects {
		row := proveRow{Object: o}
		row.Cells = append(row.Cells, list.Map(g.Attacks, func(a string) *proveCell { return cells[o][a] })...)
		g.Rows = append(g.Rows, row)
	}
	return g
}
