package portal

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	perPage = 50
	// maxCount is where counting and paging stop: a page further down is not found by
	// paging but by a filter.
	maxCount = 10_000
	// maxSearch bounds the text searched for.
	maxSearch = 200
)

// arguments collects the values of a statement.
type arguments struct{ values []any }

// add takes a value and returns its placeholder.
func (a *arguments) add(v any) string {
	a.values = append(a.values, v)
	return "$" + strconv.Itoa(len(a.values))
}

// query is what a list was asked for.
type query struct {
	Search  string
	Filters []condition
	Sort    *column
	Desc    bool
	Page    int
	Columns []*column
	Chosen  bool // the columns are not the usual ones
	// Problems are filters that say nothing a column can hold.
	Problems []string
}

// condition is one filter. Op is eq, min, max or null.
type condition struct {
	Column *column
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

// parseQuery reads a list's address. What it does not know it leaves out, except a
// filter it cannot obey: showing more than was asked for would be wrong.
func parseQuery(t *table, form url.Values) query {
	q := query{Search: strings.TrimSpace(clip(form.Get("q"), maxSearch)), Page: 1}
	q.Search = strings.ToValidUTF8(strings.ReplaceAll(q.Search, "\x00", ""), "")
	for _, c := range t.Columns {
		for _, op := range []string{"eq", "min", "max", "null"} {
			one := condition{Column: c, Op: op}
			if one.Value = strings.TrimSpace(form.Get(one.name())); one.Value == "" {
				continue
			}
			if op != "null" && !c.accepts(one.Value) && !(c.kind == kindMoment && isDate(one.Value)) {
				q.Problems = append(q.Problems, c.Title+": "+clip(one.Value, 40)+" cannot be a value of this column.")
				continue
			}
			q.Filters = append(q.Filters, one)
		}
	}
	q.Sort, q.Desc = t.Created, true
	if c := t.Column(form.Get("sort")); c != nil && c.sortable() {
		q.Sort, q.Desc = c, form.Get("dir") == "desc"
	}
	if n, err := strconv.Atoi(form.Get("page")); err == nil && n > 1 {
		q.Page = min(n, maxCount/perPage)
	}
	for _, c := range t.Columns {
		if slices.Contains(form["cols"], c.Name) {
			q.Columns, q.Chosen = append(q.Columns, c), true
		}
	}
	usual := t.Listed()
	if !q.Chosen || sameColumns(q.Columns, usual) {
		q.Columns, q.Chosen = usual, false
		return q
	}
	// What a row is called stands first, and leads to it.
	slices.SortStableFunc(q.Columns, func(a, b *column) int {
		return map[bool]int{true: 0, false: 1}[a == t.Label] - map[bool]int{true: 0, false: 1}[b == t.Label]
	})
	return q
}

func sameColumns(a, b []*column) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(c *column) bool { return !slices.Contains(b, c) })
}

func (c *column) sortable() bool {
	return c.kind != kindJSON && c.kind != kindBytes && c.kind != kindOther
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
func (q query) Value(c *column) string { return q.value(condition{Column: c, Op: "eq"}.name()) }

// where is the condition of the whole query; without leaves one column's filters out.
func (q query) where(t *table, a *arguments, tenant string, zone *time.Location, without *column) string {
	parts := t.tenantWhere(a, tenant)
	for _, f := range q.Filters {
		if f.Column != without {
			parts = append(parts, f.where(a, zone))
		}
	}
	if q.Search != "" {
		pattern := a.add("%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(q.Search) + "%")
		var any []string
		for _, c := range t.Searched() {
			any = append(any, "t."+c.SQL()+"::text ilike "+pattern)
		}
		if len(any) == 0 {
			any = []string{"t." + t.Columns[0].SQL() + "::text ilike " + pattern}
		}
		parts = append(parts, "("+strings.Join(any, " or ")+")")
	}
	if len(q.Problems) > 0 {
		parts = append(parts, "false")
	}
	if len(parts) == 0 {
		return "true"
	}
	return strings.Join(parts, " and ")
}

func (f condition) where(a *arguments, zone *time.Location) string {
	name := "t." + f.Column.SQL()
	if f.Op == "null" {
		if f.Value == "no" {
			return name + " is not null"
		}
		return name + " is null"
	}
	operator := map[string]string{"eq": "=", "min": ">=", "max": "<="}[f.Op]
	value := f.Value
	if day, err := time.ParseInLocation(time.DateOnly, value, zone); err == nil && (f.Column.kind == kindMoment || f.Column.kind == kindLocal) {
		if f.Op == "max" {
			day, operator = day.AddDate(0, 0, 1), "<"
		}
		value = day.UTC().Format(time.RFC3339)
		if f.Column.kind == kindLocal {
			value = day.Format("2006-01-02T15:04:05")
		}
	}
	return name + " " + operator + " " + a.add(value)
}

// order is the ORDER BY of the query, made total by the key.
func (q query) order(t *table) string {
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
