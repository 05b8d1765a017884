package database_test

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
	"github.com/moat-db/moat/prove/internal/shop"
	"github.com/moat-db/moat/tenancy"
)

// A pattern is a tenant like any other text: it sees the rows for everybody, and no more
// unless it is taken for a pattern.
func TestPatternSeesEverybodysRows(t *testing.T) {
	t.Parallel()
	for operator, want := range map[string]prove.Verdict{"=": prove.VerdictIsolated, "LIKE": prove.VerdictLeak} {
		t.Run(operator, func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			app := db.Role(t, "app", "LOGIN")
			db.Exec(t, strings.NewReplacer("{app}", app, "{operator}", operator).Replace(`CREATE SCHEMA app;
				GRANT USAGE ON SCHEMA app TO {app};
				CREATE TABLE app.labels (tenant_id text, id int, name text, UNIQUE (tenant_id, id));
				INSERT INTO app.labels VALUES ('acme', 1, 'a'), ('beta', 1, 'b'), (NULL, 1, 'all');
				ALTER TABLE app.labels ENABLE ROW LEVEL SECURITY; ALTER TABLE app.labels FORCE ROW LEVEL SECURITY;
				CREATE POLICY p ON app.labels USING (tenant_id {operator} (SELECT nullif(current_setting('app.current_tenant',
					true), '')) OR (tenant_id IS NULL AND
					(SELECT nullif(current_setting('app.current_tenant', true), '')) IS NOT NULL));
				GRANT SELECT ON app.labels TO {app}`))
			f := &fixture{&shop.Fixture{Database: db, App: app}}
			p := f.prove(t, database.Options{Model: tenancy.Options{Column: "tenant_id", Setting: "app.current_tenant",
				Shapes: catalog.Shapes{SharedRows: []catalog.SharedRows{{Table: catalog.QName{Schema: "app",
					Name: "labels"}}}}}}).Find("wildcard tenant:app.labels")
			if p == nil || p.Verdict != want {
				t.Errorf("%+v, want %s", p, want)
			}
		})
	}
}

// Where a tenant stands for everybody, rows of no tenant are nobody's, for a pattern too.
func TestPatternSeesNobodysRows(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	app := db.Role(t, "app", "LOGIN")
	db.Exec(t, strings.ReplaceAll(`CREATE SCHEMA app;
		GRANT USAGE ON SCHEMA app TO {app};
		CREATE TABLE app.labels (tenant_id text, id int, name text, UNIQUE (tenant_id, id));
		INSERT INTO app.labels VALUES ('acme', 1, 'a'), ('beta', 1, 'b'), ('all', 1, 'all'), (NULL, 1, 'lost');
		ALTER TABLE app.labels ENABLE ROW LEVEL SECURITY; ALTER TABLE app.labels FORCE ROW LEVEL SECURITY;
		CREATE POLICY p ON app.labels USING (tenant_id IN ((SELECT nullif(current_setting('app.current_tenant', true), '')),
			'all') OR (tenant_id IS NULL AND (SELECT nullif(current_setting('app.current_tenant', true), '')) IS NOT NULL));
		GRANT SELECT ON app.labels TO {app}`, "{app}", app))
	f := &fixture{&shop.Fixture{Database: db, App: app}}
	p := f.prove(t, database.Options{Model: tenancy.Options{Column: "tenant_id", Setting: "app.current_tenant",
		Shapes: catalog.Shapes{SharedRows: []catalog.SharedRows{{Table: catalog.QName{Schema: "app", Name: "labels"},
			Sentinel: "all"}}}}}).Find("wildcard tenant:app.labels")
	if p == nil || p.Verdict != prove.VerdictLeak {
		t.Errorf("%+v, want a leak", p)
	}
}
