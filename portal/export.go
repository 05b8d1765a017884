package portal

import (
	"encoding/csv"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// maxExport is how many rows one file may hold.
const maxExport = 100_000

// export streams what a list was filtered to as CSV. A failure after the first row can
// only cut the connection: a short file must not look like a whole one.
func (p *Portal) export(w http.ResponseWriter, r *http.Request, v *visit) error {
	t, err := p.table(r, v)
	if err != nil {
		return err
	}
	q := parseQuery(t, r.URL.Query())
	if !q.Chosen {
		q.Columns = t.Columns
	}
	started := false
	err = p.read(v, func(tx pgx.Tx) error {
		a := &arguments{}
		sql := "select " + strings.Join(t.outputs(q.Columns, false), ", ") + " from " + t.SQL() + " t where " +
			q.where(t, a, string(v.tenant), v.zone, nil) + q.order(t) + " limit " + strconv.Itoa(maxExport)
		rows, err := tx.Query(v, sql, a.values...)
		if err != nil {
			return err
		}
		defer rows.Close()
		out := csv.NewWriter(w)
		for rows.Next() {
			values, err := texts(rows)
			if err != nil {
				return err
			}
			if !started {
				started = true
				writeHead(w, out, t, q.Columns)
			}
			if err := out.Write(line(t.row(q.Columns, values, v))); err != nil {
				return err
			}
		}
		if rows.Err() == nil && !started {
			started = true
			writeHead(w, out, t, q.Columns)
		}
		out.Flush()
		return rows.Err()
	})
	if err != nil && started {
		p.config.Logger.Error("portal: export ended early", "table", t.Name.String(), "error", err.Error())
		panic(http.ErrAbortHandler)
	}
	return err
}

func writeHead(w http.ResponseWriter, out *csv.Writer, t *table, columns []*column) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	name := strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '-'
	}, t.Slug)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`.csv"`)
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	_ = out.Write(names) // the writer keeps its error until Flush
}

func line(r row) []string {
	out := make([]string, len(r.Cells))
	for i, c := range r.Cells {
		out[i] = c.Raw
		if k := c.Column.kind; k == kindText || k == kindJSON || k == kindOther {
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
