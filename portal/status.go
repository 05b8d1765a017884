package portal

import (
	"net/http"
	"net/url"

	"github.com/jackc/pgx/v5"
)

// statusCell is a status that can be changed where it stands.
type statusCell struct {
	Cell    cell
	Options []choice
	Post    string // "" when it may not be changed
	ID      string
	Version string
	Message string
	Failed  bool
	Label   string
}

func (t *table) statusCell(key, version string, c cell, v *visit) *statusCell {
	s := &statusCell{Cell: c, ID: "status-" + url.QueryEscape(key), Version: version, Label: t.Status.Title}
	for _, o := range t.Status.Options {
		s.Options = append(s.Options, choice{Value: o, Title: optionTitle(o), On: o == c.Raw && !c.Null})
	}
	if t.Status.MayChange && len(t.Key) > 0 && v.session.viewAs == nil {
		s.Post = t.Path() + "/set/" + url.PathEscape(key)
	}
	return s
}

// set changes the status of a row and answers with the cell anew.
func (p *Portal) set(w http.ResponseWriter, r *http.Request, v *visit) error {
	t, err := p.table(r, v)
	if err != nil {
		return err
	}
	key, value := r.PathValue("key"), r.PostFormValue("value")
	if t.Status == nil || !t.Status.MayChange {
		return errNotFound
	}
	if problem := t.Status.problem(value); problem != "" {
		return &refusal{http.StatusUnprocessableEntity, "That is not a status", problem}
	}
	var out *statusCell
	err = p.write(v, func(tx pgx.Tx) (err error) {
		out, err = t.setStatus(v, tx, key, value)
		return err
	})
	if problems := t.problems(err); len(problems) > 0 {
		return &refusal{http.StatusUnprocessableEntity, "The status was not changed", problems.first()}
	}
	if err != nil {
		return err
	}
	if r.Header.Get("HX-Request") == "" {
		redirect(w, r, t.rowPath(splitKey(key))+"?saved")
		return nil
	}
	out.Message = "Saved"
	return p.fragment(w, http.StatusOK, "status", out)
}

// setStatus changes the status of one row and reads it again: a trigger may have had a
// say in it.
func (t *table) setStatus(v *visit, tx pgx.Tx, key, value string) (*statusCell, error) {
	a := &arguments{}
	set := t.Status.SQL() + " = " + a.add(value)
	where, ok := t.keyWhere(a, string(v.tenant), key)
	if !ok {
		return nil, errNotFound
	}
	tag, err := tx.Exec(v, "update "+t.SQL()+" t set "+set+" where "+where, a.values...)
	if err != nil {
		return nil, err
	}
	if tag.RowsAffected() == 0 {
		return nil, errNotFound
	}
	one, err := t.one(v, tx, key, []*column{t.Status})
	if err != nil {
		return nil, err
	}
	return t.statusCell(key, one.Version, one.Cells[0], v), nil
}
