package database_test

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
)

const spreadLeads = `
CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO :app;
CREATE TABLE app.tenants (id uuid PRIMARY KEY, name text NOT NULL);
CREATE TABLE app.leads (tenant_id uuid NOT NULL REFERENCES app.tenants, id bigint NOT NULL, name text NOT NULL,
    PRIMARY KEY (tenant_id, id));
INSERT INTO app.tenants SELECT md5(i::text)::uuid, 'tenant ' || i FROM generate_series(1, 5) i;
INSERT INTO app.leads SELECT id, i, name || i FROM app.tenants, generate_series(1, 5) i;
ALTER TABLE app.tenants ENABLE ROW LEVEL SECURITY; ALTER TABLE app.tenants FORCE ROW LEVEL SECURITY;
ALTER TABLE app.leads ENABLE ROW LEVEL SECURITY; ALTER TABLE app.leads FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON app.tenants USING (id = nullif(current_setting('app.current_tenant', true), '')::uuid);
CREATE POLICY own ON app.leads USING (:open tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid);
GRANT SELECT ON app.tenants TO :app; GRANT SELECT, INSERT, UPDATE, DELETE ON app.leads TO :app;`

// A real cluster, from its coordinator and through each worker: no leak where the policies hold,
// with few probes undecided, and leaks where one does not.
func TestCitusReal(t *testing.T) {
	t.Parallel()
	for _, open := range []string{"", "true OR"} {
		db := pgtest.NewCitus(t)
		app := db.AppRole(t)
		db.Exec(t, strings.NewReplacer(":app", app, ":open", open).Replace(spreadLeads))
		db.Exec(t, "SELECT create_reference_table('app.tenants')")
		db.Exec(t, "SELECT create_distributed_table('app.leads', 'tenant_id')")
		operators := append([]string{db.URL}, db.Workers("postgres")...)
		apps := append([]string{db.As(t, app)}, db.Workers(app)...)
		for i := range operators {
			r, err := database.Attack(t.Context(), config(t, operators[i]), config(t, apps[i]), database.Options{})
			if err != nil {
				t.Fatal(err)
			}
			leaks, undecided := r.Count(prove.VerdictLeak), r.Count(prove.VerdictUndecided)
			if (leaks > 0) != (open != "") || undecided >= 10 {
				t.Errorf("server %d, policy %q: %d leaks, %d undecided", i, open, leaks, undecided)
			}
		}
	}
}
