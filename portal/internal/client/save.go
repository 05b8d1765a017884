package client

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/schema"
	"github.com/moat-db/moat/portal/internal/text"
)

// problems are what is wrong with a form, by column; "" is about the whole.
type problems map[string]string

// first is the problem to tell where there is room for one.
func (p problems) first() string { return p[slices.Min(slices.Collect(maps.Keys(p)))] }

// posted is what a form sent.
type posted struct {
	columns []*schema.Column
	values  []any // nil for no value
	wrong   problems
}

// create adds a row.
func (p *Pages) create(w http.ResponseWriter, r *http.Request, v *Visit) error {
	t, err := v.table(r)
	if err != nil {
		return err
	}
	if !t.MayAdd {
		return frame.ErrNotFound
	}
	form := readForm(t, r, v.Zone, true)
	key := make([]string, len(t.Key))
	if len(form.wrong) == 0 {
		err = p.write(v, func(tx pgx.Tx) error { return v.insert(tx, t, form, key) })
		form.wrong = problemsOf(t, err)
	}
	if len(form.wrong) > 0 {
		return p.addForm(w, r, v, t, r.PostForm, form.wrong)
	}
	if err != nil {
		return err
	}
	if len(key) == 0 {
		return frame.Elsewhere(t.Path() + "?saved")
	}
	return frame.Elsewhere(t.RowPath(key) + "?saved")
}

// insert leaves out what is empty, so that the defaults of the table apply; key gets
// the new row's key.
func (v *Visit) insert(tx pgx.Tx, t *schema.Table, form posted, key []string) error {
	a := &schema.Arguments{}
	var names, holes []string
	if t.Tenant != "" {
		names, holes = append(names, sqltext.Ident(t.Tenant)), append(holes, a.Add(v.Tenant))
	}
	for i, c := range form.columns {
		if form.values[i] != nil {
			names, holes = append(names, c.SQL()), append(holes, a.Add(form.values[i]))
		}
	}
	sql := "insert into " + t.SQL() + " (" + strings.Join(names, ", ") + ") values (" + strings.Join(holes, ", ") + ")"
	if len(names) == 0 {
		sql = "insert into " + t.SQL() + " default values"
	}
	if len(t.Key) == 0 {
		_, err := tx.Exec(v, sql, a.Values...)
		return err
	}
	out := make([]string, len(key))
	dest := make([]any, len(key))
	for i, c := range t.Key {
		out[i], dest[i] = c.SQL()+"::text", &key[i]
	}
	return tx.QueryRow(v, sql+" returning "+strings.Join(out, ", "), a.Values...).Scan(dest...)
}

// change saves a row's form.
func (p *Pages) change(w http.ResponseWriter, r *http.Request, v *Visit) error {
	t, err := v.table(r)
	if err != nil {
		return err
	}
	if !t.MayChange {
		return frame.ErrNotFound
	}
	key, form := r.PathValue("key"), readForm(t, r, v.Zone, false)
	if len(form.wrong) == 0 {
		err = p.write(v, func(tx pgx.Tx) error { return v.update(tx, t, key, r.PostForm.Get("version"), form) })
		form.wrong = problemsOf(t, err)
	}
	if len(form.wrong) > 0 {
		return p.changeForm(w, r, v, t, r.PostForm, form.wrong)
	}
	if err != nil {
		return err
	}
	return frame.Elsewhere(t.RowPath(schema.SplitKey(key)) + "?saved")
}

var errChanged = errors.New("the row has changed since it was read")

func (v *Visit) update(tx pgx.Tx, t *schema.Table, key, version string, form posted) error {
	one, err := v.one(tx, t, key, nil)
	if err != nil {
		return err
	}
	if one.Version != version {
		return errChanged
	}
	a := &schema.Arguments{}
	sets := make([]string, len(form.columns))
	for i, c := range form.columns {
		sets[i] = c.SQL() + " = " + a.Add(form.values[i])
	}
	where, ok := t.KeyWhere(a, v.Tenant, key)
	if !ok || len(sets) == 0 {
		return frame.ErrNotFound
	}
	tag, err := tx.Exec(v, "update "+t.SQL()+" t set "+strings.Join(sets, ", ")+" where "+where+
		" and t.xmin::text = "+a.Add(version), a.Values...)
	if err == nil && tag.RowsAffected() == 0 {
		return errChanged
	}
	return err
}

// readForm reads what was sent and checks each value against what the schema tells.
func readForm(t *schema.Table, r *http.Request, zone *time.Location, adding bool) posted {
	if err := r.ParseForm(); err != nil {
		return posted{wrong: problems{"": "The form could not be read. Try again."}}
	}
	form := posted{wrong: problems{}}
	for _, c := range settable(t, adding) {
		if !r.PostForm.Has(c.Name) && c.Kind != schema.KindBool {
			continue
		}
		given := normalize(c, r.PostForm.Get(c.Name), zone)
		if problem := c.Problem(given); problem != "" {
			form.wrong[c.Name] = problem
		}
		value := stored(c, given)
		if given == "" && adding {
			value = nil
		}
		form.columns, form.values = append(form.columns, c), append(form.values, value)
	}
	return form
}

// stored is a value for the database: what is left empty is no value, but for a text that
// must be there.
func stored(c *schema.Column, given string) any {
	if given == "" && !(c.Kind == schema.KindText && c.NotNull) {
		return nil
	}
	return given
}

// normalize turns what a browser sends into what the column takes.
func normalize(c *schema.Column, given string, zone *time.Location) string {
	given = strings.ReplaceAll(given, "\r\n", "\n")
	switch c.Kind {
	case schema.KindText, schema.KindJSON, schema.KindOther:
		return given
	case schema.KindBool:
		return map[bool]string{true: "true", false: "false"}[given == "true" || given == "on"]
	case schema.KindMoment, schema.KindLocal:
		for _, layout := range []string{schema.LocalLayout, "2006-01-02T15:04"} {
			if at, err := time.ParseInLocation(layout, strings.TrimSpace(given), zone); err == nil {
				if c.Kind == schema.KindLocal {
					return at.Format(schema.LocalLayout)
				}
				return at.UTC().Format(time.RFC3339)
			}
		}
	}
	return strings.TrimSpace(given)
}

// problemsOf explains what the database refused to take, at the field that it is about.
// It returns nil for what is no matter of the form.
func problemsOf(t *schema.Table, err error) problems {
	if errors.Is(err, errChanged) {
		return problems{"": "Somebody else has changed this since you opened it, so your changes were not saved. " +
			"Open it again to see what is new."}
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return nil
	}
	problem := refusedValue(pg.Code, text.Lower(t.Singular))
	if problem == "" {
		return nil
	}
	columns := t.Constraints[pg.ConstraintName]
	if pg.ColumnName != "" {
		columns = []string{pg.ColumnName}
	}
	out := problems{}
	for _, name := range columns {
		if t.Column(name) != nil {
			out[name] = problem
		}
	}
	if len(out) == 0 {
		out[""] = problem
	}
	return out
}

// refusedValue is a SQLSTATE in words, "" for one that no value can mend.
func refusedValue(code, one string) string {
	switch code {
	case "23502":
		return schema.Required
	case "23514":
		return "This value is not allowed."
	case "23505":
		return "Another " + one + " already has this value."
	case "23503":
		return "This refers to something that does not exist."
	case "23P01":
		return "This overlaps with another " + one + "."
	case "22001":
		return "This is too long."
	case "22P02":
		return "One of the values has the wrong format."
	case "22003":
		return "One of the numbers is too large."
	case "22007":
		return "A date or time has the wrong format."
	case "22008":
		return "A date or time is out of range."
	case "P0001":
		return "A rule in the database does not allow this change."
	}
	return ""
}
