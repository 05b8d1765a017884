package portal

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// cell is one value, ready to be shown.
type cell struct {
	Column *column
	Null   bool
	Raw    string      // as the database writes it
	Text   string      // for people
	ISO    string      // of a moment: RFC 3339 in UTC, for the browser
	Path   string      // where it leads
	Tone   string      // colour of a status: s0 to s5, good, bad
	Minor  bool        // left out on small screens
	Edit   *statusCell // a status that may be changed where it stands
}

// expression selects a column as text, in a form that is the same whatever the
// server's settings. short cuts what no list can show.
func (c *column) expression(alias string, short bool) string {
	name := alias + "." + c.SQL()
	switch c.kind {
	case kindMoment:
		return `pg_catalog.to_char(` + name + ` at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`
	case kindLocal:
		return `pg_catalog.to_char(` + name + `, 'YYYY-MM-DD"T"HH24:MI:SS')`
	case kindDate:
		return `pg_catalog.to_char(` + name + `, 'YYYY-MM-DD')`
	case kindBytes:
		return `pg_catalog.octet_length(` + name + `)::text`
	case kindText, kindJSON, kindOther:
		if short {
			return `pg_catalog."left"(` + name + `::text, 200)`
		}
	}
	return name + "::text"
}

// labelExpression selects what the referenced row is called.
func (c *column) labelExpression(t *table, alias string) string {
	where := "r." + c.Ref.Key[0].SQL() + " = " + alias + "." + c.SQL()
	if t.Tenant != "" && c.Ref.Tenant != "" {
		where += " and r." + quote(c.Ref.Tenant) + " = " + alias + "." + quote(t.Tenant)
	}
	return `(select pg_catalog."left"(r.` + c.Ref.Label.SQL() + `::text, 80) from ` + c.Ref.SQL() + " r where " + where + ")"
}

// cell makes a value ready to be shown; label is what the referenced row is called.
func (c *column) cell(raw, label *string, zone *time.Location) cell {
	out := cell{Column: c, Null: raw == nil}
	if raw == nil {
		return out
	}
	out.Raw, out.Text = *raw, *raw
	switch c.kind {
	case kindNumber:
		out.Text = group(*raw)
	case kindInteger:
		if c.Ref == nil && !strings.HasSuffix(c.Name, "year") {
			out.Text = group(*raw)
		}
	case kindBool:
		out.Text = map[bool]string{true: "Yes", false: "No"}[*raw == "true"]
	case kindMoment:
		if at, err := time.Parse(time.RFC3339, *raw); err == nil {
			out.ISO, out.Text = *raw, at.In(zone).Format("2 Jan 2006, 15:04")
		}
	case kindLocal:
		if at, err := time.Parse("2006-01-02T15:04:05", *raw); err == nil {
			out.Text = at.Format("2 Jan 2006, 15:04")
		}
	case kindDate:
		if at, err := time.Parse(time.DateOnly, *raw); err == nil {
			out.Text = at.Format("2 Jan 2006")
		}
	case kindBytes:
		out.Text = *raw + " bytes"
	}
	if len(c.Options) > 0 {
		out.Text, out.Tone = optionTitle(*raw), c.tone(*raw)
	}
	if c.Ref != nil {
		out.Path = c.Ref.rowPath([]string{*raw})
		if label != nil && *label != "" {
			out.Text = *label
		}
	}
	return out
}

// optionTitle is a value of a list for people.
func optionTitle(value string) string {
	if strings.ToUpper(value) == value || strings.Contains(value, " ") {
		return value
	}
	return humanize(value)
}

// tone is the colour of an option: by what its word means, else by its place.
func (c *column) tone(value string) string {
	if known := outcome(value); known != "" {
		return known
	}
	for i, o := range c.Options {
		if o == value {
			return fmt.Sprintf("s%d", i%6)
		}
	}
	return "s5"
}

// clip cuts text to n letters.
func clip(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}
