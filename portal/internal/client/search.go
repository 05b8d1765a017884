package client

import (
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/portal/internal/schema"
	"github.com/moat-db/moat/portal/internal/text"
)

// maxFound is how many rows of a table a search over all shows.
const maxFound = 5

// searchPage is what was found in all tables.
type searchPage struct {
	Search string
	Found  []found
	// Cut are the tables in which the search was stopped, in words.
	Cut   string
	Short bool // too little to look for
}

// found is what was found in one table.
type found struct {
	Table *schema.Table
	Rows  []row
	All   string // the list with all of them
	More  bool
}

// search looks into all tables.
func (p *Pages) search(w http.ResponseWriter, r *http.Request, v *Visit) error {
	page := &searchPage{Search: readable(r.URL.Query().Get("q"), maxSearch)}
	page.Short = len([]rune(page.Search)) < 2
	if !page.Short {
		if err := p.read(v, func(tx pgx.Tx) error { return page.load(v, tx, p.Now) }); err != nil {
			return err
		}
	}
	if r.Header.Get("HX-Request") != "" {
		return p.Fragment(w, http.StatusOK, "found", page)
	}
	out := p.Page(r, v, "Search", "search")
	out.Data = page
	return p.Render(w, http.StatusOK, "search", out)
}

// load looks into one table after the other, a bounded time in each and in all together.
func (g *searchPage) load(v *Visit, tx pgx.Tx, now func() time.Time) error {
	end := now().Add(searchAll)
	var cut []string
	for _, t := range v.Schema.Tables {
		if t.Settings || len(t.Searched()) == 0 {
			continue
		}
		stopped := true
		if left := end.Sub(now()); left > 0 {
			var err error
			stopped, err = within(v, tx, min(searchTime, left), func(tx pgx.Tx) error { return g.look(v, tx, t) })
			if err != nil {
				return err
			}
		}
		if stopped {
			cut = append(cut, text.Lower(t.Title))
		}
	}
	g.Cut = english.And(cut)
	return nil
}

func (g *searchPage) look(v *Visit, tx pgx.Tx, t *schema.Table) error {
	q := query{Search: g.Search, Page: 1, Sort: t.Created, Desc: true, Columns: told(t)}
	rows, err := v.some(tx, t, q, maxFound+1)
	if err != nil || len(rows) == 0 {
		return err
	}
	f := found{Table: t, Rows: rows, More: len(rows) > maxFound, All: t.Path() + suffix(query{Search: g.Search,
		Page: 1}.values())}
	if f.More {
		f.Rows = rows[:maxFound]
	}
	g.Found = append(g.Found, f)
	return nil
}

// told are the two or three columns that a row is recognised by.
func told(t *schema.Table) []*schema.Column {
	out := []*schema.Column{t.Label}
	for _, c := range t.Listed() {
		if c != t.Label && c != t.Created && len(out) < 3 && !c.Numeric() {
			out = append(out, c)
		}
	}
	return out
}

// Line is what stands beside a row's name.
func (r row) Line() string {
	var parts []string
	for i, c := range r.Cells {
		if i > 0 && c.Text != "" {
			parts = append(parts, text.Clip(c.Text, 60))
		}
	}
	return strings.Join(parts, " · ")
}
