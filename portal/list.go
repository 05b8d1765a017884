package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// row is a row of a list.
type row struct {
	Path  string // "" where the table has no key
	Key   string
	Cells []cell
}

// tab is one value of the status with how many rows have it.
type tab struct {
	Title, Tone, Href string
	Count             int64
	On                bool
}

// choice is one option of a form's select.
type choice struct {
	Value, Title string
	On           bool
}

// chooser is a select of the filters.
type chooser struct {
	Name, Title string
	Choices     []choice
	On          bool
}

// span is a filter of two ends.
type span struct {
	Column           *column
	Min, Max         string
	MinName, MaxName string
	Input, Step      string
}

type listPage struct {
	Table    *table
	Query    query
	Rows     []row
	Count    int64
	More     bool // there are more than were counted
	Tabs     []tab
	Choosers []chooser
	Spans    []span
	Filtered int // how many filters are on, the status aside
	Columns  []choice
	Sorts    map[string]string
	Export   string
	Clear    string
	First    int
	Last     int
	Prev     string
	Next     string
	Deep     bool
	Base     string // the list's own address
}

func (p *Portal) table(r *http.Request, v *visit) (*table, error) {
	t, ok := v.schema.find(r.PathValue("table"))
	if !ok {
		return nil, errNotFound
	}
	return t, nil
}

// list serves a table.
func (p *Portal) list(w http.ResponseWriter, r *http.Request, v *visit) error {
	t, err := p.table(r, v)
	if err != nil {
		return err
	}
	q := parseQuery(t, r.URL.Query())
	page := &listPage{Table: t, Query: q, Base: t.Path()}
	err = p.read(v, func(tx pgx.Tx) error {
		if err := page.load(v, tx); err != nil {
			return err
		}
		return page.loadChoosers(v, tx)
	})
	if err != nil {
		return err
	}
	page.finish()
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Push-Url", page.href()) // without what is empty or usual
	}
	out := p.clientPage(r, v, t.Title, t.Slug)
	out.Data = page
	return p.render(w, http.StatusOK, "list", out)
}

// load reads the rows, their number and the numbers of each status.
func (l *listPage) load(v *visit, tx pgx.Tx) error {
	var err error
	if l.Rows, err = l.rows(v, tx); err != nil {
		return err
	}
	a := &arguments{}
	where := l.Query.where(l.Table, a, string(v.tenant), v.zone, nil)
	sql := "select count(*) from (select 1 from " + l.Table.SQL() + " t where " + where + " limit " + strconv.Itoa(maxCount*10+1) + ") c"
	if err := tx.QueryRow(v, sql, a.values...).Scan(&l.Count); err != nil {
		return err
	}
	if l.Count > maxCount*10 {
		l.Count, l.More = maxCount*10, true
	}
	return l.tabs(v, tx)
}

func (l *listPage) rows(v *visit, tx pgx.Tx) ([]row, error) {
	t, q := l.Table, l.Query
	a := &arguments{}
	inner := "select t.* from " + t.SQL() + " t where " + q.where(t, a, string(v.tenant), v.zone, nil) + q.order(t) +
		" limit " + strconv.Itoa(perPage) + " offset " + strconv.Itoa((q.Page-1)*perPage)
	rows, err := tx.Query(v, "select "+strings.Join(t.outputs(q.Columns, true), ", ")+" from ("+inner+") t"+q.order(t), a.values...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []row
	for rows.Next() {
		values, err := texts(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, t.row(q.Columns, values, v))
		if q.Chosen { // all of them were asked for
			for i := range out[len(out)-1].Cells {
				out[len(out)-1].Cells[i].Minor = false
			}
		}
	}
	return out, rows.Err()
}

// outputs are what is selected: the key, each column, and after it what a referenced
// row is called.
func (t *table) outputs(columns []*column, short bool) []string {
	var out []string
	for _, c := range t.Key {
		out = append(out, "t."+c.SQL()+"::text")
	}
	for _, c := range columns {
		out = append(out, c.expression("t", short))
		if c.Ref != nil {
			out = append(out, c.labelExpression(t, "t"))
		}
	}
	if len(out) == 0 {
		out = []string{"null::text"}
	}
	return out
}

// row takes apart what outputs selected.
func (t *table) row(columns []*column, values []*string, v *visit) row {
	var out row
	if len(t.Key) > 0 {
		key := make([]string, len(t.Key))
		for i := range t.Key {
			key[i] = *values[i]
		}
		out.Path, out.Key = t.rowPath(key), joinKey(key)
	}
	i := len(t.Key)
	for _, c := range columns {
		var label *string
		raw := values[i]
		if i++; c.Ref != nil {
			label = values[i]
			i++
		}
		one := c.cell(raw, label, v.zone)
		one.Minor = !containsColumn([]*column{t.Label, t.Status, t.Source, t.Amount, t.Created}, c)
		if c == t.Status && out.Key != "" && c.MayChange && v.session.viewAs == nil {
			one.Edit = t.statusCell(out.Key, "", one, v)
		}
		out.Cells = append(out.Cells, one)
	}
	return out
}

// texts reads a row of text columns.
func texts(rows pgx.Rows) ([]*string, error) {
	values := make([]*string, len(rows.FieldDescriptions()))
	dest := make([]any, len(values))
	for i := range values {
		dest[i] = &values[i]
	}
	return values, rows.Scan(dest...)
}

// tabs counts the rows of each status under the other filters.
func (l *listPage) tabs(v *visit, tx pgx.Tx) error {
	status := l.Table.Status
	if status == nil || l.Table.Rows > 500_000 {
		return nil
	}
	a := &arguments{}
	sql := "select t." + status.SQL() + "::text, count(*) from " + l.Table.SQL() + " t where " +
		l.Query.where(l.Table, a, string(v.tenant), v.zone, status) + " group by 1"
	rows, err := tx.Query(v, sql, a.values...)
	if err != nil {
		return err
	}
	counts := map[string]int64{}
	var name *string
	var n, all int64
	if _, err := pgx.ForEachRow(rows, []any{&name, &n}, func() error {
		all += n
		if name != nil {
			counts[*name] = n
		}
		return nil
	}); err != nil {
		return err
	}
	param := condition{Column: status, Op: "eq"}.name()
	on := l.Query.value(param)
	l.Tabs = append(l.Tabs, tab{Title: "All", Count: all, On: on == "", Href: l.href(param, "", "page", "")})
	for _, o := range status.Options {
		l.Tabs = append(l.Tabs, tab{Title: optionTitle(o), Tone: status.tone(o), Count: counts[o], On: on == o, Href: l.href(param, o, "page", "")})
	}
	return nil
}

// href is the list's address with changes.
func (l *listPage) href(change ...string) string { return l.Base + suffix(l.Query.values(change...)) }

func suffix(v url.Values) string {
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

// finish works out what needs no database.
func (l *listPage) finish() {
	q := l.Query
	l.First, l.Last = (q.Page-1)*perPage+1, (q.Page-1)*perPage+len(l.Rows)
	if q.Page > 1 {
		l.Prev = l.href("page", strconv.Itoa(q.Page-1))
	}
	if int64(l.Last) < l.Count {
		l.Next = l.href("page", strconv.Itoa(q.Page+1))
	}
	if q.Page >= maxCount/perPage && l.Next != "" {
		l.Next, l.Deep = "", true
	}
	l.Export = l.Table.Path() + "/export" + suffix(q.values("page", ""))
	l.Clear = l.Table.Path()
	l.Sorts = map[string]string{}
	for _, c := range q.Columns {
		if c.sortable() {
			desc := c == q.Sort && !q.Desc || c != q.Sort && (c.Numeric() || c.kind == kindMoment)
			l.Sorts[c.Name] = l.href("sort", c.Name, "dir", direction(desc), "page", "")
		}
	}
	for _, c := range l.Table.Columns {
		l.Columns = append(l.Columns, choice{Value: c.Name, Title: c.Title, On: containsColumn(q.Columns, c)})
	}
	for _, f := range q.Filters {
		if f.Column != l.Table.Status {
			l.Filtered++
		}
	}
}

func containsColumn(list []*column, one *column) bool { return slices.Contains(list, one) }
