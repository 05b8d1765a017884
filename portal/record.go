package portal

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// maxChildren is how many rows of another table a record shows.
const maxChildren = 30

// related are the rows of another table that point at a record.
type related struct {
	Table    *table
	Column   *column
	Rows     []row
	Timeline bool
	Entries  []entry
	All, Add string
	More     bool
}

// entry is a row of a timeline.
type entry struct {
	When, Kind, Text cell
	Path             string
}

type recordPage struct {
	Table   *table
	Title   string
	Row     row
	Facts   []cell // short ones
	Prose   []cell
	Status  *statusCell
	Related []related
	Edit    string
	Saved   bool
}

// record serves a row with what belongs to it.
func (p *Portal) record(w http.ResponseWriter, r *http.Request, v *visit) error {
	t, err := p.table(r, v)
	if err != nil {
		return err
	}
	page := &recordPage{Table: t, Saved: r.URL.Query().Has("saved")}
	err = p.read(v, func(tx pgx.Tx) error {
		if err := page.load(v, tx, r.PathValue("key")); err != nil {
			return err
		}
		for _, c := range t.Children {
			if err := page.relate(v, tx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	out := p.clientPage(r, v, page.Title, t.Slug)
	out.Data = page
	return p.render(w, http.StatusOK, "record", out)
}

// load reads the row.
func (g *recordPage) load(v *visit, tx pgx.Tx, key string) error {
	t := g.Table
	one, err := t.one(v, tx, key, t.Columns)
	if err != nil {
		return err
	}
	g.Row = one.row
	for _, c := range g.Row.Cells {
		switch {
		case c.Column == t.Label:
			g.Title = clip(c.Text, 80)
		case c.Column == t.Status:
			g.Status = t.statusCell(one.Key, one.Version, c, v)
		case containsColumn(t.Key, c.Column) && c.Column.Ref == nil:
		case c.Column.Long():
			if !c.Null && c.Raw != "" {
				g.Prose = append(g.Prose, c)
			}
		default:
			g.Facts = append(g.Facts, c)
		}
	}
	if g.Title == "" {
		g.Title = t.Singular
	}
	if t.MayChange && v.session.viewAs == nil {
		g.Edit = t.Path() + "/e/" + url.PathEscape(one.Key)
	}
	return nil
}

// single is one row with the version that a change is checked against.
type single struct {
	row
	Version string
}

// one reads one row by its key; pgx.ErrNoRows when the tenant has none such.
func (t *table) one(v *visit, tx pgx.Tx, key string, columns []*column) (single, error) {
	a := &arguments{}
	where, ok := t.keyWhere(a, string(v.tenant), key)
	if !ok {
		return single{}, errNotFound
	}
	rows, err := tx.Query(v, "select t.xmin::text, "+strings.Join(t.outputs(columns, false), ", ")+" from "+t.SQL()+" t where "+where, a.values...)
	if err != nil {
		return single{}, err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return single{}, err
		}
		return single{}, pgx.ErrNoRows
	}
	values, err := texts(rows)
	if err != nil {
		return single{}, err
	}
	out := single{row: t.row(columns, values[1:], v), Version: *values[0]}
	rows.Close()
	return out, rows.Err()
}

// relate reads the rows of another table that point at this one: as a timeline where
// they have a time and say something, as a list otherwise.
func (g *recordPage) relate(v *visit, tx pgx.Tx, c child) error {
	t := c.Table
	out := related{Table: t, Column: c.Column}
	key := splitKey(g.Row.Key)[0]
	q := query{Sort: t.Created, Desc: true, Page: 1, Columns: relatedColumns(t, c.Column),
		Filters: []condition{{Column: c.Column, Op: "eq", Value: key}}}
	text := t.pick((*column).Long)
	if out.Timeline = t.Created != nil && text != nil; out.Timeline {
		q.Columns = []*column{t.Created, text}
		if t.Source != nil {
			q.Columns = append(q.Columns, t.Source)
		}
	}
	a := &arguments{}
	where := q.where(t, a, string(v.tenant), v.zone, nil)
	rows, err := tx.Query(v, "select "+strings.Join(t.outputs(q.Columns, true), ", ")+" from "+t.SQL()+" t where "+where+q.order(t)+
		" limit "+strconv.Itoa(maxChildren+1), a.values...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		values, err := texts(rows)
		if err != nil {
			return err
		}
		out.Rows = append(out.Rows, t.row(q.Columns, values, v))
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if out.More = len(out.Rows) > maxChildren; out.More {
		out.Rows = out.Rows[:maxChildren]
	}
	if out.Timeline {
		out.entries()
	}
	out.All = t.Path() + suffix(query{Filters: q.Filters, Page: 1}.values())
	if t.MayAdd && v.session.viewAs == nil {
		out.Add = t.Path() + "/new?" + url.Values{c.Column.Name: {key}}.Encode()
	}
	g.Related = append(g.Related, out)
	return nil
}

func (r *related) entries() {
	for _, one := range r.Rows {
		e := entry{When: one.Cells[0], Text: one.Cells[1], Path: one.Path}
		if len(one.Cells) > 2 {
			e.Kind = one.Cells[2]
		}
		r.Entries = append(r.Entries, e)
	}
}

// columns are those of the rows that are there.
func (r related) columns() []*column {
	var out []*column
	if len(r.Rows) > 0 {
		for _, c := range r.Rows[0].Cells {
			out = append(out, c.Column)
		}
	}
	return out
}

// relatedColumns are the usual ones without the reference itself, and fewer.
func relatedColumns(t *table, back *column) []*column {
	var out []*column
	for _, c := range t.Listed() {
		if c != back && len(out) < 5 {
			out = append(out, c)
		}
	}
	return out
}
