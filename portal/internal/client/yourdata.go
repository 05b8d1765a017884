package client

import (
	"archive/zip"
	"io"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/list"
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

// MaxRows is what one file may hold.
func (dataPage) MaxRows() int64 { return maxExport }

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
	return list.Filter(s.Tables, func(t *schema.Table) bool { return t.Tenant != "" })
}

// exportAll gives the tenant's own rows of all tables: a file of each, in one archive. Like
// one table's file it is complete, or it is not sent.
func (p *Pages) exportAll(w http.ResponseWriter, r *http.Request, v *Visit) error {
	if v.Session.ViewAs != nil {
		return frame.ErrNotFound
	}
	w.Header().Set("Content-Type", "application/zip")
	return p.give(w, r, v, fileName(v.Name)+".zip", func(v *Visit, tx pgx.Tx, to io.Writer) error {
		archive := zip.NewWriter(to)
		for _, t := range own(v.Schema) {
			file, err := archive.Create(fileName(t.Slug) + ".csv")
			if err != nil {
				return err
			}
			a := &schema.Arguments{}
			where := t.OwnWhere(a, v.Tenant)[0] + query{}.order(t)
			if err := v.writeRows(tx, file, t, t.Columns, where, a); err != nil {
				return err
			}
		}
		return archive.Close()
	})
}
