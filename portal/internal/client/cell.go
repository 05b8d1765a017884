package client

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/schema"
)

// cellForm is one value, changed where it stands.
type cellForm struct {
	Field         field
	Post, Version string
	Problem       string
}

// placed is a cell with its row, and whether it is the first.
type placed struct {
	cell
	Row   row
	First bool
}

// Placed are the cells of a row.
func (r row) Placed() []placed {
	out := make([]placed, len(r.Cells))
	for i, c := range r.Cells {
		out[i] = placed{c, r, i == 0}
	}
	return out
}

// cellOf reads the row of an address and finds its column, which may be changed.
func (v *Visit) cellOf(tx pgx.Tx, t *schema.Table, c *schema.Column, key string) (single, error) {
	one, err := v.one(tx, t, key, []*schema.Column{c})
	if err == nil && (one.Key == "" || one.Cells[0].Veiled) {
		err = frame.ErrNotFound
	}
	return one, err
}

func (v *Visit) cellColumn(r *http.Request) (*schema.Table, *schema.Column, error) {
	t, err := v.table(r)
	if err != nil {
		return nil, nil, err
	}
	c := t.Column(r.PathValue("column"))
	if c == nil || !slices.Contains(v.changeable(t), c) {
		return nil, nil, frame.ErrNotFound
	}
	return t, c, nil
}

// cellForm serves the form of one value.
func (p *Pages) cellForm(w http.ResponseWriter, r *http.Request, v *Visit) error {
	t, c, err := v.cellColumn(r)
	if err != nil {
		return err
	}
	var f *cellForm
	err = p.read(v, func(tx pgx.Tx) error {
		one, err := v.cellOf(tx, t, c, r.PathValue("key"))
		if err != nil {
			return err
		}
		f, err = v.newCellForm(tx, t, c, r.PathValue("key"), typed(c, one.Cells[0].Raw, v.Zone), one.Version)
		return err
	})
	if err != nil {
		return err
	}
	return p.Fragment(w, http.StatusOK, "cellform", f)
}

func (v *Visit) newCellForm(tx pgx.Tx, t *schema.Table, c *schema.Column, key, value, version string) (*cellForm,
	error) {
	f := &cellForm{Field: newField(c, value, "", v.Zone), Version: version,
		Post: t.Path() + "/cell/" + url.PathEscape(key) + "/" + url.PathEscape(c.Name)}
	if c.Ref == nil {
		return f, nil
	}
	choices, err := v.choices(tx, c.Ref)
	f.Field.refer(choices)
	return f, err
}

// setCell saves one value, and answers with the cell as it is then.
func (p *Pages) setCell(w http.ResponseWriter, r *http.Request, v *Visit) error {
	t, c, err := v.cellColumn(r)
	if err != nil {
		return err
	}
	key, given := r.PathValue("key"), r.PostFormValue(c.Name)
	value, version := normalize(c, given, v.Zone), r.PostFormValue("version")
	problem, out := c.Problem(value), single{}
	if problem == "" {
		form := posted{columns: []*schema.Column{c}, values: []any{stored(c, value)}}
		err = p.write(v, func(tx pgx.Tx) error {
			if _, err := v.cellOf(tx, t, c, key); err != nil {
				return err
			}
			if err := v.update(tx, t, key, version, form); err != nil {
				return err
			}
			out, err = v.one(tx, t, key, []*schema.Column{c})
			return err
		})
		if wrong := problemsOf(t, err); len(wrong) > 0 {
			problem, err = wrong.first(), nil
		}
	}
	if err != nil {
		return err
	}
	if problem == "" {
		at := out.row.Placed()[0]
		at.First = c == t.Label
		return p.Fragment(w, http.StatusOK, "cell", at)
	}
	var f *cellForm
	err = p.read(v, func(tx pgx.Tx) (err error) {
		f, err = v.newCellForm(tx, t, c, key, given, version)
		return err
	})
	if err != nil {
		return err
	}
	f.Problem = problem
	return p.Fragment(w, http.StatusUnprocessableEntity, "cellform", f)
}
