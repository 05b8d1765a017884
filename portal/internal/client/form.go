package client

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/schema"
	"github.com/moat-db/moat/portal/internal/text"
)

// field is one input of a form.
type field struct {
	Column   *schema.Column
	Value    string
	Problem  string
	Input    string // text, textarea, select, checkbox, number, date, time, datetime-local
	Step     string
	Choices  []choice
	Required bool
	Hint     string
	Wide     bool
	Blank    bool // a select that may be left empty
}

// ID is the input's on the page.
func (f field) ID() string { return "field-" + f.Column.Name }

type formPage struct {
	Heading  string
	Comment  string
	Fields   []field
	Facts    []cell // that are not asked for
	Saved    bool
	Post     string
	Cancel   string
	Version  string
	Problems problems
	Submit   string
}

// newForm serves an empty form; the address may fill fields in.
func (p *Pages) newForm(w http.ResponseWriter, r *http.Request, v *Visit) error {
	t, err := v.table(r)
	if err != nil {
		return err
	}
	return p.addForm(w, r, v, t, r.URL.Query(), nil)
}

func (p *Pages) addForm(w http.ResponseWriter, r *http.Request, v *Visit, t *schema.Table, given url.Values,
	wrong problems) error {
	if !v.MayAdd(t) {
		return frame.ErrNotFound
	}
	values := url.Values{}
	for _, c := range settable(t, true) {
		values.Set(c.Name, c.Default)
		if given.Has(c.Name) {
			values.Set(c.Name, given.Get(c.Name))
		}
	}
	one := text.Lower(t.Singular)
	f := &formPage{Heading: "New " + one, Submit: "Add " + one, Post: t.Path() + "/new", Cancel: t.Path(), Problems: wrong}
	return p.showForm(w, r, v, t, f, settable(t, true), values)
}

// editForm serves the form of a row.
func (p *Pages) editForm(w http.ResponseWriter, r *http.Request, v *Visit) error {
	t, err := v.table(r)
	if err != nil {
		return err
	}
	if !v.MayChange(t) {
		return frame.ErrNotFound
	}
	var one single
	if err := p.read(v, func(tx pgx.Tx) (err error) {
		one, err = v.one(tx, t, r.PathValue("key"), settable(t, false))
		return err
	}); err != nil {
		return err
	}
	values := url.Values{"version": {one.Version}}
	for _, c := range one.Cells {
		if !c.Veiled { // what is not shown is not asked for: the veil would be saved
			values.Set(c.Column.Name, typed(c.Column, c.Raw, v.Zone))
		}
	}
	return p.changeForm(w, r, v, t, values, nil)
}

func (p *Pages) changeForm(w http.ResponseWriter, r *http.Request, v *Visit, t *schema.Table, values url.Values,
	wrong problems) error {
	key := r.PathValue("key")
	f := &formPage{Heading: "Edit " + text.Lower(t.Singular), Submit: "Save changes", Version: values.Get("version"),
		Post: t.Path() + "/e/" + url.PathEscape(key), Cancel: t.RowPath(schema.SplitKey(key)), Problems: wrong}
	asked := slices.DeleteFunc(settable(t, false), func(c *schema.Column) bool {
		return !values.Has(c.Name) && c.Kind != schema.KindBool
	})
	return p.showForm(w, r, v, t, f, asked, values)
}

// typed is a value as an input holds it: moments in the viewer's zone.
func typed(c *schema.Column, raw string, zone *time.Location) string {
	if c.Kind != schema.KindMoment {
		return raw
	}
	at, err := time.Parse(time.RFC3339, raw)
	if err != nil {
		return raw
	}
	return at.In(zone).Format(schema.LocalLayout)
}

// settable are the columns a form asks for, in the order of the table: not the key and
// not what the database fills in by itself.
func settable(t *schema.Table, adding bool) []*schema.Column {
	var out []*schema.Column
	for _, c := range t.Columns {
		may := c.MayChange
		if adding {
			may = c.MaySet
		}
		if may && formed(t, c, adding) {
			out = append(out, c)
		}
	}
	return out
}

// formed says whether a form asks for a column, if it may be set: not for what is usually filled
// in by itself, unless nothing would.
func formed(t *schema.Table, c *schema.Column, adding bool) bool {
	automatic := slices.Contains([]string{"created_at", "updated_at", "deleted_at"}, c.Name) || slices.Contains(t.Key, c)
	return (!automatic || adding && c.Required) && c.Kind != schema.KindBytes && (adding || c.MayChange)
}

func (p *Pages) showForm(w http.ResponseWriter, r *http.Request, v *Visit, t *schema.Table, f *formPage,
	columns []*schema.Column, values url.Values) error {
	err := p.read(v, func(tx pgx.Tx) error {
		for _, c := range columns {
			one := newField(c, values.Get(c.Name), f.Problems[c.Name], v.Zone)
			if c.Ref != nil {
				choices, err := v.choices(tx, c.Ref)
				if err != nil {
					return err
				}
				one.refer(choices)
			}
			f.Fields = append(f.Fields, one)
		}
		return nil
	})
	if err != nil {
		return err
	}
	status := http.StatusOK
	if len(f.Problems) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return p.show(w, r, v, status, "form", f.Heading, t, f)
}

// newField chooses the input for a column.
func newField(c *schema.Column, value, problem string, zone *time.Location) field {
	f := field{Column: c, Value: value, Problem: problem, Input: "text", Hint: c.Comment, Required: required(c)}
	switch c.Kind {
	case schema.KindInteger:
		f.Input, f.Step = "number", "1"
	case schema.KindNumber:
		f.Input, f.Step = "number", "any"
	case schema.KindBool:
		f.Input = "checkbox"
	case schema.KindDate, schema.KindTime:
		f.Input = string(c.Kind)
	case schema.KindMoment, schema.KindLocal:
		f.Input, f.Step = "datetime-local", "1"
		if c.Kind == schema.KindMoment && f.Hint == "" {
			f.Hint = "Time zone: " + zone.String()
		}
	}
	if c.Long() {
		f.Input, f.Wide = "textarea", true
	}
	if c.Kind == schema.KindText && strings.Contains(c.Name, "email") {
		f.Input = "email"
	}
	if len(c.Options) > 0 {
		f.Input, f.Choices, f.Blank = "select", pick(options(c.Options), value), !c.NotNull || c.Default == ""
	}
	return f
}

// required says whether an empty field is refused: one without a default, or one whose
// default does not stand in for what is sent empty.
func required(c *schema.Column) bool {
	if c.Kind == schema.KindBool {
		return false
	}
	return c.Required || c.NotNull && (c.NotBlank || c.Default != "" && c.Kind != schema.KindText)
}

// refer turns the field into a select of the rows it may point at, where they are few.
func (f *field) refer(choices []choice) {
	singular := text.Lower(f.Column.Ref.Singular)
	switch {
	case len(choices) == 0:
		f.Hint = strings.TrimSpace(f.Hint + " There is no " + singular + " to choose yet.")
	case len(choices) >= maxChoices:
		f.Hint = strings.TrimSpace(f.Hint + " Enter the ID of the " + singular + ".")
	default:
		f.Input, f.Choices, f.Blank = "select", pick(choices, f.Value), true
	}
}
