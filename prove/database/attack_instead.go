package database

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/sqltext"
)

// insteadAttacks write through a view whose triggers or rules do something else instead. Whatever
// the view shows, those find rows by the values that they are given, so they are given B's: in a
// new row, in a change of A's, and by a row of A's own with the ids of B's, where the tenant's part
// of the key lets there be one.
func (s *stage) insteadAttacks(ctx context.Context, st *site) []attack {
	if !s.fires(st.target) || s.calm == "" {
		return nil
	}
	var out []attack
	for _, to := range s.ledTo(st.target) {
		theirs, own := s.through(st, to, to.rowsB[0]), s.through(st, to, to.rowsA[0])
		for i, sql := range theirs {
			a := attack{name: "view write", steps: []string{sql}, onError: s.insteadRefused(ctx, st, own[i])}
			out = append(out, a)
			if twin := to.twin(); twin != nil && to.spareA != nil {
				a.setup = []string{to.sow(to.spareA.with(twin))}
				out = append(out, a)
			}
		}
	}
	return s.watched(ctx, st, out)
}

// mostLedTo bounds the tables whose ids are tried for one view.
const mostLedTo = 3

// ledTo are the tables of tenants that a view reads, or that its triggers and rules name.
func (s *stage) ledTo(t *target) []*site {
	var all []*site
	add := func(q catalog.QName) {
		st := s.siteOf(q)
		if st != nil && s.private(st.target) && st.isTable() && len(st.rowsA) > 0 && len(st.rowsB) > 0 &&
			!slices.Contains(all, st) && len(all) < mostLedTo {
			all = append(all, st)
		}
	}
	for _, f := range s.outside.runs(t.rel) {
		for _, used := range body.Scan(f).Tables {
			for _, r := range s.outside.tables(used) {
				add(r.QName())
			}
		}
	}
	for _, d := range s.view.Reads(t.rel.QName()) {
		add(d.On)
	}
	for _, q := range s.view.Beneath(t.rel.QName()) {
		add(q)
	}
	return all
}

// through are the writes through a view that name a row of a table.
func (s *stage) through(st, to *site, named row) []string {
	values, keys := row{}, []string{}
	for c := range catalog.Each(st.rel.Columns) {
		id := to.idFor(c, named)
		switch {
		case id != "":
			keys = append(keys, c.Name)
			values[c.Name] = id
		case c.Type == s.model.Type && s.namesTenant(c.Name):
			values[c.Name] = s.a
		case to.column(c.Name) != nil:
			values[c.Name] = to.rowsA[0][c.Name]
		}
		if _, known := values[c.Name]; !known && s.textual(c) {
			values[c.Name] = tag(tagA) + "x"
		}
	}
	var out []string
	back := ""
	if len(st.rel.Triggers) > 0 && len(st.reach.selects) > 0 { // a rule returns rows only if it says so
		back = " RETURNING " + sqltext.Idents(st.reach.selects)
	}
	if st.reach.insert {
		out = append(out, st.insert(values)+back)
	}
	set := values.only(st.reach.updates)
	if st.reach.update && len(set) > 0 {
		out = append(out, "UPDATE "+st.sql()+" x SET "+set.assignments()+back)
	}
	if len(keys) == 0 || !subset(keys, st.reach.selects) {
		return out
	}
	where := " WHERE " + values.matches("x.", keys)
	if rest := set.except(keys); st.reach.update && len(rest) > 0 {
		out = append(out, "UPDATE "+st.sql()+" x SET "+rest.assignments()+where)
	}
	if st.reach.delete {
		out = append(out, "DELETE FROM "+st.sql()+" x"+where)
	}
	return out
}

// idFor is what a column takes to name a row of a table: the part of its key of that name, or,
// where the table has no such column, one of the type; "" for none.
func (st *site) idFor(c *catalog.Column, named row) string {
	for _, name := range st.key {
		k := st.column(name)
		if name == st.tenant || k == nil || k.Type != c.Type || named[name] == null {
			continue
		}
		if name == c.Name || st.column(c.Name) == nil {
			return named[name]
		}
	}
	return ""
}

// insteadRefused reads an error by which the code behind a view stops a write that names B's row:
// it is a refusal where the same write goes through for A's own.
func (s *stage) insteadRefused(ctx context.Context, st *site, own string) func(*pgconn.PgError) finding {
	return func(e *pgconn.PgError) finding {
		if constraint(e) {
			return ownRowMet(e)
		}
		if strings.HasPrefix(e.Code, "P0") && s.operator.try(ctx, attempt{as: st.asA, steps: []string{own}}).err == nil {
			return isolated("it refuses tenant B's ids (%s), and takes tenant A's own", e.Message)
		}
		return pastTrigger(e)
	}
}

// twin are the values that give a row of A's the ids of one of B's; nil where the key has no tenant
// in it, or something else stands in the way.
func (st *site) twin() row {
	if len(st.rowsB) == 0 || !slices.Contains(st.key, st.tenant) {
		return nil
	}
	same := row{}
	for _, name := range st.key {
		if name != st.tenant && !st.referencing(name) && !st.keyOfAll(name) {
			same[name] = st.rowsB[0][name]
		}
	}
	if len(same) == 0 {
		return nil
	}
	return same
}

// keyOfAll says whether a column takes part in a unique key that the rows of all tenants share.
func (st *site) keyOfAll(name string) bool {
	return slices.ContainsFunc(st.rel.Indexes, func(i catalog.Index) bool {
		columns := st.columnsOf(i.Keys)
		return i.Unique && slices.Contains(columns, name) && !slices.Contains(columns, st.tenant)
	})
}
