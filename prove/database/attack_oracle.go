package database

import (
	"slices"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// peeked stands before a value that an expression of the attacker's has seen.
const peeked = "moat saw "

// upsertOracle lets the WHERE of ON CONFLICT DO UPDATE look at B's row, which releases
// before 18.7, 17.12, 16.16, 15.20 and 14.25 evaluate ahead of the policy.
// Without strict, keys that nobody can guess are left out, as by the probes of keys.
func (st *site) upsertOracle(strict bool) []attack {
	set := st.settable(st.reach.updates)
	if set == "" || st.spareA == nil || !st.reach.insert {
		return nil
	}
	var out []attack
	for _, i := range st.rel.Indexes {
		key := st.columnsOf(i.Keys)
		if !i.Unique || !i.Valid || i.Predicate != "" || st.deferrable(i.Name) || slices.Contains(key, st.tenant) ||
			!strict && st.prover.view.Surrogate(st.rel, &i) && st.prover.view.Unguessable(st.rel, &i) ||
			slices.ContainsFunc(i.Keys, func(k catalog.IndexKey) bool { return k.Column == "" }) ||
			!subset(key, st.insertable()) || !subset(key, st.reach.selects) || st.referencesTenant(key) {
			continue
		}
		if a, ok := st.peek(key, set); ok {
			out = append(out, a)
		}
	}
	return out
}

// peek inserts a row of A's that meets B's in the key, and asks for a column of B's.
func (st *site) peek(key []string, set string) (attack, bool) {
	for _, b := range st.rowsB {
		taken := row{}
		for _, n := range key {
			taken[n] = b[n]
		}
		if slices.ContainsFunc(key, func(n string) bool { return b[n] == null || b[n] == "" }) {
			continue
		}
		seen := key[0]
		for _, n := range st.reach.selects {
			if b[n] != null && b[n] != "" && n != st.tenant && !slices.Contains(key, n) {
				seen = n
			}
		}
		sql := st.insert(st.spareA.with(taken)) + " ON CONFLICT (" + sqltext.Idents(key) + ") DO UPDATE SET " +
			sqltext.Ident(set) + " = excluded." + sqltext.Ident(set) + " WHERE ('" + peeked + "' || " +
			sqltext.Ident(st.rel.Name) + "." + sqltext.Ident(seen) + "::text)::integer > 0"
		return attack{name: "upsert oracle", steps: []string{sql},
			judge: func(outcome) finding { return isolated("the upsert met no row of tenant B") },
			onError: func(e *pgconn.PgError) finding {
				if strings.Contains(e.Message, peeked) {
					return leak("the WHERE of ON CONFLICT DO UPDATE sees tenant B's row ahead of the policy, and its error shows "+
						"a value of it: %s. Update PostgreSQL, or let the key begin with the tenant", e.Message)
				}
				return ownRowMet(e)
			}}, true
	}
	return attack{}, false
}

// lookAlikeAttacks read as a tenant whose id is another text than B's, which the
// column's type or collation calls equal.
func (st *site) lookAlikeAttacks() []attack {
	c := st.column(st.tenant)
	if !st.s.bind.bare() || len(st.prover.values) > 0 || c == nil || !texty(c) && c.TypeName.Schema == "pg_catalog" {
		return nil
	}
	var out []attack
	for _, id := range lookAlikes(st.b) {
		if id == st.a || id == st.b {
			continue
		}
		out = append(out, attack{name: "look-alike tenant", as: st.s.bind.plain(id), steps: []string{"SELECT 1 FROM " +
			st.sql() + " LIMIT 1"}, judge: func(o outcome) finding {
			if o.last().n > 0 {
				return leak("tenant %q sees the rows of tenant %q: the column's type or collation calls them equal", id, st.b)
			}
			return isolated("a tenant whose id looks like tenant B's sees no row")
		}, onError: failsClosed})
	}
	return out
}

func texty(c *catalog.Column) bool {
	return slices.Contains([]string{"text", "varchar", "bpchar", "citext", "name"}, c.TypeName.Name)
}

// lookAlikes are texts that differ from an id in case, blanks, length or in characters
// that a collation may not weigh.
func lookAlikes(id string) []string {
	swapped := strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, id)
	return []string{swapped, id + " ", id + "x", id + "\u200b", strings.Replace(id, "e", "é", 1),
		strings.Replace(id, "a", "ａ", 1)}
}
