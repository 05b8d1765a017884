package client

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/portal/internal/schema"
	"github.com/moat-db/moat/portal/internal/text"
)

// Figure is what an agency counts of each client.
type Figure struct {
	Title string
	Table string // schema.table
	// Sum or Average is the column that is added up; both empty: rows are counted.
	Sum, Average string
	// Where are conditions, all of which hold: column → one of its values. The column may end
	// in .min, .max (both inclusive) or .null (yes or no), with one value.
	Where map[string][]string
	// Date is the column by which a row belongs to a period. Empty means the one by which the
	// portal orders the table, "none" that all rows count, whenever they came.
	Date string
}

// figure is one that was found in a schema.
type figure struct {
	Title   string
	table   *schema.Table
	of      *schema.Column // nil: rows are counted
	average bool
	where   []choose
	date    *schema.Column // nil: all rows count
}

// choose is a condition that one of several values meets.
type choose []condition

// find finds a figure among the tables of a schema.
func (f Figure) find(tables []*schema.Table) (figure, error) {
	wrong := func(format string, args ...any) (figure, error) {
		return figure{}, fmt.Errorf("portal.figures %q: "+format, append([]any{f.Title}, args...)...)
	}
	i := slices.IndexFunc(tables, func(t *schema.Table) bool { return t.Name.String() == f.Table })
	if i < 0 {
		return wrong("the table %s is not shown", f.Table)
	}
	t := tables[i]
	out := figure{Title: f.Title, table: t, average: f.Average != "", date: t.Created}
	if name := f.Sum + f.Average; name != "" {
		if out.of = t.Column(name); out.of == nil || !out.of.Numeric() || f.Sum != "" && f.Average != "" {
			return wrong("%s has no column of numbers %s", f.Table, name)
		}
	}
	switch {
	case f.Title == "":
		return wrong("it has no title")
	case f.Date == "none":
		out.date = nil
	case f.Date != "":
		if out.date = t.Column(f.Date); out.date == nil || !isDate(out.date) {
			return wrong("%s has no column of dates %s", f.Table, f.Date)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Where)) {
		one, err := conditions(t, name, f.Where[name])
		if err != nil {
			return wrong("%w", err)
		}
		out.where = append(out.where, one)
	}
	return out, nil
}

func isDate(c *schema.Column) bool {
	return c.Kind == schema.KindMoment || c.Kind == schema.KindLocal || c.Kind == schema.KindDate
}

func conditions(t *schema.Table, name string, values []string) (choose, error) {
	column, op, found := strings.Cut(name, ".")
	if !found {
		op = "eq"
	}
	c := t.Column(column)
	if c == nil || !slices.Contains([]string{"eq", "min", "max", "null"}, op) || len(values) == 0 ||
		op != "eq" && len(values) > 1 {
		return nil, fmt.Errorf("no condition %s of %s", name, t.Name)
	}
	var out choose
	for _, v := range values {
		one := condition{Column: c, Op: op, Value: v}
		if !one.possible() || len(c.Options) > 0 && op == "eq" && !slices.Contains(c.Options, v) {
			return nil, fmt.Errorf("%s cannot be %q", name, v)
		}
		out = append(out, one)
	}
	return out, nil
}

// usualFigures are those of a table where none are declared: its rows, those that came to a
// good end, and its amounts.
func usualFigures(t *schema.Table) []figure {
	out := []figure{{Title: t.Title, table: t, date: t.Created}}
	if t.Status != nil {
		for _, o := range t.Status.Options {
			if schema.Outcome(o) == "good" {
				out = append(out, figure{Title: schema.OptionTitle(o), table: t, date: t.Created,
					where: []choose{{{t.Status, "eq", o}}}})
				break
			}
		}
	}
	if t.Amount != nil {
		out = append(out, figure{Title: t.Amount.Title, table: t, of: t.Amount, date: t.Created})
	}
	return out
}

// CheckFigures is an error where a declared figure cannot be counted.
func (p *Pages) CheckFigures(sc *schema.Schema) error {
	for _, f := range p.Figures {
		tables := sc.Tables
		if sc.Below != nil {
			tables = sc.Below.Tables
		}
		if _, err := f.find(tables); err != nil {
			return err
		}
	}
	return nil
}

// figuresOf are the figures of an agency, of those that its tables still have.
func (p *Pages) figuresOf(tables []*schema.Table, main *schema.Table) []figure {
	if len(p.Figures) == 0 {
		return usualFigures(main)
	}
	var out []figure
	for _, f := range p.Figures {
		if one, err := f.find(tables); err == nil {
			out = append(out, one)
		}
	}
	return out
}

// condition is the SQL of which rows count, of those that when says.
func (f figure) condition(v *Visit, a *schema.Arguments, when string) string {
	parts := []string{when}
	for _, any := range f.where {
		each := list.Map(any, func(c condition) string { return c.where(f.table, a, v.Zone) })
		parts = append(parts, "("+strings.Join(each, " or ")+")")
	}
	return strings.Join(parts, " and ")
}

// aggregate is the SQL of an amount over the rows that meet a condition.
func (f figure) aggregate(condition string) string {
	filter := " filter (where " + condition + ")"
	if f.of == nil {
		return "count(*)" + filter + "::float8, 0::bigint, null::text, null::text"
	}
	name, n := "t."+f.of.SQL(), "0::bigint"
	if f.average {
		n = "count(" + name + ")" + filter
	}
	out := "coalesce(sum(" + name + ")" + filter + ", 0)::float8, " + n
	if f.of.Money == nil || f.of.Money.By == nil {
		return out + ", null::text, null::text"
	}
	code := "t." + f.of.Money.By.SQL() + "::text"
	return out + ", min(" + code + ")" + filter + ", max(" + code + ")" + filter
}

// amount is what was counted or added up, of how many values where they are averaged, and in
// which currencies: the first and the last.
type amount struct {
	sum         float64
	n           int64
	least, most *string
}

func (m amount) plus(o amount) amount {
	out := amount{m.sum + o.sum, m.n + o.n, m.least, m.most}
	if o.least != nil && (out.least == nil || *o.least < *out.least) {
		out.least = o.least
	}
	if o.most != nil && (out.most == nil || *o.most > *out.most) {
		out.most = o.most
	}
	return out
}

// value is the figure's; ok is false where nothing was there to be averaged.
func (f figure) value(m amount) (value float64, ok bool) {
	if !f.average {
		return m.sum, true
	}
	if m.n == 0 {
		return 0, false
	}
	return m.sum / float64(m.n), true
}

// write writes a value for people.
func (f figure) write(m amount, l *text.Locale) string {
	value, ok := f.value(m)
	switch {
	case !ok:
		return "–"
	case f.of == nil:
		return l.Count(int64(value))
	case f.of.Money == nil && f.average:
		return l.Number(trimmed(value))
	case f.of.Money == nil:
		return l.Short(value)
	case f.of.Money.By != nil && m.least != nil && *m.least != *m.most:
		return severalCurrencies
	}
	code := f.of.Money.Code(m.least)
	return l.ShortMoney(f.major(value, code), code)
}

// major is an amount in the major unit of its currency.
func (f figure) major(value float64, code string) float64 {
	if f.of != nil && f.of.Money != nil && f.of.Money.Minor {
		return value / math.Pow10(text.Digits(code))
	}
	return value
}

// plain writes a value for programs.
func (f figure) plain(m amount, unknown bool) string {
	value, ok := f.value(m)
	if !ok || unknown {
		return ""
	}
	if f.of != nil && f.of.Money != nil {
		value = f.major(value, f.of.Money.Code(m.least))
	}
	return strconv.FormatFloat(value, 'f', -1, 64)
}

// trimmed has one decimal, where it says something.
func trimmed(f float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") }

// change says by how much a figure differs from before.
func (f figure) change(now, before amount) string {
	a, ok := f.value(now)
	b, ok2 := f.value(before)
	percent := 100 * (a - b) / b
	if f.date == nil || !ok || !ok2 || b == 0 || math.Abs(percent) > 999 {
		return ""
	}
	if percent = math.Round(percent); percent == 0 {
		return "0%"
	}
	return fmt.Sprintf("%+.0f%%", percent)
}

// interval is a period: from its first moment up to, and without, its last.
type interval struct{ from, to time.Time }

func (s interval) where(a *schema.Arguments, c *schema.Column) string {
	name := "t." + c.SQL()
	return name + " >= " + a.Add(stampIn(c, s.from)) + " and " + name + " < " + a.Add(stampIn(c, s.to))
}

// stampIn writes a moment as the column's type reads it, in the viewer's zone where the
// column has none.
func stampIn(c *schema.Column, at time.Time) string {
	switch c.Kind {
	case schema.KindDate:
		return at.Format(time.DateOnly)
	case schema.KindLocal:
		return at.Format(schema.LocalLayout)
	}
	return at.UTC().Format(time.RFC3339)
}
