package protect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// reverse undoes one entry: at once where it can, and statement by statement where one
// of them fails, so that what was changed by hand stops nothing else.
func (s *session) reverse(ctx context.Context, e entry, res *UndoResult) (err error) {
	if e.group == GroupPartition {
		return s.inOrder(ctx, e, res)
	}
	if e.undo, err = s.keepDefaults(ctx, e.undo, res); err != nil {
		return err
	}
	if !oneByOne(e.undo) {
		err := s.inTx(ctx, nil, func(tx pgx.Tx) error {
			for _, q := range e.undo {
				if used, err := usedBy(ctx, tx, q); err != nil || used != "" {
					return errors.Join(err, errSingly)
				}
				if err := execute(ctx, tx.Conn(), []string{q}); err != nil {
					return err
				}
			}
			return forget(ctx, tx, e)
		})
		if err == nil {
			res.Undone = append(res.Undone, e.id)
			return nil
		}
		if !changedByHand(err) && !errors.Is(err, errSingly) {
			return err
		}
	}
	return s.singly(ctx, e, res)
}

// inOrder undoes a step that rows depend on: what follows may lose them where one of its
// statements has failed, so nothing goes on then. What begins with a lock is one
// transaction; elsewhere each statement is one, which holds no lock while it waits for
// another, and may be run again.
func (s *session) inOrder(ctx context.Context, e entry, res *UndoResult) error {
	if len(e.undo) > 0 && strings.HasPrefix(e.undo[0], "LOCK TABLE ") {
		return s.atOnce(ctx, e, res)
	}
	for _, q := range e.undo {
		if _, err := s.single(ctx, "", q); err != nil {
			return err
		}
	}
	res.Undone = append(res.Undone, e.id)
	return forget(ctx, s.conn, e)
}

// atOnce undoes a step and forgets it in one transaction: what has run cannot run again, and a
// journal that still had it would stop every further undo.
func (s *session) atOnce(ctx context.Context, e entry, res *UndoResult) error {
	err := s.inTx(ctx, nil, func(tx pgx.Tx) error {
		if err := execute(ctx, tx.Conn(), []string{strings.Join(e.undo, ";\n")}); err != nil {
			return err
		}
		return forget(ctx, tx, e)
	})
	if err == nil {
		res.Undone = append(res.Undone, e.id)
	}
	return err
}

var errSingly = errors.New("undo statement by statement")

// oneByOne tells the entries with a statement that scans a table, or may not be in a
// transaction: each runs by itself, and one that has run before is passed over.
func oneByOne(undo []string) bool {
	return slices.ContainsFunc(undo, func(q string) bool {
		return strings.Contains(q, " VALIDATE CONSTRAINT ") || strings.Contains(q, " CONCURRENTLY ")
	})
}

// commits is how a block that copies rows ends a batch.
const commits = "COMMIT; -- a batch"

// inBatches tells a statement that ends transactions of its own.
func inBatches(q string) bool { return strings.Contains(q, commits) }

// singly runs each statement by itself. What fails stays in the journal.
func (s *session) singly(ctx context.Context, e entry, res *UndoResult) error {
	left := Left{Title: strings.TrimSpace(e.title)}
	again, role := oneByOne(e.undo), ""
	for _, q := range e.undo {
		if strings.HasPrefix(q, "SET LOCAL ROLE ") || q == "RESET ROLE" {
			role = q
			continue
		}
		why, err := s.single(ctx, role, q)
		switch {
		case err == nil && why == "":
		case again && hasCode(err, "42710") && strings.Contains(q, " ADD CONSTRAINT "):
			// An undo that was stopped has added it.
		case err == nil:
			left.SQL, left.Reason = append(left.SQL, q), why
		case gone(err):
			res.Gone = append(res.Gone, fmt.Sprintf("%s: %s", left.Title, message(err)))
		case changedByHand(err):
			left.SQL, left.Reason = append(left.SQL, q), message(err)
		default:
			return err
		}
	}
	if len(left.SQL) > 0 {
		res.Left = append(res.Left, left)
		_, err := s.conn.Exec(ctx, "UPDATE moat.steps SET undo = $2 WHERE seq = $1", e.seq, left.SQL)
		return err
	}
	res.Undone = append(res.Undone, e.id)
	return forget(ctx, s.conn, e)
}

// single runs one statement in a role; it says why where it would take along what
// somebody else made.
func (s *session) single(ctx context.Context, role, q string) (why string, err error) {
	if strings.Contains(q, " CONCURRENTLY ") || inBatches(q) {
		return "", s.concurrently(ctx, nil, builtIndex(q), []string{q})
	}
	err = s.inTx(ctx, nil, func(tx pgx.Tx) error {
		used, err := usedBy(ctx, tx, q)
		if err != nil || used != "" {
			why = used
			return err
		}
		if role != "" {
			return execute(ctx, tx.Conn(), []string{role, q})
		}
		return execute(ctx, tx.Conn(), []string{q})
	})
	return why, err
}

// usedBy says what made by hand would go along with a column: a key or an index. moat's
// own are gone by the time that its column goes.
func usedBy(ctx context.Context, db querier, q string) (string, error) {
	table, column, ok := strings.Cut(q, " DROP COLUMN IF EXISTS ")
	table, isTable := strings.CutPrefix(table, "ALTER TABLE ")
	if !ok || !isTable {
		return "", nil
	}
	var names []string
	err := db.QueryRow(ctx, `
SELECT coalesce(array_agg(DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, 0)), '{}')
  FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
  LEFT JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::regclass AND k.oid = d.objid
 WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = pg_catalog.to_regclass($1)
   AND pg_catalog.quote_ident(a.attname) = $2 AND coalesce(k.contype <> 'n', true)
   AND d.classid IN ('pg_catalog.pg_constraint'::regclass, 'pg_catalog.pg_class'::regclass)`,
		table, column).Scan(&names)
	if err != nil || len(names) == 0 {
		return "", err
	}
	return "column " + column + " is also in " + strings.Join(names, " and ") + ", which moat did not make", nil
}

// keepDefaults takes out of an undo the defaults of columns that Citus distributes by: it lets
// nobody alter them.
func (s *session) keepDefaults(ctx context.Context, undo []string, res *UndoResult) ([]string, error) {
	var rest []string
	for _, q := range undo {
		column, err := distributedBy(ctx, s.conn, q)
		if err != nil {
			return nil, err
		}
		if column == "" {
			rest = append(rest, q)
			continue
		}
		res.Kept = append(res.Kept, "the default of "+column+": Citus distributes the table by it")
	}
	return rest, nil
}

// distributedBy is the column whose default a statement drops, where Citus distributes its
// table by it.
func distributedBy(ctx context.Context, db querier, q string) (string, error) {
	table, column, ok := strings.Cut(q, " ALTER COLUMN ")
	table, isTable := strings.CutPrefix(table, "ALTER TABLE ONLY ")
	column, drops := strings.CutSuffix(column, " DROP DEFAULT")
	if !ok || !isTable || !drops {
		return "", nil
	}
	var citus, by bool
	err := db.QueryRow(ctx, "SELECT pg_catalog.to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL").Scan(&citus)
	if err != nil || !citus {
		return "", err
	}
	err = db.QueryRow(ctx, `
SELECT EXISTS (SELECT FROM pg_catalog.pg_dist_partition p
  JOIN pg_catalog.pg_attribute a ON a.attrelid = p.logicalrelid AND pg_catalog.quote_ident(a.attname) = $2
 WHERE p.logicalrelid = pg_catalog.to_regclass($1)
   AND pg_catalog.substring(p.partkey, ':varattno (\d+)')::pg_catalog.int2 = a.attnum)`, table, column).Scan(&by)
	if err != nil || !by {
		return "", err
	}
	return table + "." + column, nil
}

// forget takes an entry out of the journal.
func forget(ctx context.Context, db interface {
	Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
}, e entry) error {
	_, err := db.Exec(ctx, "DELETE FROM moat.steps WHERE seq = $1", e.seq)
	return err
}

// gone reports whether a statement failed because what it names is not there any more.
func gone(err error) bool {
	// undefined_table, undefined_column, undefined_object, undefined_function,
	// invalid_schema_name
	return hasCode(err, "42P01", "42703", "42704", "42883", "3F000")
}

// changedByHand reports whether the database answered that its objects are not as the
// journal left them; a lost connection, a full disk or a cancelled statement is no such
// answer.
func changedByHand(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || isBusy(err) {
		return false
	}
	switch pg.Code[:2] {
	case "08", "53", "57", "58", "XX":
		return false
	}
	return true
}

// message is what the server said, without the prefix and the code.
func message(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Message
	}
	return err.Error()
}

// builtIndex is the index that CREATE INDEX CONCURRENTLY IF NOT EXISTS makes: one that is
// not valid is what a build that was stopped has left, and would be taken for it.
func builtIndex(q string) catalog.QName {
	tokens := sqltext.Code(q)
	if len(tokens) == 0 || !tokens[0].Is("create") {
		return catalog.QName{}
	}
	var name string
	for i, t := range tokens {
		switch {
		case t.Is("exists") && i+1 < len(tokens):
			name = tokens[i+1].Name()
		case t.Is("on") && i+3 < len(tokens):
			if tokens[i+1].Is("only") {
				i++
			}
			return catalog.QName{Schema: tokens[i+1].Name(), Name: name}
		}
	}
	return catalog.QName{}
}
