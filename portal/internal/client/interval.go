package client

import (
	"net/url"
	"time"

	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/text"
)

// timeframe is what an agency looks at: a period, and the one that it is compared with.
type timeframe struct {
	now, before interval
	name        string // of the range, "" for dates of one's own
	year        bool   // compared with a year before, not with the days before
	// Problem is why another period is shown than was asked for.
	Problem string
}

var ranges = [...]struct {
	name, title string
	days        int
}{{"7d", "7 days", 7}, {"30d", "30 days", 30}, {"90d", "90 days", 90}, {"12m", "12 months", 365}}

const usualRange = 1

// maxDays bounds a period of one's own.
const maxDays = 3 * 366

// timeframeOf reads a period from an address; both of its dates are inclusive.
func timeframeOf(q url.Values, zone *time.Location, now time.Time) timeframe {
	now = now.In(zone)
	tomorrow := time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, zone)
	t := timeframe{name: ranges[usualRange].name, year: q.Get("vs") == "year"}
	t.now = interval{tomorrow.AddDate(0, 0, -ranges[usualRange].days), tomorrow}
	for _, r := range ranges {
		if r.name == q.Get("range") {
			t.name, t.now.from = r.name, tomorrow.AddDate(0, 0, -r.days)
		}
	}
	if q.Get("from") != "" || q.Get("to") != "" {
		from, err := time.ParseInLocation(time.DateOnly, q.Get("from"), zone)
		to, err2 := time.ParseInLocation(time.DateOnly, q.Get("to"), zone)
		end := to.AddDate(0, 0, 1)
		switch {
		case err != nil || err2 != nil || !from.Before(end):
			t.Problem = "Choose a first day and a last day after it. Shown instead: the last 30 days."
		case from.AddDate(0, 0, maxDays).Before(end):
			t.Problem = "Choose three years at most. Shown instead: the last 30 days."
		default:
			t.name, t.now = "", interval{from, end}
		}
	}
	t.before = interval{t.now.from.AddDate(0, 0, -t.days()), t.now.from}
	if t.year {
		t.before = interval{t.now.from.AddDate(-1, 0, 0), t.now.to.AddDate(-1, 0, 0)}
	}
	return t
}

// days is how many a period has; a day of a changed clock is one.
func (t timeframe) days() int { return int(t.now.to.Sub(t.now.from).Hours()/24 + 0.5) }

// values are the address of the period.
func (t timeframe) values() url.Values {
	v := url.Values{}
	if t.name == "" {
		v.Set("from", t.First())
		v.Set("to", t.Last())
	} else if t.name != ranges[usualRange].name {
		v.Set("range", t.name)
	}
	if t.year {
		v.Set("vs", "year")
	}
	return v
}

// First and Last are its days, for a form.
func (t timeframe) First() string { return t.now.from.Format(time.DateOnly) }
func (t timeframe) Last() string  { return t.now.to.AddDate(0, 0, -1).Format(time.DateOnly) }
func (t timeframe) Year() bool    { return t.year }

// title says which days they are, and which they are compared with.
func (t timeframe) title(l *text.Locale) string {
	days := func(s interval) string { return l.Day(s.from) + " – " + l.Day(s.to.AddDate(0, 0, -1)) }
	return days(t.now) + ", compared with " + days(t.before)
}

// ranges are the links to other periods of a page.
func (t timeframe) ranges(path string, keep url.Values) []tab {
	var out []tab
	for _, r := range ranges {
		v := url.Values{}
		for name, values := range keep {
			v[name] = values
		}
		v.Del("from")
		v.Del("to")
		v.Set("range", r.name)
		out = append(out, tab{Title: r.title, On: r.name == t.name, Href: frame.Base + path + suffix(v)})
	}
	return out
}
