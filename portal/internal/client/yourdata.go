package client

import (
	"archive/zip"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
	"github.com/moat-db/moat/portal/internal/schema"
	"github.com/moat-db/moat/prove"
)

type dataPage struct {
	Looks  []ledger.Line
	More   bool
	Ledger bool
	Proof  *proofWords
	Tables []*schema.Table
	Export bool
}

// proofWords is the last proof of the isolation, as far as a client wants to know.
type proofWords struct {
	At            time.Time
	Tried, Failed int
	Unclear       int
}

// yourData says who looked at a client's data, when it was last proven to be apart, and gives
// all of it.
func (p *Pages) yourData(w http.ResponseWriter, r *http.Request, v *Visit) error {
	const few = 5
	page := &dataPage{Ledger: p.Ledger != nil, Tables: own(v.Schema), Export: v.Session.ViewAs == nil}
	if p.Ledger != nil {
		lines, err := p.lines(v)
		if err != nil {
			return err
		}
		page.Looks, page.More = lines[:min(few, len(lines))], len(lines) > few
		if page.Proof, err = p.proof(v); err != nil {
			return err
		}
	}
	out := p.Page(r, v, "Your data", "data")
	out.Data = page
	return p.Render(w, http.StatusOK, "data", out)
}

func (p *Pages) proof(v *Visit) (*proofWords, error) {
	var last struct {
		Report *prove.Report `json:"report"`
	}
	at, err := p.Ledger.Kept(v, "prove", &last)
	if err != nil || last.Report == nil {
		return nil, err
	}
	return &proofWords{At: at, Tried: len(last.Report.Probes), Failed: last.Report.Count(prove.VerdictLeak),
		Unclear: last.Report.Count(prove.VerdictUndecided)}, nil
}

// own are the tables with rows of the tenant's own.
func own(s *schema.Schema) []*schema.Table {
	var out []*schema.Table
	for _, t := range s.Tables {
		if t.Tenant != "" {
			out = append(out, t)
		}
	}
	return out
}

// exportAll gives the tenant's own rows of all tables: a file of each, in one archive. Like
// one table's file it is complete, or it is not sent.
func (p *Pages) exportAll(w http.ResponseWriter, r *http.Request, v *Visit) error {
	if v.Session.ViewAs != nil {
		return frame.ErrNotFound
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="`+fileName(v.Name)+`.zip"`)
	begun := &begins{ResponseWriter: w}
	archive := zip.NewWriter(begun)
	err := p.read(v, func(tx pgx.Tx) error {
		for _, t := range own(v.Schema) {
			if err := v.exportInto(tx, archive, t); err != nil {
				return err
			}
		}
		return archive.Close()
	})
	if err != nil && begun.yes {
		p.Gate.ExchangeOf(r).Fail(err)
		return nil
	}
	if err != nil {
		w.Header().Del("Content-Disposition")
	}
	return err
}

// begins notes that something was sent.
type begins struct {
	http.ResponseWriter
	yes bool
}

func (b *begins) Write(p []byte) (int, error) {
	b.yes = true
	return b.ResponseWriter.Write(p)
}

// exportInto writes the own rows of a table. One that has more than a file may hold is an
// error: a short file must not look like a whole one.
func (v *Visit) exportInto(tx pgx.Tx, archive *zip.Writer, t *schema.Table) error {
	w, err := archive.Create(fileName(t.Slug) + ".csv")
	if err != nil {
		return err
	}
	a := &schema.Arguments{}
	where := t.OwnWhere(a, v.Tenant)[0]
	sql := "select " + outputs(t, t.Columns, false) + " from " + t.SQL() + " t where " + where +
		query{}.order(t) + " limit " + strconv.Itoa(maxExport+1)
	out, n := newFile(w, t, t.Columns), 0
	err = v.each(tx, sql, a, func(values []*string) error {
		if n++; n > maxExport {
			return &frame.Refusal{Status: http.StatusRequestEntityTooLarge, Title: "This is too much for one file",
				Hint: "Export " + t.Title + " from its own page, in parts."}
		}
		return out.write(v.row(t, t.Columns, values))
	})
	if err != nil {
		return err
	}
	return out.end()
}
