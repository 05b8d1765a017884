package client

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/portal/internal/schema"
	"github.com/moat-db/moat/portal/internal/text"
)

const (
	perPage = 50
	// maxCount is where counting and paging stop: a page further down is not found by
	// paging but by a filter.
	maxCount = 10_000
	// maxSearch bounds the text searched for.
	maxSearch = 200
	// maxName bounds what people call a list.
	maxName = 60
)

// query is what a list was asked for.
type query struct {
	Search  string
	Filters []condition
	Sort    *schema.Column
	Desc    bool
	Page    int
	Columns []*schema.Column
	Chosen  bool   // the columns are not the usual ones
	View    string // what people call this address
	// Problems are filters that say nothing a column can hold.
	Problems []string
}

// condition is one filter. Op is eq, min, max, has (contains the text) or null.
type condition struct {
	Column *schema.Column
	Op     string
	Value  string
}

// name is the condition's parameter in the address.
func (c condition) name() string {
	if c.Op == "eq" {
		return "f." + c.Column.Name
	}
	return "f." + c.Column.Name + "." + c.Op
}

// possible says whether a column can hold the value.
func (c condition) possible() bool {
	switch c.Op {
	case "null":
		return c.Value == "yes" || c.Value == "no"
	case "has":
		return utf8.ValidString(c.Value) && !strings.ContainsRune(c.Value, 0) && len(c.Value) <= 4*maxSearch
	}
	return c.Column.Accepts(c.Value) || c.Column.Kind == schema.KindMoment && schema.IsDate(c.Value)
}

// parseQuery reads a list's address. What it does not know it leaves out, except a
// filter it cannot obey: showing more than was asked for would be wrong.
func parseQuery(t *schema.Table, form url.Values) query {
	q := query{Search: readable(form.Get("q"), maxSearch), Page: 1, Sort: t.Created, Desc: true}
	q.parseFilters(t, form)
	if c := t.Column(form.Get("sort")); c != nil && c.Sortable() {
		q.Sort, q.Desc = c, form.Get("dir") == "desc"
	}
	if n, err := strconv.Atoi(form.Get("page")); err == nil && n > 1 {
		q.Page = min(n, maxCount/perPage)
	}
	q.choose(t, form["cols"])
	q.View = readable(form.Get("view"), maxName)
	return q
}

// readable is a text of an address that PostgreSQL takes, cut to n letters.
func readable(given string, n int) string {
	given = strings.TrimSpace(text.Clip(given, n))
	return strings.ToValidUTF8(strings.ReplaceAll(given, "\x00", ""), "")
}

func (q *query) parseFilters(t *schema.Table, form url.Values) {
	for _, c := range t.Columns {
		for _, op := range []string{"eq", "min", "max", "has", "null"} {
			one := condition{Column: c, Op: op}
			one.Value = strings.TrimSpace(form.Get(one.name()))
			switch {
			case one.Value == "":
			case one.possible() && slices.Contains(operators(c), op):
				q.Filters = append(q.Filters, one)
			default:
				q.Problems = append(q.Problems, c.Title+" cannot be “"+text.Clip(one.Value, 40)+"”.")
			}
		}
	}
}

// choose takes the columns of those names, or the usual ones.
func (q *query) choose(t *schema.Table, names []string) {
	for _, c := range t.Columns {
		if slices.Contains(names, c.Name) {
			q.Columns, q.Chosen = append(q.Columns, c), true
		}
	}
	usual := t.Listed()
	if !q.Chosen || sameColumns(q.Columns, usual) {
		q.Columns, q.Chosen = usual, false
		return
	}
	// What a row is called stands first, and leads to it.
	if i := slices.Index(q.Columns, t.Label); i > 0 {
		q.Columns = slices.Insert(slices.Delete(q.Columns, i, i+1), 0, t.Label)
	}
}

func sameColumns(a, b []*schema.Column) bool {
	other := func(c *schema.Column) bool { return !slices.Contains(b, c) }
	return len(a) == len(b) && !slices.ContainsFunc(a, other)
}

// values is the address of the query; change alters it, an empty value takes out.
func (q query) values(change ...string) url.Values {
	v := url.Values{}
	if q.Search != "" {
		v.Set("q", q.Search)
	}
	for _, f := range q.Filters {
		v.Set(f.name(), f.Value)
	}
	if q.Sort != nil {
		v.Set("sort", q.Sort.Name)
		v.Set("dir", direction(q.Desc))
	}
	if q.Page > 1 {
		v.Set("page", strconv.Itoa(q.Page))
	}
	if q.Chosen {
		for _, c := range q.Columns {
			v.Add("cols", c.Name)
		}
	}
	if q.View != "" {
		v.Set("view", q.View)
	}
	for i := 0; i+1 < len(change); i += 2 {
		v.Set(change[i], change[i+1])
		if change[i+1] == "" {
			v.Del(change[i])
		}
	}
	return v
}

func direction(desc bool) string {
	if desc {
		return "desc"
	}
	return "asc"
}

// suffix is what values add to an address.
func suffix(v url.Values) string {
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

// value returns what a filter was set to, for the form.
func (q query) value(name string) string {
	for _, f := range q.Filters {
		if f.name() == name {
			return f.Value
		}
	}
	return ""
}

// Value is what a list of values was filtered to, for the form.
func (q query) Value(c *schema.Column) string { return q.value(condition{Column: c, Op: "eq"}.name()) }

// where is the condition of the whole query; without leaves one column's filters out.
func (q query) where(v *Visit, t *schema.Table, a *schema.Arguments, without *schema.Column) string {
	parts := t.TenantWhere(a, v.Tenant)
	for _, f := range q.Filters {
		if f.Column != without {
			parts = append(parts, f.where(t, a, v.Zone))
		}
	}
	if q.Search != "" {
		parts = append(parts, matches(t, a, q.Search))
	}
	if len(q.Problems) > 0 {
		parts = append(parts, "false")
	}
	if len(parts) == 0 {
		return "true"
	}
	return strings.Join(parts, " and ")
}

// matches looks for a text in the columns that hold words, or in the first one.
func matches(t *schema.Table, a *schema.Arguments, search string) string {
	pattern := a.Add(containing(search))
	columns := t.Searched()
	if len(columns) == 0 {
		columns = t.Columns[:1]
	}
	parts := list.Map(columns, func(c *schema.Column) string { return "t." + c.SQL() + "::text ilike " + pattern })
	return "(" + strings.Join(parts, " or ") + ")"
}

// containing is the pattern of texts that contain one.
func containing(part string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(part) + "%"
}

func (c condition) where(t *schema.Table, a *schema.Arguments, zone *time.Location) string {
	name := "t." + c.Column.SQL()
	switch {
	case c.Op == "has" && c.Column.Ref != nil:
		return c.Column.LabelExpression(t, "t") + " ilike " + a.Add(containing(c.Value))
	case c.Op == "has":
		return name + "::text ilike " + a.Add(containing(c.Value))
	case c.Op == "null":
		if c.Value == "no" {
			return name + " is not null"
		}
		return name + " is null"
	}
	operator := map[string]string{"eq": "=", "min": ">=", "max": "<="}[c.Op]
	value := c.Value
	moment := c.Column.Kind == schema.KindMoment || c.Column.Kind == schema.KindLocal
	if day, err := time.ParseInLocation(time.DateOnly, value, zone); err == nil && moment {
		if c.Op == "max" { // the whole day
			day, operator = day.AddDate(0, 0, 1), "<"
		}
		value = day.UTC().Format(time.RFC3339)
		if c.Column.Kind == schema.KindLocal {
			value = day.Format(schema.LocalLayout)
		}
	}
	return name + " " + operator + " " + a.Add(value)
}

// order is the ORDER BY of the query, made total by the key.
func (q query) order(t *schema.Table) string {
	var parts []string
	if q.Sort != nil {
		one := "t." + q.Sort.SQL() + " " + direction(q.Desc)
		if !q.Sort.NotNull {
			one += " nulls last"
		}
		parts = append(parts, one)
	}
	for _, c := range t.Key {
		if c != q.Sort {
			parts = append(parts, "t."+c.SQL()+" "+direction(q.Desc))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " order by " + strings.Join(parts, ", ")
}
