package client

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/schema"
)

// row is a row of a list.
type row struct {
	Path  string // "" where the table has no key
	Place string // where its cells are changed; "" where they are not
	Key   string
	Cells []cell
	// Foreign rows are not the tenant's own: they are shown, and cannot be opened.
	Foreign bool
}

// cell is a value with what a list does with it.
type cell struct {
	schema.Cell
	Minor bool        // left out on small screens
	May   bool        // it may be changed where it stands
	Edit  *statusCell // a status that may be changed where it stands
}

// listing is a table of rows.
type listing struct {
	Columns []*schema.Column
	Rows    []row
	Pick    bool // rows can be picked, to change or delete them
}

// outputs are what is selected: the key, whose row it is where it may be another's, each
// column, and after it what stands beside it.
func outputs(t *schema.Table, columns []*schema.Column, short bool) string {
	out := list.Map(t.Key, func(c *schema.Column) string { return "t." + c.SQL() + "::text" })
	if t.Mixed {
		out = append(out, "t."+sqltext.Ident(t.Tenant)+"::text")
	}
	for _, c := range columns {
		out = append(out, c.Expression("t", short))
		if beside := c.Beside(t, "t"); beside != "" {
			out = append(out, beside)
		}
	}
	if len(out) == 0 {
		return "null::text"
	}
	return strings.Join(out, ", ")
}

// row takes apart what outputs selected.
func (v *Visit) row(t *schema.Table, columns []*schema.Column, values []*string) row {
	var out row
	if len(t.Key) > 0 {
		key := make([]string, len(t.Key))
		for i := range t.Key {
			key[i] = *values[i]
		}
		out.Path, out.Key = t.RowPath(key), schema.JoinKey(key)
	}
	if t.Closed {
		out.Path, out.Key = "", ""
	}
	may := v.changeable(t)
	telling := []*schema.Column{t.Label, t.Status, t.Source, t.Amount, t.Created}
	i := len(t.Key)
	if t.Mixed {
		if owner := values[i]; owner == nil || *owner != v.Tenant {
			out.Foreign, out.Path, out.Key = true, "", ""
		}
		i++
	}
	for _, c := range columns {
		var beside *string
		raw := values[i]
		if i++; c.Beside(t, "t") != "" {
			beside = values[i]
			i++
		}
		one := cell{Cell: c.Cell(raw, beside, v.Zone, v.Locale), Minor: !slices.Contains(telling, c)}
		if c == t.Status && out.Key != "" && c.MayChange && v.Session.ViewAs == nil {
			one.Edit = v.statusCell(t, out.Key, one.Cell)
		}
		one.May = one.Edit == nil && !one.Veiled && slices.Contains(may, c)
		out.Cells = append(out.Cells, one)
	}
	if out.Key != "" && len(may) > 0 {
		out.Place = t.Path() + "/cell/" + url.PathEscape(out.Key)
	}
	return out
}

// each runs fn for each row of text columns that a statement returns.
func (v *Visit) each(tx pgx.Tx, sql string, a *schema.Arguments, fn func(values []*string) error) error {
	rows, err := tx.Query(v, sql, a.Values...)
	if err != nil {
		return err
	}
	return eachOf(rows, fn)
}

// atOnce is how many rows of many are read at once: the server works for a fraction of a
// millisecond, and what else waits for a processor has it in between.
const atOnce = 50

// eachOfMany is each for more rows than a page has.
func (v *Visit) eachOfMany(tx pgx.Tx, sql string, a *schema.Arguments, fn func(values []*string) error) error {
	// All of them are wanted; a cursor is otherwise planned for its first tenth.
	if _, err := tx.Exec(v, "set local cursor_tuple_fraction = 1"); err != nil {
		return err
	}
	if _, err := tx.Exec(v, "declare many no scroll cursor for "+sql, a.Values...); err != nil {
		return err
	}
	for n := atOnce; n == atOnce; {
		// Not prepared: the next cursor of the name has other columns.
		rows, err := tx.Query(v, "fetch "+strconv.Itoa(atOnce)+" from many", pgx.QueryExecModeExec)
		if err != nil {
			return err
		}
		if err := eachOf(rows, fn); err != nil {
			return err
		}
		n = int(rows.CommandTag().RowsAffected())
	}
	_, err := tx.Exec(v, "close many")
	return err
}

// eachOf runs fn for each of rows, and closes them.
func eachOf(rows pgx.Rows, fn func(values []*string) error) error {
	defer rows.Close()
	for rows.Next() {
		values := make([]*string, len(rows.FieldDescriptions()))
		dest := make([]any, len(values))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		if err := fn(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

// rows reads rows of a table by a statement that selects its outputs.
func (v *Visit) rows(tx pgx.Tx, t *schema.Table, columns []*schema.Column, sql string, a *schema.Arguments) ([]row,
	error) {
	var out []row
	err := v.each(tx, sql, a, func(values []*string) error {
		out = append(out, v.row(t, columns, values))
		return nil
	})
	return out, err
}

// page reads the rows of a page of a query.
func (v *Visit) page(tx pgx.Tx, t *schema.Table, q query) ([]row, error) {
	return v.some(tx, t, q, perPage)
}

// some reads rows of a query, at most so many.
func (v *Visit) some(tx pgx.Tx, t *schema.Table, q query, most int) ([]row, error) {
	a := &schema.Arguments{}
	inner := "select " + t.Readable("t") + " from " + t.SQL() + " t where " + q.where(v, t, a, nil) + q.order(t) +
		" limit " + strconv.Itoa(most) + " offset " + strconv.Itoa((q.Page-1)*perPage)
	return v.rows(tx, t, q.Columns, "select "+outputs(t, q.Columns, true)+" from ("+inner+") t"+q.order(t), a)
}

// single is one row with the version that a change is checked against.
type single struct {
	row
	Version string
}

// one reads one row by its key; it is not found when the tenant has none such.
func (v *Visit) one(tx pgx.Tx, t *schema.Table, key string, columns []*schema.Column) (single, error) {
	a := &schema.Arguments{}
	where, ok := t.KeyWhere(a, v.Tenant, key)
	if !ok {
		return single{}, frame.ErrNotFound
	}
	var out single
	sql := "select t.xmin::text, " + outputs(t, columns, false) + " from " + t.SQL() + " t where " + where
	err := v.each(tx, sql, a, func(values []*string) error {
		out = single{v.row(t, columns, values[1:]), *values[0]}
		return nil
	})
	if err == nil && out.Version == "" {
		err = frame.ErrNotFound
	}
	return out, err
}
