package why

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// step is one condition of the policies that bind a reading. Rows must meet all steps.
type step struct {
	policy   *catalog.Policy
	text     string
	judged   policy.Judgement
	wall     bool // it keeps tenants apart, and nothing else
	several  bool // one of several permissive policies, of which one must hold
	rejected int64
}

// own is the condition that a column of a type holds the tenant.
func (a *asker) own(column, typ string) string {
	return sqltext.Ident(column) + " = " + sqltext.Literal(string(a.Scope.Tenant)) + "::" + a.view.BaseType(typ)
}

// stepsOf are the conditions of the policies: each part of a restrictive one, then each part
// of the one permissive, or what the permissive ones say together.
func (a *asker) stepsOf(r *reading) []step {
	restrictive, permissive := a.policies(r)
	var all []step
	for _, p := range restrictive {
		all = append(all, a.parts(r, p)...)
	}
	if len(permissive) == 1 {
		return append(all, a.parts(r, permissive[0])...)
	}
	var texts []string
	together := step{several: true}
	for _, p := range permissive {
		for _, s := range a.parts(r, p) {
			together.judged.Functions = append(together.judged.Functions, s.judged.Functions...)
			together.judged.Subqueries = append(together.judged.Subqueries, s.judged.Subqueries...)
			together.judged.Memberships = append(together.judged.Memberships, s.judged.Memberships...)
		}
		if p.Using != nil {
			texts, together.policy = append(texts, "("+p.Using.Text+")"), p
		}
	}
	if together.text = strings.Join(texts, " OR "); len(texts) > 0 {
		all = append(all, together)
	}
	return all
}

// parts are what is ANDed in a policy's USING.
func (a *asker) parts(r *reading, p *catalog.Policy) []step {
	if p.Using == nil {
		return nil
	}
	texts, nodes := sqltext.Conjuncts(p.Using.Text), p.Using.Root.Conjuncts()
	if len(texts) != len(nodes) {
		j := a.view.Judge(p.Using, r.rel)
		return []step{{policy: p, text: p.Using.Text, judged: j, wall: j.Isolates && !j.AlwaysFalse}}
	}
	var all []step
	for i, text := range texts {
		j := a.view.Judge(&catalog.Expr{Text: text, Root: nodes[i]}, r.rel)
		if j.AlwaysTrue {
			continue
		}
		wall := j.Isolates && !j.AlwaysFalse && len(j.Subqueries) == 0
		all = append(all, step{policy: p, text: text, judged: j, wall: wall})
	}
	return all
}

// countable reports whether the operator may evaluate the condition, and would get what the
// application gets: no code of somebody else's, and nothing that depends on who asks.
func (s *step) countable() bool {
	return len(s.judged.Functions) == 0 && !s.judged.UsesRoleName && !strings.Contains(s.text, "pg_has_role")
}

// count counts the rows of one table that meet the statement's own conditions.
func (a *asker) count(ctx context.Context, tx pgx.Tx, r *reading) error {
	if !a.plan.known || r.asked || r.late || !r.rel.IsTable() || r.Command == "INSERT" {
		return nil
	}
	c, ok := a.condition(r)
	if !ok {
		a.unknown("%s: rows were not counted, for the statement reads it more than once, or its plan does not.", r.Name)
		return nil
	}
	counts := &Counts{Partial: c.partial}
	if a.view.Bypasses(r.role, r.rel) == "" && r.rel.RLS {
		r.steps = a.stepsOf(r)
	}
	err := a.asOperator(ctx, func(tx pgx.Tx) error { return a.countAs(ctx, tx, r, c, counts) })
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		a.unknown("%s: rows were not counted: %s.", r.Name, pg.Message)
		return nil
	}
	if err != nil {
		return err
	}
	r.Counts = counts
	a.see(ctx, tx, r, c)
	return nil
}

func (a *asker) countAs(ctx context.Context, tx pgx.Tx, r *reading, c condition, counts *Counts) error {
	if err := a.sameSettings(ctx, tx); err != nil {
		return err
	}
	own := "true"
	if column := a.tenantColumn(r); column != nil && a.Scope.Tenant != "" {
		own = a.own(column.Name, column.Type)
		err := tx.QueryRow(ctx, fmt.Sprintf("SELECT count(*), count(*) FILTER (WHERE nobody) FROM (SELECT %s IS NULL AS "+
			"nobody FROM %s AS %s WHERE (%s) AND (%s) IS NOT TRUE LIMIT %d) x", sqltext.Ident(column.Name), r.rel.QName().SQL(),
			sqltext.Ident(c.alias), c.sql, own, Most)).Scan(&counts.Others, &counts.Nobody)
		if err != nil {
			return err
		}
		counts.Others -= counts.Nobody
	}
	return a.countSteps(ctx, tx, r, c, own, counts)
}

// tenantColumn is the column that says whose a row is; nil where none does.
func (a *asker) tenantColumn(r *reading) *catalog.Column {
	if !a.tenants(r) {
		return nil
	}
	return r.rel.Column(a.view.TenantColumn(r.rel))
}

// countSteps counts the tenant's rows that meet the first n conditions, for each n.
func (a *asker) countSteps(ctx context.Context, tx pgx.Tx, r *reading, c condition, own string, counts *Counts) error {
	counted, met, values := []string{"count(*)"}, "true", ""
	at := []int{}
	for i := range r.steps {
		s := &r.steps[i]
		if s.wall || !s.countable() {
			continue // the tenant's own rows meet a wall
		}
		values += fmt.Sprintf(", (%s) AS moat_step_%d", s.text, i)
		met += fmt.Sprintf(" AND moat_step_%d", i)
		counted, at = append(counted, "count(*) FILTER (WHERE "+met+")"), append(at, i)
	}
	got := make([]int64, len(counted))
	into := make([]any, len(counted))
	for i := range got {
		into[i] = &got[i]
	}
	q := r.rel.QName()
	err := tx.QueryRow(ctx, fmt.Sprintf("SELECT %s FROM (SELECT %s.*%s FROM %s AS %s) AS %s WHERE (%s) AND (%s)",
		strings.Join(counted, ", "), sqltext.Ident(q.Name), values, q.SQL(), sqltext.Ident(q.Name), sqltext.Ident(c.alias),
		c.sql, own)).Scan(into...)
	if err != nil {
		return err
	}
	counts.Tenant, r.left = got[0], got[len(got)-1]
	for n, i := range at {
		if taken := got[n] - got[n+1]; taken > 0 {
			r.steps[i].rejected = taken
			r.Taken = append(r.Taken, Taken{r.steps[i].name(), r.steps[i].text, taken})
		}
	}
	return nil
}

func (s *step) name() string {
	if s.several {
		return "the permissive policies together"
	}
	return s.policy.Name
}

// sameSettings gives the operator's transaction the settings of the application's.
func (a *asker) sameSettings(ctx context.Context, tx pgx.Tx) error {
	settings := map[string]string{}
	if a.Scope.Tenant != "" {
		bound, err := moat.Settings(a.Scope, a.Bind)
		if err != nil {
			return err
		}
		settings = bound
	}
	for name, value := range a.Settings {
		settings[name] = value
	}
	for name, value := range settings {
		if _, err := tx.Exec(ctx, "SELECT pg_catalog.set_config($1, $2, true)", name, value); err != nil {
			return err
		}
	}
	return nil
}

// see counts the rows that the application itself sees.
func (a *asker) see(ctx context.Context, tx pgx.Tx, r *reading, c condition) {
	if r.role != a.session.role {
		return
	}
	var n int64
	err := pgx.BeginFunc(ctx, tx, func(sp pgx.Tx) error {
		return sp.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FROM %s AS %s WHERE %s", r.rel.QName().SQL(),
			sqltext.Ident(c.alias), c.sql)).Scan(&n)
	})
	if err != nil {
		a.unknown("%s: how many rows the application sees: %s.", r.Name, err)
		return
	}
	r.Counts.Visible = &n
}
