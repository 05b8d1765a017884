package catalog

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// gone are objects that are dropped after the snapshot of the transaction was taken
// and before Load asks for their text.
var gone = map[string]struct{ create, drop string }{
	"schema":      {`CREATE SCHEMA app`, `DROP SCHEMA app`},
	"table":       {`CREATE TABLE a (x int)`, `DROP TABLE a`},
	"policy":      {`CREATE POLICY p ON stays USING (x = 1) WITH CHECK (x = 2)`, `DROP POLICY p ON stays`},
	"its table":   {`CREATE TABLE a (x int); CREATE POLICY p ON a USING (x = 1)`, `DROP TABLE a`},
	"column":      {`ALTER TABLE stays ADD y int DEFAULT 1 + 1`, `ALTER TABLE stays DROP y`},
	"domain":      {`CREATE DOMAIN d AS text CHECK (VALUE <> 'x')`, `DROP DOMAIN d`},
	"column's":    {`CREATE DOMAIN d AS text; ALTER TABLE stays ADD y d`, `DROP DOMAIN d CASCADE`},
	"index":       {`CREATE INDEX i ON stays ((x + 1)) WHERE x > 5`, `DROP INDEX i`},
	"plain index": {`CREATE INDEX i ON stays (x)`, `DROP INDEX i`},
	"constraint":  {`ALTER TABLE stays ADD CONSTRAINT k CHECK (x > 0)`, `ALTER TABLE stays DROP CONSTRAINT k`},
	"view":        {`CREATE VIEW v AS SELECT x FROM stays`, `DROP VIEW v`},
	"matview":     {`CREATE MATERIALIZED VIEW v AS SELECT x FROM stays`, `DROP MATERIALIZED VIEW v`},
	"partition": {`CREATE TABLE e (x int) PARTITION BY LIST (x); CREATE TABLE e1 PARTITION OF e FOR VALUES IN (1)`,
		`DROP TABLE e`},
	"rule": {`CREATE RULE r AS ON INSERT TO stays DO ALSO DELETE FROM stays`, `DROP RULE r ON stays`},
	"trigger": {`CREATE TRIGGER t BEFORE INSERT ON stays FOR EACH ROW EXECUTE FUNCTION touch()`,
		`DROP TRIGGER t ON stays`},
	"function": {`CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'`, `DROP FUNCTION f`},
	"body": {`CREATE FUNCTION f(a int) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT max(x) FROM stays; END`,
		`DROP FUNCTION f`},
	"procedure": {`CREATE PROCEDURE f(a int) LANGUAGE sql AS 'SELECT 1'`, `DROP PROCEDURE f`},
}

// Much of a text is written from the newest catalog. An object that is gone from there
// is read whole or not at all: never as a policy without its condition, or a view
// without its query.
func TestGoneObjectsAreNotReadInPart(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, object := range gone {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pgtest.Full(t, "table", "policy", "its table", "view", "function")
			db := pgtest.New(t)
			db.Exec(t, `CREATE TABLE stays (x int); CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
				'BEGIN RETURN NEW; END'`)
			db.Exec(t, object.create)
			want, err := loadOnce(ctx, db.Conn(t, db.URL), map[string]string{})
			if err != nil {
				t.Fatal(err)
			}
			conn := db.Conn(t, db.URL)
			tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(ctx) }()
			if _, err := tx.Exec(ctx, `SELECT 1`); err != nil { // takes the snapshot
				t.Fatal(err)
			}
			db.Exec(t, object.drop)
			got, err := loadOnce(ctx, conn, map[string]string{})
			if err != nil {
				if !tryAgain(err, map[string]string{}) || got != nil {
					t.Errorf("not begun again for: %v", err)
				}
				t.Logf("begun again for: %v", err)
				return
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Snapshot{}, "Roles", "Memberships")); diff != "" {
				t.Errorf("read in part (-want +got):\n%s", diff)
			}
		})
	}
}

// Load itself gives up on what stays gone, and says why.
func TestLoadOfAnOldSnapshot(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestLoadWhileObjectsAreDropped
	ctx := context.Background()
	db := pgtest.New(t)
	db.Exec(t, `CREATE TABLE a (x int); CREATE POLICY p ON a USING (x = 1)`)
	conn := db.Conn(t, db.URL)
	if _, err := conn.Exec(ctx, `BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1`); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, `DROP TABLE a`)
	if s, err := Load(ctx, conn); !errors.Is(err, errGone) || s != nil {
		t.Errorf("%v, want %v", err, errGone)
	}
}

// A table that goes after its row was read and before its policies are: their trees are
// still there, their texts are not.
func TestPolicyWithoutItsText(t *testing.T) {
	t.Parallel()
	tree := "{CONST :consttype 16}"
	if e, err := newLoader(nil).expression(nil, readTree(&tree), 1); !errors.Is(err, errGone) {
		t.Errorf("%+v, %v", e, err)
	}
	if e, err := newLoader(nil).expression(nil, nil, 1); e != nil || err != nil {
		t.Errorf("a policy without the clause: %+v, %v", e, err)
	}
}

// In a transaction of the caller's, a policy may change after its tree was read: the old
// tree is not taken for that of the new text.
func TestPolicyAlteredAfterItsTree(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, `CREATE TABLE a (x int); CREATE POLICY p ON a USING (x = 1)`)
	conn := db.Conn(t, db.URL)
	l := newLoader(nil)
	if err := l.server(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	db.Exec(t, `ALTER POLICY p ON a USING (true)`)
	if err := l.ask(t.Context(), conn, l.queries()); !errors.Is(err, errGone) {
		t.Errorf("%v, want %v", err, errGone)
	}
}
