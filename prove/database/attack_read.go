package database

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/sqltext"
)

// readAttacks are the ways to read another tenant's rows from a relation.
func (st *site) readAttacks() []attack {
	foreign := st.foreign("x")
	if foreign == "" {
		return st.countAttacks()
	}
	from := st.sql() + " x"
	where := from + " WHERE " + foreign
	cols := qualified("x", st.reach.selects)
	first := "x." + sqltext.Ident(st.reach.selects[0])
	out := []attack{
		{name: "read", steps: []string{"SELECT " + cols + " FROM " + where + " LIMIT 5"}, judge: seen("a plain SELECT")},
		{name: "join", steps: []string{"SELECT count(x) FROM (VALUES (1)) one(n) LEFT JOIN " + from + " ON true WHERE " +
			foreign}, judge: counted("through a join")},
		{name: "sub-select", steps: []string{"SELECT (SELECT count(*) FROM " + where + ")"},
			judge: counted("through a sub-select")},
		{name: "aggregate", steps: []string{"SELECT max(" + first + "::text) FROM " + where + " HAVING count(*) > 0"},
			judge: seen("through an aggregate")},
		{name: "cursor", steps: []string{"DECLARE moat_c CURSOR FOR SELECT " + cols + " FROM " + where,
			"FETCH 5 FROM moat_c"}, judge: seen("through a cursor")},
		{name: "copy", steps: []string{"COPY (SELECT " + cols + " FROM " + where + " LIMIT 5) TO STDOUT"},
			judge: seen("COPY TO")},
		{name: "explain analyze", steps: []string{"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT 1 FROM " +
			where}, judge: explained},
		{name: "savepoint", steps: slices.Concat([]string{"SAVEPOINT moat_inner"}, st.asB,
			[]string{"ROLLBACK TO SAVEPOINT moat_inner", "SELECT " + cols + " FROM " + where + " LIMIT 5"}),
			judge: seen("after a savepoint brought A back")},
		{name: "row_security", steps: []string{"SET LOCAL row_security = off", "SELECT " + cols + " FROM " + where +
			" LIMIT 5"}, judge: seen("with row_security off")},
	}
	if st.reach.update && st.isTable() {
		out = append(out, attack{name: "lock", steps: []string{"SELECT 1 FROM " + where + st.routed("x") +
			" LIMIT 5 FOR UPDATE OF x"},
			judge: seen("locked")})
	}
	return slices.Concat(out, st.leakyAttacks(), st.countAttacks(), st.preparedAttack(cols, foreign),
		st.lookAlikeAttacks())
}

// countAttacks compare how many rows A can count with how many A has: they need no
// column in particular.
func (st *site) countAttacks() []attack {
	if st.countA < 0 {
		return nil
	}
	judge := func(what string, number func(outcome) int64) func(outcome) finding {
		return func(o outcome) finding {
			own := st.countA
			if own < 0 {
				return undecided("tenant A's own rows could not be counted again")
			}
			if n := number(o); n > own {
				return leak("%s shows %s where tenant A has %d", what, english.Count(n, "row"), own)
			}
			return absent("no more than tenant A's own %s", english.Count(own, "row"))
		}
	}
	out := []attack{{name: "count", steps: []string{"SELECT count(*) FROM " + st.sql() + st.exceptNull()},
		again: st.recount, judge: judge("count(*)", func(o outcome) int64 { return o.last().number() })}}
	if st.whole() && st.isTable() && st.countA <= 10_000 && st.tenant != "" && st.column(st.tenant).NotNull {
		out = append(out, attack{name: "copy", steps: []string{"COPY " + st.copyable() + " TO STDOUT"},
			again: st.recount, judge: judge("COPY TO", func(o outcome) int64 { return o.last().n })})
	}
	return out
}

// copyable is the relation as COPY takes it: a partitioned table only as a query.
func (st *site) copyable() string {
	if st.rel.Kind == catalog.PartitionedTable {
		return "(TABLE " + st.sql() + ")"
	}
	return st.sql()
}

// exceptNull leaves out rows of no tenant, which are nobody's secret here; whether
// they may be seen and written is asked by the probes without a tenant.
func (st *site) exceptNull() string {
	if st.seesTenant() && !st.column(st.tenant).NotNull {
		return " WHERE " + sqltext.Ident(st.tenant) + " IS NOT NULL"
	}
	return ""
}

// preparedAttack lets B plan a statement and A run it: a tenant folded into the
// plan shows.
func (st *site) preparedAttack(cols, foreign string) []attack {
	if !st.s.bind.bare() && !st.staged {
		return nil // B's binding is refused on a transaction that is A's
	}
	name := sqltext.Ident("moat plan " + st.name())
	all := "PREPARE " + name + " AS SELECT " + cols + " FROM " + st.sql() + " x"
	tenant := slices.Index(st.reach.selects, st.tenant)
	if tenant < 0 || len(st.given) > 0 {
		tenant = -1
		all += " WHERE " + foreign
	}
	steps := slices.Concat(st.asB, []string{all + " LIMIT 2000", "EXECUTE " + name}, st.asA,
		[]string{"EXECUTE " + name, "DEALLOCATE " + name})
	return []attack{{name: "prepared plan", steps: steps, judge: func(o outcome) finding {
		if len(o.results) < 2 {
			return undecided("the prepared statement returned nothing to compare")
		}
		second := o.results[len(o.results)-2]
		for _, r := range second.rows {
			if tenant < 0 || r[tenant] != st.a && r[tenant] != null {
				return leak("a plan made while the session was B's returned B's rows to A")
			}
		}
		return absent("the plan made for B returned none of B's rows to A")
	}}}
}

// explained reads the number of rows of the plan's top node.
func explained(o outcome) finding {
	text := o.last().text()
	i := strings.Index(text, "actual rows=")
	if i < 0 {
		return absent("the plan never touched a row")
	}
	rest := text[i+len("actual rows="):]
	if strings.HasPrefix(rest, "0 ") || strings.HasPrefix(rest, "0.00 ") {
		return absent("EXPLAIN ANALYZE ran and returned no foreign row")
	}
	return leak("EXPLAIN ANALYZE returned rows of other tenants: %s", strings.SplitN(text, "\n", 2)[0])
}
