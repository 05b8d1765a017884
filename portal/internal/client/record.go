package client

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/portal/internal/schema"
	"github.com/moat-db/moat/portal/internal/text"
)

// maxChildren is how many rows of another table a record shows.
const maxChildren = 30

// related are the rows of another table that point at a record.
type related struct {
	listing
	Table    *schema.Table
	Timeline []entry // in the place of a table
	All, Add string
	More     bool
}

// entry is a row of a timeline.
type entry struct{ When, Kind, Text cell }

type recordPage struct {
	Table   *schema.Table
	Title   string
	Facts   []cell // short ones
	Prose   []cell
	Status  *statusCell
	Related []related
	Edit    string
	Delete  string
	Key     string
	Saved   bool
}

// record serves a row with what belongs to it.
func (p *Pages) record(w http.ResponseWriter, r *http.Request, v *Visit) error {
	t, err := v.table(r)
	if err != nil {
		return err
	}
	page := &recordPage{Table: t, Saved: r.URL.Query().Has("saved")}
	err = p.read(v, func(tx pgx.Tx) error {
		one, err := v.one(tx, t, r.PathValue("key"), t.Columns)
		if err != nil {
			return err
		}
		page.lay(v, one.row)
		for _, c := range t.Children {
			more, err := v.related(tx, c, schema.SplitKey(one.Key)[0])
			if err != nil {
				return err
			}
			page.Related = append(page.Related, more)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.show(w, r, v, http.StatusOK, "record", page.Title, t, page)
}

// lay lays out a row.
func (g *recordPage) lay(v *Visit, one row) {
	t := g.Table
	for _, c := range one.Cells {
		switch {
		case c.Column == t.Label:
			g.Title = text.Clip(c.Text, 80)
		case c.Column == t.Status:
			g.Status = v.statusCell(t, one.Key, c.Cell)
		case slices.Contains(t.Key, c.Column) && c.Column.Ref == nil:
		case !c.Column.Long():
			g.Facts = append(g.Facts, c)
		case !c.Null && c.Raw != "":
			g.Prose = append(g.Prose, c)
		}
	}
	if g.Title == "" {
		g.Title = t.Singular
	}
	g.Key = one.Key
	if v.MayDelete(t) {
		g.Delete = t.Path() + "/bulk"
	}
	if v.MayChange(t) {
		g.Edit = t.Path() + "/e/" + url.PathEscape(one.Key)
	}
}

// related reads the rows of another table that point at a key: as a timeline where
// they have a time and say something, as a list otherwise.
func (v *Visit) related(tx pgx.Tx, c schema.Child, key string) (related, error) {
	t := c.Table
	out := related{Table: t}
	here := []condition{{Column: c.Column, Op: "eq", Value: key}}
	q := query{Sort: t.Created, Desc: true, Page: 1, Filters: here}
	prose := t.First((*schema.Column).Long)
	timeline := t.Created != nil && prose != nil
	if timeline {
		q.Columns = []*schema.Column{t.Created, prose}
		if t.Source != nil {
			q.Columns = append(q.Columns, t.Source)
		}
	} else {
		q.Columns = relatedColumns(t, c.Column)
	}
	a := &schema.Arguments{}
	sql := "select " + outputs(t, q.Columns, true) + " from " + t.SQL() + " t where " + q.where(v, t, a, nil) +
		q.order(t) +
		" limit " + strconv.Itoa(maxChildren+1)
	rows, err := v.rows(tx, t, q.Columns, sql, a)
	if err != nil {
		return out, err
	}
	if out.More = len(rows) > maxChildren; out.More {
		rows = rows[:maxChildren]
	}
	out.listing = listing{Columns: q.Columns, Rows: rows}
	if timeline {
		out.Timeline = entries(rows)
	}
	out.All = t.Path() + suffix(query{Filters: here, Page: 1}.values())
	if v.MayAdd(t) {
		out.Add = t.Path() + "/new?" + url.Values{c.Column.Name: {key}}.Encode()
	}
	return out, nil
}

// entries are rows of a time, a text and perhaps a kind.
func entries(rows []row) []entry {
	var out []entry
	for _, one := range rows {
		e := entry{When: one.Cells[0], Text: one.Cells[1]}
		if len(one.Cells) > 2 {
			e.Kind = one.Cells[2]
		}
		out = append(out, e)
	}
	return out
}

// relatedColumns are the usual ones without the reference itself, and fewer.
func relatedColumns(t *schema.Table, back *schema.Column) []*schema.Column {
	out := slices.DeleteFunc(t.Listed(), func(c *schema.Column) bool { return c == back })
	return out[:min(5, len(out))]
}
