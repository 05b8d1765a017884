package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/schema"
	"github.com/moat-db/moat/portal/internal/text"
)

// maxBulk is how many rows can be changed or deleted together.
const maxBulk = 10_000

// picker lets people pick rows of a list to change or delete them.
type picker struct {
	Post, Query string
	Columns     []*schema.Column // that can be changed
	Delete      bool
	All         int64 // how many match; zero where nobody knows, or they are too many
}

func (v *Visit) picker(l *listPage) *picker {
	t := l.Table
	p := &picker{Post: t.Path() + "/bulk", Query: l.Query.values("page", "").Encode(), Columns: v.changeable(t),
		Delete: v.MayDelete(t)}
	if len(t.Key) == 0 || len(l.Rows) == 0 || len(p.Columns) == 0 && !p.Delete {
		return nil
	}
	if !l.Beyond && !l.Cut && l.Count <= maxBulk && l.Count > int64(len(l.Rows)) {
		p.All = l.Count
	}
	return p
}

// MayDelete says whether a page offers to delete rows.
func (v *Visit) MayDelete(t *schema.Table) bool { return t.MayDelete && v.Session.ViewAs == nil }

// changeable are the columns that may be changed where they stand.
func (v *Visit) changeable(t *schema.Table) []*schema.Column {
	if !v.MayChange(t) {
		return nil
	}
	return settable(t, false)
}

// bulkPage asks whether many rows are to be changed or deleted, and says how many.
type bulkPage struct {
	Table   *schema.Table
	Delete  bool
	Count   int64
	Names   []string
	More    int64
	Gone    []string // tables whose rows go with them
	Field   *field   // the new value
	Keys    []string
	All     bool
	Query   string
	Post    string
	Cancel  string
	Problem string

	column *schema.Column
	parsed query
}

// What the number of rows is with its noun: "37 leads".
func (b *bulkPage) What() string { return counted(b.Table, b.Count) }

func counted(t *schema.Table, n int64) string {
	if n == 1 {
		return "1 " + text.Lower(t.Singular)
	}
	return text.British().Count(n) + " " + text.Lower(t.Title)
}

// bulk asks, and once the number of rows was confirmed, acts.
func (p *Pages) bulk(w http.ResponseWriter, r *http.Request, v *Visit) error {
	t, err := v.table(r)
	if err != nil {
		return err
	}
	b, err := v.readBulk(t, r)
	if err != nil {
		return err
	}
	if r.PostForm.Has("confirmed") {
		done, err := p.act(v, b, r)
		if err != nil || done {
			if err == nil {
				err = frame.Elsewhere(b.back())
			}
			return err
		}
	}
	if err := p.read(v, func(tx pgx.Tx) error { return v.look(tx, b) }); err != nil {
		return err
	}
	status := http.StatusOK
	if b.Problem != "" {
		status = http.StatusUnprocessableEntity
	}
	title := "Change " + b.What()
	if b.Delete {
		title = "Delete " + b.What()
	}
	return p.show(w, r, v, status, "bulk", title, t, b)
}

// readBulk reads what is asked for; what may not be done is not found.
func (v *Visit) readBulk(t *schema.Table, r *http.Request) (*bulkPage, error) {
	if err := r.ParseForm(); err != nil {
		return nil, frame.ErrNotFound
	}
	values, _ := url.ParseQuery(r.PostForm.Get("query")) // as far as it can be read
	b := &bulkPage{Table: t, Delete: r.PostForm.Get("act") == "delete", Keys: r.PostForm["key"],
		All: r.PostForm.Get("all") != "", Post: t.Path() + "/bulk", parsed: parseQuery(t, values)}
	b.Query = b.parsed.values("page", "").Encode()
	b.Cancel = t.Path() + suffix(b.parsed.values())
	if from := r.PostForm.Get("from"); from == "row" && len(b.Keys) == 1 {
		b.Cancel = t.RowPath(schema.SplitKey(b.Keys[0]))
	}
	if b.Delete {
		if !v.MayDelete(t) {
			return nil, frame.ErrNotFound
		}
		b.Gone = t.GoWith()
		return b, nil
	}
	b.column = t.Column(r.PostForm.Get("column"))
	if b.column == nil || !slices.Contains(v.changeable(t), b.column) {
		return nil, frame.ErrNotFound
	}
	one := newField(b.column, r.PostForm.Get(b.column.Name), "", v.Zone)
	b.Field = &one
	return b, nil
}

// where is the condition of the rows that were picked: the tenant's own only.
func (b *bulkPage) where(v *Visit, a *schema.Arguments) (string, error) {
	own := strings.Join(b.Table.OwnWhere(a, v.Tenant), " and ")
	if own == "" {
		own = "true"
	}
	if b.All {
		return own + " and " + b.parsed.where(v, b.Table, a, nil), nil
	}
	if len(b.Keys) == 0 || len(b.Keys) > perPage {
		return "", &frame.Refusal{Status: http.StatusUnprocessableEntity, Title: "Nothing is selected",
			Hint: "Go back and select the rows that you mean."}
	}
	var parts []string
	for _, key := range b.Keys {
		one, ok := b.Table.KeyWhere(a, v.Tenant, key)
		if !ok {
			return "", frame.ErrNotFound
		}
		parts = append(parts, "("+one+")")
	}
	return own + " and (" + strings.Join(parts, " or ") + ")", nil
}

// look counts the rows, and reads what the first ones are called.
func (v *Visit) look(tx pgx.Tx, b *bulkPage) error {
	const named = 8
	a := &schema.Arguments{}
	where, err := b.where(v, a)
	if err != nil {
		return err
	}
	sql := "select count(*) from (select 1 from " + b.Table.SQL() + " t where " + where + " limit " +
		strconv.Itoa(maxBulk+1) + ") c"
	if err := tx.QueryRow(v, sql, a.Values...).Scan(&b.Count); err != nil {
		return err
	}
	switch {
	case b.Count > maxBulk:
		return &frame.Refusal{Status: http.StatusUnprocessableEntity, Title: "These are too many at once",
			Hint: "At most " + text.British().Count(maxBulk) + " can be changed together. Use one more filter."}
	case b.Count == 0:
		return &frame.Refusal{Status: http.StatusNotFound, Title: "There is nothing left to change",
			Hint: "What you selected is not there any more."}
	}
	if b.Field != nil && b.column.Ref != nil {
		choices, err := v.choices(tx, b.column.Ref)
		if err != nil {
			return err
		}
		b.Field.refer(choices)
	}
	columns := []*schema.Column{b.Table.Label}
	a = &schema.Arguments{}
	where, _ = b.where(v, a)
	rows, err := v.rows(tx, b.Table, columns, "select "+outputs(b.Table, columns, true)+" from "+b.Table.SQL()+
		" t where "+where+" limit "+strconv.Itoa(named), a)
	b.Names = append(b.Names, list.Map(rows, func(one row) string { return text.Clip(one.Cells[0].Text, 60) })...)
	b.More = b.Count - int64(len(rows))
	return err
}

// errCount says that there are not as many rows as were confirmed.
var errCount = errors.New("the number of rows has changed")

// act does what was confirmed, to exactly as many rows as were.
func (p *Pages) act(v *Visit, b *bulkPage, r *http.Request) (done bool, err error) {
	want, err := strconv.ParseInt(r.PostForm.Get("confirmed"), 10, 64)
	if err != nil || want < 1 || want > maxBulk {
		return false, frame.ErrNotFound
	}
	a := &schema.Arguments{}
	sql := "delete from " + b.Table.SQL() + " t where "
	if !b.Delete {
		value := normalize(b.column, r.PostForm.Get(b.column.Name), v.Zone)
		if b.Problem = b.column.Problem(value); b.Problem != "" {
			b.Field.Problem = b.Problem
			return false, nil
		}
		sql = "update " + b.Table.SQL() + " t set " + b.column.SQL() + " = " + a.Add(stored(b.column, value)) + " where "
	}
	where, err := b.where(v, a)
	if err != nil {
		return false, err
	}
	err = p.write(v, func(tx pgx.Tx) error {
		tag, err := tx.Exec(v, sql+where, a.Values...)
		if err == nil && tag.RowsAffected() != want {
			return errCount
		}
		return err
	})
	b.Count = want
	b.Problem = b.refused(err)
	if b.Problem != "" {
		return false, nil
	}
	return err == nil, err
}

// refused is why nothing was done, "" where that is no matter of the rows.
func (b *bulkPage) refused(err error) string {
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, errCount):
		return "The number of rows has changed since you looked, so nothing was done. This is what there is now."
	case b.Delete && errors.As(err, &pg) && (pg.Code == "23503" || pg.Code == "23001"):
		return "Other rows still refer to them, so nothing was deleted."
	}
	if problems := problemsOf(b.Table, err); len(problems) > 0 {
		return problems.first() + " Nothing was changed."
	}
	return ""
}

// back is where it goes on, with what was done.
func (b *bulkPage) back() string {
	what := "changed"
	if b.Delete {
		what = "deleted"
	}
	return b.Table.Path() + suffix(b.parsed.values(what, strconv.FormatInt(b.Count, 10)))
}

// done is what an address says was done.
func done(t *schema.Table, form url.Values) string {
	for _, what := range []string{"changed", "deleted"} {
		if n, err := strconv.ParseInt(form.Get(what), 10, 64); err == nil && n > 0 && n <= maxBulk {
			return fmt.Sprintf("%s %s.", counted(t, n), what)
		}
	}
	return ""
}

// Going says which rows go with those that are deleted.
func (b *bulkPage) Going() string { return english.And(b.Gone) }
