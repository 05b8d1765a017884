package protect

import (
	"fmt"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// mirrorTrigger names the triggers that keep a copy like its table.
const mirrorTrigger = "moat_mirror"

// mirror brings what is written to a table over to a copy of it, in the same transaction.
// Where of is not empty, only rows for which it holds: a condition on its argument's row.
//
// The function runs with the rights of whoever applies the plan: a writer's own rights may
// end at some columns or commands, and what reached the table has passed its policies. It
// writes to the copy what was written to the table, and nothing else; nobody may call it.
type mirror struct {
	from, to catalog.QName
	columns  []string // that can be written
	key      []string
	of       func(row string) string
}

func (m mirror) function() catalog.QName {
	return own(sqltext.Name("mirror", m.from.Schema, m.from.Name))
}

// create can be run again: a mirror that is there already never stops.
func (m mirror) create() []string {
	f := m.function().SQL() + "()"
	sql := []string{fmt.Sprintf("CREATE OR REPLACE FUNCTION %s RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER\n  SET "+
		"search_path = pg_catalog, pg_temp AS %s", f, sqltext.Dollar(m.body())),
		"REVOKE ALL ON FUNCTION " + f + " FROM PUBLIC"}
	for _, t := range m.triggers() {
		sql = append(sql, fmt.Sprintf("CREATE OR REPLACE TRIGGER %s AFTER %s ON %s FOR EACH %s EXECUTE FUNCTION %s",
			t.name, t.event, m.from.SQL(), t.each, f))
	}
	// Replication's writers set session_replication_role: they are mirrored too.
	for _, t := range m.triggers() {
		sql = append(sql, fmt.Sprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s", m.from.SQL(), t.name))
	}
	return sql
}

func (m mirror) drop() []string {
	sql := list.Map(m.triggers(), func(t mirrorEvent) string {
		return fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s", t.name, m.from.SQL())
	})
	return append(sql, "DROP FUNCTION IF EXISTS "+m.function().SQL()+"()")
}

type mirrorEvent struct{ name, event, each string }

func (m mirror) triggers() []mirrorEvent {
	emptied := mirrorEvent{mirrorTrigger + "_truncate", "TRUNCATE", "STATEMENT"}
	if m.of == nil {
		return []mirrorEvent{{mirrorTrigger, "INSERT OR UPDATE OR DELETE", "ROW"}, emptied}
	}
	before, after := m.of("OLD"), m.of("NEW")
	return []mirrorEvent{
		{mirrorTrigger + "_insert", "INSERT", "ROW WHEN (" + after + ")"},
		{mirrorTrigger + "_update", "UPDATE", "ROW WHEN (" + before + " OR " + after + ")"},
		{mirrorTrigger + "_delete", "DELETE", "ROW WHEN (" + before + ")"},
		emptied,
	}
}

func (m mirror) body() string {
	written := "TG_OP <> 'DELETE'"
	if m.of != nil {
		written += " AND " + m.of("NEW")
	}
	values, set := make([]string, len(m.columns)), []string{}
	for i, c := range m.columns {
		values[i] = "NEW." + sqltext.Ident(c)
		set = append(set, fmt.Sprintf("%s = EXCLUDED.%[1]s", sqltext.Ident(c)))
	}
	return fmt.Sprintf(`
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    TRUNCATE %[1]s;
    RETURN NULL;
  END IF;
  IF TG_OP <> 'INSERT' THEN
    DELETE FROM %[1]s c WHERE %[2]s;
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN NULL;
  END IF;
  IF %[3]s THEN
    INSERT INTO %[1]s (%[4]s) OVERRIDING SYSTEM VALUE VALUES (%[5]s)
      ON CONFLICT (%[6]s) DO UPDATE SET %[7]s;
  END IF;
  RETURN NULL;
END
`, m.to.SQL(), m.sameKey("c", "OLD"), written, sqltext.Idents(m.columns), strings.Join(values, ", "),
		sqltext.Idents(m.key), strings.Join(set, ", "))
}

func (m mirror) sameKey(a, b string) string {
	all := list.Map(m.key, func(k string) string { return fmt.Sprintf("%s.%s = %s.%[2]s", a, sqltext.Ident(k), b) })
	return strings.Join(all, " AND ")
}

// differs is a check that table and copy hold the same rows. One statement has one
// snapshot, in which every write is in both or in none: so it is exact while writers go on.
func (m mirror) differs(id string) *Check {
	of := ""
	if m.of != nil {
		of = " WHERE " + m.of("c")
	}
	side := func(q catalog.QName) string {
		return fmt.Sprintf("(SELECT c.%s, c::text AS moat_row FROM %s c%s)", strings.Join(quoted(m.key), ", c."), q.SQL(), of)
	}
	from := fmt.Sprintf("%s a FULL JOIN %s b USING (%s)", side(m.from), side(m.to), sqltext.Idents(m.key))
	const differ = "a.moat_row IS DISTINCT FROM b.moat_row"
	shown := list.Join(m.key, " || ', ' || ", func(k string) string {
		return fmt.Sprintf("%s || %s::text", sqltext.Literal(k+"="), sqltext.Ident(k))
	})
	return &Check{ID: id, Table: m.from,
		What:   fmt.Sprintf("rows of %s that are not the same in %s", key(m.from), key(m.to)),
		Count:  countWhere(from, differ),
		Sample: fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY 1 LIMIT 20", shown, from, differ)}
}

func quoted(names []string) []string {
	return list.Map(names, sqltext.Ident)
}
