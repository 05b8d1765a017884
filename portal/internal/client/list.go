package client

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/portal/internal/schema"
)

// tab is one value of the status with how many rows have it, or one of a switch.
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

type listPage struct {
	Table    *schema.Table
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
	First    int
	Last     int
	Prev     string
	Next     string
	Deep     bool
	NewPath  string
}

// list serves a table.
func (p *Pages) list(w http.ResponseWriter, r *http.Request, v *Visit) error {
	t, err := v.table(r)
	if err != nil {
		return err
	}
	if t.Settings {
		return p.settings(w, r, v, t)
	}
	page := &listPage{Table: t, Query: parseQuery(t, r.URL.Query())}
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
	if v.MayAdd(t) {
		page.NewPath = t.Path() + "/new"
	}
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Push-Url", page.href()) // without what is empty or usual
	}
	return p.show(w, r, v, http.StatusOK, "list", t.Title, t, page)
}

// load reads the rows, their number and the numbers of each status.
func (l *listPage) load(v *Visit, tx pgx.Tx) error {
	var err error
	if l.Rows, err = v.page(tx, l.Table, l.Query); err != nil {
		return err
	}
	const most = maxCount * 10
	a := &schema.Arguments{}
	sql := "select count(*) from (select 1 from " + l.Table.SQL() + " t where " + l.Query.where(v, l.Table, a, nil) +
		" limit " + strconv.Itoa(most+1) + ") c"
	if err := tx.QueryRow(v, sql, a.Values...).Scan(&l.Count); err != nil {
		return err
	}
	if l.Count > most {
		l.Count, l.More = most, true
	}
	return l.tabs(v, tx)
}

// tabs counts the rows of each status under the other filters.
func (l *listPage) tabs(v *Visit, tx pgx.Tx) error {
	status := l.Table.Status
	if status == nil || l.Table.Rows > 500_000 {
		return nil
	}
	a := &schema.Arguments{}
	rows, err := tx.Query(v, "select t."+status.SQL()+"::text, count(*) from "+l.Table.SQL()+" t where "+
		l.Query.where(v, l.Table, a, status)+" group by 1", a.Values...)
	if err != nil {
		return err
	}
	counts := map[string]int64{}
	var name *string
	var n, all int64
	_, err = pgx.ForEachRow(rows, []any{&name, &n}, func() error {
		all += n
		if name != nil {
			counts[*name] = n
		}
		return nil
	})
	l.addTabs(counts, all)
	return err
}

func (l *listPage) addTabs(counts map[string]int64, all int64) {
	status := l.Table.Status
	param := condition{Column: status, Op: "eq"}.name()
	on := l.Query.value(param)
	add := func(value, title, tone string, n int64) {
		href := l.href(param, value, "page", "")
		l.Tabs = append(l.Tabs, tab{Title: title, Tone: tone, Count: n, On: on == value, Href: href})
	}
	add("", "All", "", all)
	for _, o := range status.Options {
		add(o, schema.OptionTitle(o), status.Tone(o), counts[o])
	}
}

// href is the list's address with changes.
func (l *listPage) href(change ...string) string {
	return l.Table.Path() + suffix(l.Query.values(change...))
}

// Listing is the table of the rows. All the columns that were asked for are shown on
// small screens too.
func (l *listPage) Listing() listing { return listing{l.Query.Columns, l.Rows} }

// finish works out what needs no database.
func (l *listPage) finish() {
	q := l.Query
	l.pager()
	l.Export = l.Table.Path() + "/export" + suffix(q.values("page", ""))
	l.Sorts = map[string]string{}
	for _, c := range q.Columns {
		if c.Sortable() {
			desc := c == q.Sort && !q.Desc || c != q.Sort && (c.Numeric() || c.Kind == schema.KindMoment)
			l.Sorts[c.Name] = l.href("sort", c.Name, "dir", direction(desc), "page", "")
		}
	}
	for _, c := range l.Table.Columns {
		l.Columns = append(l.Columns, choice{Value: c.Name, Title: c.Title, On: slices.Contains(q.Columns, c)})
	}
	for _, f := range q.Filters {
		if f.Column != l.Table.Status {
			l.Filtered++
		}
	}
	for _, r := range l.Rows {
		for i := range r.Cells {
			r.Cells[i].Minor = r.Cells[i].Minor && !q.Chosen
		}
	}
}

// pager says which rows these are, and where the pages beside this one are.
func (l *listPage) pager() {
	page := l.Query.Page
	l.First, l.Last = (page-1)*perPage+1, (page-1)*perPage+len(l.Rows)
	if page > 1 {
		l.Prev = l.href("page", strconv.Itoa(page-1))
	}
	if int64(l.Last) < l.Count {
		l.Next = l.href("page", strconv.Itoa(page+1))
	}
	if page >= maxCount/perPage && l.Next != "" {
		l.Next, l.Deep = "", true
	}
}
