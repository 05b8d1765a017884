package portal

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// card is one figure.
type card struct {
	Title, Value, Note string
	Change             string // against the time before; "" where there is none
	Up                 bool
	Full               string // the figure in full, where Value is short
}

// bar is one row of a breakdown.
type bar struct {
	Title, Tone, Href string
	Count             int64
	Amount            string
	Share             float64 // of the largest, 0 to 100
	Percent           string  // of all
}

type dashboardPage struct {
	Table     *table
	Others    []tab
	Cards     []card
	Status    []bar
	Source    []bar
	Trend     *trend
	Recent    []row
	Columns   []*column
	Empty     bool
	NewPath   string
	AccessLog int // looks by the operator in the last 30 days
}

// totals are what one pass over the table counts.
type totals struct {
	all, fresh, before int64
	amount             float64
	status, source     map[string]part
}

type part struct {
	count  int64
	amount float64
}

// dashboard serves the overview of a table.
func (p *Portal) dashboard(w http.ResponseWriter, r *http.Request, v *visit) error {
	t := v.schema.main()
	if slug := r.URL.Query().Get("table"); slug != "" {
		t, _ = v.schema.find(slug)
	}
	out := p.clientPage(r, v, "Dashboard", "dashboard")
	if t == nil {
		out.Data = &dashboardPage{}
		return p.render(w, http.StatusOK, "bare", out)
	}
	page := &dashboardPage{Table: t}
	err := p.read(v, func(tx pgx.Tx) error {
		all, err := t.totals(v, tx, p.config.Now())
		if err != nil {
			return err
		}
		page.Empty = all.all == 0
		page.count(t, all)
		if t.Created != nil {
			if page.Trend, err = t.trend(v, tx, r.URL.Query().Get("range"), p.config.Now()); err != nil {
				return err
			}
		}
		return page.recent(v, tx)
	})
	if err != nil {
		return err
	}
	for _, o := range v.schema.tables {
		if !o.Shared {
			page.Others = append(page.Others, tab{Title: o.Title, Href: base + "/dashboard?table=" + o.Slug, On: o == t})
		}
	}
	if t.MayAdd && v.session.viewAs == nil {
		page.NewPath = t.Path() + "/new"
	}
	out.Data = page
	return p.render(w, http.StatusOK, "dashboard", out)
}

// totals reads the table once: everything together, by status and by source.
func (t *table) totals(v *visit, tx pgx.Tx, now time.Time) (totals, error) {
	out := totals{status: map[string]part{}, source: map[string]part{}}
	status, source, at, amount := "null::text", "null::text", "null::timestamptz", "0"
	stamp := (&column{kind: kindMoment}).stamp
	if t.Status != nil {
		status = "t." + t.Status.SQL() + "::text"
	}
	if t.Source != nil {
		source = "t." + t.Source.SQL() + "::text"
	}
	if t.Created != nil {
		at, stamp = "t."+t.Created.SQL(), t.Created.stamp
	}
	if t.Amount != nil {
		amount = "t." + t.Amount.SQL()
	}
	a := &arguments{values: []any{stamp(now), stamp(now.AddDate(0, 0, -30)), stamp(now.AddDate(0, 0, -60))}}
	sql := "select grouping(s), grouping(o), s, o, count(*), count(*) filter (where at > $2 and at <= $1), " +
		"count(*) filter (where at > $3 and at <= $2), coalesce(sum(amount), 0)::float8 from (select " +
		status + " as s, " + source + " as o, " + at + " as at, " + amount + " as amount from " + t.SQL() + " t where " +
		query{}.where(t, a, string(v.tenant), v.zone, nil) + ") x group by grouping sets ((), (s), (o))"
	rows, err := tx.Query(v, sql, a.values...)
	if err != nil {
		return out, err
	}
	var noStatus, noSource int
	var s, o *string
	var n, fresh, before int64
	var sum float64
	_, err = pgx.ForEachRow(rows, []any{&noStatus, &noSource, &s, &o, &n, &fresh, &before, &sum}, func() error {
		switch {
		case noStatus == 1 && noSource == 1:
			out.all, out.fresh, out.before, out.amount = n, fresh, before, sum
		case noStatus == 0 && s != nil:
			out.status[*s] = part{n, sum}
		case noSource == 0 && o != nil:
			out.source[*o] = part{n, sum}
		}
		return nil
	})
	return out, err
}

// stamp writes a moment as the column's type reads it.
func (c *column) stamp(at time.Time) string {
	switch c.kind {
	case kindDate:
		return at.Format(time.DateOnly)
	case kindLocal:
		return at.UTC().Format("2006-01-02T15:04:05")
	}
	return at.UTC().Format(time.RFC3339)
}

// count makes the figures and the breakdowns.
func (d *dashboardPage) count(t *table, all totals) {
	d.Cards = append(d.Cards, card{Title: "All " + lower(t.Title), Value: count(all.all), Note: "since the beginning"})
	if t.Created != nil {
		change, up := changed(all.fresh, all.before)
		d.Cards = append(d.Cards, card{Title: "New in 30 days", Value: count(all.fresh), Change: change, Up: up,
			Note: count(all.before) + " in the 30 days before"})
	}
	d.outcomes(t, all)
	if t.Status != nil {
		d.Status = t.bars(t.Status, all.status, all.all, false)
	}
	if t.Source != nil {
		d.Source = t.bars(t.Source, all.source, all.all, true)
	}
}

// outcomes are the figures of what is decided and what is open, where the status has
// words for it.
func (d *dashboardPage) outcomes(t *table, all totals) {
	var good, bad, open part
	var won string
	if t.Status != nil {
		for _, o := range t.Status.Options {
			p := all.status[o]
			switch outcome(o) {
			case "good":
				good, won = part{good.count + p.count, good.amount + p.amount}, o
			case "bad":
				bad = part{bad.count + p.count, bad.amount + p.amount}
			default:
				open = part{open.count + p.count, open.amount + p.amount}
			}
		}
	}
	if t.Amount != nil && won != "" {
		d.Cards = append(d.Cards, card{Title: "Open " + lower(t.Amount.Title), Value: short(open.amount), Full: group(fmt.Sprintf("%.0f", open.amount)),
			Note: "in " + count(open.count) + " not yet decided"})
	} else if t.Amount != nil {
		d.Cards = append(d.Cards, card{Title: "Total " + lower(t.Amount.Title), Value: short(all.amount), Full: group(fmt.Sprintf("%.0f", all.amount)),
			Note: "over all " + lower(t.Title)})
	}
	if decided := good.count + bad.count; won != "" && bad.count > 0 {
		note := count(good.count) + " of " + count(decided) + " decided"
		if t.Amount != nil {
			note += ", worth " + short(good.amount)
		}
		d.Cards = append(d.Cards, card{Title: optionTitle(won) + " rate", Value: fmt.Sprintf("%.0f%%", 100*float64(good.count)/float64(decided)), Note: note})
	}
}

// changed says by how much n differs from what was before.
func changed(n, before int64) (text string, up bool) {
	if before == 0 {
		return "", n > 0
	}
	percent := 100 * float64(n-before) / float64(before)
	if percent > 999 {
		return "", true
	}
	return fmt.Sprintf("%+.0f%%", percent), n >= before
}

// bars makes a breakdown, in the order of the list of values or the largest first.
func (t *table) bars(c *column, parts map[string]part, all int64, sorted bool) []bar {
	var out []bar
	most := int64(1)
	for _, o := range c.Options {
		p := parts[o]
		most = max(most, p.count)
		b := bar{Title: optionTitle(o), Tone: c.tone(o), Count: p.count, Href: t.Path() + suffix(query{Page: 1, Filters: []condition{{c, "eq", o}}}.values())}
		if t.Amount != nil && p.amount != 0 {
			b.Amount = short(p.amount)
		}
		out = append(out, b)
	}
	for i := range out {
		out[i].Share = 100 * float64(out[i].Count) / float64(most)
		if all > 0 {
			out[i].Percent = fmt.Sprintf("%.0f%%", 100*float64(out[i].Count)/float64(all))
		}
	}
	if sorted {
		slices.SortStableFunc(out, func(a, b bar) int { return cmp.Compare(b.Count, a.Count) })
	}
	return out
}

// recent reads the newest rows.
func (d *dashboardPage) recent(v *visit, tx pgx.Tx) error {
	t := d.Table
	for _, c := range []*column{t.Label, t.Status, t.Source, t.Amount, t.Created} {
		if c != nil && !containsColumn(d.Columns, c) {
			d.Columns = append(d.Columns, c)
		}
	}
	if len(d.Columns) == 0 {
		return nil
	}
	l := &listPage{Table: t, Query: query{Page: 1, Sort: t.Created, Desc: true, Columns: d.Columns}}
	rows, err := l.rows(v, tx)
	d.Recent = rows[:min(len(rows), 6)]
	return err
}
