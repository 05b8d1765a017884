package api

import (
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/api/internal/plan"
	"github.com/moat-db/moat/api/internal/problem"
	"github.com/moat-db/moat/api/internal/query"
)

func isPlan(m query.Media) bool { return m.Format == query.PlanText || m.Format == query.PlanJSON }

// explain answers with the plan of a statement.
//
// What the planner estimates it knows from the rows of all tenants. So the plan is the
// generic one, which is made without the values of the client, and without numbers; and
// there is no ANALYZE, which counts the rows of others that a filter removes: who asks for it
// gets the plan without, and the Content-Type says which options hold. A generic
// plan needs a prepared statement, hence a connection of its own; no tenant is bound on
// it, and nothing is executed.
func (q *request) explain(w http.ResponseWriter, st *plan.Statement, media query.Media) error {
	if q.h.config.Connect == nil {
		return problem.New(http.StatusNotAcceptable, "PGRST107", "This server gives no plans")
	}
	q.info.timing.mark(phasePlan)
	if err := q.ask(); err != nil {
		return err
	}
	conn, err := q.h.config.Connect(q.Context())
	if err != nil {
		return err
	}
	defer conn.Close(q.Context())
	tx, err := conn.Begin(q.Context()) // that ends with the connection
	if err != nil {
		return err
	}
	if _, err := tx.Exec(q.Context(), forFunctions, q.searchPath()); err != nil { // a plan can have their bodies in it
		return err
	}
	if _, err := tx.Exec(q.Context(), "set plan_cache_mode = force_generic_plan"); err != nil {
		return err
	}
	if _, err := tx.Exec(q.Context(), "prepare explained as "+st.SQL); err != nil {
		return err
	}
	lines, err := explained(q, tx, "explain ("+explainOptions(media)+") execute explained"+nulls(len(st.Args)))
	if err != nil {
		return err
	}
	q.info.timing.mark(phaseTransaction)
	q.write(w, http.StatusOK, media.ContentType(), &answer{body: []byte(lines)})
	return nil
}

func explained(q *request, tx pgx.Tx, sql string) (string, error) {
	rows, _ := tx.Query(q.Context(), sql, pgx.QueryExecModeSimpleProtocol)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return strings.Join(lines, "\n"), err
}

func explainOptions(m query.Media) string {
	options := "costs off, format text"
	if m.Format == query.PlanJSON {
		options = "costs off, format json"
	}
	for _, o := range m.Options {
		options += ", " + o
	}
	return options
}

// nulls is a list of n arguments; they are not looked at.
func nulls(n int) string {
	if n == 0 {
		return ""
	}
	return "(null" + strings.Repeat(", null", n-1) + ")"
}
