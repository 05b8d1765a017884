package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/ledger"
	"github.com/moat-db/moat/portal/internal/schema"
)

// parent is a client that a new one can stand below.
type parent struct {
	ID, Name string
	On       bool // chosen
}

// maxParents is how many clients are offered by name; where there are more, the form asks for the id.
const maxParents = 200

// offerParents puts the clients by name into the field of the parent.
func (p *Pages) offerParents(r *http.Request, s *frame.Session, sc *schema.Schema, page *createPage) error {
	if sc.Model.Shapes.Tree == nil || sc.Tenants.Label == "" {
		return nil
	}
	column := sc.Model.Shapes.Tree.Parent
	all, err := p.parents(r, s, sc)
	if err != nil || len(all) > maxParents {
		return err
	}
	choose(all, page.Values, column)
	for i := range page.Fields {
		if page.Fields[i].Name == column {
			page.Fields[i].Parents, page.Fields[i].Title = all, strings.TrimSuffix(page.Fields[i].Title, " ID")
		}
	}
	return nil
}

// parents lists the clients, those that others stand below first.
func (p *Pages) parents(r *http.Request, s *frame.Session, sc *schema.Schema) (all []parent, err error) {
	const list = `select t.%[1]s::text, coalesce(t.%[2]s::text, ''),
		t.%[1]s in (select %[4]s from %[3]s where %[4]s is not null)
		from %[3]s t order by 3 desc, 2, 1 limit %[5]d`
	t := sc.Tenants
	sql := fmt.Sprintf(list, sqltext.Ident(t.Key), sqltext.Ident(t.Label), t.QName().SQL(),
		sqltext.Ident(sc.Model.Shapes.Tree.Parent), maxParents+1)
	err = p.Ledger.Use(r.Context(), ledger.Entry{By: s, Action: ledger.LookedAtAll}, func(tx pgx.Tx) error {
		rows, err := tx.Query(r.Context(), sql)
		if err == nil {
			all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[parent])
		}
		return err
	})
	return all, err
}

// choose keeps what was chosen in a form that comes back. At first it is the only client that
// others stand below, where there is but one.
func choose(all []parent, values url.Values, column string) {
	only := len(all) > 0 && all[0].On && (len(all) == 1 || !all[1].On)
	for i := range all {
		if values == nil {
			all[i].On = only && i == 0
		} else {
			all[i].On = all[i].ID == values.Get("set."+column)
		}
	}
}
