package migrations_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/internal/migrations"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/sqltext"
)

// forced is a schema whose tables a, b and c policies bind the owner of; open shows the
// owner every row, and of off the owner is not bound.
const forced = `CREATE TABLE a (t int, x int); CREATE TABLE b (t int, x int); CREATE TABLE c (t int, x int);
CREATE TABLE open (t int, x int); CREATE TABLE off (t int, x int);
UPDATE a SET x = 1;
ALTER TABLE a ENABLE ROW LEVEL SECURITY; ALTER TABLE a FORCE ROW LEVEL SECURITY;
ALTER TABLE b ENABLE ROW LEVEL SECURITY; ALTER TABLE b FORCE ROW LEVEL SECURITY;
ALTER TABLE c ENABLE ROW LEVEL SECURITY; ALTER TABLE c FORCE ROW LEVEL SECURITY;
ALTER TABLE open ENABLE ROW LEVEL SECURITY; ALTER TABLE open FORCE ROW LEVEL SECURITY;
ALTER TABLE off ENABLE ROW LEVEL SECURITY;
CREATE POLICY a ON a USING (t = 1);
CREATE POLICY b ON b USING (true); CREATE POLICY wall ON b AS RESTRICTIVE USING (t = 1);
CREATE POLICY open ON open TO migrator USING (true);
CREATE ROLE operator BYPASSRLS; GRANT ALL ON ALL TABLES IN SCHEMA public TO operator;
CREATE FUNCTION fill() RETURNS void LANGUAGE sql AS 'UPDATE b SET x = 2';
CREATE FUNCTION bypass() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'UPDATE a SET x = 2';
ALTER FUNCTION bypass() OWNER TO operator;`

func TestHiddenFromMigrations(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestTools
	tests := []struct {
		name, sql string
		hidden    string // table:line
		noted     bool
	}{
		{"update", "ALTER TABLE a ADD y int;\nUPDATE a SET y = 1", "a:2", false},
		{"delete", "DELETE FROM public.b", "b:1", false},
		{"insert", "INSERT INTO a VALUES (1, 1)", "a:1", false},
		{"copied rows, of two tables", "CREATE TABLE copy AS SELECT a.x FROM a JOIN c ON a.t = c.t", "a:1 c:1", false},
		{"in a transaction of the file", "BEGIN;\nUPDATE a SET x = 3;\nCOMMIT", "a:2", false},
		{"in a block", "DO $$BEGIN UPDATE a SET x = 4; END$$", "a:1", false},
		{"in a function", "SELECT fill()", "b:1", false},
		{"in a function of who bypasses", "SELECT bypass()", "", false},
		{"as who bypasses", "SET ROLE operator; UPDATE a SET x = 5", "", false},
		{"told by the server", "SET row_security = off; UPDATE a SET x = 6", "", false},
		{"open to the owner", "UPDATE open SET x = 7", "", false},
		{"owner not bound", "UPDATE off SET x = 8", "", false},
		{"for a tenant", "SET LOCAL app.tenant = '1'; UPDATE a SET x = 9", "", true},
		{"for each tenant", "DO $$BEGIN PERFORM set_config('app.tenant', '1', true); UPDATE a SET x = 9; END$$", "", true},
		{"no rows touched", "CREATE VIEW v AS SELECT * FROM a; CREATE INDEX ON a (t)", "", false},
	}
	f := migrations.Folder{Files: []migrations.File{{Path: "forced.sql", Statements: sqltext.Split(forced)}}}
	for _, x := range tests {
		f.Files = append(f.Files, migrations.File{Path: x.name, Statements: sqltext.Split(x.sql)})
	}
	got, err := migrations.Apply(context.Background(), server(t), f, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range tests {
		var hidden []string
		for _, h := range got.Hidden {
			if h.File == x.name {
				hidden = append(hidden, fmt.Sprintf("%s:%d", h.Table, h.Line))
			}
		}
		if diff := cmp.Diff(x.hidden, strings.Join(hidden, " ")); diff != "" {
			t.Errorf("%s: %s", x.name, diff)
		}
		if noted := strings.Contains(strings.Join(got.Notes, "\n"), x.name+":"); noted != x.noted {
			t.Errorf("%s: noted %v: %q", x.name, noted, got.Notes)
		}
	}
}
