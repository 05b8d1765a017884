package protect

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
)

// The journal lives in schema moat. A step's row is written in the step's own
// transaction where it has one, and before it where it has not: whatever happened
// to the database, the way back is written down.
const journalSQL = `
CREATE TABLE IF NOT EXISTS moat.steps (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text NOT NULL, step_group text NOT NULL, title text NOT NULL,
  sql text[] NOT NULL, undo text[] NOT NULL, transactional boolean NOT NULL,
  state text NOT NULL, started_at timestamptz NOT NULL DEFAULT clock_timestamp(), finished_at timestamptz,
  relation regclass, table_schema name, table_name name);
CREATE TABLE IF NOT EXISTS moat.backfills (
  part text PRIMARY KEY, position text[] NOT NULL, filled bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE IF NOT EXISTS moat.chosen (relation text PRIMARY KEY, path text NOT NULL);
CREATE TABLE IF NOT EXISTS moat.state (name text PRIMARY KEY, value text NOT NULL);
REVOKE ALL ON moat.steps, moat.backfills, moat.chosen, moat.state FROM PUBLIC;`

// journalTables are the columns by which an undo finds a table that was renamed. Journals
// of earlier versions lack them; only then is the lock taken.
const journalTables = `DO $$BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute
      WHERE attrelid = 'moat.steps'::regclass AND attname = 'relation') THEN
    ALTER TABLE moat.steps ADD COLUMN relation regclass, ADD COLUMN table_schema name, ADD COLUMN table_name name;
  END IF;
END$$;`

// openJournal creates the journal where it is missing and keeps the plan's choices.
func openJournal(ctx context.Context, conn *pgx.Conn, plan *Plan) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var there bool
		err := tx.QueryRow(ctx,
			"SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'moat')").Scan(&there)
		if err != nil {
			return err
		}
		create := journalSQL + journalTables
		if !there {
			create = "CREATE SCHEMA moat;" + journalSQL + "INSERT INTO moat.state VALUES ('created_schema', 'true');"
		}
		if _, err := conn.PgConn().Exec(ctx, create).ReadAll(); err != nil {
			return fmt.Errorf("create the journal: %w", err)
		}
		for table, path := range plan.Chosen {
			if _, err := tx.Exec(ctx, "INSERT INTO moat.chosen VALUES ($1, $2) ON CONFLICT DO NOTHING", table,
				path); err != nil {
				return fmt.Errorf("save the path of %s: %w", table, err)
			}
		}
		for name, goal := range plan.goal {
			if _, err := tx.Exec(ctx, "INSERT INTO moat.state VALUES ($1, $2)", name, goal); err != nil {
				return fmt.Errorf("save the plan: %w", err)
			}
		}
		return nil
	})
}

// journalExists reports whether the database has a journal.
func journalExists(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var there bool
	err := conn.QueryRow(ctx, "SELECT pg_catalog.to_regclass('moat.steps') IS NOT NULL").Scan(&there)
	return there, err
}

// ChosenPaths returns the paths that an earlier apply has begun with, to be laid
// under Config.Paths: after a crash between two columns a path could look ambiguous
// that was not. A database without a journal, or one whose journal the role may not
// read, has none.
func ChosenPaths(ctx context.Context, conn *pgx.Conn) (map[string]string, error) {
	paths := map[string]string{}
	var readable bool
	err := conn.QueryRow(ctx, "SELECT coalesce(pg_catalog.has_table_privilege(c.oid, 'SELECT') AND "+
		"pg_catalog.has_schema_privilege(n.oid, 'USAGE'), false) "+
		"FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid WHERE n.nspname = 'moat' "+
		"AND c.relname = 'chosen'").Scan(&readable)
	if err == pgx.ErrNoRows || (err == nil && !readable) {
		return paths, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for the journal: %w", err)
	}
	rows, err := conn.Query(ctx, "SELECT relation, path FROM moat.chosen")
	if err != nil {
		return nil, fmt.Errorf("read the journal's paths: %w", err)
	}
	var table, path string
	_, err = pgx.ForEachRow(rows, []any{&table, &path}, func() error { paths[table] = path; return nil })
	return paths, err
}

// execer is a transaction or a connection.
type execer interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// record writes a step into the journal. A row with the same
// undo is taken over: the first way back is the one to the start.
func record(ctx context.Context, db execer, s Step, undo []string, state string) error {
	err := db.QueryRow(ctx, `
WITH there AS (
  UPDATE moat.steps SET state = $7, finished_at = CASE WHEN $7 = 'done' THEN clock_timestamp() END
   WHERE id = $1 AND undo = $5 RETURNING seq),
added AS (
  INSERT INTO moat.steps (id, step_group, title, sql, undo, transactional, state, finished_at, relation, table_schema,
      table_name)
  SELECT $1, $2, $3, $4, $5, $6, $7, CASE WHEN $7 = 'done' THEN clock_timestamp() END,
      pg_catalog.to_regclass(nullif($8, '')), nullif($9, ''), nullif($10, '')
   WHERE NOT EXISTS (SELECT FROM there) RETURNING seq)
SELECT seq FROM there UNION ALL SELECT seq FROM added LIMIT 1`,
		s.ID, string(s.Group), strings.TrimSpace(s.Title+" "+tableText(s)), s.SQL, undo, s.Transactional, state,
		relationText(s), s.Table.Schema, s.Table.Name).Scan(new(int64))
	if err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	return nil
}

func relationText(s Step) string {
	if s.Table.Name == "" {
		return ""
	}
	return s.Table.SQL()
}

func tableText(s Step) string {
	if s.Table.Name == "" {
		return ""
	}
	return key(s.Table)
}

// entry is a row of the journal, to be undone.
type entry struct {
	seq           int64
	id, title     string
	group         Group
	undo          []string
	transactional bool
	relation      uint32 // the table's OID; 0 for none, and for journals of earlier versions
	table         catalog.QName
}

// undoOrder is that of the journal for an undo: the guard first, because it refuses what
// the rest does, then backwards.
const undoOrder = " FROM moat.steps ORDER BY id <> 'guards/event-triggers', seq DESC"

// entries returns the journal in the order to undo it.
func entries(ctx context.Context, conn *pgx.Conn) ([]entry, error) {
	if err := execute(ctx, conn, []string{journalTables}); err != nil {
		return nil, fmt.Errorf("bring the journal up to date: %w", err)
	}
	rows, err := conn.Query(ctx, "SELECT seq, id, title, step_group, undo, transactional, coalesce(relation::oid, 0), "+
		"coalesce(table_schema, ''), coalesce(table_name, '')"+undoOrder)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (entry, error) {
		var e entry
		err := row.Scan(&e.seq, &e.id, &e.title, &e.group, &e.undo, &e.transactional, &e.relation, &e.table.Schema,
			&e.table.Name)
		return e, err
	})
}
