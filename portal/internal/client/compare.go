package client

import (
	"encoding/csv"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/portal/internal/frame"
)

// maxCompared is how many clients stand side by side.
const maxCompared = 6

// comparePage is clients side by side, a figure a row.
type comparePage struct {
	*agency
	Clients []clientLine
	Rows    []compareRow
	Problem string
}

type compareRow struct {
	Title string
	Cells []figureCell
}

// compare serves clients side by side.
func (p *Pages) compare(w http.ResponseWriter, r *http.Request, v *Visit) error {
	g, err := p.agency(r, v, "/clients/compare", "")
	if err != nil {
		return err
	}
	chosen := r.URL.Query()["c"]
	page := &comparePage{agency: g, Problem: g.Problem}
	if len(chosen) < 2 || len(chosen) > maxCompared {
		page.Problem = "Choose two to six clients."
		chosen = nil
	}
	if err := p.read(g.all, func(tx pgx.Tx) error { return page.load(tx, p, v, chosen) }); err != nil {
		return err
	}
	out := p.Page(r, v, "Compare", "clients")
	out.Data = page
	return p.Render(w, http.StatusOK, "compare", out)
}

func (g *comparePage) load(tx pgx.Tx, p *Pages, v *Visit, chosen []string) error {
	if chosen == nil {
		return nil
	}
	if err := g.count(tx); err != nil {
		return err
	}
	lines, err := g.lines(tx, v.Tenant, p.opens(v))
	if err != nil {
		return err
	}
	for _, c := range lines {
		if slices.Contains(chosen, c.ID) && !c.Suspended {
			g.Clients = append(g.Clients, c)
		}
	}
	slices.Sort(chosen)
	if len(g.Clients) != len(slices.Compact(chosen)) {
		return frame.ErrNotFound
	}
	for i, f := range g.Figures {
		g.Rows = append(g.Rows, compareRow{f.Title, sideBySide(g.Clients, i)})
	}
	return nil
}

// sideBySide are the cells of one figure, each with its share of the largest.
func sideBySide(lines []clientLine, place int) []figureCell {
	most := 0.0
	for _, c := range lines {
		most = max(most, c.numbers[place])
	}
	out := make([]figureCell, len(lines))
	for i, c := range lines {
		if out[i] = c.Cells[place]; most > 0 {
			out[i].Share = 100 * max(0, c.numbers[place]) / most
		}
	}
	return out
}

// exportClients gives the overview as CSV: each figure, what it was before, and the last
// activity.
func (p *Pages) exportClients(w http.ResponseWriter, r *http.Request, v *Visit) error {
	page, err := p.overview(r, v)
	if err != nil {
		return err
	}
	head := []string{"client", "id"}
	for _, f := range page.Figures {
		head = append(head, harmless(f.Title))
		if f.date != nil {
			head = append(head, harmless(f.Title+" before"))
		}
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="clients-`+page.First()+`-`+page.Last()+`.csv"`)
	out := csv.NewWriter(w)
	_ = out.Write(append(head, "last_activity")) // a client that has gone cannot be told
	for _, c := range page.Clients {
		_ = out.Write(page.record(c))
	}
	out.Flush()
	return nil
}

func (g *clientsPage) record(c clientLine) []string {
	line := []string{harmless(c.Name), c.ID}
	one := g.counted.of(c.ID, len(g.Figures))
	for i, f := range g.Figures {
		line = append(line, f.plain(one.now[i], c.Suspended))
		if f.date != nil {
			line = append(line, f.plain(one.before[i], c.Suspended))
		}
	}
	last := ""
	if !c.Last.IsZero() {
		last = c.Last.UTC().Format(time.RFC3339)
	}
	return append(line, last)
}
