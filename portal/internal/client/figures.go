package client

import (
	"cmp"
	"fmt"
	"math"
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
func (d *dashboardPage) figures(v *Visit, all totals) {
	t, l := d.Table, v.Locale
	d.Cards = append(d.Cards, card{Title: "All " + text.Lower(t.Title), Value: l.Count(all.count), Note: "all time"})
	if t.Created != nil {
		d.Cards = append(d.Cards, card{Title: "New in 30 days", Value: l.Count(all.fresh),
			Change: changed(all.fresh, all.before), Note: l.Count(all.before) + " in the 30 days before"})
	}
	d.outcomes(v, all)
	if t.Status != nil {
		d.Status = v.bars(t, t.Status, all.status, all.count)
	}
	if t.Source != nil {
		d.Source = v.bars(t, t.Source, all.source, all.count)
		slices.SortStableFunc(d.Source, func(a, b bar) int { return cmp.Compare(b.Count, a.Count) })
	}
}

// outcomes are the figures of what is decided and what is open, where the status has
// words for it.
func (d *dashboardPage) outcomes(v *Visit, all totals) {
	t, l := d.Table, v.Locale
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
		d.amount(v, "Open ", open, l.Count(open.count)+" not yet decided")
	case t.Amount != nil:
		d.amount(v, "Total ", all.part, "over all "+text.Lower(t.Title))
	}
	if decided := good.count + bad.count; won != "" && bad.count > 0 {
		note := l.Count(good.count) + " of " + l.Count(decided) + " decided"
		if t.Amount != nil {
			note += ", worth " + v.worth(t, good)
		}
		rate := fmt.Sprintf("%.0f%%", 100*float64(good.count)/float64(decided))
		d.Cards = append(d.Cards, card{Title: schema.OptionTitle(won) + " rate", Value: rate, Note: note})
	}
}

func (d *dashboardPage) amount(v *Visit, title string, sum part, note string) {
	d.Cards = append(d.Cards, card{Title: title + text.Lower(d.Table.Amount.Title), Value: v.worth(d.Table, sum),
		Full: v.Locale.Number(fmt.Sprintf("%.0f", sum.amount)), Note: note})
}

// severalCurrencies stands where amounts cannot be added up.
const severalCurrencies = "in several currencies"

// worth writes the sum of the amounts of a table.
func (v *Visit) worth(t *schema.Table, p part) string {
	m := t.Amount.Money
	if m == nil {
		return v.Locale.Short(p.amount)
	}
	code := m.Code(&p.least)
	if m.By != nil && p.least != p.most {
		return severalCurrencies
	}
	sum := p.amount
	if m.Minor {
		sum /= math.Pow10(text.Digits(code))
	}
	return v.Locale.ShortMoney(sum, code)
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
func (v *Visit) bars(t *schema.Table, c *schema.Column, parts map[string]part, all int64) []bar {
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
			b.Amount = v.worth(t, p)
		}
		if all > 0 {
			b.Percent = fmt.Sprintf("%.0f%%", 100*float64(p.count)/float64(all))
		}
		out = append(out, b)
	}
	return out
}
