package client

import (
	"encoding/csv"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/portal/internal/schema"
)

// maxExport is how many rows one file may hold.
const maxExport = 100_000

// export gives what a list was filtered to as CSV. The file is complete before its first
// byte is sent: a short one must not look like a whole one, and how long its reader takes
// is not to be felt at the pool.
func (p *Pages) export(w http.ResponseWriter, r *http.Request, v *Visit) error {
	t, err := v.table(r)
	if err != nil {
		return err
	}
	q := parseQuery(t, r.URL.Query())
	if !q.Chosen {
		q.Columns = t.Columns
	}
	a := &schema.Arguments{}
	sql := "select " + outputs(t, q.Columns, false) + " from " + t.SQL() + " t where " + q.where(v, t, a, nil) +
		q.order(t) +
		" limit " + strconv.Itoa(maxExport)
	out := &file{w: w, table: t, columns: q.Columns}
	err = p.read(v, func(tx pgx.Tx) error {
		err := v.each(tx, sql, a, func(values []*string) error { return out.write(v.row(t, q.Columns, values)) })
		if err != nil {
			return err
		}
		return out.end()
	})
	if err != nil && out.csv != nil {
		p.Gate.ExchangeOf(r).Fail(err)
		return nil
	}
	return err
}

// file is what is written: nothing at all until there is a row, or known to be none.
type file struct {
	w       http.ResponseWriter
	table   *schema.Table
	columns []*schema.Column
	csv     *csv.Writer
}

func (f *file) write(r row) error {
	f.start()
	return f.csv.Write(line(r))
}

func (f *file) end() error {
	f.start()
	f.csv.Flush()
	return f.csv.Error()
}

func (f *file) start() {
	if f.csv != nil {
		return
	}
	f.csv = csv.NewWriter(f.w)
	f.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	f.w.Header().Set("Content-Disposition", `attachment; filename="`+fileName(f.table.Slug)+`.csv"`)
	names := make([]string, len(f.columns))
	for i, c := range f.columns {
		names[i] = c.Name
	}
	_ = f.csv.Write(names) // the writer keeps its error until Flush
}

// fileName keeps what every system takes in the name of a file.
func fileName(slug string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '-'
	}, slug)
}

func line(r row) []string {
	out := make([]string, len(r.Cells))
	for i, c := range r.Cells {
		out[i] = c.Raw
		switch c.Column.Kind {
		case schema.KindText, schema.KindJSON, schema.KindOther:
			out[i] = harmless(c.Raw)
		}
	}
	return out
}

var plainNumber = regexp.MustCompile(`^[+-][\d .()-]+$`)

// harmless keeps a spreadsheet from running a value as a formula. A telephone number
// is none.
func harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) && !plainNumber.MatchString(text) {
		return "'" + text
	}
	return text
}
