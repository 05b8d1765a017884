package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/sqltext"
)

const (
	breakInTimeout = 3 * time.Second
	breakInRows    = 100
	breakInBytes   = 4 << 20 // the longest message that is read from the server
	maxSQL         = 20_000
)

// attempt is a statement to try.
type attempt struct{ Title, SQL string }

// broken is one row that came back.
type broken struct {
	Owner  string // who owns it; "" when nothing in it says so
	Other  bool   // another tenant does
	Values []*string
}

type breakInPage struct {
	SQL      string
	Attempts []attempt
	Done     bool
	Verdict  string // held, leaked, forged, refused, computed, ended
	Headline string
	Detail   string
	Columns  []string
	Rows     []broken
	More     bool
	Tag      string
	Plan     string
	PlanNote string
	Millis   int64
	Others   string
	Sealed   bool
	Setting  string
	Truth    string // what there is, as the referee counts it

	fields []pgconn.FieldDescription
}

func (p *Portal) breakInPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	data := &breakInPage{}
	if err := p.prepareBreakIn(r, v, data); err != nil {
		return err
	}
	data.SQL = data.Attempts[0].SQL
	if n, err := strconv.Atoi(r.URL.Query().Get("try")); err == nil && n >= 0 && n < len(data.Attempts) {
		data.SQL = data.Attempts[n].SQL
	}
	return p.showBreakIn(w, r, v, http.StatusOK, data)
}

func (p *Portal) showBreakIn(w http.ResponseWriter, r *http.Request, v *visit, status int, data *breakInPage) error {
	out := p.clientPage(r, v, "Break in", "break-in")
	out.Data = data
	return p.render(w, status, "break-in", out)
}

// prepareBreakIn offers attempts on the visitor's own schema, against another client.
func (p *Portal) prepareBreakIn(_ *http.Request, v *visit, data *breakInPage) error {
	if v.session.viewAs != nil {
		return errNotFound
	}
	t := v.schema.main()
	if t == nil || t.Tenant == "" {
		return errNotFound
	}
	data.Sealed, data.Setting = p.config.Sealed, v.schema.model.Setting
	var other DemoClient
	for _, c := range p.config.Demo.Clients {
		if c.Tenant != v.tenant {
			other = c
			break
		}
	}
	data.Others = other.Name
	name, label := t.SQL(), "*"
	if t.Label != nil {
		label = t.Label.SQL()
	}
	column, theirs := quote(t.Tenant), literal(string(other.Tenant))
	shown := []string{column}
	if t.Label != nil {
		shown = append(shown, label)
	}
	list := strings.Join(shown, ", ")
	data.Attempts = []attempt{
		{"Read everything", "select " + list + "\nfrom " + name + "\nlimit 20"},
		{"Ask for " + other.Name, "select " + list + "\nfrom " + name + "\nwhere " + column + " = " + theirs},
		{"Or true", "select " + list + "\nfrom " + name + "\nwhere " + column + " = " + theirs + " or true\nlimit 20"},
		{"Count by client", "select " + column + ", count(*)\nfrom " + name + "\ngroup by " + column},
		{"Change their rows", "update " + name + "\nset " + column + " = " + literal(string(v.tenant)) + "\nwhere " + column + " = " + theirs + "\nreturning " + list},
		{"Switch the guard off", "alter table " + name + " disable row level security"},
		{"Leak by an error", "select 1 / (case when " + label + "::text like 'A%' then 0 else 1 end), " + column + "\nfrom " + name + "\nwhere " + column + " = " + theirs},
		{"Forge the setting", "select set_config(" + literal(data.Setting) + ", " + theirs + ", true)"},
		{"Forge, then read", "with forged as materialized (\n  select set_config(" + literal(data.Setting) + ", " + theirs + ", true) as id\n)\nselect " + list + "\nfrom forged cross join lateral (\n  select * from " + name + " where " + column + "::text = forged.id limit 20\n) t"},
	}
	return nil
}

// breakIn runs the visitor's statement as the application role, bound to the visitor's
// tenant, and rolls it back.
func (p *Portal) breakIn(w http.ResponseWriter, r *http.Request, v *visit) error {
	r.Body = http.MaxBytesReader(w, r.Body, 4*maxSQL)
	data := &breakInPage{}
	if err := p.prepareBreakIn(r, v, data); err != nil {
		return err
	}
	data.SQL = strings.ToValidUTF8(strings.ReplaceAll(r.PostFormValue("sql"), "\x00", ""), "")
	data.Done = true
	if problem := unfit(data.SQL); problem != "" {
		data.Verdict, data.Headline, data.Detail = "refused", "This page does not run that", problem
		return p.showBreakIn(w, r, v, http.StatusUnprocessableEntity, data)
	}
	if err := p.tryBreakIn(v, data); err != nil {
		return err
	}
	return p.showBreakIn(w, r, v, http.StatusOK, data)
}

// unfit says why a statement is not run: because this page could not show or undo it,
// not because the moat could not stand it.
func unfit(sql string) string {
	if len(sql) > maxSQL {
		return "It is too long: at most 20,000 characters."
	}
	statements := 0
	first := ""
	for _, s := range sqltext.Split(sql) {
		code := sqltext.Code(s.Text)
		if len(code) == 0 {
			continue
		}
		statements++
		if first == "" {
			first = strings.ToLower(code[0].Text)
		}
	}
	switch {
	case statements == 0:
		return "There is no statement."
	case statements > 1:
		return "One statement at a time, please: the protocol that programs use sends one."
	case contains([]string{"begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"}, first):
		return "Whatever you do is rolled back, so transaction statements are left to the page. (A program's connection would be bound anew in its next transaction.)"
	case first == "copy":
		return "COPY streams raw text, of which this page could not say whose it is. Row-level security holds for it as for SELECT, and COPY FROM is refused."
	}
	return ""
}

var errRollback = errors.New("roll back")

// tryBreakIn asks for the plan first, in a savepoint, and then for the rows.
func (p *Portal) tryBreakIn(v *visit, data *breakInPage) error {
	ctx, cancel := context.WithTimeout(v, breakInTimeout+2*time.Second)
	defer cancel()
	var setting string
	var refusedBy error
	err := p.config.Demo.BreakIn.InTx(ctx, func(tx pgx.Tx) error {
		tx.Conn().PgConn().Frontend().SetMaxBodyLen(breakInBytes)
		if err := limit(ctx, tx, breakInTimeout); err != nil {
			return err
		}
		if refusedBy = data.explain(ctx, tx); refusedBy == nil {
			began := time.Now()
			refusedBy = data.run(ctx, tx)
			data.Millis = time.Since(began).Milliseconds()
		}
		if refusedBy == nil {
			setting = currentSetting(ctx, tx, data.Setting)
		}
		return errRollback
	})
	if err != nil && !errors.Is(err, errRollback) {
		return err
	}
	if refusedBy != nil {
		data.Rows, data.Columns = nil, nil
		data.refusal(refusedBy)
		return p.refereeCounts(v, data)
	}
	if err := p.referee(v, data); err != nil {
		return err
	}
	// A sealed tenant is not in the setting: whatever stands there is worth nothing.
	data.conclude(!p.config.Sealed && setting != "" && moat.Tenant(setting) != v.tenant)
	return nil
}

// explain asks for the plan. What cannot be planned is run all the same.
func (d *breakInPage) explain(ctx context.Context, tx pgx.Tx) error {
	inner, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	rows, err := inner.Query(ctx, "explain (costs off, verbose) "+d.SQL)
	if err == nil {
		var lines []string
		if lines, err = pgx.CollectRows(rows, pgx.RowTo[string]); err == nil {
			d.Plan = strings.Join(lines, "\n")
		}
	}
	if err != nil {
		d.PlanNote = "PostgreSQL makes no plan for this kind of statement."
	}
	return inner.Rollback(ctx)
}

// run reads what comes back, up to a number of rows.
func (d *breakInPage) run(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, d.SQL, pgx.QueryResultFormats{pgx.TextFormatCode})
	if err != nil {
		return err
	}
	defer rows.Close()
	d.fields = append(d.fields, rows.FieldDescriptions()...)
	for _, f := range d.fields {
		d.Columns = append(d.Columns, f.Name)
	}
	for rows.Next() {
		if len(d.Rows) == breakInRows {
			d.More = true
			break
		}
		var one broken
		for _, raw := range rows.RawValues() {
			one.Values = append(one.Values, textOf(raw))
		}
		d.Rows = append(d.Rows, one)
	}
	rows.Close()
	d.Tag = rows.CommandTag().String()
	return rows.Err()
}

func textOf(raw []byte) *string {
	if raw == nil {
		return nil
	}
	text := clip(strings.ToValidUTF8(string(raw), "\uFFFD"), 2000)
	return &text
}

// currentSetting is what the tenant setting holds after the statement: a statement that
// changed it has named another tenant.
func currentSetting(ctx context.Context, tx pgx.Tx, name string) string {
	var value *string
	if err := tx.QueryRow(ctx, "select pg_catalog.current_setting($1, true)", name).Scan(&value); err != nil || value == nil {
		return ""
	}
	return *value
}

// refusal shows what PostgreSQL said: here the text of the error is the point.
func (d *breakInPage) refusal(err error) {
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.Code == "57014", errors.Is(err, context.DeadlineExceeded):
		d.Verdict, d.Headline, d.Detail = "held", "Stopped after three seconds", "The statement timeout ended it. Nothing came back."
	case errors.As(err, &pg):
		d.Verdict, d.Headline, d.Detail = "held", "PostgreSQL refused", fmt.Sprintf("%s (SQLSTATE %s)", pg.Message, pg.Code)
	default:
		d.Verdict, d.Headline = "refused", "There is nothing to show"
		d.Detail = "Either the statement has parameters like $1, which have no value here, or its answer was too large to read. It was rolled back."
	}
}

// conclude says in a sentence what came of the attempt. moved is true when the
// connection speaks for another tenant after the statement.
func (d *breakInPage) conclude(moved bool) {
	own, other, unknown := 0, 0, 0
	for _, r := range d.Rows {
		switch {
		case r.Other:
			other++
		case r.Owner == "":
			unknown++
		default:
			own++
		}
	}
	all := plural(len(d.Rows), "row") + " came back"
	switch {
	case moved:
		d.Verdict, d.Headline = "forged", "You named another client, and the plain setting believed you"
		d.Detail = "Whoever can run whole SQL statements as the application role can call set_config: that is the limit of plain mode, and the reason why programs must bind values and never paste them. " +
			"Sealed mode closes it: there the setting is worth nothing without a signature."
		if other > 0 {
			d.Detail = plural(other, "row") + " of another client came back. " + d.Detail
		}
	case other > 0:
		d.Verdict, d.Headline = "leaked", "The moat leaks"
		d.Detail = plural(other, "row") + " of another client came back. This must not happen: please report it with the statement."
	case len(d.Rows) == 0:
		d.Verdict, d.Headline = "held", "Nothing came back"
		d.Detail = "For the database, rows of other clients do not exist while it speaks for you."
	case unknown == len(d.Rows):
		d.Verdict, d.Headline = "computed", all
		d.Detail = "Nothing in the answer says whose it is: it was computed. Compare it with what the referee counts below."
	case unknown > 0:
		d.Verdict, d.Headline = "held", "The moat held"
		d.Detail = fmt.Sprintf("%s: %s yours, and %s that nothing in it says an owner of.", all, count(int64(own)), count(int64(unknown)))
	default:
		d.Verdict, d.Headline, d.Detail = "held", "The moat held", all+", and every one of them is yours."
	}
}
