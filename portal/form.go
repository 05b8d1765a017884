package portal

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// field is one input of a form.
type field struct {
	Column   *column
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

type formPage struct {
	Table    *table
	Heading  string
	Fields   []field
	Post     string
	Cancel   string
	Version  string
	Problems problems
	Zone     string
	Submit   string
}

// problems are what is wrong with a form, by column; "" is about the whole.
type problems map[string]string

func (p problems) first() string {
	for _, text := range p {
		return text
	}
	return ""
}

// newForm serves an empty form; the address may fill fields in.
func (p *Portal) newForm(w http.ResponseWriter, r *http.Request, v *visit) error {
	t, err := p.table(r, v)
	if err != nil {
		return err
	}
	return p.addForm(w, r, v, t, r.URL.Query(), nil)
}

func (p *Portal) addForm(w http.ResponseWriter, r *http.Request, v *visit, t *table, given url.Values, wrong problems) error {
	if !t.MayAdd || v.session.viewAs != nil {
		return errNotFound
	}
	values := url.Values{}
	for _, c := range t.settable(true) {
		values.Set(c.Name, c.Default)
		if given.Has(c.Name) {
			values.Set(c.Name, given.Get(c.Name))
		}
	}
	f := &formPage{Table: t, Heading: "New " + lower(t.Singular), Post: t.Path() + "/new", Cancel: t.Path(), Submit: "Add " + lower(t.Singular), Problems: wrong}
	return p.showForm(w, r, v, f, t.settable(true), values)
}

// editForm serves the form of a row.
func (p *Portal) editForm(w http.ResponseWriter, r *http.Request, v *visit) error {
	t, err := p.table(r, v)
	if err != nil {
		return err
	}
	if !t.MayChange || v.session.viewAs != nil {
		return errNotFound
	}
	var one single
	if err := p.read(v, func(tx pgx.Tx) (err error) {
		one, err = t.one(v, tx, r.PathValue("key"), t.settable(false))
		return err
	}); err != nil {
		return err
	}
	values := url.Values{"version": {one.Version}}
	for _, c := range one.Cells {
		values.Set(c.Column.Name, c.Column.typed(c.Raw, v.zone))
	}
	return p.changeForm(w, r, v, t, values, nil)
}

func (p *Portal) changeForm(w http.ResponseWriter, r *http.Request, v *visit, t *table, values url.Values, wrong problems) error {
	key := r.PathValue("key")
	back := t.rowPath(splitKey(key))
	f := &formPage{Table: t, Heading: "Edit " + lower(t.Singular), Post: t.Path() + "/e/" + url.PathEscape(key), Cancel: back,
		Version: values.Get("version"), Submit: "Save changes", Problems: wrong}
	return p.showForm(w, r, v, f, t.settable(false), values)
}

// typed is a value as an input holds it: moments in the viewer's zone.
func (c *column) typed(raw string, zone *time.Location) string {
	if c.kind != kindMoment {
		return raw
	}
	at, err := time.Parse(time.RFC3339, raw)
	if err != nil {
		return raw
	}
	return at.In(zone).Format("2006-01-02T15:04:05")
}

// settable are the columns a form asks for, in the order of the table: not the key and
// not what the database fills in by itself.
func (t *table) settable(adding bool) []*column {
	var out []*column
	for _, c := range t.Columns {
		may := c.MayChange
		if adding {
			may = c.MaySet
		}
		automatic := containsColumn(t.Key, c) && !(adding && c.Required) || c.Name == "updated_at" || c.Name == "created_at" || c.Name == "deleted_at"
		if may && !automatic && c.kind != kindBytes {
			out = append(out, c)
		}
	}
	return out
}

func (p *Portal) showForm(w http.ResponseWriter, r *http.Request, v *visit, f *formPage, columns []*column, values url.Values) error {
	err := p.read(v, func(tx pgx.Tx) error {
		for _, c := range columns {
			one := c.field(values.Get(c.Name), f.Problems[c.Name])
			if c.Ref != nil {
				choices, err := c.Ref.choices(v, tx)
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
	f.Zone = v.zone.String()
	status := http.StatusOK
	if len(f.Problems) > 0 {
		status = http.StatusUnprocessableEntity
	}
	out := p.clientPage(r, v, f.Heading, f.Table.Slug)
	out.Data = f
	return p.render(w, status, "form", out)
}

// field chooses the input for a column.
func (c *column) field(value, problem string) field {
	f := field{Column: c, Value: value, Problem: problem, Input: "text", Required: c.Required || c.NotNull && c.Default != "" && c.kind != kindText, Hint: c.Comment}
	switch c.kind {
	case kindInteger, kindNumber:
		f.Input, f.Step = "number", "1"
		if c.kind == kindNumber {
			f.Step = "any"
		}
	case kindBool:
		f.Input, f.Required = "checkbox", false
	case kindDate:
		f.Input = "date"
	case kindTime:
		f.Input = "time"
	case kindMoment, kindLocal:
		f.Input, f.Step = "datetime-local", "1"
	}
	if c.Long() {
		f.Input, f.Wide = "textarea", true
	}
	if c.kind == kindText && strings.Contains(c.Name, "email") {
		f.Input = "email"
	}
	if len(c.Options) > 0 {
		f.Input, f.Choices, f.Blank = "select", options(c.Options), !c.NotNull || c.Default == ""
		f.pick()
	}
	if c.NotBlank && c.NotNull {
		f.Required = true
	}
	return f
}

// refer turns the field into a select of the rows it may point at, where they are few.
func (f *field) refer(choices []choice) {
	if len(choices) == 0 || len(choices) >= maxChoices {
		f.Hint = strings.TrimSpace(f.Hint + " The id of a " + lower(f.Column.Ref.Singular) + ".")
		return
	}
	f.Input, f.Choices, f.Blank = "select", choices, true
	f.pick()
}

func (f *field) pick() {
	for i := range f.Choices {
		f.Choices[i].On = f.Choices[i].Value == f.Value
	}
}

// create adds a row.
func (p *Portal) create(w http.ResponseWriter, r *http.Request, v *visit) error {
	t, err := p.table(r, v)
	if err != nil {
		return err
	}
	if !t.MayAdd {
		return errNotFound
	}
	columns, values, wrong := t.posted(r, v, true)
	if len(wrong) > 0 {
		return p.addForm(w, r, v, t, r.PostForm, wrong)
	}
	key := make([]string, len(t.Key))
	err = p.write(v, func(tx pgx.Tx) error {
		return t.insert(v, tx, columns, values, key)
	})
	if wrong = t.problems(err); len(wrong) > 0 {
		return p.addForm(w, r, v, t, r.PostForm, wrong)
	}
	if err != nil {
		return err
	}
	to := t.Path()
	if len(key) > 0 {
		to = t.rowPath(key)
	}
	redirect(w, r, to+"?saved")
	return nil
}

// insert leaves out what is empty, so that the defaults of the table apply; key gets
// the new row's key.
func (t *table) insert(v *visit, tx pgx.Tx, columns []*column, values []any, key []string) error {
	a := &arguments{}
	var names, holes []string
	if t.Tenant != "" {
		names, holes = append(names, quote(t.Tenant)), append(holes, a.add(string(v.tenant)))
	}
	for i, c := range columns {
		if values[i] != nil {
			names, holes = append(names, c.SQL()), append(holes, a.add(values[i]))
		}
	}
	sql := "insert into " + t.SQL() + " (" + strings.Join(names, ", ") + ") values (" + strings.Join(holes, ", ") + ")"
	if len(names) == 0 {
		sql = "insert into " + t.SQL() + " default values"
	}
	if len(t.Key) == 0 {
		_, err := tx.Exec(v, sql, a.values...)
		return err
	}
	var out []string
	dest := make([]any, len(key))
	for i, c := range t.Key {
		out = append(out, c.SQL()+"::text")
		dest[i] = &key[i]
	}
	return tx.QueryRow(v, sql+" returning "+strings.Join(out, ", "), a.values...).Scan(dest...)
}

// change saves a row's form.
func (p *Portal) change(w http.ResponseWriter, r *http.Request, v *visit) error {
	t, err := p.table(r, v)
	if err != nil {
		return err
	}
	if !t.MayChange {
		return errNotFound
	}
	columns, values, wrong := t.posted(r, v, false)
	if len(wrong) == 0 {
		err = p.write(v, func(tx pgx.Tx) error {
			return t.update(v, tx, r.PathValue("key"), r.PostForm.Get("version"), columns, values)
		})
		wrong = t.problems(err)
	}
	if len(wrong) > 0 {
		return p.changeForm(w, r, v, t, r.PostForm, wrong)
	}
	if err != nil {
		return err
	}
	redirect(w, r, t.rowPath(splitKey(r.PathValue("key")))+"?saved")
	return nil
}

var errChanged = errors.New("the row has changed since it was read")

func (t *table) update(v *visit, tx pgx.Tx, key, version string, columns []*column, values []any) error {
	one, err := t.one(v, tx, key, nil)
	if err != nil {
		return err
	}
	if one.Version != version {
		return errChanged
	}
	a := &arguments{}
	var sets []string
	for i, c := range columns {
		sets = append(sets, c.SQL()+" = "+a.add(values[i]))
	}
	where, ok := t.keyWhere(a, string(v.tenant), key)
	if !ok || len(sets) == 0 {
		return errNotFound
	}
	tag, err := tx.Exec(v, "update "+t.SQL()+" t set "+strings.Join(sets, ", ")+" where "+where+" and t.xmin::text = "+a.add(version), a.values...)
	if err == nil && tag.RowsAffected() == 0 {
		return errChanged
	}
	return err
}

// posted reads a form and checks each value against what the schema tells.
func (t *table) posted(r *http.Request, v *visit, adding bool) ([]*column, []any, problems) {
	if err := r.ParseForm(); err != nil {
		return nil, nil, problems{"": "The form could not be read. Try again."}
	}
	wrong := problems{}
	var columns []*column
	var values []any
	for _, c := range t.settable(adding) {
		if !r.PostForm.Has(c.Name) && c.kind != kindBool {
			continue
		}
		text := c.normalize(r.PostForm.Get(c.Name), v.zone)
		if problem := c.problem(text); problem != "" {
			wrong[c.Name] = problem
		}
		var value any = text
		if text == "" && !(c.kind == kindText && c.NotNull && !adding) {
			value = nil
		}
		columns, values = append(columns, c), append(values, value)
	}
	return columns, values, wrong
}

// normalize turns what a browser sends into what the column takes.
func (c *column) normalize(text string, zone *time.Location) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	switch c.kind {
	case kindText, kindJSON, kindOther:
		return text
	case kindBool:
		return map[bool]string{true: "true", false: "false"}[text == "true" || text == "on"]
	case kindMoment, kindLocal:
		for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04"} {
			if at, err := time.ParseInLocation(layout, strings.TrimSpace(text), zone); err == nil {
				if c.kind == kindLocal {
					return at.Format("2006-01-02T15:04:05")
				}
				return at.UTC().Format(time.RFC3339)
			}
		}
	}
	return strings.TrimSpace(text)
}

// problems explains what the database refused to take, at the field that it is about.
// It returns nil for what is no matter of the form.
func (t *table) problems(err error) problems {
	if errors.Is(err, errChanged) {
		return problems{"": "Somebody else changed this in the meantime. Open it again to see what is new; your changes were not saved."}
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return nil
	}
	text := map[string]string{"23502": "This is needed.", "23514": "The database does not take this value.", "23505": "Another " + lower(t.Singular) + " has this already.",
		"23503": "What this points at does not exist.", "22001": "This is too long.", "23P01": "This overlaps another " + lower(t.Singular) + ".",
		"22P02": "A value is not of the right kind.", "22003": "A number is too large.", "22007": "A date or time cannot be read.", "22008": "A date or time is out of range.",
		"P0001": "The database refused this change."}[pg.Code]
	if text == "" {
		return nil
	}
	columns := t.constraints[pg.ConstraintName]
	if pg.ColumnName != "" {
		columns = []string{pg.ColumnName}
	}
	out := problems{}
	for _, name := range columns {
		if t.Column(name) != nil {
			out[name] = text
		}
	}
	if len(out) == 0 {
		out[""] = text
	}
	return out
}
