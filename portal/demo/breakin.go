package demo

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/portal/internal/client"
	"github.com/moat-db/moat/portal/internal/frame"
	"github.com/moat-db/moat/portal/internal/text"
)

const (
	timeout  = 3 * time.Second
	maxRows  = 100
	maxBytes = 4 << 20 // the longest message that is read from the server
	maxSQL   = 20_000
)

// breakIn is the page on which visitors try to get at the rows of others.
type breakIn struct {
	Config
	clients *client.Pages
	views   *frame.Views
}

// attack is one attempt: what was run, what came back, and what is to be said of it.
type attack struct {
	SQL      string
	Attempts []attempt
	Others   string // the name of another client
	Sealed   bool

	Done bool
	verdict
	Truth    string // what there is, as the referee counts it
	Columns  []string
	Rows     []answer
	More     bool
	Plan     string
	PlanNote string
	Millis   int64

	visit  *client.Visit
	fields []pgconn.FieldDescription
}

// answer is one row that came back.
type answer struct {
	Owner  string // who owns it; "" when nothing in it says so
	Other  bool   // another tenant does
	Values []*string
}

func (b *breakIn) page(w http.ResponseWriter, r *http.Request, v *client.Visit) error {
	a, err := b.prepare(v)
	if err != nil {
		return err
	}
	a.SQL = a.Attempts[0].SQL
	if n, err := strconv.Atoi(r.URL.Query().Get("try")); err == nil && n >= 0 && n < len(a.Attempts) {
		a.SQL = a.Attempts[n].SQL
	}
	return b.show(w, r, v, http.StatusOK, a)
}

func (b *breakIn) show(w http.ResponseWriter, r *http.Request, v *client.Visit, status int, a *attack) error {
	out := b.clients.Page(r, v, "Break in", "break-in")
	out.Data = a
	return b.views.Render(w, status, "break-in", out)
}

// prepare offers attempts on the visitor's own schema, against another client.
func (b *breakIn) prepare(v *client.Visit) (*attack, error) {
	t := v.Schema.Main()
	if v.Session.ViewAs != nil || t == nil || t.Tenant == "" {
		return nil, frame.ErrNotFound
	}
	var other Client
	for _, c := range b.Clients {
		if string(c.Tenant) != v.Tenant {
			other = c
			break
		}
	}
	return &attack{Sealed: b.Sealed, Others: other.Name, visit: v,
		Attempts: attempts(t, v.Schema.Model.Setting, v.Tenant, other)}, nil
}

// try runs the visitor's statement as the application role, bound to the visitor's
// tenant, and rolls it back.
func (b *breakIn) try(w http.ResponseWriter, r *http.Request, v *client.Visit) error {
	r.Body = http.MaxBytesReader(w, r.Body, 4*maxSQL)
	a, err := b.prepare(v)
	if err != nil {
		return err
	}
	a.SQL = strings.ToValidUTF8(strings.ReplaceAll(r.PostFormValue("sql"), "\x00", ""), "")
	a.Done = true
	if problem := unfit(a.SQL); problem != "" {
		a.verdict = verdict{"refused", "This page does not run that", problem}
		return b.show(w, r, v, http.StatusUnprocessableEntity, a)
	}
	if err := b.run(a); err != nil {
		return err
	}
	return b.show(w, r, v, http.StatusOK, a)
}

var errRollback = errors.New("roll back")

// run asks for the plan first, in a savepoint, and then for the rows; what came back
// goes to the referee.
func (b *breakIn) run(a *attack) error {
	ctx, cancel := context.WithTimeout(a.visit, timeout+2*time.Second)
	defer cancel()
	var setting string
	var refusedBy error
	err := b.BreakIn.InTx(ctx, func(tx pgx.Tx) error {
		tx.Conn().PgConn().Frontend().SetMaxBodyLen(maxBytes)
		if err := frame.Limit(ctx, tx, timeout); err != nil {
			return err
		}
		if refusedBy = a.explain(ctx, tx); refusedBy == nil {
			began := time.Now()
			refusedBy = a.query(ctx, tx)
			a.Millis = time.Since(began).Milliseconds()
		}
		if refusedBy == nil {
			setting = currentSetting(ctx, tx, a.visit.Schema.Model.Setting)
		}
		return errRollback
	})
	if err != nil && !errors.Is(err, errRollback) {
		return err
	}
	if refusedBy != nil {
		a.Rows, a.Columns = nil, nil
		a.verdict = refusal(refusedBy)
		return b.count(a)
	}
	if err := b.referee(a); err != nil {
		return err
	}
	// A sealed tenant is not in the setting: whatever stands there is worth nothing.
	a.verdict = conclude(a.Rows, !b.Sealed && setting != "" && setting != a.visit.Tenant)
	return nil
}

// explain asks for the plan. What cannot be planned is run all the same.
func (a *attack) explain(ctx context.Context, tx pgx.Tx) error {
	inner, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	rows, err := inner.Query(ctx, "explain (costs off, verbose) "+a.SQL)
	if err == nil {
		var lines []string
		if lines, err = pgx.CollectRows(rows, pgx.RowTo[string]); err == nil {
			a.Plan = strings.Join(lines, "\n")
		}
	}
	if err != nil {
		a.PlanNote = "PostgreSQL has no plan for this kind of statement."
	}
	return inner.Rollback(ctx)
}

// query reads what comes back, up to a number of rows.
func (a *attack) query(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, a.SQL, pgx.QueryResultFormats{pgx.TextFormatCode})
	if err != nil {
		return err
	}
	defer rows.Close()
	a.fields = append(a.fields, rows.FieldDescriptions()...)
	a.Columns = append(a.Columns, list.Map(a.fields, func(f pgconn.FieldDescription) string { return f.Name })...)
	for rows.Next() {
		if len(a.Rows) == maxRows {
			a.More = true
			break
		}
		var one answer
		one.Values = append(one.Values, list.Map(rows.RawValues(), textOf)...)
		a.Rows = append(a.Rows, one)
	}
	rows.Close()
	return rows.Err()
}

func textOf(raw []byte) *string {
	if raw == nil {
		return nil
	}
	shown := text.Clip(strings.ToValidUTF8(string(raw), "\uFFFD"), 2000)
	return &shown
}

// currentSetting is what the tenant setting holds after the statement: a statement that
// changed it has named another tenant.
func currentSetting(ctx context.Context, tx pgx.Tx, name string) string {
	var value *string
	err := tx.QueryRow(ctx, "select pg_catalog.current_setting($1, true)", name).Scan(&value)
	if err != nil || value == nil {
		return ""
	}
	return *value
}
