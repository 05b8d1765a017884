package client

import (
	"bufio"
	"cmp"
	"context"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/alive"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
	"github.com/moat-db/moat/portal/internal/schema"
	"github.com/moat-db/moat/portal/internal/text"
)

// What one file may hold, and how long its rows may take to be read. How long its reader takes
// to fetch it is bounded apart from that: see serving.Exchange.ToDisk.
const (
	maxExport = maxCounted // rows of one table
	maxFile   = 256 << 20  // bytes, as they are sent
	fileTime  = 2 * time.Minute
)

var errTooMany = &frame.Refusal{Status: http.StatusRequestEntityTooLarge, Title: "This is too much for one file",
	Hint: "A file holds up to " + text.Count(maxExport) + " rows of a table. Filter the list and export it in parts."}

// export gives what a list was filtered to as CSV.
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
	q, a := parseQuery(t, r.URL.Query()), &schema.Arguments{}
	if !q.Chosen {
		q.Columns = t.Columns
	}
	where := q.where(v, t, a, nil)
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	return p.give(w, r, v, fileName(t.Slug)+".csv", func(v *Visit, tx pgx.Tx, to io.Writer) error {
		return v.writeRows(tx, to, t, q.Columns, where+q.order(t), a)
	})
}

// give sends the file that fn writes. It is complete before its first byte is sent: a short one
// must not look like a whole one, and how long its reader takes is not to be felt at the pool.
func (p *Pages) give(w http.ResponseWriter, r *http.Request, v *Visit, name string,
	fn func(v *Visit, tx pgx.Tx, to io.Writer) error) error {
	x := p.Gate.ExchangeOf(r)
	if err := x.Long(v); err != nil {
		return err
	}
	x.ToDisk(maxFile)
	ctx, cancel := context.WithTimeout(v.Context, fileTime)
	defer cancel()
	ctx = alive.Times(ctx, 0)
	hasty := *v
	hasty.Context = ctx
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	to := bufio.NewWriterSize(w, 8<<10)
	err := p.DB.InReadTx(ctx, func(tx pgx.Tx) error {
		if err := frame.Limit(ctx, tx, fileTime); err != nil {
			return err
		}
		return fn(&hasty, tx, to)
	})
	if err = cmp.Or(err, to.Flush()); err != nil {
		x.Fail(err) // in the place of what was written
	}
	return nil
}

// writeRows writes the rows of a table that a condition, with its order, says.
func (v *Visit) writeRows(tx pgx.Tx, to io.Writer, t *schema.Table, columns []*schema.Column, where string,
	a *schema.Arguments) error {
	out, names, n := bufio.NewWriter(to), make([]string, len(columns)), 0
	selected := make([]string, len(columns))
	for i, c := range columns {
		names[i], selected[i] = c.Name, c.Expression("t", false)
	}
	writeLine(out, names)
	sql := "select " + strings.Join(selected, ", ") + " from " + t.SQL() + " t where " + where + " limit " +
		strconv.Itoa(maxExport+1)
	err := v.eachOfMany(tx, sql, a, func(values []*string) error {
		if n++; n > maxExport {
			return errTooMany
		}
		writeLine(out, plain(columns, values))
		return nil
	})
	return cmp.Or(err, out.Flush())
}

// writeLine writes a line of cells; the writer keeps its error.
func writeLine(out *bufio.Writer, cells []string) {
	for i, cell := range cells {
		if i > 0 {
			_ = out.WriteByte(',')
		}
		_, _ = out.WriteString(quoted(cell))
	}
	_ = out.WriteByte('\n')
}

// quoted puts a cell in quotation marks where it holds what separates cells somewhere, a
// semicolon or a tab, too: otherwise it would end there, and a formula could follow.
func quoted(cell string) string {
	if cell == strings.TrimSpace(cell) && !strings.ContainsAny(cell, "\",;|\t\r\n") {
		return cell
	}
	return `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
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

// plain are values as the database writes them, without what looks like a secret and without
// formulas.
func plain(columns []*schema.Column, values []*string) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		if values[i] == nil {
			continue
		}
		out[i] = c.Veiled(*values[i])
		switch c.Kind {
		case schema.KindText, schema.KindJSON, schema.KindOther:
			out[i] = harmless(out[i])
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
