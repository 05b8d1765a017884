package client

import (
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/schema"
)

type dashboardPage struct {
	Table   *schema.Table
	Others  []tab
	Cards   []card
	Status  []bar
	Source  []bar
	Trend   *trend
	Recent  listing
	Empty   bool
	NewPath string
}

// maxRecent is how many of the newest rows a dashboard shows.
const maxRecent = 6

// dashboard serves the overview of a table.
func (p *Pages) dashboard(w http.ResponseWriter, r *http.Request, v *Visit) error {
	t := v.Schema.Main()
	if slug := r.URL.Query().Get("table"); slug != "" {
		t = v.Schema.Find(slug)
	}
	out := p.Page(r, v, "Dashboard", "dashboard")
	if t == nil {
		return p.Render(w, http.StatusOK, "bare", out)
	}
	page := &dashboardPage{Table: t}
	err := p.read(v, func(tx pgx.Tx) error { return page.load(v, tx, r.URL.Query().Get("range"), p.Now()) })
	if err != nil {
		return err
	}
	for _, o := range v.Schema.Tables {
		if !o.Shared {
			href := frame.Base + "/dashboard?table=" + o.Slug
			page.Others = append(page.Others, tab{Title: o.Title, Href: href, On: o == t})
		}
	}
	if v.MayAdd(t) {
		page.NewPath = t.Path() + "/new"
	}
	out.Data = page
	return p.Render(w, http.StatusOK, "dashboard", out)
}

func (d *dashboardPage) load(v *Visit, tx pgx.Tx, span string, now time.Time) error {
	t := d.Table
	all, err := v.totals(tx, t, now)
	if err != nil {
		return err
	}
	d.Empty = all.count == 0
	d.figures(v, all)
	if t.Created != nil {
		if d.Trend, err = v.trend(tx, t, span, now); err != nil {
			return err
		}
	}
	for _, c := range []*schema.Column{t.Label, t.Status, t.Source, t.Amount, t.Created} {
		if c != nil && !slices.Contains(d.Recent.Columns, c) {
			d.Recent.Columns = append(d.Recent.Columns, c)
		}
	}
	if len(d.Recent.Columns) == 0 {
		return nil
	}
	rows, err := v.page(tx, t, query{Page: 1, Sort: t.Created, Desc: true, Columns: d.Recent.Columns})
	d.Recent.Rows = rows[:min(len(rows), maxRecent)]
	return err
}

// totals are what one pass over the table counts.
type totals struct {
	part
	fresh, before  int64 // of the last 30 days, and of the 30 before
	status, source map[string]part
}

type part struct {
	count  int64
	amount float64
	// Of the currencies of the amounts the first and the last, where the rows say theirs.
	least, most string
}

func (p part) plus(o part) part {
	out := part{p.count + o.count, p.amount + o.amount, p.least, p.most}
	if o.most != "" && (out.most == "" || o.least < out.least) {
		out.least = o.least
	}
	out.most = max(out.most, o.most)
	return out
}

// totals reads the table once: everything together, by status and by source.
func (v *Visit) totals(tx pgx.Tx, t *schema.Table, now time.Time) (totals, error) {
	out := totals{status: map[string]part{}, source: map[string]part{}}
	column := func(c *schema.Column, none, suffix string) string {
		if c == nil {
			return none
		}
		return "t." + c.SQL() + suffix
	}
	created := t.Created
	if created == nil {
		created = &schema.Column{Kind: schema.KindMoment}
	}
	a := &schema.Arguments{}
	today := periods[0].start(now.In(v.Zone)) // days as the trend draws them: both show the same sum
	for _, days := range []int{1, -29, -59} {
		a.Add(stampIn(created, today.AddDate(0, 0, days)))
	}
	code := "null::text"
	if t.Amount != nil && t.Amount.Money != nil && t.Amount.Money.By != nil {
		code = "t." + t.Amount.Money.By.SQL() + "::text"
	}
	rows, err := tx.Query(v, "select grouping(s), grouping(o), s, o, count(*), "+
		"count(*) filter (where at >= $2 and at < $1), count(*) filter (where at >= $3 and at < $2), "+
		"coalesce(sum(amount), 0)::float8, coalesce(min(code), ''), coalesce(max(code), '') from (select "+code+" as code, "+
		column(t.Status, "null::text", "::text")+" as s, "+
		column(t.Source, "null::text", "::text")+" as o, "+column(t.Created, "null::timestamptz", "")+" as at, "+
		column(t.Amount, "0", "")+" as amount from "+t.SQL()+" t where "+query{}.where(v, t, a, nil)+
		") x group by grouping sets ((), (s), (o))", a.Values...)
	if err != nil {
		return out, err
	}
	var noStatus, noSource int
	var s, o *string
	var one part
	var fresh, before int64
	_, err = pgx.ForEachRow(rows, []any{&noStatus, &noSource, &s, &o, &one.count, &fresh, &before, &one.amount,
		&one.least, &one.most},
		func() error {
			switch {
			case noStatus == 1 && noSource == 1:
				out.part, out.fresh, out.before = one, fresh, before
			case noStatus == 0 && s != nil:
				out.status[*s] = one
			case noSource == 0 && o != nil:
				out.source[*o] = one
			}
			return nil
		})
	return out, err
}
