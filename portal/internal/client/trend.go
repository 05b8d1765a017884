package client

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/schema"
	"github.com/moat-db/moat/portal/internal/text"
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

var periods = [...]period{{"30d", "30 days", "day", 30}, {"90d", "90 days", "day", 90}, {"12m", "12 months", "month",
	12}}

// periodOf is the one of that name, or else the first.
func periodOf(name string) period {
	return periods[max(0, slices.IndexFunc(periods[:], func(p period) bool { return p.name == name }))]
}

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

func (p period) text(at time.Time, l *text.Locale) string {
	if p.unit == "month" {
		return l.Month(at)
	}
	return l.DayOfYear(at)
}

// trend counts the rows of each day or month in the viewer's zone.
func (v *Visit) trend(tx pgx.Tx, t *schema.Table, name string, now time.Time) (*trend, error) {
	p := periodOf(name)
	last := p.start(now.In(v.Zone))
	first := p.step(last, 1-p.bars)
	counts, err := v.perPeriod(tx, t, p, first)
	if err != nil {
		return nil, err
	}
	out := draw(p, first, counts, v.Locale)
	for _, one := range periods {
		href := frame.Base + "/dashboard?table=" + t.Slug + "&range=" + one.name
		out.Ranges = append(out.Ranges, tab{Title: one.title, On: one == p, Href: href})
	}
	out.Name = fmt.Sprintf("%s by %s: %s in %s", t.Title, p.unit, v.Locale.Count(out.Total), p.title)
	return out, nil
}

func (v *Visit) perPeriod(tx pgx.Tx, t *schema.Table, p period, first time.Time) (map[string]int64, error) {
	a := &schema.Arguments{}
	at := "t." + t.Created.SQL()
	local := at
	if t.Created.Kind == schema.KindMoment {
		local = at + " at time zone " + a.Add(v.Zone.String()) + "::text"
	}
	where := append(t.TenantWhere(a, v.Tenant), at+" >= "+a.Add(stampIn(t.Created, first)))
	rows, _ := tx.Query(v, "select pg_catalog.to_char(pg_catalog.date_trunc("+a.Add(p.unit)+"::text, "+local+
		"), 'YYYY-MM-DD'), count(*) from "+t.SQL()+" t where "+strings.Join(where, " and ")+" group by 1", a.Values...)
	out := map[string]int64{}
	var day string
	var n int64
	_, err := pgx.ForEachRow(rows, []any{&day, &n}, func() error { out[day] = n; return nil })
	return out, err
}

const barStep = 10.0

// draw makes the bars from first on of what was counted by the day each begins with.
func draw(p period, first time.Time, counts map[string]int64, l *text.Locale) *trend {
	t := &trend{Width: float64(p.bars) * barStep}
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
		t.Bars = append(t.Bars, stick{float64(i)*barStep + 1.5, 100 - h, barStep - 3, h, p.text(day, l), n})
	}
	t.Ticks = []string{l.Short(top), l.Short(top / 2), "0"}
	for _, i := range []int{0, p.bars / 3, 2 * p.bars / 3, p.bars - 1} {
		t.Labels = append(t.Labels, p.text(p.step(first, i), l))
	}
	return t
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
