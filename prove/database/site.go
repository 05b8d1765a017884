package database

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// A site is one target with what is known of it for sure: which rows are A's and
// which are B's. The operator looked, so the answer does not depend on the policies
// under attack.
type site struct {
	*target
	prover       *prover
	a, b         string
	rowsA, rowsB []row
	given        []row    // rows of others that the model lets A read, by what identifies them
	countA       int64    // rows that A may read; -1 when not counted
	s            *session // where it is attacked
	staged       bool
	asA, asB     []string            // the statements that bind A and B
	asNobody     []string            // bind a tenant that has no rows at all, or none
	leaky        []*catalog.Function // user-defined and marked LEAKPROOF
	// spare are rows that would be valid for the tenant and are not there yet.
	spareA, spareB row
	// blind is true when A does not see A's own rows: seeing none of B's then shows
	// nothing. closed is true when no policy lets the role read anything.
	blind, closed bool
	mute          bool // see [site.findMute]
}

// samples is how many rows of each tenant are looked at.
const samples = 3

// survey reads A's and B's rows of every table.
func (p *prover) survey(ctx context.Context) error {
	for _, t := range p.targets {
		st := &site{target: t, prover: p, a: p.a, b: p.b, countA: -1, s: p.app}
		p.sites[t] = st
		st.look(ctx, p.operator)
		if err := p.operator.alive(ctx); err != nil {
			return fmt.Errorf("survey %s: %w", t.name(), err)
		}
		if err := p.findParted(ctx, st); err != nil {
			return fmt.Errorf("survey %s: %w", t.name(), err)
		}
	}
	sower := newSower(p, p.operator)
	for _, t := range p.targets {
		if p.private(t) && t.isTable() {
			p.prepareSpares(ctx, sower, p.sites[t])
		}
	}
	// What was read so far holds locks that a TRUNCATE would wait for.
	return p.operator.restart(ctx)
}

// look fills the site from what is committed.
func (st *site) look(ctx context.Context, operator *session) {
	if !st.owned() {
		return
	}
	for _, side := range []struct {
		tenant string
		rows   *[]row
	}{{st.a, &st.rowsA}, {st.b, &st.rowsB}} {
		results, err := operator.guarded(ctx, st.rowsOf(side.tenant, st.columns(), samples))
		if err != nil {
			return
		}
		*side.rows = asRows(results[0])
	}
	st.count(ctx, operator)
}

// count counts what A may read: A's own rows, and those of others that a shape gives.
func (st *site) count(ctx context.Context, operator *session) {
	st.countA, st.given = -1, nil
	results, err := operator.guarded(ctx, st.countOf(st.a))
	if err != nil {
		return
	}
	own := results[0].number()
	caller := st.prover.model.Shapes.Caller
	several := caller != nil && caller.All // A's caller may be in other tenants too
	if !several && !st.prover.model.Shapes.Mixed(st.rel.QName()) || !st.seesTenant() {
		st.countA = own
		return
	}
	results, err = operator.guarded(ctx, st.givenRows())
	if err != nil || len(results[0].rows) == maxRows {
		return
	}
	st.given = asRows(results[0])
	st.countA = own + int64(len(st.given))
}

// recount counts once more, where the site is attacked, and says whether that is the same. The
// operator keeps no lock by it that an attack from another connection would wait for.
func (st *site) recount(ctx context.Context) bool {
	before := st.countA
	if st.staged {
		st.count(ctx, st.s)
		return st.countA == before
	}
	st.count(ctx, st.prover.operator)
	if err := st.prover.operator.restart(ctx); err != nil {
		st.countA = -1
	}
	return st.countA == before
}

// givenRows selects the rows of others that A may read.
func (st *site) givenRows() string {
	p := st.prover
	subject, role := p.view.Facts()
	a := policy.Caller{Tenant: st.a, Subject: cmp.Or(p.Settings[subject], p.people[st.a].subject),
		Issuer: cmp.Or(p.Settings[p.view.IssuerSetting()], p.people[st.a].issuer), Role: p.Settings[role]}
	columns := st.identifying()
	texts := list.Map(columns, func(c string) string { return "x." + sqltext.Ident(c) + "::text AS " + sqltext.Ident(c) })
	return fmt.Sprintf("SELECT %s FROM %s x WHERE x.%s <> %s AND (%s) LIMIT %d", strings.Join(texts, ", "), st.sql(),
		sqltext.Ident(st.tenant), lit(st.a), p.view.Rows(st.rel, p.view.Literal(a)).Read, maxRows)
}

// ungiven is the condition that leaves out what the model gives A.
func (st *site) ungiven(alias string) string {
	var b strings.Builder
	for _, r := range st.given {
		b.WriteString(" AND NOT (" + r.matches(alias, slices.Sorted(maps.Keys(r))) + ")")
	}
	return b.String()
}

// owned says whether it is known which tenant a row belongs to.
func (t *target) owned() bool { return t.tenant != "" || len(t.model.Paths) > 0 }

// columns lists all columns but virtual ones, as text in rows.
func (t *target) columns() []string {
	return list.Map(t.rel.Columns, func(c catalog.Column) string { return c.Name })
}

// source is the FROM and WHERE that hold exactly the tenant's rows of the target,
// called x, followed by foreign keys where it has no tenant column.
func (t *target) source(tenant string) string {
	if t.tenant != "" {
		return t.sql() + " x WHERE x." + sqltext.Ident(t.tenant) + " = " + lit(tenant)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s x", t.sql())
	from, path := "x", t.model.Paths[0]
	for i, step := range path {
		to := "p" + strconv.Itoa(i)
		fmt.Fprintf(&b, " JOIN %s %s ON %s", table(step.To), to, sqltext.Pairs(from, step.Columns, to, step.RefColumns))
		from = to
	}
	fmt.Fprintf(&b, " WHERE %s.%s = %s", from, sqltext.Ident(t.anchor), lit(tenant))
	return b.String()
}

func (t *target) rowsOf(tenant string, columns []string, limit int) string {
	texts := list.Map(columns, func(c string) string { return "x." + sqltext.Ident(c) + "::text AS " + sqltext.Ident(c) })
	return fmt.Sprintf("SELECT %s FROM %s LIMIT %d", strings.Join(texts, ", "), t.source(tenant), limit)
}

func (t *target) countOf(tenant string) string {
	return "SELECT count(*) FROM " + t.source(tenant)
}

func asRows(r result) []row {
	out := make([]row, len(r.rows))
	for i, values := range r.rows {
		out[i] = make(row, len(values))
		for j, v := range values {
			out[i][r.columns[j]] = v
		}
	}
	return out
}

// foreign is the condition that holds for rows of tenants other than A, in terms of
// what the application role can read; "" when it can only count.
func (st *site) foreign(alias string) string {
	if alias != "" {
		alias += "."
	}
	if st.seesTenant() {
		return fmt.Sprintf("%[1]s%[2]s IS NOT NULL AND %[1]s%[2]s <> %[3]s", alias, sqltext.Ident(st.tenant), lit(st.a)) +
			st.ungiven(alias)
	}
	return st.attacked(alias)
}

// attacked is the condition that picks B's known rows. On the stage those are the planted ones
// alone: what the schema's own code says of one of them shows that it was read.
func (st *site) attacked(alias string) string {
	if alias != "" && !strings.HasSuffix(alias, ".") {
		alias += "."
	}
	known := st.listed(alias, st.rowsB)
	if !st.seesTenant() {
		return known
	}
	of := alias + sqltext.Ident(st.tenant) + " = " + lit(st.b) + st.ungiven(alias)
	if st.staged && known != "" && len(st.key) > 0 && subset(st.key, st.reach.selects) {
		of += " AND " + known
	}
	return of
}

// listed is the condition that picks some of B's rows, by what identifies them.
func (st *site) listed(alias string, rows []row) string {
	key := st.identifying()
	if len(key) == 0 || len(rows) == 0 {
		return ""
	}
	return "(" + list.Join(rows, " OR ", func(r row) string { return r.matches(alias, key) }) + ")"
}

// identifying are readable columns that tell rows apart: the key, else every
// readable column of a plain type.
func (st *site) identifying() []string {
	if len(st.key) > 0 && subset(st.key, st.reach.selects) {
		return st.key
	}
	var out []string
	for _, name := range st.reach.selects {
		if c := st.column(name); c != nil && comparable(c) && len(st.rowsB) > 0 && len(st.rowsB[0][name]) < 200 {
			out = append(out, name)
		}
	}
	return out
}

// comparable says whether a column's type has an equality worth relying on.
func comparable(c *catalog.Column) bool {
	switch c.TypeName.Name {
	case "json", "xml", "point", "box", "polygon", "path", "line", "lseg", "circle", "float4", "float8":
		return false
	}
	return true
}

func subset(names, of []string) bool {
	have := map[string]bool{}
	for _, n := range of {
		have[n] = true
	}
	return !slices.ContainsFunc(names, func(n string) bool { return !have[n] })
}
