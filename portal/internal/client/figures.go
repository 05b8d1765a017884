package client

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/moat-db/moat/portal/internal/schema"
	"github.com/moat-db/moat/portal/internal/text"
)

// card is one figure.
type card struct {
	Title, Value, Note string
	Change             string // against the time before; "" where there is none
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

// figures makes the cards and the breakdowns.
func (d *dashboardPage) figures(all totals) {
	t := d.Table
	d.Cards = append(d.Cards, card{Title: "All " + text.Lower(t.Title), Value: text.Count(all.count), Note: "all time"})
	if t.Created != nil {
		d.Cards = append(d.Cards, card{Title: "New in 30 days", Value: text.Count(all.fresh),
			Change: changed(all.fresh, all.before), Note: text.Count(all.before) + " in the 30 days before"})
	}
	d.outcomes(all)
	if t.Status != nil {
		d.Status = bars(t, t.Status, all.status, all.count)
	}
	if t.Source != nil {
		d.Source = bars(t, t.Source, all.source, all.count)
		slices.SortStableFunc(d.Source, func(a, b bar) int { return cmp.Compare(b.Count, a.Count) })
	}
}

// outcomes are the figures of what is decided and what is open, where the status has
// words for it.
func (d *dashboardPage) outcomes(all totals) {
	t := d.Table
	var good, bad, open part
	var won string
	if t.Status != nil {
		for _, o := range t.Status.Options {
			switch schema.Outcome(o) {
			case "good":
				good, won = good.plus(all.status[o]), o
			case "bad":
				bad = bad.plus(all.status[o])
			default:
				open = open.plus(all.status[o])
			}
		}
	}
	switch {
	case t.Amount != nil && won != "":
		d.amount("Open ", open.amount, text.Count(open.count)+" not yet decided")
	case t.Amount != nil:
		d.amount("Total ", all.amount, "over all "+text.Lower(t.Title))
	}
	if decided := good.count + bad.count; won != "" && bad.count > 0 {
		note := text.Count(good.count) + " of " + text.Count(decided) + " decided"
		if t.Amount != nil {
			note += ", worth " + text.Short(good.amount)
		}
		rate := fmt.Sprintf("%.0f%%", 100*float64(good.count)/float64(decided))
		d.Cards = append(d.Cards, card{Title: schema.OptionTitle(won) + " rate", Value: rate, Note: note})
	}
}

func (d *dashboardPage) amount(title string, sum float64, note string) {
	d.Cards = append(d.Cards, card{Title: title + text.Lower(d.Table.Amount.Title), Value: text.Short(sum),
		Full: text.Group(fmt.Sprintf("%.0f", sum)), Note: note})
}

// changed says by how much n differs from what was before; "" where that says nothing.
func changed(n, before int64) string {
	percent := 100 * float64(n-before) / float64(before)
	if before == 0 || percent > 999 {
		return ""
	}
	return fmt.Sprintf("%+.0f%%", percent)
}

// bars makes a breakdown, in the order of the list of values.
func bars(t *schema.Table, c *schema.Column, parts map[string]part, all int64) []bar {
	most := int64(1)
	for _, o := range c.Options {
		most = max(most, parts[o].count)
	}
	var out []bar
	for _, o := range c.Options {
		p := parts[o]
		here := query{Page: 1, Filters: []condition{{c, "eq", o}}}
		b := bar{Title: schema.OptionTitle(o), Tone: c.Tone(o), Count: p.count, Href: t.Path() + suffix(here.values()),
			Share: 100 * float64(p.count) / float64(most)}
		if t.Amount != nil && p.amount != 0 {
			b.Amount = text.Short(p.amount)
		}
		if all > 0 {
			b.Percent = fmt.Sprintf("%.0f%%", 100*float64(p.count)/float64(all))
		}
		out = append(out, b)
	}
	return out
}
