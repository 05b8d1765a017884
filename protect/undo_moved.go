package protect

import (
	"context"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// moved are the tables and schemas of the journal that have other names now.
type moved struct {
	tables  map[catalog.QName]catalog.QName
	schemas map[string]string
}

// movedTables finds them by what a table keeps when it is renamed. One that was dropped,
// or whose name another has, is not among them.
func (s *session) movedTables(ctx context.Context, all []entry) (*moved, error) {
	m := &moved{map[catalog.QName]catalog.QName{}, map[string]string{}}
	for _, e := range all {
		old := e.table
		if _, known := m.tables[old]; known || old.Name == "" || e.relation == 0 {
			continue
		}
		var now catalog.QName
		var schemaGone bool
		err := s.conn.QueryRow(ctx, "SELECT coalesce(max(n.nspname), ''), coalesce(max(c.relname), ''), "+
			"pg_catalog.to_regnamespace($2) IS NULL "+
			"FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1",
			e.relation, sqltext.Ident(old.Schema)).Scan(&now.Schema, &now.Name, &schemaGone)
		if err != nil {
			return m, err
		}
		if now.Name == "" || now == old {
			continue
		}
		m.tables[old] = now
		if schemaGone {
			m.schemas[old.Schema] = now.Schema
		}
	}
	return m, nil
}

// entry is e with today's names.
func (m *moved) entry(e entry) entry {
	if m == nil || len(m.tables) == 0 {
		return e
	}
	undo := list.Map(e.undo, func(q string) string { return m.statement(q, e.table) })
	e.undo = undo
	return e
}

// statement puts today's names into a statement.
func (m *moved) statement(q string, of catalog.QName) string {
	tokens := sqltext.Code(q)
	var b strings.Builder
	at := 0
	put := func(from, to sqltext.Token, name string) {
		b.WriteString(q[at:from.Pos] + name)
		at = to.End
	}
	dropsIndex := len(tokens) > 1 && tokens[0].Is("drop") && tokens[1].Is("index")
	for i, t := range tokens {
		if i > 0 && tokens[i-1].Is("schema") && t.IsName() && m.schemas[t.Name()] != "" {
			put(t, t, sqltext.Ident(m.schemas[t.Name()]))
		}
		if i+2 >= len(tokens) || !t.IsName() || !tokens[i+1].Is(".") || !tokens[i+2].IsName() {
			continue
		}
		old := catalog.QName{Schema: t.Name(), Name: tokens[i+2].Name()}
		if now := m.name(old, of, dropsIndex); now != old {
			put(t, tokens[i+2], now.SQL())
		}
	}
	return b.String() + q[at:]
}

// name is today's name of a relation. An index moves to another schema with its table.
func (m *moved) name(old, of catalog.QName, index bool) catalog.QName {
	if now, ok := m.tables[old]; ok {
		return now
	}
	if now, ok := m.tables[of]; ok && index && old.Schema == of.Schema {
		return catalog.QName{Schema: now.Schema, Name: old.Name}
	}
	if schema := m.schemas[old.Schema]; schema != "" {
		return catalog.QName{Schema: schema, Name: old.Name}
	}
	return old
}
