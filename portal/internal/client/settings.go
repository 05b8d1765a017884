package client

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/schema"
	"github.com/moat-db/moat/portal/internal/text"
)

// settings serves the one row that a tenant has in a table whose key is the tenant.
func (p *Pages) settings(w http.ResponseWriter, r *http.Request, v *Visit, t *schema.Table) error {
	f := &formPage{Heading: t.Title, Comment: t.Comment, Saved: r.URL.Query().Has("saved")}
	one, err := p.settingsRow(v, t)
	if errors.Is(err, frame.ErrNotFound) {
		return p.noSettings(w, r, v, t, f)
	}
	if err != nil {
		return err
	}
	values := url.Values{"version": {one.Version}}
	for _, c := range one.Cells {
		if may := formed(t, c.Column, false); may && v.MayChange(t) && !c.Veiled {
			values.Set(c.Column.Name, typed(c.Column, c.Raw, v.Zone))
			continue
		}
		f.Facts = append(f.Facts, c)
	}
	return p.settingsForm(w, r, v, t, f, values)
}

// noSettings offers to make the row that is not there yet.
func (p *Pages) noSettings(w http.ResponseWriter, r *http.Request, v *Visit, t *schema.Table, f *formPage) error {
	if !v.MayAdd(t) {
		return p.showForm(w, r, v, t, f, nil, nil)
	}
	values := url.Values{}
	for _, c := range settable(t, true) {
		values.Set(c.Name, c.Default)
	}
	f.Post, f.Submit = t.Path()+"/new", "Save"
	return p.showForm(w, r, v, t, f, settable(t, true), values)
}

func (p *Pages) settingsForm(w http.ResponseWriter, r *http.Request, v *Visit, t *schema.Table, f *formPage,
	values url.Values) error {
	columns := list.Filter(settable(t, false), func(c *schema.Column) bool {
		return values.Has(c.Name) || c.Kind == schema.KindBool
	})
	if !v.MayChange(t) {
		columns = nil
	}
	if len(columns) > 0 {
		f.Post, f.Submit, f.Version = t.Path()+"/settings", "Save "+text.Lower(t.Title), values.Get("version")
	}
	return p.showForm(w, r, v, t, f, columns, values)
}

func (p *Pages) settingsRow(v *Visit, t *schema.Table) (one single, err error) {
	err = p.read(v, func(tx pgx.Tx) (err error) {
		one, err = v.one(tx, t, "", t.Columns)
		return err
	})
	return one, err
}

// saveSettings saves the form of the row.
func (p *Pages) saveSettings(w http.ResponseWriter, r *http.Request, v *Visit) error {
	t, err := v.table(r)
	if err != nil {
		return err
	}
	if !t.Settings || !t.MayChange {
		return frame.ErrNotFound
	}
	form := readForm(t, r, v.Zone, false)
	if len(form.wrong) == 0 {
		err = p.write(v, func(tx pgx.Tx) error { return v.update(tx, t, "", r.PostForm.Get("version"), form) })
		form.wrong = problemsOf(t, err)
	}
	if len(form.wrong) > 0 {
		f := &formPage{Heading: t.Title, Comment: t.Comment, Problems: form.wrong}
		return p.settingsForm(w, r, v, t, f, r.PostForm)
	}
	if err != nil {
		return err
	}
	return frame.Elsewhere(t.Path() + "?saved")
}
