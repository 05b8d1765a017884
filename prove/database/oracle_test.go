package database_test

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
	"github.com/moat-db/moat/prove/internal/shop"
)

// showsUpserts says whether a release shows hidden rows to the WHERE of ON CONFLICT
// (CVE-2026-120154; mended in these minor releases).
func showsUpserts(version int) bool {
	mended, known := map[int]int{14: 25, 15: 20, 16: 16, 17: 12, 18: 7}[version/10000]
	return known && version%10000 < mended
}

// The oracle is there on unmended releases where a unique key does not begin with the
// tenant, and only there.
func TestUpsertOracle(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestHolesLeakAndMendedTwinsDoNot
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		for key, opens := range map[string]bool{"email": true, "tenant_id, email": false} {
			t.Run(key, func(t *testing.T) {
				t.Parallel()
				table := `CREATE TABLE app.people (tenant_id uuid NOT NULL REFERENCES app.tenants(id), email text NOT NULL, secret
					text, UNIQUE (` + key + `)); INSERT INTO app.people SELECT id, name, 's3cret of ' || name FROM app.tenants;`
				f := &fixture{shop.On(t, c.New(t), rows, table+strings.NewReplacer("$T", "app.people", "$C",
					"tenant_id").Replace(policy))}
				version := f.snapshot(t).Version
				p := f.prove(t, database.Options{}).Find("upsert oracle:app.people")
				leaks := p != nil && p.Verdict == prove.VerdictLeak
				if leaks != (opens && showsUpserts(version)) {
					t.Errorf("on %d: %+v", version, p)
				}
				if leaks && !strings.Contains(p.Reason, "s3cret of Bolt") {
					t.Errorf("the value is not shown: %s", p.Reason)
				}
			})
		}
	})
}

// A tenant whose id is another text than B's sees B's rows where the column's type or
// collation calls the two equal.
func TestLookAlikeTenants(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		before, column string
		leaks          bool
	}{
		"text":    {"", "text", false},
		"citext":  {"CREATE EXTENSION citext;", "citext", true},
		"char":    {"", "char(8)", true},
		"varchar": {"", "varchar(4)", true},
		"collation": {"CREATE COLLATION app.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);",
			"text COLLATE app.loose", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pgtest.Full(t, "text", "citext")
			db := pgtest.New(t)
			app := db.Role(t, "app", "LOGIN")
			typ, _, _ := strings.Cut(x.column, " COLLATE")
			names := strings.NewReplacer("{col}", x.column, "{type}", typ, "{app}", app)
			db.Exec(t, names.Replace(`CREATE SCHEMA app;`+x.before+`
				GRANT USAGE ON SCHEMA app TO {app};
				CREATE TABLE app.docs (tenant_id {col} NOT NULL, id int, t text, PRIMARY KEY (tenant_id, id));
				INSERT INTO app.docs VALUES ('acme', 1, 'a'), ('beta', 1, 'b');
				ALTER TABLE app.docs ENABLE ROW LEVEL SECURITY; ALTER TABLE app.docs FORCE ROW LEVEL SECURITY;
				CREATE POLICY p ON app.docs USING (tenant_id = (SELECT current_setting('app.current_tenant', true))::{type});
				GRANT SELECT ON app.docs TO {app}`))
			f := &fixture{&shop.Fixture{Database: db, App: app}}
			p := f.prove(t, database.Options{}).Find("look-alike tenant:app.docs")
			if p == nil || (p.Verdict == prove.VerdictLeak) != x.leaks {
				t.Errorf("%+v", p)
			}
		})
	}
}
