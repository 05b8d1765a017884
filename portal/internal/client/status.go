package client

import (
	"net/http"
	"net/url"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/schema"
)

// statusCell is a status that can be changed where it stands.
type statusCell struct {
	Cell    schema.Cell
	Options []choice
	Post    string // "" when it may not be changed
	ID      string
	Message string
	Label   string
}

func (v *Visit) statusCell(t *schema.Table, key string, c schema.Cell) *statusCell {
	s := &statusCell{Cell: c, ID: "status-" + url.QueryEscape(key), Label: t.Status.Title,
		Options: options(t.Status.Options)}
	if !c.Null {
		pick(s.Options, c.Raw)
	}
	if t.Status.MayChange && len(t.Key) > 0 && v.Session.ViewAs == nil {
		s.Post = t.Path() + "/set/" + url.PathEscape(key)
	}
	return s
}

// set changes the status of a row and answers with the cell anew.
func (p *Pages) set(w http.ResponseWriter, r *http.Request, v *Visit) error {
	t, err := v.table(r)
	if err != nil {
		return err
	}
	key, value := r.PathValue("key"), r.PostFormValue("value")
	if t.Status == nil || !t.Status.MayChange {
		return frame.ErrNotFound
	}
	refuse := func(hint string) error {
		return &frame.Refusal{Status: http.StatusUnprocessableEntity, Title: "The status was not changed.", Hint: hint}
	}
	if problem := t.Status.Problem(value); problem != "" {
		return refuse(problem)
	}
	var out *statusCell
	err = p.write(v, func(tx pgx.Tx) (err error) {
		out, err = v.setStatus(tx, t, key, value)
		return err
	})
	if problems := problemsOf(t, err); len(problems) > 0 {
		return refuse(problems.first())
	}
	if err != nil {
		return err
	}
	if r.Header.Get("HX-Request") == "" {
		return frame.Elsewhere(t.RowPath(schema.SplitKey(key)) + "?saved")
	}
	out.Message = "Saved"
	w.Header().Set("HX-Trigger", "recount") // what counts by status is counted again
	return p.Fragment(w, http.StatusOK, "status", out)
}

// setStatus changes the status of one row and reads it again: a trigger may have had a
// say in it.
func (v *Visit) setStatus(tx pgx.Tx, t *schema.Table, key, value string) (*statusCell, error) {
	a := &schema.Arguments{}
	set := t.Status.SQL() + " = " + a.Add(value)
	where, ok := t.KeyWhere(a, v.Tenant, key)
	if !ok {
		return nil, frame.ErrNotFound
	}
	tag, err := tx.Exec(v, "update "+t.SQL()+" t set "+set+" where "+where, a.Values...)
	if err != nil {
		return nil, err
	}
	if tag.RowsAffected() == 0 {
		return nil, frame.ErrNotFound
	}
	one, err := v.one(tx, t, key, []*schema.Column{t.Status})
	if err != nil {
		return nil, err
	}
	return v.statusCell(t, key, one.Cells[0].Cell), nil
}
