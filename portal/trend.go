package portal

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// trend is how many rows came over time, drawn as bars in a space 100 high.
type trend struct {
	Ranges []tab
	Bars   []stick
	Width  float64
	Ticks  []string // from the top
	Labels []string // below, from the left
	Name   string   // the whole in a sentence, for who cannot see it
	Total  int64
}

// stick is one bar: where it is, how high, and what it says.
type stick struct {
	X, Y, W, H float64
	Text       string
	Count      int64
}

// period is a range to choose from.
type period struct {
	name, title, unit string
	bars              int
}

var periods = [...]period{{"30d", "30 days", "day", 30}, {"90d", "90 days", "day", 90}, {"12m", "12 months", "month", 12}}

// start is the first day of the bar that now is in.
func (p period) start(now time.Time) time.Time {
	if p.unit == "month" {
		return time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, now.Location())
	}
	return time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
}

func (p period) step(at time.Time, n int) time.Time {
	if p.unit == "month" {
		return at.AddDate(0, n, 0)
	}
	return at.AddDate(0, 0, n)
}

func (p period) text(at time.Time) string {
	if p.unit == "month" {
		return at.Format("Jan 2006")
	}
	return at.Format("2 Jan")
}

// trend counts the rows of each day or month in the viewer's zone.
func (t *table) trend(v *visit, tx pgx.Tx, name string, now time.Time) (*trend, error) {
	p := periods[0]
	out := &trend{}
	for _, one := range periods {
		if one.name == name {
			p = one
		}
	}
	for _, one := range periods {
		out.Ranges = append(out.Ranges, tab{Title: one.title, On: one == p, Href: base + "/dashboard?table=" + t.Slug + "&range=" + one.name})
	}
	last := p.start(now.In(v.zone))
	first := p.step(last, 1-p.bars)
	counts, err := t.perPeriod(v, tx, p, first)
	if err != nil {
		return nil, err
	}
	out.draw(p, first, counts)
	out.Name = fmt.Sprintf("%s by %s: %s in %s", t.Title, p.unit, count(out.Total), p.title)
	return out, nil
}

func (t *table) perPeriod(v *visit, tx pgx.Tx, p period, first time.Time) (map[string]int64, error) {
	a := &arguments{}
	at := "t." + t.Created.SQL()
	local := at
	if t.Created.kind == kindMoment {
		local = at + " at time zone " + a.add(v.zone.String()) + "::text"
	}
	where := append(t.tenantWhere(a, string(v.tenant)), at+" >= "+a.add(t.Created.stamp(first)))
	rows, err := tx.Query(v, "select pg_catalog.to_char(pg_catalog.date_trunc("+a.add(p.unit)+"::text, "+local+"), 'YYYY-MM-DD'), count(*) from "+
		t.SQL()+" t where "+strings.Join(where, " and ")+" group by 1", a.values...)
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	var day string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&day, &n}, func() error { out[day] = n; return nil })
	return out, err
}

const barStep = 10.0

func (t *trend) draw(p period, first time.Time, counts map[string]int64) {
	most := int64(1)
	for i := range p.bars {
		most = max(most, counts[p.step(first, i).Format(time.DateOnly)])
	}
	top := ceiling(most)
	for i := range p.bars {
		day := p.step(first, i)
		n := counts[day.Format(time.DateOnly)]
		h := 100 * float64(n) / top
		t.Total += n
		t.Bars = append(t.Bars, stick{X: float64(i)*barStep + 1.5, Y: 100 - h, W: barStep - 3, H: h, Count: n, Text: p.text(day)})
	}
	t.Width = float64(p.bars) * barStep
	t.Ticks = []string{short(top), short(top / 2), "0"}
	for _, i := range []int{0, p.bars / 3, 2 * p.bars / 3, p.bars - 1} {
		t.Labels = append(t.Labels, p.text(p.step(first, i)))
	}
}

// ceiling is the next round number that is even, so that its half is one as well.
func ceiling(n int64) float64 {
	size := math.Pow(10, math.Floor(math.Log10(float64(n))))
	for _, f := range []float64{1, 2, 4, 6, 8, 10} {
		if top := f * size; top >= float64(n) && top >= 2 {
			return top
		}
	}
	return 20 * size
}
