package plan

import (
	"net/http"

	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/api/internal/query"
	"github.com/moat-db/moat/api/internal/schema"
)

// handled makes one value of the rows that a SELECT gives, and counts them.
func (w *writer) handled(sql string) string {
	if w.options.Media == nil {
		return sql
	}
	w.calls = true
	return "SELECT " + w.options.Media.SQL + " AS value, pg_catalog.count(*) AS rows FROM (" + sql + ") AS m"
}

// describe says what the columns of a statement are.
func (w *writer) describe(st *Statement, sel *selection) {
	st.Outputs = sel.names()
	if w.options.Media != nil {
		st.Outputs = []Output{{"value", Visible}, {"rows", Rows}}
		st.Scalar, st.Single = true, true
	}
}

// handles refuses a choice of columns to what takes a table's rows as they are.
func (w *writer) handles(t *schema.Table, r *query.Request) error {
	m := w.options.Media
	if m == nil || !m.Whole {
		return nil
	}
	if r.Selected {
		return problem.New(http.StatusNotAcceptable, "PGRST107", "None of these media types are available: %s", m.Type)
	}
	if len(t.Columns) > 0 && !wholeRow(t) {
		return Denied(t)
	}
	return nil
}
