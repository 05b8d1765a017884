package report

import (
	_ "embed"
	"html/template"
	"io"
	"slices"

	"github.com/moat-db/moat/prove"
)

//go:embed prove.html.tmpl
var provePage string

// proveView is the report arranged for the page.
type proveView struct {
	*prove.Report
	Groups []proveGroup
	Counts map[string]int
}

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
	v.Groups = proveGroups(r)
	return page.Execute(w, v)
}

// proveGroups sorts objects by the kind of attack made on them, so that each
// matrix is full: tables by reading, by writing, by keys and rights; then the rest.
func proveGroups(r *prove.Report) []proveGroup {
	families := []struct {
		title   string
		attacks []string
	}{
		{"Reading", []string{"read", "planted rows", "count", "join", "sub-select", "aggregate", "cursor", "copy",
			"explain analyze", "leaky operator", "leakproof function", "prepared plan", "savepoint", "row_security", "lock"}},
		{"Writing", []string{"insert", "insert for all", "update", "move", "delete", "upsert", "merge", "returning",
			"truncate", "view write"}},
		{"Without a tenant of its own", []string{"no tenant", "empty tenant", "unknown tenant"}},
		{"Keys, references, triggers", []string{"duplicate key", "foreign key", "cascade", "trigger", "rule"}},
		{"Ownership and rights", []string{"owner", "alter", "drop", "create trigger", "create reference", "maintain"}},
	}
	taken := map[string]bool{}
	var out []proveGroup
	for _, f := range families {
		for _, a := range f.attacks {
			taken[a] = true
		}
		if g := proveMatrix(r, f.title, func(p prove.Probe) bool { return slices.Contains(f.attacks, p.Attack) },
			f.attacks); len(g.Rows) > 0 {
			out = append(out, g)
		}
	}
	if g := proveMatrix(r, "Everything else", func(p prove.Probe) bool { return !taken[p.Attack] },
		r.Attacks()); len(g.Rows) > 0 {
		out = append(out, g)
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
		for _, a := range g.Attacks {
			row.Cells = append(row.Cells, cells[o][a])
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}
