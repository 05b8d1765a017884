package client

import (
	"net/http"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/portal/internal/ledger"
)

// maxLines is how many uses of the operator role a client can look back on.
const maxLines = 200

// access shows a client every use of the operator role that concerned it, read as the
// client itself.
func (p *Pages) access(w http.ResponseWriter, r *http.Request, v *Visit) error {
	lines, err := p.lines(v)
	if err != nil {
		return err
	}
	out := p.Page(r, v, "Agency access", "data")
	out.Data = lines
	return p.Render(w, http.StatusOK, "access", out)
}

func (p *Pages) lines(v *Visit) (lines []ledger.Line, err error) {
	err = p.read(v, func(tx pgx.Tx) error {
		var there bool
		err := tx.QueryRow(v, "select pg_catalog.to_regclass('moat.operator_log') is not null").Scan(&there)
		if err == nil && there {
			lines, err = p.Ledger.Lines(v, tx, ledger.Question{Tenant: v.Tenant, Looks: true, Most: maxLines})
		}
		return err
	})
	return lines, err
}
