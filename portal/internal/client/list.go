package client

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/list"
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
	Beyond   bool // there are more than were counted
	Cut      bool // counting took too long
	Stopped  bool // finding the rows did
	Tabs     []tab
	Filters  []filter
	More     []filter // of the columns that people filter by less
	Chips    []chip
	Views    []tab
	Bulk     *picker
	Notice   string
	Filtered int // how many filters are on, the status aside
	Columns  []choice
	Sorts    map[string]string
	Export   string
	TooMany  bool // for one file
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
		return page.loadFilters(v, tx)
	})
	if err != nil {
		return err
	}
	page.finish(v, r)
	if v.MayAdd(t) {
		page.NewPath = t.Path() + "/new"
	}
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Push-Url", page.href()) // without what is empty or usual
	}
	title := t.Title
	if page.Query.View != "" {
		title = page.Query.View + " · " + title
	}
	return p.show(w, r, v, http.StatusOK, "list", title, t, page)
}

// load reads the rows, their number and the numbers of each status.
func (l *listPage) load(v *Visit, tx pgx.Tx) error {
	var err error
	l.Stopped, err = within(v, tx, rowsTime, func(tx pgx.Tx) (err error) {
		l.Rows, err = v.page(tx, l.Table, l.Query)
		return err
	})
	if err != nil || l.Stopped {
		return err
	}
	counted := int64(-1)
	l.Cut, err = within(v, tx, countTime, func(tx pgx.Tx) (err error) {
		if counted, err = l.count(v, tx); err != nil {
			return err
		}
		return l.tabs(v, tx)
	})
	if l.Count = counted; counted < 0 {
		l.Count, l.Beyond = int64((l.Query.Page-1)*perPage+len(l.Rows)), len(l.Rows) == perPage
	}
	if l.Cut {
		l.addTabs(nil, -1)
	}
	return err
}

// maxCounted is where counting ends.
const maxCounted = maxCount * 10

func (l *listPage) count(v *Visit, tx pgx.Tx) (n int64, err error) {
	a := &schema.Arguments{}
	sql := "select count(*) from (select 1 from " + l.Table.SQL() + " t where " + l.Query.where(v, l.Table, a, nil) +
		" limit " + strconv.Itoa(maxCounted+1) + ") c"
	if err := tx.QueryRow(v, sql, a.Values...).Scan(&n); err != nil {
		return -1, err
	}
	if n > maxCounted {
		n, l.Beyond = maxCounted, true
	}
	return n, nil
}

// tabs counts the rows of each status under the other filters.
func (l *listPage) tabs(v *Visit, tx pgx.Tx) error {
	status := l.Table.Status
	if status == nil || l.Table.Rows > 500_000 {
		return nil
	}
	a := &schema.Arguments{}
	rows, _ := tx.Query(v, "select t."+status.SQL()+"::text, count(*) from "+l.Table.SQL()+" t where "+
		l.Query.where(v, l.Table, a, status)+" group by 1", a.Values...)
	counts := map[string]int64{}
	var name *string
	var n, all int64
	_, err := pgx.ForEachRow(rows, []any{&name, &n}, func() error {
		all += n
		if name != nil {
			counts[*name] = n
		}
		return nil
	})
	l.addTabs(counts, all)
	return err
}

// addTabs adds a tab for each status; all is negative where nobody counted.
func (l *listPage) addTabs(counts map[string]int64, all int64) {
	status := l.Table.Status
	if status == nil {
		return
	}
	l.Tabs = nil
	param := condition{Column: status, Op: "eq"}.name()
	on := l.Query.value(param)
	add := func(value, title, tone string, n int64) {
		href := l.href(param, value, "page", "")
		if all < 0 {
			n = -1
		}
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
func (l *listPage) Listing() listing {
	return listing{Columns: l.Query.Columns, Rows: l.Rows, Pick: l.Bulk != nil}
}

// finish works out what needs no database.
func (l *listPage) finish(v *Visit, r *http.Request) {
	q := l.Query
	l.Notice = done(l.Table, r.URL.Query())
	l.Bulk = v.picker(l)
	l.Views = append(l.Views, list.Map(l.Table.Views, l.view)...)
	l.pager()
	l.Export = l.Table.Path() + "/export" + suffix(q.values("page", ""))
	l.TooMany = l.Beyond && l.Count >= maxExport
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
	l.Filtered = len(l.Chips)
	for _, r := range l.Rows {
		for i := range r.Cells {
			r.Cells[i].Minor = r.Cells[i].Minor && !q.Chosen
		}
	}
}

// view is a list that the configuration names.
func (l *listPage) view(one schema.NamedView) tab {
	values, _ := url.ParseQuery(one.Query) // as far as it can be read
	q := parseQuery(l.Table, values)
	q.View = one.Name
	return tab{Title: one.Name, Href: l.Table.Path() + suffix(q.values()), On: l.Query.View == one.Name}
}

// pager says which rows these are, and where the pages beside this one are.
func (l *listPage) pager() {
	page := l.Query.Page
	l.First, l.Last = (page-1)*perPage+1, (page-1)*perPage+len(l.Rows)
	if page > 1 {
		l.Prev = l.href("page", strconv.Itoa(page-1))
	}
	if int64(l.Last) < l.Count || l.Cut && l.Beyond {
		l.Next = l.href("page", strconv.Itoa(page+1))
	}
	if page >= maxCount/perPage && l.Next != "" {
		l.Next, l.Deep = "", true
	}
}
