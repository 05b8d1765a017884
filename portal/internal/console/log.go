package console

import (
	"net/http"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
)

type logPage struct {
	Lines []ledger.Line
	All   bool
	More  bool
}

const maxLines = 200

// logPage serves the log of all operators.
func (p *Pages) logPage(w http.ResponseWriter, r *http.Request, s *frame.Session) error {
	ctx := r.Context()
	sc, err := p.Source.Schema(ctx)
	if err != nil {
		return err
	}
	data := &logPage{All: r.URL.Query().Has("all")}
	err = p.Ledger.Use(ctx, ledger.Entry{By: s, Action: ledger.ReadTheLog}, func(tx pgx.Tx) error {
		data.Lines, err = p.Ledger.Lines(ctx, tx, ledger.Question{Looks: data.All, Most: maxLines + 1})
		if err != nil || sc.Tenants == nil {
			return err
		}
		all, err := readTenants(ctx, tx, sc.Tenants, "")
		names := map[string]string{}
		for _, one := range all {
			names[one.ID] = one.Name
		}
		for i := range data.Lines {
			data.Lines[i].Name = names[data.Lines[i].Tenant]
		}
		return err
	})
	if err != nil {
		return err
	}
	if data.More = len(data.Lines) > maxLines; data.More {
		data.Lines = data.Lines[:maxLines]
	}
	return p.show(w, r, s, "log", "Operator log", "Operator log", data)
}
