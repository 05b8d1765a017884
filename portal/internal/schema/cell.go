package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/portal/internal/text"
)

// Cell is one value, ready to be shown.
type Cell struct {
	Column *Column
	Null   bool
	Raw    string // as the database writes it
	Text   string // for people
	ISO    string // of a moment: RFC 3339 in UTC, for the browser
	Path   string // where it leads
	Veiled bool   // it looks like a secret, and is not all shown
	Tone   string // colour of a status: s0 to s5, good, bad
}

// Expression selects a column as text, in a form that is the same whatever the
// server's settings. short cuts what no list can show.
func (c *Column) Expression(alias string, short bool) string {
	name := alias + "." + c.SQL()
	switch c.Kind {
	case KindMoment:
		return `pg_catalog.to_char(` + name + ` at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`
	case KindLocal:
		return `pg_catalog.to_char(` + name + `, 'YYYY-MM-DD"T"HH24:MI:SS')`
	case KindDate:
		return `pg_catalog.to_char(` + name + `, 'YYYY-MM-DD')`
	case KindBytes:
		return `pg_catalog.octet_length(` + name + `)::text`
	case KindText, KindJSON, KindOther:
		if short {
			return `pg_catalog."left"(` + name + `::text, 200)`
		}
	}
	return name + "::text"
}

// LabelExpression selects what the referenced row is called.
func (c *Column) LabelExpression(t *Table, alias string) string {
	where := "r." + c.Ref.Key[0].SQL() + " = " + alias + "." + c.SQL()
	if c.Ref.Mixed {
		return "(select " + c.Ref.LabelSQL("r") + " from " + c.Ref.SQL() + " r where " + where + " limit 1)"
	}
	if t.Tenant != "" && c.Ref.Tenant != "" {
		where += " and r." + sqltext.Ident(c.Ref.Tenant) + " = " + alias + "." + sqltext.Ident(t.Tenant)
	}
	return "(select " + c.Ref.LabelSQL("r") + " from " + c.Ref.SQL() + " r where " + where + ")"
}

// LabelSQL selects what a row is called, no longer than a list can show.
func (t *Table) LabelSQL(alias string) string {
	return `pg_catalog."left"(` + alias + "." + t.Label.SQL() + "::text, 80)"
}

// Cell makes a value ready to be shown; beside is what [Column.Beside] selects: what the
// referenced row is called, or the currency.
func (c *Column) Cell(raw, beside *string, zone *time.Location, l *text.Locale) Cell {
	out := Cell{Column: c, Null: raw == nil}
	if raw == nil {
		return out
	}
	out.Raw = veiled(*raw, c.Kind)
	out.Text, out.Veiled = out.Raw, out.Raw != *raw
	c.humane(&out, zone, l)
	if c.Money != nil {
		out.Text = c.Money.Text(*raw, c.Money.Code(beside), l)
	}
	if len(c.Options) > 0 {
		out.Text, out.Tone = OptionTitle(*raw), c.Tone(*raw)
	}
	if c.Ref != nil {
		if !c.Ref.Mixed && !c.Ref.Closed { // else it may have no page
			out.Path = c.Ref.RowPath([]string{*raw})
		}
		if beside != nil && *beside != "" {
			out.Text = veiled(*beside, KindText)
		}
	}
	return out
}

// humane writes the value as people read it.
func (c *Column) humane(out *Cell, zone *time.Location, l *text.Locale) {
	switch c.Kind {
	case KindNumber:
		out.Text = l.Number(out.Raw)
	case KindInteger:
		if c.Ref == nil && !strings.HasSuffix(c.Name, "year") {
			out.Text = l.Number(out.Raw)
		}
	case KindBool:
		out.Text = map[bool]string{true: "Yes", false: "No"}[out.Raw == "true"]
	case KindMoment:
		if at, err := time.Parse(time.RFC3339, out.Raw); err == nil {
			out.ISO, out.Text = out.Raw, l.Moment(at.In(zone))
		}
	case KindLocal:
		if at, err := time.Parse(LocalLayout, out.Raw); err == nil {
			out.Text = l.Moment(at)
		}
	case KindDate:
		if at, err := time.Parse(time.DateOnly, out.Raw); err == nil {
			out.Text = l.Day(at)
		}
	case KindBytes:
		if n, err := strconv.Atoi(out.Raw); err == nil {
			out.Text = text.Counted(n, "byte")
		}
	}
}

// OptionTitle is a value of a list for people.
func OptionTitle(value string) string {
	if strings.ToUpper(value) == value || strings.Contains(value, " ") {
		return value
	}
	return text.Name(value)
}

// Tone is the colour of an option: by what its word means, else by its place.
func (c *Column) Tone(value string) string {
	if known := Outcome(value); known != "" {
		return known
	}
	if i := slices.Index(c.Options, value); i >= 0 {
		return fmt.Sprintf("s%d", i%6)
	}
	return "s5"
}
