package client

import (
	"bufio"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
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
	if by := v.Session.ViewAs; by != nil && p.Ledger != nil {
		err := p.Ledger.Record(v, ledger.Entry{By: &frame.Session{Subject: by.Operator, Reason: by.Reason},
			Action: "exported " + t.Name.String() + " as the client", Tenant: v.Tenant})
		if err != nil {
			return err
		}
	}
	q := parseQuery(t, r.URL.Query())
	if !q.Chosen {
		q.Columns = t.Columns
	}
	a := &schema.Arguments{}
	sql := "select " + outputs(t, q.Columns, false) + " from " + t.SQL() + " t where " + q.where(v, t, a, nil) +
		q.order(t) +
		" limit " + strconv.Itoa(maxExport)
	out := newFile(w, t, q.Columns)
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
	w       io.Writer
	table   *schema.Table
	columns []*schema.Column
	csv     *bufio.Writer // nil until something is written
}

func newFile(w io.Writer, t *schema.Table, columns []*schema.Column) *file {
	return &file{w: w, table: t, columns: columns}
}

// line writes a line of cells.
func (f *file) line(cells []string) error {
	for i, cell := range cells {
		if i > 0 {
			cell = "," + quoted(cell)
		} else {
			cell = quoted(cell)
		}
		_, _ = f.csv.WriteString(cell) // the writer keeps its error
	}
	_, err := f.csv.WriteString("\n")
	return err
}

// quoted puts a cell in quotation marks where it holds what separates cells somewhere, a
// semicolon or a tab, too: otherwise it would end there, and a formula could follow.
func quoted(cell string) string {
	if cell == strings.TrimSpace(cell) && !strings.ContainsAny(cell, "\",;|\t\r\n") {
		return cell
	}
	return `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
}

func (f *file) write(r row) error {
	f.start()
	return f.line(line(r))
}

func (f *file) end() error {
	f.start()
	return f.csv.Flush()
}

func (f *file) start() {
	if f.csv != nil {
		return
	}
	f.csv = bufio.NewWriter(f.w)
	if answer, ok := f.w.(http.ResponseWriter); ok {
		answer.Header().Set("Content-Type", "text/csv; charset=utf-8")
		answer.Header().Set("Content-Disposition", `attachment; filename="`+fileName(f.table.Slug)+`.csv"`)
	}
	names := make([]string, len(f.columns))
	for i, c := range f.columns {
		names[i] = c.Name
	}
	_ = f.line(names) // the writer keeps its error
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

var (
	plainNumber = regexp.MustCompile(`^[+-]?\d[\d ]*([.,]\d+)?$`)
	telephone   = regexp.MustCompile(`^\+\d[\d ()/.-]*$`)
)

// starters begin a formula in one spreadsheet or another, also in their full-width form.
const starters = "=+-@|%\uff1d\uff0b\uff0d\uff20\uff5c\uff05"

// harmless keeps a spreadsheet from running a value as a formula. It looks behind what a
// spreadsheet skips. A telephone number is none.
func harmless(text string) string {
	shown := strings.TrimLeftFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
	})
	first, _ := utf8.DecodeRuneInString(shown)
	formula := shown != "" && strings.ContainsRune(starters, first) && !plainNumber.MatchString(text) &&
		!telephone.MatchString(text)
	if formula || text != "" && strings.ContainsRune("\t\r\n", rune(text[0])) {
		return "'" + text
	}
	return text
}
